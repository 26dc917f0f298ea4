"""The heads of responses that have a blob, or parts of one."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from registry.http.server.message import Rendered, Response
from registry.http.v2.call import HEADERS, Call
from registry.oci.headers import content_range, etag, if_range, parse_range, parse_ranges
from registry.oci.media_types import OCTET_STREAM
from storage.names import Digest
from storage.objects.base import Span


def described(call: Call, size: int) -> Response:
    """Render the head of a blob of ``size`` bytes, or of the part that is asked for."""
    span = parse_range(call.http.field(b"range"), size)
    status = 200 if span is None else 206
    return Response(status, blob_headers(digest_of(call), span, size), length=size if span is None else span.size)


def spans(call: Call, size: int) -> Sequence[Span] | None:
    """Return the parts of a blob that are asked for; None: all of it."""
    asked = call.http.field(b"range")
    if asked is None or not if_range(call.http.field(b"if-range"), etag(digest_of(call))):
        return None
    return parse_ranges(asked, size)


def digest_of(call: Call) -> Digest:
    """Return the digest that a request for a blob names."""
    assert call.oci.digest is not None  # noqa: S101 - the parser sets it for every kind that comes here
    return call.oci.digest


def blob_headers(digest: Digest, span: Span | None, size: int) -> Mapping[str, str]:
    """Render the headers of a response that has the blob of ``size`` bytes, or ``span`` of it."""
    return (
        whole_headers(digest) if span is None else {**whole_headers(digest), "Content-Range": content_range(span, size)}
    )


@lru_cache(maxsize=1024)
def whole_headers(digest: Digest) -> Rendered:
    """Render the headers of a response that has a whole blob."""
    return Rendered(
        {
            **HEADERS,
            "Content-Type": OCTET_STREAM,
            "Content-Disposition": "attachment",
            "Docker-Content-Digest": digest,
            "ETag": etag(digest),
            "Accept-Ranges": "bytes",
        }
    )
