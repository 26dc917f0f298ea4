"""S1, S4: who is told what, on every route there is, and for every visibility. The table is ``expected``."""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
import pytest

from registry.http.api.app import PREFIX, ROUTES
from registry.oci.request import Kind
from tests.security.expected import (
    ALL_SCOPES,
    CALLERS,
    FAMILIES,
    OCI,
    PACKAGE_NEEDS,
    REPO_NEEDS,
    REST,
    Expected,
    ExpectedOCI,
    Need,
    may,
    oci_refusal,
    refusal,
    repo_role,
)
from tests.support.server import Answer, Registry, running
from tests.support.world import LAYER, NEW, NEW_BLOB, SPARE, TAGGED, Cell, Cells, build, digest_of, table

_VISIBILITIES = ("private", "internal", "public")
_AT_ONCE = 8

Check = Callable[[Registry, Cell], Awaitable[str | None]]
Planned = tuple[str, Cell, Check]


def test_every_route_is_declared() -> None:
    routes = {(route.method, route.path) for route in ROUTES}
    assert not routes - set(REST), "routes that the table does not know"
    assert not set(REST) - routes, "lines of the table without a route"
    assert set(OCI) == set(Kind)
    assert {route.scope for route in ROUTES} - {None} <= set(ALL_SCOPES)


def test_the_table_names_the_scopes_of_the_routes() -> None:
    assert not [(route.method, route.path) for route in ROUTES if REST[route.method, route.path].scope != route.scope]


def family_of(path: str) -> str:
    for family, prefix in FAMILIES.items():
        if path.startswith(tuple(f"{prefix}/{noun}" for noun in ("packages", "docker", "retention", "settings"))):
            return family
    return "orgs"


def is_mirror(path: str) -> bool:
    return path.startswith("/orgs/{org}/mirror")


def visibilities(line: Expected, family: str) -> Iterable[str]:
    """Those of the cell's package and repository; a person has nothing internal."""
    if not (PACKAGE_NEEDS | REPO_NEEDS) & set(line.needs) and line.lists is None:
        return ("private",)
    return _VISIBILITIES if family == "orgs" else ("private", "public")


def path_of(path: str, line: Expected, cell: Cell) -> str:
    values = {**cell.parameters_of(path), **cell.which(line.version)}
    if family_of(path) == "users":
        values["username"] = "olga"
    return PREFIX + re.sub(r"\{([^}]+)\}", lambda found: str(values[found[1]]), path) + line.query


def body_of(line: Expected, cell: Cell) -> Any:
    return line.body(cell) if callable(line.body) else line.body


def ok_of(line: Expected, cell: Cell) -> int:
    if line.user_ok is not None and cell.family != "orgs":
        return line.user_ok
    return line.ok(cell) if callable(line.ok) else line.ok


async def ask(registry: Registry, cell: Cell, method: str, path: str, line: Expected) -> Answer:
    return await registry.call(method, path_of(path, line, cell), json=body_of(line, cell), headers=cell.headers)


def _rest(method: str, path: str, line: Expected) -> Check:
    async def check(registry: Registry, cell: Cell) -> str | None:
        expected = refusal(cell.caller, line.needs, line.scope, cell.family, cell.visibility) or ok_of(line, cell)
        got = await ask(registry, cell, method, path, line)
        if got.status != expected:
            return f"expected {expected}, got {got.status} {got.body[:150]!r}"
        if expected == 403 and not {"missing", "have", "fix"} <= set(orjson.loads(got.body)):
            return f"403 without missing, have and fix: {got.body[:150]!r}"
        return _listed(line, cell, got.body) if expected == 200 and line.lists else None

    return check


def _listed(line: Expected, cell: Cell, body: bytes) -> str | None:
    names = {one["name"] for one in orjson.loads(body)}
    if line.lists == "package":
        shown, name = may(cell.caller, Need.PULL, cell.family, cell.visibility), cell.package
        if cell.family != "orgs" and not shown:
            return f"{name} is in the list" if name in names else None
        if cell.family != "orgs":
            return None  # the list has pages of others
    else:
        # The token of a repository gets its own by name; lists show it what is public.
        listed = cell.visibility == "public" if cell.caller.workload else repo_role(cell.caller, cell.visibility) > 0
        shown, name = listed, cell.repo
    return None if (name in names) is shown else f"expected {name} to be {'' if shown else 'not '}in the list"


