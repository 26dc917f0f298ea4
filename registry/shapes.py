"""GitHub's objects that appear inside others: the simple user, the simple organization, the minimal repository."""

from base64 import b64encode
from typing import Any, Final, Protocol

from storage.metadata.repositories import Repository


class Urls(Protocol):
    """The URLs of the API and of the pages, each without a slash at its end."""

    @property
    def base(self) -> str: ...
    @property
    def origin(self) -> str: ...


_REPOSITORY_LINKS: Final = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def simple_user(urls: Urls, account_id: int, login: str, kind: str, *, site_admin: bool = False) -> dict[str, Any]:
    """«Simple User»; an organization has the same shape."""
    url = f"{urls.base}/users/{login}"
    return {
        "login": login,
        "id": account_id,
        "node_id": node_id(kind, account_id),
        "avatar_url": _avatar(urls, account_id),
        "gravatar_id": "",
        "url": url,
        "html_url": f"{urls.origin}/{login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": kind,
        "site_admin": site_admin,
    }


def simple_organization(urls: Urls, org_id: int, login: str, description: str | None) -> dict[str, Any]:
    """«Organization Simple»."""
    url = f"{urls.base}/orgs/{login}"
    return {
        "login": login,
        "id": org_id,
        "node_id": node_id("Organization", org_id),
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": _avatar(urls, org_id),
        "description": description or "",
    }


def _avatar(urls: Urls, account_id: int) -> str:
    return f"{urls.base}/avatars/{account_id}"


def minimal_repository(
    urls: Urls, repository_id: int, name: str, visibility: str, description: str | None, *, owner: dict[str, Any]
) -> dict[str, Any]:
    """«Minimal Repository»; ``owner`` is its simple user."""
    full_name = f"{owner['login']}/{name}"
    url = f"{urls.base}/repos/{full_name}"
    return {
        "id": repository_id,
        "node_id": node_id("Repository", repository_id),
        "name": name,
        "full_name": full_name,
        "owner": owner,
        "private": visibility != "public",
        "html_url": f"{urls.origin}/{full_name}",
        "description": description,
        "fork": False,
        "url": url,
        **{link: url + rest for link, rest in _REPOSITORY_LINKS.items()},
    }


def repository(urls: Urls, found: Repository) -> dict[str, Any]:
    """«Repository», as lists have it: the minimal one, what it is worth, and what the viewer may do with it."""
    owner = simple_user(urls, found.owner_id, found.owner_login, found.owner_kind, site_admin=found.owner_site_admin)
    minimal = minimal_repository(urls, found.id, found.name, found.visibility, found.description, owner=owner)
    html_url = minimal["html_url"]
    counts = ("forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "open_issues",
              "open_issues_count", "size")  # fmt: skip
    absent = ("issues", "projects", "wiki", "pages", "downloads", "discussions")
    return {
        **minimal,
        "clone_url": f"{html_url}.git",
        "git_url": f"{html_url}.git",
        "ssh_url": f"{html_url}.git",
        "svn_url": html_url,
        "mirror_url": None,
        "homepage": found.homepage,
        "language": None,
        "license": None,
        "default_branch": "main",
        "is_template": False,
        "topics": [],
        **dict.fromkeys(counts, 0),
        **{f"has_{feature}": False for feature in absent},
        "archived": False,
        "disabled": False,
        "visibility": found.visibility,
        "pushed_at": found.updated_at,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "permissions": permissions(found.role),
    }


def permissions(role: int) -> dict[str, bool]:
    """Render a role over a repository (0 none, 1 read, 2 write, 3 admin) as GitHub's five permissions."""
    return {"admin": role > 2, "maintain": role > 2, "push": role > 1, "triage": role > 1, "pull": role > 0}  # noqa: PLR2004


def node_id(kind: str, number: int) -> str:
    """GitHub's opaque global id."""
    return b64encode(f"{kind}:{number}".encode()).decode()
