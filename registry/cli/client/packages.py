"""Packages and versions: the commands ``packages``, ``package``, ``versions``, ``du`` and ``open``."""

from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

from registry.cli.client import references
from registry.cli.client.api import package_path
from registry.cli.client.commands import Command, add_limit, limit_of
from registry.cli.client.context import Context
from registry.cli.client.durations import before
from registry.cli.client.errors import CommandError
from registry.cli.client.output import Column, seconds_of, size


def full_name(package: dict[str, Any]) -> str:
    """Return the name of a package with its owner's."""
    return f"{package['owner']['login'].lower()}/{package['name']}"


_PACKAGES: Final = (
    Column("PACKAGE", full_name),
    Column("VISIBILITY", lambda one: one["visibility"]),
    Column("VERSIONS", lambda one: one["version_count"], "number"),
    Column("UPDATED", lambda one: one["updated_at"], "time"),
)


def _add_packages(parser: ArgumentParser) -> None:
    parser.add_argument("owner", nargs="?", default="", metavar="OWNER", help="an account; yours, if none is named")
    parser.add_argument("--search", metavar="TERM", help="all that you may see, by the beginning of an owner or name")
    parser.add_argument("--match", metavar="GLOB", help="packages whose name matches: 'web-*'")
    parser.add_argument("--visibility", choices=("public", "internal", "private"))
    parser.add_argument("--deleted", action="store_true", help="packages that can be restored")
    parser.add_argument("--sort", choices=("name", "updated"), help="by name, or what was pushed to last first")
    add_limit(parser)


def _packages(context: Context) -> None:
    options, api, limit = context.options, context.api(), limit_of(context)
    bound = None if options.match or options.search or options.sort else limit
    if options.search is not None:
        found = api.pages("/search/packages", bound, q=options.search)
        found = (one for one in found if options.visibility in (None, one["visibility"]))
    else:
        found = api.pages(
            _path_of(options.owner or context.preference("owner").value), bound,
            package_type="container", visibility=options.visibility, state="deleted" if options.deleted else None,
        )  # fmt: skip
    if options.match:
        found = (one for one in found if fnmatchcase(one["name"], options.match))
    if options.sort == "updated":
        found = iter(sorted(found, key=lambda one: str(one["updated_at"]), reverse=True))
    elif options.sort:
        found = iter(sorted(found, key=full_name))
    shown = list(islice(found, limit))
    context.output.table(_PACKAGES, shown, full_name)
    if not shown:
        context.note("No packages.")


def _path_of(owner: str) -> str:
    """Return the path of the packages of an account; the user's own, if none is named."""
    return f"/users/{quote(owner, safe='')}/packages" if owner else "/user/packages"


_PACKAGE: Final = (
    Column("package", full_name),
    Column("visibility", lambda one: one["visibility"]),
    Column("versions", lambda one: one["version_count"], "number"),
    Column("repository", lambda one: (one.get("repository") or {}).get("full_name")),
    Column("created", lambda one: one["created_at"], "time"),
    Column("updated", lambda one: one["updated_at"], "time"),
    Column("page", lambda one: one["page"]),
    Column("pull", lambda one: one["pull"]),
)


def _add_package(parser: ArgumentParser) -> None:
    parser.add_argument("package", metavar="PACKAGE", type=references.parse_package)


def _package(context: Context) -> None:
    package = context.options.package
    target = context.target(package.host)
    api = context.api_of(target)
    found = api.get(package_path(package))
    newest = next(iter(api.pages(package_path(package) + "/tags", 1)), None)
    tag = f":{newest['name']}" if newest is not None else ""
    more = {"page": f"{target.url}/{package.path}", "pull": f"docker pull {target.host}/{package.path}{tag}"}
    context.output.facts({**found, **more}, _PACKAGE)


def tags_of(version: dict[str, Any]) -> list[str]:
    """Return the tags of a version."""
    found: list[str] = version["metadata"]["container"]["tags"]
    return found


_VERSIONS: Final = (
    Column("DIGEST", lambda one: one["name"], "digest"),
    Column("TAGS", tags_of, "list"),
    Column("PLATFORMS", lambda one: one["platforms"], "list"),
    Column("SIZE", lambda one: one.get("size"), "size"),
    Column("PUSHED", lambda one: one["created_at"], "time"),
    Column("BY", lambda one: (one.get("pushed_by") or {}).get("login")),
)


