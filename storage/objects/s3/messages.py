"""XML bodies of S3's requests and responses, and the Content-Range of responses; no I/O."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Self
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from storage.objects.base import MultipartId, MultipartInfo, ObjectInfo, ObjectKey, Part, Span

_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


def parts_to_complete(parts: Sequence[Part]) -> bytes:
    """The body of CompleteMultipartUpload."""
    listed = "".join(f"<Part><PartNumber>{p.number}</PartNumber><ETag>{escape(p.etag)}</ETag></Part>" for p in parts)
    return f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()


def keys_to_delete(keys: Sequence[ObjectKey]) -> bytes:
    """The body of DeleteObjects, in quiet mode: S3 reports failures only."""
    listed = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
    return f"<Delete><Quiet>true</Quiet>{listed}</Delete>".encode()


def location(region: str) -> bytes:
    """The body of CreateBucket; empty for us-east-1, which must not be named."""
    if region == "us-east-1":
        return b""
    constraint = f"<LocationConstraint>{escape(region)}</LocationConstraint>"
    return f"<CreateBucketConfiguration>{constraint}</CreateBucketConfiguration>".encode()


def expected_of(span: Span | None) -> tuple[int, ...]:
    """Return the statuses of a response to GET of ``span``; rclone sends a part under 200, and names it rightly."""
    return (200,) if span is None else (206, 200)


def sizes(span: Span | None, length: int | None, content_range: str) -> tuple[int, int]:
    """Return the size of the body of a response to GET of ``span``, and the size of its object.

    Raises ValueError without a length, and for a Content-Range that is of other bytes.
    """
    if length is None:
        raise ValueError("expected a length")
    if span is None:
        return length, length
    form = _CONTENT_RANGE.fullmatch(content_range)
    if form is None:
        raise ValueError("S3 did not say which part of the object is sent (Content-Range)")
    start, last, size = map(int, form.groups())
    if start != span.start or last + 1 - start != length or last >= size:
        raise ValueError("expected the range that was asked for")
    return length, size


class Document:
    """An XML response of S3; elements are found by name, whatever the namespace."""

    def __init__(self, root: ET.Element) -> None:
        self._root = root

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Parse the body of a response. Raises ValueError for anything but XML."""
        try:
            # AWS sends white space while it puts parts together.
            return cls(ET.fromstring(body.strip()))  # noqa: S314 - from the store that holds our bytes
        except ET.ParseError as error:
            raise ValueError(f"expected XML, got {len(body)} bytes that are none") from error

    @property
    def is_error(self) -> bool:
        """Return whether the document is an error; S3 may send one under status 200, before the result is known."""
        return self._root.tag.rpartition("}")[2] == "Error"

    def text(self, name: str) -> str:
        """The text of the first element of that name; "" when there is none."""
        return self._root.findtext(f"{{*}}{name}") or ""

    def all(self, name: str) -> list["Document"]:
        """The elements of that name."""
        return [Document(found) for found in self._root.findall(f"{{*}}{name}")]

    def objects(self) -> list[ObjectInfo]:
        """The objects of a response to ListObjectsV2."""
        return [
            ObjectInfo(ObjectKey(found.text("Key")), int(found.text("Size")), _time(found.text("LastModified")))
            for found in self.all("Contents")
        ]

    def multiparts(self) -> list[MultipartInfo]:
        """The multipart uploads of a response to ListMultipartUploads."""
        return [
            MultipartInfo(
                ObjectKey(found.text("Key")), MultipartId(found.text("UploadId")), _time(found.text("Initiated"))
            )
            for found in self.all("Upload")
        ]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
