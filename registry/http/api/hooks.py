"""Webhooks of an organization or of a repository, and their deliveries, at GitHub's addresses."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

import msgspec
import orjson
from aiohttp import web
from msgspec import UNSET, UnsetType

from auth.permissions import ADMIN
from registry.errors import NotFound
from registry.hooks.formats import payload_of
from registry.hooks.hooks import HIDDEN, Config, ContentType, Format, HookInvalid, Opened, Wanted
from registry.hooks.shapes import config_shape, hook_shape
from registry.http.api import rights
from registry.http.api.call import ApiCall, Text, answer, nothing
from registry.http.api.paging import page_of, size_of
from registry.http.api.routes import Handler, Route
from registry.http.api.schemas import hooks as schemas
from registry.http.api.schemas.values import Empty
from registry.http.numbers import number_of
from storage.metadata import deliveries
from storage.metadata.deliveries import Delivery
from storage.metadata.hooks import Place

#: The states of deliveries by GitHub's words.
_STATUSES: Final = {"success": ("delivered",), "failure": ("failed",)}
_Events = Annotated[list[Text], msgspec.Meta(max_length=10)]
#: GitHub takes both.
_Insecure = Literal["0", "1", 0, 1]


class ConfigChange(msgspec.Struct):
    """The fields of a configuration that are to be set."""

    url: Text | UnsetType = UNSET
    content_type: ContentType | UnsetType = UNSET
    secret: Text | UnsetType | None = UNSET
    insecure_ssl: _Insecure | UnsetType = UNSET


class NewConfig(msgspec.Struct):
    url: Text
    content_type: ContentType = "form"
    secret: Text | None = None
    insecure_ssl: _Insecure = "0"


class NewHook(msgspec.Struct):
    """A hook to create. ``children``: tell of the images that an index names too, as GitHub does."""

    config: NewConfig
    name: Literal["web"] = "web"
    events: _Events = msgspec.field(default_factory=lambda: ["package"])
    active: bool = True
    format: Format = "github"
    children: bool = False


class HookChange(msgspec.Struct):
    """The fields of a hook that are to be set. ``config`` replaces the whole configuration, with its secret."""

    config: NewConfig | UnsetType = UNSET
    events: _Events | UnsetType = UNSET
    add_events: _Events = []
    remove_events: _Events = []
    active: bool | UnsetType = UNSET
    format: Format | UnsetType = UNSET
    children: bool | UnsetType = UNSET


async def _place(call: ApiCall) -> tuple[Place, str]:
    """The organization or repository of the path, for its owners or admins, and its path. Raises 404, 403."""
    if "org" in call.http.match_info:
        org = await rights.owner_of(call)
        return Place(org.id, None), f"orgs/{org.login}"
    repository = await rights.repository(call, ADMIN)
    return Place(None, repository.id), f"repos/{repository.full_name}"


async def _hook(call: ApiCall) -> tuple[Opened, str]:
    """The hook of the path, and the path below which it is. Raises 404, 403."""
    place, path = await _place(call)
    return await call.services.hooks.get(place, call.number("hook_id")), path


async def list_hooks(call: ApiCall) -> web.Response:
    """List the webhooks."""
    (place, path), page = await _place(call), page_of(call)
    found = await call.services.hooks.of(place)
    shown = found[page.offset : page.offset + page.size]
    return answer([hook_shape(call, one, path) for one in shown], headers=page.links(call, len(found)))


async def create(call: ApiCall) -> web.Response:
    """Create a webhook, which is sent a ping. What happened before is not told."""
    new = call.body(NewHook)
    place, path = await _place(call)
    _check_secure(new.config.insecure_ssl)
    config = Config(new.config.url, new.config.secret or None)
    wanted = Wanted(config, new.config.content_type, new.format, new.events, new.children, new.active)
    made = hook_shape(call, await call.services.hooks.create(place, wanted), path)
    return answer(made, 201, {"Location": str(made["url"])})


async def get(call: ApiCall) -> web.Response:
    """Return a webhook."""
    found, path = await _hook(call)
    return answer(hook_shape(call, found, path))


async def update(call: ApiCall) -> web.Response:
    """Change a webhook. A configuration without its secret removes the secret; asterisks leave it as it is."""
    new = call.body(HookChange)
    place, path = await _place(call)
    if new.config is not UNSET:
        _check_secure(new.config.insecure_ssl)
    done = await call.services.hooks.update(place, call.number("hook_id"), lambda found: _changed(found, new))
    return answer(hook_shape(call, done, path))


def _changed(found: Opened, new: HookChange) -> Wanted:
    hook = found.hook
    config, content_type = found.config, hook.content_type
    if new.config is not UNSET:
        kept = found.present.config.secret
        secret = kept if new.config.secret == HIDDEN else new.config.secret or None
        config, content_type = Config(new.config.url, secret), new.config.content_type
    events: Sequence[str] = hook.events if new.events is UNSET else new.events
    return Wanted(
        _known(config),
        content_type,
        _set(new.format, hook.format),
        [*(one for one in events if one not in new.remove_events), *new.add_events],
        _set(new.children, hook.children),
        _set(new.active, hook.active),
    )


async def get_config(call: ApiCall) -> web.Response:
    """Return the configuration of a webhook."""
    found, _ = await _hook(call)
    return answer(config_shape(found))


async def update_config(call: ApiCall) -> web.Response:
    """Change the configuration of a webhook, and leave what is not named as it is."""
    new = call.body(ConfigChange)
    place, _ = await _place(call)
    _check_secure(_set(new.insecure_ssl, "0"))

    def changed(found: Opened) -> Wanted:
        present = found.present
        old = present.config
        secret = old.secret if new.secret is UNSET or new.secret == HIDDEN else new.secret or None
        config = Config(_set(new.url, old.url), secret)
        return replace(present, config=config, content_type=_set(new.content_type, present.content_type))

    return answer(config_shape(await call.services.hooks.update(place, call.number("hook_id"), changed)))


async def delete(call: ApiCall) -> web.Response:
    """Delete a webhook. What was not delivered yet is not sent any more."""
    place, _ = await _place(call)
    await call.services.hooks.delete(place, call.number("hook_id"))
    return nothing()


async def ping(call: ApiCall) -> web.Response:
    """Have a webhook sent a ping."""
    place, _ = await _place(call)
    await call.services.hooks.ping(place, call.number("hook_id"))
    return nothing()


async def send_test(call: ApiCall) -> web.Response:
    """Have a webhook sent a ping, as a test."""
    return await ping(call)


async def list_deliveries(call: ApiCall) -> web.Response:
    """List the deliveries of a webhook of the last thirty days, the newest first."""
    found, _ = await _hook(call)
    size, query = size_of(call), call.http.query
    before = number_of(query.get("cursor", ""))
    states = _STATUSES.get(query.get("status", ""))
    rows = await deliveries.of_hook(call.services.db, found.hook.id, before=before, states=states, limit=size + 1)
    headers = {}
    if len(rows) > size:
        url = call.http.rel_url.update_query(cursor=str(rows[size - 1].id), per_page=str(size))
        headers["Link"] = f'<{call.served_at}{url}>; rel="next"'
    return answer([_delivery(row) for row in rows[:size]], headers=headers)


async def get_delivery(call: ApiCall) -> web.Response:
    """Return a delivery of a webhook with what was sent and answered."""
    found, _ = await _hook(call)
    row = await deliveries.get(call.services.db, found.hook.id, call.number("delivery_id"))
    if row is None:
        raise NotFound
    return answer(
        {
            **_delivery(row),
            "url": found.present.config.url,
            "request": {
                "headers": _headers(row.request_headers),
                "payload": None if row.payload is None else payload_of(row.payload),
            },
            "response": {
                "headers": _headers(row.response_headers),
                "payload": None if row.response is None else row.response.decode("utf-8", "replace"),
            },
        }
    )


async def redeliver(call: ApiCall) -> web.Response:
    """Have a delivery sent once more: the same bytes, under the same GUID."""
    place, _ = await _place(call)
    await call.services.hooks.redeliver(place, call.number("hook_id"), call.number("delivery_id"))
    return answer({}, 202)


def _check_secure(insecure_ssl: str | int) -> None:
    if str(insecure_ssl) != "0":
        raise HookInvalid("expected insecure_ssl 0: certificates are verified, always")


def _known(config: Config | None) -> Config:
    if config is None:
        raise HookInvalid("expected config: what was set cannot be opened, for MOORAGE_SECRET_KEY has changed")
    return config


def _set(value: Any, old: Any) -> Any:
    return old if value is UNSET else value


def _delivery(row: Delivery) -> dict[str, Any]:
    return {
        "id": row.id,
        "guid": str(row.guid),
        "delivered_at": row.delivered_at or row.created_at,
        "redelivery": row.redelivery,
        "duration": (row.duration_ms or 0) / 1000,
        "status": row.status or "pending",
        "status_code": row.status_code or 0,
        "event": row.event,
        "action": row.action,
        "installation_id": None,
        "repository_id": row.repository_id,
        "throttled_at": None,
        "state": row.state,
        "attempts": row.attempts,
        "next_attempt_at": row.due_at if row.state == "waiting" else None,
    }


def _headers(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


_SEEN: Final = (200, 403, 404)
_FAMILIES: Final = (
    ("/orgs/{org}/hooks", "admin:org", "for an organization"),
    ("/repos/{owner}/{repo}/hooks", "repo", "for a repository"),
)


def _family(method: str, path: str, handler: Handler, summary: str, **more: Any) -> tuple[Route, ...]:
    return tuple(
        Route(method, prefix + path, handler, f"{summary} {whose}", scope=scope, **more)
        for prefix, scope, whose in _FAMILIES
    )


_HOOK: Final = "/{hook_id}"
_DELIVERY: Final = f"{_HOOK}/deliveries/{{delivery_id}}"

ROUTES: Final = (
    *_family(
        "GET", "", list_hooks, "List the webhooks", query=("page", "per_page"), statuses=_SEEN,
        answer=list[schemas.Hook],
    ),
    *_family(
        "POST", "", create, "Create a webhook", body=NewHook, statuses=(201, 403, 404, 422), answer=schemas.Hook
    ),
    *_family("GET", _HOOK, get, "Get a webhook", statuses=_SEEN, answer=schemas.Hook),
    *_family(
        "PATCH", _HOOK, update, "Change a webhook", body=HookChange, statuses=(200, 403, 404, 422), answer=schemas.Hook
    ),
    *_family("DELETE", _HOOK, delete, "Delete a webhook", statuses=(204, 403, 404)),
    *_family(
        "GET", f"{_HOOK}/config", get_config, "Get the configuration of a webhook", statuses=_SEEN,
        answer=schemas.HookConfig,
    ),
    *_family(
        "PATCH", f"{_HOOK}/config", update_config, "Change the configuration of a webhook", body=ConfigChange,
        statuses=(200, 403, 404, 422), answer=schemas.HookConfig,
    ),
    *_family("POST", f"{_HOOK}/pings", ping, "Ping a webhook", statuses=(204, 403, 404)),
    Route(
        "POST", "/repos/{owner}/{repo}/hooks/{hook_id}/tests", send_test, "Test a webhook for a repository",
        scope="repo", statuses=(204, 403, 404),
    ),
    *_family(
        "GET", f"{_HOOK}/deliveries", list_deliveries, "List the deliveries of a webhook",
        query=("per_page", "cursor", "status"), statuses=_SEEN, answer=list[schemas.Delivery],
    ),
    *_family(
        "GET", _DELIVERY, get_delivery, "Get a delivery of a webhook", statuses=_SEEN, answer=schemas.FullDelivery
    ),
    *_family(
        "POST", f"{_DELIVERY}/attempts", redeliver, "Redeliver a delivery of a webhook", statuses=(202, 403, 404),
        answer=Empty,
    ),
)  # fmt: skip
