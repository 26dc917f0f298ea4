"""What must hold on every route there is, made from the table of routes: S3, S14, S16, S17, S23."""

import re
import statistics
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from auth.scopes import Grant
from registry.http.api.app import PREFIX, ROUTES
from registry.http.api.routes import Route
from tests.security.expected import OCI, PACKAGE_NEEDS, REST, Caller, Expected, ExpectedOCI, Need, refusal
from tests.security.test_matrix import body_of, family_of, is_mirror, ok_of, path_of, sent_to, target_of
from tests.support.server import Answer, Registry, running
from tests.support.world import ACCOUNTS, Cell, Cells, build, caller, table

_PARAMETER: Final = re.compile(r"\{([^}]+)\}")
_VICTIM: Final = Caller("victim", "vic", org="admin")


@asynccontextmanager
async def serving(env: dict[str, str], database_url: str, cells: Cells) -> AsyncIterator[Registry]:
    await build(database_url, cells.all)
    env |= {"MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8", "MOORAGE_ACCESS_LOG": "off"}
    async with running(env) as registry:
        yield registry


def told(answer: Answer, replaced: Mapping[str, str]) -> tuple[int, str, tuple[str, ...]]:
    """What can be compared: without dates and ids of requests, and with the same name for what was asked for."""
    headers = sorted(
        f"{name.lower()}: {'' if name.lower() in _OF_EACH else value}" for name, value in answer.headers.items()
    )
    texts = [answer.body.decode(), *headers]
    for name, by in replaced.items():
        texts = [text.replace(name, by) for text in texts]
    return answer.status, texts[0], tuple(texts[1:])


_OF_EACH: Final = frozenset({"date", "x-moorage-request-id"})


def altered(value: object) -> str:
    """Another of the same length, which is nobody's."""
    text = str(value)
    if text.isdigit():
        return "9" + text[1:] if text[0] != "9" else "8" + text[1:]
    return text[:-1] + ("z" if text[-1] != "z" else "y")


async def test_s3_hidden_is_missing_on_every_route(env: dict[str, str], database_url: str) -> None:
    cells, failures = Cells(), list[tuple[str, str]]()
    stranger = caller("stranger")
    hidden = {
        route: cells.new(
            stranger,
            "orgs" if family_of(route[1]) == "user" else family_of(route[1]),
            deleted=line.deleted,
            mirror=is_mirror(route[1]),
        )
        for route, line in REST.items()
        if family_of(route[1]) != "user"
        and refusal(stranger, line.needs, line.scope, family_of(route[1]), "private") == 404
    }
    async with serving(env, database_url, cells) as registry:
        for (method, path), cell in hidden.items():
            line = REST[method, path]
            there = told(await _asked(registry, cell, method, path_of(path, line, cell), line), {})
            if there[0] != 404:
                failures.append((f"{method} {path}", f"expected 404, got {there[0]}"))
            values = {**cell.parameters_of(path), **({"username": "olga"} if cell.family == "users" else {})}
            for name in _PARAMETER.findall(path):
                other = altered(values[name])
                asked = PREFIX + _PARAMETER.sub(lambda m, v={**values, name: other}: str(v[m[1]]), path)  # type: ignore[misc]
                missing = told(await _asked(registry, cell, method, asked + line.query, line), {})
                if missing != there:
                    failures.append((f"{method} {path}", f"{name}={other}: {missing} is not {there}"))
    assert len(hidden) > 60
    assert not failures, table(failures)


async def _asked(registry: Registry, cell: Cell, method: str, path: str, line: Expected) -> Answer:
    return await registry.call(method, path, json=body_of(line, cell), headers=cell.headers)


