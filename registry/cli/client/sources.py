"""Sources of an import: repositories of registries by name or pattern, and the lists by which a pattern is found."""

from base64 import b64encode
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from registry.cli.client.context import Context, Target
from registry.cli.client.errors import DENIED, NOT_FOUND, NOT_SIGNED_IN, USAGE, CommandError
from registry.cli.client.http import Connection, Reply
from registry.cli.client.layout import Bundle
from registry.cli.client.references import is_package, parse_any

#: How the repositories of a registry are listed.
LISTS: Final = ("catalog", "github", "gitlab", "harbor")
_KNOWN: Final = {
    "ghcr.io": ("github", "https://api.github.com"),
    "registry.gitlab.com": ("gitlab", "https://gitlab.com"),
}
_BEFORE: Final = {"github": "/api/v3", "gitlab": "/api/v4", "harbor": "/api/v2.0", "catalog": ""}
_PAGE: Final = 100
_PAGES_MAX: Final = 10_000
_REPOSITORIES_MAX: Final = 100_000
_OK, _NOT_FOUND = 200, 404
_STATUSES: Final = {401: NOT_SIGNED_IN, 403: DENIED, 404: NOT_FOUND}


class Found(NamedTuple):
    """A repository of a source, its name below the owner here, and what the source tells of it; empty: nothing.

    ``version`` is the one tag or digest that is wanted; empty for each tag.
    """

    path: str
    name: str
    version: str = ""
    visibility: str = ""
    repository: str = ""


class Pattern(NamedTuple):
    """A source as it is written: ``HOST/NAME[:TAG|@DIGEST]``, ``HOST/[NAMESPACE/]*``, or a file."""

    host: str
    path: str
    version: str
    bundle: Bundle | None = None

    @property
    def lists(self) -> bool:
        """Return whether repositories have to be listed."""
        return "*" in self.path

    @property
    def namespace(self) -> str:
        """The whole parts before the first ``*``."""
        return self.path.partition("*")[0].rpartition("/")[0]

    def below(self, path: str) -> str:
        """Return the name below the owner: without the namespace of a pattern, else without the first of the parts."""
        if self.lists:
            return path.removeprefix(f"{self.namespace}/") if self.namespace else path
        return path.partition("/")[2] or path


def parse(text: str) -> Pattern:
    """Parse a source. Raises CommandError."""
    if "*" not in text:
        found = parse_any(text)
        if not found.host:
            raise CommandError(f"{text!r} names no host", status=USAGE, why=f"expected HOST/{text}, or a bundle's file")
        return Pattern(found.host, found.path, found.version)
    scheme, separator, rest = text.rpartition("://")
    host, slash, path = rest.partition("/")
    if not slash or "*" in host or ":" in path or "@" in path:
        raise CommandError(f"{text!r} is no source", status=USAGE, why="expected HOST/NAMESPACE/*")
    return Pattern(scheme + separator + host, path, "")


def repositories(context: Context, pattern: Pattern) -> Iterator[Found]:
    """Find the repositories of a source. Raises CommandError."""
    if not pattern.lists:
        yield Found(pattern.path, pattern.below(pattern.path), pattern.version)
        return
    target, options = context.target(pattern.host), context.options
    kind, address = _KNOWN.get(target.host, ("catalog", ""))
    kind, address = options.list_by or kind, options.api or address or target.url
    asked = _List(context, target, address + _BEFORE[kind])
    for number, (path, visibility, repository) in enumerate(getattr(asked, kind)(pattern.namespace)):
        if number == _REPOSITORIES_MAX:
            why = "--names FILE names those that are wanted"
            raise CommandError(f"{target.host} lists more than {number:,} repositories", why=why)
        if fnmatchcase(path.lower(), pattern.path.lower()):
            path = path.lower()  # noqa: PLW2901 - as registries have it; GitHub tells the login as its owner writes it
            name = pattern.below(path) if not pattern.namespace else path[len(pattern.namespace) + 1 :]
            yield Found(path, name, "", visibility, repository)


def owned(owner: str, found: Found) -> str:
    """Return the name here. Raises CommandError for one that no package can have."""
    if not is_package(f"{owner}/{found.name}"):
        raise CommandError(f"{owner}/{found.name} is no name here", status=USAGE, why="see docs/explain/namespaces.md")
    return f"{owner}/{found.name}"


