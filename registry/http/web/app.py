"""The pages: the table of addresses, and the one place that finds the viewer, checks forms and renders errors.

Imported at the first request for a page: a process that serves none stays as small as it is.
"""

from typing import Final

from aiohttp import web

from registry.accounts.names import RESERVED
from registry.errors import NotFound, Unsupported
from registry.http.keys import SERVICES
from registry.http.server.guest import request_of
from registry.http.urls import decoded_path, raw_query
from registry.http.web import (
    access,
    activity,
    admin_accounts,
    admin_installation,
    admin_packages,
    admin_tokens,
    administration,
    assets,
    audit,
    clusters,
    deletions,
    devices,
    errors,
    forms,
    hooks,
    mirrors,
    moves,
    oidc,
    organizations,
    owner,
    package,
    package_settings,
    people,
    preferences,
    pulls,
    repositories,
    resending,
    restores,
    retention,
    search,
    selections,
    settings,
    sign_in,
    start,
    tag_history,
    tag_rules,
    tags,
    teams,
    tokens,
    usage,
    version,
    versions,
)
from registry.http.web.call import HEADERS, PageCall, moved
from registry.http.web.opening import alone, identify
from registry.http.web.routes import Route, match
from registry.http.web.viewer import stranger
from storage.metadata.events import ACTOR

#: Fixed addresses first: none of their first words can be a login.
ROUTES: Final[tuple[Route, ...]] = (
    *start.ROUTES,
    *preferences.ROUTES,
    *sign_in.ROUTES,
    *oidc.ROUTES,
    *devices.ROUTES,
    *settings.ROUTES,
    *tokens.ROUTES,
    *audit.ROUTES,
    *usage.ROUTES,
    *admin_accounts.ROUTES,
    *admin_tokens.ROUTES,
    *admin_packages.ROUTES,
    *admin_installation.ROUTES,
    *search.ROUTES,
    *moves.ROUTES,
    *organizations.ROUTES,
    *tag_rules.ROUTES,
    *mirrors.ROUTES,
    *clusters.ROUTES,
    *owner.ROUTES,
    *people.ROUTES,
    *retention.ROUTES,
    *teams.ROUTES,
    *hooks.ROUTES,
    *repositories.ROUTES,
    *restores.ROUTES,
    *access.ROUTES,
    *package_settings.ROUTES,
    *deletions.ROUTES,
    *selections.ROUTES,
    *activity.ROUTES,
    *pulls.ROUTES,
    *package.ROUTES,
    *tags.ROUTES,
    *tag_history.ROUTES,
    *versions.ROUTES,
    *version.ROUTES,
)
_FOREVER: Final = "public, max-age=31536000, immutable"


async def answer(http: web.Request) -> web.StreamResponse:
    """Answer a request for a page."""
    services, request = http.app[SERVICES], request_of(http)
    request.route = "page"
    path = decoded_path(request.target)
    asset = assets.BY_PATH.get(path)
    if asset is not None and http.method in {"GET", "HEAD"}:
        return _asset(http, asset)
    call = PageCall(http, request, services, stranger(http, services))
    try:
        return await _answered(call, path)
    except ConnectionError:
        raise  # the client is gone: nobody is left to be told
    except Exception as error:  # noqa: BLE001 - the last resort
        return errors.error_page(call, errors.told(error, http.method, path, services.outages))


async def _answered(call: PageCall, path: str) -> web.StreamResponse:
    canonical = _canonical(path)
    found = match(ROUTES, canonical, call.http.method)
    hidden = administration.is_below(path)
    if not isinstance(found, list) and canonical != path and not hidden:
        return moved(canonical, raw_query(call.request.target))
    route, allowed = None, list[str]()
    if isinstance(found, list):
        allowed = found
    else:
        route, call.parameters = found
    await identify(call, alone if route is None else route.opening)
    call.request.account_id, call.request.token_id = call.viewer.account_id, call.viewer.token_id  # for the access log
    ACTOR.set(call.actor)
    if hidden and not call.viewer.site_admin:  # before anything else tells which of these addresses there are
        raise NotFound
    if route is not None and canonical != path:
        return moved(canonical, raw_query(call.request.target))
    if route is None:
        raise Unsupported(call.http.method, allowed) if allowed else NotFound
    if route.method != "GET":
        call.fields = await forms.read(call.request, call.services)
        if route.token and (kept := _unsent(call, route)) is not None:
            return kept
    return await route.handler(call)


def _unsent(call: PageCall, route: Route) -> web.Response | None:
    """Return the page of a form that its viewer has to send again; None: the form is to be worked on.

    Raises ForeignForm for a form with nothing to keep.
    """
    if not forms.is_own(call.fields, call.viewer):
        if not resending.may_resend(call):
            raise forms.ForeignForm
        return resending.page(call, current=call.viewer.session is not None)
    if call.viewer.session is None and route.account and resending.may_resend(call):
        return resending.page(call)
    return None


def _canonical(path: str) -> str:
    """Return the one address of a page: the owner in lower case, and no slash at the end."""
    first, slash, rest = path[1:].partition("/")
    owner_word, mark, more = first.partition(":")
    if owner_word.lower() not in RESERVED:
        first = owner_word.lower() + mark + more
    found = f"/{first}{slash}{rest}"
    return found[:-1] if found.endswith("/") and len(found) > 1 else found


def _asset(http: web.Request, asset: assets.Asset) -> web.Response:
    headers = {**HEADERS, "Cache-Control": _FOREVER, "Vary": "Accept-Encoding", "Content-Type": asset.content_type}
    if "gzip" in http.headers.get("Accept-Encoding", ""):
        return web.Response(body=asset.gzipped, headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=asset.body, headers=headers)
