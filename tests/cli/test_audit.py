"""The commands that tell the audit log."""

import orjson

from registry.jobs.seal_events import seal_events
from tests.api.test_audit import LOG
from tests.cli.commands import Shell
from tests.jobs.test_seals import sealed, tamper
from tests.support.api import acme
from tests.support.server import Registry


async def test_the_log_is_told_to_who_may_see_it(shell: Shell, env: dict[str, str]) -> None:
    people = await acme(shell.registry)
    await people.ok("POST", "/orgs/acme/teams", people.owner, {"name": "Ops"}, 201)
    owner = {"MOORAGE_TOKEN": people.owner}
    [row] = [line.split("\t") for line in (await shell.ok("audit", "acme", "--limit", "1", **owner)).out.splitlines()]
    assert row[1:] == ["team.create", "owner", "Acme", "ops", "127.0.0.1"]
    lines = (await shell.ok("audit", "acme", "--json-lines", "--all", "--oldest-first", **owner)).out.splitlines()
    every = await people.ok("GET", f"{LOG}?order=asc", people.owner)
    assert [orjson.loads(line) for line in lines] == every
    assert every[0]["action"] == "org.create"
    assert (await shell.ok("audit", "acme", "--phrase", "action:team", "--json", **owner)).json == every[-1:]
    assert (await shell.ok("audit", "acme", "--since", "2999-01-01", **owner)).out == ""
    assert "user.create" in (await shell.ok("audit", **owner)).out
    assert "team.create" in (await shell.ok("audit", "--registry", MOORAGE_TOKEN=people.admin)).out
    await shell.fails(3, "audit", "acme", MOORAGE_TOKEN=people.stranger)
    await shell.fails(5, "audit", "--registry", **owner)
    assert "there is no term 'colour'" in await shell.fails(6, "audit", "acme", "--phrase", "colour:red", **owner)
    told = await shell.ok("admin", "audit", "action:team", "--owner", "acme", "--json", **env)
    assert [orjson.loads(line) for line in told.out.splitlines()] == every[-1:]
    assert (await shell.ok("admin", "audit", "--limit", "1", **env)).out.split("\t")[1] == "team.create"


async def test_the_operator_is_told(shell: Shell, registry: Registry, env: dict[str, str], database_url: str) -> None:
    await sealed(registry)
    assert (await shell.ok("admin", "verify-audit", **env)).out.startswith("3 seals are intact, over 12 entries;")
    await tamper(database_url, "DELETE FROM events WHERE action = 'test.b1_2'")
    done = await shell.run("admin", "verify-audit", **env)
    assert done.status == 1
    assert done.out.startswith("seal 2 is broken: 4 entries from ")


async def test_the_operator_is_told_of_late_seals(shell: Shell, registry: Registry, env: dict[str, str]) -> None:
    """The worker seals once more what somebody left, who took entries away with all the seals from there on."""
    insert = "INSERT INTO events (action, via, at) VALUES ('test.before', 'operator', now() - interval '3 hours')"
    await registry.services.db.execute(insert)
    assert await seal_events(registry.services) == 1
    out = (await shell.ok("admin", "verify-audit", **env)).out
    assert out.startswith("1 seals were made late, the first of them, 1, at ")


async def test_the_operator_verifies_without_the_secret(shell: Shell, registry: Registry, env: dict[str, str]) -> None:
    await sealed(registry)
    told = (await shell.ok("admin", "verify-audit", **env)).out.splitlines()
    assert told[-1].startswith("3 are signed with the key ")
    key = told[-1].split()[-1]
    auditor = {"MOORAGE_DATABASE_URL": env["MOORAGE_DATABASE_URL"]}
    assert (await shell.ok("admin", "verify-audit", "--public-key", key, **auditor)).out.splitlines() == told
    done = await shell.run("admin", "verify-audit", "--public-key", "ab" * 32, **auditor)
    assert (done.status, done.out.splitlines()[0]) == (
        1, "seal 1 is signed with a key that is not believed: somebody else has made or changed it",
    )  # fmt: skip
    assert "Ed25519" in (await shell.run("admin", "verify-audit", "--public-key", "x", **auditor)).err
    assert "MOORAGE_SECRET_KEY" in (await shell.run("admin", "verify-audit", **auditor)).err