@pytest.mark.parametrize("who", ["anonymous", "stranger"])
async def test_s3_hidden_is_missing_for_every_kind(env: dict[str, str], database_url: str, who: str) -> None:
    cells, failures = Cells(), list[tuple[str, str]]()
    hidden = {kind: cells.new(caller(who)) for kind, line in OCI.items() if line.need is not Need.ANYBODY}
    async with serving(env, database_url, cells) as registry:
        for kind, cell in hidden.items():
            line, path = OCI[kind], target_of(OCI[kind], cell)
            there = told(await _sent(registry, cell, kind, path), {})
            none, reference = (
                altered(cell.package),
                path.replace("latest", "latesz").replace(cell.upload, str(uuid4())),
            )
            for other, names in ((path.replace(cell.package, none), {none: cell.package}), (reference, {})):
                missing = told(await _sent(registry, cell, kind, other), names)
                if missing != there:
                    failures.append((str(kind), f"{line.method} {other}: {missing} is not {there}"))
    assert not failures, table(failures)


async def _sent(registry: Registry, cell: Cell, kind: Any, path: str) -> Answer:
    return await registry.call(OCI[kind].method, path, **sent_to(OCI[kind], cell.headers))


@pytest.mark.alone
async def test_s3_hidden_takes_as_long_as_missing(env: dict[str, str], database_url: str) -> None:
    cells = Cells()
    cell = cells.new(caller("stranger"))
    none = altered(cell.package)
    paths = {
        "rest": f"{PREFIX}/orgs/{cell.org}/packages/container/{{}}",
        "versions": f"{PREFIX}/orgs/{cell.org}/packages/container/{{}}/versions/{cell.version_id('tagged')}",
        "manifest": f"/v2/{cell.org}/{{}}/manifests/latest",
    }
    async with serving(env, database_url, cells) as registry:
        for what, path in paths.items():
            there = missing = 0.0
            for _ in range(4):  # the machine has other things to do
                there, missing = await _timed(registry, cell, path.format(cell.package), path.format(none))
                if abs(there - missing) < 0.2 * max(there, missing):
                    break
            else:
                pytest.fail(f"{what}: hidden takes {there * 1e3:.2f} ms, missing {missing * 1e3:.2f} ms")


async def _timed(registry: Registry, cell: Cell, *paths: str) -> list[float]:
    times: list[list[float]] = [[] for _ in paths]
    for _ in range(200):
        for path, found in zip(paths, times, strict=True):
            started = time.perf_counter()
            assert (await registry.call("GET", path, headers=cell.headers)).status == 404
            found.append(time.perf_counter() - started)
    return [statistics.median(found) for found in times]


_NOBODYS: Final = frozenset({Need.ANYBODY, Need.TOKEN, Need.PERSON, Need.SITE_ADMIN, Need.WORKLOAD})


def _swaps() -> Iterable[tuple[str, str, str]]:
    """Every parameter that names what may be somebody else's."""
    for (method, path), line in REST.items():
        if set(line.needs) <= _NOBODYS and "{token_id}" not in path:
            continue
        for name in _PARAMETER.findall(path):
            if name == "package_type" or name in line.free:
                continue
            if name == "login" and family_of(path) != "orgs":
                continue  # any person can have a role over the package of a user
            yield method, path, name


@pytest.mark.timeout(240)
async def test_s14_no_id_of_others_on_any_route(env: dict[str, str], database_url: str) -> None:
    cells, failures = Cells(), list[tuple[str, str]]()
    swaps = [
        (
            *swap,
            cells.new(
                caller("owner"),
                family_of(swap[1]),
                deleted=REST[swap[0], swap[1]].deleted,
                mirror=is_mirror(swap[1]),
            ),
        )
        for swap in _swaps()
    ]
    victims = {
        (family, deleted): cells.new(_VICTIM, family, deleted=deleted, foreign=True)
        for family in ("orgs", "users", "user")
        for deleted in (False, True)
    }
    async with serving(env, database_url, cells) as registry:
        before = await _possessions(database_url, victims.values())
        for method, path, name, cell in swaps:
            line = REST[method, path]
            victim = victims[family_of(path), line.deleted]
            values = {**cell.parameters_of(path), **cell.which(line.version)}
            theirs = {**victim.parameters_of(path), **victim.which(line.version)}
            if family_of(path) == "users":
                values["username"], theirs["username"] = "olga", "vic"
            values[name] = theirs[name]
            asked = PREFIX + _PARAMETER.sub(lambda m, v=values: str(v[m[1]]), path)  # type: ignore[misc]
            got = await _asked(registry, cell, method, asked + line.query, line)
            if got.status not in {403, 404, 422}:
                failures.append((f"{method} {path}", f"{name} of another: {got.status} {got.body[:120]!r}"))
        assert await _possessions(database_url, victims.values()) == before
    assert len(swaps) > 150
    assert not failures, table(failures)


