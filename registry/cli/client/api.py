"""The API of one host, as a signed-in user: requests, pages, and what refusals mean."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from registry.cli.client.errors import DENIED, FAILED, NOT_FOUND, NOT_SIGNED_IN, REFUSED, UNREACHABLE, CommandError
from registry.cli.client.http import Connection, Reply
from registry.cli.client.references import Reference

PREFIX: Final = "/api/v3"
_PAGE: Final = 100
_OK: Final = range(200, 300)
_STATUSES: Final = {
    401: NOT_SIGNED_IN,
    403: DENIED,
    404: NOT_FOUND,
    429: UNREACHABLE,
    502: UNREACHABLE,
    503: UNREACHABLE,
    504: UNREACHABLE,
}
_REFUSALS: Final = range(400, 500)
_REDIRECTS: Final = range(300, 400)


class Api:
    """The API of a host; without a token, as anybody."""

    def __init__(self, connection: Connection, token: str) -> None:
        self.connection = connection
        self.signed_in = bool(token)
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}

    @property
    def host(self) -> str:
        return self.connection.host

    def get(self, path: str, **query: object) -> Any:
        """Read what a path tells. Raises CommandError."""
        return self.reply("GET", path, None, "", **query).json()

    def reply(self, method: str, path: str, body: object = None, etag: str = "", **query: object) -> Reply:
        """Send a request and return the response, if it is a success. Raises CommandError."""
        asked = urlencode({name: value for name, value in query.items() if value is not None})
        headers = {**self._headers, **({"If-Match": etag} if etag else {})}
        if body is not None:
            headers["Content-Type"] = "application/json"
        sent = None if body is None else json.dumps(body).encode()
        reply = self._asked(method, PREFIX + path + (f"?{asked}" if asked else ""), headers, sent)
        if reply.body and reply.json() is None:
            raise self._strange(reply)
        return reply

    def pages(self, path: str, limit: int | None = None, **query: object) -> Iterator[Any]:
        """Read the items of a list, page by page, ``limit`` of them at most."""
        size = _PAGE if limit is None else min(_PAGE, limit)
        yield from self.following(self.reply("GET", path, None, "", **query, per_page=size), limit)

    def following(self, reply: Reply, limit: int | None = None) -> Iterator[Any]:
        """Read the items of a list from its first page on. Raises CommandError."""
        left = limit
        while True:
            found = reply.json()
            items = found.get("items") if isinstance(found, dict) else found
            if not isinstance(items, list):
                raise CommandError("the answer is no list")
            for item in items:
                yield item
                left = None if left is None else left - 1
                if left == 0:
                    return
            target = _next(reply.headers.get("Link") or "")
            if not target:
                return
            reply = self._asked("GET", target, self._headers)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send a request with headers and a body of its own, and return the response. Raises CommandError."""
        return self._asked(method, PREFIX + path, {**self._headers, **headers}, body)

    def _asked(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        reply = self.connection.ask(method, target, headers, body)
        if reply.status not in _OK:
            raise self._refusal(reply)
        return reply

    def _refusal(self, reply: Reply) -> CommandError:
        told = reply.json()
        if reply.status in _REDIRECTS:
            where = (reply.headers.get("Location") or "").partition(PREFIX)[0]
            return CommandError(
                f"{self.host} sends elsewhere, and your token stays here", why=f"it sends to {where or 'nowhere'}",
                attempt=f"moorage login {where}" if where.startswith("https://") else "",
            )  # fmt: skip
        if not isinstance(told, dict):
            return self._strange(reply)
        what, _, why = str(told.get("message", reply.status)).replace("\n\n", "\n").partition("\n")
        details = [str(one.get("message")) for one in told.get("errors") or [] if isinstance(one, dict)]
        status = _STATUSES.get(reply.status) or (REFUSED if reply.status in _REFUSALS else FAILED)
        why = why.replace("\n", " ") or "; ".join(details) or str(told.get("fix") or "")
        return CommandError(
            what, status=status, why="" if why in what else why, attempt=self._attempt(reply, status, what),
            request=reply.request_id,
        )  # fmt: skip

    def _strange(self, reply: Reply) -> CommandError:
        return CommandError(
            f"{self.host} answered {reply.status}", status=_STATUSES.get(reply.status, FAILED),
            why="this is no answer of Moorage", request=reply.request_id,
        )  # fmt: skip

    def _attempt(self, reply: Reply, status: int, what: str) -> str:
        """Return the command that would help against a refusal; empty for none."""
        if status == NOT_SIGNED_IN or (status == NOT_FOUND and not self.signed_in):
            return f"moorage login {self.host}"
        needed = reply.headers.get("X-Accepted-OAuth-Scopes", "")
        if status == DENIED and needed and f"scope {needed}" in what:
            known = [one for one in reply.headers.get("X-OAuth-Scopes", "").split(", ") if one]
            return f"moorage login {self.host} --scope {','.join([*known, needed])}"
        return ""


def package_path(package: Reference) -> str:
    """Return the path of a package below the API."""
    return f"/users/{quote(package.owner, safe='')}/packages/container/{quote(package.name, safe='')}"


def _next(link: str) -> str:
    """The target of the next page, from a Link header (RFC 8288)."""
    for part in link.split(", "):
        url, _, relation = part.partition(">; ")
        if relation == 'rel="next"':
            split = urlsplit(url.lstrip("<"))
            return f"{split.path}?{split.query}"
    return ""
