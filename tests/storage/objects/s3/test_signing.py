"""Our signatures are botocore's, at a frozen time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import botocore.auth
import botocore.credentials
import pytest
from botocore.awsrequest import AWSRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.objects.s3.signing import Address, Credentials, Request, Signer

NOW = datetime(2026, 11, 23, 14, 30, 59, tzinfo=UTC)
REGION = "eu-central-1"

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
keys = st.sampled_from([Credentials("AKIDEXAMPLE", "sec/ret+key"), Credentials("ASIAEXAMPLE", "s", "tok+en/=")])
addresses = st.sampled_from(
    [
        Address.of("http://127.0.0.1:8333", "bucket", path_style=True),
        Address.of("https://s3.eu-central-1.amazonaws.com", "my-bucket", path_style=False),
        Address.of("https://[2001:db8::1]:9000/base/", "bucket", path_style=True),
    ]
)


@pytest.fixture(autouse=True, scope="module")
def frozen() -> Iterator[None]:
    """Botocore reads the clock itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda **_: NOW.replace(tzinfo=None))
        yield


def botocores(credentials: Credentials) -> botocore.credentials.ReadOnlyCredentials:
    return botocore.credentials.ReadOnlyCredentials(credentials.access_key, credentials.secret_key, credentials.token)


@settings(max_examples=100)
@given(
    credentials=keys,
    address=addresses,
    key=texts,
    query=st.dictionaries(st.sampled_from(["partNumber", "uploadId", "A", "z"]), texts),
    ranged=st.booleans(),
    method=st.sampled_from(["GET", "PUT"]),
)
def test_headers(
    credentials: Credentials, address: Address, key: str, query: dict[str, str], *, ranged: bool, method: str
) -> None:
    request = Request(method, address, address.path(key), query)
    extra = {"range": "bytes=0-  9"} if ranged else {}
    theirs = AWSRequest(method=method, url=request.url, headers=extra)
    theirs.context["payload_signing_enabled"] = False
    signer = botocore.auth.S3SigV4Auth(botocores(credentials), "s3", REGION)
    theirs.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    theirs.context["client_config"] = Unsigned
    signer.add_auth(theirs)
    ours = Signer(REGION).headers(credentials, request, NOW, extra)
    assert ours["authorization"] == theirs.headers["Authorization"]
    assert ours["x-amz-date"] == theirs.headers["X-Amz-Date"]
    assert ours.get("x-amz-security-token") == theirs.headers.get("X-Amz-Security-Token")


class Unsigned:
    """The part of botocore's client configuration that its signer looks at."""

    s3 = {"payload_signing_enabled": False}  # noqa: RUF012


@settings(max_examples=100)
@given(
    credentials=keys,
    address=addresses,
    key=texts,
    content_type=texts,
    seconds=st.integers(1, 7 * 24 * 3600),
)
def test_presigned(credentials: Credentials, address: Address, key: str, content_type: str, seconds: int) -> None:
    request = Request("GET", address, address.path(key), {"response-content-type": content_type})
    theirs = AWSRequest(method="GET", url=request.url)
    botocore.auth.S3SigV4QueryAuth(botocores(credentials), "s3", REGION, seconds).add_auth(theirs)
    ours = Signer(REGION).presigned(credentials, request, NOW, timedelta(seconds=seconds))
    assert parts(ours) == parts(str(theirs.url))


def parts(url: str) -> tuple[str, str, str, list[tuple[str, str]]]:
    split = urlsplit(url)
    return split.scheme, split.netloc, split.path, sorted(parse_qsl(split.query, keep_blank_values=True))


def test_the_signing_key_follows_day_and_secret() -> None:
    """It is kept between requests; another day or secret needs another."""
    kept, request = Signer(REGION), Request("GET", Address.of("http://h", "b", path_style=True), "/b/k", {})
    for credentials in (Credentials("A", "one"), Credentials("A", "two")):
        for day in (0, 1, 0):
            now = NOW + timedelta(days=day)
            assert kept.headers(credentials, request, now) == Signer(REGION).headers(credentials, request, now)


def test_credentials_print_no_secret() -> None:
    assert "hush" not in repr(Credentials("A", "hush", "hush-token"))


@pytest.mark.parametrize(
    ("endpoint", "path_style", "origin", "host", "path"),
    [
        ("http://h:80", True, "http://h", "h", "/b/k"),
        ("https://h:443/", True, "https://h", "h", "/b/k"),
        ("https://h:80", True, "https://h:80", "h:80", "/b/k"),
        ("https://h/base", False, "https://b.h", "b.h", "/base/k"),
        ("http://[::1]:9000", True, "http://[::1]:9000", "[::1]:9000", "/b/k"),
    ],
)
def test_addresses(endpoint: str, path_style: bool, origin: str, host: str, path: str) -> None:
    address = Address.of(endpoint, "b", path_style=path_style)
    assert (address.origin, address.host, address.path("k")) == (origin, host, path)


@pytest.mark.parametrize("endpoint", ["", "localhost:9000", "ftp://h", "http://"])
def test_bad_endpoints(endpoint: str) -> None:
    with pytest.raises(ValueError, match="https"):
        Address.of(endpoint, "b", path_style=True)
