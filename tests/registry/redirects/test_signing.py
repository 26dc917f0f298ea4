"""Signatures of what stands before a store, held against other programs: openssl for CloudFront's, nginx in tests/proxies."""

import base64
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from registry.redirects.signing import cloudfront_signer, secure_link_signer
from storage.objects.base import ObjectKey

_ENDS = 1_800_000_300
_KEY = ObjectKey("b/0a/0a1b2c")


def _openssl(*words: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(("openssl", *words), input=stdin, capture_output=True, check=True).stdout


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key made as AWS's page on signers tells, and its public half beside it."""
    path = tmp_path / "private.pem"
    _openssl("genrsa", "-out", str(path), "2048")
    _openssl("rsa", "-pubout", "-in", str(path), "-out", str(tmp_path / "public.pem"))
    return path


@pytest.mark.parametrize("url", ["https://d111111abcdef8.cloudfront.net", "https://cdn.example.com/layers/"])
def test_cloudfront_signatures_are_those_of_openssl(url: str, key: Path, tmp_path: Path) -> None:
    """The command is the one of AWS's page on canned policies: openssl sha1 -sign | openssl base64 | tr '+=/' '-_~'."""
    signed = cloudfront_signer(url, "K2JCJMDEHXQW5F", str(key))(_KEY, _ENDS)
    place, _, query = signed.partition("?")
    assert place == f"{url.rstrip('/')}/{_KEY}"
    policy = f'{{"Statement":[{{"Resource":"{place}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{_ENDS}}}}}}}]}}'
    told = {name: values[0] for name, values in parse_qs(query).items()}
    assert told.keys() == {"Expires", "Signature", "Key-Pair-Id"}
    assert (told["Expires"], told["Key-Pair-Id"]) == (str(_ENDS), "K2JCJMDEHXQW5F")
    made = _openssl("dgst", "-sha1", "-sign", str(key), stdin=policy.encode())
    assert told["Signature"] == base64.b64encode(made).decode().translate(str.maketrans("+=/", "-_~"))
    (tmp_path / "signature").write_bytes(made)
    verified = _openssl(
        "dgst", "-sha1", "-verify", str(tmp_path / "public.pem"), "-signature", str(tmp_path / "signature"),
        stdin=policy.encode(),
    )  # fmt: skip
    assert verified == b"Verified OK\n"
    other = cloudfront_signer(url, "K2JCJMDEHXQW5F", str(key))(_KEY, _ENDS + 1)
    assert other.partition("&")[2] != signed.partition("&")[2]


def test_secure_links_are_those_of_openssl(tmp_path: Path) -> None:
    """The command is the one of nginx's page: openssl md5 -binary | openssl base64 | tr +/ -_ | tr -d =."""
    secret = "s" * 32
    (tmp_path / "secret").write_text(f"{secret}\n")
    for url, path in (("https://cdn.example.com", ""), ("https://cdn.example.com/layers/", "/layers")):
        signed = secure_link_signer(url, str(tmp_path / "secret"))(_KEY, _ENDS)
        made = _openssl("md5", "-binary", stdin=f"{_ENDS}{path}/{_KEY} {secret}".encode())
        link = base64.b64encode(made).decode().replace("+", "-").replace("/", "_").replace("=", "")
        assert signed == f"https://cdn.example.com{path}/{_KEY}?md5={link}&expires={_ENDS}"
        assert urlsplit(signed).path == f"{path}/{_KEY}"


def test_a_key_with_a_password_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    _openssl("genrsa", "-aes128", "-passout", "pass:secret", "-out", str(tmp_path / "locked"), "2048")
    _openssl("ecparam", "-genkey", "-name", "prime256v1", "-out", str(tmp_path / "curve"))
    for name in ("locked", "curve"):
        with pytest.raises(ValueError, match="expected a private RSA key in PEM, without a password"):
            cloudfront_signer("https://cdn.example.com", "K1", str(tmp_path / name))
