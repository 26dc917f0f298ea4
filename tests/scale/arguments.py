"""What every statement is asked at this size: values of the world that are there, of its big parts where it has some."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Iterable
from typing import Final

from storage.metadata import events
from storage.metadata.events import Actor
from tests.scale import hooks, mirrors
from tests.scale.world import World

Arguments = tuple[object, ...]
_NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_FIRST, _LAST = dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
_BEHIND = 2**63 - 1
_END = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
_HASH = b"h" * 32
#: Ids of sessions, as they are stored: of two users, of nobody, and a visitor's.
_SESSIONS = (*(hashlib.sha256(f"session{n}".encode()).digest() for n in (7, 2)), _HASH, None)


def digest(kind: str, number: int) -> str:
    """As ``pg_temp.digest``."""
    return "sha256:" + hashlib.sha256(f"{kind}{number}".encode()).hexdigest()


def image(package: int) -> str:
    """The name of a package below its owner's."""
    return f"{'services/' if package % 3 == 0 else ''}app-{package}"


class Sample:
    """One of each, neither the first nor odd. ``org`` owns ``package``, which is public and linked to ``repository``."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.package = world.packages // 2 + 2
        self.org = 1 + self.package * 7919 % world.orgs
        self.org_id = world.users + self.org
        self.big_id = world.users + 1
        self.big_owner, self.big_member = 2, world.big_members // 2 + 2
        self.seat = 1 + self.org * 31 % world.users
        self.stranger = world.users - 2
        self.repository = self.package // 2
        self.workflow = world.tokens + self.repository // 40 * 40 + 21  # it ends hours from now
        self.version = 10 * self.package + 3
        self.team = self.org * 3
        self.upload = uuid.UUID(hashlib.md5(b"upload10").hexdigest())
        self.packages = range(self.package, self.package + 32)

    def token(self, user: int) -> int:
        """A classic token of a user."""
        return user - 1 + (self.world.users if user == 1 else 0)

    @property
    def actor(self) -> tuple[str]:
        """The parameter that names an account and its token."""
        return (events.by(Actor(self.stranger, self.token(self.stranger))),)

    @property
    def viewers(self) -> list[int]:
        """Tokens of an administrator, of an owner, a member and a stranger of the big organization, of a workflow."""
        people = (1, self.big_owner, self.big_member, self.stranger)
        return [*(self.token(user) for user in people), self.workflow]


def arguments(world: World) -> dict[str, list[Arguments]]:
    """Module and name of a statement to what it is run with."""
    s = Sample(world)
    return {
        **_rights(s),
        **_accounts(s),
        **_organizations(s),
        **_repositories(s),
        **_packages(s),
        **_content(s),
        **_tokens(s),
        **_administration(s),
        **hooks.arguments(s.org_id, s.repository, s.package, s.version, *s.actor),
        **mirrors.arguments(
            *s.actor,
            s.world.users + 7,
            s.stranger,
            s.package,
            digest("m", 10 * s.package + 3),
            digest("w", s.package),
            s.upload,
        ),
        **_sign_in(s),
        **_retention(s),
        **_uploads(s),
        **_jobs(s),
        **_adoptions(s),
    }


def _lines(several: Iterable[str]) -> str:
    return "\n".join(several)


#: Service accounts: one that is known, and one that is not.
_ACCOUNTS: Final = (-1, -(10**9))


def _asked_by_accounts(s: Sample, kind: str) -> list[Arguments]:
    return [(_lines([str(account)] * 32), *_asked(s, kind)[0][1:]) for account in _ACCOUNTS]


def _asked(s: Sample, kind: str) -> list[Arguments]:
    owners = _lines(s.world.owner(p) for p in s.packages)
    names = _lines(image(p) for p in s.packages)
    told = {
        "tag": _lines(["latest"] * 32),
        "manifest": _lines(digest("m", 10 * p + 3) for p in s.packages),
        "blob": _lines(digest("l", 10 * p + 3) for p in s.packages),
    }
    return [
        (_lines([str(s.token(s.stranger))] * 32), owners, names, told[kind]),
        (
            str(s.token(2)),
            "org-1",
            "app-1",
            {"tag": "build-0000007", "manifest": digest("m", 13), "blob": digest("b", 1)}[kind],
        ),
    ]


def _rights(s: Sample) -> dict[str, list[Arguments]]:
    p, by = s.package, s.actor
    return {
        "access_reasons._OF_PERSON": [
            (u, s.world.owner(package), image(package), package)
            for u, package in ((1, p), (s.seat, p), (s.stranger, p), (s.big_member, 1), (s.big_member, 2))
        ],
        "access._ALL": [(p,)],
        "access_pages._PAGE": [(p, "user-50"), (1, "user-50"), (1, "")],
        "access._PERSON": [(s.big_id, "user-50")],
        "access._TEAM": [(s.big_id, "team-1")],
        "access._GRANT_USER": [(p, 77, 2, *by)],
        "access._GRANT_TEAM": [(p, s.team, 2, *by)],
        "access._GRANT_REPOSITORY": [(p, s.repository, 2, *by, "actions")],
        "access._REVOKE_USER": [(p, s.seat, *by)],
        "access._REVOKE_TEAM": [(p, s.team, *by)],
        "access._REVOKE_REPOSITORY": [(p, s.repository, *by, None)],
        "access._CLEAR": [(p, *by)],
        "access._EXPEL": [(p, *by)],
        "access._SHOW_AS": [(p, "private", *by)],
        "access._INHERIT": [(p, True, *by)],
        "access._POLICY": [(s.org_id,)],
    }


def _audit(s: Sample) -> dict[str, list[Arguments]]:
    last = 2**62
    wanted: Arguments = (None, None, ["packages.%"], ["packages.package\\_%"], None, None, None, None, None)
    one: Arguments = (_NOW, None, [], [], [7], None, None, None, "192.0.2.1")
    of_all = [(str(last), last, *wanted, 101), (str(last), last, *one, 101)]
    up = [("0", 0, *rest, 101) for rest in (wanted, one)]
    return {
        "audit._OF_ALL": list[Arguments](of_all),
        "audit._OF_ALL_UP": list[Arguments](up),
        "audit._OF_OWNER": [(*values, owner) for values in of_all for owner in (s.org_id, s.stranger)],
        "audit._OF_OWNER_UP": [(*values, owner) for values in up for owner in (s.org_id, s.stranger)],
        "audit._ENTRIES": [(["700"], [7])],
        "audit._PACKAGES": [(s.world.owner(s.package), image(s.package))],
        "audit._REPOSITORIES": [(f"org-{s.org}", f"repo-{s.repository}")],
        "audit._ACTORS": [("USER-7",), ("once-11",)],
        "audit._TOKENS": [(_HASH,)],
        "audit._READ": [("0", 0), (str(last), last)],
        "event_seals._NEXT": [()],
        "event_seals._INSERT": [(200, "700", 7, 7, _NOW, _NOW, _HASH, _HASH * 2)],
        "event_seals._CHECK": [(1,), (100,)],
        "event_seals._STATE": [()],
        "audit._CLAIM": [("reader-1", 60.0), ("new", 60.0)],
        "audit._READER": [("reader-1",)],
        "audit._RELEASE": [("reader-1",)],
        "audit._ADVANCE": [("reader-1", "701", 7), ("new", "701", 7)],
    }


def _accounts(s: Sample) -> dict[str, list[Arguments]]:
    return {
        "accounts._INSERT": [("User", "new", None, None, False, *s.actor)],
        "accounts._BY_LOGIN": [("USER-7",)],
        "accounts._BY_ID": [(7,)],
        "accounts._LISTED": [(0, 100), (s.big_id, 30)],
        "accounts._LISTED_ORGANIZATIONS": [(0, 100), (s.org_id, 30)],
        "accounts._LOCK": [("user-7",)],
        "accounts._HOLD": [(7,), (s.org_id,)],
        "accounts._NEAR": [(t,) for t in s.viewers],
        "accounts._REPOSITORIES": [(s.org_id,), (s.big_id,)],
        "accounts._ADMINISTRATORS": [()],
        "accounts._SUSPEND": [(7, True, *s.actor)],
        "accounts._PROMOTE": [(7, True, *s.actor)],
        "accounts._TAKEN_FROM_EVERYBODY": [(s.org_id, "gone-7"), (s.big_id, "gone-7")],
        "accounts._RETIRE": [(s.org_id, 5000), (s.big_id, 5000)],
        "accounts._RENAME": [(7, "renamed", *s.actor)],
        "accounts._FORGET": [(s.org_id, *s.actor), (s.stranger, *s.actor)],
        "accounts._FORGET_TEAMS": [(s.org_id,)],
    }


def _organizations(s: Sample) -> dict[str, list[Arguments]]:
    return {
        "organizations.SEEN": [(t, "Org-1") for t in s.viewers],
        "organizations._UPDATE": [(s.org_id, None, None, "new", None, None, None, None, None, *s.actor)],
        "owner_pages._ORGANIZATION_IN_SESSION": [(key, "Org-1") for key in _SESSIONS],
        "organizations._MEMBERS_PAGE": [
            (s.big_id, None, 100, 0),
            (s.big_id, None, 100, 9900),
            (s.big_id, "admin", 30, 0),
        ],
        "organizations._MEMBER": [(s.big_id, "user-50")],
        "organizations._SEAT": [(s.big_id, s.stranger, "member", *s.actor)],
        "organizations._OTHER_OWNERS": [(s.big_id, 2)],
        "organizations._UNSEAT": [(s.big_id, s.big_member, *s.actor)],
        "organizations._UNGRANT": [(s.big_id, s.big_member)],
        "organizations._BELONGINGS_PAGE": [(s.big_member, s.big_member, 30, 0), (s.big_member, 7, 30, 0)],
        "organizations._SOLE_OWNER": [(s.seat,), (2,)],
        "organizations._LOCK_OF_USER": [(s.seat,), (2,)],
        "teams._PAGE": [(s.big_id, 100, 0), (s.big_id, 100, 900)],
        "teams._BY_SLUG": [(s.big_id, "Team-1")],
        "teams._INSERT": [(s.big_id, "new", "New", "", *s.actor)],
        "teams._UPDATE": [(s.org_id, s.team, None, None, "new", *s.actor)],
        "teams._DELETE": [(s.org_id, s.team, *s.actor)],
        "teams._MEMBERS_PAGE": [(s.org_id, s.team, 30, 0)],
        "teams._MEMBER": [(s.org_id, s.team, f"user-{s.seat}")],
        "teams._ADD": [(s.org_id, s.team, f"user-{s.seat}", *s.actor)],
        "teams._REMOVE": [(s.org_id, s.team, f"user-{s.seat}", *s.actor)],
        "collaborators._PAGE": [(s.repository, 100, 0), (1, 100, 0)],
        "collaborators._ONE": [(s.repository, f"user-{s.seat}")],
        "collaborators._NAMED": [(s.repository, f"user-{s.seat}")],
        "collaborators._PUT": [(s.repository, s.seat, 2, *s.actor), (s.repository, s.stranger, 2, *s.actor)],
        "collaborators._REMOVE": [(s.repository, s.seat, *s.actor)],
        "collaborators._TEAM": [(s.repository, s.team)],
        "collaborators._PUT_TEAM": [(s.repository, s.team, 2, *s.actor)],
        "collaborators._REMOVE_TEAM": [(s.repository, s.team, *s.actor)],
    }


def _repositories(s: Sample) -> dict[str, list[Arguments]]:
    name = f"repo-{s.repository}"
    owned = [(t, s.big_id, True, None) for t in s.viewers]
    mine = [(s.token(u), u, True, None) for u in (1, s.big_owner, s.big_member, s.stranger)]
    team = [(t, 1, True, None) for t in s.viewers]
    pages: list[Arguments] = [(30, 0), (100, 9900)]
    orders: list[Arguments] = [("full_name", False), ("created", True), ("updated", True)]
    return {
        "repositories._SEEN": [(t, f"org-{s.org}", name) for t in s.viewers],
        "repositories._FORMER": [(f"org-{s.org}", name), (f"org-{s.org}", "gone"), ("once-1", "gone")],
        "repositories._BY_ID": [(t, s.repository) for t in s.viewers],
        "naming._ACCOUNTS": [([f"org-{s.org}", "nobody"],)],
        "naming._TEAM": [(f"org-{s.org}", "team-1")],
        "naming._REPOSITORY": [(f"org-{s.org}", name)],
        "naming._TEAM_MEMBER": [(1, "user-1")],
        "naming._COLLABORATOR": [(s.repository, "user-1")],
        "naming._TEAM_GRANT": [(s.repository, 1)],
        "naming._TOKEN": [(s.token(1), 1)],
        "repository_lists._OWNED": [(*who, *page, *order) for who in owned for page in pages for order in orders],
        "repository_lists._MINE": [(*who, *page, *order) for who in mine for page in pages for order in orders],
        "repository_lists._OF_TEAM": [(*who, *page) for who in team for page in pages],
        "repositories._INSERT": [(s.org_id, "new", "private", "", "", s.seat, *s.actor)],
        "repositories._UPDATE": [(s.repository, None, "private", None, None, *s.actor)],
        "repositories._LOCK": [(s.repository, s.org_id)],
        "repositories._UNLINK": [(s.repository, *s.actor)],
        "repositories._DELETE": [(s.repository, *s.actor)],
        "repositories._TRANSFER": [(s.repository, s.stranger, "moved", *s.actor)],
        "repositories._GRANT_MOVER": [(s.repository, s.org_id, s.seat)],
        "links._TARGET": [(t, f"org-{s.org}", name) for t in s.viewers],
        "links._LINK": [(s.package, s.repository, True, True, *s.actor)],
        "links._UNLINK": [(s.package, *s.actor)],
    }


def _packages(s: Sample) -> dict[str, list[Arguments]]:
    named = (s.world.owner(s.package), image(s.package))
    last = f"{s.world.owner(s.world.packages // 2)}/{image(s.world.packages // 2)}"
    return {
        "packages._ACCESS_FACTS": [(t, *named) for t in (*s.viewers, None)],
        "packages.ACCESS_FACTS": _asked(s, "tag"),
        "packages.ACCESS_FACTS_FAST": _asked(s, "tag"),
        "packages.ACCESS_FACTS_KEYLESS": _asked_by_accounts(s, "tag"),
        "packages._ACCESS_FACTS_DELETED": [
            (t, s.world.owner(107), image(107), which) for t in s.viewers for which in (None, 107)
        ],
        "packages._ENSURE": [(s.org_id, "new", s.seat, s.token(s.seat)), (s.org_id, named[1], s.seat, s.workflow)],
        "packages._LOCK": [(s.package,)],
        "packages._HIDE": [(s.package, *s.actor)],
        "packages._GIVE_WAY": [(107,)],
        "packages._UNHIDE": [(107, 2592000.0, *s.actor)],
        "packages._CATALOG": [(t, after, 100) for t in s.viewers for after in ("", last)],
        "catalog._SHOW": [(t, p) for t in s.viewers for p in (s.package, 1)],
        "catalog._PAGE": [
            (t, s.big_id, v, n, o) for t in s.viewers for v in (None, "private") for n, o in ((30, 0), (100, 9900))
        ],
        "shown._OF_OWNER": [
            (t, owner, after, 51, prefix, None)
            for t in (*s.viewers, None)
            for owner in ("org-1", f"org-{s.org}")
            for after in ("", "app-1")
            for prefix in ("", "app")
        ],
        "package_pages._PACKAGE": [
            (t, owner, image(s.package)) for t in (*s.viewers, None) for owner in ("org-1", f"org-{s.org}")
        ],
        "package_pages._HIGHLIGHTS": [
            (s.package, digest("m", 10 * s.package + 3), _NOW.date()),
            (1, digest("m", 13), _NOW.date()),
        ],
        "package_pages._REFERRERS": [(p, [digest("m", 10 * p + n) for n in range(10)]) for p in (s.package, 1)],
        "package_pages._CHILDREN": [(p, [digest("m", 10 * p + n) for n in range(10)]) for p in (s.package, 1)],
        "package_pages._PACKAGE_IN_SESSION": [
            (key, owner, image(s.package)) for key in _SESSIONS for owner in ("org-1", f"org-{s.org}")
        ],
        "owner_pages._SEEN": [(t, login) for t in (*s.viewers, None) for login in ("Org-1", "user-7", "none")],
        "owner_pages._IN_SESSION": [(key, login) for key in _SESSIONS for login in ("Org-1", "user-7", "none")],
        "package_pages._VERSION_IN_SESSION": [
            (key, f"org-{s.org}", image(s.package), *which)
            for key in _SESSIONS
            for which in (("latest", None), (None, digest("m", 10 * s.package + 3)))
        ],
        **{
            f"package_pages.{name}": [
                (p, before, 51, *narrowed)
                for p in (s.package, 1)
                for before in (_BEHIND, 10_000)
                for narrowed in ((None, None), ("^v.*$", _NOW))
            ]
            for name in ("_WHOLE", "_WITH_TAGS", "_WITHOUT_TAGS", "_EVERY")
        },
        "package_pages._END": [(p, before) for p in (s.package, 1) for before in (_BEHIND, 10_000)],
        "selections._SELECT": [
            (p, after, tagged, *narrowed)
            for p in (s.package, 1)
            for after in (0, 10_000)
            for tagged in (None, True, False)
            for narrowed in ((None, None), ("^v.*$", _NOW))
        ],
        "shown._PRESENT": [("former-1",), ("nobody",)],
        "catalog._DELETED": [(t, 30, 0, 2592000.0, s.big_id, None) for t in s.viewers],
        "catalog._DELETED_OF_MINE": [(t, 30, 0, 2592000.0) for t in s.viewers],
        "search._MATCHES": [
            (t, q, f"{q}\U0010ffff") for t in (*s.viewers, None) for q in ("app-1", "org-1/", "a", "serv")
        ],
        "search._NAMED": [(t, after, 100) for t in (*s.viewers, None) for after in ("", last)],
        "search._NEWEST": [(t, when, 5, 100) for t in (*s.viewers, None) for when in (_NOW, _END)],
        "search._DETAILS": [(t, [s.package + n for n in range(30)]) for t in (*s.viewers, None)],
        "usage._OF_PACKAGE": [(s.package,), (1,)],
        "usage._OF_OWNER": [(s.org_id,), (s.stranger,), (s.big_id,)],
        "downloads._ADD": [
            (
                [10 * p + 3 for p in s.packages],
                [dt.date(2026, 1, 1)] * 32,
                [1] * 32,
                [10 * p + 3 for p in s.packages],
                [_NOW.timestamp()] * 32,
            )
        ],
        "pulls._ADD": [
            (
                [10 * p + 3 for p in s.packages],
                ["v1", None] * 16,
                [7, None] * 16,
                [s.token(7), None] * 16,
                ["192.0.2.1"] * 32,
                ["docker"] * 32,
                [1] * 32,
            )
        ],
        "pulls._OF_PACKAGE": [(s.package, 2**62, _FIRST, 31), (1, 50, _NOW, 31)],
        "pulls._TURN": [(0,), (7,)],
        "downloads._DAYS": [(s.package, s.version), (1, 10)],
    }


def _retention(s: Sample) -> dict[str, list[Arguments]]:
    policy, plan, body = 7, 21, '{"rules": [], "packages": ["*"]}'
    version, since = digest("m", s.version), _NOW.timestamp()
    ids = [10 * s.package + n for n in range(10)]
    return {
        "retention._POLICIES": [(s.org_id,), (s.big_id,)],
        "retention._ONE_POLICY": [(policy, s.world.users + policy)],
        "retention._CREATE": [(s.org_id, "new", body, "daily", True, *s.actor)],
        "retention._UPDATE": [(policy, s.world.users + policy, "newer", body, "daily", True, *s.actor)],
        "retention._DELETE": [(policy, s.world.users + policy, *s.actor)],
        "retention._PLANS": [(o, before, 31) for o in (s.org_id, s.big_id) for before in (_BEHIND, 100)],
        "retention._ONE_PLAN": [(plan, s.world.users + policy)],
        "retention._MAKE": [(s.world.users + policy, policy, body, *s.actor)],
        "retention._QUEUED": [(policy,)],
        "retention._TURN": [(plan, s.world.users + policy, "applying", ["planned"], *s.actor)],
        "retention._WAITING": [(2592000.0,)],
        "retention._START": [()],
        "retention._CLAIM": [()],
        "retention._ADVANCE": [
            (plan, s.package, 1, 0, 1, 1, "planned", True, "queued"),
            (plan, s.package, 1, 0, 1, 1, None, False, "applying"),
        ],
        "retention._IS_CURRENT": [(plan,)],
        "retention._FORGET_DECISIONS": [(2592000.0,)],
        "retention._FORGET_PLAN": [(2592000.0,)],
        "retention_decisions._FORGET_PACKAGE": [(plan, s.package)],
        "retention_decisions._ADD": [(plan, s.package, [7], [1], ["sha256:00"], [None], ["a b"], ["keep"], ["[]"])],
        "retention_decisions._LISTED": [
            (plan, p, -1, decision, package, 31)
            for p in (0, 1)
            for decision in (None, "delete")
            for package in (None, 1)
        ],
        "retention_decisions._TO_DO": [(plan, 1, 10, None, 100), (plan, 1, 10, "done", 100)],
        "retention_decisions._NEXT_PACKAGE": [(s.world.users + policy, plan, 0), (s.world.users + policy, plan, 1)],
        "retention_decisions._SETTLE": [(plan, 1, '[{"place": 1, "outcome": "done", "told": null}]')],
        "retention_decisions._EXPLAINED": [(s.package, s.version), (1, 10)],
        "retention_decisions._NAMED": [(s.org_id, image(s.package))],
        "retention_contents._PACKAGES": [(s.org_id, 0), (s.big_id, 100)],
        "retention_contents._CLOCK": [()],
        "retention_contents._VERSIONS": [(p, 0, x, x) for p in (s.package, 1) for x in (True, False)],
        "retention_contents._TAGS": [(s.package, ""), (1, "build-0001000")],
        "retention_contents._PARTS": [(s.package, "", ""), (1, "", "")],
        "retention_contents._LOSSES": [(s.package, 0, since - 1e8), (1, 0, since - 1e8)],
        "retention_contents._TOUCHED": [(s.package, ids, since, True), (1, [10, 11, 12], since, False)],
        "retention_contents._TAG_TOUCHED": [(s.package, "latest", version, since)],
        "retention_contents._TAG_WENT": [(s.package, "latest", version, _NOW), (1, "build-0001000", version, _NOW)],
        "retention_contents._WENT": [(s.version, _NOW)],
        "retention_contents._GONE": [(s.package, [version], _NOW)],
        "retention_contents._MISSING": [(s.package, ids)],
    }


def _content(s: Sample) -> dict[str, list[Arguments]]:
    p, m = s.package, digest("m", s.version)
    layers = [digest("l", s.version), digest("c", s.version), digest("b", p % 1000)]
    put: Arguments = (
        p,
        digest("n", 1),
        "application/vnd.oci.image.manifest.v1+json",
        None,
        None,
        None,
        b"{}",
        layers,
        [],
        None,
        None,
        None,
        None,
        "image",
        ["linux/amd64"],
        False,
        ["latest", "new"],
        events.by(Actor(None, s.workflow)),
    )
    named = (s.world.owner(p), image(p))
    return {
        "readiness._STATE": [()],
        "snapshot_cache._NAME": [()],
        "blobs.LOCATE": _asked(s, "blob"),
        "blobs.LOCATE_FAST": _asked(s, "blob"),
        "blobs.LOCATE_KEYLESS": _asked_by_accounts(s, "blob"),
        "blobs._TOUCH": [(p, layers[0])],
        "blobs._SUSPECT": [(layers[0], "b/xx")],
        "blobs._TRUST": [(layers[0], "b/xx")],
        "blobs._STORED": [(layers[0],)],
        "blobs._MOUNT": [(3600.0, p, p + 1, layers[0])],
        "blobs._READABLE_SOURCE": [
            (t, d, granted)
            for t in s.viewers
            for d in (layers[0], digest("b", 0), digest("x", 0))
            for granted in (None, ["nobody/nothing"])
        ],
        "blobs._UNLINK": [(p, layers[0]), (1, digest("b", 1))],
        "manifests.BY_TAG": _asked(s, "tag"),
        "manifests.BY_TAG_FAST": _asked(s, "tag"),
        "manifests.BY_TAG_KEYLESS": _asked_by_accounts(s, "tag"),
        "manifests.BY_DIGEST": _asked(s, "manifest"),
        "manifests.BY_DIGEST_FAST": _asked(s, "manifest"),
        "manifests.BY_DIGEST_KEYLESS": _asked_by_accounts(s, "manifest"),
        "manifests._BODY": [(p, m)],
        "manifests._MISSING": [(p, layers, [m])],
        "manifests._INSERT": [put],
        "retags._MOVE": [
            (
                p,
                "latest\nnew",
                f"{m}\n{m}",
                _lines(["application/vnd.oci.image.manifest.v1+json"] * 2),
                _lines([events.by(Actor(None, s.workflow)), events.by(Actor(None, 7))]),
            )
        ],
        "manifests._CONFIG": [(p, layers[1])],
        "manifests._REFERRERS": [(t, *named, m, None, "", 100) for t in s.viewers],
        "manifests._REFERRERS_KEYLESS": [(t, *named, m, None, "", 100) for t in _ACCOUNTS],
        "clusters._LIST": [(s.org_id,), (s.big_id,)],
        "clusters._GET": [(s.org_id, "prod")],
        "clusters._PUT": [
            (s.org_id, name, "https://cluster.example", None, '{"keys": []}', ["one"], None, 20, *s.actor)
            for name in ("prod", "new")
        ],
        "clusters._REMOVE": [(s.org_id, "prod", *s.actor)],
        "clusters._GRANTS": [(s.org_id, name) for name in ("prod", None)],
        "clusters._GIVE": [
            (s.org_id, "prod", namespace, "*", "*", "^.*$", "^.*$", "^.*$", 100, *s.actor) for namespace in ("*", "new")
        ],
        "clusters._TAKE": [(s.org_id, "prod", 1, *s.actor)],
        "clusters._OF_ISSUER": [("https://kubernetes.default.svc.cluster.local", kid) for kid in ("kid-1", "none")],
        "clusters._KNOWS": [(name,) for name in ("https://kubernetes.default.svc.cluster.local", "none")],
        "clusters._FIND": [("team-1", "web-1", [1])],
        "clusters._ADD": [("team-1", name, [1]) for name in ("web-1", "new")],
        "clusters._NAMED": [(account,) for account in _ACCOUNTS],
        "clusters._FORGET": [(1000,)],
        "tag_rules._LIST": [(s.org_id,), (s.big_id,)],
        "tag_rules._GET": [(s.org_id, "releases")],
        "tag_rules._PUT": [
            (s.org_id, name, "*", ["v*"], [], ["move"], None, True, "^.*$", "^v.*$", 50, *s.actor)
            for name in ("releases", "new")
        ],
        "tag_rules._SWITCH": [(s.org_id, "releases", False, *s.actor)],
        "tag_rules._REMOVE": [(s.org_id, "releases", *s.actor)],
        "tags._PAGE": [(t, "org-1", "app-1", after, 100) for t in s.viewers for after in ("", "build-0001500")],
        "tags._PAGE_FAST": [(t, "org-1", "app-1", after, 100) for t in s.viewers for after in ("", "build-0001500")],
        "tags._PAGE_KEYLESS": [(t, "org-1", "app-1", after, 100) for t in _ACCOUNTS for after in ("", "build-0001500")],
        "tags._REMOVE": [(p, "latest", None, *s.actor), (1, "build-0000007", m, *s.actor)],
        "tags._ONE": [(p, "latest"), (1, "build-0000007")],
        "tags._BY_NAME": [(1, 101, "", "~", ""), (1, 101, "build-00015", "build-00015~", "build-0001550")],
        "tags._BY_NAME_DOWN": [(1, 101, "", "~", "~"), (1, 101, "build-00015", "build-00015~", "build-0001550")],
        "tags._BY_TIME": [(1, 101, _FIRST, ""), (p, 101, _NOW, "x")],
        "tags._BY_TIME_DOWN": [(1, 101, _LAST, ""), (p, 101, _NOW, "x")],
        "tags._PUT": [(p, "latest", m, *s.actor, None), (1, "build-0000007", digest("m", 10), *s.actor, "moved")],
        "tag_history._PREVIOUS": [(p, "latest", m), (1, "build-0000007", None)],
        "tag_history._KEPT": [(p, m), (1, digest("m", 10))],
        "tag_history._THEN": [(p, "latest", _END), (1, "build-0000007", _END)],
        "events._OF_PACKAGE": [
            (1, _BEHIND, 101, None),
            (1, _BEHIND, 101, ["packages.access_granted"]),
            (p, 7, 31, None),
        ],
        "events._OF_TAG": [(1, _BEHIND, 101, "build-0000007"), (p, _BEHIND, 101, "latest")],
        **_audit(s),
        "tags._LOCKED": [(p, "latest"), (1, "build-0000007")],
        "versions._GET": [(p, s.version)],
        "versions._PAGE": [(p, 30, 0), (1, 30, 0), (1, 100, 9900)],
        "versions._DELETED": [(50, 30, 0, 2592000.0), (1, 30, 0, 2592000.0)],
        **_deletions(p, s.version),
        "versions._HIDE": [(p, s.version, [m, digest("m", s.version + 1)], *s.actor)],
        "versions._LOCK_DELETED": [(50, 508, 2592000.0)],
        "versions._RETURNING": [(50, 508)],
        "versions._LOCK_LINKS": [(50, [digest("m", 508), digest("m", 509)])],
        "versions._UNHIDE_LINKS": [(50, [digest("l", 508)])],
        "versions._UNHIDE": [(50, [digest("m", 508), digest("m", 509)], *s.actor)],
    }


def _deletions(p: int, version: int) -> dict[str, list[Arguments]]:
    m, followed = digest("m", version), [digest("m", version), digest("m", version + 1)]
    return {
        "deletions._LEAVING": [(p, [version]), (1, [10]), (1, [10, 13, 15])],
        "deletions._AROUND": [(p, followed, [m]), (1, [digest("m", 10)], [digest("m", 10), digest("m", 11)])],
        "deletions._PREVIEW": [
            (p, followed, [m], [version, version + 1]),
            (p, [digest("m", version - 3)], [digest("m", version - 3)], [version - 3]),
            (1, [digest("m", 13)], [digest("m", 13)], [13]),
            (1, [digest("m", 10)], [digest("m", 10), digest("m", 11)], [10]),
        ],
        "deletions._LEAVING_PACKAGE": [(p,), (1,), (100,)],
        "deletions._RETURNING": [(50, 508, 2592000.0)],
        "deletions._RETURNING_PACKAGE": [(107, 2592000.0)],
    }


def _tokens(s: Sample) -> dict[str, list[Arguments]]:
    own = (s.stranger, s.token(s.stranger))
    return {
        "tokens.BY_HASH": [(_lines(hashlib.sha256(f"token{n}".encode()).hexdigest() for n in range(77, 109)),)],
        "tokens._INSERT": [(7, _HASH, "abcdefgh", "", ["read:packages"], None, None, *s.actor, "laptop")],
        "tokens._USED": [(own[1],)],
        "tokens._PAGE": [(s.stranger, 30, 0)],
        "tokens._COUNT": [(s.stranger,)],
        "tokens._ONE": [own],
        "tokens._REVOKE": [(*own, *s.actor)],
        "tokens._REVOKE_WORKLOAD": [(s.workflow, *s.actor)],
        "authorizations._SEAT": [(s.big_member, "Org-1")],
        "authorizations._SSO_ORGANIZATIONS": [own, (s.big_member, s.token(s.big_member))],
        "authorizations._AUTHORIZE": [(*own, s.big_id, *s.actor)],
        "authorizations._DEAUTHORIZE": [(*own, s.big_id, *s.actor)],
        "tokens._INSERT_WORKLOAD": [(7, "workflow", _HASH, "abcdefgh", "", s.repository, 3, 3600.0, *s.actor)],
        "tokens._INSERT_KEYLESS": [(f"org-{s.org}", f"repo-{s.repository}", _HASH, "", "subject", 3, 3600.0, *s.actor)],
        "tokens._FORGET": [(1000,)],
    }


def _administration(s: Sample) -> dict[str, list[Arguments]]:
    return {
        "transfers._RECEIVER": [("user-7", "app-7"), ("gone-7", "app-7")],
        "transfers._RETIRE": [(s.package, 5000), (1, 5000)],
        "transfers._GIVE_WAY": [(7, "app-7"), (s.big_id, "app-7")],
        "transfers._TRANSFER": [(s.package, 7, "moved", 7, None), (1, 7, "moved", 7, None)],
        "access._CLEAR_REPOSITORIES": [(s.package, 7, None)],
        "job_runs._RAN": [("collect_garbage", 30.0, 7)],
        "job_runs._FAILED": [("collect_garbage", 30.0, "Postgres: read-only")],
        "job_runs._ALL": [()],
        "read_only._STATE": [()],
        "read_only._ON": [("we move",)],
        "read_only._OFF": [()],
        "readiness._SERVER": [()],
        "administration._PEOPLE": [(0, 100), (s.stranger - 10, 30)],
        "administration._SUSPENDED": [(0, 100)],
        "administration._ADMINISTRATORS": [(0, 100)],
        "administration._NAMED": [("", "user-1", 30), ("user-17", "user-1", 30), ("", "u", 100)],
        "administration._TOKENS": [(2**62, 100), (s.world.tokens // 2, 100)],
        "administration._TOKENS_OF": [(2**62, 100, s.stranger)],
        "administration._REVOKE": [(s.token(s.stranger), *s.actor)],
        "owner_pages._STANDING": [(s.big_member, s.big_member, 100, 0), (7, 7, 100, 0)],
        "administration._COUNTS": [()],
    }


def _sign_in(s: Sample) -> dict[str, list[Arguments]]:
    key, session = hashlib.sha256(b"session7").digest(), 10 * s.world.tokens + 7
    code, device = hashlib.sha256(b"code7").digest(), hashlib.sha256(b"device7").digest()
    typed = hashlib.sha256(b"typed7").digest()
    attempts = [hashlib.sha256(f"attempt{n}".encode()).digest() for n in (7, 8)]
    return {
        "web_sessions._FIND": [(key,), (_HASH,)],
        "web_sessions._SEEN": [(session,)],
        "web_sessions._BEGIN": [
            (7, _HASH, ["user"], "password", _NOW, "::1", "", key, "hash7", *s.actor),
            (7, _HASH, [], "oidc", _NOW, "::1", "", None, None, *s.actor),
        ],
        "web_sessions.OF_ACCOUNT": [(7,)],
        "web_sessions._END": [(7, session, *s.actor)],
        "web_sessions._END_OTHERS": [(7, session, *s.actor)],
        "web_sessions._FORGET": [(1000,)],
        "web_sessions._MAY_SIGN_IN": [(7,)],
        "sign_in._BY_LOGIN": [("USER-7",)],
        "sign_in._BY_ID": [(7,)],
        "sign_in._LOCK": [(7,)],
        "sign_in._SET_PASSWORD": [(7, "hash", *s.actor)],
        "sign_in._REHASH": [(7, "hash7", "hash")],
        "sign_in._ISSUE": [(7, _HASH, 600.0, True, *s.actor), (8, _HASH, 600.0, False, *s.actor)],
        "sign_in._REDEEM": [(code,)],
        "sign_in._FAILED": [("USER-7", "password", *s.actor), (None, "code", *s.actor)],
        "sign_in._COUNT": [(attempts, 300.0), ([_HASH], 300.0)],
        "sign_in._FORGIVE": [(attempts,)],
        "sign_in._FORGET_ATTEMPTS": [(1000,)],
        "sign_in._IDENTITIES": [(7,)],
        "sign_in._IDENTIFY": [("https://id.example", "7", None)],
        "sign_in._CONNECT": [("https://id.example", "new", 7, None, *s.actor)],
        "sign_in._DISCONNECT": [(7, "https://id.example", "7", *s.actor)],
        "devices._START": [(_HASH, _HASH, "host", "::1", ["read:packages"], 900.0)],
        "devices._WAITING": [(typed,)],
        "devices._DECIDE": [(typed, 7, True, *s.actor)],
        "devices._POLL": [(device,)],
        "devices._END": [(7,)],
        "devices._FORGET": [(1000,)],
    }


def _uploads(s: Sample) -> dict[str, list[Arguments]]:
    made, d = uuid.UUID(int=7), digest("x", 1)
    return {
        "sessions.FIND": [(str(s.token(1)), s.world.owner(500), image(500), str(s.upload))],
        "sessions.FIND_FAST": [(str(s.token(1)), s.world.owner(500), image(500), str(s.upload))],
        "sessions._APPEND": [(s.upload, 0, 0, b"bytes", b"state")],
        "sessions._FINISH": [(3600.0, d, s.upload, 0, 0, b"bytes")],
        "sessions._PUT": [(3600.0, d, s.package, b"bytes")],
        "uploads._START": [(made, s.package, 7, s.token(7), "sha256", "b/xx", 3600.0, 100, 0)],
        "uploads._CLAIM": [(s.upload, 500, 1, 60.0, True)],
        "uploads._STATE": [(s.upload, 500, 1)],
        "uploads._RENEW": [(s.upload, 0, 60.0)],
        "uploads._NUMBER": [(s.upload, 0, "multipart")],
        "uploads._RECORD": [(s.upload, 0, 100, b"", b"", 9, "etag", 100, None, None, False, False)],
        "uploads._ROLL_BACK": [(s.upload, 0, 100, b"", b"", [1, 2], ["b/xx"], [100])],
        "uploads._RELEASE": [(s.upload, 0)],
        "uploads._FAIL": [(s.upload, 0)],
        "uploads._ABORT": [(s.upload, 500, 1)],
        "uploads._PUBLISH": [(3600.0, s.upload, 0, d, 100, "b/xx", None)],
        "uploads._EXPIRED": [(60.0, 100)],
        "uploads._SWEPT": [([s.upload], 3600.0)],
        "uploads._FORGET": [([s.upload],)],
    }


def _adoptions(s: Sample) -> dict[str, list[Arguments]]:
    root, found = "docker/registry/v2", [digest("adopted", n) for n in range(1000)]
    return {
        "adoptions._BEGIN": [(root,)],
        "adoptions._OPEN": [(root,)],
        "adoptions._LOCK": [(root,)],
        "adoptions._NOTE": [(root, found, [1] * 1000)],
        "adoptions._FORGET": [(root,)],
        "adoptions._SIZES": [(root, found[:50])],
        "adoptions._TAKE": [(3600.0, s.package, root, found[:50])],
        "adoptions._KNOWN": [(s.package, [digest("m", s.version), *found])],
        "adoptions._TAGS": [(s.package, "adoption")],
        "adoptions._SEAL": [(root,)],
        "adoptions._RELEASE": [(root,)],
    }


def _jobs(s: Sample) -> dict[str, list[Arguments]]:
    window, link = 2592000.0, (s.package, digest("l", s.version))
    return {
        "garbage._DUE": [(1000,)],
        "garbage._BURIED": [(["b/xx", "b/yy"],)],
        "garbage._LIVING": [(["b/xx", "b/yy"],)],
        "garbage._REVIEWS": [(200,)],
        "garbage._LOCK": [link],
        "garbage._DROP": [(*link, 3600.0)],
        "garbage._POSTPONE": [(*link, 3600.0)],
        "garbage._REVIEWED": [link],
        "garbage._GONE": [link],
        "garbage._LOCK_BLOB": [(link[1],), (digest("b", 0),)],
        "garbage._KEPT": [(link[1],)],
        "garbage._LOCK_REVIEWS": [(link[1], [link[0]])],
        "garbage._DECIDED": [(link[1], [link[0]])],
        "garbage._DROP_BLOB": [(link[1], 3600.0), (digest("b", 0), 3600.0)],
        "packages._FORGET_UNPUBLISHED": [(86400.0, 100)],
        "packages._EXPIRE": [(window,)],
        "packages._LET_GO": [()],
        "packages._PURGE": [()],
        "purges._DUE": [(window, 200)],
        "purges._LOCK_DUE": [(50, digest("m", 508), window)],
        "purges._PURGE": [(50, digest("m", 508), 508)],
        "purges._DELETED": [(s.world.owner(107), image(107))],
        "purges._END_WINDOW": [(107,)],
        "queues._QUEUES": [(window,)],
        "examination._FACTS": [()],
        "examination._APPLIED": [()],
        "sizes._ADD": [(100,)],
        "events._TURN": [(6,)],
        "quotas._LARGEST_READABLE": [(s.token(2), 1, None), (s.token(s.stranger), s.package, ["org-1/app-1"])],
        "quotas._SET": [(s.org_id, 7, True, 90, *s.actor)],
        "quotas._REMOVE": [(s.org_id, *s.actor)],
        "quotas._WARN": [([s.org_id, s.big_id], *s.actor)],
        "usage_reports._REPORT": [(s.big_id, 100), (s.org_id, 5)],
        "usage_reports._OWNERS": [(100,)],
        "usage_reports._DAYS": [(s.org_id, _NOW.date(), _END.date())],
        "usage_counts._LOCK": [()],
        "usage_counts._FOLD": [(1000,), (10,)],
        "usage_counts._SWEEP": [()],
        "usage_counts._DUE": [(86400.0, 50)],
        "usage_counts._WAIT": [()],
        "usage_counts._BLOBS": [(s.org_id, "", "~"), (s.big_id, "sha256:1", "sha256:2")],
        "usage_counts._REST": [(s.org_id,), (s.big_id,)],
        "usage_counts._CORRECT": [(s.org_id, 7, [s.package], [7])],
        "usage_counts._NOTE": [(1000,)],
    }
