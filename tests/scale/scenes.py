"""What each route is called with, time after time: other packages, other people, the largest of each among them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Final

from registry.http.api.routes import Access, Route
from tests.scale.arguments import digest, image
from tests.scale.world import World

#: People with packages of their own, who call what is about the caller.
PEOPLE: Final = 25
_BODIES: Final[dict[str, dict[str, Any]]] = {
    "NewTarget": {"digest": "{digest}"},
    "NewUser": {"login": "made-{}"},
    "NewLogin": {"login": "renamed-{}"},
    "NewAuthorization": {"scopes": ["read:packages"]},
    "NewOrganization": {"login": "founded-{}", "admin": "user-2"},
    "OrganizationChange": {"description": "number {}"},
    "NewMembership": {"role": "member"},
    "NewTeam": {"name": "Made {}"},
    "TeamChange": {"description": "number {}"},
    "NewTeamMembership": {},
    "NewTeamRepository": {"permission": "push"},
    "NewRepository": {"name": "made-{}"},
    "RepositoryChange": {"description": "number {}"},
    "Transfer": {"new_owner": "user-3", "new_name": "moved-{}"},
    "NewCollaborator": {"permission": "push"},
    "Settings": {"visibility": "private"},
    "NewLink": {"repository": "{owner}/{repo}"},
    "NewRole": {"role": "read"},
    "NewRepositoryRole": {"role": "write"},
    "NewToken": {"note": "made", "scopes": ["read:packages"]},
    "NewWorkload": {},
}
#: Not the largest organization, which is needed to the end.
_END_ORGANIZATIONS: Final = {("DELETE", "/orgs/{org}"), ("PATCH", "/admin/organizations/{org}")}


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: ``caller`` is a login."""

    caller: str
    method: str
    path: str
    body: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Scenes:
    """Callers are the administrator, an owner, a member and a stranger of the largest organization, and people."""

    world: World

    @property
    def people(self) -> dict[str, int]:
        """Users, each with the number of a package that is theirs."""
        packages = (p for p in count(self.world.big + 4, 5) if _is_there(p))
        return {self.world.user(1 + p * 7919 % self.world.users): p for p in islice(packages, PEOPLE)}

    @property
    def callers(self) -> set[str]:
        world = self.world
        return {"admin", "user-2", self._member, world.user(world.users - 2), *self.people}

    @property
    def _member(self) -> str:
        return self.world.user(self.world.big_members // 2 + 2)

    def of_route(self, route: Route, number: int) -> Asked:
        """The call of that number; half of those about an organization are about the largest."""
        caller, package = self._caller_and_package(route, number, reads=route.method == "GET")
        named = self._parameters(route, number, package)
        path = route.path.format_map(named) + self._query(route, number)
        body = None if route.body is None else _told(_BODIES[route.body.__name__], number, named)
        return Asked(caller, route.method, path, body)

    def _caller_and_package(self, route: Route, number: int, *, reads: bool) -> tuple[str, int]:
        world = self.world
        if route.path.startswith("/user/memberships/orgs/"):
            return ("user-2", self._member)[number % 2], 2
        if route.path.startswith("/user/"):
            login = list(self.people)[number % PEOPLE]
            return login, self.people[login]
        of_user = route.path.startswith("/users/") and "packages" in route.path
        ends_org = (route.method, route.path) in _END_ORGANIZATIONS
        if not of_user and number % 2 and not ends_org:
            callers = ("user-2", self._member, world.user(world.users - 2)) if reads else ("user-2",)
            if route.access is Access.SITE_ADMIN:
                callers = ("admin",)
            return callers[number // 2 % len(callers)], _package(1 + number * 26 % world.big, route)
        start = world.big + number * 61 % (world.packages - world.big - 200)
        return "admin", _package(start, route, of_user=of_user)

    def _parameters(self, route: Route, number: int, package: int) -> Mapping[str, object]:
        world = self.world
        owner = world.owner(package)
        org = int(owner.removeprefix("org-")) if owner.startswith("org-") else 2 + number % (world.orgs - 2)
        place = number * 7 % 28 + 2
        member = 12 + number % (world.big_members - 12) if org == 1 else 1 + (org * 31 + place * 97) % world.users
        if route.path.startswith("/admin/users") or "suspended" in route.path or "site_admin" in route.path:
            # Who was renamed is not there to be deleted: the calls of a path are fewer than twice 200.
            renamed = 200 if (route.method, route.path) == ("DELETE", "/admin/users/{username}") else 0
            member = world.users // 2 + (number + renamed) % (world.users // 4)
        username = world.user(member)
        if "packages" in route.path and route.path.startswith("/users/"):
            username = owner
        deleted = route.path.endswith("/restore")
        return {
            "org": world.org(org),
            "username": username,
            "login": world.user(member),
            "account_id": member,
            "team_slug": f"team-{1 + number % 3}",
            "owner": owner,
            "repo": f"repo-{package // 2}",
            "repository_id": package // 2,
            "package_type": "container",
            "package_name": image(package).replace("/", "%2F"),
            "package_version_id": 10 * package + (8 if deleted else number % 4),
            "token_id": self._token(route, number),
            "tag": "latest",
            "digest": digest("m", 10 * package + number % 4),
        }

    def _token(self, route: Route, number: int) -> int:
        login = list(self.people)[number % PEOPLE]
        return int(login.removeprefix("user-")) - 1 + number // PEOPLE % 2 * self.world.users

    def _query(self, route: Route, number: int) -> str:
        if "page" not in route.query:
            return ""
        pages = ("per_page=100", "per_page=30&page=3", "per_page=100&page=100", "")
        container = "package_type=container" if "package_type" in route.query else ""
        state = "state=deleted" if "state" in route.query and number % 10 == 1 and "packages" in route.path else ""
        return "?" + "&".join(part for part in (container, state, pages[number % 4]) if part)

    def of_v2(self) -> dict[str, Any]:
        """Title to a function that makes the call of a number."""
        world = self.world
        member, stranger = self._member, world.user(world.users - 2)

        def one(method: str, rest: str, *, kind: str = "m", slot: int = 3) -> Any:
            def make(number: int) -> Asked:
                p = _package(1 + number * 4999 % (world.packages - 100), None, public=True)
                at = {"digest": digest(kind, 10 * p + slot), "from": f"{world.owner(p + 10)}/{image(p + 10)}"}
                return Asked(stranger, method, f"/v2/{world.owner(p)}/{image(p)}/{rest.format_map(at)}")

            return make

        def big(method: str, rest: str) -> Any:
            def make(number: int) -> Asked:
                spread = number * 4999 % world.big_tags
                manifest = 10 * (world.packages + 1) + spread // 9 * 5 + spread % 9 // 3 + 1
                at = {"tag": f"build-{spread:07}", "digest": digest("m", manifest)}
                return Asked(member, method, f"/v2/org-1/app-1/{rest.format_map(at)}")

            return make

        def same(method: str, path: str) -> Any:
            callers = ("admin", "user-2", member, stranger)

            def make(number: int) -> Asked:
                p = 1 + number * 4999 % world.packages
                after = f"{world.owner(p)}/{image(p)}"
                return Asked(callers[number % 4], method, path.format(after=after))

            return make

        return {
            "GET /v2/": same("GET", "/v2/"),
            "GET /v2/_catalog?n=100": same("GET", "/v2/_catalog?n=100"),
            "GET /v2/_catalog?n=100&last=": same("GET", "/v2/_catalog?n=100&last={after}"),
            "GET tags/list?n=20, 30 tags": one("GET", "tags/list?n=20"),
            "GET tags/list?n=100&last=, 500,000 tags": big("GET", "tags/list?n=100&last={tag}"),
            "GET tags/list?n=20&last=, 500,000 tags": big("GET", "tags/list?n=20&last={tag}"),
            "GET manifest by tag": one("GET", "manifests/latest"),
            "GET manifest by tag, 500,000 tags": big("GET", "manifests/{tag}"),
            "HEAD manifest by tag": one("HEAD", "manifests/latest"),
            "GET manifest by digest": one("GET", "manifests/{digest}"),
            "GET manifest by digest, 500,000 tags": big("GET", "manifests/{digest}"),
            "GET referrers": one("GET", "referrers/{digest}"),
            "GET config": one("GET", "blobs/{digest}", kind="c"),
            "HEAD layer": one("HEAD", "blobs/{digest}", kind="l"),
            "GET layer (redirected)": one("GET", "blobs/{digest}", kind="l"),
        }


def _is_there(package: int) -> bool:
    return package % 1000 != 3 and package % 2000 != 11 and package % 100 != 7


def _package(start: int, route: Route | None, *, of_user: bool = False, public: bool = False) -> int:
    """The first package from ``start`` that the route can do something with: deleted for one that restores it."""
    path = "" if route is None else route.path
    for p in count(start):
        if path.endswith("/packages/{package_type}/{package_name}/restore"):
            fits = p % 100 == 7 and p % 2000 != 11
        elif path.endswith("/restore"):
            fits = p % 50 == 0
        else:
            fits = _is_there(p) and (p % 10 < 4 if public else p % 2 == 0 and p % 400 != 0 and p % 50 != 0)
        if fits and (public or (p % 5 >= 3) == of_user or path.endswith("/restore")):
            return p
    raise AssertionError("unreachable")


def _told(body: dict[str, Any], number: int, named: Mapping[str, object]) -> dict[str, Any]:
    return {key: value.format(number, **named) if isinstance(value, str) else value for key, value in body.items()}
