"""One repository of any registry, by the OCI Distribution protocol: tokens, manifests, referrers and blobs."""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from typing import IO, Any, Final, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

from registry.cli.client.context import Target
from registry.cli.client.errors import DENIED, FAILED, NOT_FOUND, NOT_SIGNED_IN, REFUSED, UNREACHABLE, CommandError
from registry.cli.client.http import Connection, Reply

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS: Final = (
    *INDEXES,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPT: Final = {"Accept": ", ".join((*_MANIFESTS, "*/*;q=0.1"))}
_PARAMETER: Final = re.compile(r'([a-zA-Z]+)="([^"]*)"')
_HOPS_MAX: Final = 5
_SMALL_MAX: Final = 4 << 20
_ALGORITHMS: Final = ("sha256", "sha512")
_OK, _CREATED, _ACCEPTED, _UNAUTHORIZED, _NOT_FOUND = 200, 201, 202, 401, 404
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_STATUSES: Final = {
    401: NOT_SIGNED_IN,
    403: DENIED,
    404: NOT_FOUND,
    429: UNREACHABLE,
    502: UNREACHABLE,
    503: UNREACHABLE,
}
_DOCKER: Final = "registry-1.docker.io"


class Manifest(NamedTuple):
    """A manifest, whose bytes have the digest."""

    digest: str
    media_type: str
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.body)
        return found if isinstance(found, dict) else {}

    @property
    def children(self) -> list[dict[str, Any]]:
        """The entries of an index."""
        return list(self.json.get("manifests") or []) if self.media_type in INDEXES else []

    @property
    def blobs(self) -> list[dict[str, Any]]:
        """The descriptors of config and layers."""
        if self.media_type in INDEXES:
            return []
        config = self.json.get("config")
        return [*([config] if config else []), *self.layers]

    @property
    def layers(self) -> list[dict[str, Any]]:
        """The descriptors of the layers."""
        return [] if self.media_type in INDEXES else list(self.json.get("layers") or [])

    @property
    def layers_size(self) -> int:
        """The bytes of config and layers."""
        return sum(int(one.get("size") or 0) for one in self.blobs)

    @property
    def subject(self) -> str:
        """The digest of what the manifest refers to; empty for none."""
        return str((self.json.get("subject") or {}).get("digest") or "")


