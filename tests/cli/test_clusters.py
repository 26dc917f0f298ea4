"""The commands ``cluster``."""

import orjson

from tests.cli.commands import Shell
from tests.support.api import acme
from tests.support.cluster import Cluster


async def test_a_cluster_is_added_granted_to_and_removed(shell: Shell) -> None:
    made, cluster = await acme(shell.registry), Cluster()
    shell.env["MOORAGE_TOKEN"] = made.owner
    assert "moorage cluster add acme prod --jwks -" in (await shell.ok("cluster", "list", "acme")).err
    add, keys = ("cluster", "add", "acme", "prod", "--jwks", "-"), orjson.dumps(cluster.jwks).decode()
    assert (await shell.ok(*add, "--dry-run", given=keys)).err.startswith("would be done: ")
    assert "moorage cluster grant acme prod" in (await shell.ok(*add, given=keys)).err
    assert (await shell.ok("cluster", "list", "acme")).out == f"prod\t{cluster.issuer}\tmoorage\t1\n"
    done = await shell.ok("cluster", "grant", "acme", "prod", "--namespace", "team-*", "--account", "web")
    number = (await shell.ok("cluster", "grants", "acme", "prod", "-q")).out.strip()
    assert done.err == (f"team-*/web of prod may pull acme/*\n  undo: moorage cluster revoke acme prod {number}\n")
    assert (await shell.ok("cluster", "grants", "acme", "prod")).out == f"{number}\tteam-*\tweb\t*\n"
    done = await shell.ok("cluster", "revoke", "acme", "prod", number)
    assert "undo: moorage cluster grant acme prod --namespace 'team-*' --account 'web' --package '*'" in done.err
    assert "has no grant" in await shell.fails(3, "cluster", "revoke", "acme", "prod", number)
    assert "expected a range" in await shell.fails(6, "cluster", "grant", "acme", "prod", "--namespace", "[z-a]")
    assert "has no JSON" in (await shell.run(*add, given="x")).err
    await shell.ok("cluster", "remove", "acme", "prod", "-y")
    assert "try: moorage cluster list acme" in await shell.fails(3, "cluster", "remove", "acme", "prod", "-y")
    shell.env["MOORAGE_TOKEN"] = made.member
    assert (await shell.run(*add, given=keys)).status == 5
    await shell.ok("cluster", "add", "member", "own", "--jwks", "-", given=keys)
