"""Answers about users, organizations, teams and their tokens."""

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from registry.accounts.access_tokens import TokenRule
from registry.http.api.schemas.values import AccountKind, Count, Id, Time, TokenKind, Url, UrlTemplate


class SimpleUser(TypedDict):
    """A user; an organization has the same fields."""

    login: str
    id: Id
    node_id: str
    avatar_url: Url
    gravatar_id: str
    url: Url
    html_url: Url
    followers_url: Url
    following_url: UrlTemplate
    gists_url: UrlTemplate
    starred_url: UrlTemplate
    subscriptions_url: Url
    organizations_url: Url
    repos_url: Url
    events_url: UrlTemplate
    received_events_url: Url
    type: AccountKind
    site_admin: bool


class PublicUser(SimpleUser):
    """An account with its profile."""

    name: str | None
    company: None
    blog: str
    location: None
    email: Annotated[str | None, Meta(description="Of a user: told to the user and to administrators only.")]
    hireable: None
    bio: str | None
    twitter_username: None
    public_repos: Count
    public_gists: Count
    followers: Count
    following: Count
    created_at: Time
    updated_at: Time
    suspended_at: Annotated[Time | None, Meta(description="Told to the user and to administrators only.")]


class PrivateUser(PublicUser):
    """The calling user."""

    private_gists: Count
    total_private_repos: Count
    owned_private_repos: Count
    disk_usage: Count
    collaborators: Count
    two_factor_authentication: bool


class AdministeredUser(SimpleUser):
    """An account as site administrators see it."""

    name: str | None
    email: str | None
    created_at: Time
    updated_at: Time
    suspended_at: Time | None


class SimpleOrganization(TypedDict):
    """An organization."""

    login: str
    id: Id
    node_id: str
    url: Url
    repos_url: Url
    events_url: Url
    hooks_url: Url
    issues_url: Url
    members_url: UrlTemplate
    public_members_url: UrlTemplate
    avatar_url: Url
    description: str


class AdministeredOrganization(SimpleOrganization):
    """An organization as site administrators see it."""

    name: str | None
    email: str | None
    created_at: Time
    updated_at: Time


class Organization(SimpleOrganization):
    """An organization with its profile, and to its owners with its settings."""

    name: str | None
    company: None
    blog: None
    location: None
    email: str | None
    twitter_username: None
    is_verified: bool
    has_organization_projects: bool
    has_repository_projects: bool
    public_repos: Count
    public_gists: Count
    followers: Count
    following: Count
    html_url: Url
    created_at: Time
    updated_at: Time
    archived_at: None
    type: Literal["Organization"]
    packages_inherit_access: NotRequired[Annotated[bool, Meta(description="Told to owners only.")]]
    packages_sso_required: NotRequired[Annotated[bool, Meta(description="Told to owners only.")]]
    members_can_create_public_packages: NotRequired[Annotated[bool, Meta(description="Told to owners only.")]]
    members_can_create_private_packages: NotRequired[Annotated[bool, Meta(description="Told to owners only.")]]
    members_can_create_internal_packages: NotRequired[Annotated[bool, Meta(description="Told to owners only.")]]
    default_repository_permission: NotRequired[Literal["none"]]
    members_can_create_repositories: NotRequired[bool]


class MembershipPermissions(TypedDict):
    """The permissions of a member of an organization."""

    can_create_repository: bool


class OrganizationMembership(TypedDict):
    """A membership of an organization; each is active, as there are no invitations."""

    url: Url
    state: Literal["active"]
    role: Literal["admin", "member"]
    organization_url: Url
    organization: SimpleOrganization
    user: SimpleUser | None
    permissions: NotRequired[MembershipPermissions]


class TeamSummary(TypedDict):
    """A team in a list."""

    id: Id
    node_id: str
    url: Url
    html_url: Url
    name: str
    slug: str
    description: str | None
    privacy: Literal["closed"]
    notification_setting: Literal["notifications_enabled"]
    permission: Literal["pull"]
    members_url: UrlTemplate
    repositories_url: Url
    parent: None


class Team(TeamSummary):
    """A team with its counts and its organization."""

    members_count: Count
    repos_count: Count
    created_at: Time
    updated_at: Time
    organization: SimpleOrganization


class TeamMembership(TypedDict):
    """A membership of a team."""

    url: Url
    role: Literal["member"]
    state: Literal["active"]


class PersonalToken(TypedDict):
    """A personal access token as its owner sees it, without its text."""

    id: Id
    url: Url
    kind: TokenKind
    note: str
    token_last_eight: str
    scopes: Annotated[list[str] | None, Meta(description="Null for a fine-grained token.")]
    rules: Annotated[list[TokenRule] | None, Meta(description="Null for a classic token.")]
    organizations: Annotated[list[str], Meta(description="Logins for which the token is authorised.")]
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None


class CreatedToken(PersonalToken):
    """A new personal access token; the text is told in this answer only."""

    token: str


class AuthorizationApp(TypedDict):
    """The application of an authorization: always this registry."""

    name: str
    url: Url
    client_id: str


class Authorization(TypedDict):
    """A token that an administrator made for a user; the text is told in this answer only."""

    id: Id
    url: Url
    app: AuthorizationApp
    token: str
    hashed_token: str
    token_last_eight: str
    note: str | None
    note_url: None
    created_at: Time
    updated_at: Time
    scopes: list[str]
    fingerprint: None
    expires_at: Time | None


class AdministeredToken(Authorization):
    """A token as site administrators see it, without its text."""

    kind: TokenKind
    last_used_at: Time | None
    user: SimpleUser


class SignInLink(TypedDict):
    """A link that signs a user in once."""

    url: Url
    expires_at: Time


class BrowserSession(TypedDict):
    """A session of a user in a browser."""

    id: Id
    way: str
    created_at: Time
    last_seen_at: Time
    address: str | None
    user_agent: str | None


class AcceptedChange(TypedDict):
    """A change that is made; the words are GitHub's."""

    message: str
    url: Url


class TokenPermissions(TypedDict):
    """The permissions of a token of a repository."""

    packages: Literal["read", "write"]


class TokenRepository(TypedDict):
    """The repository of a token."""

    id: Id
    name: str
    full_name: str


class WorkloadToken(TypedDict):
    """A token of a repository, for a workflow or a workspace; the text is told in this answer only."""

    token: str
    expires_at: Time
    permissions: TokenPermissions
    repository: TokenRepository
