"""What a user gets, told with docker: one story a test."""

import re
import time
from collections.abc import Callable

import pytest

from tests.scenarios.conftest import Person, Refused
from tests.support.server import Registry

pytestmark = [pytest.mark.scenarios, pytest.mark.timeout(300)]

People = Callable[[str], Person]
API = "/api/v3"
ALL = ("write:packages", "delete:packages", "repo", "admin:org", "user")
REFUSED = r"denied|unauthorized|not found|access"


async def api(registry: Registry, method: str, path: str, token: str, body: object = None, want: int = 200) -> object:
    answer = await registry.call(method, API + path, token, json=body)
    assert answer.status == want, (method, path, answer.status, answer.body)
    return answer.json if answer.body else None


async def workflow_token(registry: Registry, token: str, repository: str, kind: str = "actions") -> str:
    wanted = {"permissions": {"packages": "write"}, "ttl_seconds": 600}
    minted = await api(registry, "POST", f"/repos/{repository}/{kind}/token", token, wanted, 201)
    return str(minted["token"])  # type: ignore[index]


async def test_login_with_a_personal_access_token(registry: Registry, person: People) -> None:
    alice, token = person("alice"), await registry.user("alice")
    with pytest.raises(Refused, match=r"unauthorized|denied"):
        await alice.login("alice", "wrong")
    assert "Login Succeeded" in await alice.login("alice", token)
    await alice.push("alice/app:v1")
    assert "Downloaded" in await alice.pull("alice/app:v1")


async def test_the_first_push_is_private_until_it_is_made_public(registry: Registry, person: People) -> None:
    alice, anybody, token = person("alice"), person("anybody"), await registry.user("alice", ALL)
    await alice.login("alice", token)
    await alice.push("alice/app:v1")
    package = await api(registry, "GET", "/user/packages/container/app", token)
    assert package["visibility"] == "private"  # type: ignore[index]
    with pytest.raises(Refused, match=REFUSED):
        await anybody.pull("alice/app:v1")
    await api(registry, "PATCH", "/user/packages/container/app", token, {"visibility": "public"})
    assert "Downloaded" in await anybody.pull("alice/app:v1")


async def test_the_source_label_links_and_access_is_inherited(registry: Registry, person: People) -> None:
    alice, bob = person("alice"), person("bob")
    token, bobs = await registry.user("alice", ALL), await registry.user("bob")
    await api(registry, "POST", "/user/repos", token, {"name": "app", "private": True}, 201)
    await api(registry, "PUT", "/repos/alice/app/collaborators/bob", token, {"permission": "pull"}, 204)
    await alice.login("alice", token)
    await bob.login("bob", bobs)
    await alice.push("alice/unlabelled:v1")
    await alice.push("alice/app:v1", org__opencontainers__image__source="https://github.com/alice/app")
    linked = await api(registry, "GET", "/user/packages/container/app", token)
    assert linked["repository"]["full_name"] == "alice/app"  # type: ignore[index]
    assert linked["visibility"] == "private"  # type: ignore[index]
    assert "Downloaded" in await bob.pull("alice/app:v1")
    with pytest.raises(Refused, match=REFUSED):
        await bob.push("alice/app:v2")
    with pytest.raises(Refused, match=REFUSED):
        await bob.pull("alice/unlabelled:v1")


async def test_a_workflow_token_pushes_links_deletes_and_restores(registry: Registry, person: People) -> None:
    runner, token = person("runner"), await registry.user("alice", ALL)
    await api(registry, "POST", "/user/repos", token, {"name": "app", "private": False}, 201)
    job = await workflow_token(registry, token, "alice/app")
    await runner.login("alice", job)
    await runner.push("alice/web:v1")
    await runner.push("alice/web:v2")
    package = await api(registry, "GET", "/users/alice/packages/container/web", token)
    assert package["repository"]["full_name"] == "alice/app"  # type: ignore[index]
    assert package["visibility"] == "public"  # type: ignore[index]
    versions = await api(registry, "GET", "/users/alice/packages/container/web/versions", job)
    old = next(v for v in versions if v["metadata"]["container"]["tags"] == ["v1"])  # type: ignore[attr-defined]
    path = f"/users/alice/packages/container/web/versions/{old['id']}"
    await api(registry, "DELETE", path, job, want=204)
    with pytest.raises(Refused, match=REFUSED + "|unknown"):
        await runner.pull("alice/web:v1")
    await api(registry, "POST", f"{path}/restore", job, want=204)
    assert old["name"] in await runner.pull("alice/web:v1")


