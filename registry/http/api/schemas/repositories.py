"""Answers about source repositories."""

from typing import Literal, TypedDict

from registry.http.api.schemas.accounts import SimpleUser
from registry.http.api.schemas.values import Count, Id, RepositoryRole, Time, Url, UrlTemplate, Visibility


class MinimalRepository(TypedDict):
    """A repository in other objects; most addresses are GitHub's, and name nothing here."""

    id: Id
    node_id: str
    name: str
    full_name: str
    owner: SimpleUser
    private: bool
    html_url: Url
    description: str | None
    fork: bool
    url: Url
    archive_url: UrlTemplate
    assignees_url: UrlTemplate
    blobs_url: UrlTemplate
    branches_url: UrlTemplate
    collaborators_url: UrlTemplate
    comments_url: UrlTemplate
    commits_url: UrlTemplate
    compare_url: UrlTemplate
    contents_url: UrlTemplate
    contributors_url: Url
    deployments_url: Url
    downloads_url: Url
    events_url: Url
    forks_url: Url
    git_commits_url: UrlTemplate
    git_refs_url: UrlTemplate
    git_tags_url: UrlTemplate
    hooks_url: Url
    issue_comment_url: UrlTemplate
    issue_events_url: UrlTemplate
    issues_url: UrlTemplate
    keys_url: UrlTemplate
    labels_url: UrlTemplate
    languages_url: Url
    merges_url: Url
    milestones_url: UrlTemplate
    notifications_url: UrlTemplate
    pulls_url: UrlTemplate
    releases_url: UrlTemplate
    stargazers_url: Url
    statuses_url: UrlTemplate
    subscribers_url: Url
    subscription_url: Url
    tags_url: Url
    teams_url: Url
    trees_url: UrlTemplate


class RepositoryPermissions(TypedDict):
    """The permissions over a repository, of which each implies the next."""

    admin: bool
    maintain: bool
    push: bool
    triage: bool
    pull: bool


class Repository(MinimalRepository):
    """A repository with its settings, and with what the caller may do there."""

    clone_url: Url
    git_url: Url
    ssh_url: Url
    svn_url: Url
    mirror_url: None
    homepage: str | None
    language: None
    license: None
    default_branch: str
    is_template: bool
    topics: list[str]
    forks: Count
    forks_count: Count
    stargazers_count: Count
    watchers: Count
    watchers_count: Count
    open_issues: Count
    open_issues_count: Count
    size: Count
    has_issues: bool
    has_projects: bool
    has_wiki: bool
    has_pages: bool
    has_downloads: bool
    has_discussions: bool
    archived: bool
    disabled: bool
    visibility: Visibility
    pushed_at: Time
    created_at: Time
    updated_at: Time
    permissions: RepositoryPermissions


class FullRepository(Repository):
    """A repository as its own address shows it."""

    network_count: Count
    subscribers_count: Count
    organization: None


class Collaborator(SimpleUser):
    """A user with the role over a repository."""

    permissions: RepositoryPermissions
    role_name: RepositoryRole


class RepositoryPermission(TypedDict):
    """The role of a user over a repository."""

    permission: RepositoryRole
    role_name: RepositoryRole
    user: Collaborator


Audience = Literal["actions", "codespaces"]
