"""The routing table of ``/v2``: a pure function from method, path and query to a request, and its inverse.

The path is decoded once before it comes here, and nothing in it is folded or normalised, so the path that
authorisation sees is the path that the handler sees: a percent sign, a backslash, ``;``, ``//``, ``..``, another
script or a trailing slash is not in the grammar of names, and is refused by it.
Names may hold the words of the API (``octo/blobs/manifests`` is a package), therefore paths are read from their end.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from registry.errors import (
    BlobUploadUnknown,
    DigestMalformed,
    DigestUnsupported,
    EndpointUnknown,
    NameInvalid,
    TagInvalid,
    Unsupported,
)
from registry.oci.parameters import (
    algorithm_parameter,
    artifact_type,
    digest_parameter,
    every,
    last_parameter,
    one,
    page_size,
    parse_digest,
    parse_name,
    parse_tag,
    tag_parameters,
)
from storage.names import Digest, InvalidName, PackageName, TagName, UploadId

_UPLOAD: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


class Kind(StrEnum):
    """The kinds of requests, each with its line of the spec's table of endpoints. HEAD of a list counts as its GET."""

    BASE = "base"  # end-1 GET /v2/
    CATALOG = "catalog"  # Docker Registry HTTP API V2: GET /v2/_catalog?n=<integer>&last=<name>
    TAGS_LIST = "tags.list"  # end-8a, end-8b GET /v2/<name>/tags/list?n=<integer>&last=<tag>
    REFERRERS = "referrers"  # end-12a, end-12b GET /v2/<name>/referrers/<digest>?artifactType=<type>
    BLOB_GET = "blob.get"  # end-2 GET /v2/<name>/blobs/<digest>
    BLOB_HEAD = "blob.head"  # end-2 HEAD /v2/<name>/blobs/<digest>
    BLOB_DELETE = "blob.delete"  # end-10 DELETE /v2/<name>/blobs/<digest>
    UPLOAD_START = "upload.start"  # end-4a, -4b (digest), -4c (digest-algorithm), -11 (mount) POST …/blobs/uploads/
    UPLOAD_STATUS = "upload.status"  # end-13 GET /v2/<name>/blobs/uploads/<id>
    UPLOAD_CHUNK = "upload.chunk"  # end-5 PATCH /v2/<name>/blobs/uploads/<id>
    UPLOAD_FINISH = "upload.finish"  # end-6 PUT /v2/<name>/blobs/uploads/<id>?digest=<digest>
    UPLOAD_CANCEL = "upload.cancel"  # end-14 DELETE /v2/<name>/blobs/uploads/<id>
    MANIFEST_GET = "manifest.get"  # end-3 GET /v2/<name>/manifests/<tag-or-digest>
    MANIFEST_HEAD = "manifest.head"  # end-3 HEAD /v2/<name>/manifests/<tag-or-digest>
    MANIFEST_PUT = "manifest.put"  # end-7a, end-7b (by digest, tag=… repeated) PUT /v2/<name>/manifests/<…>
    MANIFEST_DELETE = "manifest.delete"  # end-9 DELETE /v2/<name>/manifests/<tag-or-digest>


class OCIRequest(msgspec.Struct, frozen=True):
    """A request of the specification; a field that its kind does not have is None or empty.

    A Struct and no dataclass: it is made once a request, in a tenth of the time.
    """

    kind: Kind
    name: PackageName | None = None
    digest: Digest | None = None  # of blobs, of manifests by digest, of referrers, of UPLOAD_FINISH and end-4b
    tag: TagName | None = None  # of manifests by tag
    upload: UploadId | None = None
    tags: tuple[TagName, ...] = ()  # end-7b
    mount: Digest | None = None  # end-11
    source: PackageName | None = None  # end-11 from=; None with a mount: any package that the identity may pull
    algorithm: str = "sha256"  # of UPLOAD_START: what the bytes to come will be hashed with
    n: int | None = None  # 0 to MAX_PAGE
    last: str | None = None  # a tag, a package's name in the catalog, a digest in referrers
    artifact_type: str | None = None

    @property
    def package(self) -> PackageName:
        """The package's name; every kind but BASE and CATALOG has one. Raises ValueError for these."""
        if self.name is None:
            raise ValueError(f"a request of the kind {self.kind} has no package")
        return self.name

    @property
    def reference(self) -> str:
        """The tag or digest in the path of a manifest, the digest of a blob. Raises ValueError if there is none."""
        reference = self.tag if self.digest is None else self.digest
        if reference is None:
            raise ValueError(f"a request of the kind {self.kind} has no reference")
        return reference


