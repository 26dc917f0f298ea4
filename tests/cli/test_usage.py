"""The commands about what accounts use, and the limits of that."""

from registry.jobs.runner import run_once
from tests.cli.commands import Shell
from tests.support.api import acme
from tests.support.uploading import noise


async def test_an_administrator_limits_and_owners_see(shell: Shell) -> None:
    people = await acme(shell.registry)
    for name, count in (("web", 30_000), ("api", 20_000)):
        await shell.registry.push_blob(f"acme/{name}", noise(count, count), people.owner)
    shell.env["MOORAGE_TOKEN"] = people.owner
    told = await shell.ok("usage", "acme")
    assert (told.out, told.err) == (
        "",
        "acme: 0 B used. What several packages have counts once. Not all of it is counted yet.\n",
    )
    await run_once(shell.registry.services, ("fold_usage", "recount_usage"))
    told = await shell.ok("usage", "acme")
    assert told.out == "web\t30000\t0\t\napi\t20000\t0\t\n"
    assert told.err == "acme: 50.0 kB used. What several packages have counts once.\n"
    await shell.fails(5, "quota", "set", "acme", "100kB")
    await shell.fails(5, "usage", "--registry")
    shell.env["MOORAGE_TOKEN"] = people.admin
    done = await shell.ok("quota", "set", "acme", "100kB", "--dry-run")
    assert done.err == "would be done: acme may store 100 kB.\n  undo: moorage quota remove acme\n"
    assert (await shell.ok("quota", "set", "acme", "100kB", "--warn", "50")).err.startswith("acme may store 100 kB.\n")
    done = await shell.ok("quota", "set", "acme", "64KiB", "--soft")
    assert done.err == ("acme may store 65.5 kB (was 100 kB).\n  undo: moorage quota set acme 100000 --warn 50\n")
    told = await shell.ok("usage", "acme", "--top", "1", MOORAGE_TOKEN=people.owner)
    assert told.out == "web\t30000\t0\t\n"
    assert told.err == (
        "acme: 50.0 kB used of 65.5 kB (76.3 %); more is only warned of. What several packages have counts once.\n"
    )
    assert (await shell.ok("usage", "--registry")).out == "Acme\t50000\t65536\t76.3\n"
    assert (await shell.ok("usage", "acme", "--json=used_bytes")).json == {"used_bytes": 50_000}
    done = await shell.ok("quota", "remove", "acme")
    assert done.err == "acme may store any amount.\n  undo: moorage quota set acme 65536 --warn 90 --soft\n"
    assert (await shell.ok("quota", "remove", "acme")).err == "acme has no quota.\n"
    assert (await shell.ok("quota", "set", "owner", "0", "--json")).json["bytes"] == 0
    assert "'much' is no size" in await shell.fails(2, "quota", "set", "acme", "much")
    await shell.fails(3, "quota", "set", "nobody", "1GB")


async def test_of_oneself(shell: Shell) -> None:
    alice = await shell.registry.user("alice", ("read:packages", "write:packages", "user"))
    shell.env["MOORAGE_TOKEN"] = alice
    assert (await shell.ok("usage", "alice")).err.startswith("alice: 0 B used.")
    assert "used. What several" in (await shell.ok("usage")).err
