"""An OpenID Connect provider: a process of its own, with its own keys, that issues what a test asks for.

``python -m tests.support.provider`` prints its URL and serves until its standard input ends.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jwt
import orjson
from aiohttp import web
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

    async def discovery(self, _http: web.Request) -> web.Response:
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/jwks"})

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
    app.router.add_get("/count", provider.count)
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