_MANIFEST_KINDS: Final = {
    "GET": Kind.MANIFEST_GET,
    "HEAD": Kind.MANIFEST_HEAD,
    "PUT": Kind.MANIFEST_PUT,
    "DELETE": Kind.MANIFEST_DELETE,
}
_BLOB_KINDS: Final = {"GET": Kind.BLOB_GET, "HEAD": Kind.BLOB_HEAD, "DELETE": Kind.BLOB_DELETE}
_START_KINDS: Final = {"POST": Kind.UPLOAD_START}
_UPLOAD_KINDS: Final = {
    "GET": Kind.UPLOAD_STATUS,
    "HEAD": Kind.UPLOAD_STATUS,
    "PATCH": Kind.UPLOAD_CHUNK,
    "PUT": Kind.UPLOAD_FINISH,
    "DELETE": Kind.UPLOAD_CANCEL,
}
_BASE_KINDS: Final = {"GET": Kind.BASE, "HEAD": Kind.BASE}
_CATALOG_KINDS: Final = {"GET": Kind.CATALOG, "HEAD": Kind.CATALOG}
_TAGS_KINDS: Final = {"GET": Kind.TAGS_LIST, "HEAD": Kind.TAGS_LIST}
_REFERRERS_KINDS: Final = {"GET": Kind.REFERRERS, "HEAD": Kind.REFERRERS}
#: Every kind with each of its methods.
METHODS: Final = tuple(
    (kind, method)
    for kinds in (
        _BASE_KINDS, _CATALOG_KINDS, _TAGS_KINDS, _REFERRERS_KINDS,
        _BLOB_KINDS, _START_KINDS, _UPLOAD_KINDS, _MANIFEST_KINDS,
    )
    for method, kind in kinds.items()
)  # fmt: skip


def parse(method: str, path: str, query: Mapping[str, str]) -> OCIRequest:
    """Parse ``method`` (upper case), ``path`` (decoded, without the query) and ``query`` (decoded).

    Raises EndpointUnknown, Unsupported (405 with Allow), NameInvalid, TagInvalid, DigestMalformed, DigestUnsupported,
    BlobUploadUnknown, PageInvalid, ParameterInvalid, TooManyTags. Unknown parameters, ``ns`` among them, are ignored.
    """
    root, _, rest = path[1:].partition("/")
    if root != "v2" or path[:1] != "/":
        raise EndpointUnknown(path)
    name, verb, reference = _split(rest)
    parser = _PARSERS.get(verb)
    if parser is None:
        return _without_name(method, path, rest, query)
    return parser(method, name, reference, query)


def _split(rest: str) -> tuple[str, str, str]:
    """Split a path after ``/v2/`` into name, verb of the API and reference; the verb is empty for an unknown form."""
    parts = rest.rsplit("/", 2)
    if len(parts) != 3:  # noqa: PLR2004 - name, word, reference
        return "", "", ""
    return parts[0], parts[1], parts[2]


def _without_name(method: str, path: str, rest: str, query: Mapping[str, str]) -> OCIRequest:
    if not rest:  # end-1; /v2 without the slash is what people type
        return OCIRequest(_kind(_BASE_KINDS, method))
    if rest != "_catalog":
        raise EndpointUnknown(path)
    kind = _kind(_CATALOG_KINDS, method)
    return OCIRequest(kind, n=page_size(query), last=last_parameter(query, PackageName.parse))


def _manifest(method: str, name: str, reference: str, query: Mapping[str, str]) -> OCIRequest:
    kind = _kind(_MANIFEST_KINDS, method)
    package = parse_name(name)
    if ":" not in reference:
        tag = parse_tag(reference)
        if kind is Kind.MANIFEST_PUT and every(query, "tag"):
            raise TagInvalid("the parameter tag goes with a manifest that is pushed by digest")
        return OCIRequest(kind, package, None, tag)
    digest = parse_digest(reference)
    if kind is Kind.MANIFEST_PUT:
        return OCIRequest(kind, package, digest, tags=tag_parameters(query))
    return OCIRequest(kind, package, digest)


def _blob(method: str, name: str, reference: str, query: Mapping[str, str]) -> OCIRequest:
    if reference == "uploads":  # end-4 without its last slash, as python clients build it
        return _start(method, name, query)
    kind = _kind(_BLOB_KINDS, method)
    return OCIRequest(kind, parse_name(name), parse_digest(reference))


def _upload(method: str, head: str, reference: str, query: Mapping[str, str]) -> OCIRequest:
    name, _, word = head.rpartition("/")
    if word != "blobs":
        raise EndpointUnknown(f"/v2/{head}/uploads/{reference}")
    if not reference:
        return _start(method, name, query)
    kind = _kind(_UPLOAD_KINDS, method)
    package = parse_name(name)
    if not _UPLOAD.fullmatch(reference):
        raise BlobUploadUnknown(reference)
    upload = UploadId(UUID(reference))
    if kind is not Kind.UPLOAD_FINISH:
        return OCIRequest(kind, package, upload=upload)
    digest = digest_parameter(query, "digest")
    if digest is None:
        raise DigestMalformed("expected the parameter digest on the PUT that finishes an upload, got none")
    return OCIRequest(kind, package, digest, upload=upload)


