"""Sign-in while PostgreSQL is away, and what of it is in the log (S35)."""

import asyncio
import re
from pathlib import Path
from urllib.parse import urlencode

import orjson

from auth.passwords import Hasher
from registry.accounts.accounts import create_user, find
from registry.accounts.sign_in import issue_code, set_password
from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.database import Database
from tests.support.pages import Pages
from tests.support.people import PASSWORD, browser, person
from tests.support.processes import served
from tests.support.raw import ask, request
from tests.support.server import Registry


async def test_while_postgres_is_away_one_is_told_to_come_again(pages: Pages, registry: Registry) -> None:
    await person(registry, "alice")
    alice = await browser(registry, "alice")
    visitor = (await pages.get("/login")).field("csrf")
    own = (await alice.get("/settings/sessions")).all("input", name="csrf")[0]["value"]
    await registry.services.db.close()
    for who, path, fields in (
        (pages, "/login", {"csrf": visitor, "login": "alice", "password": PASSWORD}),
        (pages, "/login/code", {"csrf": visitor, "code": "BCDF-GHJK-LMNP-QRST"}),
        (alice, "/logout", {"csrf": own}),
        (alice, "/settings/sessions", {"csrf": own, "session": "others"}),
        (alice, "/login/device", {"csrf": own, "user_code": "BCDF-GHJK"}),
    ):
        answer = await who.post(path, fields)
        assert answer.status == 503, path
        assert "Retry-After" in answer.headers
        assert "Set-Cookie" not in answer.headers, "who is signed in stays so"
    for path in ("/login/device/code", "/login/device/token"):
        grant = "urn:ietf:params:oauth:grant-type:device_code"
        answer = await registry.call("POST", path, data={"grant_type": grant, "device_code": "x"})
        assert answer.status == 503, path


async def test_s35_no_secret_of_a_sign_in_is_logged(
    env: dict[str, str], s3: EmbeddedS3, db: Database, tmp_path: Path
) -> None:
    await create_user(db, "alice")
    account = await find(db, "alice")
    await set_password(db, Hasher(), account.id, PASSWORD, "localhost")
    code = (await issue_code(db, "alice")).reveal()
    log, mistyped = tmp_path / "log", "a password where the login belongs"
    secrets = {PASSWORD, code, mistyped}
    async with served({**env, "MOORAGE_S3_BUCKET": s3.bucket}, 1, log) as (url,):
        await _sent(url, "/login", login=mistyped, password=PASSWORD)
        await _sent(url, "/login", login="alice", password="wrong wrong wrong")
        _, by_code = await _sent(url, "/login/code", code=code)
        _, by_password = await _sent(url, "/login", login="alice", password=PASSWORD)
        for cookie in (by_code, by_password):
            assert cookie
            secrets.add(cookie.partition("=")[2])
        await ask(url, request("GET", "/", f"Cookie: {by_password}"))
        device, _ = await _sent(url, "/login/device/code", by_password, client_name="laptop")
        secrets |= set(re.findall('"(?:device|user)_code":"([^"]+)"', device))
        await asyncio.sleep(0.4)
    assert len(secrets) == 7
    text = log.read_text()
    assert text.count('"http.request"') >= 10
    for secret in secrets:
        assert secret not in text
    lines = [orjson.loads(line) for line in text.splitlines() if '"http.request"' in line]
    assert account.id in {line["account_id"] for line in lines if line["path"] == "/"}, "whose request it was"
    rows = await db.fetch("SELECT row_to_json(sign_in_attempts)::text FROM sign_in_attempts")
    assert rows
    assert not [row for row in rows if mistyped in row[0]]


async def _sent(url: str, path: str, cookie: str = "", **fields: str) -> tuple[str, str]:
    """Sends a form as a browser does; what came, and the cookie of who is signed in by it."""
    held = [f"Cookie: {cookie}"] if cookie else []
    form = (await ask(url, request("GET", "/login", *held))).body.decode()
    token = re.search('name="csrf" value="([0-9a-f]+)"', form)
    assert token is not None
    body = urlencode({"csrf": token[1], **fields}).encode()
    headers = ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    answer = await ask(url, request("POST", path, *headers, "Sec-Fetch-Site: same-origin", *held, body=body))
    assert answer.status in {200, 303, 422}, answer.body
    return answer.body.decode(), answer.headers["Set-Cookie"].partition(";")[0] if answer.status == 303 else ""