def _oci(kind: Kind, way: str) -> Check:
    line = OCI[kind]

    async def check(registry: Registry, cell: Cell) -> str | None:
        expected = oci_refusal(cell.caller, line.need, cell.visibility) or line.ok
        headers = cell.headers
        if way == "bearer":
            issued = await _token(registry, cell)
            if issued.status != 200:
                return None if not cell.caller.usable and issued.status == 401 else f"/token: {issued.status}"
            token = orjson.loads(issued.body)["token"]
            headers["Authorization"] = f"Bearer {token}"
            if kind is Kind.BASE:
                expected = line.ok  # a token of nobody is one
        got = await registry.call(line.method, target_of(line, cell), **sent_to(line, headers))
        if got.status != expected:
            return f"expected {expected}, got {got.status} {got.body[:150]!r}"
        if expected == 401 and "Bearer realm=" not in got.headers["WWW-Authenticate"]:
            return "401 without a challenge"
        if kind is Kind.CATALOG and expected == 200:
            shown = may(cell.caller, Need.PULL, "orgs", cell.visibility)
            listed = cell.name in orjson.loads(got.body)["repositories"]
            return None if listed is shown else f"in the catalog: {listed}"
        return None

    return check


def target_of(line: ExpectedOCI, cell: Cell) -> str:
    """The path and query of a request of ``/v2`` for the cell's package."""
    return line.path.format(
        name=cell.name,
        before=cell.name[:-1],  # of its organization it is the only one
        digest=digest_of(LAYER),
        spare=digest_of(SPARE),
        manifest=digest_of(TAGGED),
        new=digest_of(NEW_BLOB),
        upload=cell.upload,
    )


def sent_to(line: ExpectedOCI, headers: dict[str, str]) -> dict[str, Any]:
    """Its headers and its body."""
    if line.sends == "manifest":
        headers = {**headers, "Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    return {"headers": headers, "data": {"blob": NEW_BLOB, "manifest": NEW}.get(line.sends or "")}


async def _token(registry: Registry, cell: Cell, actions: str = "pull,push,delete") -> Answer:
    scope = f"repository:{cell.name}:{actions}"
    path = f"/token?service=moorage&scope={scope}&scope=registry:catalog:*"
    return await registry.call("GET", path, headers=cell.headers)


async def _granted(registry: Registry, cell: Cell) -> str | None:
    """What /token grants is what the caller may."""
    issued = await _token(registry, cell)
    if issued.status != (200 if cell.caller.usable else 401):
        return f"got {issued.status}"
    if issued.status == 401:
        return None
    payload = orjson.loads(issued.body)["token"].split(".")[1]
    claims = orjson.loads(base64.urlsafe_b64decode(payload + "=="))
    granted = {a for grant in claims["access"] if grant["name"] == cell.name for a in grant["actions"]}
    rights = {"pull": Need.PULL, "push": Need.PUSH, "delete": Need.DELETE}
    expected = {a for a, need in rights.items() if may(cell.caller, need, "orgs", cell.visibility)}
    return None if granted == expected else f"expected {sorted(expected)}, got {sorted(granted)}"


def _plan() -> tuple[Cells, list[Planned]]:
    cells, planned = Cells(), list[Planned]()
    for (method, path), line in REST.items():
        family = family_of(path)
        for visibility in visibilities(line, family):
            for caller in CALLERS:
                cell = cells.new(caller, family, visibility, deleted=line.deleted, mirror=is_mirror(path))
                planned.append((f"{method} {path}", cell, _rest(method, path, line)))
    for visibility in _VISIBILITIES:
        for caller in CALLERS:
            planned.append(("/token", cells.new(caller, "orgs", visibility), _granted))
            for kind in OCI:
                for way in ("basic", "bearer"):
                    cell = cells.new(caller, "orgs", visibility)
                    planned.append((f"{kind} ({way})", cell, _oci(kind, way)))
    return cells, planned


@pytest.mark.timeout(300)
async def test_s1_s4_every_caller_on_every_route_with_every_visibility(env: dict[str, str], database_url: str) -> None:
    cells, planned = _plan()
    await build(database_url, cells.all)
    env |= {"MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8", "MOORAGE_UPLOADS_PER_ACCOUNT": "100000"}
    env["MOORAGE_ACCESS_LOG"] = "off"
    failures: list[tuple[str, str]] = []
    waiting = iter(planned)

    async def work(registry: Registry) -> None:
        for name, cell, check in waiting:
            wrong = await check(registry, cell)
            if wrong is not None:
                failures.append((name, f"{cell.caller.name}/{cell.visibility}: {wrong}"))

    async with running(env) as registry, asyncio.TaskGroup() as tasks:
        for _ in range(_AT_ONCE):
            tasks.create_task(work(registry))
    print(f"{len(planned)} cells")  # noqa: T201 - the size of the matrix is what one wants to know
    assert not failures, f"{len(failures)} of {len(planned)} cells\n{table(failures)}"
