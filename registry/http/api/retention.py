"""Retention: the policies of an owner, plans of what they would do, and why a version stays or goes."""

from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from auth.identity import Action
from auth.tokens import TokenKind
from registry.errors import Denied, Invalid, NotFound
from registry.http.api import rights
from registry.http.api.call import ApiCall, answer, nothing
from registry.http.api.families import VERSION, allowed, family, one_of, shown
from registry.http.api.paging import after_link, after_of
from registry.http.api.routes import Handler, Route
from registry.http.api.schemas import retention as schemas
from registry.http.numbers import number_of, place_of, place_text
from registry.packages.retention.policy import Policy, PolicyInvalid
from registry.packages.retention.rules import NamedPolicy, document
from storage.metadata import retention_decisions, versions
from storage.metadata.retention import StoredPlan, StoredPolicy
from storage.metadata.retention_decisions import StoredDecision

_DECISIONS: Final = ("keep", "untag", "delete")


class NewPlan(msgspec.Struct):
    """A plan to make: of the policy with the id ``policy_id``, or of one that is given with it and not stored."""

    policy_id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    policy: Policy | None = None


async def _owner(call: ApiCall) -> int:
    """Return the account that the path names, which the viewer owns. Raises 404, 403.

    The rules of a fine-grained token name packages, and a policy is of all that somebody owns.
    """
    if call.me.kind != TokenKind.CLASSIC:
        raise Denied(
            "a classic token", [f"a {call.me.kind} token"], "Use a classic token with the scope delete:packages."
        )
    return await rights.owned_account(call)


async def list_policies(call: ApiCall) -> web.Response:
    """List the policies by their names."""
    found = await call.services.retention.policies(await _owner(call))
    return answer([_policy(one) for one in found])


async def create_policy(call: ApiCall) -> web.Response:
    """Create a policy. What it would do is seen by making a plan of it; it does nothing until it is enabled."""
    new = _given(call)
    return answer(_policy(await call.services.retention.create(await _owner(call), new, call.actor)), 201)


def _given(call: ApiCall) -> NamedPolicy:
    """Return the policy of the body, which has no other fields than one that is read. Raises 400, 422.

    A guard that is written wrong would guard nothing.
    """
    new = call.body(NamedPolicy)
    for name in msgspec.json.decode(call.raw_body, type=dict[str, msgspec.Raw]):
        if name not in schemas.RetentionPolicy.__annotations__:
            raise PolicyInvalid(name[:60], "expected no field of this name")
    return new


async def get_policy(call: ApiCall) -> web.Response:
    """Return a policy."""
    owner_id = await _owner(call)
    return answer(_policy(await call.services.retention.policy(owner_id, call.number("policy_id"))))


async def update_policy(call: ApiCall) -> web.Response:
    """Replace a policy. Plans that were made of it before stay as they are."""
    new, owner_id = _given(call), await _owner(call)
    done = await call.services.retention.update(owner_id, call.number("policy_id"), new, call.actor)
    return answer(_policy(done))


async def delete_policy(call: ApiCall) -> web.Response:
    """Delete a policy. What it has deleted stays so, and its plans can be undone."""
    owner_id = await _owner(call)
    await call.services.retention.delete(owner_id, call.number("policy_id"), call.actor)
    return nothing()


async def list_plans(call: ApiCall) -> web.Response:
    """List the plans, the newest first."""
    (after, size), owner_id = after_of(call), await _owner(call)
    found = await call.services.retention.plans(owner_id, before=number_of(after or ""), limit=size + 1)
    last = found[size - 1].id if len(found) > size else None
    return answer([_plan(one) for one in found[:size]], headers=after_link(call, size, last))


async def create_plan(call: ApiCall) -> web.Response:
    """Make a plan: nothing is deleted by that. A worker makes it within seconds; then its state is planned."""
    new, owner_id = call.body(NewPlan), await _owner(call)
    wanted = new.policy if new.policy_id is None else new.policy_id
    if wanted is None or (new.policy is not None and new.policy_id is not None):
        raise Invalid("Invalid request.\n\nExpected either 'policy_id' or 'policy'.")
    return answer(_plan(await call.services.retention.plan(owner_id, wanted, call.actor)), 201)


async def get_plan(call: ApiCall) -> web.Response:
    """Return a plan."""
    owner_id = await _owner(call)
    return answer(_plan(await call.services.retention.planned(owner_id, call.number("plan_id"))))


async def list_decisions(call: ApiCall) -> web.Response:
    """List what a plan has decided, and why; what no rule would delete is not among it."""
    (after, size), owner_id = after_of(call), await _owner(call)
    wanted = one_of(call, "decision", _DECISIONS)
    found = await call.services.retention.planned(owner_id, call.number("plan_id"))
    package_id = await _named(call, owner_id)
    rows = await retention_decisions.decisions(
        call.services.db, found.id, after=place_of(after or ""), decision=wanted, package_id=package_id, limit=size + 1
    )
    last = place_text(rows[size - 1].package_id, rows[size - 1].place) if len(rows) > size else None
    return answer([_decision(one) for one in rows[:size]], headers=after_link(call, size, last))


async def _named(call: ApiCall, owner_id: int) -> int | None:
    """Return the package that ``?package=`` names, 0 if the owner has none of that name."""
    name = call.http.query.get("package")
    if name is None:
        return None
    return 0 if "\0" in name else await retention_decisions.package_of(call.services.db, owner_id, name)


async def apply_plan(call: ApiCall) -> web.Response:
    """Apply a plan: what changed since it was made is left out, and told in the outcomes of its decisions."""
    return answer(
        _plan(await call.services.retention.apply(await _owner(call), call.number("plan_id"), call.actor)), 202
    )


