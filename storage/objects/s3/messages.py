"""XML bodies of S3's requests and responses; no I/O."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from storage.objects.base import MultipartId, MultipartInfo, ObjectInfo, ObjectKey, Part


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
