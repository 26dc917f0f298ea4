"""An OpenID Connect provider: a process of its own, with its own keys, that issues what a test asks for.

For people it has the authorization code flow with PKCE; who signs in there next, and how the token lies, a test says.

``python -m tests.support.provider`` prints its URL and serves until its standard input ends.
"""

import asyncio
import base64
import hashlib
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jwt
import orjson
from aiohttp import ClientSession, web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from yarl import URL

from tests.support.processes import ROOT


class Provider:
    """``POST /sign`` is what a runner would do for its workflow: claims in, a signed token out."""

    def __init__(self) -> None:
        self.url = ""
        self.fetched = 0
        self.keys: dict[str, tuple[str, Any]] = {
            "rsa": ("RS256", rsa.generate_private_key(65537, 2048)),
            "ec": ("ES256", ec.generate_private_key(ec.SECP256R1())),
            "ed": ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
            "weak": ("RS256", rsa.generate_private_key(65537, 1024)),
        }
        #: Signs, but is not in the published set.
        self.hidden = ("RS256", rsa.generate_private_key(65537, 2048))
        #: Who signs in next: claims of the token, which key signs it, what its header has more, or the token itself.
        self.next: dict[str, Any] = {}
        self.codes: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, str]] = []

    async def discovery(self, _http: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/jwks",
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
            }
        )

    async def say(self, http: web.Request) -> web.Response:
        self.next = await http.json()
        return web.json_response({})

    async def seen(self, _http: web.Request) -> web.Response:
        return web.json_response(self.asked)

    async def authorize(self, http: web.Request) -> web.Response:
        asked = dict(http.query)
        self.asked.append(asked)
        there = URL(asked["redirect_uri"])
        if "error" in self.next:
            raise web.HTTPFound(there.update_query(error=self.next["error"], state=asked["state"]))
        if asked["response_type"] != "code" or asked["code_challenge_method"] != "S256":
            raise web.HTTPBadRequest
        code = secrets.token_urlsafe(16)
        self.codes[code] = {"asked": asked, "next": self.next}
        sent = {"code": code, "state": asked["state"], "iss": self.next.get("redirect_iss", self.url)}
        raise web.HTTPFound(there.update_query(sent))

    async def token(self, http: web.Request) -> web.Response:
        form = await http.post()
        known = self.codes.pop(str(form.get("code")), None)  # once
        digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        basic = base64.b64encode(b"moorage:secret%20of%20ours").decode()
        if (
            known is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != known["asked"]["redirect_uri"]
            or challenge != known["asked"]["code_challenge"]
            or http.headers.get("Authorization") != f"Basic {basic}"
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": "x", "token_type": "Bearer", "id_token": self._id_token(known)})

    def _id_token(self, known: dict[str, Any]) -> str:
        wanted, now = known["next"], int(time.time())
        claims = {
            "iss": self.url,
            "aud": "moorage",
            "sub": "1001",
            "iat": now,
            "exp": now + 300,
            "nonce": known["asked"]["nonce"],
            **wanted.get("claims", {}),
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        if wanted.get("alg") == "none":
            return jwt.encode(claims, "", algorithm="none", headers={"kid": "rsa"})
        kid = wanted.get("kid", "rsa")
        alg, key = self.keys.get(kid, self.hidden)
        return jwt.encode(claims, key, algorithm=alg, headers={"kid": kid, **wanted.get("header", {})})

    async def jwks(self, _http: web.Request) -> web.Response:
        self.fetched += 1
        keys = [{**_public(alg, key), "kid": kid, "alg": alg, "use": "sig"} for kid, (alg, key) in self.keys.items()]
        keys.append({"kty": "oct", "kid": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "alg": "HS256"})
        return web.json_response({"keys": [*keys, {"kty": "?"}, 7]})

    async def sign(self, http: web.Request) -> web.Response:
        asked = await http.json()
        kid = asked.get("kid", "rsa")
        alg, key = self.keys.get(kid, self.hidden)
        header = {"kid": kid, **asked.get("header", {})}
        return web.Response(text=jwt.encode(asked["claims"], key, algorithm=alg, headers=header))

    async def for_job(self, http: web.Request) -> web.Response:
        """What a job of GitHub Actions asks for its identity token, with the secret that its runner gave it."""
        if http.headers.get("Authorization") != "Bearer runner-secret":
            raise web.HTTPUnauthorized
        alg, key = self.keys["rsa"]
        claims = {
            "iss": self.url,
            "aud": http.query["audience"],
            "sub": "repo:acme/shop:ref:refs/heads/main",
            "repository": "acme/shop",
            "repository_owner": "acme",
            "repository_owner_id": "1234567",
            "ref": "refs/heads/main",
            "iat": int(time.time()),
            "exp": int(time.time()) + 300,
        }
        return web.json_response({"count": 1, "value": jwt.encode(claims, key, algorithm=alg, headers={"kid": "rsa"})})

    async def count(self, _http: web.Request) -> web.Response:
        return web.json_response(self.fetched)


def _public(alg: str, key: Any) -> dict[str, Any]:
    algorithms: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
    algorithm = algorithms[alg]
    return dict(algorithm.to_jwk(key.public_key(), as_dict=True))


async def _serve() -> None:
    provider, app = Provider(), web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.discovery)
    app.router.add_get("/jwks", provider.jwks)
    app.router.add_post("/sign", provider.sign)
    app.router.add_get("/job", provider.for_job)
    app.router.add_get("/count", provider.count)
    app.router.add_get("/authorize", provider.authorize)
    app.router.add_post("/token", provider.token)
    app.router.add_post("/next", provider.say)
    app.router.add_get("/asked", provider.seen)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    provider.url = f"http://127.0.0.1:{port}"
    sys.stdout.write(f"{provider.url}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


@dataclass
class Running:
    """A provider's process, from outside."""

    url: str

    def config(self, **more: object) -> str:
        """What MOORAGE_OIDC_ISSUERS says of it."""
        issuer = {"issuer": self.url, "owners": ["alice"], "permissions": "write", "insecure_http": True, **more}
        return orjson.dumps([issuer]).decode()

    def sign_in_config(self, **more: object) -> dict[str, object]:
        """What MOORAGE_OIDC_SIGN_IN says of it."""
        return {
            "name": "corp",
            "title": "Corp",
            "issuer": self.url,
            "client_id": "moorage",
            "client_secret": "secret of ours",
            "domains": ["corp.example"],
            "insecure_http": True,
            **more,
        }

    async def say_next(self, http: ClientSession, claims: dict[str, Any], **how: object) -> None:
        """Says who signs in next, and how the token lies."""
        async with http.post(f"{self.url}/next", json={"claims": claims, **how}) as answer:
            assert answer.status == 200

    @property
    def sign_url(self) -> URL:
        return URL(self.url) / "sign"


@contextmanager
def provider() -> Iterator[Running]:
    argv = [sys.executable, "-m", "tests.support.provider"]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Running(process.stdout.readline().strip())
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)


if __name__ == "__main__":
    asyncio.run(_serve())
