"""The surroundings of a command: its environment, its streams, and the host that it speaks to."""

import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TextIO

from registry.cli.client.errors import NOT_SIGNED_IN, USAGE, CommandError
from registry.cli.client.output import Output

if TYPE_CHECKING:
    from registry.cli.client.api import Api
    from registry.cli.client.preferences import Preference
    from registry.cli.client.references import Reference

#: The login that the registry takes identity tokens under.
IDENTITY: Final = "oidc"
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST: Final = re.compile(rf"(?:\[[0-9a-f:.]+\]|{_LABEL}(?:\.{_LABEL})*)(?::\d{{1,5}})?")
_LOOPBACK_ONLY: Final = "plain HTTP would show the token to the network"


class Target:
    """A host that is spoken to: ``scheme``, ``host`` with its port, and the credential for it.

    ``ask`` gets the identity token of the CI job, which is for pulls and pushes only.
    """

    def __init__(
        self, scheme: str, host: str, login: str, token: str, source: str, ask: Callable[[], str] | None = None
    ) -> None:
        self._ask = ask
        self.scheme = scheme
        self.host = host
        self.login = login
        self.token = token
        self.source = source

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def pair(self) -> tuple[str, str]:
        """Return login and secret for pulls and pushes; an empty secret for nobody. Raises CommandError."""
        if not self.token and self._ask is not None:
            self.login, self.token = IDENTITY, self._ask()
        return self.login or "moorage", self.token


class Context:
    """A command's surroundings; ``options`` are its parsed arguments."""

    def __init__(self, env: Mapping[str, str], streams: tuple[TextIO, TextIO, TextIO], options: Any) -> None:
        self.env = env
        self.input, out, err = streams
        self.options = options
        jq = getattr(options, "jq", None) or ""
        fields = getattr(options, "json", None) or ("" if jq else getattr(options, "json", None))
        color = out.isatty() and not env.get("NO_COLOR") and env.get("TERM") != "dumb"
        self.output = Output(
            out, err, time.time(),
            fields=None if fields is None else [one for one in fields.split(",") if one],
            quiet=getattr(options, "quiet", False), color=color and not getattr(options, "no_color", False), jq=jq,
        )  # fmt: skip

    @property
    def trace(self) -> Callable[[str], None] | None:
        """The function that tells each request on stderr, with ``--verbose``."""
        if not getattr(self.options, "verbose", False):
            return None
        return lambda text: self.output.note(f"> {text}")

    def target(self, named: str = "") -> Target:
        """Find the host to speak to, and its credential: reference, flag, environment, files. Raises CommandError."""
        from registry.cli.client import credentials

        host = named or self.preference("host").value or self._only_host()
        scheme, host = self.scheme_of(host)
        token = self.env.get("MOORAGE_TOKEN", "").strip()
        if token and host == self._host_of_token():
            return Target(scheme, host, "", token, "MOORAGE_TOKEN")
        found = credentials.find(self.env, host)
        if found is not None:
            return Target(scheme, host, found.login, found.token, found.source)
        return Target(scheme, host, "", "", "", self._identity(host))

    def preference(self, key: str, *, own: bool = False) -> "Preference":
        """Find a preference; ``own``: without what the file of the current folder says. Raises CommandError."""
        from registry.cli.client import preferences

        return preferences.find(self.env, key, getattr(self.options, key, "") if key == "host" else "", own=own)

    def _identity(self, host: str) -> Callable[[], str] | None:
        from registry.cli.client import identity

        if not identity.offered(self.env) or host != self._host_of_token():
            return None
        return lambda: identity.token_of(self.env, host, self.trace)

    def scheme_of(self, text: str) -> tuple[str, str]:
        """Tell how to speak with a host: HTTPS, but for this machine and where plain HTTP was allowed."""
        from registry.cli.client import http, store

        scheme, separator, host = text.rpartition("://")
        host = host.rstrip("/").lower()
        if not _HOST.fullmatch(host) or (separator and scheme not in {"http", "https"}):
            shown = text.rpartition("@")[2]  # a password may stand before it
            raise CommandError(f"{shown!r} is no host", status=USAGE, why="expected HOST or HOST:PORT")
        entry = store.read(self.env).get(host, {})
        plain = bool(self.options.insecure or entry.get("insecure"))
        if scheme == "http" and not (plain or http.is_local(host)):
            raise CommandError(f"{host} is not this machine", status=USAGE, why=_LOOPBACK_ONLY, attempt="--insecure")
        return scheme or entry.get("scheme") or ("http" if plain or http.is_local(host) else "https"), host

    def _host_of_token(self) -> str:
        """The one host that secrets of the environment are for: a reference to another must not carry them there."""
        from registry.cli.client import store

        named = self.env.get("MOORAGE_HOST") or self.preference("host", own=True).value
        hosts = [] if named else list(store.read(self.env))
        return self.scheme_of(named or (hosts[0] if len(hosts) == 1 else "none"))[1]

    def _only_host(self) -> str:
        from registry.cli.client import store

        hosts = store.read(self.env)
        if len(hosts) == 1:
            return next(iter(hosts))
        raise CommandError(
            "which host?" if hosts else "not signed in to any host",
            status=USAGE if hosts else NOT_SIGNED_IN,
            why=f"you are signed in to {', '.join(sorted(hosts))}" if hosts else "",
            attempt=f"--host {min(hosts)}" if hosts else "moorage login HOST",
        )

    def api(self, reference: "Reference | None" = None) -> "Api":
        """Return the API of the host, of ``reference`` if that names one."""
        return self.api_of(self.target(reference.host if reference is not None else ""))

    def api_of(self, target: Target) -> "Api":
        """Return the API of a target."""
        from registry.cli.client.api import Api
        from registry.cli.client.http import Connection

        token = "" if target.login == IDENTITY else target.token  # an identity token is for /v2 only
        return Api(Connection(target.scheme, target.host, self.trace), token)

    def note(self, text: str) -> None:
        """Tell something that is no data, on stderr."""
        self.output.note(text)

    def confirm(self, question: str) -> None:
        """Ask before a change that cannot simply be undone. Raises CommandError without a Yes."""
        if self.options.yes:
            return
        if not self.input.isatty():
            raise CommandError("nobody can be asked here", status=USAGE, why=question, attempt="--yes")
        self.output.err.write(f"{question} [y/N] ")
        self.output.err.flush()
        if self.input.readline().strip().lower() not in {"y", "yes"}:
            raise CommandError("not done")

    def changed(self, text: str, undo: str = "") -> None:
        """Tell what was changed, and how to undo the change."""
        self.note(text + (f"\n  undo: {undo}" if undo else ""))