_OF: Final = {
    "accounts": "id",
    "memberships": "org_id",
    "teams": "org_id",
    "team_members": "team_id",
    "repositories": "id",
    "repository_users": "repository_id",
    "repository_teams": "repository_id",
    "packages": "id",
    "package_users": "package_id",
    "package_teams": "package_id",
    "package_repositories": "package_id",
    "manifests": "package_id",
    "package_blobs": "package_id",
    "tags": "package_id",
    "tag_rules": "owner_id",
    "clusters": "owner_id",
    "cluster_grants": "cluster_id",
    "mirrors": "owner_id",
    "uploads": "package_id",
    "retention_policies": "owner_id",
    "retention_plans": "owner_id",
}


async def _possessions(dsn: str, victims: Iterable[Cell]) -> dict[str, list[str]]:
    """Every row of theirs."""
    ids = [i for cell in victims for i in (cell.id, cell.person_id)]
    tokens = [i for cell in victims for i in (cell.token_id, cell.spare_token_id)]
    connection = await asyncpg.connect(dsn)
    try:
        wanted = {**{of: (column, ids) for of, column in _OF.items()}, "tokens": ("id", tokens)}
        wanted["token_organizations"] = ("token_id", tokens)
        return {
            name: sorted(
                row["row"]
                for row in await connection.fetch(
                    f"SELECT to_jsonb(t)::text AS row FROM {name} t WHERE {column} = ANY($1)", those
                )
            )
            for name, (column, those) in wanted.items()
        }
    finally:
        await connection.close()


_MARK: Final = 424_242
_EXTRA: Final[dict[str, Any]] = {
    **dict.fromkeys(("id", "owner_id", "account_id", "org_id", "user_id", "package_id", "repository_id"), _MARK),
    **dict.fromkeys(("token_id", "creator_id", "deleted_by", "ceiling"), _MARK),
    **dict.fromkeys(("is_admin", "site_admin", "admin"), True),
    **dict.fromkeys(("created_at", "updated_at", "published_at", "deleted_at", "suspended_at"), "1999-01-01T00:00:00Z"),
    "role": "admin",
    "permission": "admin",
    "visibility": "public",
    "private": False,
    "kind": "Organization",
    "login": "evil",
    "name": "evil",
    "scopes": ["site_admin"],
    "rules": [{"packages": "*", "actions": ["read", "write", "delete"]}],
}


async def test_s16_fields_that_nobody_may_set_change_nothing(env: dict[str, str], database_url: str) -> None:
    cells, failures = Cells(), list[tuple[str, str]]()
    writes = [route for route in ROUTES if route.method in {"POST", "PATCH", "PUT"}]
    planned: list[tuple[Route, Cell, dict[str, Any]]] = []
    for route in writes:
        line, known = REST[route.method, route.path], set() if route.body is None else _fields(route.body)
        who = "site_admin" if Need.SITE_ADMIN in line.needs else "workflow" if Need.WORKLOAD in line.needs else "owner"
        cell = cells.new(caller(who), family_of(route.path), deleted=line.deleted, mirror=is_mirror(route.path))
        planned.append((route, cell, {name: value for name, value in _EXTRA.items() if name not in known}))
    async with serving(env, database_url, cells) as registry:
        for route, cell, extra in planned:
            line = REST[route.method, route.path]
            body = {**extra, **(body_of(line, cell) or {})}
            path = path_of(route.path, line, cell)
            got = await registry.call(route.method, path, json=body, headers=cell.headers)
            # A token that ends later than was meant is worse than none, and so is a policy of retention without the
            # guard that was misspelt: what makes one refuses what it does not know.
            refuses = (
                route.path.endswith(("/tokens", "/token", "/authorizations")) or "/retention/policies" in route.path
            )
            if got.status != (422 if refuses else ok_of(line, cell)):
                failures.append((f"{route.method} {route.path}", f"{got.status} {got.body[:120]!r}"))
            if "visibility" not in extra or "private" not in extra:
                continue
            shown = await registry.services.db.fetch(
                "SELECT 1 FROM packages WHERE id = $1 AND visibility <> 'private' UNION ALL "
                "SELECT 1 FROM repositories WHERE id = $1 AND visibility <> 'private'",
                cell.id,
            )
            if shown:
                failures.append((f"{route.method} {route.path}", "it is not private any more"))
        failures += await _taken(registry)
    assert not failures, table(failures)


