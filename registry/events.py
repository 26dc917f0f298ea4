"""Events, each with its actor, as pages, the API and receivers of events see them."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from storage.metadata.audit import Entry
from storage.metadata.events import RecordedEvent


@dataclass(frozen=True, slots=True)
class Who:
    """The actor of a change. ``login`` None: the account is unknown, as of what an operator's command did.

    ``via``: classic, fine_grained, workflow, workspace, session, policy or mirror. ``token``: what its owner calls the
    token, or the repository of a workflow or workspace; None where there is no name, or the viewer may not know it.
    """

    id: int | None
    login: str | None
    via: str
    token: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a package. ``version_state``: live, deleted (it can be restored) or purged; None without a version.

    ``data``: what else changed, by the action: before and after, role, user, team, repository, deleted_with.
    """

    id: int
    at: datetime
    action: str
    who: Who
    tag: str | None
    version_id: int | None
    version_state: str | None
    digest: str | None
    before_digest: str | None
    data: Mapping[str, Any]


def who(account_id: int | None, login: str | None, via: str | None, token: str | None, *, detailed: bool) -> Who | None:
    """Return the actor that was recorded; None: nobody was. ``detailed``: the viewer may know the names of tokens."""
    return None if via is None else Who(account_id, login, via, token if detailed else None)


def told(row: RecordedEvent, *, detailed: bool) -> Event:
    """Return a recorded event as a viewer may see it: the name of a repository, which may be private, if detailed."""
    actor = Who(row.actor_id, row.actor_login, row.via, row.token_name if detailed else None)
    data = {} if row.data is None else orjson.loads(row.data)
    if not detailed:
        data.pop("repository", None)
    return Event(
        row.id,
        row.at,
        row.action,
        actor,
        row.tag,
        row.version_id,
        row.version_state,
        row.digest,
        row.before_digest,
        data,
    )


def audit_entry(entry: Entry) -> dict[str, Any]:
    """Return an event as an entry of GitHub's audit log; what there is none of is left out."""
    milliseconds = int(entry.at.timestamp() * 1000)
    kind = "org" if entry.owner_kind == "Organization" else "user"
    described = {
        "@timestamp": milliseconds,
        "_document_id": f"{entry.xid}-{entry.id}",
        "action": entry.action,
        "actor": entry.actor,
        "actor_id": entry.actor_id,
        "actor_ip": entry.remote,
        "actor_location": {"country_code": ""},
        "actor_kind": entry.via,
        "created_at": milliseconds,
        kind: entry.owner,
        f"{kind}_id": entry.owner_id,
        "repo": entry.repository,
        "repo_id": entry.repository_id,
        "hashed_token": None if entry.token_hash is None else b64encode(entry.token_hash).decode(),
        "token_id": entry.token_id,
        "token_name": entry.token_name,
        "token_scopes": None if entry.token_scopes is None else ",".join(entry.token_scopes),
        "user_agent": entry.user_agent,
        "request_id": entry.request_id,
        "data": _data(entry),
    }
    return {name: value for name, value in described.items() if value is not None}


def _data(entry: Entry) -> dict[str, Any]:
    """Return what an entry is about: the names of the package, version and tag, and what the event tells beside."""
    named = {
        "package": entry.package,
        "package_id": entry.package_id,
        "version_id": entry.version_id,
        "digest": entry.digest,
        "before_digest": entry.before_digest,
        "tag": entry.tag,
    }
    told = {} if entry.data is None else orjson.loads(entry.data)
    return {**{name: value for name, value in named.items() if value is not None}, **told}
