"""Every route that changes something has its event, with who did it and by which request; one without a line fails."""

from typing import Any, Final

import pytest

from registry.http.web.app import ROUTES as PAGES
from registry.oci.request import Kind
from tests.security.expected import CALLERS, OCI, REST, oci_refusal, refusal
from tests.security.test_matrix import ask, family_of, is_mirror, ok_of, sent_to, target_of
from tests.support.manage import change, managed
from tests.support.server import Answer, Registry, running
from tests.support.world import ACCOUNTS, OTHER, Cell, Cells, build, digest_of, table
from tests.web.test_every_form import FORMS, before, fields_of

_FAMILIES: Final = ("/orgs/{org}", "/users/{username}", "/user")
_READS: Final = frozenset({"GET", "HEAD"})
_UNPROCESSABLE: Final = 422
_P, _O, _R = "/packages/{package_type}/{package_name}", "/orgs/{org}", "/repos/{owner}/{repo}"
_TEAM = f"{_O}/teams/{{team_slug}}"
_V = f"{_P}/versions/{{package_version_id}}"
_GONE = {"packages.tag_deleted", "packages.package_version_deleted"}
_UNLINKED = {"packages.repository_unlinked"}

#: What is sent once more is in the list of deliveries, with who asked for nothing.
_HOOKS: Final[dict[tuple[str, str], set[str]]] = {
    ("POST", ""): {"hook.create"},
    ("PATCH", "/{hook_id}"): {"hook.update"},
    ("DELETE", "/{hook_id}"): {"hook.destroy"},
    ("PATCH", "/{hook_id}/config"): {"hook.update"},
    ("POST", "/{hook_id}/pings"): set(),
    ("POST", "/{hook_id}/deliveries/{delivery_id}/attempts"): set(),
}
#: What each route records; of packages without their owner's part of the path.
EVENTS: Final[dict[tuple[str, str], set[str]]] = {
    ("POST", "/admin/users"): {"user.create"},
    ("PATCH", "/admin/users/{username}"): {"user.rename"},
    ("DELETE", "/admin/users/{username}"): {"user.delete"},
    ("POST", "/admin/users/{username}/authorizations"): {"personal_access_token.create"},
    ("POST", "/admin/users/{username}/sign-in-link"): {"user.sign_in_code"},
    ("DELETE", "/admin/users/{username}/sessions"): {"user.logout"},
    ("PUT", "/users/{username}/suspended"): {"user.suspend"},
    ("DELETE", "/users/{username}/suspended"): {"user.unsuspend"},
    ("PUT", "/users/{username}/site_admin"): {"user.promote"},
    ("DELETE", "/users/{username}/site_admin"): {"user.demote"},
    ("DELETE", "/admin/tokens/{token_id}"): {"personal_access_token.revoke"},
    ("POST", "/admin/organizations"): {"org.create", "org.add_member"},
    ("PATCH", "/admin/organizations/{org}"): {"org.rename"},
    ("POST", "/orgs"): {"org.create", "org.add_member"},
    ("PATCH", _O): {"org.update"},
    ("DELETE", _O): {"packages.package_deleted", "org.delete"},
    ("DELETE", f"{_O}/members/{{username}}"): {"org.remove_member"},
    ("PUT", f"{_O}/memberships/{{username}}"): {"org.update_member"},
    ("DELETE", f"{_O}/memberships/{{username}}"): {"org.remove_member"},
    ("PUT", "/packages/quota"): {"packages.quota_set"},
    ("DELETE", "/packages/quota"): {"packages.quota_removed"},
    ("POST", f"{_O}/teams"): {"team.create"},
    ("PATCH", _TEAM): {"team.update"},
    ("DELETE", _TEAM): {"team.destroy"},
    ("PUT", f"{_TEAM}/memberships/{{username}}"): {"team.add_member"},
    ("DELETE", f"{_TEAM}/memberships/{{username}}"): {"team.remove_member"},
    ("PUT", f"{_TEAM}/repos/{{owner}}/{{repo}}"): {"team.add_repository"},
    ("DELETE", f"{_TEAM}/repos/{{owner}}/{{repo}}"): {"team.remove_repository"},
    **{
        (method, f"{whose}/tag-rules/{{tag_rule}}"): {action}
        for whose in (_O, "/user")
        for method, action in (
            ("PUT", "tag_rule.update"),
            ("PATCH", "tag_rule.update"),
            ("DELETE", "tag_rule.destroy"),
        )
    },
    **{
        (method, f"{whose}/clusters/{{cluster}}{rest}"): {action}
        for whose in (_O, "/user")
        for method, rest, action in (
            ("PUT", "", "cluster.update"),
            ("DELETE", "", "cluster.destroy"),
            ("POST", "/grants", "cluster_grant.create"),
            ("DELETE", "/grants/{cluster_grant_id}", "cluster_grant.destroy"),
        )
    },
    ("PUT", f"{_O}/mirror"): {"mirror.update"},
    ("DELETE", f"{_O}/mirror"): {"mirror.destroy"},
    ("POST", "/user/repos"): {"repo.create"},
    ("POST", f"{_O}/repos"): {"repo.create"},
    ("PATCH", _R): {"repo.update"},
    ("DELETE", _R): {"repo.destroy", *_UNLINKED},
    ("POST", f"{_R}/transfer"): {"repo.transfer", "repo.transfer_outgoing", *_UNLINKED},
    ("PUT", f"{_R}/collaborators/{{username}}"): {"repo.update_member"},
    ("DELETE", f"{_R}/collaborators/{{username}}"): {"repo.remove_member"},
    **{
        (method, f"{prefix}/retention/{path}"): {f"retention.{action}"}
        for prefix in (_O, "/user")
        for method, path, action in (
            ("POST", "policies", "policy_created"),
            ("PUT", "policies/{policy_id}", "policy_updated"),
            ("DELETE", "policies/{policy_id}", "policy_deleted"),
            ("POST", "plans", "plan_created"),
            ("POST", "plans/{plan_id}/apply", "plan_applied"),
            ("POST", "plans/{plan_id}/undo", "plan_undone"),
        )
    },
    ("POST", "/user/tokens"): {"personal_access_token.create"},
    ("DELETE", "/user/tokens/{token_id}"): {"personal_access_token.revoke"},
    ("PUT", "/user/tokens/{token_id}/organizations/{org}"): {"org_credential_authorization.grant"},
    ("DELETE", "/user/tokens/{token_id}/organizations/{org}"): {"org_credential_authorization.deauthorize"},
    ("POST", f"{_R}/actions/token"): {"repository_token.create"},
    ("POST", f"{_R}/codespaces/token"): {"repository_token.create"},
    ("DELETE", "/installation/token"): {"repository_token.revoke"},
    ("DELETE", _P): {"packages.package_deleted"},
    ("POST", f"{_P}/restore"): {"packages.package_restored"},
    ("POST", f"{_P}/deletion"): _GONE,
    ("PATCH", _P): {"packages.visibility_changed"},
    ("POST", f"{_P}/transfer"): {"packages.package_transferred", "packages.access_revoked", *_UNLINKED},
    ("PUT", f"{_P}/repository"): {"packages.repository_linked"},
    ("DELETE", f"{_P}/repository"): _UNLINKED,
    ("DELETE", _V): _GONE,
    ("POST", f"{_V}/restore"): {"packages.package_version_restored", "packages.tag_created"},
    ("PUT", f"{_P}/tags/{{tag}}"): {"packages.tag_moved"},
    ("POST", f"{_P}/tags/{{tag}}/rollback"): {"packages.tag_rolled_back"},
    ("DELETE", f"{_P}/tags/{{tag}}"): {"packages.tag_deleted"},
    **{(method, f"{prefix}/hooks{rest}"): found for prefix in (_O, _R) for (method, rest), found in _HOOKS.items()},
    ("POST", f"{_R}/hooks/{{hook_id}}/tests"): set(),
    ("PUT", f"{_P}/access/users/{{login}}"): {"packages.access_granted"},
    ("DELETE", f"{_P}/access/users/{{login}}"): {"packages.access_revoked"},
    ("PUT", f"{_P}/access/teams/{{team_slug}}"): {"packages.access_granted"},
    ("DELETE", f"{_P}/access/teams/{{team_slug}}"): {"packages.access_revoked"},
    ("PUT", f"{_P}/access/repositories/{{owner}}/{{repo}}"): {"packages.access_granted"},
    ("DELETE", f"{_P}/access/repositories/{{owner}}/{{repo}}"): {"packages.access_revoked"},
}
#: Blobs and uploads have none: nobody gets their bytes before a manifest names them, which is an event.
OF_V2: Final[dict[Kind, set[str]]] = {
    Kind.BLOB_DELETE: set(),
    Kind.UPLOAD_START: set(),
    Kind.UPLOAD_CHUNK: set(),
    Kind.UPLOAD_FINISH: set(),
    Kind.UPLOAD_CANCEL: set(),
    Kind.MANIFEST_PUT: {"packages.package_version_published", "packages.tag_created"},
    Kind.MANIFEST_DELETE: _GONE,
}
_PAGE, _ORG = "/{owner}/{image}/-", "/{owner}/-"
#: What each form of the pages records.
OF_PAGES: Final[dict[str, set[str]]] = {
    f"{_PAGE}/access": {"packages.access_granted"},
    f"{_PAGE}/settings/link": {"packages.repository_linked"},
    f"{_PAGE}/settings/unlink": _UNLINKED,
    f"{_PAGE}/settings/inheritance": {"packages.inheritance_changed", "packages.access_revoked"},
    f"{_PAGE}/settings/{{visibility}}": {"packages.visibility_changed"},
    f"{_PAGE}/delete": {"packages.package_deleted"},
    f"{_PAGE}/versions/delete": _GONE,
    f"{_PAGE}/versions/delete/matching": _GONE,
    f"{_PAGE}/untag": {"packages.tag_deleted"},
    f"{_PAGE}/tag": {"packages.tag_created"},
    f"{_PAGE}/rollback": {"packages.tag_rolled_back"},
    f"{_PAGE}/restore": {"packages.package_version_restored", "packages.tag_created"},
    f"{_ORG}/settings": {"org.update"},
    f"{_ORG}/settings/tag-rules": {"tag_rule.create"},
    f"{_ORG}/settings/tag-rules/{{rule}}": {"tag_rule.update"},
    f"{_ORG}/settings/mirror": {"mirror.update"},
    f"{_ORG}/settings/mirror/remove": {"mirror.destroy"},
    f"{_ORG}/settings/clusters": {"cluster.create"},
    f"{_ORG}/settings/clusters/{{cluster}}": {"cluster_grant.create"},
    f"{_ORG}/settings/clusters/{{cluster}}/delete": {"cluster.destroy"},
    f"{_ORG}/retention": {"retention.policy_created"},
    f"{_ORG}/retention/delete": {"retention.policy_deleted"},
    f"{_ORG}/retention/plan": {"retention.plan_created"},
    f"{_ORG}/retention/plans/{{number}}": {"retention.plan_applied"},
    f"{_ORG}/settings/delete": {"org.delete", "packages.package_deleted"},
    f"{_ORG}/people": {"org.add_member"},
    f"{_ORG}/people/remove": {"org.remove_member"},
    f"{_ORG}/teams": {"team.create"},
    f"{_ORG}/teams/{{team}}": {"team.update"},
    f"{_ORG}/teams/{{team}}/members": {"team.add_member"},
    f"{_ORG}/teams/{{team}}/delete": {"team.destroy"},
    f"{_ORG}/hooks": {"hook.create"},
    f"{_ORG}/hooks/{{hook}}": {"hook.update"},
    f"{_ORG}/hooks/{{hook}}/delete": {"hook.destroy"},
    f"{_ORG}/repositories": {"repo.create"},
    f"{_ORG}/repositories/{{repository}}": {"repo.update"},
    f"{_ORG}/repositories/{{repository}}/collaborators": {"repo.add_member"},
    f"{_ORG}/repositories/{{repository}}/delete": {"repo.destroy"},
}
#: Forms that call what a route of the API calls, or that a test of their own below looks at.
ELSEWHERE: Final = frozenset(
    {
        "/new/organization", "/settings/tokens/new", "/settings/tokens/{number}/revoke",
        "/settings/tokens/{number}/organizations", "/settings/sessions", "/settings/security/password",
        "/settings/security/connect", "/settings/security/disconnect", "/login", "/login/code", "/logout",
        "/login/device", "/login/device/token",
    }
)  # fmt: skip
#: What changes nothing that is kept: cookies, a device that waits to be approved, what a hook is sent once more.
NOTHING: Final = frozenset(
    {
        "/-/preferences", "/login/device/code", f"{_ORG}/hooks/{{hook}}/pings",
        f"{_ORG}/hooks/{{hook}}/deliveries/{{delivery}}",
    }
)  # fmt: skip
ADMINISTRATION: Final = "/-/admin/"

