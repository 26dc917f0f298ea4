"""githubkit, which checks every answer against GitHub's schema."""

import os
import sys
from collections.abc import Callable

from githubkit import GitHub
from githubkit.exception import RequestFailed

URL = os.environ["MOORAGE_URL"]  # noqa: TID251 - a program of its own
TOKEN = os.environ["MOORAGE_TOKEN"]  # noqa: TID251 - see above
NOT_FOUND = 404


def first(github: GitHub) -> None:
    assert github.rest.meta.root().parsed_data.rate_limit_url == f"{URL}/api/v3/rate_limit"
    assert github.rest.meta.get().parsed_data.hooks == []
    limits = github.rest.rate_limit.get()
    assert limits.parsed_data.resources.integration_manifest
    assert "read:packages" in limits.headers["X-OAuth-Scopes"]
    me = github.rest.users.get_authenticated().parsed_data
    assert (me.login, me.avatar_url.startswith(URL)) == ("alice", True)
    assert {"alice", "bob", "acme"} <= {one.login for one in github.rest.users.list().parsed_data}
    assert [one.login for one in github.rest.orgs.list().parsed_data] == ["acme"]
    assert github.rest.orgs.get("acme").parsed_data.login == "acme"
    assert {one.login for one in github.rest.orgs.list_members("acme").parsed_data} == {"alice", "bob"}
    assert github.rest.orgs.get_membership_for_user("acme", "bob").parsed_data.role == "member"


def packages(github: GitHub) -> None:
    rest, name = github.rest.packages, "team%2Fapp"  # it does not quote
    (listed,) = rest.list_packages_for_organization("acme", package_type="container").parsed_data
    assert listed.name == "team/app"
    found = rest.get_package_for_organization("container", name, "acme").parsed_data
    assert (found.version_count, found.visibility) == (3, "private")
    versions = rest.get_all_package_versions_for_package_owned_by_org("container", name, "acme").parsed_data
    assert [one.metadata.container.tags for one in versions] == [["v3"], ["v2"], ["v1"]]
    version = versions[0].id
    rest.delete_package_version_for_org("container", name, "acme", version)
    missing(lambda: rest.get_package_version_for_organization("container", name, "acme", version))
    rest.restore_package_version_for_org("container", name, "acme", version)
    rest.delete_package_for_org("container", name, "acme")
    missing(lambda: rest.get_package_for_organization("container", name, "acme"))
    rest.restore_package_for_org("container", name, "acme")
    (mine,) = rest.list_packages_for_authenticated_user(package_type="container").parsed_data
    assert mine.name == "tools/app"


def repositories(github: GitHub) -> None:
    rest = github.rest.repos
    made = rest.create_in_org("acme", name="code", private=True).parsed_data
    assert rest.get("acme", "code").parsed_data.id == made.id
    github.request("PUT", "/repos/acme/code/collaborators/bob", json={"permission": "push"})
    assert "bob" in {one.login for one in rest.list_collaborators("acme", "code").parsed_data}
    assert [one.name for one in github.paginate(rest.list_for_org, org="acme", per_page=1)] == ["code"]
    rest.delete("acme", "code")
    missing(lambda: rest.get("acme", "code"))


def missing(ask: Callable[[], object]) -> None:
    status = None
    try:
        ask()
    except RequestFailed as error:
        status = error.response.status_code
    assert status == NOT_FOUND


def main() -> None:
    github = GitHub(TOKEN, base_url=f"{URL}/api/v3/", http_cache=False)
    first(github)
    packages(github)
    repositories(github)
    sys.stdout.write("all done\n")


if __name__ == "__main__":
    main()
