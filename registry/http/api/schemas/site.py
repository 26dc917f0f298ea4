"""Answers about the registry itself, and those to its administrators."""

from typing import Annotated, Any, NotRequired, TypedDict

from msgspec import Meta

from registry.http.api.schemas.values import Bytes, Count, Id, Time, Url, UrlTemplate

#: The value of a setting; null: it is not set, and nothing stands in its place.
Setting = str | int | float | bool | list[str] | None


class Root(TypedDict):
    """The addresses that GitHub's API has; not all of them are offered here."""

    code_search_url: UrlTemplate
    commit_search_url: UrlTemplate
    current_user_authorizations_html_url: UrlTemplate
    current_user_repositories_url: UrlTemplate
    current_user_url: Url
    emails_url: Url
    emojis_url: Url
    events_url: Url
    feeds_url: Url
    followers_url: Url
    following_url: UrlTemplate
    gists_url: UrlTemplate
    issue_search_url: UrlTemplate
    issues_url: Url
    keys_url: Url
    label_search_url: UrlTemplate
    notifications_url: Url
    organization_repositories_url: UrlTemplate
    organization_teams_url: UrlTemplate
    organization_url: UrlTemplate
    public_gists_url: Url
    rate_limit_url: Url
    repository_search_url: UrlTemplate
    repository_url: UrlTemplate
    starred_gists_url: Url
    starred_url: UrlTemplate
    topic_search_url: UrlTemplate
    user_organizations_url: Url
    user_repositories_url: UrlTemplate
    user_search_url: UrlTemplate
    user_url: UrlTemplate


class ApiMeta(TypedDict):
    """The release of GitHub Enterprise Server whose clients may expect the API, and that of Moorage."""

    verifiable_password_authentication: bool
    installed_version: str
    moorage_version: str
    ssh_key_fingerprints: dict[str, str]
    ssh_keys: list[str]
    actions: list[str]
    actions_macos: list[str]
    api: list[str]
    codespaces: list[str]
    copilot: list[str]
    dependabot: list[str]
    git: list[str]
    github_enterprise_importer: list[str]
    hooks: list[str]
    importer: list[str]
    packages: list[str]
    pages: list[str]
    web: list[str]


class Rate(TypedDict):
    """A rate limit; ``reset``: when all of it is back, and of one that is used up when the next request is allowed."""

    limit: Count
    used: Count
    remaining: Count
    reset: Annotated[int, Meta(description="Seconds since 1970.", extra_json_schema={"format": "int64"})]


class NamedRate(Rate):
    """A rate limit with the name of what it limits."""

    resource: str


class RateResources(TypedDict):
    """The rate limits by what they limit."""

    core: NamedRate
    search: NamedRate
    code_search: NamedRate
    graphql: NamedRate
    integration_manifest: NamedRate
    source_import: NamedRate
    code_scanning_upload: NamedRate
    actions_runner_registration: NamedRate
    scim: NamedRate
    dependency_snapshots: NamedRate


class RatePolicy(Rate):
    """The rest of a limit of MOORAGE_LIMITS that the caller has."""

    name: str
    window_seconds: int


class RateLimit(TypedDict):
    """The rate limits of the caller."""

    resources: RateResources
    rate: Rate
    policies: list[RatePolicy]


class DatabaseState(TypedDict):
    """The state of PostgreSQL, and the migrations that only one of database and release has."""

    version: str
    size_bytes: Bytes
    read_only: bool
    schema: str
    expected_schema: str
    missing_migrations: list[str]
    newer_migrations: list[str]


class StoreState(TypedDict):
    """The state of the object store."""

    reachable: bool
    error: str | None


class ReadOnly(TypedDict):
    """The switch by which the operator made the registry read-only."""

    since: Time
    reason: str


class ActorLocation(TypedDict):
    """The country of an actor: unknown, always."""

    country_code: str


_Milliseconds = Annotated[int, Meta(description="Unix time, in milliseconds.", extra_json_schema={"format": "int64"})]
#: An entry of the audit log; what there is none of is left out. Either ``org`` or ``user`` owns what was changed.
AuditEntry = TypedDict(
    "AuditEntry",
    {
        "@timestamp": _Milliseconds,
        "_document_id": Annotated[str, Meta(description="Where the entry stands in the log.")],
        "action": str,
        "actor": NotRequired[str],
        "actor_id": NotRequired[Id],
        "actor_ip": NotRequired[str],
        "actor_location": ActorLocation,
        "actor_kind": NotRequired[str],
        "created_at": _Milliseconds,
        "org": NotRequired[str],
        "org_id": NotRequired[Id],
        "user": NotRequired[str],
        "user_id": NotRequired[Id],
        "repo": NotRequired[str],
        "repo_id": NotRequired[Id],
        "hashed_token": NotRequired[Annotated[str, Meta(description="Base64 of the SHA-256 of the token.")]],
        "token_id": NotRequired[Id],
        "token_name": NotRequired[str],
        "token_scopes": NotRequired[Annotated[str, Meta(description="With commas between them.")]],
        "user_agent": NotRequired[str],
        "request_id": NotRequired[str],
        "data": Annotated[dict[str, Any], Meta(description="What was changed, by the action.")],
    },
)


class Health(TypedDict):
    """The health of the process that answers."""

    status: Annotated[str, Meta(extra_json_schema={"enum": ["ok", "degraded"]})]
    version: str
    leaving: Annotated[bool, Meta(description="The process is to stop.")]
    read_only: ReadOnly | None
    database: DatabaseState
    store: StoreState


class Job(TypedDict):
    """A background job, as workers recorded its runs."""

    name: str
    pause_seconds: float
    last_run_at: Time | None
    last_work_at: Time | None
    last_work_items: Count
    last_failure_at: Time | None
    last_failure: str | None
    late: Annotated[bool, Meta(description="No worker runs the job.")]


class UserCounts(TypedDict):
    """The numbers of users."""

    total_users: Count
    admin_users: Count
    suspended_users: Count


class OrganizationCounts(TypedDict):
    """The numbers of organizations and teams."""

    total_orgs: Count
    total_teams: Count


class PackageCounts(TypedDict):
    """The numbers of packages and versions."""

    total_packages: Count
    total_versions: Count


class TokenCounts(TypedDict):
    """The number of personal access tokens."""

    total_tokens: Count


class StorageCounts(TypedDict):
    """The numbers of blobs and open uploads, and the bytes that are stored."""

    total_blobs: Count
    stored_bytes: Bytes
    open_uploads: Count


class WaitingWork(TypedDict):
    """The work that waits for background jobs."""

    dead_objects: Count
    oldest_dead_object: Time | None
    reviews: Count
    oldest_review: Time | None


class Statistics(TypedDict):
    """The numbers of users, packages and everything else."""

    users: UserCounts
    orgs: OrganizationCounts
    packages: PackageCounts
    tokens: TokenCounts
    storage: StorageCounts
    jobs: WaitingWork
    schema: str
    estimated: Annotated[bool, Meta(description="Numbers above 10,000 are estimates.")]


class OpenApiDocument(TypedDict):
    """The description of the API, as OpenAPI 3.1."""

    openapi: str
    info: dict[str, Any]
    servers: list[dict[str, str]]
    paths: dict[str, dict[str, Any]]
    components: dict[str, dict[str, Any]]
