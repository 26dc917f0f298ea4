"""What holds for every request, range and manifest."""

from typing import Final
from urllib.parse import parse_qsl

import orjson
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from registry.errors import ManifestInvalid, RangeNotSatisfiable, RegistryError
from registry.http.statuses import oci_body, status_of
from registry.oci.headers import MAX_PAGE, content_range, parse_content_range, parse_range, upload_range
from registry.oci.manifest import parse_manifest
from registry.oci.media_types import OCI_IMAGE, OCI_INDEX
from registry.oci.parameters import MAX_TAGS_PER_PUSH
from registry.oci.request import Kind, OCIRequest, build, parse
from storage.names import Digest, PackageName, TagName, UploadId

WORDS: Final = [
    "v2",
    "blobs",
    "manifests",
    "uploads",
    "tags",
    "list",
    "referrers",
    "a",
    "a-b",
    "a--b",
    "a__b",
    "a.b",
    "0",
]
METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

components = st.sampled_from(WORDS) | st.from_regex(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", fullmatch=True)
names = (
    st.lists(components, min_size=2, max_size=6)
    .map("/".join)
    .filter(lambda text: len(text) <= 255)
    .map(PackageName.parse)
)
digests = st.builds(Digest.of, st.binary(max_size=4), st.sampled_from(["sha256", "sha512"]))
tags = (st.sampled_from(WORDS) | st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", fullmatch=True)).map(TagName.parse)
uploads = st.uuids().map(UploadId)
pages = st.none() | st.integers(0, MAX_PAGE)
media_types = st.from_regex(r"[!-~]{1,20}/[!-~]{1,20}", fullmatch=True)


@st.composite
def starts(draw: st.DrawFn) -> OCIRequest:
    digest, mount = draw(st.none() | digests), draw(st.none() | digests)
    source = draw(st.none() | names) if mount else None
    algorithm = digest.algorithm if digest else draw(st.sampled_from(["sha256", "sha512"]))
    return OCIRequest(Kind.UPLOAD_START, draw(names), digest, mount=mount, source=source, algorithm=algorithm)


def made(*kinds: Kind, **fields: st.SearchStrategy[object]) -> st.SearchStrategy[OCIRequest]:
    """Requests of these kinds with these fields."""
    return st.builds(OCIRequest, st.sampled_from(kinds), **fields)


MANIFESTS: Final = (Kind.MANIFEST_GET, Kind.MANIFEST_HEAD, Kind.MANIFEST_PUT, Kind.MANIFEST_DELETE)
BLOBS: Final = (Kind.BLOB_GET, Kind.BLOB_HEAD, Kind.BLOB_DELETE)
UPLOADS: Final = (Kind.UPLOAD_STATUS, Kind.UPLOAD_CHUNK, Kind.UPLOAD_CANCEL)
more_tags = st.lists(tags, max_size=MAX_TAGS_PER_PUSH, unique=True).map(tuple)
types = st.none() | media_types

requests = st.one_of(
    made(Kind.BASE),
    made(Kind.CATALOG, n=pages, last=st.none() | names.map(str)),
    made(Kind.TAGS_LIST, name=names, n=pages, last=st.none() | tags),
    made(Kind.REFERRERS, name=names, digest=digests, n=pages, last=st.none() | digests, artifact_type=types),
    made(*BLOBS, name=names, digest=digests),
    starts(),
    made(*UPLOADS, name=names, upload=uploads),
    made(Kind.UPLOAD_FINISH, name=names, digest=digests, upload=uploads),
    made(*MANIFESTS, name=names, digest=digests),
    made(*MANIFESTS, name=names, tag=tags),
    made(Kind.MANIFEST_PUT, name=names, digest=digests, tags=more_tags),
)
pieces = st.sampled_from([*WORDS, "..", "", "%2F", "%2e", "\\", ";", "\0", "_catalog", "é", "A", str(Digest.of(b""))])
joined = st.lists(pieces, max_size=7).map(lambda parts: "/v2/" + "/".join(parts))
built_paths = requests.map(lambda request: build(request)[1].partition("?")[0])
marks = st.sampled_from(["", "/", "//", "/.", "%2F", ";", "\\", ".", "A", "a", "\0", "\n", "é"])
spoiled = st.builds(lambda path, at, mark: path[:at] + mark + path[at:], built_paths, st.integers(0, 90), marks)
paths = joined | spoiled | st.text(max_size=60)


@given(requests)
def test_what_is_built_parses_as_itself(request: OCIRequest) -> None:
    method, target = build(request)
    path, _, query = target.partition("?")
    assert parse(method, path, MultiDict(parse_qsl(query))) == request


@given(st.sampled_from(METHODS), paths, st.dictionaries(st.sampled_from(["n", "last", "digest", "tag"]), st.text()))
def test_any_path_is_refused_or_built_again_letter_by_letter(method: str, path: str, query: dict[str, str]) -> None:
    try:
        request = parse(method, path, query)
    except RegistryError as error:
        refused: RegistryError | None = error
    else:
        refused = None
        assert build(request)[1].partition("?")[0].rstrip("/") == path.rstrip("/")
    if refused is not None:
        assert status_of(refused) in {400, 404, 405}
        assert orjson.loads(oci_body(refused))["errors"]


@given(st.integers(0, 2**50), st.integers(1, 2**50))
def test_a_chunk_continues_where_the_status_says(offset: int, size: int) -> None:
    span = parse_content_range(f"{offset}-{offset + size - 1}")
    assert (span.start, span.size) == (offset, size)
    assert upload_range(span.stop) == f"0-{span.stop - 1}"


@given(st.integers(0, 50), st.none() | st.integers(0, 60), st.none() | st.integers(0, 60))
def test_a_range_lies_within_the_blob(size: int, first: int | None, last: int | None) -> None:
    text = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    data = bytes(range(size))
    try:
        span = parse_range(text, size)
    except RangeNotSatisfiable:
        assert not (
            data[first : None if last is None else last + 1] if first is not None else data[size - (last or 0) :]
        )
        return
    if span is not None:
        assert 0 <= span.start < span.stop <= size
        assert content_range(span, size) == f"bytes {span.start}-{span.stop - 1}/{size}"


@given(st.text(max_size=40))
def test_any_text_is_no_range_or_one_within(text: str) -> None:
    for header in (text, "bytes=" + text):
        try:
            span = parse_range(header, 10)
        except RangeNotSatisfiable:
            continue
        assert span is None or 0 <= span.start < span.stop <= 10


values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
annotations = st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3)
descriptors = st.fixed_dictionaries(
    {"mediaType": media_types | st.just(OCI_IMAGE), "digest": digests.map(str), "size": st.integers(0, 9)},
    optional={"urls": st.lists(st.text(), max_size=2), "annotations": annotations, "data": st.text(max_size=9)},
)
common = {"subject": descriptors, "artifactType": media_types, "annotations": annotations}
images = st.fixed_dictionaries(
    {"schemaVersion": st.just(2), "config": descriptors, "layers": st.lists(descriptors, max_size=3)},
    optional={"mediaType": st.just(OCI_IMAGE), **common},
)
indexes = st.fixed_dictionaries(
    {"schemaVersion": st.just(2), "manifests": st.lists(descriptors, max_size=3)},
    optional={"mediaType": st.just(OCI_INDEX), **common},
)
keys = st.sampled_from(
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "annotations", "Layers", "x"]
)
spoilt = st.dictionaries(
    keys, values | st.just(OCI_INDEX) | descriptors | st.lists(descriptors, max_size=2), max_size=1
)
documents = st.builds(lambda shape, change: {**shape, **change}, images | indexes, spoilt)


@given(documents.map(orjson.dumps) | st.binary(max_size=60), st.sampled_from([OCI_IMAGE, OCI_INDEX, "", None]))
def test_any_body_is_a_manifest_or_refused(body: bytes, content_type: str | None) -> None:
    try:
        manifest = parse_manifest(body, content_type)
    except ManifestInvalid:
        return
    shape = orjson.loads(body)
    assert ("manifests" in shape) == (manifest.media_type == OCI_INDEX)
    assert manifest.media_type in {content_type, shape.get("mediaType"), OCI_IMAGE, OCI_INDEX}
    parts = [shape.get("config"), *(shape.get("layers") or []), *(shape.get("manifests") or [])]
    named = {part["digest"] for part in parts if part}
    assert {*manifest.blobs, *manifest.foreign, *manifest.children} == named
    assert not {*manifest.blobs} & {*manifest.foreign}