class _List:
    """The lists of a registry: each yields name, visibility and linked repository, as far as they are told."""

    def __init__(self, context: Context, target: Target, address: str) -> None:
        url = urlsplit(address)
        self._host = target.host
        self._connection = Connection(url.scheme, url.netloc, context.trace)
        self._before = url.path
        self._target = target
        self._context = context

    def catalog(self, _: str) -> Iterator[tuple[str, str, str]]:
        """List by ``/v2/_catalog``: distribution, zot, Harbor as its administrator."""
        from registry.cli.client.oci import Registry

        for reply in Registry(self._target, "", trace=self._context.trace).catalog():
            if reply.status != _OK:
                raise self._refusal(reply)
            found = reply.json()
            listed = (found.get("repositories") or []) if isinstance(found, dict) else None
            if not isinstance(listed, list):
                raise self._strange()
            for name in listed:
                yield self._text({"name": name}, "name"), "", ""

    def github(self, owner: str) -> Iterator[tuple[str, str, str]]:
        """List the packages of an organization or a person by GitHub's API."""
        if not owner or "/" in owner:
            raise CommandError(
                "GitHub's API lists the packages of one account", status=USAGE, why="expected HOST/ACCOUNT/*"
            )
        found = self._pages(f"/orgs/{quote(owner, safe='')}/packages", "package_type=container", missing=True)
        if found is None:
            found = self._pages(f"/users/{quote(owner, safe='')}/packages", "package_type=container")
        for one in found or ():
            linked = one.get("repository")
            linked = self._text(linked, "full_name", "") if isinstance(linked, dict) else ""
            yield f"{owner}/{self._text(one, 'name')}", self._text(one, "visibility", ""), linked

    def gitlab(self, group: str) -> Iterator[tuple[str, str, str]]:
        """List the repositories of a group, or of a project, by GitLab's API."""
        where = quote(group, safe="")
        found = self._pages(f"/groups/{where}/registry/repositories", "", missing=True)
        if found is None:
            found = self._pages(f"/projects/{where}/registry/repositories", "")
        for one in found or ():
            yield self._text(one, "path"), "", ""

    def harbor(self, _: str) -> Iterator[tuple[str, str, str]]:
        """List the repositories by Harbor's API; those of a public project are public."""
        public = {self._text(one, "name") for one in self._pages("/projects", "public=true") or ()}
        for one in self._pages("/repositories", "") or ():
            name = self._text(one, "name")
            yield name, "public" if name.partition("/")[0] in public else "private", ""

    def _pages(self, path: str, query: str, *, missing: bool = False) -> "Iterator[dict[str, Any]] | None":
        """Read a list page by page; None for one that is ``missing``, if that may be."""
        first = self._ask(path, query, 1)
        if missing and first.status == _NOT_FOUND:
            return None
        return self._following(path, query, first)

    def _following(self, path: str, query: str, reply: Reply) -> Iterator[dict[str, Any]]:
        for page in range(2, _PAGES_MAX):
            found = reply.json()
            if reply.status != _OK or not isinstance(found, list):
                raise self._refusal(reply)
            yield from (one for one in found if isinstance(one, dict))
            if len(found) < _PAGE:
                return
            reply = self._ask(path, query, page)

    def _ask(self, path: str, query: str, page: int) -> Reply:
        login, token = self._target.pair()
        basic = f"Basic {b64encode(f'{login}:{token}'.encode()).decode()}"
        told = basic if self._before.endswith("/v2.0") else f"Bearer {token}"
        headers = {"Accept": "application/json", **({"Authorization": told} if token else {})}
        size = f"per_page={_PAGE}&page_size={_PAGE}&page={page}"
        return self._connection.ask("GET", f"{self._before}{path}?{query}{'&' if query else ''}{size}", headers)

    def _text(self, found: dict[str, Any], key: str, instead: str | None = None) -> str:
        """Return a text of a list, ``instead`` of it where there is none. Raises CommandError for what is no text."""
        text = found.get(key) or instead
        if not isinstance(text, str):
            raise self._strange()
        return text

    def _strange(self) -> CommandError:
        return CommandError(f"{self._host} lists no repositories", why="what it sent is no list of them")

    def _refusal(self, reply: Reply) -> CommandError:
        return CommandError(
            f"{self._host} lists no repositories: it answered {reply.status}", status=_STATUSES.get(reply.status, 1),
            why=f"--list-by {'|'.join(LISTS)} may, or --names FILE names them", request=reply.request_id,
            attempt=f"moorage login {self._host}" if not self._target.token else "",
        )  # fmt: skip