def _add_versions(parser: ArgumentParser) -> None:
    parser.add_argument("package", metavar="PACKAGE", type=references.parse_package)
    add_selection(parser)
    parser.add_argument("--tagged", action="store_true", help="versions with a tag")
    parser.add_argument("--deleted", action="store_true", help="versions that can be restored")
    parser.add_argument("--platform", metavar="OS/ARCH", help="versions for a platform")
    add_limit(parser)


def add_selection(parser: ArgumentParser) -> None:
    """Add the arguments that select versions."""
    parser.add_argument("--untagged", action="store_true", help="versions without a tag, and part of nothing else")
    parser.add_argument("--match", metavar="GLOB", help="versions with a tag that matches: 'v1.*'")
    parser.add_argument("--older-than", metavar="AGE", type=before, help="versions pushed before: 12h, 90d, or a time")


def select(context: Context, versions: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Select versions as the arguments say."""
    options = context.options
    for one in versions:
        tags = tags_of(one)
        belongs = one.get("parents") or one.get("subject") or one.get("kind") != "image"
        if options.untagged and (tags or belongs):
            continue
        if options.match and not any(fnmatchcase(tag, options.match) for tag in tags):
            continue
        if options.older_than and seconds_of(one["created_at"]) >= options.older_than(context.output.now):
            continue
        yield one


def _versions(context: Context) -> None:
    options, limit = context.options, limit_of(context)
    path = package_path(options.package) + "/versions"
    found = select(context, context.api(options.package).pages(path, state="deleted" if options.deleted else None))
    if options.tagged:
        found = (one for one in found if tags_of(one))
    if options.platform:
        found = (one for one in found if options.platform in (one["platforms"] or []))
    shown = list(islice(found, limit))
    context.output.table(_VERSIONS, shown, lambda one: one["name"])
    if not shown:
        context.note("No versions.")


_USAGE: Final = (
    Column("PACKAGE", lambda one: one["package"]),
    Column("STORED", lambda one: one["stored_bytes"], "size"),
    Column("AS PULLED", lambda one: one["pulled_bytes"], "size"),
    Column("DELETED", lambda one: one.get("deleted_bytes"), "size"),
)


def _add_du(parser: ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", default="", metavar="OWNER|PACKAGE", help="yours, if nothing is named")
    parser.add_argument("--by", choices=("package", "version"), default="package", help="each version of a PACKAGE")


_BY_VERSION: Final = (*_VERSIONS[:2], Column("AS PULLED", lambda one: one.get("size"), "size"))


def _du(context: Context) -> None:
    what = context.options.what
    if context.options.by == "version":
        package = references.parse_package(what)
        versions = list(context.api(package).pages(package_path(package) + "/versions"))
        versions.sort(key=lambda one: -(one.get("size") or 0))
        context.output.table(_BY_VERSION, versions, lambda one: str(one["name"]))
        return
    if "/" in what:
        package = references.parse_package(what)
        api, paths = context.api(package), {package.path: package_path(package)}
    else:
        api = context.api()
        listed = api.pages(_path_of(what or context.preference("owner").value), package_type="container")
        named = [references.parse(full_name(one)) for one in listed]
        paths = {one.path: package_path(one) for one in named}
    found = [{"package": name, **api.get(f"{path}/usage")} for name, path in paths.items()]
    found.sort(key=lambda one: -one["stored_bytes"])
    context.output.table(_USAGE, found, lambda one: one["package"])
    if len(found) > 1:
        context.note(f"{size(sum(one['stored_bytes'] for one in found))} in {len(found)} packages, each by itself.")


def _add_open(parser: ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REFERENCE", type=references.parse)
    parser.add_argument("-n", "--print", action="store_true", help="print the address, and open nothing")


def _open(context: Context) -> None:
    reference = context.options.reference
    url = f"{context.target(reference.host).url}/{reference}"
    if context.options.print or not context.output.terminal:
        context.output.line(url)
        return
    import webbrowser

    if not webbrowser.open(url):
        raise CommandError("no browser can be opened here", attempt=f"moorage open -n {reference}")
    context.note(f"Opened {url}")


COMMANDS: Final = {
    "packages": Command(_add_packages, _packages),
    "package": Command(_add_package, _package),
    "versions": Command(_add_versions, _versions),
    "du": Command(_add_du, _du),
    "open": Command(_add_open, _open),
}
