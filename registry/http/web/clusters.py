"""Clusters of an organization, for its owners: which service accounts of Kubernetes pull what without a secret."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from registry.accounts import clusters as rules
from registry.errors import Invalid, NotFound
from registry.http.numbers import number_of
from registry.http.web.call import PageCall
from registry.http.web.catalogue import key
from registry.http.web.confirming import Question, ask
from registry.http.web.flash import Undo
from registry.http.web.people import opening, owner_of
from registry.http.web.routes import Route
from registry.packages import cluster_grants as grant_rules
from storage.metadata.organizations import Organization

_NAME_MAX: Final = 63
_GLOB_MAX: Final = 128
_TEXT_MAX: Final = 512
_KEYS_MAX: Final = 32 * 1024
_FIELDS: Final = ("name", "issuer", "audience", "jwks", "ca")
#: The issuer of clusters that were made with the usual tools.
_USUAL: Final = "https://kubernetes.default.svc.cluster.local"


def _path(org: Organization) -> str:
    return f"/{org.login.lower()}/-/settings/clusters"


async def page(call: PageCall) -> web.Response:
    """Show the clusters of an organization with their grants, and the form of a new one."""
    return await _page(call, await owner_of(call))


async def _page(
    call: PageCall, org: Organization, errors: Mapping[str, str] | None = None, cluster: str = ""
) -> web.Response:
    grants: dict[str, list[Any]] = {}
    for one in await grant_rules.listed(call.services.db, org.id):
        grants.setdefault(one.cluster, []).append(one)
    typed = {field: call.text(field, _KEYS_MAX) for field in (*_FIELDS, "namespace", "account", "package")}
    if call.http.method == "GET":
        typed["issuer"] = _USUAL
    return call.page(
        "clusters.html",
        title=[call.say("Clusters"), org.login],
        status=422 if errors else 200,
        api=f"/orgs/{org.login}/clusters",
        command=f"moorage cluster list {org.login}",
        owner=org,
        clusters=await rules.listed(call.services.db, org.id),
        grants=grants,
        audience=call.services.service,
        errors=errors or {},
        refused=cluster,
        typed=typed,
        path=_path(org),
    )


async def put(call: PageCall) -> web.Response:
    """Register a cluster, or replace what is known of the one of its name."""
    org = await owner_of(call)
    name = call.text("name", _NAME_MAX)
    try:
        wanted = rules.Wanted(
            name,
            call.text("issuer", _TEXT_MAX),
            call.text("audience", _TEXT_MAX) or None,
            _keys(call),
            call.text("ca", _KEYS_MAX) or None,
        )
        made = await rules.put(call.services.db, org.id, wanted)
    except Invalid as error:
        return await _page(call, org, _told(call, error, _FIELDS))
    said = key("The cluster is registered: %(name)s") if made else key("The cluster is replaced: %(name)s")
    return call.redirect(_path(org), call.say(said, name=name))


def _keys(call: PageCall) -> dict[str, Any] | None:
    """Return the public keys that were typed, None: there are none. Raises Invalid."""
    text = call.text("jwks", _KEYS_MAX)
    if not text:
        return None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise Invalid("Invalid request.\n\nFor 'jwks', expected what kubectl prints: a JSON object.")
    return found


def _told(call: PageCall, error: Invalid, fields: tuple[str, ...]) -> dict[str, str]:
    """Return a refusal at the field of the form that it is about."""
    field = next((field for field in fields if f"'{field}'" in error.message), fields[0])
    why = error.message.removeprefix("Invalid request.").strip()
    return {field: call.say("This is refused: %(why)s", why=why)}


async def change_grants(call: PageCall) -> web.Response:
    """Give a grant to a cluster, or remove one (``change``)."""
    org, cluster = await owner_of(call), call.param("cluster")
    try:
        if call.text("change") == "revoke":
            return await _revoke(call, org, cluster)
        globs = [call.text(field, _GLOB_MAX) for field in ("namespace", "account", "package")]
        namespace, account, package = (glob or "*" for glob in globs)
        wanted = grant_rules.Wanted(namespace, account, package)
        given, _made = await grant_rules.give(call.services.db, org.id, cluster, wanted)
    except NotFound:
        return call.redirect(_path(org), call.say("There is no such cluster or grant any more."), "info")
    except Invalid as error:
        return await _page(call, org, _told(call, error, ("namespace", "account", "package")), cluster)
    undo = Undo(f"{_path(org)}/{cluster}", (("change", "revoke"), ("grant", str(given.id))))
    return call.redirect(_path(org), call.say("The service accounts may pull from now on."), undo=undo)


async def _revoke(call: PageCall, org: Organization, cluster: str) -> web.Response:
    number = number_of(call.text("grant"))
    former = next(
        (one for one in await grant_rules.listed(call.services.db, org.id, cluster) if one.id == number), None
    )
    if former is None:
        raise NotFound
    await grant_rules.take(call.services.db, org.id, cluster, former.id)
    fields = (
        ("change", "grant"),
        ("namespace", former.namespace),
        ("account", former.account),
        ("package", former.package),
    )
    said = call.say("The grant is removed, from the next pull on.")
    return call.redirect(_path(org), said, undo=Undo(f"{_path(org)}/{cluster}", fields))


def _question(call: PageCall, org: Organization, name: str) -> Question:
    return Question(
        call.say("Remove the cluster %(name)s", name=name),
        [
            call.say("Its nodes pull without a secret no more, from the next request on."),
            call.say("Its grants go with it."),
        ],
        call.say("Remove the cluster"),
        _path(org),
    )


async def delete_page(call: PageCall) -> web.Response:
    """Show what ends with a cluster."""
    org = await owner_of(call)
    found = await rules.named(call.services.db, org.id, call.param("cluster"))
    return ask(call, _question(call, org, found.name))


async def delete(call: PageCall) -> web.Response:
    """Remove a cluster with its grants."""
    org = await owner_of(call)
    try:
        await rules.remove(call.services.db, org.id, call.param("cluster"))
    except NotFound:
        return call.redirect(_path(org), call.say("There is no such cluster or grant any more."), "info")
    return call.redirect(_path(org), call.say("The cluster is removed."))


_ADDRESS: Final = "/{owner}/-/settings/clusters"
ROUTES: Final = (
    Route("GET", _ADDRESS, page, opening=opening),
    Route("POST", _ADDRESS, put),
    Route("POST", f"{_ADDRESS}/{{cluster}}", change_grants),
    Route("GET", f"{_ADDRESS}/{{cluster}}/delete", delete_page, opening=opening),
    Route("POST", f"{_ADDRESS}/{{cluster}}/delete", delete),
)
