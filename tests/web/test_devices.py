"""Sign-in of a device (RFC 8628): what the device is told, and what its person sees."""

from typing import Any

import pytest

from registry.accounts.accounts import suspend
from tests.support.pages import Html, Pages
from tests.support.people import browser, send
from tests.support.server import Answer, Registry

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def begin(registry: Registry, host: str = "laptop", scope: str = "") -> dict[str, Any]:
    asked = {"client_id": "moorage-cli", "client_name": host, "scope": scope}
    answer = await registry.call("POST", "/login/device/code", data=asked)
    assert answer.status == 200, answer.body
    assert isinstance(answer.json, dict)
    return answer.json


async def poll(registry: Registry, device: dict[str, Any], *, early: bool = False) -> Answer:
    if not early:
        await registry.services.db.execute("UPDATE device_sign_ins SET polled_at = NULL")
    asked = {"grant_type": GRANT, "device_code": device["device_code"], "client_id": "moorage-cli"}
    return await registry.call("POST", "/login/device/token", data=asked)


async def approve(pages: Pages, code: str, decision: str = "approve") -> Html | str:
    looked = await send(pages, "/login/device", "/login/device", {"user_code": code}, index=1)
    assert isinstance(looked, Html)
    if looked.status != 200:
        return looked
    fields = {name: looked.field(name) for name in ("csrf", "user_code")}
    token = looked.all("input", name="csrf")[1]["value"]
    answer = await pages.post("/login/device", {**fields, "csrf": token, "decision": decision})
    return str(answer.headers["Location"]) if answer.status == 303 else pages.read(answer)


async def test_a_device_gets_a_token_that_its_person_approved(pages: Pages) -> None:
    registry, alice = pages.registry, await browser(pages.registry, "alice")
    device = await begin(registry, scope="read:packages write:packages")
    assert device["verification_uri"] == f"{registry.url}/login/device"
    assert (device["expires_in"], device["interval"]) == (900, 5)
    assert len(device["user_code"].replace("-", "")) == 8
    assert set(device["user_code"]) <= set("BCDFGHJKLMNPQRSTVWXZ-")
    waiting = await poll(registry, device)
    assert (waiting.status, waiting.json["error"]) == (400, "authorization_pending")  # type: ignore[index]
    typed = device["user_code"].lower().replace("-", "")
    looked = await send(alice, "/login/device", "/login/device", {"user_code": typed}, index=1)
    assert isinstance(looked, Html)
    for shown in ("laptop", "127.0.0.1", "read:packages", "write:packages", "alice", "90 days", "UTC"):
        assert shown in looked.text
    assert await approve(alice, device["user_code"]) == "/settings/tokens"
    done = await poll(registry, device)
    assert done.status == 200, done.body
    assert done.headers["Cache-Control"] == "no-store"
    assert isinstance(done.json, dict)
    assert (done.json["token_type"], done.json["scope"]) == ("bearer", "read:packages write:packages")
    assert (await registry.call("GET", "/api/v3/user", done.json["access_token"])).json["login"] == "alice"  # type: ignore[index]
    assert (await poll(registry, device)).json["error"] == "expired_token", "once"  # type: ignore[index]
    listed = await alice.get("/settings/tokens")
    assert "CLI on laptop" in listed.text
    row = await registry.services.db.fetchrow(
        "SELECT round(extract(epoch FROM expires_at - created_at) / 86400) FROM tokens WHERE kind = 'classic'"
    )
    assert row is not None
    assert row[0] == 90
    number = next(link for link in listed.links if link.startswith("/settings/tokens/") and link[-1].isdigit())
    await send(alice, number, f"{number}/revoke", index=1)
    assert (await registry.call("GET", "/api/v3/user", done.json["access_token"])).status == 401


async def test_a_code_is_typed_whatever_the_link_says(pages: Pages) -> None:
    """Who is sent a complete link by somebody else must look at a device of his own."""
    alice = await browser(pages.registry, "alice")
    device = await begin(pages.registry)
    assert "verification_uri_complete" not in device
    shown = await alice.get(f"/login/device?user_code={device['user_code']}")
    assert shown.field("user_code") == ""
    assert not shown.all("input", value=device["user_code"])
    assert (await poll(pages.registry, device)).json["error"] == "authorization_pending"  # type: ignore[index]


