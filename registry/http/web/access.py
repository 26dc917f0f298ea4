"""Access to a package: who has which role and why, grants and revocations, and the check of one person."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from auth.permissions import ROLE_NAMES
from registry.errors import Conflict, Invalid, NotFound, Refusal
from registry.http.web.call import PageCall
from registry.http.web.catalogue import key
from registry.http.web.flash import Undo
from registry.http.web.package import Head, administered, opening
from registry.http.web.routes import Route
from registry.packages.roles import AUDIENCES, ROLES, Granted
from storage.metadata import access_pages
from storage.metadata.access_pages import OWNERS_MAX
from storage.metadata.access_reasons import Reason
from storage.metadata.package_pages import ShownPackage

#: More rows are not shown; a person can be looked up.
_ROWS: Final = 200
_NAME_MAX: Final = 255
#: What has a role: a person, a team, or the tokens of a repository for one audience.
_KINDS: Final = ("user", "team", *AUDIENCES)
_ROLES: Final[Mapping[str, str]] = {
    "none": key("No role"),
    "read": key("Read"),
    "write": key("Write"),
    "admin": key("Admin"),
}
_UNKNOWN: Final[Mapping[str, str]] = {
    "user": key("Nobody has this login."),
    "team": key("The organization has no such team."),
    "actions": key("There is no such repository, or you may not see it."),
    "codespaces": key("There is no such repository, or you may not see it."),
}
_REFUSED: Final[Mapping[str, str]] = {
    "user": key("Only members of the organization can have a role over a package that is not public."),
    "team": key("Teams can have roles only over packages of their organization."),
    "actions": key("Only repositories of the account that owns the package can have a role over it."),
    "codespaces": key("Only repositories of the account that owns the package can have a role over it."),
}
_REASONS: Final[Mapping[str, str]] = {
    "suspended": key("The account is suspended"),
    "site_admin": key("Administrator of this registry"),
    "owner": key("Owner of the account"),
    "organization_owner": key("Owner of the organization"),
    "organization_member": key("Member of the organization"),
    "grant": key("Direct"),
    "team": key("Team"),
    "collaborator": key("Collaborator of the repository"),
    "outside_collaborator": key("Collaborator of the repository"),
    "public": key("The package is public"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table. ``kind``: one of _KINDS, or "" for a role that comes of itself; ``link``: a path, or None.

    ``why``: a text in the viewer's language; ``removable``: whether a form can take the role away.
    """

    kind: str
    who: str
    link: str | None
    role: str
    why: str
    removable: bool = False


async def access(call: PageCall) -> web.Response:
    """Show who has access to a package, and why; with ``person``, one person's role and its reasons."""
    return await _page(call, *await administered(call))


async def _page(
    call: PageCall, head: Head, facts: ShownPackage, errors: Mapping[str, str] | None = None
) -> web.Response:
    asked = call.query("person").strip()
    found = await access_pages.page(call.services.db, head.package_id, asked)
    granted = Granted(found.users, found.teams, found.repositories)
    rows = [
        *_own(call, head, facts, found.owners),
        *_people(call, head, facts, granted),
        *_repositories(call, head, facts, granted),
    ]
    checked = None
    if found.person is not None:
        checked = await call.services.accesses.effective(head.name, head.package_id, found.person)
    return call.page(
        "access.html",
        title=[call.say("Access"), str(head.name)],
        status=422 if errors else 200,
        api=f"{head.api}/access",
        command=f"moorage access {head.name}",
        head=head,
        package=facts,
        rows=rows[:_ROWS],
        hidden_rows=max(0, len(rows) - _ROWS),
        roles=[(name, call.say(_ROLES[name])) for name in ROLES],
        words={name: call.say(text) for name, text in _ROLES.items()},
        errors=errors or {},
        typed={name: call.text(name, _NAME_MAX) for name in ("kind", "who", "role")},
        person=found.person,
        checked=checked,
        asked=asked,
        reasons=[] if checked is None else [(_why(call, one), ROLE_NAMES[one.role]) for one in checked.reasons],
    )