async def _taken(registry: Registry) -> list[tuple[str, str]]:
    """What was written of it."""
    checks = {
        "an id": " UNION ALL ".join(f"SELECT 1 FROM {name} WHERE {column} = {_MARK}" for name, column in _OF.items()),
        "an owner": f"SELECT 1 FROM packages WHERE {_MARK} IN (owner_id, creator_id, deleted_by)",
        "a time": " UNION ALL ".join(
            f"SELECT 1 FROM {name} WHERE created_at < '2000-01-01'"
            for name in ("accounts", "packages", "teams", "tokens")
        ),
        "a login": "SELECT 1 FROM accounts WHERE login = 'evil'",
        "a scope": "SELECT 1 FROM tokens WHERE 'site_admin' = ANY(scopes) AND account_id <> $1",
        "an administrator": "SELECT 1 FROM accounts WHERE site_admin AND id <> $1",
    }
    found = []
    for what, sql in checks.items():
        arguments = [ACCOUNTS["root"]] if "$1" in sql else []
        found += [("the database", what)] * len(await registry.services.db.fetch(sql, *arguments))
    # PUT …/site_admin is what makes one.
    found.remove(("the database", "an administrator"))
    return found


def _fields(body: type[msgspec.Struct]) -> set[str]:
    return {one.encode_name for one in msgspec.structs.fields(body)}


_HOSTILE: Final = (
    "' OR 1=1--",
    "password=~a",
    "%",
    "_",
    "\0",
    "1000000000",
    "-1",
    "1e9",
    "\ud7ff",
    "../../etc",
    "9" * 40,
)


#: Parameters of a query that name a thing, which may not be there.
_NAMING: Final = dict.fromkeys(("token", "user", "versions"), frozenset({404}))


@pytest.mark.timeout(240)
async def test_s17_hostile_parameters_of_every_list(env: dict[str, str], database_url: str) -> None:
    cells, failures = Cells(), list[tuple[str, str]]()
    lists = list[tuple[Route, Cell]]()
    for route in (one for one in ROUTES if one.query):
        line = REST[route.method, route.path]
        who = caller("site_admin" if Need.SITE_ADMIN in line.needs else "owner")
        lists.append((route, cells.new(who, family_of(route.path), deleted=line.deleted)))
    asked = 0
    async with serving(env, database_url, cells) as registry:
        for route, cell in lists:
            if route.method != "GET":
                continue
            line = REST[route.method, route.path]
            path = path_of(route.path, line, cell)
            normal = _keys(await registry.call("GET", path, headers=cell.headers))
            for name in {*route.query, "q", "sort", "filter", "direction"}:
                for value in _HOSTILE if name in route.query else _HOSTILE[:4]:
                    asked += 1
                    got = await _with(registry, cell, path, name, value)
                    if got.status not in {200, 400, 422} | _NAMING.get(name, frozenset()):
                        failures.append((route.path, f"{name}={value!r}: {got.status}"))
                    elif got.status == 200 and not _keys(got) <= normal:
                        failures.append((route.path, f"{name}={value!r}: shows {_keys(got) - normal}"))
    assert asked > 800
    assert not failures, table(failures)


