"""GitHub's objects that appear inside others: the simple user and the minimal repository."""

from base64 import b64encode
from typing import Any

from registry.http.api.call import ApiCall


def simple_user(call: ApiCall, account_id: int, login: str, kind: str, *, site_admin: bool = False) -> dict[str, Any]:
    """«Simple User»; an organization has the same shape."""
    url = f"{call.base}/users/{login}"
    return {
        "login": login,
        "id": account_id,
        "node_id": node_id(kind, account_id),
        "avatar_url": "",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{call.origin}/{login}",
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


def node_id(kind: str, number: int) -> str:
    """GitHub's opaque global id."""
    return b64encode(f"{kind}:{number}".encode()).decode()
