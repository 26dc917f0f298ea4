"""What every route must answer to whom: a table written by hand, and an oracle that never asks ``decide``.

A route that is not in ``REST`` (or a kind that is not in ``OCI``) fails the matrix; so does a line without a route.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from registry.oci.request import Kind


class Need(Enum):
    """What a caller must have, beside the scope."""

    ANYBODY = auto()
    TOKEN = auto()  # any usable token
    PERSON = auto()  # the token of a person, not of a repository
    SELF = auto()  # the user of the path, who is olga
    WORKLOAD = auto()  # the token of a repository
    SITE_ADMIN = auto()
    CLASSIC = auto()  # a classic token: rules of others name packages, not all that somebody owns
    READS = auto()  # read:packages in the token itself: none is minted that may do more (S15)
    SEAT = auto()  # a seat of one's own in the organization
    ORG_MEMBER = auto()
    ORG_OWNER = auto()
    REPO_READ = auto()
    REPO_WRITE = auto()
    REPO_ADMIN = auto()
    PULL = auto()
    PUSH = auto()
    DELETE = auto()
    RESTORE = auto()
    ADMIN = auto()


PACKAGE_NEEDS: Final = frozenset({Need.PULL, Need.PUSH, Need.DELETE, Need.RESTORE, Need.ADMIN})
REPO_NEEDS: Final = frozenset({Need.REPO_READ, Need.REPO_WRITE, Need.REPO_ADMIN})
ALL_SCOPES: Final = (
    "read:packages",
    "write:packages",
    "delete:packages",
    "repo",
    "user",
    "admin:org",
    "write:org",
    "read:org",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """``account``: whose token; ``org``: the seat in every organization; ``role``: the grant over every package and
    repository (0 to 3). ``usable`` is false for tokens whose time is over.
    """

    name: str
    account: str | None
    kind: str = "classic"
    org: str | None = None
    role: int = 0
    scopes: tuple[str, ...] = ALL_SCOPES
    site_admin: bool = False
    usable: bool = True

    @property
    def workload(self) -> bool:
        return self.kind in {"workflow", "workspace"}


CALLERS: Final = (
    Caller("anonymous", None),
    Caller("stranger", "sid"),
    Caller("member", "mia", org="member"),
    Caller("reader", "rita", org="member", role=1),
    Caller("writer", "will", org="member", role=2),
    Caller("admin", "adam", org="member", role=3),
    Caller("owner", "olga", org="admin"),
    Caller("site_admin", "root", scopes=(*ALL_SCOPES, "site_admin"), site_admin=True),
    Caller("owner with read:packages", "olga", org="admin", scopes=("read:packages",)),
    Caller("owner without packages", "olga", org="admin", scopes=("repo", "user")),
    Caller("expired", "olga", org="admin", usable=False),
    Caller("revoked", "olga", org="admin", usable=False),
    Caller("workflow", "olga", kind="workflow", role=2),
    Caller("workspace", "olga", kind="workspace", role=1),
    # Its rules have read and write, not delete, and not the namespace of its own account.
    Caller("fine_grained", "adam", kind="fine_grained", org="member", role=3),
)

_NEEDED_ROLE: Final = {Need.PULL: 1, Need.PUSH: 2, Need.DELETE: 3, Need.RESTORE: 3, Need.ADMIN: 3}
_REPO_ROLE: Final = {Need.REPO_READ: 1, Need.REPO_WRITE: 2, Need.REPO_ADMIN: 3}
_PACKAGE_SCOPE: Final = {
    Need.PULL: "read:packages",
    Need.PUSH: "write:packages",
    Need.DELETE: "delete:packages",
    Need.RESTORE: "write:packages",
    Need.ADMIN: "write:packages",
}


def package_role(caller: Caller, family: str, visibility: str) -> int:
    """Over the cell's package: of an organization (``orgs``), of olga (``users``), of the caller (``user``)."""
    public = 1 if visibility == "public" else 0
    if caller.account is None:
        return public
    if caller.workload:  # granted in the organization only
        internal = 1 if visibility == "internal" else 0
        return max(public, internal, caller.role if family == "orgs" else 0)
    if caller.site_admin or family == "user":
        return 3
    if family == "users":
        return 3 if caller.account == "olga" else max(public, caller.role)
    if caller.org == "admin":
        return 3
    return max(public, caller.role, 1 if visibility == "internal" and caller.org else 0)


