"""The mirror that an organization is, for its owners: what it mirrors, by which names, and how that goes."""

from collections.abc import Mapping
from typing import Final, TypeVar

from aiohttp import web

from registry.errors import Conflict, Denied, Invalid, NotFound
from registry.http.numbers import number_of
from registry.http.web.call import PageCall
from registry.http.web.people import opening, owner_of
from registry.http.web.routes import Route
from registry.mirror.mirrors import Mirror
from registry.mirror.settings import Wanted
from storage.metadata.organizations import Organization

Default = TypeVar("Default", int, None)

_URL_MAX: Final = 2000
_FIELDS: Final = (
    "url", "username", "password", "aliases", "hosts", "allow", "deny", "fetch_by", "tag_seconds", "stale_seconds",
    "missing_seconds", "idle_days", "max_bytes",
)  # fmt: skip
_NEW: Final = Wanted("docker.io")


def _path(org: Organization) -> str:
    return f"/{org.login.lower()}/-/settings/mirror"


async def page(call: PageCall) -> web.Response:
    """Show what an organization mirrors, and what the upstream last said."""
    return await _page(call, await owner_of(call))


async def _page(call: PageCall, org: Organization, errors: Mapping[str, str] | None = None) -> web.Response:
    settings = call.services.mirror_settings
    try:
        found, state = await settings.get(org.id), await settings.state(org.id)
    except NotFound:
        found, state = None, None
    typed = _shown(found or _NEW) if call.http.method == "GET" else {name: call.text(name) for name in _FIELDS}
    paused = call.text("paused") if call.http.method != "GET" else found is not None and found.paused
    return call.page(
        "mirror.html",
        title=[call.say("Mirror"), org.login],
        status=422 if errors else 200,
        api=f"/orgs/{org.login}/mirror",
        command=f"moorage mirror show {org.login}",
        owner=org,
        mirror=found,
        state=state,
        errors=errors or {},
        typed=typed,
        paused=bool(paused),
        path=_path(org),
    )


def _shown(found: Mirror | Wanted) -> dict[str, str]:
    """Return a mirror as the form has it."""
    return {
        "url": found.url,
        "username": found.username or "",
        "aliases": " ".join(found.aliases),
        "hosts": " ".join(found.hosts),
        "allow": " ".join(found.allow),
        "deny": " ".join(found.deny),
        "fetch_by": found.fetch_by,
        "tag_seconds": str(found.tag_seconds),
        "stale_seconds": "" if found.stale_seconds is None else str(found.stale_seconds),
        "missing_seconds": str(found.missing_seconds),
        "idle_days": str(found.idle_days),
        "max_bytes": "" if found.max_bytes is None else str(found.max_bytes),
    }


async def put(call: PageCall) -> web.Response:
    """Have an organization mirror what the form says."""
    org = await owner_of(call)
    try:
        await call.services.mirror_settings.put(org.id, org.login, _wanted(call), may_name=call.viewer.site_admin)
    except Denied:
        return await _page(call, org, {"aliases": call.say("Only an administrator of the registry gives names.")})
    except (Invalid, Conflict) as error:
        why = error.message.removeprefix("Invalid request.").strip()
        return await _page(call, org, {_field(error.message): call.say("This is refused: %(why)s", why=why)})
    return call.redirect(_path(org), call.say("The mirror is set: every process knows within seconds."))


def _wanted(call: PageCall) -> Wanted:
    """Return the mirror of the form; a password that is not typed is the one that is there. Raises Invalid."""
    return Wanted(
        url=call.text("url", _URL_MAX),
        aliases=call.text("aliases").split(),
        hosts=call.text("hosts").split(),
        username=call.text("username") or None,
        password=call.text("password"),
        allow=call.text("allow").split(),
        deny=call.text("deny").split(),
        tag_seconds=_number(call, "tag_seconds", _NEW.tag_seconds),
        stale_seconds=_number(call, "stale_seconds", None),
        missing_seconds=_number(call, "missing_seconds", _NEW.missing_seconds),
        fetch_by=call.text("fetch_by") or _NEW.fetch_by,
        idle_days=_number(call, "idle_days", _NEW.idle_days),
        max_bytes=_number(call, "max_bytes", None),
        paused=bool(call.text("paused")),
    )


def _number(call: PageCall, name: str, default: Default) -> int | Default:
    """Return a number of the form, where there is none ``default``. Raises Invalid."""
    text = call.text(name)
    number = number_of(text)
    if number is None and text:
        raise Invalid(f"Invalid request.\n\nFor '{name}', expected a number.")
    return default if number is None else number


def _field(message: str) -> str:
    """Return the field of the form that a refusal is about."""
    if "name of another mirror" in message:
        return "aliases"
    return next((field for field in _FIELDS if f"'{field}'" in message), "url")


async def remove(call: PageCall) -> web.Response:
    """Make an organization mirror nothing; its packages stay."""
    org = await owner_of(call)
    try:
        await call.services.mirror_settings.remove(org.id)
    except NotFound:
        return call.redirect(_path(org), call.say("It was no mirror any more."), "info")
    return call.redirect(_path(org), call.say("The organization mirrors nothing any more. Its packages stay."))


_ADDRESS: Final = "/{owner}/-/settings/mirror"
ROUTES: Final = (
    Route("GET", _ADDRESS, page, opening=opening),
    Route("POST", _ADDRESS, put),
    Route("POST", f"{_ADDRESS}/remove", remove),
)