async def undo_plan(call: ApiCall) -> web.Response:
    """Undo a plan that was applied: its versions and tags come back, but for tags that other versions have now."""
    return answer(
        _plan(await call.services.retention.undo(await _owner(call), call.number("plan_id"), call.actor)), 202
    )


async def explain_version(call: ApiCall) -> web.Response:
    """Tell what the last plan of each policy has decided about a version, and why; for admins of the package."""
    version_id = call.number("package_version_id")
    package_id, _ = await allowed(call, Action.DELETE)
    await shown(call, package_id)
    if await versions.get(call.services.db, package_id, version_id) is None:
        raise NotFound
    found = await retention_decisions.explained(call.services.db, package_id, version_id)
    told = [
        {
            "plan_id": one.plan_id,
            "policy": one.policy,
            "planned_at": one.planned_at,
            "state": one.state,
            "decisions": msgspec.json.decode(one.decisions),
        }
        for one in found
    ]
    return answer(told)


def _policy(one: StoredPolicy) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        **document(one),
        "schedule": one.schedule,
        "enabled": one.enabled,
        "next_at": one.next_at,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
    }


def _plan(one: StoredPlan) -> dict[str, Any]:
    return {
        "id": one.id,
        "policy_id": one.policy_id,
        "policy": document(one),
        "state": one.state,
        "scheduled": one.scheduled,
        "packages": one.packages,
        "guarded": one.guarded,
        "untag": one.untags,
        "delete": one.deletes,
        "created_at": one.created_at,
        "planned_at": one.planned_at,
        "applied_at": one.applied_at,
        "ended_at": one.ended_at,
    }


def _decision(one: StoredDecision) -> dict[str, Any]:
    return {
        "package": one.package,
        "version_id": one.version_id,
        "digest": one.digest,
        "tag": one.tag,
        "tags": one.tags,
        "decision": one.decision,
        "because": msgspec.json.decode(one.because),
        "outcome": one.outcome,
        "told": one.told,
    }


_READ: Final = "read:packages"
_CHANGE: Final = "delete:packages"
_POLICIES: Final = "/retention/policies"
_PLANS: Final = "/retention/plans"


def _of_owner(method: str, path: str, handler: Handler, summary: str, **more: Any) -> tuple[Route, ...]:
    """Build a route of an organization, and of the caller's own account."""
    return (
        Route(method, f"/orgs/{{org}}{path}", handler, f"{summary} for an organization", **more),
        Route(method, f"/user{path}", handler, f"{summary} for the authenticated user", **more),
    )


ROUTES: Final = (
    *_of_owner(
        "GET", _POLICIES, list_policies, "List retention policies",
        scope=_READ, statuses=(200, 401, 403, 404), answer=list[schemas.RetentionPolicy],
    ),
    *_of_owner(
        "POST", _POLICIES, create_policy, "Create a retention policy", scope=_CHANGE, body=NamedPolicy,
        statuses=(201, 400, 401, 403, 404, 409, 413, 422), answer=schemas.RetentionPolicy,
    ),
    *_of_owner(
        "GET", f"{_POLICIES}/{{policy_id}}", get_policy, "Get a retention policy",
        scope=_READ, statuses=(200, 401, 403, 404), answer=schemas.RetentionPolicy,
    ),
    *_of_owner(
        "PUT", f"{_POLICIES}/{{policy_id}}", update_policy, "Replace a retention policy", scope=_CHANGE,
        body=NamedPolicy, statuses=(200, 400, 401, 403, 404, 409, 412, 413, 422), answer=schemas.RetentionPolicy,
    ),
    *_of_owner(
        "DELETE", f"{_POLICIES}/{{policy_id}}", delete_policy, "Delete a retention policy",
        scope=_CHANGE, statuses=(204, 401, 403, 404, 412),
    ),
    *_of_owner(
        "GET", _PLANS, list_plans, "List retention plans", scope=_READ, query=("after", "per_page"),
        statuses=(200, 401, 403, 404), answer=list[schemas.RetentionPlan],
    ),
    *_of_owner(
        "POST", _PLANS, create_plan, "Make a retention plan", scope=_CHANGE, body=NewPlan,
        statuses=(201, 400, 401, 403, 404, 409, 413, 422), answer=schemas.RetentionPlan,
    ),
    *_of_owner(
        "GET", f"{_PLANS}/{{plan_id}}", get_plan, "Get a retention plan",
        scope=_READ, statuses=(200, 401, 403, 404), answer=schemas.RetentionPlan,
    ),
    *_of_owner(
        "GET", f"{_PLANS}/{{plan_id}}/decisions", list_decisions, "List the decisions of a retention plan", scope=_READ,
        query=("package", "decision", "after", "per_page"), statuses=(200, 401, 403, 404, 422),
        answer=list[schemas.RetentionDecision],
    ),
    *_of_owner(
        "POST", f"{_PLANS}/{{plan_id}}/apply", apply_plan, "Apply a retention plan",
        scope=_CHANGE, statuses=(202, 401, 403, 404, 409), answer=schemas.RetentionPlan,
    ),
    *_of_owner(
        "POST", f"{_PLANS}/{{plan_id}}/undo", undo_plan, "Undo a retention plan",
        scope=_CHANGE, statuses=(202, 401, 403, 404, 409), answer=schemas.RetentionPlan,
    ),
    *family(
        "GET", f"{VERSION}/retention", explain_version, "Explain what retention does to a version",
        scope=_CHANGE, statuses=(200, 401, 403, 404), answer=list[schemas.RetentionExplanation],
    ),
)  # fmt: skip
