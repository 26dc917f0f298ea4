"""The routing table of /v2, and what it refuses."""

from collections.abc import Mapping
from uuid import UUID

import pytest
from multidict import MultiDict, MultiDictProxy

from registry.errors import (
    BlobUploadUnknown,
    DigestMalformed,
    DigestUnsupported,
    EndpointUnknown,
    NameInvalid,
    OwnerNotNamed,
    PageInvalid,
    ParameterInvalid,
    RegistryError,
    TagInvalid,
    TooManyTags,
    Unsupported,
)
from registry.http.statuses import oci_body, status_of
from registry.oci.parameters import MAX_TAGS_PER_PUSH
from registry.oci.request import (
    Kind,
    OCIRequest,
    blob_path,
    build,
    manifest_path,
    next_page,
    parse,
    upload_path,
)
from storage.names import Digest, PackageName, TagName, UploadId

D = Digest.of(b"d")
D512 = Digest.of(b"d", "sha512")
NAME = PackageName("octo", "app")
TAG = TagName("v1")
UPLOAD = UploadId(UUID("0198f2a0-1111-7222-8333-444455556666"))
NOTHING: Mapping[str, str] = {}


def query(*pairs: tuple[str, str]) -> MultiDictProxy[str]:
    """What aiohttp gives a handler."""
    return MultiDictProxy(MultiDict(pairs))


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v2/", OCIRequest(Kind.BASE)),
        ("HEAD", "/v2/", OCIRequest(Kind.BASE)),
        ("GET", "/v2", OCIRequest(Kind.BASE)),
        ("GET", "/v2/_catalog", OCIRequest(Kind.CATALOG)),
        ("GET", "/v2/octo/app/tags/list", OCIRequest(Kind.TAGS_LIST, NAME)),
        ("GET", f"/v2/octo/app/referrers/{D}", OCIRequest(Kind.REFERRERS, NAME, D)),
        ("GET", f"/v2/octo/app/blobs/{D}", OCIRequest(Kind.BLOB_GET, NAME, D)),
        ("HEAD", f"/v2/octo/app/blobs/{D512}", OCIRequest(Kind.BLOB_HEAD, NAME, D512)),
        ("DELETE", f"/v2/octo/app/blobs/{D}", OCIRequest(Kind.BLOB_DELETE, NAME, D)),
        ("POST", "/v2/octo/app/blobs/uploads/", OCIRequest(Kind.UPLOAD_START, NAME)),
        ("POST", "/v2/octo/app/blobs/uploads", OCIRequest(Kind.UPLOAD_START, NAME)),
        ("GET", f"/v2/octo/app/blobs/uploads/{UPLOAD}", OCIRequest(Kind.UPLOAD_STATUS, NAME, upload=UPLOAD)),
        ("PATCH", f"/v2/octo/app/blobs/uploads/{UPLOAD}", OCIRequest(Kind.UPLOAD_CHUNK, NAME, upload=UPLOAD)),
        ("DELETE", f"/v2/octo/app/blobs/uploads/{UPLOAD}", OCIRequest(Kind.UPLOAD_CANCEL, NAME, upload=UPLOAD)),
        ("GET", "/v2/octo/app/manifests/v1", OCIRequest(Kind.MANIFEST_GET, NAME, tag=TAG)),
        ("HEAD", "/v2/octo/app/manifests/v1", OCIRequest(Kind.MANIFEST_HEAD, NAME, tag=TAG)),
        ("GET", f"/v2/octo/app/manifests/{D}", OCIRequest(Kind.MANIFEST_GET, NAME, D)),
        ("PUT", "/v2/octo/app/manifests/v1", OCIRequest(Kind.MANIFEST_PUT, NAME, tag=TAG)),
        ("PUT", f"/v2/octo/app/manifests/{D}", OCIRequest(Kind.MANIFEST_PUT, NAME, D)),
        ("DELETE", f"/v2/octo/app/manifests/{D}", OCIRequest(Kind.MANIFEST_DELETE, NAME, D)),
    ],
)
def test_the_table_of_endpoints(method: str, path: str, expected: OCIRequest) -> None:
    assert parse(method, path, NOTHING) == expected
    assert parse(method, path, query(("ns", "docker.io"))) == expected


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("/v2/blobs/manifests/uploads/manifests/v1", Kind.MANIFEST_GET, "blobs/manifests/uploads"),
        (f"/v2/octo/blobs/uploads/blobs/{D}", Kind.BLOB_GET, "octo/blobs/uploads"),
        (f"/v2/octo/blobs/blobs/uploads/{UPLOAD}", Kind.UPLOAD_STATUS, "octo/blobs"),
        ("/v2/tags/list/tags/list", Kind.TAGS_LIST, "tags/list"),
        (f"/v2/v2/referrers/referrers/{D}", Kind.REFERRERS, "v2/referrers"),
        ("/v2/octo/manifests/manifests/blobs", Kind.MANIFEST_GET, "octo/manifests"),
    ],
)
def test_names_may_hold_the_words_of_the_api(path: str, kind: Kind, name: str) -> None:
    request = parse("GET", path, NOTHING)
    assert (request.kind, str(request.package)) == (kind, name)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("", EndpointUnknown),
        ("/", EndpointUnknown),
        ("//v2/", EndpointUnknown),
        ("//v2//_catalog", EndpointUnknown),
        ("/V2/", EndpointUnknown),
        ("/v1/_ping", EndpointUnknown),
        ("/v2x/", EndpointUnknown),
        ("http://evil/v2/octo/app/manifests/v1", EndpointUnknown),
        ("/v2/_catalog/", EndpointUnknown),
        ("/v2/%5fcatalog", EndpointUnknown),
        ("/v2/octo/app", EndpointUnknown),
        ("/v2/octo/app/tags/lists", EndpointUnknown),
        ("/v2/octo/app/tags/list/", EndpointUnknown),
        ("/v2/octo/app/manifests/v1/", EndpointUnknown),
        (f"/v2/octo/app/blobs/{D}/", EndpointUnknown),
        (f"/v2/octo/app/blobs/uploads/{UPLOAD}/", EndpointUnknown),
        (f"/v2/octo/app/uploads/{UPLOAD}", EndpointUnknown),
        (f"/v2/octo/app%2Fblobs/{D}", EndpointUnknown),
        ("/v2/octo/app/manifests", EndpointUnknown),
        ("/v2//octo/app/manifests/v1", NameInvalid),
        ("/v2/octo//app/manifests/v1", NameInvalid),
        ("/v2/octo/app//manifests/v1", NameInvalid),
        ("/v2/octo/../app/manifests/v1", NameInvalid),
        ("/v2/octo/./app/manifests/v1", NameInvalid),
        ("/v2/octo/%2e%2e/app/manifests/v1", NameInvalid),
        ("/v2/octo%2Fapp/manifests/v1", NameInvalid),
        ("/v2/octo%252Fapp/x/manifests/v1", NameInvalid),
        ("/v2/octo\\app/x/manifests/v1", NameInvalid),
        ("/v2/octo%5Capp/x/manifests/v1", NameInvalid),
        ("/v2/octo/app%00/manifests/v1", NameInvalid),
        ("/v2/octo/app\x00/manifests/v1", NameInvalid),
        ("/v2/octo/app\n/manifests/v1", NameInvalid),
        ("/v2/octo/app;x/manifests/v1", NameInvalid),
        ("/v2/octo/%c0%af/manifests/v1", NameInvalid),
        ("/v2/octo/\uff41pp/manifests/v1", NameInvalid),
        ("/v2/octo/e\u0301/manifests/v1", NameInvalid),
        ("/v2/octo/\u0663/manifests/v1", NameInvalid),
        ("/v2/OCTO/app/manifests/v1", NameInvalid),
        ("/v2/app/manifests/v1", OwnerNotNamed),
        ("/v2/blobs/uploads/", EndpointUnknown),
        (f"/v2/octo/{'x' * 251}/manifests/v1", NameInvalid),
        ("/v2/octo/app/manifests/", TagInvalid),
        ("/v2/octo/app/manifests/.v1", TagInvalid),
        ("/v2/octo/app/manifests/-v1", TagInvalid),
        ("/v2/octo/app/manifests/..", TagInvalid),
        ("/v2/octo/app/manifests/v1%00", TagInvalid),
        ("/v2/octo/app/manifests/v1\n", TagInvalid),
        ("/v2/octo/app/manifests/sha256%3A" + "a" * 64, TagInvalid),
        (f"/v2/octo/app/manifests/{'x' * 129}", TagInvalid),
        ("/v2/octo/app/manifests/sha256:", DigestMalformed),
        (f"/v2/octo/app/manifests/sha256:{'A' * 64}", DigestMalformed),
        (f"/v2/octo/app/manifests/sha256:{'a' * 63}", DigestMalformed),
        (f"/v2/octo/app/manifests/sha512:{'a' * 64}", DigestMalformed),
        ("/v2/octo/app/manifests/sha256:..", DigestMalformed),
        ("/v2/octo/app/manifests/md5:d41d8cd98f00b204e9800998ecf8427e", DigestUnsupported),
        ("/v2/octo/app/blobs/latest", DigestMalformed),
        ("/v2/octo/app/blobs/", DigestMalformed),
        ("/v2/octo/app/referrers/latest", DigestMalformed),
        ("/v2/octo/app/blobs/uploads/x", BlobUploadUnknown),
        (f"/v2/octo/app/blobs/uploads/{str(UPLOAD).upper()}", BlobUploadUnknown),
        (f"/v2/octo/app/blobs/uploads/{UPLOAD.hex}", BlobUploadUnknown),
    ],
)
def test_hostile_paths_are_refused_and_never_normalised(path: str, error: type[RegistryError]) -> None:
    with pytest.raises(RegistryError) as raised:
        parse("GET", path, NOTHING)
    if path == "/v2/blobs/uploads/":  # an upload without a name, and GET is not its method
        assert isinstance(raised.value, Unsupported)
    else:
        assert type(raised.value) is error
    assert status_of(raised.value) in {400, 404, 405}
    oci_body(raised.value)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/v2/", "GET, HEAD"),
        ("DELETE", "/v2/_catalog", "GET, HEAD"),
        ("POST", "/v2/octo/app/tags/list", "GET, HEAD"),
        ("PUT", f"/v2/octo/app/referrers/{D}", "GET, HEAD"),
        ("PUT", f"/v2/octo/app/blobs/{D}", "GET, HEAD, DELETE"),
        ("GET", "/v2/octo/app/blobs/uploads/", "POST"),
        ("POST", f"/v2/octo/app/blobs/uploads/{UPLOAD}", "GET, HEAD, PATCH, PUT, DELETE"),
        ("PATCH", "/v2/octo/app/manifests/v1", "GET, HEAD, PUT, DELETE"),
        ("OPTIONS", "/v2/octo/app/manifests/v1", "GET, HEAD, PUT, DELETE"),
        ("get", "/v2/octo/app/manifests/v1", "GET, HEAD, PUT, DELETE"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(method: str, path: str, allow: str) -> None:
    with pytest.raises(Unsupported) as raised:
        parse(method, path, NOTHING)
    assert raised.value.headers["Allow"] == allow


def start(*pairs: tuple[str, str]) -> OCIRequest:
    return parse("POST", "/v2/octo/app/blobs/uploads/", query(*pairs))


def test_an_upload_begins_in_five_ways() -> None:
    other = PackageName("octo", "other")
    assert start() == OCIRequest(Kind.UPLOAD_START, NAME)
    assert start(("digest", D)) == OCIRequest(Kind.UPLOAD_START, NAME, D)
    assert start(("digest-algorithm", "sha512")).algorithm == "sha512"
    assert start(("digest", D512)).algorithm == "sha512"
    assert start(("mount", D), ("from", "octo/other")) == OCIRequest(Kind.UPLOAD_START, NAME, mount=D, source=other)
    assert start(("mount", D)) == OCIRequest(Kind.UPLOAD_START, NAME, mount=D)
    assert start(("mount", D512)).algorithm == "sha512"
    assert start(("from", "octo/other")) == OCIRequest(Kind.UPLOAD_START, NAME)


def test_a_mount_from_a_name_that_cannot_be_here_becomes_an_upload() -> None:
    assert start(("mount", D), ("from", "busybox")) == OCIRequest(Kind.UPLOAD_START, NAME)


@pytest.mark.parametrize(
    ("pairs", "error"),
    [
        ([("digest", "")], DigestMalformed),
        ([("digest", "md5:aa")], DigestUnsupported),
        ([("digest", D), ("digest", D)], DigestMalformed),
        ([("mount", "x")], DigestMalformed),
        ([("mount", D), ("from", "octo/a"), ("from", "octo/b")], NameInvalid),
        ([("digest-algorithm", "md5")], DigestUnsupported),
        ([("digest-algorithm", "sha512"), ("digest", D)], DigestUnsupported),
    ],
)
def test_an_upload_does_not_begin_with(pairs: list[tuple[str, str]], error: type[RegistryError]) -> None:
    with pytest.raises(error):
        start(*pairs)


def test_an_upload_is_finished_with_its_digest() -> None:
    path = f"/v2/octo/app/blobs/uploads/{UPLOAD}"
    finish = OCIRequest(Kind.UPLOAD_FINISH, NAME, D, upload=UPLOAD)
    assert parse("PUT", path, query(("digest", D))) == finish
    assert parse("PUT", path, {"digest": D, "_state": "x"}) == finish
    with pytest.raises(DigestMalformed):
        parse("PUT", path, NOTHING)


def test_tags_beside_a_digest() -> None:
    path = f"/v2/octo/app/manifests/{D}"
    pushed = parse("PUT", path, query(("tag", "b"), ("tag", "a"), ("tag", "b")))
    assert pushed.tags == ("b", "a")
    assert parse("PUT", path, {"tag": "a"}).tags == ("a",)
    assert parse("GET", path, query(("tag", "a"))).tags == ()
    with pytest.raises(TagInvalid):
        parse("PUT", path, query(("tag", "-a")))
    with pytest.raises(TagInvalid):
        parse("PUT", "/v2/octo/app/manifests/v1", query(("tag", "a")))
    with pytest.raises(TooManyTags):
        parse("PUT", path, query(*(("tag", f"t{i}") for i in range(MAX_TAGS_PER_PUSH + 1))))


def test_pages() -> None:
    tags = parse("GET", "/v2/octo/app/tags/list", query(("n", "10"), ("last", "v1")))
    assert (tags.n, tags.last) == (10, "v1")
    assert next_page(tags, "v2", 5) == "/v2/octo/app/tags/list?n=5&last=v2"
    assert parse("GET", "/v2/octo/app/tags/list", query(("n", "0"))).n == 0
    assert parse("GET", "/v2/octo/app/tags/list", query(("last", ""))).last is None
    assert parse("GET", "/v2/_catalog", query(("last", "octo/app"))).last == "octo/app"


@pytest.mark.parametrize(
    ("path", "pairs"),
    [
        ("/v2/_catalog", [("n", "-1")]),
        ("/v2/_catalog", [("last", "' OR 1=1--")]),
        ("/v2/octo/app/tags/list", [("n", "abc")]),
        ("/v2/octo/app/tags/list", [("n", "")]),
        ("/v2/octo/app/tags/list", [("n", "1"), ("n", "2")]),
        ("/v2/octo/app/tags/list", [("last", "\0")]),
        ("/v2/octo/app/tags/list", [("last", "\udc80")]),
        (f"/v2/octo/app/referrers/{D}", [("last", "v1")]),
    ],
)
def test_pages_are_refused(path: str, pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(PageInvalid) as raised:
        parse("GET", path, query(*pairs))
    oci_body(raised.value)


def test_referrers_of_a_type() -> None:
    path = f"/v2/octo/app/referrers/{D}"
    request = parse("GET", path, query(("artifactType", "application/vnd.example+json")))
    assert request.artifact_type == "application/vnd.example+json"
    assert next_page(request, D, 9).endswith(f"?n=9&last={D}&artifactType=application/vnd.example%2Bjson")
    assert parse("GET", path, query(("artifactType", ""))).artifact_type is None
    for hostile in ("\0", "x", "a/b\n", "a/" + "b" * 300, "\udc80/x"):
        with pytest.raises(ParameterInvalid):
            parse("GET", path, query(("artifactType", hostile)))


def test_what_a_kind_does_not_have_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="base"):
        _ = OCIRequest(Kind.BASE).package
    with pytest.raises(ValueError, match="upload"):
        _ = OCIRequest(Kind.UPLOAD_START, NAME).reference
    assert OCIRequest(Kind.MANIFEST_GET, NAME, tag=TAG).reference == "v1"


def test_locations_are_paths_that_parse() -> None:
    assert parse("GET", blob_path(NAME, D), NOTHING).digest == D
    assert parse("GET", manifest_path(NAME, TAG), NOTHING).tag == TAG
    assert parse("PATCH", upload_path(NAME, UPLOAD), NOTHING).upload == UPLOAD
    assert build(OCIRequest(Kind.UPLOAD_STATUS, NAME, upload=UPLOAD)) == ("GET", upload_path(NAME, UPLOAD))
