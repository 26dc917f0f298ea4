"""Methods of the API's paths: HEAD as GET, OPTIONS, and what a wrong one is told."""

import pytest

from registry.http.api.app import ROUTES
from tests.support.api import acme
from tests.support.server import Registry

_PATHS = sorted({route.path for route in ROUTES})


def _filled(path: str) -> str:
    """A path whose parameters are there, whatever they are."""
    for name in ("{package_type}", "{package_name}"):
        path = path.replace(name, "container" if name == "{package_type}" else "app")
    return "/".join("1" if part.startswith("{") else part for part in path.split("/"))


async def test_head_is_get_without_its_body(registry: Registry) -> None:
    people = await acme(registry)
    for path in ("/user", "/orgs/acme", "/meta", "/user/packages?package_type=container", "/openapi.json", "/nothing"):
        got = await people.call("GET", path, people.owner)
        head = await people.call("HEAD", path, people.owner)
        assert (head.status, head.body) == (got.status, b""), path
        for name in ("Content-Type", "Content-Length", "ETag"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)
    assert (await people.call("HEAD", "/user", None)).status == 401


async def test_every_path_tells_its_methods(registry: Registry) -> None:
    for path in _PATHS:
        methods = {route.method for route in ROUTES if route.path == path}
        methods |= {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        told = await registry.call("OPTIONS", f"/api/v3{_filled(path)}")
        assert (told.status, told.body) == (204, b""), path
        assert methods <= set(told.headers["Allow"].split(", ")), path
        wrong = ({"PATCH", "PUT", "DELETE", "POST", "GET"} - set(told.headers["Allow"].split(", "))).pop()
        refused = await registry.call(wrong, f"/api/v3{_filled(path)}")
        assert (refused.status, refused.headers["Allow"]) == (405, told.headers["Allow"]), (wrong, path)
        assert refused.json["status"] == "405"  # type: ignore[index]


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "DELETE"])
async def test_a_path_that_is_none_is_404_for_all(registry: Registry, method: str) -> None:
    got = await registry.call(method, "/api/v3/nothing/at/all")
    assert (got.status, "Allow" in got.headers) == (404, False)
