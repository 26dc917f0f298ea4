"""The audit log: of an organization for its owners, of one's own account, and of all for site administrators."""

import shlex
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from registry.accounts import audit
from registry.accounts.audit import AuditPage, Query
from registry.errors import Invalid
from registry.events import audit_entry
from registry.http.web import administration
from registry.http.web.administration import PLACE
from registry.http.web.call import PageCall, queried
from registry.http.web.people import owner_of
from registry.http.web.routes import Route
from registry.http.web.sessions import SignedIn
from registry.http.web.signed_in import signed_in
from storage.metadata.audit import Entry

_ROWS: Final = 50
_PHRASE_MAX: Final = 1000
_LOG: Final = "/audit-log"
#: What names a thing of an entry's data, the nearest first.
_THINGS: Final = ("user", "team", "token", "repository")
_NAMES: Final = ("login", "slug", "full_name", "note", "id")


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as the page has it: whose log it is in, ``about`` which things, ``before`` and ``after`` a change."""

    entry: Entry
    about: list[str]
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Log:
    """The part of the page that all logs share; ``wrong``: why the phrase is none."""

    lines: list[Line]
    more: str | None
    phrase: str
    after: str
    path: str
    wrong: str


async def of_organization(call: PageCall) -> web.Response:
    """Show what happened to an organization and its packages, to its owners."""
    org = await owner_of(call)
    log = await _log(call, org.id)
    return call.page(
        "audit_organization.html",
        title=[call.say("Audit log"), org.login],
        status=422 if log.wrong else 200,
        api=queried(f"/orgs/{org.login}{_LOG}", phrase=log.phrase),
        command=_command(org.login, log.phrase),
        owner=org,
        log=log,
    )


async def of_oneself(call: PageCall, session: SignedIn) -> web.Response:
    """Show what happened to one's own account and its packages."""
    log = await _log(call, session.account_id)
    return call.page(
        "audit_own.html",
        title=[call.say("Audit log"), call.say("Settings")],
        status=422 if log.wrong else 200,
        api=queried(f"/user{_LOG}", phrase=log.phrase),
        command=_command("", log.phrase),
        log=log,
    )


async def of_all(call: PageCall) -> web.Response:
    """Show what happened in the registry, to its administrators."""
    log = await _log(call, None)
    return administration.page(
        call,
        "audit_all.html",
        call.say("Audit log"),
        status=422 if log.wrong else 200,
        api=queried(f"/enterprises/moorage{_LOG}", phrase=log.phrase),
        command=f"moorage admin audit{' ' + shlex.quote(log.phrase) if log.phrase else ''}",
        log=log,
    )


def _command(owner: str, phrase: str) -> str:
    parts = ["moorage audit", *([owner] if owner else []), *(["--phrase", shlex.quote(phrase)] if phrase else [])]
    return " ".join(parts)


async def _log(call: PageCall, owner_id: int | None) -> Log:
    phrase, after = call.query("phrase").strip()[:_PHRASE_MAX], call.query("after")
    found, wrong = AuditPage([], None), ""
    try:
        found = await audit.page(call.services.db, owner_id, Query(phrase, after, limit=_ROWS))
    except Invalid:
        wrong = call.say("This phrase is not understood. It is made of: %(terms)s", terms=audit.TERMS)
    return Log([_line(entry) for entry in found.entries], found.after, phrase, after, call.path, wrong)


def _line(entry: Entry) -> Line:
    data = audit_entry(entry)["data"]
    package = None if entry.package is None else f"{entry.owner or '?'}/{entry.package}".lower()
    things = [package, entry.tag, *(_named(data[name]) for name in _THINGS if name in data), data.get("login")]
    about = dict.fromkeys(str(thing) for thing in things if thing)
    return Line(entry, list(about), _word(data.get("before")), _word(data.get("after", data.get("role"))))


def _named(thing: Any) -> str:
    return next((str(thing[name]) for name in _NAMES if thing.get(name)), "") if isinstance(thing, dict) else str(thing)


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {text}" for name, text in value.items())
    return "" if value is None else str(value)


ROUTES: Final = (
    Route("GET", "/settings/audit-log", signed_in(of_oneself)),
    Route("GET", f"{PLACE}{_LOG}", of_all),
    Route("GET", f"/{{owner}}/-{_LOG}", of_organization),
)