def may(caller: Caller, need: Need, family: str, visibility: str) -> bool:
    """Whether the caller has this right over the cell's package."""
    if not caller.usable:
        return False
    public_read = need is Need.PULL and visibility == "public"
    if package_role(caller, family, visibility) < _NEEDED_ROLE[need]:
        return False
    if public_read:
        return True
    if caller.account is None:
        return False
    if caller.kind == "fine_grained":
        return family != "user" and need is not Need.DELETE
    return caller.workload or _PACKAGE_SCOPE[need] in caller.scopes


def repo_role(caller: Caller, visibility: str) -> int:
    """Over the cell's repository; a token of a repository speaks for that one."""
    public = 1 if visibility == "public" else 0
    if caller.workload:
        return 1
    if caller.kind == "fine_grained" or "repo" not in caller.scopes:
        # Such tokens show public repositories only; what they may do there is the account's.
        return 0 if not public else 3 if caller.org == "admin" else max(public, caller.role)
    if caller.site_admin or caller.org == "admin":
        return 3
    return max(public, caller.role, 1 if visibility == "internal" and caller.org else 0)


def refusal(caller: Caller, needs: tuple[Need, ...], scope: str | None, family: str, visibility: str) -> int | None:
    """401, 403 or 404; None: go on."""
    if not caller.usable:
        return 401
    if Need.ANYBODY in needs:
        return None
    if caller.account is None:
        return 401
    if Need.SITE_ADMIN in needs:
        return None if caller.site_admin else 403
    return next((found for found in _refusals(caller, needs, scope, family, visibility) if found is not None), None)


def _refusals(
    caller: Caller, needs: tuple[Need, ...], scope: str | None, family: str, visibility: str
) -> Iterator[int | None]:
    if scope is not None:
        # What other kinds of tokens may do with packages is said by their rules and by the packages.
        has = scope in caller.scopes if caller.kind == "classic" else scope.endswith(":packages")
        yield None if has else 403
    for need in needs:
        if need in PACKAGE_NEEDS:
            yield _of_package(caller, need, family, visibility)
        elif need in REPO_NEEDS:
            role = repo_role(caller, visibility)
            yield 404 if role == 0 else 403 if role < _REPO_ROLE[need] else None
        else:
            yield _OTHERS[need](caller)


def _of_package(caller: Caller, need: Need, family: str, visibility: str) -> int | None:
    if family == "user" and caller.workload:
        return 403
    if may(caller, need, family, visibility):
        return None
    return 403 if may(caller, Need.PULL, family, visibility) else 404


_OTHERS: Final[dict[Need, Callable[[Caller], int | None]]] = {
    Need.TOKEN: lambda _: None,
    Need.CLASSIC: lambda caller: None if caller.kind == "classic" else 403,
    Need.PERSON: lambda caller: 403 if caller.workload else None,
    Need.SELF: lambda caller: None if caller.account == "olga" or caller.site_admin else 404,
    Need.WORKLOAD: lambda caller: None if caller.workload else 403,
    Need.READS: lambda caller: None if "read:packages" in caller.scopes else 403,
    Need.SEAT: lambda caller: None if caller.org else 404,
    Need.ORG_MEMBER: lambda caller: None if caller.org or caller.site_admin else 404,
    Need.ORG_OWNER: lambda caller: None if caller.org == "admin" or caller.site_admin else 403 if caller.org else 404,
}


def oci_refusal(caller: Caller, need: Need, visibility: str) -> int | None:
    """On ``/v2``; who may not push is told so, whether the package is there or not."""
    if not caller.usable:
        return 401
    if need is Need.ANYBODY:
        return 401 if caller.account is None else None
    if may(caller, need, "orgs", visibility):
        return None
    if caller.account is None:
        return 401
    if need is Need.PUSH:
        return 403
    return 403 if may(caller, Need.PULL, "orgs", visibility) else 404


