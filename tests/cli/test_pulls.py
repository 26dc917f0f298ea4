"""`moorage pulls`: who pulled a package."""

from tests.cli.commands import Shell
from tests.support.server import running


async def test_who_pulled(env: dict[str, str], shell: Shell) -> None:
    async with running({**env, "MOORAGE_PULL_LOG": "7"}) as registry:
        alice, bob = await registry.user("alice"), await registry.user("bob")
        digest = await registry.push_image("alice/app", "v1", alice)
        path = "/api/v3/user/packages/container/app"
        await registry.call("PATCH", path, alice, json={"visibility": "public"})
        host = {"MOORAGE_HOST": registry.url.partition("://")[2]}
        told = await shell.ok("pulls", "alice/app", MOORAGE_TOKEN=alice, **host)
        assert (told.out, "MOORAGE_PULL_LOG" in told.err) == ("", True)
        for _ in range(2):
            await registry.call("GET", "/v2/alice/app/manifests/v1", bob, headers={"User-Agent": "docker/29"})
        await registry.services.downloads.flush()
        told = await shell.ok("pulls", "alice/app", "--since", "1h", MOORAGE_TOKEN=alice, **host)
        assert told.out.rstrip("\n").split("\t")[1:] == ["bob", "", "127.0.0.1", "v1", digest, "2", "docker/29"]
        await shell.fails(5, "pulls", "alice/app", MOORAGE_TOKEN=bob, **host)
        assert "is no time" in await shell.fails(
            2, "pulls", "alice/app", "--since", "soon", MOORAGE_TOKEN=alice, **host
        )
