"""PyGithub, which has no names for packages: they go through its requester, which all of its names go through."""

import os
import sys
from typing import Any

from github import Auth, Github, UnknownObjectException
from github.PaginatedList import PaginatedList

URL = os.environ["MOORAGE_URL"]  # noqa: TID251 - a program of its own
TOKEN = os.environ["MOORAGE_TOKEN"]  # noqa: TID251 - see above


def ask(github: Github, method: str, path: str) -> Any:
    _, body = github.requester.requestJsonAndCheck(method, path)
    return body


def packages(github: Github, owner: str, name: str) -> None:
    listed = ask(github, "GET", f"{owner}/packages?package_type=container")
    assert [one["name"] for one in listed] == [name.replace("%2F", "/")], listed
    path = f"{owner}/packages/container/{name}"
    found = ask(github, "GET", path)
    assert found["visibility"] == "private"
    assert found["version_count"] == 3
    versions = ask(github, "GET", f"{path}/versions")
    assert len(versions) == 3
    version = f"{path}/versions/{versions[0]['id']}"
    assert ask(github, "GET", version)["metadata"]["container"]["tags"] == ["v3"]
    ask(github, "DELETE", version)
    assert [one["id"] for one in ask(github, "GET", f"{path}/versions?state=deleted")] == [versions[0]["id"]]
    missing(github, version)
    ask(github, "POST", f"{version}/restore")
    ask(github, "DELETE", path)
    missing(github, path)
    ask(github, "POST", f"{path}/restore")
    assert ask(github, "GET", path)["id"] == found["id"]


def missing(github: Github, path: str) -> None:
    told = None
    try:
        ask(github, "GET", path)
    except UnknownObjectException as error:
        told = (error.status, error.data["message"])
    assert told == (404, "Not Found"), path


def repositories(github: Github) -> None:
    for owner in (github.get_user(), github.get_organization("acme")):
        made = owner.create_repo("code", description="made by PyGithub", private=True)
        assert made.private
        found = github.get_repo(made.full_name)
        assert (found.id, found.description) == (made.id, "made by PyGithub")
        found.edit(description="changed")
        assert github.get_repo(made.full_name).description == "changed"
        found.add_to_collaborators("bob", "push")
        assert found.has_in_collaborators("bob")
        assert "bob" in [one.login for one in found.get_collaborators()]
        assert found.get_collaborator_permission("bob") == "write"
        found.remove_from_collaborators("bob")
        assert not found.has_in_collaborators("bob")
        assert [one.name for one in owner.get_repos()] == ["code"]
        found.delete()
        missing(github, f"/repos/{made.full_name}")


def pages(github: Github) -> None:
    for number in range(5):
        github.get_user().create_repo(f"page-{number}")
    found = github.get_user().get_repos()
    assert isinstance(found, PaginatedList)
    assert found.totalCount == 5
    assert sorted(one.name for one in found) == [f"page-{number}" for number in range(5)]
    for one in list(found):
        one.delete()


def main() -> None:
    github = Github(
        base_url=f"{URL}/api/v3", auth=Auth.Token(TOKEN), per_page=2, retry=None, seconds_between_requests=0
    )
    me = github.get_user()
    assert me.login == "alice"
    assert me.id == github.get_user("alice").id
    assert [one.login for one in me.get_orgs()] == ["acme"]
    org = github.get_organization("acme")
    assert sorted(one.login for one in org.get_members()) == ["alice", "bob"]
    team = org.create_team("crew")
    team.add_membership(github.get_user("bob"))
    assert [one.login for one in team.get_members()] == ["bob"]
    team.delete()
    packages(github, "/orgs/acme", "team%2Fapp")
    packages(github, "/users/alice", "tools%2Fapp")
    packages(github, "/user", "tools%2Fapp")
    repositories(github)
    pages(github)
    sys.stdout.write("all done\n")


if __name__ == "__main__":
    main()
