"""The pictures of README and docs: `make screenshots` writes them, of fixed data and times, and nothing else is in them."""

import random
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import pytest

from auth.tokens import SCOPES
from registry.accounts.organizations import create, set_role
from tests.support.people import browser
from tests.support.server import Registry, running
from tests.support.shelf import CONFIG, IMAGE, INDEX, LAYER, Shelf
from tests.web.conftest import Browse

HOST = "registry.example.com"
_LABELS = {
    "org.opencontainers.image.description": "The web front end of the shop",
    "org.opencontainers.image.licenses": "Apache-2.0",
    "org.opencontainers.image.source": "https://git.example.com/acme/shop",
}
_COMMANDS = (
    "ADD alpine-minirootfs-3.22.2-x86_64.tar.gz / # buildkit", "RUN apk add --no-cache ca-certificates # buildkit", "WORKDIR /app",
    "COPY shop /app/shop # buildkit", "EXPOSE 8080", "USER 65532", 'ENTRYPOINT ["/app/shop"]',
)  # fmt: skip
_LAYERS = (3_418_000, 512_000, 0, 9_204_000, 0, 0, 0)
#: Pictures: the page, and in which languages.
PICTURES = {
    "package": ("/acme/shop", ("en", "ko")),
    "tags": ("/acme/shop/-/tags", ("en",)),
    "version": ("/acme/shop@{digest}", ("en",)),
    "access": ("/acme/shop/-/access?person=mina", ("en",)),
}


def _chance(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


async def _image(shelf: Shelf, name: str, tag: str | None, architecture: str) -> dict[str, Any]:
    layers = [await shelf.blob(name, shelf.chance(size), LAYER) for size in _LAYERS if size]
    history = [
        {"created_by": text, "created": "2026-10-05T08:00:00Z", "empty_layer": size == 0}
        for text, size in zip(_COMMANDS, _LAYERS, strict=True)
    ]
    config = {
        "architecture": architecture, "os": "linux", "created": "2026-10-05T08:00:00Z", "history": history,
        "config": {"Labels": _LABELS, "Entrypoint": ["/app/shop"], "User": "65532", "ExposedPorts": {"8080/tcp": {}}},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }  # fmt: skip
    body = {"mediaType": IMAGE, "config": await shelf.blob(name, orjson.dumps(config), CONFIG), "layers": layers}
    return await shelf.manifest(name, body, tag)


async def _shop(registry: Registry) -> str:
    """A package as people have it, pushed in October; the digest of an image of its newest version."""
    token, db = await registry.user("dana", sorted(SCOPES)), registry.services.db
    for login in ("mina", "jun"):
        await registry.user(login)
    await create(db, "acme", "dana", name="Acme")
    for login in ("mina", "jun"):
        await set_role(db, "acme", login, "member")
    shelf, digest, body, index = Shelf(registry, token, _chance(1)), "", dict[str, Any](), dict[str, Any]()
    for tag in ("1.3.0", "1.4.0", "1.4.1", "1.4.2"):
        children = [
            {**await _image(shelf, "acme/shop", None, one), "platform": {"os": "linux", "architecture": one}}
            for one in ("amd64", "arm64")
        ]
        digest = children[0]["digest"]
        body = {"mediaType": INDEX, "manifests": children, "annotations": _LABELS}
        index = await shelf.manifest("acme/shop", body, tag)
    for tag in ("1.4", "latest"):
        await shelf.manifest("acme/shop", body, tag)
    await shelf.referrer("acme/shop", index, "application/vnd.dev.sigstore.bundle.v0.3+json")
    for login, role in (("mina", "write"), ("jun", "read")):
        path = f"/api/v3/orgs/acme/packages/container/shop/access/users/{login}"
        answer = await registry.call("PUT", path, token, json={"role": role})
        assert answer.status in {200, 204}, answer.body
    await db.execute(
        "INSERT INTO downloads SELECT id, (now() AT TIME ZONE 'UTC')::date - n, 20 + (n * 37) % 90 FROM manifests,"
        " generate_series(0, 29) n WHERE digest = $1",
        index["digest"],
    )
    await db.execute(
        "INSERT INTO download_totals (version_id, package_id, count) SELECT id, package_id, 48211 FROM manifests WHERE digest = $1",
        index["digest"],
    )
    await db.execute("UPDATE packages SET visibility = 'public'")
    for change in _TIMES:
        await db.execute(change)
    return digest


#: Times that pages show: a release a fortnight, of which 1.4.2 has two tags more.
_TIMES = (
    "UPDATE packages SET created_at = '2026-08-24 08:00+00', published_at = '2026-08-24 08:00+00', updated_at = '2026-10-05 08:10+00'",
    "UPDATE manifests SET created_at = '2026-10-05 08:00+00'",
    (
        "UPDATE tags SET updated_at = '2026-10-05 08:00+00'::timestamptz + CASE name WHEN '1.4.1' THEN -interval '14 days'"
        " WHEN '1.4.0' THEN -interval '28 days' WHEN '1.3.0' THEN -interval '42 days' WHEN '1.4.2' THEN interval '0'"
        " WHEN '1.4' THEN interval '1 minute' ELSE interval '2 minutes' END"
    ),
)


@pytest.mark.pages
@pytest.mark.timeout(300)
async def test_the_pictures(env: dict[str, str], browse: Browse, pictures: Path | None, tmp_path: Path) -> None:
    place = tmp_path if pictures is None else pictures
    place.mkdir(parents=True, exist_ok=True)
    async with running({**env, "MOORAGE_PUBLIC_URL": f"http://{HOST}"}) as registry:
        digest = await _shop(registry)
        dana = await browser(registry, "dana")
        for name, (path, languages) in PICTURES.items():
            for language, theme in product(languages, ("light", "dark")):
                cookies = {**dana.cookies, "lang": language}
                async with browse(registry.url, language=language, theme=theme, height=720, cookies=cookies) as window:
                    await window.open(path.format(digest=digest))
                    file = place / f"{name}-{theme}{'' if language == 'en' else '-' + language}.png"
                    await window.page.screenshot(path=file, full_page=True, animations="disabled")
                    assert file.stat().st_size < 400_000