#: What the world has already, and has not so that the route has something to change; $1 is the id of all that it has.
BEFORE: Final[dict[tuple[str, str], str]] = {
    ("DELETE", "/users/{username}/suspended"): "UPDATE accounts SET suspended_at = now() WHERE id = $1 + 10000000",
    ("DELETE", "/users/{username}/site_admin"): "UPDATE accounts SET site_admin = true WHERE id = $1 + 10000000",
    ("DELETE", "/admin/users/{username}/sessions"): """INSERT INTO tokens (account_id, kind, hash, last_eight)
        VALUES ($1 + 10000000, 'session', sha256('session'), '')""",
    ("DELETE", "/packages/quota"): """INSERT INTO quotas (owner_id, bytes, hard, warn_percent)
        SELECT id, 7, false, 90 FROM accounts WHERE id = $1 OR login = 'olga' ON CONFLICT DO NOTHING""",
    ("PUT", f"{_O}/memberships/{{username}}"): """UPDATE memberships SET role = 'admin'
        WHERE org_id = $1 AND user_id = $1 + 10000000""",
    ("PUT", f"{_TEAM}/memberships/{{username}}"): "DELETE FROM team_members WHERE team_id = $1",
    ("PUT", f"{_TEAM}/repos/{{owner}}/{{repo}}"): "DELETE FROM repository_teams WHERE team_id = $1",
    ("PUT", f"{_P}/repository"): "UPDATE packages SET repository_id = NULL WHERE id = $1",
    ("PUT", f"{_P}/access/repositories/{{owner}}/{{repo}}"): "DELETE FROM package_repositories WHERE package_id = $1",
    ("PUT", f"{_P}/tags/{{tag}}"): f"""UPDATE tags SET digest = '{digest_of(OTHER)}'
        WHERE package_id = $1 AND name = 'latest'""",
    ("PUT", "/user/tokens/{token_id}/organizations/{org}"): "DELETE FROM token_organizations WHERE org_id = $1",
}  # fmt: skip


