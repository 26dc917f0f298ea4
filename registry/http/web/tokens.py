"""One's own access tokens: the list, a new one, what one of them may, its organizations, and its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Literal

import msgspec
from aiohttp import web

from auth.tokens import SCOPES
from registry.accounts import access_tokens as rules
from registry.accounts import web_sessions
from registry.accounts.access_tokens import TokenInvalid, TokenRule
from registry.errors import Denied, NotFound
from registry.http.urls import raw_query
from registry.http.web.call import PageCall, moved
from registry.http.web.catalogue import key
from registry.http.web.forms import token_of
from registry.http.web.routes import Route
from registry.http.web.sessions import SignedIn, now_of
from registry.http.web.signed_in import UNSTORED, signed_in
from storage.metadata import authorizations, tokens
from storage.metadata.tokens import OwnToken

_LIST: Final = "/settings/tokens"
_PAGE: Final = 100
_PAGES_MAX: Final = 9999
_DAYS: Final = ("7", "30", "60", "90", "365")
_DEFAULT: Final = "90"
_ROWS: Final = 5
_ADMINISTRATORS: Final = "site_admin"
#: In the order of the form.
_SCOPES: Final[Mapping[str, str]] = {
    "read:packages": key("pull images, and read about packages"),
    "write:packages": key("push too, change settings and access, restore"),
    "delete:packages": key("delete packages and versions"),
    "repo": key("make repositories, and say who may do what with them"),
    "read:org": key("see organizations, their members and teams"),
    "write:org": key("change members and teams"),
    "admin:org": key("delete organizations"),
    "user": key("list, make and revoke your tokens"),
    "site_admin": key("administer accounts of this registry"),
}
_ACTIONS: Final[Mapping[str, Sequence[Literal["read", "write", "delete"]]]] = {
    "read": ("read",),
    "write": ("read", "write"),
    "delete": ("read", "write", "delete"),
}
_WRONG: Final[Mapping[str, str]] = {
    "note": key("A name has at most 255 characters."),
    "expires_at": key("Choose a day in the future."),
    "scopes": key("Choose what the token may do."),
    "rules": key("Name packages such as alice/* or acme/web, and what may be done with them."),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A token as the list has it: ``may`` is a line for each scope or rule."""

    token: OwnToken
    may: Sequence[str]
    expired: bool


async def listed(call: PageCall, session: SignedIn) -> web.Response:
    """List one's own tokens, the newest first."""
    number = call.page_number(_PAGES_MAX)
    found = await tokens.page(call.services.db, session.account_id, _PAGE + 1, (number - 1) * _PAGE)
    return call.page(
        "tokens.html",
        title=[call.say("Access tokens"), call.say("Settings")],
        api="/user/tokens",
        tokens=[_shown(call, token) for token in found[:_PAGE]],
        number=number,
        more=len(found) > _PAGE,
    )


def _shown(call: PageCall, token: OwnToken) -> Shown:
    if token.rules is None:
        may = sorted(token.scopes)
    else:
        held = msgspec.json.decode(token.rules, type=list[TokenRule])
        may = [f"{rule.packages}: {', '.join(rule.actions)}" for rule in held]
    return Shown(token, may, token.expires_at is not None and token.expires_at <= now_of(call.services))


@dataclass(frozen=True, slots=True)
class Draft:
    """A new token as the form has it; ``days`` is a number of days, «date» with ``until``, or «never»."""

    fine: bool
    note: str = ""
    days: str = _DEFAULT
    until: str = ""
    scopes: Sequence[str] = ()
    rows: Sequence[tuple[str, str]] = field(default_factory=list)  # a glob, and a key of _ACTIONS

    def expires_at(self, now: datetime) -> datetime | None:
        """Return when the token ends, None for never. Raises TokenInvalid."""
        if self.days == "never":
            return None
        if self.days == "date":
            try:
                return datetime.fromisoformat(self.until).replace(hour=23, minute=59, second=59, tzinfo=UTC)
            except ValueError as error:
                raise TokenInvalid("expires_at", "expected a date") from error
        if self.days not in _DAYS:
            raise TokenInvalid("expires_at", "expected a number of days")
        return now + timedelta(days=int(self.days))

    def rules(self) -> list[TokenRule]:
        """Return the rules of a fine-grained token."""
        return [TokenRule(glob, list(_ACTIONS.get(level, ()))) for glob, level in self.rows if glob]


async def new(call: PageCall, _session: SignedIn) -> web.Response:
    """Show the form of a new token; ``?scopes=`` chooses just those."""
    asked = call.query("scopes").replace(" ", ",").split(",")
    chosen = [scope for scope in asked if scope in SCOPES]
    return _form(call, Draft(call.query("kind") == "fine-grained", call.query("note")[:255], scopes=chosen))


