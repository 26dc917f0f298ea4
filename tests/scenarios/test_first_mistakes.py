"""What docker prints of five things that everybody does wrong once, and that the next line it prints works."""

import re
from collections.abc import Callable

import pytest

from tests.scenarios.conftest import Person, Refused
from tests.support.server import Registry

pytestmark = [pytest.mark.scenarios, pytest.mark.timeout(300)]


async def _said(person: Person, *words: str, given: str = "") -> str:
    with pytest.raises(Refused) as refused:
        await person.docker(*words, given=given)
    return str(refused.value)


async def _works(person: Person, said: str, pushed: str) -> None:
    """Types the `docker tag` that was printed, and pushes its target."""
    found = re.search(r"docker (tag \S+ \S+)", said)
    assert found, said
    words = found[1].split()
    assert words[1] == pushed
    await person.docker(*words)
    await person.docker("push", words[2])


@pytest.mark.parametrize("name", ["app", "nobody/app"], ids=["no owner", "an owner that is not there"])
async def test_the_name_of_an_image(registry: Registry, person: Callable[[str], Person], name: str) -> None:
    token, alice = await registry.user("alice"), person("alice")
    await alice.login("alice", token)
    image = await alice.build(name)
    said = await _said(alice, "push", image)
    assert "(you may push to alice)" in said
    await _works(alice, said, image)


async def test_a_wrong_token_then_none_then_the_right_one(registry: Registry, person: Callable[[str], Person]) -> None:
    token, alice = await registry.user("alice"), person("alice")
    said = await _said(alice, "login", alice.host, "--username", "alice", "--password-stdin", given="wrong")
    assert "unauthorized: this is no access token of this registry: one is made on its page /settings/tokens" in said
    image = await alice.build("alice/app")
    assert f"denied: sign in first: docker login {alice.host}" in await _said(alice, "push", image)
    assert f"denied: sign in first: docker login {alice.host}" in await _said(alice, "pull", f"{alice.host}/alice/none")
    bare = await _said(alice, "push", await alice.build("app"))
    assert f"docker login {alice.host}, then docker tag {alice.host}/app {alice.host}/OWNER/app" in bare
    await alice.login("alice", token)
    await alice.docker("push", image)


async def test_a_host_that_speaks_plain_http(registry: Registry, person: Callable[[str], Person]) -> None:
    """docker speaks HTTPS but to 127.0.0.0/8 and what `insecure-registries` names; 0.0.0.0 is neither."""
    token, alice = await registry.user("alice"), person("alice")
    host = f"0.0.0.0:{alice.host.rpartition(':')[2]}"
    said = await _said(alice, "login", host, "--username", "alice", "--password-stdin", given=token)
    assert "http: server gave HTTP response to HTTPS client" in said
    assert "invalid reference format" in await _said(alice, "pull", f"http://{alice.host}/alice/app")