def short(path: str) -> str:
    """A path of packages, of whichever owner."""
    for prefix in _FAMILIES:
        if path.startswith(f"{prefix}/packages/"):
            return path.removeprefix(prefix)
    return path


def test_every_change_has_its_line() -> None:
    assert {(method, short(path)) for method, path in REST if method not in _READS} == set(EVENTS)
    assert {kind for kind, line in OCI.items() if line.method not in _READS} == set(OF_V2)
    posts = {route.address for route in PAGES if route.method != "GET"}
    known = {*OF_PAGES, *ELSEWHERE, *NOTHING}
    assert known <= posts
    assert all(address.startswith((ADMINISTRATION, "/login/oidc/")) for address in posts - known), posts - known


def _cell(cells: Cells, method: str, path: str) -> Cell:
    """A world in which the first of the callers who may do it has something to change."""
    line, family = REST[method, path], family_of(path)
    who = next(one for one in CALLERS if refusal(one, line.needs, line.scope, family, "private") is None)
    return cells.new(who, family, "private", deleted=line.deleted, mirror=is_mirror(path))


def changes(cells: Cells) -> tuple[list[tuple[tuple[str, str], Cell]], list[tuple[Kind, Cell]]]:
    """Every route of the API and of /v2 that changes something, each with a world in which its caller may."""
    rest = [(key, _cell(cells, *key)) for key in REST if key[0] not in _READS]
    v2 = [
        (kind, cells.new(next(one for one in CALLERS if oci_refusal(one, OCI[kind].need, "private") is None),
                         "orgs", "private"))
        for kind in OF_V2
    ]  # fmt: skip
    return rest, v2


