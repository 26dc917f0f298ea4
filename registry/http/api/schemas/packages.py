"""Answers about packages, versions, tags and who may use them."""

from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

from msgspec import Meta

from registry.http.api.schemas.accounts import SimpleUser
from registry.http.api.schemas.repositories import Audience, MinimalRepository
from registry.http.api.schemas.values import (
    Bytes,
    Count,
    Digest,
    Id,
    Kind,
    RepositoryRole,
    Role,
    Time,
    Url,
    Visibility,
)


class Package(TypedDict):
    """A package."""

    id: Id
    name: str
    package_type: Literal["container"]
    owner: SimpleUser
    version_count: Count
    visibility: Visibility
    url: Url
    created_at: Time
    updated_at: Time
    html_url: Url
    deleted_at: NotRequired[Annotated[Time, Meta(description="There for a deleted package only.")]]
    repository: NotRequired[
        Annotated[MinimalRepository, Meta(description="The linked repository, if the caller may see it.")]
    ]


class FoundPackage(Package):
    """A package that a search found."""

    description: Annotated[str | None, Meta(description="Of the newest version.")]
    license: str | None
    published_at: Time
    score: float


#: By what accounts make changes; a mirror stores what its upstream has.
WAYS: Final = ("classic", "fine_grained", "workflow", "workspace", "session", "policy", "mirror")


class PackageSearch(TypedDict):
    """A page of a search."""

    total_count: Count
    incomplete_results: Annotated[bool, Meta(description="There are more than total_count says.")]
    items: list[FoundPackage]


class Pusher(TypedDict):
    """The account that made a change, and by what kind of token."""

    id: Id | None
    login: str | None
    url: Url | None
    via: Annotated[str, Meta(extra_json_schema={"enum": list(WAYS)})]
    token: Annotated[
        str | None, Meta(description="The name of the token, or its repository; told to admins of the package only.")
    ]


class ContainerMetadata(TypedDict):
    """The tags of a version."""

    tags: list[str]


class VersionMetadata(TypedDict):
    """The metadata of a version, by the type of its package."""

    package_type: Literal["container"]
    container: ContainerMetadata


class PackageVersion(TypedDict):
    """A version of a package: a manifest, named by its digest."""

    id: Id
    name: Digest
    url: Url
    package_html_url: Url
    created_at: Time
    updated_at: Time
    html_url: Url
    metadata: VersionMetadata
    media_type: str
    kind: Kind
    platforms: list[str]
    license: NotRequired[str]
    license_is_spdx: NotRequired[bool]
    description: NotRequired[str]
    deleted_at: NotRequired[Time]
    parents: NotRequired[Annotated[list[Digest], Meta(description="The indexes that the version is part of.")]]
    subject: NotRequired[Annotated[Digest, Meta(description="The manifest that the version refers to.")]]
    size: NotRequired[Bytes]
    pushed_by: NotRequired[Pusher]


class Tag(TypedDict):
    """A tag, with the version that it points at."""

    name: str
    digest: Digest
    url: Url
    history_url: Url
    version_id: Id
    version_url: Url
    updated_at: Time
    media_type: str
    kind: Kind
    platforms: list[str]
    size: Bytes | None
    downloads: Count
    pushed_by: Pusher | None


class EventVersion(TypedDict):
    """The version of an event; purged: it cannot be restored any more."""

    id: Id
    state: Annotated[str | None, Meta(extra_json_schema={"enum": ["live", "deleted", "purged", None]})]


class TagThen(TypedDict):
    """The digest of a tag at a moment."""

    name: str
    digest: Digest
    since: Annotated[Time | None, Meta(description="Null: from before what is recorded.")]
    until: Annotated[Time | None, Meta(description="Null: the tag is of this digest still.")]
    version: Annotated[EventVersion | None, Meta(description="Null: the version is purged.")]


class PackageEvent(TypedDict):
    """An event of a package."""

    id: Id
    created_at: Time
    action: Annotated[str, Meta(pattern="^packages[.][a-z_]+$")]
    actor: Pusher | None
    tag: str | None
    digest: Digest | None
    before: Annotated[Digest | None, Meta(description="Where the tag pointed before.")]
    version: EventVersion | None
    data: Annotated[dict[str, Any], Meta(description="What else changed, by the action.")]


class LoggedPull(TypedDict):
    """Pulls of a version by one token from one address, within some seconds."""

    id: Id
    created_at: Time
    digest: Digest
    tag: Annotated[str | None, Meta(description="Null: pulled by its digest.")]
    version_id: Id
    actor: Annotated[Pusher | None, Meta(description="Null: nobody was signed in.")]
    actor_ip: Annotated[str, Meta(description="Of IPv6 the /64.")]
    user_agent: str
    count: Count


