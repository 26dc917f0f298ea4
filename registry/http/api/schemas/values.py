"""Values of the fields of answers, with their formats."""

from datetime import datetime
from typing import Annotated, TypedDict

from msgspec import Meta

Id = Annotated[int, Meta(extra_json_schema={"format": "int64"})]
Count = Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})]
Bytes = Annotated[int, Meta(ge=0, description="Bytes.", extra_json_schema={"format": "int64"})]
Url = Annotated[str, Meta(extra_json_schema={"format": "uri"})]
UrlTemplate = Annotated[
    str, Meta(description="A URI template (RFC 6570).", extra_json_schema={"format": "uri-template"})
]
Time = Annotated[datetime, Meta(tz=True, description="UTC, in whole seconds.")]
Digest = Annotated[str, Meta(pattern="^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$")]
Visibility = Annotated[str, Meta(extra_json_schema={"enum": ["public", "private", "internal"]})]
RepositoryRole = Annotated[str, Meta(extra_json_schema={"enum": ["none", "read", "write", "admin"]})]
Role = Annotated[str, Meta(extra_json_schema={"enum": ["read", "write", "admin"]})]
Kind = Annotated[str, Meta(description="A signature's is also that of an SBOM or another attestation.",
                           extra_json_schema={"enum": ["image", "signature"]})]  # fmt: skip
AccountKind = Annotated[str, Meta(extra_json_schema={"enum": ["User", "Organization"]})]
TokenKind = Annotated[str, Meta(extra_json_schema={"enum": ["classic", "fine_grained"]})]


class Empty(TypedDict):
    """An object without fields."""
