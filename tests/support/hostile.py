"""A registry whose every text is hostile or as long as it may be, and the browsers of those who look at its pages."""

from dataclasses import dataclass

import orjson

from auth.tokens import SCOPES
from registry.accounts.accounts import create_token
from registry.accounts.organizations import create_team, set_role
from tests.support.manage import Managed, managed
from tests.support.pages import Pages
from tests.support.people import browser
from tests.support.server import Registry
from tests.support.shelf import HOSTILE, Shelf

LONG_LOGIN = "x" * 39
LONG_TAG = "t" * 128
LONG_IMAGE = "acme/" + "q" * 240
TEXT = " ".join(HOSTILE)
_LABELS = {
    "org.opencontainers.image.description": (TEXT + " 결제와 주문을 처리하는 서버 " + "long" * 128)[:512],
    "org.opencontainers.image.licenses": HOSTILE[1],
    "org.opencontainers.image.source": HOSTILE[-1],
    **{text: text for text in HOSTILE},
}


@dataclass
class Hostile:
    """``values``: what parameters of addresses are filled in with; ``viewers``: by their kind."""

    registry: Registry
    values: dict[str, str]
    viewers: dict[str, Pages]


async def _one(registry: Registry, query: str, *arguments: object) -> str:
    row = await registry.services.db.fetchrow(query, *arguments)
    assert row is not None, query
    return str(row[0])


async def _packages(world: Managed) -> str:
    """Fills the package ``acme/web``, makes others beside it, and deletes one of each; the digest of an index."""
    registry, shelf, db = world.registry, Shelf(world.registry, world.token), world.registry.services.db
    long_annotations = {text: text for text in HOSTILE}
    image = await shelf.image(
        "acme/web", LONG_TAG, labels=_LABELS, commands=(TEXT, "RUN " + "y" * 2000), annotations=long_annotations
    )
    index = await shelf.index("acme/web", "v3", _LABELS)
    for kind in ("application/vnd.dev.cosign.artifact.sig.v1+json", "application/vnd." + "a" * 100):
        await shelf.referrer("acme/web", index, kind)
        await shelf.referrer("acme/web", image, kind)
    await shelf.image(LONG_IMAGE, "v1", labels=_LABELS)
    await shelf.chart("acme/charts/web", "0.1.0")
    await shelf.image("acme/gone", "v1")
    api = "/api/v3/orgs/acme/packages/container"
    for path in (f"{api}/gone", f"{api}/web/versions/{await world.number(world.digests[1])}"):
        answer = await registry.call("DELETE", path, world.token)
        assert answer.status == 204, answer.body
    answer = await registry.call("PUT", f"{api}/web/repository", world.token, json={"repository": "acme/code"})
    assert answer.status == 200, answer.body
    await db.execute("UPDATE packages SET visibility = 'public' WHERE name <> 'web'")
    await db.execute("UPDATE packages SET description = $1 WHERE description IS NULL", _LABELS.popitem()[1] * 4)
    return str(index["digest"])


async def _hook(world: Managed) -> str:
    """Makes a webhook whose receiver answers hostile texts, and one that is disabled; the id of the first."""
    registry, db = world.registry, world.registry.services.db
    for path in ("long" * 400, "disabled"):
        body = {"config": {"url": f"https://hooks.example/{path}", "secret": TEXT[:200]}, "events": ["*"]}
        answer = await registry.call("POST", "/api/v3/orgs/acme/hooks", world.token, json=body)
        assert answer.status == 201, answer.body
    hook = await _one(registry, "SELECT min(id) FROM hooks")
    await db.execute("UPDATE hooks SET disabled_reason = $1, last_status = $1 WHERE id <> $2", TEXT, int(hook))
    told = orjson.dumps({"zen": TEXT, "long": "y" * 2000})
    await db.execute(
        """UPDATE hook_deliveries SET state = 'failed', status = $1, payload = $2, request_headers = $3::text::jsonb,
                  response_headers = $3::text::jsonb, response = $2, delivered_at = now(), attempts = 9""",
        TEXT, told, orjson.dumps({"X-Long": TEXT + "z" * 2000}).decode(),
    )  # fmt: skip
    return hook


async def hostile(registry: Registry) -> Hostile:
    """Makes it all: ``acme/web`` is private, what is beside it is public."""
    world, db = await managed(registry), registry.services.db
    digest = await _packages(world)
    await registry.user(LONG_LOGIN)
    await set_role(db, "acme", LONG_LOGIN, "member")
    org = int(await _one(registry, "SELECT id FROM accounts WHERE login = 'acme'"))
    await create_team(db, org, HOSTILE[0] + "z" * 60, TEXT, [])
    await db.execute("UPDATE accounts SET name = $1 WHERE id = $2", TEXT[:255], org)
    await create_token(db, "olivia", sorted(SCOPES), note=TEXT[:255])
    await db.execute("UPDATE tokens SET note = repeat('n', 255) WHERE note = ''")
    hook = await _hook(world)
    await db.execute("INSERT INTO clusters (owner_id, name, issuer) VALUES ($1, 'prod', $2)", org, TEXT[:255])
    boss = await browser(registry, "boss", site_admin=True)
    await db.execute(
        "INSERT INTO job_runs VALUES ('collect_garbage', 30, now(), now(), 1234, now(), $1)", TEXT + "z" * 200
    )
    values = {
        "owner": "acme", "image": "web", "tag": "v3", "digest": digest, "repository": "code", "team": "devs",
        "kind": "orgs", "visibility": "public", "change": "suspend", "provider": "nobody",
        "cluster": "prod",
        "version": await _one(registry, "SELECT id FROM manifests WHERE digest = $1", digest),
        "gone": await _one(registry, "SELECT id FROM packages WHERE deleted_at IS NOT NULL"),
        "hook": hook, "delivery": await _one(registry, "SELECT min(id) FROM hook_deliveries"),
        "token": await _one(
            registry, "SELECT max(id) FROM tokens WHERE note = $1", TEXT[:255]
        ),
    }  # fmt: skip
    viewers = {
        "visitor": Pages(registry),
        "stranger": world.stranger,
        "reader": world.reader,
        "owner": world.owner,
        "admin": boss,
    }
    return Hostile(registry, values, viewers)
