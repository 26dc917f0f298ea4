"""The bodies that hooks are sent: GitHub's payload, the envelope of distribution, or a CloudEvent."""

from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import orjson

from registry.hooks.payloads import Addresses
from storage.metadata.deliveries import Taken
from storage.metadata.hook_subjects import Subject
from storage.metadata.hooks import Hook

_ENVELOPE: Final = "application/vnd.docker.distribution.events.v2+json"
_CLOUD_EVENT: Final = "application/cloudevents+json"
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
#: What distribution has a name for.
_OF_DISTRIBUTION: Final = {
    "published": "push", "updated": "push", "version_deleted": "delete", "deleted": "delete", "tag_deleted": "delete",
}  # fmt: skip


def of_github(payload: dict[str, Any], content_type: str) -> tuple[str, bytes]:
    """Return the type and the bytes of a payload, as JSON or as the field of a form."""
    body = orjson.dumps(payload)
    return (_JSON, body) if content_type == "json" else (_FORM, urlencode({"payload": body}).encode())


def payload_of(body: bytes) -> Any:
    """Return the JSON of a body that was sent, which a form has in its field."""
    return orjson.loads(body if body[:1] == b"{" else parse_qs(body.decode())["payload"][0])


def ping_of(urls: Addresses, taken: Taken, hook: Hook, ping: dict[str, Any]) -> tuple[str, bytes]:
    """Return the type and the bytes of a ping: in the envelope of distribution, which has none, no event."""
    match hook.format:
        case "distribution":
            return _ENVELOPE, orjson.dumps({"events": []})
        case "cloudevents":
            return _cloud_event(taken, urls.origin, "moorage.ping", ping)
        case _:
            return of_github(ping, hook.content_type)


def of_distribution(urls: Addresses, taken: Taken, about: Subject) -> tuple[str, bytes] | None:
    """Return the envelope that distribution sends; None: it has no name for what happened."""
    action = _OF_DISTRIBUTION.get(taken.action or "")
    if action is None or taken.at is None:
        return None
    repository = f"{about.owner.lower()}/{about.package}"
    digest = about.digest or taken.digest
    target = {
        "mediaType": about.media_type,
        "digest": digest,
        "size": about.size,
        "length": about.size,
        "repository": repository,
        "url": None if digest is None else f"{urls.origin}/v2/{repository}/manifests/{digest}",
        "tag": taken.tag,
    }
    event = {
        "id": str(taken.guid),
        "timestamp": taken.at.isoformat(),
        "action": action,
        "target": {name: value for name, value in target.items() if value is not None},
        "request": {"id": str(taken.guid), "host": urls.host},
        "actor": {} if about.sender is None else {"name": about.sender},
        "source": {"addr": urls.host},
    }
    return _ENVELOPE, orjson.dumps({"events": [event]})


def of_cloud_events(urls: Addresses, taken: Taken, about: Subject, payload: dict[str, Any]) -> tuple[str, bytes]:
    """Return a CloudEvent (1.0) in structured mode, whose data is GitHub's payload."""
    return _cloud_event(
        taken,
        f"{urls.origin}/{about.owner}/{about.package}",
        f"moorage.package.{taken.action}",
        payload,
        time=None if taken.at is None else taken.at.isoformat(),
        subject=taken.tag or taken.digest or about.package,
        sequence=f"{taken.xid}-{taken.event_id}",
    )


def _cloud_event(taken: Taken, source: str, kind: str, data: dict[str, Any], **more: str | None) -> tuple[str, bytes]:
    event = {
        "specversion": "1.0",
        "id": str(taken.guid),
        "source": source,
        "type": kind,
        **more,
        "datacontenttype": _JSON,
        "data": data,
    }
    return _CLOUD_EVENT, orjson.dumps(event)
