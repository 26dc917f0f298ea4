"""Clients that send something where nothing was meant: as on ghcr.io they are nobody, and no failure is counted.

Homebrew sends ``Bearer QQ==``, WUD ``Og==`` (a colon), scripts the credentials of ``docker login`` in base64, or the
variable of a token that is not set.
"""

import base64

from auth.tokens import TokenKind, mint
from tests.support.raw import ask, request
from tests.support.server import Registry, basic


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_PAT = mint(TokenKind.CLASSIC, lambda length: bytes(range(length))).reveal()
_SENT = (
    "Bearer QQ==",
    "Bearer Og==",
    "bearer Og==",
    "Basic Og==",
    f"Bearer {_encoded(f'alice:{_PAT}')}",
    f"Bearer {_encoded('alice:secret')}",
    f"Bearer {_PAT[:-1]}",
    "Bearer ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "Bearer null",
    "Bearer <token>",
    "Bearer a.b",
    "Bearer a.b.c.d",
    "Bearer",
    "Bearer ",
    f"Basic {_encoded(':secret')}",
    f"Basic {_encoded(f':{_PAT}')}",
    "Basic",
    "Basic ",
    "",
)


async def test_who_sends_no_credentials_is_nobody(registry: Registry) -> None:
    alice = await registry.user("alice")
    for name in ("open", "priv"):
        await registry.push_image(f"alice/{name}", "v1", alice)
    await registry.services.db.execute("UPDATE packages SET visibility = 'public' WHERE name = 'open'")
    challenged = [
        ("GET", "/v2/", None),
        ("GET", "/v2/alice/priv/manifests/v1", "repository:alice/priv:pull"),
        ("HEAD", "/v2/alice/none/manifests/v1", "repository:alice/none:pull"),
        ("DELETE", "/v2/alice/open/manifests/v1", None),
    ]
    usual = {path: (await registry.call(method, path)).headers["WWW-Authenticate"] for method, path, _ in challenged}
    for sent in _SENT:
        headers = {"Authorization": sent}
        for path in ("/v2/alice/open/manifests/v1", "/v2/alice/open/tags/list"):  # a look-up, a coroutine
            assert (await registry.call("GET", path, headers=headers)).status == 200, (sent, path)
        for method, path, scope in challenged:
            answer = await registry.call(method, path, headers=headers)
            assert answer.status == 401, (sent, path)
            assert answer.headers["WWW-Authenticate"] == usual[path], (sent, path)
            assert "error=" not in usual[path]
            assert scope is None or f'scope="{scope}"' in usual[path]
        token = await registry.call("GET", "/token?scope=repository:alice/open:pull", headers=headers)
        assert token.status == 200, sent
        claims = registry.services.bearer.verify(token.json["token"], registry.services.now())  # type: ignore[index]
        assert claims.account_id is None
    assert (await registry.call("GET", "/v2/", headers=basic("secret"))).status == 401, "no failure was counted"


async def test_githubs_api_has_no_such_custom(registry: Registry) -> None:
    registry.routers[0].throttle.most = 1_000
    for sent in _SENT:
        answer = await registry.call("GET", "/api/v3/user", headers={"Authorization": sent})
        assert (answer.status, answer.json["message"]) == (401, "Bad credentials"), sent  # type: ignore[index]


async def test_what_is_meant_as_credentials_is_refused_as_such(registry: Registry) -> None:
    """A client that is told so fetches a new bearer token, and a person sees that the login is wrong."""
    registry.routers[0].throttle.most = 1_000
    alice = await registry.user("alice")
    await registry.push_image("alice/open", "v1", alice)
    await registry.services.db.execute("UPDATE packages SET visibility = 'public'")
    path = "/v2/alice/open/manifests/v1"
    claims = registry.services.bearer.verify(
        (await registry.call("GET", "/token", alice)).json["token"],  # type: ignore[index]
        registry.services.now(),
    )
    now = registry.services.now()
    expired = registry.services.bearer.issue(
        account_id=claims.account_id, token_id=claims.token_id, grants=[], now=now - 3600
    )
    head, _, signature = expired.rpartition(".")
    for sent in (
        expired,
        f"{head}.{signature[::-1]}",
        f"{head}.",
        f"x{expired}",
        "a.b.c",
        "a..b.c.d",
        _PAT,
        _encoded(_PAT),
    ):
        answer = await registry.call("GET", path, headers={"Authorization": f"Bearer {sent}"})
        assert answer.status == 401, sent
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"], sent
    for headers in (
        basic("secret"),
        basic(""),
        basic(_PAT),
        {"Authorization": "Basic !!!!"},
        {"Authorization": "Digest username=alice"},
        {"Authorization": "token QQ=="},
    ):
        assert (await registry.call("GET", path, headers=headers)).status == 401, headers
    twice = request("GET", path, "Authorization: Bearer QQ==", "Authorization: Bearer QQ==")
    assert (await ask(registry.url, twice)).status == 400
