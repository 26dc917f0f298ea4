"""Where clients are redirected to for a blob: by their network and program, and never without the right to it."""

from urllib.parse import urlsplit

import orjson
import pytest

from tests.support.server import Registry, running
from tests.support.uploading import noise

_DATA = noise(100_000)
_INSIDE = "http://s3.inside.example:9000"


def _settings(env: dict[str, str], rules: list[dict[str, object]], **more: str) -> dict[str, str]:
    return {**env, "MOORAGE_REDIRECTS": orjson.dumps(rules).decode(), "MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8", **more}


async def _pushed(registry: Registry, login: str = "alice") -> tuple[str, str]:
    token = await registry.user(login)
    return token, f"/v2/{login}/app/blobs/{await registry.push_blob(f'{login}/app', _DATA, token)}"


async def _led(registry: Registry, path: str, token: str | None, address: str, **headers: str) -> str:
    """Scheme and host that a caller from this address is led to; the status where that is nowhere."""
    sent = await registry.call("GET", path, token, headers={"X-Forwarded-For": address, **headers})
    if sent.status != 307:
        return str(sent.status)
    return "{0.scheme}://{0.netloc}".format(urlsplit(sent.headers["Location"]))


async def test_callers_are_led_by_their_network_and_program(env: dict[str, str]) -> None:
    rules: list[dict[str, object]] = [
        {"user_agents": ["ollama/*"], "to": "direct"},
        {"networks": ["10.0.0.0/8", "2001:db8:1::/48"], "to": "s3", "endpoint": _INSIDE},
        {"networks": ["192.0.2.0/24"], "to": "direct"},
    ]
    async with running(_settings(env, rules, MOORAGE_REDIRECT="on")) as registry:
        token, path = await _pushed(registry)
        assert await _led(registry, path, token, "10.1.2.3") == _INSIDE
        assert await _led(registry, path, token, "2001:db8:1::7") == _INSIDE
        assert await _led(registry, path, token, "203.0.113.7, 10.1.2.3") == _INSIDE, "written by the proxy, the last"
        assert await _led(registry, path, token, "192.0.2.9") == "200"
        assert await _led(registry, path, token, "203.0.113.7") == env["MOORAGE_S3_ENDPOINT"]
        assert await _led(registry, path, token, "10.1.2.3", **{"User-Agent": "ollama/0.9 (amd64 linux)"}) == "200"
        # The URLs are those of the same object, and good ones.
        sent = await registry.call("GET", path, token, headers={"X-Forwarded-For": "203.0.113.7"})
        assert (await registry.call("GET", sent.headers["Location"])).body == _DATA


async def test_an_address_that_nobody_trusted_has_written_means_nothing(env: dict[str, str]) -> None:
    rules: list[dict[str, object]] = [{"networks": ["10.0.0.0/8"], "to": "s3", "endpoint": _INSIDE}]
    async with running(_settings(env, rules) | {"MOORAGE_TRUSTED_PROXIES": "192.0.2.1"}) as registry:
        token, path = await _pushed(registry)
        assert await _led(registry, path, token, "10.1.2.3") == "200"


async def test_the_rule_for_all_others_is_moorage_redirect_or_the_last_one(env: dict[str, str]) -> None:
    inside: dict[str, object] = {"networks": ["10.0.0.0/8"], "to": "direct"}
    cases: list[tuple[list[dict[str, object]], str, str]] = [
        ([inside], "on", env["MOORAGE_S3_ENDPOINT"]),
        ([inside], "off", "200"),
        ([inside, {"to": "s3", "endpoint": _INSIDE}], "off", _INSIDE),
        ([{"to": "direct"}], "on", "200"),
    ]
    for rules, redirect, expected in cases:
        async with running(_settings(env, rules, MOORAGE_REDIRECT=redirect)) as registry:
            login = f"user{len(rules)}{redirect}{expected[-2:].strip('/')}"
            token, path = await _pushed(registry, login)
            assert await _led(registry, path, token, "203.0.113.7") == expected, (rules, redirect)


async def test_the_same_url_is_told_again_and_only_to_those_with_a_right(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_REDIRECT": "on"}) as registry:
        token, path = await _pushed(registry)
        other = await registry.user("mallory")
        first = await registry.call("GET", path, token)
        assert first.status == 307
        assert "no-store" in first.headers["Cache-Control"]
        again = {(await registry.call("GET", path, token)).headers["Location"] for _ in range(20)}
        assert len(again | {first.headers["Location"]}) <= 2, "a minute may have begun meanwhile"
        for refused in (await registry.call("GET", path, other), await registry.call("GET", path)):
            assert refused.status in {401, 404}
            assert "Location" not in refused.headers
        # A right that is taken away takes the URL away, remembered or not.
        await registry.services.db.execute("UPDATE tokens SET revoked_at = now()")
        lost = await registry.call("GET", path, token)
        assert lost.status == 401
        assert "Location" not in lost.headers


@pytest.mark.parametrize("asked", ["bytes=0-1", "bytes=0-1,5-9"])
async def test_who_will_ask_for_several_ranges_is_not_led_to_s3(env: dict[str, str], asked: str) -> None:
    """stargz-snapshotter asks for two bytes to learn the address of a layer, and there for several ranges at once."""
    async with running({**env, "MOORAGE_REDIRECT": "on"}) as registry:
        token, path = await _pushed(registry)
        got = await registry.call("GET", path, token, headers={"Range": asked})
        assert got.status == 206
        whole = await registry.call("GET", path, token)
        one = await registry.call("GET", path, token, headers={"Range": "bytes=0-2"})
        assert (whole.status, one.status) == (307, 307)