Body = dict[str, Any] | Callable[[Any], dict[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Expected:
    """``ok``: the status for whom nothing is missing; ``user_ok``: the same for packages of users.

    ``deleted``: the cell's package was deleted; ``version``: which one it names (tagged, or one that was deleted).
    ``lists``: what is named in the answer exactly for whom may read it.
    """

    needs: tuple[Need, ...]
    ok: int | Callable[[Any], int] = 200
    scope: str | None = None
    body: Body = None
    query: str = ""
    user_ok: int | None = None
    deleted: bool = False
    version: str = "tagged"
    lists: str | None = None
    free: frozenset[str] = field(default_factory=frozenset)  # parameters that may name what is not one's own


def _e(*needs: Need, ok: Any = 200, scope: str | None = None, **more: Any) -> Expected:
    return Expected(needs, ok, scope, **more)


_READ_ORG, _WRITE_ORG, _REPO = "read:org", "write:org", "repo"
_READ, _WRITE, _DELETE = "read:packages", "write:packages", "delete:packages"
_USERNAME: Final = frozenset({"username"})
_TAG_RULE: Final = {"tags": ["never"], "forbid": ["move"]}
#: Public keys are no secret: this one is of RFC 8037, A.2.
_CLUSTER: Final = {
    "issuer": "https://kubernetes.default.svc.cluster.local",
    "jwks": {
        "keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]
    },
}
_CLUSTER_GRANT: Final = {"namespace": "none"}
_O, _T, _R = "/orgs/{org}", "/orgs/{org}/teams/{team_slug}", "/repos/{owner}/{repo}"

_POLICY: Final[dict[str, Any]] = {"name": "ci", "packages": ["none"], "rules": []}
_RETENTION: Final[tuple[tuple[str, str, str, dict[str, Any]], ...]] = (
    ("GET", "policies", _READ, {}),
    ("POST", "policies", _DELETE, {"ok": 201, "body": lambda cell: {**_POLICY, "name": f"new-{cell.number}"}}),
    ("GET", "policies/{policy_id}", _READ, {}),
    ("PUT", "policies/{policy_id}", _DELETE, {"body": lambda cell: {**_POLICY, "name": f"ci-{cell.number}"}}),
    ("DELETE", "policies/{policy_id}", _DELETE, {"ok": 204}),
    ("GET", "plans", _READ, {}),
    ("POST", "plans", _DELETE, {"ok": 201, "body": lambda cell: {"policy_id": cell.id}}),
    ("GET", "plans/{plan_id}", _READ, {}),
    ("GET", "plans/{plan_id}/decisions", _READ, {}),
    ("POST", "plans/{plan_id}/apply", _DELETE, {"ok": 202}),
    ("POST", "plans/{plan_id}/undo", _DELETE, {"ok": 202, "version": "deleted"}),
)


def _hooks(prefix: str, need: Need, scope: str) -> dict[tuple[str, str], Expected]:
    hook, config = f"{prefix}/hooks/{{hook_id}}", {"url": "https://hooks.example/"}
    delivery = f"{hook}/deliveries/{{delivery_id}}"
    return {
        ("GET", f"{prefix}/hooks"): _e(need, scope=scope),
        ("POST", f"{prefix}/hooks"): _e(need, ok=201, scope=scope, body={"config": config}),
        ("GET", hook): _e(need, scope=scope),
        ("PATCH", hook): _e(need, scope=scope, body={"config": config}),
        ("DELETE", hook): _e(need, ok=204, scope=scope),
        ("GET", f"{hook}/config"): _e(need, scope=scope),
        ("PATCH", f"{hook}/config"): _e(need, scope=scope, body=config),
        ("POST", f"{hook}/pings"): _e(need, ok=204, scope=scope),
        ("GET", f"{hook}/deliveries"): _e(need, scope=scope),
        ("GET", delivery): _e(need, scope=scope),
        ("POST", f"{delivery}/attempts"): _e(need, ok=202, scope=scope),
    }


REST: dict[tuple[str, str], Expected] = {
    ("GET", "/"): _e(Need.ANYBODY),
    ("GET", "/meta"): _e(Need.ANYBODY),
    ("GET", "/rate_limit"): _e(Need.ANYBODY),
    ("GET", "/openapi.json"): _e(Need.ANYBODY),
    ("GET", "/search/packages"): _e(Need.ANYBODY),
    # administrators
    ("POST", "/admin/users"): _e(Need.SITE_ADMIN, ok=201, body=lambda cell: {"login": f"new-{cell.number}"}),
    ("PATCH", "/admin/users/{username}"): _e(
        Need.SITE_ADMIN, ok=202, body=lambda cell: {"login": f"renamed-{cell.number}"}
    ),
    ("DELETE", "/admin/users/{username}"): _e(Need.SITE_ADMIN, ok=204),
    ("POST", "/admin/users/{username}/authorizations"): _e(Need.SITE_ADMIN, ok=201, body={"scopes": []}),
    ("POST", "/admin/users/{username}/sign-in-link"): _e(Need.SITE_ADMIN, ok=201),
    ("GET", "/admin/users/{username}/sessions"): _e(Need.SITE_ADMIN),
    ("DELETE", "/admin/users/{username}/sessions"): _e(Need.SITE_ADMIN, ok=204),
    ("GET", "/admin/health"): _e(Need.SITE_ADMIN),
    ("GET", "/admin/jobs"): _e(Need.SITE_ADMIN),
    ("GET", "/admin/settings"): _e(Need.SITE_ADMIN),
    ("PUT", "/users/{username}/suspended"): _e(Need.SITE_ADMIN, ok=204),
    ("DELETE", "/users/{username}/suspended"): _e(Need.SITE_ADMIN, ok=204),
    ("PUT", "/users/{username}/site_admin"): _e(Need.SITE_ADMIN, ok=204),
    ("DELETE", "/users/{username}/site_admin"): _e(Need.SITE_ADMIN, ok=204),
    ("GET", "/admin/users"): _e(Need.SITE_ADMIN),
    ("GET", "/admin/organizations"): _e(Need.SITE_ADMIN),
    ("GET", "/admin/tokens"): _e(Need.SITE_ADMIN),
    ("GET", "/enterprises/{enterprise}/audit-log"): _e(Need.SITE_ADMIN),
    ("GET", "/orgs/{org}/audit-log"): _e(Need.ORG_OWNER, scope="admin:org"),
    ("GET", "/user/audit-log"): _e(Need.PERSON, scope="user"),
    ("DELETE", "/admin/tokens/{token_id}"): _e(Need.SITE_ADMIN, ok=204),
    ("GET", "/enterprise/stats/all"): _e(Need.SITE_ADMIN),
    ("POST", "/admin/organizations"): _e(
        Need.SITE_ADMIN, ok=201, body=lambda cell: {"login": f"neworg-{cell.number}", "admin": "olga"}
    ),
    ("PATCH", "/admin/organizations/{org}"): _e(
        Need.SITE_ADMIN, ok=202, body=lambda cell: {"login": f"renamed-{cell.number}"}
    ),
    # accounts
    ("GET", "/user"): _e(Need.PERSON),
    ("GET", "/user/orgs"): _e(Need.PERSON, scope=_READ_ORG),
    ("GET", "/user/memberships/orgs"): _e(Need.PERSON, scope=_READ_ORG),
    ("GET", "/user/memberships/orgs/{org}"): _e(Need.SEAT, scope=_READ_ORG),
    ("GET", "/user/{account_id}"): _e(Need.TOKEN),
    ("GET", "/users"): _e(Need.TOKEN),
    ("GET", "/organizations"): _e(Need.TOKEN),
    ("POST", "/orgs"): _e(Need.PERSON, ok=201, scope="admin:org", body=lambda cell: {"login": f"ownorg-{cell.number}"}),
    ("GET", "/users/{username}"): _e(Need.TOKEN),
    ("GET", "/avatars/{account_id}"): _e(Need.ANYBODY),
    ("GET", "/users/{username}/orgs"): _e(Need.PERSON, scope=_READ_ORG),
    # organizations
    ("GET", _O): _e(Need.TOKEN),
    ("PATCH", _O): _e(Need.ORG_OWNER, scope=_WRITE_ORG, body={"name": "New"}),
    ("DELETE", _O): _e(Need.ORG_OWNER, ok=202, scope="admin:org"),
    ("GET", f"{_O}/members"): _e(Need.ORG_MEMBER, scope=_READ_ORG),
    ("GET", f"{_O}/members/{{username}}"): _e(Need.ORG_MEMBER, ok=204, scope=_READ_ORG),
    ("DELETE", f"{_O}/members/{{username}}"): _e(Need.ORG_OWNER, ok=204, scope=_WRITE_ORG),
    ("GET", f"{_O}/memberships/{{username}}"): _e(Need.ORG_MEMBER, scope=_READ_ORG),
    # Whom an owner makes a member is up to the owner.
    ("PUT", f"{_O}/memberships/{{username}}"): _e(
        Need.ORG_OWNER, scope=_WRITE_ORG, body={"role": "member"}, free=_USERNAME
    ),
    ("DELETE", f"{_O}/memberships/{{username}}"): _e(Need.ORG_OWNER, ok=204, scope=_WRITE_ORG),
    ("GET", f"{_O}/teams"): _e(Need.ORG_MEMBER, scope=_READ_ORG),
    ("POST", f"{_O}/teams"): _e(Need.ORG_OWNER, ok=201, scope=_WRITE_ORG, body={"name": "New"}),
    ("GET", _T): _e(Need.ORG_MEMBER, scope=_READ_ORG),
    ("PATCH", _T): _e(Need.ORG_OWNER, scope=_WRITE_ORG, body={"description": "New"}),
    ("DELETE", _T): _e(Need.ORG_OWNER, ok=204, scope=_WRITE_ORG),
    ("GET", f"{_T}/members"): _e(Need.ORG_MEMBER, scope=_READ_ORG),
    ("GET", f"{_T}/memberships/{{username}}"): _e(Need.ORG_MEMBER, scope=_READ_ORG),
    ("PUT", f"{_T}/memberships/{{username}}"): _e(Need.ORG_OWNER, scope=_WRITE_ORG, body={}),
    ("DELETE", f"{_T}/memberships/{{username}}"): _e(Need.ORG_OWNER, ok=204, scope=_WRITE_ORG),
    ("GET", f"{_T}/repos"): _e(Need.ORG_MEMBER, scope=_READ_ORG, lists="repo"),
    ("GET", f"{_T}/repos/{{owner}}/{{repo}}"): _e(Need.ORG_MEMBER, Need.REPO_READ, ok=204, scope=_READ_ORG),
    ("PUT", f"{_T}/repos/{{owner}}/{{repo}}"): _e(
        Need.ORG_MEMBER, Need.REPO_ADMIN, ok=204, scope=_REPO, body={"permission": "pull"}
    ),
    ("DELETE", f"{_T}/repos/{{owner}}/{{repo}}"): _e(Need.ORG_MEMBER, Need.REPO_ADMIN, ok=204, scope=_REPO),
    ("GET", f"{_O}/tag-rules"): _e(Need.ORG_MEMBER, scope=_READ_ORG),
    ("GET", f"{_O}/tag-rules/{{tag_rule}}"): _e(Need.ORG_MEMBER, scope=_READ_ORG),
    # A name in the organization, of which another has its own.
    ("PUT", f"{_O}/tag-rules/{{tag_rule}}"): _e(
        Need.ORG_OWNER, scope=_WRITE_ORG, body=_TAG_RULE, free=frozenset({"tag_rule"})
    ),
    ("PATCH", f"{_O}/tag-rules/{{tag_rule}}"): _e(Need.ORG_OWNER, scope=_WRITE_ORG, body={"enabled": True}),
    ("DELETE", f"{_O}/tag-rules/{{tag_rule}}"): _e(Need.ORG_OWNER, ok=204, scope=_WRITE_ORG),
    ("GET", f"{_O}/mirror"): _e(Need.ORG_MEMBER, scope=_READ_ORG),
    ("GET", f"{_O}/mirror/status"): _e(Need.ORG_MEMBER, scope=_READ_ORG),
    # As it is, so that the upstream need not be asked.
    ("PUT", f"{_O}/mirror"): _e(
        Need.ORG_OWNER, scope="admin:org", body={"url": "https://registry.example", "tag_seconds": 60}
    ),
    ("DELETE", f"{_O}/mirror"): _e(Need.ORG_OWNER, ok=204, scope="admin:org"),
    ("GET", "/user/tag-rules"): _e(Need.PERSON, scope="user"),
    ("GET", "/user/tag-rules/{tag_rule}"): _e(Need.PERSON, scope="user"),
    ("PUT", "/user/tag-rules/{tag_rule}"): _e(Need.PERSON, scope="user", body=_TAG_RULE),
    ("PATCH", "/user/tag-rules/{tag_rule}"): _e(Need.PERSON, scope="user", body={"enabled": True}),
    ("DELETE", "/user/tag-rules/{tag_rule}"): _e(Need.PERSON, ok=204, scope="user"),
    ("GET", f"{_O}/clusters"): _e(Need.ORG_MEMBER, scope=_READ_ORG),
    ("GET", f"{_O}/clusters/{{cluster}}"): _e(Need.ORG_MEMBER, scope=_READ_ORG),
    # A name in the organization, as above.
    ("PUT", f"{_O}/clusters/{{cluster}}"): _e(
        Need.ORG_OWNER, scope=_WRITE_ORG, body=_CLUSTER, free=frozenset({"cluster"})
    ),
    ("DELETE", f"{_O}/clusters/{{cluster}}"): _e(Need.ORG_OWNER, ok=204, scope=_WRITE_ORG),
    ("GET", f"{_O}/clusters/{{cluster}}/grants"): _e(Need.ORG_MEMBER, scope=_READ_ORG),
    ("POST", f"{_O}/clusters/{{cluster}}/grants"): _e(Need.ORG_OWNER, ok=201, scope=_WRITE_ORG, body=_CLUSTER_GRANT),
    ("DELETE", f"{_O}/clusters/{{cluster}}/grants/{{cluster_grant_id}}"): _e(Need.ORG_OWNER, ok=204, scope=_WRITE_ORG),
    ("GET", "/user/clusters"): _e(Need.PERSON, scope="user"),
    ("GET", "/user/clusters/{cluster}"): _e(Need.PERSON, scope="user"),
    ("PUT", "/user/clusters/{cluster}"): _e(Need.PERSON, scope="user", body=_CLUSTER),
    ("DELETE", "/user/clusters/{cluster}"): _e(Need.PERSON, ok=204, scope="user"),
    ("GET", "/user/clusters/{cluster}/grants"): _e(Need.PERSON, scope="user"),
    ("POST", "/user/clusters/{cluster}/grants"): _e(Need.PERSON, ok=201, scope="user", body=_CLUSTER_GRANT),
    ("DELETE", "/user/clusters/{cluster}/grants/{cluster_grant_id}"): _e(Need.PERSON, ok=204, scope="user"),
    # repositories
    ("POST", "/user/repos"): _e(Need.PERSON, ok=201, scope=_REPO, body=lambda cell: {"name": f"new-{cell.number}"}),
    ("POST", f"{_O}/repos"): _e(Need.ORG_MEMBER, ok=201, scope=_REPO, body={"name": "new"}),
    ("GET", "/user/repos"): _e(Need.PERSON),
    ("GET", "/users/{username}/repos"): _e(Need.TOKEN),
    ("GET", f"{_O}/repos"): _e(Need.TOKEN, lists="repo"),
    ("GET", _R): _e(Need.REPO_READ),
    ("GET", "/repositories/{repository_id}"): _e(Need.REPO_READ),
    ("PATCH", _R): _e(Need.REPO_ADMIN, scope=_REPO, body={"description": "New"}),
    ("DELETE", _R): _e(Need.REPO_ADMIN, ok=204, scope=_REPO),
    ("POST", f"{_R}/transfer"): _e(
        Need.REPO_ADMIN,
        scope=_REPO,
        ok=lambda cell: 422 if cell.visibility == "internal" else 202,  # a person's repository is never internal
        body=lambda cell: {"new_owner": cell.caller.account, "new_name": f"moved-{cell.number}"},
    ),
    ("GET", f"{_R}/collaborators"): _e(Need.REPO_WRITE, scope=_REPO),
    ("GET", f"{_R}/collaborators/{{username}}"): _e(Need.REPO_WRITE, ok=204, scope=_REPO),
    ("GET", f"{_R}/collaborators/{{username}}/permission"): _e(Need.REPO_WRITE, scope=_REPO, free=_USERNAME),
    # Outside collaborators too: whom an admin lets in is up to the admin.
    ("PUT", f"{_R}/collaborators/{{username}}"): _e(
        Need.REPO_ADMIN, ok=204, scope=_REPO, body={"permission": "push"}, free=_USERNAME
    ),
    ("DELETE", f"{_R}/collaborators/{{username}}"): _e(Need.REPO_ADMIN, ok=204, scope=_REPO, free=_USERNAME),
    # webhooks
    **_hooks(_O, Need.ORG_OWNER, "admin:org"),
    **_hooks(_R, Need.REPO_ADMIN, _REPO),
    ("POST", f"{_R}/hooks/{{hook_id}}/tests"): _e(Need.REPO_ADMIN, ok=204, scope=_REPO),
    ("GET", "/user/packages/usage"): _e(Need.PERSON, scope="user"),
    ("GET", "/users/{username}/packages/usage"): _e(Need.SELF, scope="user"),
    ("GET", f"{_O}/packages/usage"): _e(Need.ORG_OWNER, scope=_READ_ORG),
    # retention
    **{
        (method, f"{prefix}/retention/{path}"): _e(Need.CLASSIC, need, scope=scope, **more)
        for prefix, need in ((_O, Need.ORG_OWNER), ("/user", Need.PERSON))
        for method, path, scope, more in _RETENTION
    },
    ("PUT", "/users/{username}/packages/quota"): _e(Need.SITE_ADMIN, body={"bytes": 10**15}),
    ("PUT", f"{_O}/packages/quota"): _e(Need.SITE_ADMIN, body={"bytes": 10**15}),
    ("DELETE", "/users/{username}/packages/quota"): _e(Need.SITE_ADMIN, ok=204),
    ("DELETE", f"{_O}/packages/quota"): _e(Need.SITE_ADMIN, ok=204),
    ("GET", "/admin/usage"): _e(Need.SITE_ADMIN),
    ("GET", f"{_O}/settings/billing/shared-storage"): _e(Need.ORG_OWNER, scope=_READ_ORG),
    ("GET", "/users/{username}/settings/billing/shared-storage"): _e(Need.SELF, scope="user"),
    ("GET", "/organizations/{org}/settings/billing/usage"): _e(Need.ORG_OWNER, scope=_READ_ORG),
    # tokens
    ("GET", "/user/tokens"): _e(Need.PERSON, scope="user"),
    ("POST", "/user/tokens"): _e(Need.PERSON, ok=201, scope="user", body={"scopes": ["user"]}),
    ("GET", "/user/tokens/{token_id}"): _e(Need.PERSON, scope="user"),
    ("DELETE", "/user/tokens/{token_id}"): _e(Need.PERSON, ok=204, scope="user"),
    ("PUT", "/user/tokens/{token_id}/organizations/{org}"): _e(Need.ORG_MEMBER, ok=204, scope="user"),
    ("DELETE", "/user/tokens/{token_id}/organizations/{org}"): _e(Need.ORG_MEMBER, ok=204, scope="user"),
    ("POST", f"{_R}/actions/token"): _e(Need.REPO_ADMIN, Need.READS, ok=201, scope=_REPO, body={}),
    ("POST", f"{_R}/codespaces/token"): _e(Need.REPO_ADMIN, Need.READS, ok=201, scope=_REPO, body={}),
    ("DELETE", "/installation/token"): _e(Need.WORKLOAD, ok=204),
}

_TAG: Final = frozenset({"tag"})  # a name in the package, of which another has its own
_P: Final = "/packages/{package_type}/{package_name}"
_V: Final = f"{_P}/versions/{{package_version_id}}"
#: Under each of the prefixes of packages.
FAMILIES: Final = {"orgs": "/orgs/{org}", "users": "/users/{username}", "user": "/user"}
_FAMILY: Final[dict[tuple[str, str], Expected]] = {
    ("GET", _P): _e(Need.PULL, scope=_READ),
    ("DELETE", _P): _e(Need.DELETE, ok=204, scope=_DELETE),
    ("POST", f"{_P}/restore"): _e(Need.RESTORE, ok=204, scope=_WRITE, deleted=True),
    ("GET", f"{_P}/usage"): _e(Need.PULL, scope=_READ),
    ("GET", f"{_P}/deletion"): _e(Need.DELETE, scope=_DELETE),
    ("POST", f"{_P}/deletion"): _e(
        Need.DELETE, ok=204, scope=_DELETE, body=lambda cell: {"versions": [cell.version_id("tagged")]}
    ),
    ("GET", f"{_P}/selection"): _e(Need.PULL, scope=_READ),
    ("GET", f"{_V}/deletion"): _e(Need.DELETE, scope=_DELETE),
    ("GET", f"{_V}/retention"): _e(Need.DELETE, scope=_DELETE),
    ("GET", f"{_V}/restore"): _e(Need.RESTORE, scope=_WRITE, version="deleted"),
    ("GET", f"{_P}/restore"): _e(Need.RESTORE, scope=_WRITE, deleted=True),
    ("PATCH", _P): _e(Need.ADMIN, scope=_WRITE, body={"visibility": "public"}),
    ("POST", f"{_P}/transfer"): _e(
        Need.SITE_ADMIN, ok=202, body=lambda cell: {"new_owner": "sid", "new_name": f"moved-{cell.number}"}
    ),
    ("PUT", f"{_P}/repository"): _e(
        Need.ADMIN, scope=_WRITE, body=lambda cell: {"repository": f"{cell.package_owner}/{cell.repo}"}
    ),
    ("DELETE", f"{_P}/repository"): _e(Need.ADMIN, ok=204, scope=_WRITE),
    ("GET", f"{_P}/versions"): _e(Need.PULL, scope=_READ),
    ("GET", _V): _e(Need.PULL, scope=_READ),
    ("DELETE", _V): _e(Need.DELETE, ok=204, scope=_DELETE),
    ("POST", f"{_V}/restore"): _e(Need.RESTORE, ok=204, scope=_WRITE, version="deleted"),
    ("GET", f"{_V}/downloads"): _e(Need.PULL, scope=_READ),
    ("GET", f"{_P}/tags"): _e(Need.PULL, scope=_READ),
    ("GET", f"{_P}/tags/{{tag}}"): _e(Need.PULL, scope=_READ, free=_TAG),
    ("PUT", f"{_P}/tags/{{tag}}"): _e(Need.PUSH, scope=_WRITE, body=lambda cell: {"digest": cell.digest}, free=_TAG),
    ("POST", f"{_P}/tags/{{tag}}/rollback"): _e(
        Need.PUSH, scope=_WRITE, body=lambda cell: {"to": cell.other_digest}, free=_TAG
    ),
    ("DELETE", f"{_P}/tags/{{tag}}"): _e(Need.DELETE, ok=204, scope=_DELETE, free=_TAG),
    ("GET", f"{_P}/tags/{{tag}}/history"): _e(Need.PULL, scope=_READ, free=_TAG),
    ("GET", f"{_P}/activity"): _e(Need.PULL, scope=_READ),
    ("GET", f"{_P}/pulls"): _e(Need.ADMIN, scope=_READ),
    ("GET", f"{_P}/access"): _e(Need.ADMIN, scope=_WRITE),
    # Of whoever is asked: an admin may give anybody a role.
    ("GET", f"{_P}/access/{{login}}"): _e(Need.ADMIN, scope=_READ, free=frozenset({"login"})),
    ("PUT", f"{_P}/access/users/{{login}}"): _e(Need.ADMIN, ok=204, scope=_WRITE, body={"role": "write"}),
    ("DELETE", f"{_P}/access/users/{{login}}"): _e(Need.ADMIN, ok=204, scope=_WRITE),
    ("PUT", f"{_P}/access/teams/{{team_slug}}"): _e(
        Need.ADMIN, ok=204, scope=_WRITE, body={"role": "write"}, user_ok=422
    ),
    ("DELETE", f"{_P}/access/teams/{{team_slug}}"): _e(Need.ADMIN, ok=204, scope=_WRITE, user_ok=422),
    ("PUT", f"{_P}/access/repositories/{{owner}}/{{repo}}"): _e(
        Need.ADMIN, ok=204, scope=_WRITE, body={"role": "write"}
    ),
    ("DELETE", f"{_P}/access/repositories/{{owner}}/{{repo}}"): _e(Need.ADMIN, ok=204, scope=_WRITE),
}
for _family, _prefix in FAMILIES.items():
    _any = Need.PERSON if _family == "user" else Need.TOKEN
    REST |= {(method, _prefix + path): line for (method, path), line in _FAMILY.items()}
    REST["GET", f"{_prefix}/packages"] = _e(_any, scope=_READ, query="?package_type=container", lists="package")
    REST["GET", f"{_prefix}/docker/conflicts"] = _e(_any, scope=_READ)


@dataclass(frozen=True, slots=True)
class ExpectedOCI:
    """``path`` with ``{name}``, ``{digest}`` of a blob, ``{manifest}``, ``{spare}`` (a blob that nothing needs),
    ``{upload}`` (a session of the caller) and ``{new}`` (the digest of what is sent).
    """

    need: Need
    method: str
    path: str
    ok: int = 200
    sends: str | None = None  # blob or manifest


OCI: Final[dict[Kind, ExpectedOCI]] = {
    Kind.BASE: ExpectedOCI(Need.ANYBODY, "GET", "/v2/"),
    Kind.CATALOG: ExpectedOCI(Need.ANYBODY, "GET", "/v2/_catalog?n=1&last={before}"),
    Kind.TAGS_LIST: ExpectedOCI(Need.PULL, "GET", "/v2/{name}/tags/list"),
    Kind.REFERRERS: ExpectedOCI(Need.PULL, "GET", "/v2/{name}/referrers/{manifest}"),
    Kind.BLOB_GET: ExpectedOCI(Need.PULL, "GET", "/v2/{name}/blobs/{digest}"),
    Kind.BLOB_HEAD: ExpectedOCI(Need.PULL, "HEAD", "/v2/{name}/blobs/{digest}"),
    Kind.BLOB_DELETE: ExpectedOCI(Need.DELETE, "DELETE", "/v2/{name}/blobs/{spare}", 202),
    Kind.UPLOAD_START: ExpectedOCI(Need.PUSH, "POST", "/v2/{name}/blobs/uploads/", 202),
    Kind.UPLOAD_STATUS: ExpectedOCI(Need.PUSH, "GET", "/v2/{name}/blobs/uploads/{upload}", 204),
    Kind.UPLOAD_CHUNK: ExpectedOCI(Need.PUSH, "PATCH", "/v2/{name}/blobs/uploads/{upload}", 202, "blob"),
    Kind.UPLOAD_FINISH: ExpectedOCI(Need.PUSH, "PUT", "/v2/{name}/blobs/uploads/{upload}?digest={new}", 201, "blob"),
    Kind.UPLOAD_CANCEL: ExpectedOCI(Need.PUSH, "DELETE", "/v2/{name}/blobs/uploads/{upload}", 204),
    Kind.MANIFEST_GET: ExpectedOCI(Need.PULL, "GET", "/v2/{name}/manifests/latest"),
    Kind.MANIFEST_HEAD: ExpectedOCI(Need.PULL, "HEAD", "/v2/{name}/manifests/{manifest}"),
    Kind.MANIFEST_PUT: ExpectedOCI(Need.PUSH, "PUT", "/v2/{name}/manifests/new", 201, "manifest"),
    Kind.MANIFEST_DELETE: ExpectedOCI(Need.DELETE, "DELETE", "/v2/{name}/manifests/{manifest}", 202),
}