class Refused(TypedDict):
    """The reason why the change would be refused."""

    message: str
    fix: NotRequired[str]
    rule: NotRequired[Annotated[str, Meta(description="The tag rule that forbids it.")]]
    tag: NotRequired[str]
    digest: NotRequired[Digest]


class SelectedVersion(TypedDict):
    """A version that can be deleted by itself."""

    id: Id


class LeavingVersion(TypedDict):
    """A version that a deletion takes along."""

    id: Id
    name: Digest
    asked_for: Annotated[bool, Meta(description="False: it goes along, as a referrer.")]
    media_type: str
    artifact_type: str | None
    subject: Digest | None
    kind: Kind
    platforms: list[str]
    size: Bytes | None
    tags: list[str]
    downloads: Count


class StayingVersion(TypedDict):
    """A part that stays, without a tag, when the index that holds it is deleted."""

    id: Id
    name: Digest
    platforms: list[str]
    size: Bytes | None


class VersionsDeletion(TypedDict):
    """The effect of a deletion of versions."""

    versions: list[LeavingVersion]
    stays: list[StayingVersion]
    downloads_last_30_days: Count
    bytes: Annotated[Bytes, Meta(description="Bytes that nothing else of the registry needs.")]
    refused: Refused | None
    restorable_days: Count


class PackageDeletion(TypedDict):
    """The effect of a deletion of a package."""

    id: Id
    version_count: Count
    tag_count: Count
    most_downloads: Annotated[Count, Meta(description="Those of the version that has the most.")]
    refused: Refused | None
    restorable_days: Count


class ReturningVersion(TypedDict):
    """A version that a restore brings back."""

    id: Id
    name: Digest
    asked_for: bool
    kind: Kind
    subject: Digest | None
    tags: list[str]
    tags_taken: Annotated[list[str], Meta(description="Former tags that point at other versions now.")]


class VersionRestore(TypedDict):
    """The effect of a restore of a version."""

    versions: list[ReturningVersion]
    restorable_until: Time
    refused: Refused | None


class PackageRestore(TypedDict):
    """The effect of a restore of a package."""

    id: Id
    version_count: Count
    tag_count: Count
    deleted_at: Time
    restorable_until: Time
    refused: Refused | None


class UserAccess(SimpleUser):
    """A user with the role over a package."""

    role: Role
    inherited: bool


class TeamAccess(TypedDict):
    """A team with the role over a package."""

    id: Id
    slug: str
    name: str
    url: Url
    role: Role
    inherited: bool


class RepositoryAccess(TypedDict):
    """A repository, with the role over a package that its tokens have."""

    id: Id
    full_name: str
    url: Url
    audience: Audience
    role: Role
    inherited: bool


class PackageAccess(TypedDict):
    """Everybody with an explicit role over a package."""

    visibility: Visibility
    inherit_access: bool
    repository: MinimalRepository | None
    users: list[UserAccess]
    teams: list[TeamAccess]
    repositories: list[RepositoryAccess]


class AccessReason(TypedDict):
    """A reason of a role."""

    kind: Annotated[
        str,
        Meta(
            extra_json_schema={
                "enum": [
                    "site_admin", "owner", "organization_owner", "organization_member", "grant", "team",
                    "collaborator", "outside_collaborator", "public", "suspended",
                ]
            }
        ),
    ]  # fmt: skip
    role: RepositoryRole
    name: Annotated[str | None, Meta(description="The organization, or the slug of the team.")]
    repository: Annotated[str | None, Meta(description="The repository that the role is inherited from.")]


class EffectiveAccess(TypedDict):
    """The role of a user over a package, and each reason of it; the highest counts."""

    permission: RepositoryRole
    role_name: RepositoryRole
    user: SimpleUser
    sso_required: bool
    reasons: list[AccessReason]


class DownloadTotals(TypedDict):
    """Downloads by kind."""

    image: Count
    signature: Count


class DownloadsOfDay(TypedDict):
    """Downloads of a UTC day."""

    day: Annotated[str, Meta(extra_json_schema={"format": "date"})]
    kind: Kind
    count: Count


class VersionDownloads(TypedDict):
    """The downloads of a version."""

    version_id: Id
    interval: Literal["day"]
    total: Count
    totals: DownloadTotals
    downloads: list[DownloadsOfDay]
