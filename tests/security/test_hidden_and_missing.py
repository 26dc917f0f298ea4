"""A hidden package is asked for in as many round trips to PostgreSQL as one that is not there: the time tells nothing."""

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
            for number in range(len(_PATHS) + 1):
                await registry.push_image(f"owner/hidden-{number}", "v1", people.owner)
            callers: list[dict[str, str]] = [basic(people.stranger), {}]
            asked = "&".join(f"scope=repository:owner/{kind}-0:pull" for kind in ("hidden", "missing"))
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
                        await trips(method, f"/v2/owner/hidden-{len(_PATHS)}/{path}", caller)
            for caller in callers:
                for number, path in enumerate(_PATHS):
                    hidden = await trips("GET", f"/v2/owner/hidden-{number}/{path}", caller)
                    missing = await trips("GET", f"/v2/owner/missing-{number}/{path}", caller)
                    nobody = await trips("GET", f"/v2/nobody/missing-{number}/{path}", caller)
                    assert hidden == missing == nobody, path
