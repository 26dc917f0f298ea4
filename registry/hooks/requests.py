"""The requests that hooks are sent: the headers of GitHub, and a body in the format of the hook."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from registry.hooks.formats import of_cloud_events, of_distribution, of_github, ping_of
from registry.hooks.hooks import Opened
from registry.hooks.payloads import Addresses, package_payload
from registry.hooks.shapes import hook_shape
from registry.hooks.telling import OF_GITHUB, PING, UNLINKED
from registry.version import VERSION
from storage.metadata import hook_subjects
from storage.metadata.database import Database
from storage.metadata.deliveries import Taken
from storage.metadata.hook_subjects import Subject

#: The headers that sign a body, and the hash of each.
_SIGNATURES: Final = {"X-Hub-Signature": "sha1", "X-Hub-Signature-256": "sha256"}
_ZEN: Final = "What is here stays here until somebody deletes it."


class NothingToSend(Exception):
    """Nothing is to be sent; the message says why."""


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request as a hook is sent it."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Requests:
    """Renders requests from what is here now."""

    def __init__(self, db: Database, urls: Addresses) -> None:
        self._db: Final = db
        self._urls: Final = urls

    async def of(self, taken: Taken, opened: Opened | None) -> HookRequest:
        """Return the request of a delivery: what was stored, if it was begun, signed anew. Raises NothingToSend."""
        if opened is None:
            raise NothingToSend("the hook is gone")
        if opened.config is None:
            raise NothingToSend("its secret cannot be opened: MOORAGE_SECRET_KEY has changed")
        if taken.payload is not None and taken.request_headers is not None:
            sent = orjson.loads(taken.request_headers)
            return HookRequest(opened.config.url, _signed(sent, taken.payload, opened.config.secret), taken.payload)
        kind, body = await self._body(taken, opened)
        hook = opened.hook
        target = hook.repository_id if hook.owner_id is None else hook.owner_id
        named = {"X-GitHub-Event": taken.event} if taken.event in (*OF_GITHUB, PING) else {}
        headers = {
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Content-Type": kind,
            "User-Agent": f"Moorage-Hook/{VERSION}",
            **named,
            "X-GitHub-Delivery": str(taken.guid),
            "X-GitHub-Hook-ID": str(hook.id),
            "X-GitHub-Hook-Installation-Target-ID": str(target),
            "X-GitHub-Hook-Installation-Target-Type": "repository" if hook.owner_id is None else "organization",
            "X-Moorage-Event": taken.event,
        }
        if taken.xid is not None:
            headers["X-Moorage-Sequence"] = f"{taken.xid}-{taken.event_id}"
        return HookRequest(opened.config.url, _signed(headers, body, opened.config.secret), body)

    async def _body(self, taken: Taken, opened: Opened) -> tuple[str, bytes]:
        hook = opened.hook
        if taken.package_id is None:
            place = await self._place(opened)
            ping = {"zen": _ZEN, "hook_id": hook.id, "hook": hook_shape(self._urls, opened, place)}
            return ping_of(self._urls, taken, hook, ping)
        about = await hook_subjects.subject(self._db, taken.package_id, taken.version_id, taken.digest, taken.actor_id)
        if about is None:
            raise NothingToSend("the package is no more")
        if hook.owner_id not in (None, about.owner_id) and taken.action != "transferred":
            raise NothingToSend("the package has another owner now")
        if hook.repository_id is not None:
            _check_shared(taken, about, hook.repository_id)
        if hook.format == "distribution":
            enveloped = of_distribution(self._urls, taken, about)
            if enveloped is None:
                raise NothingToSend("distribution has no such event")
            return enveloped
        linked = about.repository_id if hook.repository_id is None else hook.repository_id
        repository = None if linked is None else await hook_subjects.repository(self._db, linked)
        payload = package_payload(self._urls, taken, about, repository)
        if hook.format == "cloudevents":
            return of_cloud_events(self._urls, taken, about, payload)
        return of_github(payload, hook.content_type)

    async def _place(self, opened: Opened) -> str:
        """Return the path of the API below which a hook is."""
        hook = opened.hook
        if hook.repository_id is not None:
            repository = await hook_subjects.repository(self._db, hook.repository_id)
            return "" if repository is None else f"repos/{repository.full_name}"
        return f"orgs/{await hook_subjects.login(self._db, hook.owner_id)}"


def _signed(headers: Mapping[str, str], body: bytes, secret: str | None) -> dict[str, str]:
    """Return headers with the signatures of today's secret, which may be another than at the first attempt."""
    kept = {name: value for name, value in headers.items() if name not in _SIGNATURES}
    if secret is None:
        return kept
    key = secret.encode()
    return kept | {name: f"{kind}={hmac.new(key, body, kind).hexdigest()}" for name, kind in _SIGNATURES.items()}


def _check_shared(taken: Taken, about: Subject, repository_id: int) -> None:
    """Refuse to tell a repository, whose admins may not read it, of a package. Raises NothingToSend."""
    inherited = about.inherit_access
    if taken.action == UNLINKED:
        inherited = orjson.loads(taken.data or "{}").get("inherited", False)
    elif about.repository_id != repository_id:
        raise NothingToSend("the package is linked to the repository no more")
    if about.visibility != "public" and not inherited:
        raise NothingToSend("the package does not inherit the access of the repository")
