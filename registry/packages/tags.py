"""The rules of tags: list them, point one at a version, take one away."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from registry.errors import Invalid, ManifestUnknown, NotFound, PreconditionFailed
from registry.events import Who, who
from registry.oci.headers import Condition, etag
from registry.packages import conditions
from registry.packages.conditions import Check
from registry.packages.kept_tags import told
from storage.metadata import packages, tags
from storage.metadata.database import Database, Transaction
from storage.metadata.events import Actor
from storage.metadata.manifests import ResolvedManifest
from storage.metadata.tags import Order, ShownTag
from storage.names import Digest, InvalidName, TagName

SORTS: Final = ("updated", "name")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MICROSECONDS_DIGITS: Final = 16
_BAD_PLACE: Final = "Invalid request.\n\nFor 'after', expected what a Link header has."


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag with what it points at. ``kind``: image or signature; ``size``: bytes of the image, None if not yet known.

    ``updated_at``: when it was last pushed; ``pushed_by`` None: before pushes were recorded.
    """

    name: str
    digest: str
    updated_at: datetime
    version_id: int
    media_type: str
    kind: str
    platforms: list[str]
    size: int | None
    downloads: int
    pushed_by: Who | None


@dataclass(frozen=True, slots=True)
class TagPage:
    """A page of tags; ``after``: what the next page is asked for with, None on the last page."""

    tags: list[Tag]
    after: str | None


@dataclass(frozen=True, slots=True)
class Tags:
    """The rules of tags; the callers check access before. ``detailed``: the viewer may know the names of tokens."""

    db: Database

    async def page(
        self,
        package_id: int,
        *,
        detailed: bool,
        prefix: str = "",
        sort: str | None = None,
        descending: bool | None = None,
        after: str | None = None,
        limit: int = 30,
    ) -> TagPage:
        """List the tags whose names begin with ``prefix``, from behind ``after``.

        Without ``sort`` the newest come first, or with a prefix those first in the order of names. Raises Invalid.
        """
        try:
            begin = TagName.parse(prefix) if prefix else ""
        except InvalidName:  # no tag begins like this
            return TagPage([], None)
        by = sort or ("name" if prefix else "updated")
        if prefix and by != "name":
            raise Invalid("Tags that begin with a text are sorted by name.", "Leave out sort, or say sort=name.")
        down = by == "updated" if descending is None else descending
        if by == "name":
            last = None if after is None else _tag_name(after)
            rows = await tags.by_name(self.db, package_id, begin, last, limit + 1, Order(down))
        else:
            place = None if after is None else _place(after)
            rows = await tags.by_time(self.db, package_id, place, limit + 1, Order(down))
        shown = [_tag(row, detailed=detailed) for row in rows[:limit]]
        return TagPage(shown, _cursor(shown[-1], by) if len(rows) > limit else None)

    async def get(self, package_id: int, name: TagName, *, detailed: bool, tx: Transaction | None = None) -> Tag:
        """Return one tag, as ``tx`` sees it if given. Raises NotFound."""
        found = await tags.shown(tx or self.db, package_id, name)
        if found is None:
            raise NotFound
        return _tag(found, detailed=detailed)

    async def put(
        self, package_id: int, name: TagName, digest: Digest, actor: Actor, check: Check | None = None
    ) -> bool:
        """Point a tag at a version of the package; True: the tag is new.

        The package says of itself what the version says, as if its image were pushed under this tag. Raises NotFound,
        Invalid (no such version), TagProtected.
        """

        async def work(tx: Transaction) -> bool:
            await conditions.held(tx, package_id, check)
            made = await tags.put(tx, package_id, name, digest, actor)
            if made is None:
                raise Invalid(f"This package has no version {digest}.", "Push its manifest first, or restore it.")
            return made

        with told():
            return await self.db.repeat(work, package_id)

    async def delete(self, package_id: int, name: TagName, actor: Actor, check: Check | None = None) -> None:
        """Take a tag away; its version stays. Raises NotFound, TagProtected."""

        async def work(tx: Transaction) -> None:
            await packages.lock(tx, package_id)
            if check is not None:
                await check(tx)
            if not await tags.remove(tx, package_id, name, actor):
                raise NotFound

        with told():
            await self.db.repeat(work, package_id)

    async def withdraw(
        self, found: ResolvedManifest, name: TagName, actor: Actor, condition: Condition | None = None
    ) -> None:
        """Take a tag away, if it is still that of the manifest that was seen, where ``condition`` asks for that.

        Raises ManifestUnknown, PreconditionFailed, TagProtected.
        """
        package_id, seen = found.package_id, None
        if package_id is None or found.version_id is None:
            raise ManifestUnknown(name)
        if condition is not None:
            condition.check(None if found.digest is None else etag(found.digest))
            seen = found.digest
        with told():
            async with self.db.turn(package_id):
                removed = await tags.remove(self.db, package_id, name, actor, seen)
        if removed:
            return
        if seen is None:
            raise ManifestUnknown(name)
        now = await tags.locked(self.db, package_id, name)
        raise PreconditionFailed(None if now is None else etag(now))


def _tag(row: ShownTag, *, detailed: bool) -> Tag:
    pusher = who(row.pusher_id, row.pusher_login, row.pusher_via, row.pusher_token, detailed=detailed)
    return Tag(
        row.name,
        row.digest,
        row.updated_at,
        row.version_id,
        row.media_type,
        row.kind,
        row.platforms,
        row.size,
        row.downloads,
        pusher,
    )


def _cursor(last: Tag, sort: str) -> str:
    return last.name if sort == "name" else f"{(last.updated_at - _EPOCH) // _MICROSECOND}:{last.name}"


def _place(cursor: str) -> tuple[datetime, str]:
    """Parse the place in time that a page ended at. Raises Invalid."""
    number, _, name = cursor.partition(":")
    if not (number.isascii() and number.isdigit() and len(number) <= _MICROSECONDS_DIGITS):
        raise Invalid(_BAD_PLACE)
    return _EPOCH + int(number) * _MICROSECOND, _tag_name(name)


def _tag_name(text: str) -> TagName:
    """Parse the tag that a page ended at. Raises Invalid."""
    try:
        return TagName.parse(text)
    except InvalidName as error:
        raise Invalid(_BAD_PLACE) from error
