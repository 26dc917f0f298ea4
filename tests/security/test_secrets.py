"""S35: what was secret in a run is in no log, no answer, no error; and nothing that came paints a terminal."""

import asyncio
import base64
import hashlib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from auth.tokens import SCOPES, TokenKind, mint
from registry.accounts.accounts import create_token, create_user
from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.database import Database
from tests.support.processes import served
from tests.support.raw import Wire, ask, request


@pytest.fixture
def given(env: dict[str, str], s3: EmbeddedS3) -> dict[str, str]:
    return {**env, "MOORAGE_S3_BUCKET": s3.bucket, "MOORAGE_REDIRECT": "on"}


async def test_s35_no_secret_is_logged(given: dict[str, str], db: Database, tmp_path: Path) -> None:
    await create_user(db, "alice", site_admin=True)
    token = (await create_token(db, "alice", sorted(SCOPES)))[0].reveal()
    unknown = mint(TokenKind.CLASSIC).reveal()
    log = tmp_path / "log"
    answers = []
    encoded = base64.b64encode(f"alice:{token}".encode()).decode()
    bad = base64.b64encode(b"alice:hunter2hunter2").decode()
    layer = b"x" * 200_000
    digest = "sha256:" + hashlib.sha256(layer).hexdigest()
    async with served(given, 1, log) as (url,):

        async def say(method: str, target: str, *headers: str, body: bytes = b"") -> str:
            answer = await ask(url, request(method, target, *headers, f"Content-Length: {len(body)}", body=body))
            answers.append(answer.body)
            return answer.headers.get("Location", "") or answer.body.decode("latin-1")

        basic = f"Authorization: Basic {encoded}"
        got = await say("GET", "/token?scope=repository:alice/app:pull,push", basic)
        jwt = got.split('"token":"')[1].split('"')[0]
        answers.clear()
        for header in (
            basic,
            f"Authorization: Bearer {jwt}",
            f"Authorization: token {token}",
            f"Authorization: Bearer {token}",
        ):
            await say("GET", "/v2/", header)
            await say("GET", "/v2/alice/app/manifests/none", header)
            await say("GET", "/api/v3/user/tokens", header)
        await say("POST", f"/v2/alice/app/blobs/uploads/?digest={digest}", basic, body=layer)
        presigned = await say("GET", f"/v2/alice/app/blobs/{digest}", basic)
        await say("GET", "/v2/", f"Authorization: Basic {bad}")
        await say("GET", "/token", f"Authorization: Bearer {jwt}x")
        await say("GET", f"/v2/?token={token}&jwt={jwt}", f"Cookie: session={token}")
        await say(
            "GET",
            f"/token?password={unknown}",
            "Authorization: Basic " + base64.b64encode(f"a:{unknown}".encode()).decode(),
        )
        form = "Content-Type: application/x-www-form-urlencoded"
        await say("POST", "/token", form, body=f"grant_type=password&password={unknown}".encode())
        await say("POST", "/token", form, body=f"grant_type={unknown}&password={token}&password={token}".encode())
        await say("POST", "/token", "Content-Type: text/plain", body=token.encode())
        await say("PUT", "/v2/alice/app/manifests/v1", basic, "Content-Type: x/y", body=f'{{"a": "{token}"'.encode())
        await say("POST", "/api/v3/admin/users", basic, body=f'{{"login": "{token}"'.encode())
        for broken in (
            f"GET /{token} HTTP/9.9\r\nAuthorization: Bearer {jwt}\r\n\r\n",
            f"{token}\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization : Basic {encoded}\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {encoded}\x00\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {token * 300}\r\n\r\n",
        ):
            async with Wire.to(url) as wire:
                await wire.send(broken.encode())
                answers.append((await wire.answer()).body)
        # Paints, if anything does: control characters, a line of its own, an escape sequence.
        for target in (
            "/v2/\x1b[31m/tags/list",
            "/v2/%1b%5b31m/tags/list",
            "/v2/a%0d%0a%7b%22event%22%3a1%7d/tags/list",
            "/v2/a/%07",
        ):
            async with Wire.to(url) as wire:
                await wire.send(request("GET", target, "User-Agent: \x1b[31mred", "X-Request-Id: forged\x1b[2J"))
                await wire.answer()
        await asyncio.sleep(0.4)
    query = parse_qs(urlsplit(presigned).query)
    secrets = {
        "token": token, "unknown token": unknown, "basic": encoded, "bad basic": bad, "password": "hunter2hunter2",
        "jwt": jwt, "signature of the jwt": jwt.split(".")[2], "secret key": given["MOORAGE_SECRET_KEY"],
        "S3 key": given["AWS_SECRET_ACCESS_KEY"], "presigned": query["X-Amz-Signature"][0],
    }  # fmt: skip
    text = log.read_bytes()
    assert text.count(b'"http.request"') > 20
    for name, secret in secrets.items():
        assert secret.encode() not in text, f"{name} in the log"
        if name != "presigned":
            assert not [body for body in answers if secret.encode() in body], f"{name} in an answer"
    printable = set(range(0x20, 0x7F)) | {0x0A}
    assert set(text) <= printable | set("…»«–".encode()), sorted(set(text) - printable)
    assert b"forged" not in text
    assert b"Traceback" not in text