def _own(call: PageCall, head: Head, facts: ShownPackage, owners: list[str]) -> list[Row]:
    """Return the rows of who needs no grant: the owners, and whoever the visibility lets in."""
    owner = head.owner
    if facts.owner_kind == "Organization":
        why = call.say(_REASONS["organization_owner"])
        rows = [Row("", login, f"/{login.lower()}", "admin", why) for login in owners[:OWNERS_MAX]]
        if len(owners) > OWNERS_MAX:
            rows.append(Row("", call.say("Other owners"), f"/{owner.lower()}/-/people", "admin", why))
    else:
        rows = [Row("", owner, f"/{owner.lower()}", "admin", call.say(_REASONS["owner"]))]
    if head.visibility == "public":
        rows.append(Row("", call.say("Everybody"), None, "read", call.say(_REASONS["public"])))
    elif head.visibility == "internal":
        rows.append(
            Row("", call.say("All members"), f"/{owner.lower()}/-/people", "read", call.say("The package is internal"))
        )
    return rows


def _people(call: PageCall, head: Head, facts: ShownPackage, granted: Granted) -> list[Row]:
    direct, source = call.say(_REASONS["grant"]), _source(call, head, facts)
    teams, free = f"/{head.name.owner}/-/teams", not facts.inherit_access
    return [
        *(
            Row(
                "user",
                one.login,
                f"/{one.login.lower()}",
                ROLE_NAMES[one.role],
                source if one.inherited else direct,
                free,
            )
            for one in granted.users
        ),
        *(
            Row(
                "team", one.slug, f"{teams}/{one.slug}", ROLE_NAMES[one.role], source if one.inherited else direct, free
            )
            for one in granted.teams
        ),
    ]


def _repositories(call: PageCall, head: Head, facts: ShownPackage, granted: Granted) -> list[Row]:
    direct, source = call.say(_REASONS["grant"]), _source(call, head, facts)
    return [
        Row(
            one.audience,
            one.full_name,
            None,
            ROLE_NAMES[one.role],
            source if one.inherited else direct,
            not one.inherited,
        )
        for one in granted.repositories
    ]


def _source(call: PageCall, head: Head, facts: ShownPackage) -> str:
    name = f"{head.owner}/{facts.repository_name}" if facts.repository_name else ""
    return call.say("Inherited from the repository: %(name)s", name=name)


def _why(call: PageCall, reason: Reason) -> str:
    told = call.say(_REASONS.get(reason.kind, reason.kind))
    return ": ".join(part for part in (told, reason.name, reason.repository) if part)


async def change(call: PageCall) -> web.Response:
    """Grant a role, or revoke one (``none``), of a person, a team or the tokens of a repository."""
    head, facts = await administered(call)
    kind, who, wanted = call.text("kind"), call.text("who", _NAME_MAX), call.text("role")
    if kind not in _KINDS or wanted not in _ROLES:
        raise Invalid("Choose a kind and a role.")
    former = _former(await call.services.accesses.granted(head.package_id), kind, who)
    try:
        await _set(call, head.package_id, kind, who, ROLES.get(wanted))
    except Refusal as error:
        return await _page(call, head, facts, {f"who-{kind}": call.say(_refusal(kind, error))})
    path = f"{head.path}/-/access"
    said = call.say("%(who)s: %(role)s", who=who, role=call.say(_ROLES[wanted]))
    undo = Undo(path, (("kind", kind), ("who", who), ("role", former))) if former != wanted else None
    return call.redirect(path, said, undo=undo)


def _refusal(kind: str, error: Refusal) -> str:
    match error:
        case NotFound():
            return _UNKNOWN[kind]
        case Conflict():
            return key("The package inherits its access from its repository: change the roles over the repository.")
        case _:
            return _REFUSED[kind]


def _former(granted: Granted, kind: str, who: str) -> str:
    """Return the name of the role that ``who`` was granted before."""
    name = who.lower()
    held = {
        **{("user", one.login.lower()): one.role for one in granted.users if not one.inherited},
        **{("team", one.slug): one.role for one in granted.teams if not one.inherited},
        **{(one.audience, one.full_name.lower()): one.role for one in granted.repositories if not one.inherited},
    }
    return ROLE_NAMES[held.get((kind, name), 0)]


async def _set(call: PageCall, package_id: int, kind: str, who: str, role: int | None) -> None:
    """Set a role; None revokes it. Raises NotFound, Conflict, Invalid."""
    accesses, actor = call.services.accesses, call.actor
    if kind == "user":
        await accesses.set_user(package_id, who, role, actor)
    elif kind == "team":
        await accesses.set_team(package_id, who, role, actor)
    else:
        owner, _, name = who.partition("/")
        if role is None:
            await accesses.revoke_repository(package_id, actor, (owner, name), kind)
        else:
            await accesses.grant_repository(package_id, actor, (owner, name), role, kind)


ROUTES: Final = (
    Route("GET", "/{owner}/{image}/-/access", access, opening=opening),
    Route("POST", "/{owner}/{image}/-/access", change),
)