def _form(call: PageCall, draft: Draft, errors: Mapping[str, str] | None = None) -> web.Response:
    rows = [*draft.rows, *[("", "read")] * _ROWS][:_ROWS]
    scopes = [
        (name, name, call.say(_SCOPES[name])) for name in _SCOPES if name != _ADMINISTRATORS or call.viewer.site_admin
    ]
    return call.page(
        "token_new.html",
        title=[call.say("New token"), call.say("Settings")],
        status=422 if errors else 200,
        headers=UNSTORED,
        draft=draft,
        rows=rows,
        scopes=scopes,
        days=_DAYS,
        errors=errors or {},
    )


async def create(call: PageCall, session: SignedIn) -> web.Response:
    """Make a token, and show its text this once."""
    fields, now = call.fields, now_of(call.services)
    draft = Draft(
        fine=fields.get("kind") == "fine-grained",
        note=fields.get("note", "").strip(),
        days=fields.get("days", ""),
        until=fields.get("until", ""),
        scopes=fields.all("scopes"),
        rows=list(zip((glob.strip() for glob in fields.all("packages")), fields.all("actions"), strict=False))[:_ROWS],
    )
    if not draft.fine and not draft.scopes:  # such a token may do nothing
        return _form(call, draft, {"scopes": call.say(_WRONG["scopes"])})
    try:
        plain, made = await rules.create(
            call.services.db,
            web_sessions.holder(session.stored),
            note=draft.note,
            scopes=None if draft.fine else draft.scopes,
            rules=draft.rules() if draft.fine else None,
            expires_at=draft.expires_at(now),
            now=now,
            new_token=partial(token_of, fields, call.viewer),
        )
    except TokenInvalid as error:
        return _form(call, draft, {error.field: call.say(_WRONG[error.field])})
    except Denied:
        return _form(call, draft, {"scopes": call.say(_WRONG["scopes"])})
    token = await rules.find(call.services.db, session.account_id, made.id)
    title = [call.say("New token"), call.say("Settings")]
    return call.page("token_made.html", title=title, headers=UNSTORED, text=plain.reveal(), shown=_shown(call, token))


async def one(call: PageCall, session: SignedIn) -> web.Response:
    """Show one of one's own tokens, and the organizations that it may be authorized for."""
    db, token_id = call.services.db, int(call.param("number"))
    token = await rules.find(db, session.account_id, token_id)
    organizations = await authorizations.sso_organizations(db, session.account_id, token_id)
    title = [token.note or call.say("Access token"), call.say("Settings")]
    return call.page(
        "token.html",
        title=title,
        api=f"/user/tokens/{token_id}",
        shown=_shown(call, token),
        organizations=organizations,
    )


async def revoke(call: PageCall, session: SignedIn) -> web.Response:
    """Revoke a token, from the next request on."""
    try:
        token = await rules.find(call.services.db, session.account_id, int(call.param("number")))
        await rules.revoke(call.services.db, session.account_id, token.id)
    except NotFound:
        return call.redirect(_LIST, call.say("There is no such token any more."), "info")
    return call.redirect(_LIST, call.say("The token is revoked: %(name)s", name=token.note or token.last_eight))


async def authorize(call: PageCall, session: SignedIn) -> web.Response:
    """Authorize a token for an organization that requires SSO, or revoke the authorization."""
    token_id, org = int(call.param("number")), call.fields.get("organization", "")
    change = rules.authorize if call.fields.get("change") == "authorize" else rules.deauthorize
    await change(call.services.db, session.account_id, token_id, org)
    said = call.say("The token is authorized for the organization: %(org)s", org=org)
    if change is rules.deauthorize:
        said = call.say("The token is not authorized any more for the organization: %(org)s", org=org)
    return call.redirect(f"{_LIST}/{token_id}", said)


async def short_way(call: PageCall) -> web.Response:
    """Lead from the short address to the form, with what the query chooses."""
    return moved(f"{_LIST}/new", raw_query(call.request.target))


_ONE: Final = _LIST + "/{number}"

ROUTES: Final = (
    Route("GET", _LIST, signed_in(listed)),
    Route("GET", f"{_LIST}/new", signed_in(new, recently=True)),
    Route("POST", f"{_LIST}/new", signed_in(create, recently=True)),
    Route("GET", "/new/token", short_way),
    Route("GET", _ONE, signed_in(one)),
    Route("POST", f"{_ONE}/revoke", signed_in(revoke, page=_LIST)),
    Route("POST", f"{_ONE}/organizations", signed_in(authorize, recently=True, page=_LIST)),
)
