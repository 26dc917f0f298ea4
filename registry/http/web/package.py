"""The page of a package: its description, how to pull it, its newest tags, and what is known of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from aiohttp import web

from auth.identity import Action
from auth.permissions import ADMIN, spared
from registry.errors import NotFound
from registry.http.urls import family_of
from registry.http.web import artifacts, repositories
from registry.http.web.call import PageCall
from registry.http.web.deleted import banner
from registry.http.web.opening import alone
from registry.http.web.reading import check, named
from registry.http.web.routes import Route
from registry.http.web.sessions import now_of
from registry.packages.tags import Tag
from storage.metadata import catalog, package_pages
from storage.metadata.events import Actor
from storage.metadata.package_pages import Highlights, ShownPackage, ShownVersion
from storage.metadata.web_sessions import WebSession
from storage.names import PackageName

_TAGS: Final = 10
#: Among these the tag to pull is looked for.
_LOOKED_AT: Final = 100


@dataclass(frozen=True, slots=True)
class Head:
    """The head of every page of a package: its name, the path of its page, and what the viewer may do."""

    name: PackageName
    package_id: int
    owner: str
    family: str  # orgs or users
    visibility: str
    may_manage: bool

    @property
    def path(self) -> str:
        """The path of the package's page."""
        return f"/{self.name}"

    @property
    def api(self) -> str:
        """The path of the package in the API."""
        image = self.name.image.replace("/", "%2F")
        return f"/{self.family}/{self.name.owner}/packages/container/{image}"


def head_of(
    call: PageCall, name: PackageName, facts: ShownPackage | ShownVersion, action: Action = Action.PULL
) -> Head:
    """Return the head of a package with which the viewer may do ``action``. Raises NotFound, Denied."""
    if action is Action.PUSH:  # which is not hidden from anybody: who may not read is told what is said of none
        check(call, Action.PULL, name, facts)
    return Head(
        name,
        check(call, action, name, facts),
        facts.owner_login or name.owner,
        family_of(facts.owner_kind),
        facts.visibility or "private",
        facts.role >= ADMIN,
    )


async def opening(call: PageCall, digest: bytes | None) -> tuple[WebSession | None, object]:
    """Open a page of a package: find the viewer together with the package, as the viewer sees it."""
    try:
        name = named(call)
    except NotFound:
        return await alone(call, digest)
    return await package_pages.package_in_session(call.services.db, digest, name)


async def facts_of(call: PageCall, name: PackageName) -> ShownPackage:
    """Return the package as the viewer sees it: as the page has opened, or as it is now, for a form."""
    if isinstance(call.found, ShownPackage):
        return call.found
    return await package_pages.package(call.services.db, call.viewer.token_id, name)


async def managed(call: PageCall, action: Action) -> tuple[Head, ShownPackage]:
    """Return the head of a package, named by the address, with which the viewer may do ``action``.

    Raises NotFound, Denied.
    """
    name = named(call)
    facts = await facts_of(call, name)
    return head_of(call, name, facts, action), facts


def actor_of(call: PageCall, head: Head, facts: ShownPackage) -> Actor:
    """Return the viewer as who changes tags of the package: with the tag rules that do not bind. See ``spared``."""
    return replace(call.actor, spared=spared(call.viewer.identity, head.name, facts))


async def administered(call: PageCall) -> tuple[Head, ShownPackage]:
    """Return the head of a package that the viewer administers. Raises NotFound, also before its first push; Denied."""
    head, facts = await managed(call, Action.ADMIN)
    if facts.published_at is None:
        raise NotFound
    return head, facts


async def listing(call: PageCall, head: Head) -> catalog.ShownPackage:
    """Return a package as lists and the API have it. Raises NotFound, if it is deleted meanwhile."""
    found = await catalog.show(call.services.db, call.viewer.token_id or 0, head.package_id)
    if found is None:
        raise NotFound
    return found


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's downloads; ``height`` of 100."""

    day: date
    count: int
    height: float


def bars(today: date, counts: Sequence[int]) -> list[Bar]:
    """Return a bar for each of the days up to today."""
    most = max(counts, default=0) or 1
    first = today - timedelta(days=len(counts) - 1)
    return [Bar(first + timedelta(days=n), count, round(100 * count / most, 1)) for n, count in enumerate(counts)]


async def package(call: PageCall) -> web.Response:
    """Show a package."""
    name, db = named(call), call.services.db
    found = await facts_of(call, name)
    try:
        head = head_of(call, name, found)
    except NotFound:
        return await banner(call, name) or await repositories.lead(call, name.image)
    tags = (await call.services.tags.page(head.package_id, detailed=False, limit=_LOOKED_AT)).tags
    chosen = artifacts.favourite(tags)
    today = now_of(call.services).date()
    more = await package_pages.highlights(db, head.package_id, None if chosen is None else chosen.digest, today)
    return call.page(
        "package.html",
        title=[str(name)],
        api=head.api,
        command=f"moorage package {name}",
        head=head,
        package=found,
        **_shown(call, name, tags, chosen, more),
        bars=bars(today, more.days),
        month=sum(more.days),
        facts=more,
    )


def _shown(
    call: PageCall, name: PackageName, tags: Sequence[Tag], chosen: Tag | None, more: Highlights
) -> dict[str, Any]:
    kind = artifacts.IMAGE if chosen is None else artifacts.kind_of(chosen.media_type, more.artifact_type)
    images = [tag for tag in tags if tag.kind == "image"]
    return {
        "chosen": chosen,
        "kind": kind,
        "signed": artifacts.kinds(more.referrers),
        "tools": []
        if chosen is None
        else artifacts.pull_commands(call.host, str(name), chosen.name, chosen.digest, kind),
        "tags": images[:_TAGS],
        "more_tags": len(images) > _TAGS,
    }


async def repository(call: PageCall) -> web.Response:
    """Lead to the page of a repository whose name no package can have."""
    return await repositories.lead(call, call.param("repository"))


ROUTES: Final = (
    Route("GET", "/{owner}/{image}", package, opening=opening),
    Route("GET", "/{owner}/{repository}", repository),
)
