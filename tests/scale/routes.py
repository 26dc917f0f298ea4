"""Calls every route of the API, and what /v2 reads, over HTTP, one call at a time; how long each takes."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from auth.tokens import SCOPES
from registry.accounts.accounts import create_token
from registry.http.api.app import PREFIX, ROUTES
from registry.http.api.routes import Route
from storage.metadata.database import Database
from tests.scale.scenes import Asked, Scenes
from tests.scale.world import World
from tests.support.server import basic

CALLS: Final = 120
_ORDER: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Times:
    """Of one route: milliseconds, and how many of the calls did what they are for (2xx, 3xx)."""

    title: str
    p50: float
    p99: float
    most: float
    done: int
    calls: int


async def measure(url: str, db: Database, world: World) -> list[Times]:
    """Every route, each so many times."""
    scenes = Scenes(world)
    tokens = {login: (await create_token(db, login, sorted(SCOPES)))[0].reveal() for login in sorted(scenes.callers)}
    found = []
    async with aiohttp.ClientSession(auto_decompress=False) as http:

        async def run(title: str, make: Callable[[int], Asked]) -> None:
            found.append(await _times(http, url, tokens, title, [make(n) for n in range(CALLS)]))

        for title, make in scenes.of_v2().items():
            await run(title, make)
        # What was put by a path is what is taken away by it; a database that was measured before has no lack of others.
        paths, begin = sorted({route.path for route in ROUTES}), random.randrange(1_000_000)
        for route in sorted(ROUTES, key=_place):

            def of_route(number: int, route: Route = route) -> Asked:
                asked = scenes.of_route(route, begin + number + 2 * CALLS * paths.index(route.path))
                return Asked(asked.caller, asked.method, PREFIX + asked.path, asked.body)

            await run(f"{route.method} {route.path}", of_route)
    return found


def _place(route: Route) -> tuple[int, int]:
    """Reads first, and of what is deleted the smallest: a role, then a package, then an organization."""
    return _ORDER.index(route.method), -route.path.count("/") if route.method == "DELETE" else 0


async def _times(
    http: aiohttp.ClientSession, url: str, tokens: dict[str, str], title: str, several: list[Asked]
) -> Times:
    taken, done = [], 0
    for asked in several:
        headers = basic(tokens[asked.caller])
        begun = time.perf_counter()
        async with http.request(
            asked.method, url + asked.path, json=asked.body, headers=headers, allow_redirects=False
        ) as response:
            body = await response.read()
        taken.append((time.perf_counter() - begun) * 1000)
        assert response.status < 500, (asked, response.status, body)
        done += response.status < 400
    taken.sort()
    return Times(title, taken[len(taken) // 2], taken[len(taken) * 99 // 100], taken[-1], done, len(several))
