"""Retention of an organization, for its owners: policies, and plans with their decisions, to apply and to undo."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiohttp import web

from registry.errors import Conflict, Invalid, NotFound
from registry.http.numbers import number_of, place_of, place_text
from registry.http.web.call import PageCall
from registry.http.web.catalogue import key
from registry.http.web.people import opening, owner_of
from registry.http.web.routes import Route
from registry.packages.retention.policy import SCHEDULES, Policy
from registry.packages.retention.rules import NamedPolicy, PlanNotReady, document
from storage.metadata import retention_decisions
from storage.metadata.organizations import Organization
from storage.metadata.retention import StoredPolicy

_NAME_MAX: Final = 100
_RULES_MAX: Final = 20_000
_PLANS: Final = 20
_ROWS: Final = 100
_EXAMPLE: Final = {
    "packages": ["*"],
    "rules": [
        {"keep": {"tags": ["v*", "latest"]}},
        {"keep": {"pulled_within": "30d"}},
        {"delete": {"tags": ["pr-*"], "older_than": "14d"}},
        {"delete": {"untagged": True, "older_than": "7d"}},
    ],
}
#: The states of a plan, and how often a policy runs.
STATES: Final = {
    "queued": key("waits for a worker"),
    "planned": key("planned"),
    "needs_approval": key("needs your approval"),
    "applying": key("is being applied"),
    "applied": key("applied"),
    "undoing": key("is being undone"),
    "undone": key("undone"),
}
TIMES: Final = {"hourly": key("every hour"), "daily": key("every day"), "weekly": key("every week")}
DECISIONS: Final = {"keep": key("stays"), "untag": key("tag goes"), "delete": key("goes")}
OUTCOMES: Final = {
    "done": key("done"),
    "changed": key("left out: it has changed"),
    "refused": key("left out: it is refused"),
    "undone": key("undone"),
    "lost": key("not undone"),
}


def _path(org: Organization) -> str:
    return f"/{org.login.lower()}/-/retention"


async def policies(call: PageCall) -> web.Response:
    """List the policies of an organization, and its plans."""
    return await _list(call, await owner_of(call))


async def _list(call: PageCall, org: Organization, errors: Mapping[str, str] | None = None) -> web.Response:
    rules = call.services.retention
    found = await rules.policies(org.id)
    edited = next((one for one in found if str(one.id) == call.query("policy")), None)
    return call.page(
        "retention.html",
        title=[call.say("Retention"), org.login],
        status=422 if errors else 200,
        api=f"/orgs/{org.login}/retention/policies",
        command=f"moorage retention policies {org.login}",
        owner=org,
        policies=found,
        plans=await rules.plans(org.id, before=None, limit=_PLANS),
        path=_path(org),
        states=STATES,
        times=TIMES,
        errors=errors or {},
        form=_sent(call) if errors else _form(edited),
    )


def _form(edited: StoredPolicy | None) -> dict[str, Any]:
    """Return what the form begins with: a policy that is stored, or an example."""
    if edited is None:
        return {"name": "", "rules": _pretty(_EXAMPLE), "schedule": "daily", "enabled": False}
    return {
        "name": edited.name,
        "rules": _pretty(document(edited)),
        "schedule": edited.schedule,
        "enabled": edited.enabled,
    }


def _sent(call: PageCall) -> dict[str, Any]:
    return {
        "name": call.text("name", _NAME_MAX),
        "rules": call.text("rules", _RULES_MAX),
        "schedule": call.text("schedule"),
        "enabled": "enabled" in call.fields,
    }


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


async def save(call: PageCall) -> web.Response:
    """Make a policy, or replace the one of that name."""
    org, sent = await owner_of(call), _sent(call)
    rules = call.services.retention
    try:
        given = msgspec.json.decode(sent["rules"], type=Policy)
        schedule = next((one for one in SCHEDULES if one == sent["schedule"]), SCHEDULES[1])
        new = NamedPolicy(
            name=sent["name"], rules=given.rules, packages=given.packages, guards=given.guards,
            schedule=schedule, enabled=sent["enabled"],
        )  # fmt: skip
        before = next((one for one in await rules.policies(org.id) if one.name.lower() == new.name.lower()), None)
        if before is None:
            await rules.create(org.id, new, call.actor)
        else:
            await rules.update(org.id, before.id, new, call.actor)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return await _list(call, org, {"rules": call.say("This is no policy: %(why)s", why=str(error))})
    except Invalid as error:
        return await _list(call, org, {"rules": error.message.rpartition("\n")[2]})
    except Conflict:
        return await _list(call, org, {"name": call.say("This name is taken.")})
    return call.redirect(_path(org), call.say("The policy is saved: %(name)s", name=new.name))


async def delete(call: PageCall) -> web.Response:
    """Delete a policy; what it has deleted stays so."""
    org = await owner_of(call)
    with suppress(NotFound):  # sent before
        await call.services.retention.delete(org.id, number_of(call.text("policy")) or 0, call.actor)
    return call.redirect(_path(org), call.say("The policy is deleted."))


async def plan(call: PageCall) -> web.Response:
    """Make a plan of a policy: nothing is deleted by that."""
    org = await owner_of(call)
    made = await call.services.retention.plan(org.id, number_of(call.text("policy")) or 0, call.actor)
    return call.redirect(f"{_path(org)}/plans/{made.id}", call.say("A worker makes the plan. Reload this page soon."))


async def planned(call: PageCall) -> web.Response:
    """Show a plan: what goes and why, and what became of it."""
    org = await owner_of(call)
    found = await call.services.retention.planned(org.id, int(call.param("number")))
    after = place_of(call.query("after"))
    rows = await retention_decisions.decisions(call.services.db, found.id, after=after, limit=_ROWS + 1)
    more = place_text(rows[_ROWS - 1].package_id, rows[_ROWS - 1].place) if len(rows) > _ROWS else None
    shown = [(one, msgspec.json.decode(one.because, type=list[dict[str, Any]])) for one in rows[:_ROWS]]
    return call.page(
        "retention_plan.html",
        title=[call.say("Plan %(number)s", number=found.id), org.login],
        api=f"/orgs/{org.login}/retention/plans/{found.id}",
        command=f"moorage retention show {org.login} {found.id}",
        owner=org,
        plan=found,
        rows=shown,
        more=more,
        after=call.query("after"),
        path=_path(org),
        states=STATES,
        decisions=DECISIONS,
        outcomes=OUTCOMES,
        policy=_pretty(document(found)),
    )


async def turn(call: PageCall) -> web.Response:
    """Apply a plan, or undo it."""
    org, number = await owner_of(call), int(call.param("number"))
    rules = call.services.retention
    try:
        if call.text("turn") == "undo":
            await rules.undo(org.id, number, call.actor)
        else:
            await rules.apply(org.id, number, call.actor)
    except PlanNotReady as error:  # sent before, or by somebody else: the page shows what it is now
        return call.redirect(f"{_path(org)}/plans/{number}", call.say(STATES[error.state]), "info")
    return call.redirect(f"{_path(org)}/plans/{number}", call.say("A worker does it. Reload this page soon."))


_RETENTION: Final = "/{owner}/-/retention"
ROUTES: Final = (
    Route("GET", _RETENTION, policies, opening=opening),
    Route("POST", _RETENTION, save),
    Route("POST", f"{_RETENTION}/delete", delete),
    Route("POST", f"{_RETENTION}/plan", plan),
    Route("GET", f"{_RETENTION}/plans/{{number}}", planned, opening=opening),
    Route("POST", f"{_RETENTION}/plans/{{number}}", turn),
)
