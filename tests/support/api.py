"""The API with GitHub's people: an organization with an owner and a member, and a stranger."""

from dataclasses import dataclass
from typing import Any

from tests.support.server import Answer, Registry

SCOPES = ("repo", "user", "admin:org", "read:packages", "write:packages", "delete:packages")


@dataclass
class Acme:
    """``owner`` owns the organization acme and ``member`` is in it; each is a token of the user of that name."""

    registry: Registry
    admin: str
    owner: str
    member: str
    stranger: str

    async def call(self, method: str, path: str, token: str | None, json: object = None) -> Answer:
        """One request below ``/api/v3``."""
        return await self.registry.call(method, f"/api/v3{path}", token, json=json)

    async def ok(self, method: str, path: str, token: str | None, json: object = None, status: int = 200) -> Any:
        """``call``, whose answer must have this status; its JSON."""
        got = await self.call(method, path, token, json)
        assert got.status == status, (method, path, got.status, got.body)
        return got.json if got.body else None

    async def status(self, method: str, path: str, token: str | None, json: object = None) -> int:
        """The status of ``call``."""
        return (await self.call(method, path, token, json)).status


async def acme(registry: Registry) -> Acme:
    """Makes them all, by API as far as there is one."""
    admin = await registry.admin()
    owner, member, stranger = [await registry.user(login, SCOPES) for login in ("owner", "member", "stranger")]
    made = Acme(registry, admin, owner, member, stranger)
    await made.ok(
        "POST", "/admin/organizations", admin, {"login": "Acme", "admin": "owner", "profile_name": "Acme"}, 201
    )
    await made.ok("PUT", "/orgs/acme/memberships/member", owner, {"role": "member"})
    return made
