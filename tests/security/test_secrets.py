"""S35: what was secret in a run is in no log, no answer, no error; and nothing that came paints a terminal."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
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


@dataclass
class Run:
    """A server of alice's, what it has answered, and what must be in no log and in no answer."""

    url: str
    log: Path
    secrets: dict[str, str]
    answers: list[bytes] = field(default_factory=list)

    async def say(self, method: str, target: str, *headers: str, body: bytes = b"") -> str:
        answer = await ask(self.url, request(method, target, *headers, f"Content-Length: {len(body)}", body=body))
        self.answers.append(answer.body)
        return answer.headers.get("Location", "") or answer.body.decode("latin-1")

    async def send(self, data: bytes) -> None:
        async with Wire.to(self.url) as wire:
            await wire.send(data)
            self.answers.append((await wire.answer()).body)

    @property
    def basic(self) -> str:
        return f"Authorization: Basic {self.secrets['basic']}"

    def logged(self) -> bytes:
        """The log of a server that has stopped, once it is seen that no secret is in it, nor in an answer."""
        text = self.log.read_bytes()
        for name, secret in self.secrets.items():
            assert secret.encode() not in text, f"{name} in the log"
            assert not [body for body in self.answers if secret.encode() in body], f"{name} in an answer"
        assert b"Traceback" not in text
        return text


@asynccontextmanager
async def alices(given: dict[str, str], db: Database, log: Path) -> AsyncIterator[Run]:
    await create_user(db, "alice", site_admin=True)
    token = (await create_token(db, "alice", sorted(SCOPES)))[0].reveal()
    secrets = {
        "token": token, "basic": base64.b64encode(f"alice:{token}".encode()).decode(),
        "secret key": given["MOORAGE_SECRET_KEY"], "S3 key": given["AWS_SECRET_ACCESS_KEY"],
    }  # fmt: skip
    async with served(given, 1, log) as (url,):
        run = Run(url, log, secrets)
        got = await run.say("GET", "/token?scope=repository:alice/app:pull,push", run.basic)
        run.answers.clear()  # /token alone tells a secret
        jwt = got.split('"token":"')[1].split('"')[0]
        run.secrets |= {"jwt": jwt, "signature of the jwt": jwt.split(".")[2]}
        yield run
        await asyncio.sleep(0.4)


async def test_s35_good_credentials_are_in_no_log(given: dict[str, str], db: Database, tmp_path: Path) -> None:
    layer = b"x" * 200_000
    digest = "sha256:" + hashlib.sha256(layer).hexdigest()
    async with alices(given, db, tmp_path / "log") as run:
        token, jwt = run.secrets["token"], run.secrets["jwt"]
        for value in (f"Basic {run.secrets['basic']}", f"Bearer {jwt}", f"token {token}", f"Bearer {token}"):
            for path in ("/v2/", "/v2/alice/app/manifests/none", "/api/v3/user/tokens"):
                await run.say("GET", path, f"Authorization: {value}")
        await run.say("POST", f"/v2/alice/app/blobs/uploads/?digest={digest}", run.basic, body=layer)
        presigned = await run.say("GET", f"/v2/alice/app/blobs/{digest}", run.basic)
        run.secrets["presigned"] = parse_qs(urlsplit(presigned).query)["X-Amz-Signature"][0]
    assert run.logged().count(b'"http.request"') > 12


async def test_s35_wrong_credentials_are_in_no_log(given: dict[str, str], db: Database, tmp_path: Path) -> None:
    async with alices(given, db, tmp_path / "log") as run:
        unknown = mint(TokenKind.CLASSIC).reveal()
        bad = base64.b64encode(b"alice:hunter2hunter2").decode()
        run.secrets |= {"unknown token": unknown, "bad basic": bad, "password": "hunter2hunter2"}
        other = base64.b64encode(f"a:{unknown}".encode()).decode()
        await run.say("GET", "/v2/", f"Authorization: Basic {bad}")
        await run.say("GET", "/token", f"Authorization: Bearer {run.secrets['jwt']}x")
        await run.say("GET", f"/token?password={unknown}", f"Authorization: Basic {other}")
        form = "Content-Type: application/x-www-form-urlencoded"
        await run.say("POST", "/token", form, body=f"grant_type=password&password={unknown}".encode())
    assert run.logged().count(b'"status":401') >= 4


async def test_s35_secrets_in_wrong_places_are_in_no_log(given: dict[str, str], db: Database, tmp_path: Path) -> None:
    """In the query, in a cookie, in bodies that cannot be read, and in what is no HTTP."""
    async with alices(given, db, tmp_path / "log") as run:
        token, jwt, basic = run.secrets["token"], run.secrets["jwt"], run.basic
        await run.say("GET", f"/v2/?token={token}&jwt={jwt}", f"Cookie: session={token}")
        form = "Content-Type: application/x-www-form-urlencoded"
        await run.say("POST", "/token", form, body=f"grant_type={jwt}&password={token}&password={token}".encode())
        await run.say("POST", "/token", "Content-Type: text/plain", body=token.encode())
        await run.say(
            "PUT", "/v2/alice/app/manifests/v1", basic, "Content-Type: x/y", body=f'{{"a": "{token}"'.encode()
        )
        await run.say("POST", "/api/v3/admin/users", basic, body=f'{{"login": "{token}"'.encode())
        for broken in (
            f"GET /{token} HTTP/9.9\r\nAuthorization: Bearer {jwt}\r\n\r\n",
            f"{token}\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: x\r\n{basic.replace(':', ' :')}\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: x\r\n{basic}\x00\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {token * 300}\r\n\r\n",
        ):
            await run.send(broken.encode())
    assert run.logged().count(b'"http.request"') >= 10


async def test_s35_nothing_that_came_paints_a_terminal(given: dict[str, str], db: Database, tmp_path: Path) -> None:
    """Control characters, a line of its own, an escape sequence."""
    async with alices(given, db, tmp_path / "log") as run:
        for target in (
            "/v2/\x1b[31m/tags/list",
            "/v2/%1b%5b31m/tags/list",
            "/v2/a%0d%0a%7b%22event%22%3a1%7d/tags/list",
            "/v2/a/%07",
        ):
            await run.send(request("GET", target, "User-Agent: \x1b[31mred", "X-Request-Id: forged\x1b[2J"))
    text = run.logged()
    printable = set(range(0x20, 0x7F)) | {0x0A}
    assert set(text) <= printable | set("…»«–".encode()), sorted(set(text) - printable)
    assert b"forged" not in text