async def test_a_device_is_denied(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")
    device = await begin(pages.registry)
    assert await approve(alice, device["user_code"], "deny") == "/login/device"
    assert (await poll(pages.registry, device)).json["error"] == "access_denied"  # type: ignore[index]
    again = await approve(alice, device["user_code"])
    assert isinstance(again, Html)
    assert again.status == 422
    row = await pages.registry.services.db.fetchrow("SELECT count(*) FROM tokens WHERE kind <> 'session'")
    assert row is not None
    assert row[0] == 0


async def test_who_asks_too_often_waits_longer(pages: Pages) -> None:
    device = await begin(pages.registry)
    assert (await poll(pages.registry, device)).json["error"] == "authorization_pending"  # type: ignore[index]
    for _ in range(2):
        assert (await poll(pages.registry, device, early=True)).json["error"] == "slow_down"  # type: ignore[index]
    row = await pages.registry.services.db.fetchrow("SELECT interval_seconds FROM device_sign_ins")
    assert row is not None
    assert row[0] == 15


async def test_codes_expire(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")
    device = await begin(pages.registry)
    await pages.registry.services.db.execute("UPDATE device_sign_ins SET expires_at = now()")
    refused = await approve(alice, device["user_code"])
    assert isinstance(refused, Html)
    assert "has expired" in refused.text
    assert (await poll(pages.registry, device)).json["error"] == "expired_token"  # type: ignore[index]
    unknown = await poll(pages.registry, {"device_code": "x" * 43})
    assert unknown.json == {**unknown.json, "error": "expired_token"}  # type: ignore[dict-item]


async def test_s36_user_codes_are_not_guessed(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")
    statuses = []
    for _ in range(11):
        found = await send(alice, "/login/device", "/login/device", {"user_code": "BCDF-GHJK"}, index=1)
        assert isinstance(found, Html)
        statuses.append(found.status)
    assert statuses == [422] * 10 + [429]


async def test_devices_of_an_address_are_limited(pages: Pages) -> None:
    for _ in range(10):
        await begin(pages.registry)
    answer = await pages.registry.call("POST", "/login/device/code", data={"client_name": "laptop"})
    assert answer.status == 429
    assert "Retry-After" in answer.headers


async def test_who_is_suspended_meanwhile_gets_no_token(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")
    device = await begin(pages.registry)
    await approve(alice, device["user_code"])
    await suspend(pages.registry.services.db, "alice", suspended=True)
    assert (await poll(pages.registry, device)).json["error"] == "access_denied"  # type: ignore[index]


async def test_a_name_of_a_machine_is_shown_as_text(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")
    device = await begin(pages.registry, host="<script>x</script>\u202e" + "y" * 300)
    looked = await send(alice, "/login/device", "/login/device", {"user_code": device["user_code"]}, index=1)
    assert isinstance(looked, Html)
    body = looked.answer.body.decode()
    assert "&lt;script&gt;x" in body
    assert "\u202e" not in body
    assert "y" * 101 not in body


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": GRANT}, 400, "expired_token"),
        ({"grant_type": GRANT, "device_code": "é" * 500}, 400, "expired_token"),
    ],
)
async def test_what_is_no_request_of_a_device(pages: Pages, fields: dict[str, str], status: int, error: str) -> None:
    answer = await pages.registry.call("POST", "/login/device/token", data=fields)
    assert (answer.status, answer.json["error"]) == (status, error)  # type: ignore[index]
    bad = await pages.registry.call("POST", "/login/device/code", data={"scope": "all"})
    assert (bad.status, bad.json["error"]) == (400, "invalid_scope")  # type: ignore[index]


async def test_only_hashes_are_stored(pages: Pages) -> None:
    device = await begin(pages.registry)
    (row,) = await pages.registry.services.db.fetch("SELECT row_to_json(device_sign_ins)::text FROM device_sign_ins")
    assert device["device_code"] not in row[0]
    assert device["user_code"].replace("-", "") not in row[0]
