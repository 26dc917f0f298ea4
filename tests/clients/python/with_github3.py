"""github3.py, which adds ``/api/v3`` to the host by itself, and has no names for packages."""

import os
import sys

import github3

URL = os.environ["MOORAGE_URL"]  # noqa: TID251 - a program of its own
TOKEN = os.environ["MOORAGE_TOKEN"]  # noqa: TID251 - see above


def main() -> None:
    github = github3.enterprise_login(token=TOKEN, url=URL)
    me = github.me()
    assert (me.login, me.avatar_url.startswith(URL)) == ("alice", True)
    assert github.user("bob").login == "bob"
    assert github.user_with_id(me.id).login == "alice"
    assert github.rate_limit()["resources"]["core"]["remaining"] > 0
    assert github.meta()["installed_version"]
    assert {"alice", "bob", "acme"} <= {one.login for one in github.all_users(number=10)}
    assert [one.login for one in github.all_organizations(number=10)] == ["acme"]
    assert [one.login for one in github.organizations()] == ["acme"]
    organization = github.organization("acme")
    assert {one.login for one in organization.members()} == {"alice", "bob"}
    assert organization.is_member("bob")
    assert organization.membership_for("bob").role == "member"
    made = organization.create_repository("code", private=True)
    found = github.repository("acme", "code")
    assert (found.id, found.full_name, found.private) == (made.id, "acme/code", True)
    assert found.edit("code", description="made by github3")
    found.add_collaborator("bob")
    assert found.is_collaborator("bob")
    assert "bob" in {one.login for one in found.collaborators()}
    assert found.remove_collaborator("bob")
    assert [one.full_name for one in github.repositories()] == ["acme/code"]
    assert found.delete()
    try:
        github.repository("acme", "code")
    except github3.exceptions.NotFoundError:
        sys.stdout.write("all done\n")


if __name__ == "__main__":
    main()
