"""Answers about mirrors."""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from registry.http.api.schemas.values import Bytes, Count, Time


class Mirror(TypedDict):
    """The mirror that an organization is. The password is told to nobody."""

    url: Annotated[str, Meta(description="The upstream.")]
    aliases: Annotated[list[str], Meta(description="What clients call the upstream in ns=; the first is shown.")]
    hosts: Annotated[list[str], Meta(description="Hosts of this registry that stand for the upstream.")]
    username: Annotated[str | None, Meta(description="With which the upstream is asked; null: as nobody.")]
    realm_hosts: Annotated[
        list[str],
        Meta(description="Where tokens of the upstream come from, beside its own host: credentials go nowhere else."),
    ]
    allow: Annotated[list[str], Meta(description="Globs over the names of images that are fetched; none: all.")]
    deny: Annotated[list[str], Meta(description="Globs over the names of images that are not fetched.")]
    tag_seconds: Annotated[int, Meta(description="So long a tag is served without asking the upstream.")]
    stale_seconds: Annotated[
        int | None, Meta(description="So long a tag is served while the upstream does not answer; null: forever.")
    ]
    missing_seconds: Annotated[
        int, Meta(description="So long the upstream is not asked again for what it does not have.")
    ]
    fetch_by: Annotated[
        Literal["read", "write", "anonymous"], Meta(description="Who may have an image fetched that is not here yet.")
    ]
    idle_days: Annotated[int, Meta(description="Versions that nobody pulled for so long are deleted; 0: never.")]
    max_bytes: Annotated[Bytes | None, Meta(description="Above this, what was not pulled for longest is deleted.")]
    paused: Annotated[bool, Meta(description="The upstream is not asked: only what is here is served.")]


class MirrorStatus(TypedDict):
    """The last answers of an upstream, and what is under way."""

    answered_at: Annotated[Time | None, Meta(description="When it last answered as it should; null: never.")]
    failed_at: Annotated[Time | None, Meta(description="When it last did not.")]
    failure: Annotated[str | None, Meta(description="And what it said then.")]
    failing: Annotated[
        Count, Meta(description="Tags and digests that it did not tell of when last asked, up to 10,000.")
    ]
    fetching: Annotated[Count, Meta(description="Blobs that are being fetched.")]
