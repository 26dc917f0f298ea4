"""The commands of webhooks, as they are run."""

from pathlib import Path

import pytest
from aiohttp import web

from tests.cli.commands import Shell
from tests.hooks.conftest import World
from tests.support.receiver import SECRET


@pytest.fixture
def shell(world: World, tmp_path: Path) -> Shell:
    return Shell(world.registry, tmp_path, {"MOORAGE_TOKEN": world.alice, "MOORAGE_HOST": world.registry.url})


async def test_a_webhook_from_its_making_to_its_end(world: World, shell: Shell) -> None:
    url = world.receiver.url + "/in"
    command = ("hook", "create", "acme", "--url", url, "--event", "package", "--secret-stdin")
    assert (await shell.ok(*command, "--dry-run", given=SECRET)).err.startswith("would be done: ")
    done = await shell.ok(*command, given=f"{SECRET}\n")
    assert done.err == f"{url} is told of package of acme\n  undo: moorage hook delete acme 1\n"
    await world.deliver()
    world.receiver.answer = lambda _: web.Response(status=410, text="gone")
    await world.push("app", "v1")
    await world.deliver()
    assert all(one.is_signed() for one in world.receiver.got)
    assert (await shell.ok("hook", "list", "acme")).out.split("\t")[:3] == ["1", url, "package"]
    facts = dict(line.split("\t") for line in (await shell.ok("hook", "show", "acme", "1")).out.splitlines())
    assert (facts["signed"], facts["state"]) == ("yes", "the receiver answered 410 Gone")
    [row] = (await shell.ok("hook", "deliveries", "acme", "1", "--failed")).out.splitlines()
    number, _, *rest = row.split("\t")
    assert rest == ["package", "published", "failed", "1", "Invalid HTTP Response: 410"]
    facts = dict(
        line.split("\t") for line in (await shell.ok("hook", "delivery", "acme", "1", number)).out.splitlines()
    )
    assert "X-GitHub-Event: package" in facts["sent"]
    assert facts["body"] == "gone"
    assert (await shell.ok("hook", "redeliver", "acme", "1", number)).err.endswith("under the same GUID.\n")
    assert (await shell.ok("hook", "ping", "acme", "1")).err.startswith("A ping is on its way;")
    await shell.ok("hook", "delete", "acme", "1", "-y")
    assert (await shell.ok("hook", "list", "acme")).err == "No webhooks.\n"
    await shell.fails(3, "hook", "show", "acme", "1")


async def test_a_webhook_of_a_repository(world: World, shell: Shell) -> None:
    await world.call("POST", "/orgs/acme/repos", {"name": "code"}, status=201)
    await shell.ok("hook", "create", "acme/code", "--url", world.receiver.url, "--format", "cloudevents")
    assert (await shell.ok("hook", "list", "acme/code", "-q")).out == "1\n"
    assert (await shell.ok("hook", "list", "acme", "-q")).out == ""
    why = await shell.fails(6, "hook", "create", "acme", "--url", "https://10.0.0.1/")
    assert "the address is not of the internet" in why
