"""An organization with a package, and the browsers of its owner, of a reader and of a stranger."""

from dataclasses import dataclass

from registry.accounts.organizations import add_to_team, create, create_team, set_role
from storage.metadata import teams
from tests.support.pages import Html, Pages
from tests.support.people import browser
from tests.support.server import Answer, Registry

PACKAGES = ("read:packages", "write:packages", "delete:packages", "repo", "admin:org")


@dataclass
class Managed:
    """``acme/web`` is private, with the tags v1 and v2; ``reader`` may read the package and is a member, no more."""

    registry: Registry
    owner: Pages
    reader: Pages
    stranger: Pages
    visitor: Pages
    token: str
    digests: list[str]

    async def number(self, digest: str) -> int:
        """The id of a version."""
        query = "SELECT id FROM manifests WHERE digest = $1"
        row = await self.registry.services.db.fetchrow(query, digest)
        assert row is not None
        return int(row[0])

    async def package_id(self) -> int:
        row = await self.registry.services.db.fetchrow("SELECT id FROM packages WHERE name = 'web'")
        assert row is not None
        return int(row[0])


async def change(pages: Pages, path: str, fields: dict[str, str] | None = None, **headers: str) -> Answer:
    """Sends a form with the token that the viewer's forms have."""
    token = (await pages.get("/login")).field("csrf")
    return await pages.post(path, {"csrf": token, **(fields or {})}, **headers)


async def done(pages: Pages, path: str, fields: dict[str, str] | None = None) -> Html:
    """Sends a form, which is accepted, and follows to the page that it leads to."""
    answer = await change(pages, path, fields)
    assert answer.status == 303, (path, answer.status, pages.read(answer).text[:600])
    return await pages.get(str(answer.headers["Location"]))


async def refused(pages: Pages, path: str, fields: dict[str, str] | None = None, status: int = 422) -> Html:
    """Sends a form, which is refused; the page that tells why."""
    answer = await change(pages, path, fields)
    assert answer.status == status, (path, answer.status, answer.headers.get("Location"))
    return pages.read(answer)


async def managed(registry: Registry) -> Managed:
    """Makes them all; repositories and teams, too: ``acme/code``, ``devs``."""
    db = registry.services.db
    token = await registry.user("olivia", PACKAGES)
    await registry.user("rita")
    await create(db, "acme", "olivia", name="Acme")
    await set_role(db, "acme", "rita", "member")
    digests = [await registry.push_image("acme/web", tag, token) for tag in ("v1", "v2")]
    path = "/api/v3/orgs/acme"
    for call in (
        ("POST", f"{path}/repos", {"name": "code", "visibility": "private"}),
        ("PUT", f"{path}/packages/container/web/access/users/rita", {"role": "read"}),
    ):
        answer = await registry.call(call[0], call[1], token, json=call[2])
        assert answer.status in {200, 201, 204}, answer.body
    org = await db.fetchrow("SELECT id FROM accounts WHERE login = 'acme'")
    assert org is not None
    await create_team(db, org[0], "devs", "Who build it", [])
    team = await teams.by_slug(db, org[0], "devs")
    assert team is not None
    await add_to_team(db, org[0], team.id, "rita")
    return Managed(
        registry,
        await browser(registry, "olivia"),
        await browser(registry, "rita"),
        await browser(registry, "stan"),
        Pages(registry),
        token,
        digests,
    )


async def administered(registry: Registry) -> list[tuple[object, ...]]:
    """All that forms of administrators could change."""
    rows = await registry.services.db.fetch(
        "SELECT (SELECT array_agg((login, suspended_at, site_admin) ORDER BY id)::text FROM accounts),"
        " (SELECT array_agg((id, revoked_at) ORDER BY id)::text FROM tokens), (SELECT count(*) FROM sign_in_codes),"
        " (SELECT array_agg((owner_id, name) ORDER BY id)::text FROM packages)"
    )
    return [tuple(row) for row in rows]
