"""A hidden package is asked for in as many round trips to PostgreSQL as one that is not there: the time tells nothing."""

from itertools import product
from typing import Any

from tests.support.api import acme
from tests.support.server import basic, running
from tests.support.tcp import TcpProxy

_PATHS = (
    "manifests/v1",
    f"manifests/sha256:{'0' * 64}",
    f"blobs/sha256:{'0' * 64}",
    "tags/list",
    f"referrers/sha256:{'0' * 64}",
)


async def test_both_go_the_full_way(env: dict[str, str]) -> None:
    async with TcpProxy(env["MOORAGE_DATABASE_URL"]) as line:
        env["MOORAGE_DATABASE_URL"] = line.through(env["MOORAGE_DATABASE_URL"])
        async with running(env) as registry:
            people = await acme(registry)
            await registry.push_image("owner/hidden", "v1", people.owner)
            for number, turn in product(range(len(_PATHS)), range(3)):
                await registry.push_image(f"owner/hidden-{number}-{turn}", "v1", people.owner)
            callers: list[dict[str, str]] = [basic(people.stranger), {}]
            asked = "&".join(f"scope=repository:owner/{kind}:pull" for kind in ("hidden", "missing"))
            issued: Any = (await registry.call("GET", f"/token?{asked}", headers=basic(people.stranger))).json
            callers.append({"Authorization": f"Bearer {issued['token']}"})

            async def trips(method: str, path: str, headers: dict[str, str]) -> tuple[int, int]:
                before = line.heard
                answer = await registry.call(method, path, headers=headers)
                return answer.status, line.heard - before

            for caller in callers:  # so that each statement is prepared
                for path in _PATHS:
                    for method in ("GET", "HEAD"):
                        await trips(method, f"/v2/owner/other/{path}", caller)
                        await trips(method, f"/v2/owner/hidden/{path}", caller)
            for caller in callers:
                for number, path in enumerate(_PATHS):
                    # What the process does by the clock may come between: the fewest of three count.
                    hidden, missing, nobody = [
                        min([await trips("GET", f"/v2/{name}-{number}-{turn}/{path}", caller) for turn in range(3)])
                        for name in ("owner/hidden", "owner/missing", "nobody/missing")
                    ]
                    assert hidden == missing == nobody, (path, hidden, missing, nobody)