@pytest.mark.timeout(300)
async def test_every_change_has_its_event(env: dict[str, str], database_url: str) -> None:
    cells, failures = Cells(), list[tuple[str, str]]()
    rest, v2 = changes(cells)
    await build(database_url, cells.all)
    env |= {"MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8", "MOORAGE_ACCESS_LOG": "off"}
    async with running(env) as registry:
        for (method, path), cell in rest:
            line, key = REST[method, path], (method, short(path))
            if key in BEFORE:
                await registry.services.db.execute(BEFORE[key], cell.id)
            answer = await ask(registry, cell, method, path, line)
            wanted = set() if answer.status == _UNPROCESSABLE else EVENTS[key]
            wrong = await _wrong(registry, cell, answer, wanted)
            wrong = wrong or ("" if answer.status == ok_of(line, cell) else f"got {answer.status}")
            failures += [(f"{method} {path}", wrong)] if wrong else []
        for kind, cell in v2:
            answer = await registry.call(
                OCI[kind].method, target_of(OCI[kind], cell), **sent_to(OCI[kind], cell.headers)
            )
            wrong = await _wrong(registry, cell, answer, OF_V2[kind])
            failures += [(str(kind), wrong or f"got {answer.status}")] if wrong or answer.status != OCI[kind].ok else []
    assert not failures, table(failures)


