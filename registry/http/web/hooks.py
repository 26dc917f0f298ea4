"""Webhooks of an organization, for its owners: make and change them, and see what they were sent."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from registry.errors import NotFound
from registry.hooks.formats import payload_of
from registry.hooks.hooks import FORMATS, HIDDEN, Config, HookInvalid, Opened, Wanted
from registry.hooks.telling import NAMES
from registry.http.numbers import number_of
from registry.http.web.call import PageCall
from registry.http.web.catalogue import key
from registry.http.web.confirming import Question, ask
from registry.http.web.people import opening, owner_of
from registry.http.web.routes import Route
from storage.metadata import deliveries
from storage.metadata.hooks import Place
from storage.metadata.organizations import Organization

_ROWS: Final = 30
#: The states of deliveries, and of hooks.
_WORDS: Final = (
    key("waiting"), key("sending"), key("delivered"), key("failed"), key("unused"), key("works"), key("failing"),
    key("off"), key("disabled"),
)  # fmt: skip


def _path(org: Organization, hook_id: int | None = None) -> str:
    path = f"/{org.login.lower()}/-/hooks"
    return path if hook_id is None else f"{path}/{hook_id}"


def _place(org: Organization) -> Place:
    return Place(org.id, None)


def _number(call: PageCall, name: str) -> int:
    found = number_of(call.param(name))
    if found is None:
        raise NotFound
    return found


async def _named(call: PageCall, org: Organization) -> Opened:
    return await call.services.hooks.get(_place(org), _number(call, "hook"))


def _state(found: Opened) -> str:
    hook = found.hook
    if not hook.active:
        return "off"
    if hook.disabled_reason is not None or found.config is None:
        return "disabled"
    if hook.last_status is None:
        return "unused"
    return "works" if hook.failing_since is None else "failing"


async def hook_list(call: PageCall) -> web.Response:
    """List the webhooks of an organization."""
    return await _list(call, await owner_of(call))


async def _list(call: PageCall, org: Organization, errors: Mapping[str, str] | None = None) -> web.Response:
    found = await call.services.hooks.of(_place(org))
    return call.page(
        "hooks.html",
        title=[call.say("Webhooks"), org.login],
        status=422 if errors else 200,
        api=f"/orgs/{org.login}/hooks",
        command=f"moorage hook list {org.login}",
        owner=org,
        hooks=[(one, _state(one)) for one in found],
        errors=errors or {},
        typed=_typed(call),
        names=NAMES,
    )


def _typed(call: PageCall) -> dict[str, Any]:
    """Return what the form has, or what it begins with."""
    sent = "url" in call.fields
    return {
        "url": call.text("url"),
        "content_type": call.text("content_type") or "json",
        "format": call.text("format") or FORMATS[0],
        "events": [name for name in NAMES if name in call.fields] if sent else ["package"],
        "children": "children" in call.fields,
        "active": "active" in call.fields or not sent,
    }


def _wanted(call: PageCall, kept: str | None) -> Wanted:
    """Return the hook that the form describes; a secret that is not typed anew is the one that is ``kept``."""
    typed = _typed(call)
    secret = kept if call.text("secret") == HIDDEN else call.text("secret") or None
    return Wanted(
        Config(typed["url"], secret),
        "form" if typed["content_type"] == "form" else "json",
        typed["format"] if typed["format"] in FORMATS else FORMATS[0],
        typed["events"],
        typed["children"],
        typed["active"],
    )


async def create(call: PageCall) -> web.Response:
    """Make a webhook."""
    org = await owner_of(call)
    wanted = _wanted(call, None)
    same = next((one for one in await call.services.hooks.of(_place(org)) if one.is_as(wanted)), None)
    try:
        made = same or await call.services.hooks.create(_place(org), wanted)
    except HookInvalid as error:
        return await _list(call, org, {"url": call.say("This webhook cannot be: %(why)s", why=error.message)})
    return call.redirect(_path(org, made.hook.id), call.say("The webhook is made, and sent a ping."))


async def hook(call: PageCall) -> web.Response:
    """Show a webhook and its deliveries."""
    org = await owner_of(call)
    return await _hook(call, org, await _named(call, org))


async def _hook(
    call: PageCall, org: Organization, found: Opened, errors: Mapping[str, str] | None = None
) -> web.Response:
    before = number_of(call.query("after"))
    rows = await deliveries.of_hook(call.services.db, found.hook.id, before=before, states=None, limit=_ROWS + 1)
    config = found.present.config
    present = {
        "url": config.url,
        "content_type": found.hook.content_type,
        "format": found.hook.format,
        "events": found.hook.events,
        "children": found.hook.children,
        "active": found.hook.active,
    }
    return call.page(
        "hook.html",
        title=[call.say("Webhook"), org.login],
        status=422 if errors else 200,
        api=f"/orgs/{org.login}/hooks/{found.hook.id}",
        command=f"moorage hook deliveries {org.login} {found.hook.id}",
        owner=org,
        hook=found.hook,
        state=_state(found),
        signed=config.secret is not None,
        hidden=HIDDEN,
        opened=found.config is not None,
        deliveries=rows[:_ROWS],
        more=str(rows[_ROWS - 1].id) if len(rows) > _ROWS else None,
        after=call.query("after"),
        errors=errors or {},
        typed=_typed(call) if errors else present,
        names=NAMES,
        path=_path(org, found.hook.id),
    )


async def update(call: PageCall) -> web.Response:
    """Change a webhook."""
    org = await owner_of(call)
    hook_id = _number(call, "hook")

    def changed(found: Opened) -> Wanted:
        return _wanted(call, found.present.config.secret)

    try:
        await call.services.hooks.update(_place(org), hook_id, changed)
    except HookInvalid as error:
        why = {"url": call.say("This webhook cannot be: %(why)s", why=error.message)}
        return await _hook(call, org, await _named(call, org), why)
    return call.redirect(_path(org, hook_id), call.say("The webhook is saved."))


async def ping(call: PageCall) -> web.Response:
    """Have a webhook sent a ping."""
    org, hook_id = await owner_of(call), _number(call, "hook")
    await call.services.hooks.ping(_place(org), hook_id)
    return call.redirect(_path(org, hook_id), call.say("A ping is on its way."))


def _question(call: PageCall, org: Organization, found: Opened) -> Question:
    return Question(
        call.say("Delete the webhook"),
        [call.say("What was not delivered yet is not sent any more.")],
        call.say("Delete the webhook"),
        _path(org, found.hook.id),
    )


async def delete_page(call: PageCall) -> web.Response:
    """Show what ends with a webhook."""
    org = await owner_of(call)
    return ask(call, _question(call, org, await _named(call, org)))


async def delete(call: PageCall) -> web.Response:
    """Delete a webhook."""
    org = await owner_of(call)
    try:
        await call.services.hooks.delete(_place(org), _number(call, "hook"))
    except NotFound:
        return call.redirect(_path(org), call.say("There is no such webhook any more."), "info")
    return call.redirect(_path(org), call.say("The webhook is deleted."))


async def delivery(call: PageCall) -> web.Response:
    """Show what was sent, and what was answered."""
    org = await owner_of(call)
    found = await _named(call, org)
    row = await deliveries.get(call.services.db, found.hook.id, _number(call, "delivery"))
    if row is None:
        raise NotFound
    return call.page(
        "hook_delivery.html",
        title=[call.say("Delivery"), call.say("Webhooks"), org.login],
        api=f"/orgs/{org.login}/hooks/{found.hook.id}/deliveries/{row.id}",
        command=f"moorage hook delivery {org.login} {found.hook.id} {row.id}",
        owner=org,
        hook=found.hook,
        delivery=row,
        request_headers=_headers(row.request_headers),
        payload=_indented(row.payload),
        response_headers=_headers(row.response_headers),
        response=None if row.response is None else row.response.decode("utf-8", "replace"),
        path=_path(org, found.hook.id),
    )


async def redeliver(call: PageCall) -> web.Response:
    """Have a delivery sent once more."""
    org, hook_id = await owner_of(call), _number(call, "hook")
    await call.services.hooks.redeliver(_place(org), hook_id, _number(call, "delivery"))
    return call.redirect(_path(org, hook_id), call.say("The delivery is sent once more."))


def _headers(text: str | None) -> str | None:
    return None if text is None else "\n".join(f"{name}: {value}" for name, value in orjson.loads(text).items())


def _indented(payload: bytes | None) -> str | None:
    """Return the JSON of a payload for people."""
    return None if payload is None else orjson.dumps(payload_of(payload), option=orjson.OPT_INDENT_2).decode()


_HOOKS: Final = "/{owner}/-/hooks"
_HOOK: Final = f"{_HOOKS}/{{hook}}"
_DELIVERY: Final = f"{_HOOK}/deliveries/{{delivery}}"
ROUTES: Final = (
    Route("GET", _HOOKS, hook_list, opening=opening),
    Route("POST", _HOOKS, create),
    Route("GET", _HOOK, hook, opening=opening),
    Route("POST", _HOOK, update),
    Route("POST", f"{_HOOK}/pings", ping),
    Route("GET", f"{_HOOK}/delete", delete_page, opening=opening),
    Route("POST", f"{_HOOK}/delete", delete),
    Route("GET", _DELIVERY, delivery, opening=opening),
    Route("POST", _DELIVERY, redeliver),
)
