"""How often an issuer is asked for its keys, and what becomes of them when it does not answer."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from auth.errors import Unauthenticated
from auth.issuers import OidcIssuer
from registry.accounts.issuer_keys import IssuerKeys
from storage.errors import Unavailable

ISSUER = "https://issuer.example/realm"


def jwk(kid: str) -> dict[str, Any]:
    return {**OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key(), as_dict=True), "kid": kid}


class Fake:
    """An issuer and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.up = True
        self.kids = ["a"]
        self.asked: list[str] = []
        self.discovery: object = {"issuer": ISSUER, "jwks_uri": "https://keys.example/jwks"}
        self.keys = IssuerKeys(OidcIssuer(issuer=ISSUER, owners=["*"]), self.fetch, lambda: self.now)

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        await asyncio.sleep(0)
        if not self.up:
            raise Unavailable("down")
        if url.endswith("/.well-known/openid-configuration"):
            return orjson.dumps(self.discovery)
        return orjson.dumps({"keys": [jwk(kid) for kid in self.kids]})


async def refused(fake: Fake, kid: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await fake.keys.key(kid)


async def test_they_are_fetched_once_by_many_and_kept() -> None:
    fake = Fake()
    await asyncio.gather(*(fake.keys.key("a") for _ in range(20)))
    assert fake.asked == [f"{ISSUER}/.well-known/openid-configuration", "https://keys.example/jwks"]
    fake.now = 3599.0
    await fake.keys.key("a")
    assert len(fake.asked) == 2
    fake.now = 3601.0
    await fake.keys.key("a")
    assert len(fake.asked) == 4


async def test_an_unknown_key_is_asked_for_once_a_minute() -> None:
    fake = Fake()
    await fake.keys.key("a")
    fake.kids.append("b")
    await refused(fake, "b", Unauthenticated)
    fake.now = 61.0
    await fake.keys.key("b")
    for _ in range(5):
        await refused(fake, "c", Unauthenticated)
    assert len(fake.asked) == 4
    # One that was withdrawn is gone with the next fetch.
    fake.kids, fake.now = ["b"], 7300.0
    await refused(fake, "a", Unauthenticated)


async def test_an_issuer_that_does_not_answer() -> None:
    fake = Fake()
    fake.up = False
    await refused(fake, "a", Unavailable)
    await refused(fake, "a", Unavailable)
    assert len(fake.asked) == 1, "it is left alone for a moment"
    fake.up, fake.now = True, 6.0
    await fake.keys.key("a")
    # What it said last is good for a day.
    fake.up, fake.now = False, 4000.0
    await fake.keys.key("a")
    await refused(fake, "b", Unavailable)
    fake.now = 4000.0 + 86400.0
    await refused(fake, "a", Unavailable)


@pytest.mark.parametrize(
    "change",
    [
        lambda fake: setattr(fake, "discovery", {"issuer": ISSUER + "/", "jwks_uri": "https://keys.example/jwks"}),
        lambda fake: setattr(fake, "discovery", {"issuer": ISSUER, "jwks_uri": "http://keys.example/jwks"}),
        lambda fake: setattr(fake, "discovery", {"issuer": ISSUER, "jwks_uri": "http://169.254.169.254/latest"}),
        lambda fake: setattr(fake, "discovery", {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}),
        lambda fake: setattr(fake, "discovery", {"issuer": ISSUER}),
        lambda fake: setattr(fake, "discovery", []),
    ],
)
async def test_s51_its_documents_are_held_to_the_configuration(change: Callable[[Fake], None]) -> None:
    fake = Fake()
    change(fake)
    await refused(fake, "a", Unavailable)
    assert len(fake.asked) == 1