def _start(method: str, name: str, query: Mapping[str, str]) -> OCIRequest:
    kind = _kind(_START_KINDS, method)
    package = parse_name(name)
    if not query:
        return OCIRequest(kind, package)
    digest = digest_parameter(query, "digest")
    mount = digest_parameter(query, "mount")
    source = None
    if mount is not None and (origin := one(query, "from", NameInvalid)) is not None:
        try:
            source = PackageName.parse(origin)
        except InvalidName:
            # docker remembers where it has seen a layer, also on a registry that this one replaced; what cannot be
            # mounted is uploaded (end-11: 202), so a name that cannot exist here is no error.
            mount = None
    algorithm = algorithm_parameter(query) or _implied(digest, mount)
    if digest is not None and digest.algorithm != algorithm:
        raise DigestUnsupported(
            f"expected digest and digest-algorithm to agree, got {digest.algorithm} and {algorithm}"
        )
    return OCIRequest(kind, package, digest, mount=mount, source=source, algorithm=algorithm)


def _implied(digest: Digest | None, mount: Digest | None) -> str:
    """Return the default algorithm of an upload: the mount's, as a failed mount becomes an upload."""
    named = digest or mount
    return named.algorithm if named else "sha256"


def _tags_list(method: str, name: str, reference: str, query: Mapping[str, str]) -> OCIRequest:
    if reference != "list":
        raise EndpointUnknown(f"/v2/{name}/tags/{reference}")
    kind = _kind(_TAGS_KINDS, method)
    return OCIRequest(kind, parse_name(name), n=page_size(query), last=last_parameter(query, TagName.parse))


def _referrers(method: str, name: str, reference: str, query: Mapping[str, str]) -> OCIRequest:
    kind = _kind(_REFERRERS_KINDS, method)
    package, digest = parse_name(name), parse_digest(reference)
    page, last = page_size(query), last_parameter(query, Digest.parse)
    return OCIRequest(kind, package, digest, n=page, last=last, artifact_type=artifact_type(query))


_PARSERS: Final[Mapping[str, Callable[[str, str, str, Mapping[str, str]], OCIRequest]]] = {
    "manifests": _manifest,
    "blobs": _blob,
    "uploads": _upload,
    "tags": _tags_list,
    "referrers": _referrers,
}


def _kind(kinds: Mapping[str, Kind], method: str) -> Kind:
    kind = kinds.get(method)
    if kind is None:
        raise Unsupported("this method", allow=tuple(kinds))
    return kind


_METHODS: Final = {
    kind: method
    for kinds in (
        _BASE_KINDS,
        _CATALOG_KINDS,
        _TAGS_KINDS,
        _REFERRERS_KINDS,
        _BLOB_KINDS,
        _START_KINDS,
        _UPLOAD_KINDS,
        _MANIFEST_KINDS,
    )
    for method, kind in reversed(kinds.items())
}


def blob_path(name: PackageName, digest: Digest) -> str:
    """The path of end-2, for Location."""
    return f"/v2/{name}/blobs/{digest}"


def manifest_path(name: PackageName, reference: str) -> str:
    """The path of end-3, for Location."""
    return f"/v2/{name}/manifests/{reference}"


def upload_path(name: PackageName, upload: UploadId) -> str:
    """The path of end-5, -6, -13 and -14, for Location."""
    return f"/v2/{name}/blobs/uploads/{upload}"


def next_page(request: OCIRequest, last: str, n: int) -> str:
    """The path and query of the page after ``last``, with the filters of ``request``."""
    return build(msgspec.structs.replace(request, last=last, n=n))[1]


def build(request: OCIRequest) -> tuple[str, str]:
    """Return the method and the path with its query that ``parse`` reads as ``request``."""
    parameters = _parameters(request)
    path = _path(request)
    return _METHODS[request.kind], f"{path}?{urlencode(parameters, safe=':/')}" if parameters else path


def _path(request: OCIRequest) -> str:
    kind = request.kind
    if kind is Kind.BASE:
        return "/v2/"
    if kind is Kind.CATALOG:
        return "/v2/_catalog"
    name = request.package
    if request.upload is not None:
        return upload_path(name, request.upload)
    if kind is Kind.UPLOAD_START:
        return f"/v2/{name}/blobs/uploads/"
    if kind is Kind.TAGS_LIST:
        return f"/v2/{name}/tags/list"
    noun = "referrers" if kind is Kind.REFERRERS else "blobs" if kind in _BLOB_KINDS.values() else "manifests"
    return f"/v2/{name}/{noun}/{request.reference}"


def _parameters(request: OCIRequest) -> list[tuple[str, str]]:
    pairs: list[tuple[str, object]] = [("tag", tag) for tag in request.tags]
    pairs += [("n", request.n), ("last", request.last), ("artifactType", request.artifact_type)]
    if request.kind is Kind.UPLOAD_FINISH:
        pairs.append(("digest", request.digest))
    if request.kind is Kind.UPLOAD_START:
        pairs += [("digest", request.digest), ("mount", request.mount), ("from", request.source)]
        if request.algorithm != _implied(request.digest, request.mount):
            pairs.append(("digest-algorithm", request.algorithm))
    return [(key, str(value)) for key, value in pairs if value is not None]
