"""The command that tells what is left of the rate limits."""

from pathlib import Path

from tests.cli.commands import Shell
from tests.support.server import running


async def test_it_tells_what_is_left(env: dict[str, str], tmp_path: Path) -> None:
    limits = {"MOORAGE_LIMITS": "account-pulls=10/6h, token-requests=50/90s, anonymous-pulls=3/1d"}
    async with running({**env, **limits}) as registry:
        shell = Shell(registry, tmp_path)
        alice = {"MOORAGE_TOKEN": await registry.user("alice")}
        await registry.push_image("alice/app", "v1", alice["MOORAGE_TOKEN"])
        assert (await registry.call("GET", "/v2/alice/app/manifests/v1", alice["MOORAGE_TOKEN"])).status == 200
        rows = [line.split("\t") for line in (await shell.ok("rate-limit", **alice)).out.splitlines()]
        assert [row[:5] for row in rows] == [
            ["account-pulls", "10", "6h", "1", "9"],
            ["token-requests", "50", "90s", "0", "50"],
        ]
        assert [one["name"] for one in (await shell.ok("rate-limit", "--json", "name", **alice)).json] == [
            "account-pulls", "token-requests",
        ]  # fmt: skip
        assert (await shell.ok("rate-limit", "-q", "--host", shell.host)).out == "anonymous-pulls\n"


async def test_it_says_that_nothing_is_limited(shell: Shell) -> None:
    done = await shell.ok("rate-limit", MOORAGE_TOKEN=await shell.registry.user("alice"))
    assert (done.out, done.err) == ("", f"{shell.host} limits neither your pulls nor your requests of the API.\n")