async def test_a_workflow_token_is_refused_by_an_unlinked_package(registry: Registry, person: People) -> None:
    alice, runner, token = person("alice"), person("runner"), await registry.user("alice", ALL)
    await api(registry, "POST", "/user/repos", token, {"name": "app", "private": True}, 201)
    await alice.login("alice", token)
    await alice.push("alice/app:v1")
    await runner.login("alice", await workflow_token(registry, token, "alice/app"))
    with pytest.raises(Refused, match="permission_denied: write_package") as refused:
        await runner.push("alice/app:v2")
    assert "access/repositories" in str(refused.value)
    grant = {"role": "write", "audience": "actions"}
    await api(registry, "PUT", "/user/packages/container/app/access/repositories/alice/app", token, grant, 204)
    await runner.push("alice/app:v2")


async def test_codespaces_and_actions_access_are_apart(registry: Registry, person: People) -> None:
    alice, space, runner, token = person("alice"), person("space"), person("runner"), await registry.user("alice", ALL)
    await api(registry, "POST", "/user/repos", token, {"name": "app", "private": True}, 201)
    await alice.login("alice", token)
    await alice.push("alice/app:v1")
    await space.login("alice", await workflow_token(registry, token, "alice/app", "codespaces"))
    await runner.login("alice", await workflow_token(registry, token, "alice/app"))
    access = "/user/packages/container/app/access/repositories/alice/app"
    await api(registry, "PUT", access, token, {"role": "read", "audience": "codespaces"}, 204)
    assert "Downloaded" in await space.pull("alice/app:v1")
    with pytest.raises(Refused, match=REFUSED):
        await runner.pull("alice/app:v1")
    await api(registry, "DELETE", f"{access}?audience=codespaces", token, want=204)
    await api(registry, "PUT", access, token, {"role": "read", "audience": "actions"}, 204)
    assert "Downloaded" in await runner.pull("alice/app:v1")
    with pytest.raises(Refused, match=REFUSED):
        await space.pull("alice/app:v1")


async def test_an_organization_turns_inheritance_off(registry: Registry, person: People) -> None:
    owner, member = person("owner"), person("member")
    admin = await registry.admin()
    token, members = await registry.user("olga", ALL), await registry.user("mike")
    await api(registry, "POST", "/admin/organizations", admin, {"login": "acme", "admin": "olga"}, 201)
    await api(registry, "PUT", "/orgs/acme/memberships/mike", token, {"role": "member"})
    await api(registry, "POST", "/orgs/acme/repos", token, {"name": "app", "private": True}, 201)
    await api(registry, "PUT", "/repos/acme/app/collaborators/mike", token, {"permission": "pull"}, 204)
    await owner.login("olga", token)
    await member.login("mike", members)
    label = "https://github.com/acme/app"
    await owner.push("acme/before:v1", org__opencontainers__image__source=label)
    assert "Downloaded" in await member.pull("acme/before:v1")
    await api(registry, "PATCH", "/orgs/acme", token, {"packages_inherit_access": False})
    await owner.push("acme/after:v1", org__opencontainers__image__source=label)
    after = await api(registry, "GET", "/orgs/acme/packages/container/after", token)
    assert after["repository"]["full_name"] == "acme/app"  # type: ignore[index]
    with pytest.raises(Refused, match=REFUSED):
        await member.pull("acme/after:v1")
    assert "Downloaded" in await member.pull("acme/before:v1")


async def test_a_push_without_an_owner_or_to_nobody_is_refused_at_once(registry: Registry, person: People) -> None:
    alice, token = person("alice"), await registry.user("alice")
    await alice.login("alice", token)
    for name, said in (("hello-world", "images are OWNER/IMAGE here"), ("nobody/app", "there is no account nobody")):
        image = await alice.build(name)
        begun = time.monotonic()
        with pytest.raises(Refused, match=said) as refused:
            await alice.docker("push", image)
        assert time.monotonic() - begun < 10, "docker repeats what it hopes for, for 50 seconds"
        (command,) = re.findall(r"docker (tag \S+ [^\s()]+)", str(refused.value))
        await alice.docker(*command.split())
        await alice.docker("push", command.split()[2])


async def test_docker_searches_for_what_one_may_see(registry: Registry, person: People) -> None:
    alice, anybody, token = person("alice"), person("anybody"), await registry.user("alice", ALL)
    await alice.login("alice", token)
    for name in ("hello-world", "tools/hello"):
        await alice.push(f"alice/{name}:v1")
    await api(registry, "PATCH", "/user/packages/container/hello-world", token, {"visibility": "public"})

    async def found(who: Person) -> set[str]:
        return set((await who.docker("search", "--format", "{{.Name}}", f"{who.host}/hello")).split())

    assert await found(anybody) == {"alice/hello-world"}
    assert await found(alice) == {"alice/hello-world", "alice/tools/hello"}
    assert await found(person("stranger")) == {"alice/hello-world"}
