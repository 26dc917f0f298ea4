"""HTTP of the commands: connections that are kept, and what their failures mean."""

import os
import re
import ssl
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead, InvalidURL
from typing import Any, Final, NamedTuple

from registry.cli.client.errors import UNREACHABLE, CommandError
from registry.cli.client.proxies import proxy_for

REQUEST_ID: Final = "X-Moorage-Request-Id"
_LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")
_TRIES: Final = 3
_BLOCK: Final = 1 << 16
_TIMEOUT_SECONDS: Final = 60.0
_WAIT_MAX_SECONDS: Final = 30.0
_PROXY_SIGN_IN: Final = 407
#: How http.client begins what a proxy says against a tunnel.
_REFUSED: Final = "Tunnel connection failed:"
_BODY_MAX: Final = 32 << 20
_BUSY: Final = 429
_SECONDS: Final = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|s)?", re.ASCII)
_AGAIN: Final = frozenset({_BUSY, 502, 503, 504})


class Reply(NamedTuple):
    """A response with its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str:
        return self.headers.get(REQUEST_ID, "")

    def json(self) -> Any:
        """Parse the body; None for one that is no JSON."""
        import json

        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def is_local(host: str) -> bool:
    """Return whether a host is this machine, by a name that nobody else can take."""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name in _LOCAL or re.fullmatch(r"127(\.\d{1,3}){3}", name) is not None


class Connection:
    """A connection to one origin, ``scheme://host``, made when it is needed. Not for several threads."""

    def __init__(self, scheme: str, host: str, trace: Callable[[str], None] | None = None) -> None:
        self.scheme = scheme
        self.host = host
        self._trace = trace
        self._opened: HTTPConnection | None = None
        self._proxy = None if is_local(host) else proxy_for(os.environ, scheme, host)

    def close(self) -> None:
        """Close the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """Send a request and read the response. Raises CommandError.

        GET and HEAD are repeated while that may help, all others if they were too many: then nothing was done.
        """
        safe = method in {"GET", "HEAD"}
        for attempt in range(1, _TRIES + 1):
            last = attempt == _TRIES
            try:
                response = self.open(method, target, headers, body)
                reply = Reply(response.status, response.headers, body_of(response))  # type: ignore[arg-type]
            except (OSError, HTTPException) as error:
                self.close()
                certain = isinstance(error, ssl.SSLCertVerificationError | InvalidURL | _Endless)
                if last or not safe or certain or _REFUSED in str(error):
                    raise self.failure(error) from error
                time.sleep(0.2 * attempt)
                continue
            if last or reply.status not in (_AGAIN if safe else {_BUSY}):
                return reply
            time.sleep(seconds_of(reply.headers.get("Retry-After"), 0.5 * attempt))
        raise AssertionError

    def open(
        self, method: str, target: str, headers: Mapping[str, str], body: Any = None, length: int | None = None
    ) -> HTTPResponse:
        """Send a request and return the response, whose body is the caller's to read. Raises OSError, HTTPException."""
        started = time.monotonic()
        if method not in {"GET", "HEAD"}:
            self.close()  # a kept connection may be closed on the other side: a change is not to be sent twice
        sent = {"User-Agent": "moorage", **headers}
        if length is not None:
            sent["Content-Length"] = str(length)
        elif body is None and method in {"POST", "PUT", "PATCH"}:
            sent["Content-Length"] = "0"
        whole = target
        if self._proxy is not None and self.scheme == "http":
            sent |= self._proxy.headers
            whole = f"http://{self.host}{target}"
        try:
            connection = self._opened = self._opened or self._connect()
            connection.request(method, whole, body, sent, encode_chunked="Transfer-Encoding" in sent)
        except UnicodeError as error:  # a host or a target that a registry made up
            raise InvalidURL(str(error)) from error
        response = connection.getresponse()
        if self._proxy is not None and response.status == _PROXY_SIGN_IN:
            raise OSError(f"{_REFUSED} {response.status} {response.reason}")
        if self._trace is not None:
            where = target.partition("?")[0]  # a query may have a signature
            seconds = time.monotonic() - started
            self._trace(f"{method} {self.scheme}://{self.host}{where}: {response.status} in {seconds * 1000:.0f} ms")
        return response

    def failure(self, error: BaseException) -> CommandError:
        """Convert a failure of a connection to the error that the user is told of."""
        attempt = why = ""
        if isinstance(error, ssl.SSLCertVerificationError):
            why = f"its certificate is not trusted: {error.verify_message}"
            attempt = "SSL_CERT_FILE=ca.crt moorage ..."
        elif isinstance(error, ssl.SSLError):
            why = "it does not speak TLS on this port" if "WRONG_VERSION" in str(error) else str(error.reason)
            attempt = f"moorage login --insecure {self.host}"
        elif isinstance(error, _Endless):
            why = "its answer has no end"
        elif isinstance(error, InvalidURL):
            why = "this is no address"
        elif isinstance(error, TimeoutError):
            why = f"no answer within {_TIMEOUT_SECONDS:.0f} s"
        elif isinstance(error, OSError):
            why = (error.strerror or str(error)).lower()
        else:
            why = "the response is no HTTP" if self.scheme == "http" else "the connection was closed"
        if self._proxy is not None:
            why = f"by the proxy {self._proxy.address}: {why.removeprefix(_REFUSED.lower()).strip()}"
        return CommandError(f"cannot reach {self.host}", status=UNREACHABLE, why=why, attempt=attempt)

    def _connect(self) -> HTTPConnection:
        address = self.host if self._proxy is None else self._proxy.address
        if self.scheme == "http":
            return HTTPConnection(address, timeout=_TIMEOUT_SECONDS, blocksize=_BLOCK)
        context = ssl.create_default_context()
        for folder in (os.path.expanduser("~/.docker/certs.d"), "/etc/docker/certs.d"):  # noqa: PTH111
            path = os.path.join(folder, self.host, "ca.crt")  # noqa: PTH118
            if os.path.isfile(path):  # noqa: PTH113
                context.load_verify_locations(path)
        made = HTTPSConnection(address, timeout=_TIMEOUT_SECONDS, context=context, blocksize=_BLOCK)
        if self._proxy is not None:
            made.set_tunnel(self.host, headers=self._proxy.headers)
        return made


class _Endless(HTTPException):
    """A body is longer than any that is wanted, or takes longer."""


def body_of(response: HTTPResponse, seconds: float = 2 * _TIMEOUT_SECONDS) -> bytes:
    """Read the body of a response, that is of some length and comes in some time. Raises OSError, HTTPException."""
    deadline = time.monotonic() + seconds
    found, left = bytearray(), response.length
    while left is None or left > 0:
        data = response.read1(_BLOCK if left is None else min(_BLOCK, left))
        if not data:
            if left:
                raise IncompleteRead(bytes(found), left)
            break
        found += data
        left = None if left is None else left - len(data)
        if len(found) > _BODY_MAX or time.monotonic() > deadline:
            raise _Endless
    response.close()
    return bytes(found)


def seconds_of(text: str | None, default: float) -> float:
    """Return the seconds that Retry-After tells, of which half a minute is waited at most."""
    found = _SECONDS.fullmatch((text or "").strip())
    if found is not None:  # ghcr.io says «10.3ms»
        return min(float(found[1]) / (1000 if found[2] == "ms" else 1), _WAIT_MAX_SECONDS)
    try:  # RFC 9110 §10.2.3: a date
        then = parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError):
        return default
    return min(max(then - time.time(), 0.0), _WAIT_MAX_SECONDS)