async def test_s17_a_nul_in_the_path_of_every_route(env: dict[str, str], database_url: str) -> None:
    cells, failures = Cells(), list[tuple[str, str]]()
    cell = cells.new(caller("site_admin"))
    async with serving(env, database_url, cells) as registry:
        for route in ROUTES:
            line = REST[route.method, route.path]
            for name in _PARAMETER.findall(route.path):
                path = path_of(route.path.replace(f"{{{name}}}", "%00"), line, cell)
                got = await _asked(registry, cell, route.method, path, line)
                if got.status not in {403, 404}:
                    failures.append((f"{route.method} {route.path}", f"{name}: {got.status}"))
    assert not failures, table(failures)


async def _with(registry: Registry, cell: Cell, path: str, name: str, value: str) -> Answer:
    bare, _, query = path.partition("?")
    pairs = [
        (pair.partition("=")[0], pair.partition("=")[2])
        for pair in query.split("&")
        if pair and not pair.startswith(f"{name}=")
    ]
    async with registry.http.get(registry.url + bare, params=[*pairs, (name, value)], headers=cell.headers) as response:
        return Answer(response.status, response.headers, await response.read())


def _keys(answer: Answer) -> set[str]:
    found: Any = answer.json
    return {key for one in (found if isinstance(found, list) else [found]) for key in one}


@pytest.mark.parametrize("granted", ["pull", "push", "delete"])
async def test_s23_a_bearer_token_does_what_it_was_issued_for(
    env: dict[str, str], database_url: str, granted: str
) -> None:
    cells, failures = Cells(), list[tuple[str, str]]()
    owned = {kind: cells.new(caller("owner")) for kind, line in OCI.items() if line.need in PACKAGE_NEEDS}
    async with serving(env, database_url, cells) as registry:
        for kind, cell in owned.items():
            bearer = registry.services.bearer.issue(
                account_id=ACCOUNTS["olga"],
                token_id=cell.token_id,
                grants=[Grant("repository", cell.name, frozenset({granted}))],
                now=time.time(),
            )
            line = OCI[kind]
            headers = {**cell.headers, "Authorization": f"Bearer {bearer}"}
            got = await registry.call(line.method, target_of(line, cell), **sent_to(line, headers))
            expected = line.ok if line.need.name.lower() == granted else 401
            if got.status != expected:
                failures.append((str(kind), f"for {granted}: expected {expected}, got {got.status}"))
            elif expected == 401 and 'error="insufficient_scope"' not in got.headers["WWW-Authenticate"]:
                failures.append((str(kind), "401 that does not say why"))
    assert not failures, table(failures)


async def test_s22_a_writer_deletes_in_no_way(env: dict[str, str], database_url: str) -> None:
    cells = Cells()
    ways = [(method, path) for (method, path), line in REST.items() if Need.DELETE in line.needs and "{org}" in path]
    mine = [cells.new(caller("writer")) for _ in range(len(ways) + 3)]
    async with serving(env, database_url, cells) as registry:
        for (method, path), cell in zip(ways, mine, strict=False):
            assert (
                await _asked(registry, cell, method, path_of(path, REST[method, path], cell), REST[method, path])
            ).status == 403
        for cell, what in zip(
            mine[len(ways) :], ("manifests/latest", "manifests/{manifest}", "blobs/{spare}"), strict=True
        ):
            path = target_of(ExpectedOCI(Need.DELETE, "DELETE", f"/v2/{{name}}/{what}"), cell)
            refused = await registry.call("DELETE", path, headers=cell.headers)
            assert (refused.status, refused.code) == (403, "DENIED"), what
        gone = await registry.services.db.fetch(
            "SELECT 1 FROM manifests WHERE deleted_by IS NOT NULL UNION ALL "
            "SELECT 1 FROM packages WHERE deleted_at IS NOT NULL"
        )
        assert not gone
