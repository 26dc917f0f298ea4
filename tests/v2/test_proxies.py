"""What a proxy in front tells of the client's connection, and who believes it; and what a proxy is told."""

import asyncio

import pytest

from tests.support.raw import Wire
from tests.support.server import Registry, running

SAYS_HTTPS = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "reg.example:8443"}
TRUSTED = {"MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8"}


async def realm(registry: Registry, **headers: str) -> str:
    told = (await registry.call("GET", "/v2/", headers=headers)).headers["WWW-Authenticate"]
    return told.partition('realm="')[2].partition('"')[0]


async def test_a_trusted_proxy_tells_scheme_and_host(env: dict[str, str]) -> None:
    async with running(env | TRUSTED) as registry:
        host = registry.url.removeprefix("http://")
        assert await realm(registry, **SAYS_HTTPS) == "https://reg.example:8443/token"
        assert await realm(registry, **{"X-Forwarded-Proto": "HTTPS, http"}) == f"https://{host}/token"
        assert await realm(registry, **{"X-Forwarded-Host": "reg.example, inner"}) == "http://reg.example/token"
        assert (
            await realm(registry, **{"X-Forwarded-Proto": "gopher", "X-Forwarded-Host": 'a"b'})
            == f"{registry.url}/token"
        )
        pull = await registry.call("GET", "/v2/alice/app/manifests/v1", headers=SAYS_HTTPS)
        assert 'realm="https://reg.example:8443/token"' in pull.headers["WWW-Authenticate"]
        token = await registry.user("alice")
        me = await registry.call("GET", "/api/v3/user", token, headers=SAYS_HTTPS)
        assert me.json["url"] == "https://reg.example:8443/api/v3/users/alice"  # type: ignore[index]
        for name in ("one", "two"):
            await registry.push_image(f"alice/{name}", "v1", token)
        path = "/api/v3/user/packages?package_type=container&per_page=1"
        assert (
            "<https://reg.example:8443/api/v3/"
            in (await registry.call("GET", path, token, headers=SAYS_HTTPS)).headers["Link"]
        )


async def test_a_configured_url_goes_before_headers(env: dict[str, str]) -> None:
    async with running(env | TRUSTED | {"MOORAGE_PUBLIC_URL": "https://registry.example"}) as registry:
        assert await realm(registry, **SAYS_HTTPS) == "https://registry.example/token"


@pytest.mark.parametrize("says", [SAYS_HTTPS, {"Forwarded": 'for=192.0.2.1;host="reg.example";proto=https'}])
async def test_nobody_else_is_believed_and_the_operator_is_told_once(
    env: dict[str, str], capfd: pytest.CaptureFixture[str], says: dict[str, str]
) -> None:
    async with running(env) as registry:
        assert await realm(registry) == f"{registry.url}/token"
        assert "proxy." not in "".join(capfd.readouterr())
        for _ in range(3):
            assert await realm(registry, **says) == f"{registry.url}/token"
    said = [line for line in "".join(capfd.readouterr()).splitlines() if "proxy.https_unknown" in line]
    assert len(said) == 1
    assert "MOORAGE_PUBLIC_URL" in said[0]
    assert "MOORAGE_TRUSTED_PROXIES" in said[0]
    assert "127.0.0.1" in said[0]


async def test_no_cache_and_no_compression(registry: Registry) -> None:
    token = await registry.user("alice", ["user", "read:packages", "write:packages"])
    digest = await registry.push_image("alice/app", "v1", token)
    for method, path in (
        ("GET", "/v2/"),
        ("GET", "/v2/alice/app/manifests/v1"),
        ("HEAD", f"/v2/alice/app/manifests/{digest}"),
        ("GET", "/v2/alice/app/tags/list"),
        ("GET", "/token"),
        ("GET", "/healthz"),
        ("GET", "/nowhere"),
        ("GET", "/api/v3/user"),
        ("GET", "/api/v3/nowhere"),
        ("GET", "/api/v3/openapi.json"),
    ):
        for who in (token, None):
            told = (await registry.call(method, path, who)).headers["Cache-Control"]
            assert "no-transform" in told, (method, path, told)


async def test_a_connection_outlives_those_of_proxies(env: dict[str, str]) -> None:
    """Caddy keeps one that nothing asks for two minutes, Traefik for 90 seconds: who closes first is the proxy."""
    async with running(env) as registry:
        assert registry.services.settings.http.idle_seconds > 120
    async with running(env | {"MOORAGE_IDLE_SECONDS": "0.5"}) as registry, Wire.to(registry.url) as wire:
        await wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await wire.answer()).status == 200
        async with asyncio.timeout(10):
            assert (await wire.answer()).status == 0


async def test_too_many_of_what(env: dict[str, str]) -> None:
    async with running(env | {"MOORAGE_UPLOADS_PER_ACCOUNT": "2"}) as registry:
        token = await registry.user("alice")
        started = [await registry.call("POST", "/v2/alice/app/blobs/uploads/", token) for _ in range(3)]
        assert [answer.status for answer in started] == [202, 202, 429]
        told = started[2].json["errors"][0]["message"]  # type: ignore[index]
        assert "2 uploads" in told, told
        *_, failed = [await registry.call("GET", "/v2/", "mrgc_" + "x" * 40) for _ in range(30)]
        assert failed.status == 429
        assert "failed logins" in failed.json["errors"][0]["message"]  # type: ignore[index]