class Registry:
    """A repository ``path`` of a host. Not for several threads: each has a ``twin`` of its own."""

    def __init__(
        self, target: Target, path: str, *, actions: str = "pull", trace: Callable[[str], None] | None = None,
        also: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.target = target
        self.path = path
        self._scopes = (f"repository:{path}:{actions}", *(f"repository:{one}:pull" for one in also))
        self._trace = trace
        host = _DOCKER if target.host == "docker.io" else target.host
        self.connection = Connection(target.scheme, host, trace)
        self._authorization = ""
        self._others: dict[tuple[str, str], Connection] = {}

    def twin(self) -> "Registry":
        """Return the same repository with connections of its own, which begins with the same token."""
        made = Registry(self.target, self.path, trace=self._trace)
        made._scopes, made._authorization = self._scopes, self._authorization
        return made

    def manifest(self, version: str) -> Manifest:
        """Read a manifest by tag or digest, and check its digest. Raises CommandError."""
        reply = self.ask("GET", f"/manifests/{version}", _ACCEPT)
        if reply.status != _OK:
            raise self.refusal(reply, f"{self.path}:{version}" if ":" not in version else f"{self.path}@{version}")
        algorithm = version.partition(":")[0] if ":" in version else "sha256"
        digest = f"{algorithm}:{hashlib.new(algorithm, reply.body).hexdigest()}"
        if ":" in version and digest != version:
            raise CommandError(f"{version} of {self.target.host} has other bytes", why=f"their digest is {digest}")
        media_type = reply.headers.get("Content-Type", "").partition(";")[0].strip()
        return Manifest(digest, media_type, reply.body)

    def has_manifest(self, version: str) -> str:
        """Return the digest of a manifest that is there; empty if it is not."""
        reply = self.ask("HEAD", f"/manifests/{version}", _ACCEPT)
        if reply.status not in {_OK, _NOT_FOUND}:
            raise self.refusal(reply, f"{self.path}:{version}")
        return reply.headers.get("Docker-Content-Digest", "") if reply.status == _OK else ""

    def put_manifest(self, manifest: Manifest, version: str) -> bool:
        """Push a manifest; return whether the registry keeps referrers by itself. Raises CommandError."""
        headers = {"Content-Type": manifest.media_type}
        reply = self.ask("PUT", f"/manifests/{version}", headers, manifest.body)
        if reply.status not in {_OK, _CREATED, _ACCEPTED}:
            raise self.refusal(reply, f"{self.path}:{version}")
        told = reply.headers.get("Docker-Content-Digest")
        if told and told.startswith("sha256:") and manifest.digest.startswith("sha256:") and told != manifest.digest:
            raise CommandError(f"{self.target.host} has other bytes for {manifest.digest}", why=f"it says {told}")
        return not manifest.subject or reply.headers.get("OCI-Subject") is not None

    def referrers(self, digest: str) -> list[dict[str, Any]]:
        """List what refers to a manifest: by the API, or where there is none by the tag that stands for it."""
        target: str | None = f"/referrers/{digest}"
        found: list[dict[str, Any]] = []
        while target is not None:
            reply = self.ask("GET", target, {"Accept": INDEXES[0]})
            if reply.status != _OK or reply.headers.get("Content-Type", "").partition(";")[0] != INDEXES[0]:
                break
            found += reply.json()["manifests"] or []
            target = self._next(reply)
        else:
            return found
        return self.fallback(digest)[1]

    def fallback(self, digest: str) -> tuple[str, list[dict[str, Any]]]:
        """Read the index under the tag that stands for a subject: its tag, and the entries."""
        tag = digest.replace(":", "-")[:128]
        reply = self.ask("GET", f"/manifests/{tag}", _ACCEPT)
        found = reply.json() if reply.status == _OK else None
        return tag, list((found or {}).get("manifests") or []) if isinstance(found, dict) else []

    def tags(self) -> Iterator[str]:
        """List the tags."""
        target: str | None = "/tags/list?n=1000"
        while target is not None:
            reply = self.ask("GET", target, {})
            if reply.status != _OK:
                raise self.refusal(reply, self.path)
            yield from reply.json()["tags"] or []
            target = self._next(reply)

    def _next(self, reply: Reply) -> str | None:
        """Return the target of the next page, below the repository."""
        link = re.match(r'<([^>]+)>;\s*rel="?next', reply.headers.get("Link") or "")
        return None if link is None else link[1].partition(f"/v2/{self.path}")[2] or None

    def has_blob(self, digest: str) -> bool:
        """Return whether a blob is in the repository."""
        return self.ask("HEAD", f"/blobs/{digest}", {}).status in {_OK, *_REDIRECTS}

    def open_blob(self, digest: str) -> HTTPResponse:
        """Open a blob for reading; redirects are followed without the token. Raises CommandError, OSError."""
        connection, target = self.connection, f"/v2/{self.path}/blobs/{digest}"
        headers = self._headers({})
        for hop in range(_HOPS_MAX):
            response = connection.open("GET", target, headers)
            if response.status == _OK:
                return response
            body = response.read()
            if response.status == _UNAUTHORIZED and hop == 0 and self._answer(response.headers.get("WWW-Authenticate")):
                headers = self._headers({})
            elif response.status in _REDIRECTS:
                url = urlsplit(
                    urljoin(f"{connection.scheme}://{connection.host}{target}", response.headers["Location"])
                )
                connection = self._other(url.scheme, url.netloc)
                headers = self._headers({}) if connection is self.connection else {}
                target = f"{url.path}?{url.query}" if url.query else url.path
            else:
                raise self.refusal(Reply(response.status, response.headers, body), digest)  # type: ignore[arg-type]
        raise CommandError(f"{self.target.host} redirects {digest} too often")

    def read_blob(self, descriptor: Mapping[str, Any]) -> bytes:
        """Read a small blob whole, such as a config, and check its digest. Raises CommandError."""
        digest, size = str(descriptor["digest"]), int(descriptor.get("size") or 0)
        if size > _SMALL_MAX:
            raise CommandError(f"{digest} is too large to be shown", why=f"it has {size} bytes")
        algorithm = digest.partition(":")[0]
        try:
            body = self.open_blob(digest).read(size + 1)
        except TRAVEL_ERRORS as error:
            raise self.connection.failure(error) from error
        known = algorithm in _ALGORITHMS and f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
        if known != digest:
            raise CommandError(f"{self.target.host} has other bytes for {digest}")
        return body

    def _other(self, scheme: str, host: str) -> Connection:
        if (scheme, host) == (self.connection.scheme, self.connection.host):
            return self.connection
        return self._others.setdefault((scheme, host), Connection(scheme, host, self._trace))

    def mount(self, digest: str, source: str) -> tuple[bool, str]:
        """Ask for a blob of another repository; return whether it is here, else where its upload goes."""
        asked = urlencode({"mount": digest, "from": source}) if source else ""
        reply = self.ask("POST", "/blobs/uploads/" + (f"?{asked}" if asked else ""), {})
        if reply.status == _CREATED:
            return True, ""
        if reply.status != _ACCEPTED:
            raise self.refusal(reply, self.path)
        return False, reply.headers["Location"]

    def put_blob(self, location: str, digest: str, body: IO[bytes], size: int) -> None:
        """Send a blob to where its upload goes. Raises CommandError, OSError."""
        base = f"{self.connection.scheme}://{self.connection.host}/v2/{self.path}/blobs/uploads/"
        url = urlsplit(urljoin(base, location))
        target = f"{url.path}?{url.query}&" if url.query else f"{url.path}?"
        connection = self._other(url.scheme, url.netloc)
        headers = {"Content-Type": "application/octet-stream"}
        if connection is self.connection:
            headers = self._headers(headers)  # elsewhere the address itself is the permission
        response = connection.open("PUT", target + urlencode({"digest": digest}), headers, body, size)
        reply = Reply(response.status, response.headers, response.read())  # type: ignore[arg-type]
        if reply.status != _CREATED:
            raise self.refusal(reply, digest)

    def ask(self, method: str, below: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """Send a request below the repository; a challenge is answered once. Raises CommandError."""
        target = f"/v2/{self.path}{below}"
        reply = self.connection.ask(method, target, self._headers(headers), body)
        if reply.status == _UNAUTHORIZED and self._answer(reply.headers.get("WWW-Authenticate")):
            reply = self.connection.ask(method, target, self._headers(headers), body)
        return reply

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {**headers, **({"Authorization": self._authorization} if self._authorization else {})}

    def _answer(self, challenge: str | None) -> bool:
        """Answer a challenge; return whether another try is worth it."""
        scheme, _, rest = (challenge or "").partition(" ")
        login, token = self.target.pair()
        basic = "Basic " + b64encode(f"{login}:{token}".encode()).decode() if token else ""
        if scheme.lower() == "basic":
            known, self._authorization = self._authorization, basic
            return bool(basic) and known != basic
        if scheme.lower() != "bearer":
            return False
        told = dict(_PARAMETER.findall(rest))
        url = urlsplit(told.get("realm", ""))
        if url.scheme not in {"http", "https"} or (url.scheme == "http" and self.target.scheme == "https"):
            raise CommandError(f"{self.target.host} sends to {told.get('realm')!r} for a token", status=UNREACHABLE)
        query = [("service", told["service"])] if "service" in told else []
        query += [("scope", one) for one in dict.fromkeys((*self._scopes, *told.get("scope", "").split())) if one]
        connection = self._other(url.scheme, url.netloc)
        target = f"{url.path}?{urlencode(query)}"
        reply = connection.ask("GET", target, {"Authorization": basic} if basic else {})
        found = reply.json()
        if reply.status != _OK or not isinstance(found, dict):
            raise self.refusal(reply, self.path)
        self._authorization = f"Bearer {found.get('token') or found.get('access_token')}"
        return True

    def refusal(self, reply: Reply, what: str) -> CommandError:
        """Convert a refusal to the error that the user is told of."""
        found = reply.json()
        errors = found.get("errors") if isinstance(found, dict) else None
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        status = _STATUSES.get(reply.status) or (REFUSED if reply.status < 500 else FAILED)  # noqa: PLR2004
        attempt = (
            f"moorage login {self.target.host}"
            if status in {NOT_SIGNED_IN, NOT_FOUND} and not self.target.token
            else ""
        )
        said = str(first.get("message") or f"{self.target.host} answered {reply.status}")
        return CommandError(f"{what}: {said}", status=status, attempt=attempt, request=reply.request_id)


#: What goes wrong while a blob travels.
TRAVEL_ERRORS: Final = (OSError, HTTPException)