async def _recorded(registry: Registry, answer: Answer) -> list[Any]:
    return await registry.services.db.fetch(
        "SELECT * FROM events WHERE request_id = $1 ORDER BY id", answer.headers["X-Moorage-Request-Id"]
    )


async def _wrong(registry: Registry, cell: Cell, answer: Answer, wanted: set[str]) -> str:
    """What is wrong with what a request of the cell recorded; nothing: ""."""
    rows = await _recorded(registry, answer)
    if {row["action"] for row in rows} != wanted:
        return f"expected {sorted(wanted)}, got {[row['action'] for row in rows]}"
    address = cell.headers["X-Forwarded-For"]
    assert cell.caller.account is not None
    for row in rows:
        who = row["actor_id"], row["token_id"], row["via"], row["remote"]
        if who != (ACCOUNTS[cell.caller.account], cell.token_id, cell.caller.kind, address):
            return f"{row['action']} by {who}"
        if not row["user_agent"].startswith("Python/") or row["owner_id"] is None:
            return f"{row['action']}: {row['user_agent']}, {row['owner_id']}"
    return ""


@pytest.mark.parametrize("address", sorted(OF_PAGES))
async def test_every_form_has_its_event(registry: Registry, address: str) -> None:
    world = await managed(registry)
    await before(world, address)
    form = FORMS[address]
    answer = await change(world.owner, form.path, {**await fields_of(world, form), **_CHANGED.get(address, {})})
    assert answer.status == 303
    rows = await _recorded(registry, answer)
    assert {row["action"] for row in rows} == OF_PAGES[address]
    assert {row["via"] for row in rows} == {"session"}
    assert all(row["actor_id"] and row["token_id"] and row["remote"] for row in rows)


#: Where the form as it stands there changes nothing.
_CHANGED: Final[dict[str, dict[str, str]]] = {f"{_ORG}/settings": {"name": "Acme and sons"}}
