"""Mirrors by API: the owners of an organization say what it mirrors, and its members see that."""

from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from auth.tokens import effective
from registry.http.api import rights
from registry.http.api.call import ApiCall, Text, answer, nothing
from registry.http.api.routes import Route
from registry.http.api.schemas import mirrors as schemas
from registry.mirror.mirrors import Mirror
from registry.mirror.settings import GLOBS_MAX, NAMES_MAX, Wanted

_Names = Annotated[list[Text], msgspec.Meta(max_length=NAMES_MAX)]
_Globs = Annotated[list[Text], msgspec.Meta(max_length=GLOBS_MAX)]


class NewMirror(msgspec.Struct):
    """A mirror to be. Without ``password`` the one that is there is kept, for the same upstream."""

    url: Text
    aliases: _Names = []
    hosts: _Names = []
    username: Text | None = None
    password: Text | UnsetType | None = UNSET
    allow: _Globs = []
    deny: _Globs = []
    tag_seconds: int = 300
    stale_seconds: int | None = None
    missing_seconds: int = 60
    fetch_by: Literal["read", "write", "anonymous"] = "read"
    idle_days: int = 30
    max_bytes: int | None = None
    paused: bool = False


async def get_mirror(call: ApiCall) -> web.Response:
    """Return what an organization mirrors."""
    return await _told(call, (await rights.member_of(call)).id)


async def put_mirror(call: ApiCall) -> web.Response:
    """Have an organization mirror another registry. A new upstream is asked first; names need an administrator."""
    new, org = call.body(NewMirror), await rights.owner_of(call)
    wanted = Wanted(
        url=new.url,
        aliases=new.aliases,
        hosts=new.hosts,
        username=new.username,
        password="" if new.password is UNSET else new.password,
        allow=new.allow,
        deny=new.deny,
        tag_seconds=new.tag_seconds,
        stale_seconds=new.stale_seconds,
        missing_seconds=new.missing_seconds,
        fetch_by=new.fetch_by,
        idle_days=new.idle_days,
        max_bytes=new.max_bytes,
        paused=new.paused,
    )
    may_name = call.me.site_admin and "site_admin" in effective(call.me.scopes)
    made = await call.services.mirror_settings.put(org.id, org.login, wanted, may_name=may_name)
    return await _told(call, org.id, 201 if made else 200)


async def remove_mirror(call: ApiCall) -> web.Response:
    """Make an organization one that mirrors nothing. Its packages stay."""
    await call.services.mirror_settings.remove((await rights.owner_of(call)).id)
    return nothing()


async def get_status(call: ApiCall) -> web.Response:
    """Return what the upstream of a mirror last said."""
    found = await call.services.mirror_settings.state((await rights.member_of(call)).id)
    return answer(
        {
            "answered_at": found.answered_at,
            "failed_at": found.failed_at,
            "failure": found.failure,
            "failing": found.failing,
            "fetching": found.fetching,
        }
    )


async def _told(call: ApiCall, owner_id: int, status: int = 200) -> web.Response:
    return answer(_shape(await call.services.mirror_settings.get(owner_id)), status)


def _shape(found: Mirror) -> dict[str, Any]:
    return {
        "url": found.url,
        "aliases": found.aliases,
        "hosts": found.hosts,
        "username": found.username,
        "realm_hosts": found.realm_hosts,
        "allow": found.allow,
        "deny": found.deny,
        "tag_seconds": found.tag_seconds,
        "stale_seconds": found.stale_seconds,
        "missing_seconds": found.missing_seconds,
        "fetch_by": found.fetch_by,
        "idle_days": found.idle_days,
        "max_bytes": found.max_bytes,
        "paused": found.paused,
    }


_PATH: Final = "/orgs/{org}/mirror"
_SEEN: Final = (200, 401, 403, 404)

ROUTES: Final = (
    Route("GET", _PATH, get_mirror, "Get what an organization mirrors", scope="read:org", statuses=_SEEN,
          answer=schemas.Mirror),
    Route("PUT", _PATH, put_mirror, "Set what an organization mirrors", scope="admin:org", body=NewMirror,
          statuses=(200, 201, 400, 401, 403, 404, 409, 413, 422), answer=schemas.Mirror),
    Route("DELETE", _PATH, remove_mirror, "Make an organization mirror nothing", scope="admin:org",
          statuses=(204, 401, 403, 404)),
    Route("GET", f"{_PATH}/status", get_status, "Get what the upstream of a mirror last said", scope="read:org",
          statuses=_SEEN, answer=schemas.MirrorStatus),
)  # fmt: skip
