"""One repository of any registry, by the OCI Distribution protocol: tokens, manifests, referrers and blobs."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from typing import IO, Any, Final
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from registry.cli.client.context import Target
from registry.cli.client.errors import DENIED, FAILED, NOT_FOUND, NOT_SIGNED_IN, REFUSED, UNREACHABLE, CommandError
from registry.cli.client.http import Connection, Reply, body_of, seconds_of
from registry.cli.client.manifests import INDEXES, Manifest, entries, parsed
from registry.cli.client.pace import Pace
from registry.cli.client.references import is_package, is_tag

_MANIFESTS: Final = (
    *INDEXES,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPT: Final = {"Accept": ", ".join((*_MANIFESTS, "*/*;q=0.1"))}
_PARAMETER: Final = re.compile(r'([a-zA-Z]+)="([^"]*)"')
_HOPS_MAX: Final = 5
_SMALL_MAX: Final = 4 << 20
_PAGES_MAX: Final = 10_000
#: OCI Distribution, «Pushing Manifests»: what every registry takes.
_MANIFEST_MAX: Final = 4 << 20
_ALGORITHMS: Final = ("sha256", "sha512")
_OK, _CREATED, _ACCEPTED, _NO_CONTENT, _PARTIAL, _UNAUTHORIZED, _NOT_FOUND = 200, 201, 202, 204, 206, 401, 404
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_REFUSALS: Final = range(400, 500)
_STATUSES: Final = {
    401: NOT_SIGNED_IN,
    403: DENIED,
    404: NOT_FOUND,
    429: UNREACHABLE,
    502: UNREACHABLE,
    503: UNREACHABLE,
}
_DOCKER: Final = "registry-1.docker.io"


class Registry:
    """A repository ``path`` of a host. Not for several threads: each has a ``twin`` of its own."""

    def __init__(
        self, target: Target, path: str, *, actions: str = "pull", trace: Callable[[str], None] | None = None,
        also: tuple[str, ...] = (), pace: Pace | None = None,
    ) -> None:  # fmt: skip
        self.target = target
        self.pace = pace or Pace()
        self.path = path
        self._scopes = (f"repository:{path}:{actions}", *(f"repository:{one}:pull" for one in also))
        self._trace = trace
        host = _DOCKER if target.host == "docker.io" else target.host
        self.connection = Connection(target.scheme, host, trace)
        self._authorization = ""
        self._others: dict[tuple[str, str], Connection] = {}

    def twin(self) -> "Registry":
        """Return the same repository with connections of its own, which begins with the same token."""
        made = Registry(self.target, self.path, trace=self._trace, pace=self.pace)
        made._scopes, made._authorization = self._scopes, self._authorization
        return made

    def close(self) -> None:
        """Close the connection, so that the next request begins anew."""
        self.connection.close()

    def manifest(self, version: str) -> Manifest:
        """Read a manifest by tag or digest, and check its digest. Raises CommandError."""
        self.pace.wait()
        reply = self.ask("GET", f"/manifests/{version}", _ACCEPT)
        self.pace.learn(reply.headers)
        if reply.status != _OK:
            raise self.refusal(reply, f"{self.path}:{version}" if ":" not in version else f"{self.path}@{version}")
        if len(reply.body) > _MANIFEST_MAX:
            raise CommandError(f"{version} of {self.target.host} is larger than 4 MB", status=REFUSED)
        algorithm = version.partition(":")[0] if ":" in version else "sha256"
        digest = f"{algorithm}:{hashlib.new(algorithm, reply.body).hexdigest()}"
        if ":" in version and digest != version:
            raise CommandError(f"{version} of {self.target.host} has other bytes", why=f"their digest is {digest}")
        told = reply.headers.get("Docker-Content-Digest", digest)
        if told.startswith("sha256:") and digest.startswith("sha256:") and told != digest:
            raise CommandError(f"{version} of {self.target.host} has other bytes", why=f"it says {told}, not {digest}")
        media_type = reply.headers.get("Content-Type", "").partition(";")[0].strip()
        return parsed(self.target.host, digest, media_type, reply.body)

    def has_manifest(self, version: str) -> str:
        """Return the digest of a manifest that is there, «?» if the registry does not tell; empty if it is not."""
        reply = self.ask("HEAD", f"/manifests/{version}", _ACCEPT)
        if reply.status not in {_OK, _NOT_FOUND}:
            raise self.refusal(reply, f"{self.path}:{version}")
        return (reply.headers.get("Docker-Content-Digest") or "?") if reply.status == _OK else ""

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
        found: list[dict[str, Any]] = []
        for reply in self._pages(f"/referrers/{digest}", {"Accept": INDEXES[0]}):
            if reply.status != _OK or reply.headers.get("Content-Type", "").partition(";")[0] != INDEXES[0]:
                return self.fallback(digest)[1]
            found += self._entries(reply)
        return found

    def fallback(self, digest: str) -> tuple[str, list[dict[str, Any]]]:
        """Read the index under the tag that stands for a subject: its tag, and the entries."""
        tag = digest.replace(":", "-")[:128]
        reply = self.ask("GET", f"/manifests/{tag}", _ACCEPT)
        return tag, self._entries(reply) if reply.status == _OK else []

    def _entries(self, reply: Reply) -> list[dict[str, Any]]:
        try:
            return entries(reply.json())
        except (TypeError, ValueError) as error:
            raise CommandError(f"{self.target.host} lists no referrers", why="what it sent is no index") from error

    def tags(self) -> Iterator[str]:
        """List the tags."""
        for reply in self._pages("/tags/list?n=1000", {}):
            if reply.status != _OK:
                raise self.refusal(reply, self.path)
            found = reply.json()
            listed = (found.get("tags") or []) if isinstance(found, dict) else None
            if not isinstance(listed, list) or not all(isinstance(one, str) and is_tag(one) for one in listed):
                raise CommandError(f"{self.target.host} lists no tags", why="what it sent is no list of them")
            yield from listed

    def catalog(self) -> Iterator[Reply]:
        """Read the list of the repositories, page by page; of a ``Registry`` without a path."""
        self._scopes = ("registry:catalog:*",)
        yield from self._pages("_catalog?n=1000", {})

    def _pages(self, below: str, headers: Mapping[str, str]) -> Iterator[Reply]:
        """Read a list page by page, below the repository."""
        seen: set[str] = set()
        target: str | None = below
        while target is not None:
            if target in seen or len(seen) == _PAGES_MAX:
                raise CommandError(f"{self.target.host} lists {below.partition('?')[0]} without an end")
            seen.add(target)
            reply = self.ask("GET", target, headers)
            yield reply
            link = re.match(r'<([^>]+)>;\s*rel="?next', reply.headers.get("Link") or "")
            target = None if link is None else link[1].partition(f"/v2/{self.path}")[2] or None

    def has_blob(self, digest: str) -> bool:
        """Return whether a blob is in the repository."""
        return self.ask("HEAD", f"/blobs/{digest}", {}).status in {_OK, *_REDIRECTS}

    def open_blob(self, digest: str, size: int, offset: int = 0) -> tuple[HTTPResponse, int]:
        """Open a blob for reading; return where its bytes begin: at ``offset``, or at 0 if the registry has no ranges.

        Redirects are followed without the token. Raises CommandError, OSError, HTTPException.
        """
        connection, target = self.connection, f"/v2/{self.path}/blobs/{digest}"
        wanted = {"Range": f"bytes={offset}-{size - 1}"} if offset else {}
        headers = self._headers(wanted)
        for hop in range(_HOPS_MAX):
            response = connection.open("GET", target, headers)
            if response.status == _OK:
                return response, 0
            if response.status == _PARTIAL and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
                return response, offset
            body = body_of(response)
            if response.status == _UNAUTHORIZED and hop == 0 and self._answer(response.headers.get("WWW-Authenticate")):
                headers = self._headers(wanted)
            elif response.status in _REDIRECTS:
                url = self._address(f"{connection.scheme}://{connection.host}{target}", response.headers["Location"])
                connection = self._other(url.scheme, url.netloc)
                headers = self._headers(wanted) if connection is self.connection else wanted
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
            response, _ = self.open_blob(digest, size)
            body: bytes = response.read(size + 1)
        except TRAVEL_ERRORS as error:
            raise self.connection.failure(error) from error
        known = algorithm in _ALGORITHMS and f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
        if known != digest:
            raise CommandError(f"{self.target.host} has other bytes for {digest}")
        return body

    def _address(self, base: str, location: str | None) -> SplitResult:
        """Return the address that the registry sends to. Raises CommandError."""
        try:
            url = urlsplit(urljoin(base, location or ""))
        except ValueError:
            url = urlsplit("")
        if url.scheme not in {"http", "https"} or not url.netloc or not location:
            raise CommandError(f"{self.target.host} sends to {location!r}", why="this is no address")
        return url

    def _other(self, scheme: str, host: str) -> Connection:
        if (scheme, host) == (self.connection.scheme, self.connection.host):
            return self.connection
        return self._others.setdefault((scheme, host), Connection(scheme, host, self._trace))

    def mount(self, digest: str, source: str | None) -> tuple[bool, str]:
        """Ask for a blob of another repository, of any if the name is empty; None: to upload it, in any case.

        Return whether the blob is here, else where its upload goes.
        """
        asked = "" if source is None else urlencode({"mount": digest, **({"from": source} if source else {})})
        reply = self.ask("POST", "/blobs/uploads/" + (f"?{asked}" if asked else ""), {})
        if reply.status == _CREATED:
            return True, ""
        if reply.status != _ACCEPTED:
            raise self.refusal(reply, self.path)
        location = reply.headers.get("Location")
        if not location:
            raise CommandError(f"{self.target.host} does not say where to send {digest}")
        return False, location

    def _upload(self, location: str) -> tuple[Connection, str, dict[str, str]]:
        """Tell how to speak with an upload: its connection, its target, and the headers."""
        base = f"{self.connection.scheme}://{self.connection.host}/v2/{self.path}/blobs/uploads/"
        url = self._address(base, location)
        connection = self._other(url.scheme, url.netloc)
        # Elsewhere the address itself is the permission.
        headers = self._headers({}) if connection is self.connection else {}
        return connection, f"{url.path}?{url.query}" if url.query else url.path, headers

    def upload_offset(self, location: str) -> tuple[int, str]:
        """Ask how many bytes of an upload are there, and where it goes on; 0 for an upload that does not go on."""
        connection, target, headers = self._upload(location)
        reply = connection.ask("GET", target, headers)
        if self._challenged(connection, reply):
            reply = connection.ask("GET", target, self._upload(location)[2])
        found = re.fullmatch(r"(?:bytes=)?0-(\d{1,18})", reply.headers.get("Range", ""))
        if reply.status not in {_NO_CONTENT, _ACCEPTED} or found is None or found[1] == "0":
            return 0, ""
        return int(found[1]) + 1, reply.headers.get("Location") or location

    def patch_blob(self, location: str, data: Iterator[bytes]) -> str:
        """Send the next bytes of an upload, as docker does; return where it goes on. Raises CommandError, OSError."""
        connection, target, headers = self._upload(location)
        headers |= {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}
        response = connection.open("PATCH", target, headers, data)
        reply = Reply(response.status, response.headers, body_of(response))  # type: ignore[arg-type]
        if self._challenged(connection, reply):
            raise ConnectionError("the token had expired")
        if reply.status not in {_ACCEPTED, _NO_CONTENT}:
            raise self.refusal(reply, self.path)
        return reply.headers.get("Location") or location

    def put_blob(self, location: str, digest: str, body: IO[bytes] | None = None, size: int = 0) -> None:
        """Send a blob to where its upload goes, or end the upload. Raises CommandError, OSError."""
        connection, target, headers = self._upload(location)
        target += ("&" if "?" in target else "?") + urlencode({"digest": digest})
        sent = {"Content-Type": "application/octet-stream"}
        response = connection.open("PUT", target, {**headers, **sent}, body, size)
        reply = Reply(response.status, response.headers, body_of(response))  # type: ignore[arg-type]
        if self._challenged(connection, reply):
            if body is not None:
                raise ConnectionError("the token had expired")
            reply = connection.ask("PUT", target, {**self._upload(location)[2], **sent})
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

    def _challenged(self, connection: Connection, reply: Reply) -> bool:
        """Answer the challenge of the registry itself; whoever else an upload was sent to gets no credential."""
        mine = connection is self.connection and reply.status == _UNAUTHORIZED
        return mine and self._answer(reply.headers.get("WWW-Authenticate"))

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
        url = self._address("", told.get("realm"))
        if url.scheme == "http" and self.target.scheme == "https":
            raise CommandError(f"{self.target.host} sends to {told['realm']!r} for a token", status=UNREACHABLE)
        query = [("service", told["service"])] if "service" in told else []
        query += [("scope", one) for one in dict.fromkeys((*self._scopes, *told.get("scope", "").split())) if one]
        connection = self._other(url.scheme, url.netloc)
        target = f"{url.path}?{urlencode(query)}"
        reply = connection.ask("GET", target, {"Authorization": basic} if basic else {})
        if reply.status != _OK:
            raise self.refusal(reply, self.path)
        found = reply.json()
        bearer = (found.get("token") or found.get("access_token")) if isinstance(found, dict) else None
        if not isinstance(bearer, str) or not bearer.isascii() or not bearer.isprintable():
            raise CommandError(f"{url.netloc} gives no token", why="what it sent is none")
        self._authorization = f"Bearer {bearer}"
        return True

    def refusal(self, reply: Reply, what: str) -> CommandError:
        """Convert a refusal to the error that the user is told of."""
        found = reply.json()
        errors = found.get("errors") if isinstance(found, dict) else None
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        status = _STATUSES.get(reply.status) or (REFUSED if reply.status in _REFUSALS else FAILED)
        nobody = status == NOT_FOUND and not self.target.token
        attempt = f"moorage login {self.target.host}" if nobody or status == NOT_SIGNED_IN else ""
        said = str(first.get("message") or f"{self.target.host} answered {reply.status}").partition(": docker ")[0]
        wait = seconds_of(reply.headers.get("Retry-After"), 0)
        return CommandError(f"{what}: {said}", status=status, attempt=attempt, request=reply.request_id, wait=wait,
            instead=self._instead(first.get("detail")), origin=self.target.url)  # fmt: skip

    def _instead(self, detail: object) -> str:
        """Return the name that Moorage tells to push to, where the name that was pushed to has no account."""
        told = detail if isinstance(detail, dict) else {}
        owners, missing = told.get("have"), str(told.get("missing", ""))
        if not missing.startswith(("an owner", "an account")) or not isinstance(owners, list) or not owners:
            return ""
        name = f"{owners[0]}/{self.path.partition('/')[2] or self.path}"
        return name if is_package(name) else ""


#: What goes wrong while a blob travels.
TRAVEL_ERRORS: Final = (OSError, HTTPException)
