"""Events become happenings that hooks are told of, each under the names that GitHub has for it, or we have."""

from collections.abc import Sequence
from typing import Final

from storage.metadata import audit, events, hook_events
from storage.metadata.audit import READ, Place
from storage.metadata.database import Database, Transaction
from storage.metadata.hook_events import Read, Told
from storage.metadata.hooks import READER

#: GitHub's names, which have two actions, and ours for all others: whoever knows GitHub's is never sent an action that
#: GitHub has not.
OF_GITHUB: Final = ("package", "registry_package")
OWN: Final = "moorage.package"
PING: Final = "ping"
NAMES: Final = (*OF_GITHUB, OWN)
PUBLISHED: Final = "published"
UPDATED: Final = "updated"
UNLINKED: Final = "unlinked"

#: Of the first version of a package there is a happening of its own.
_UNTOLD: Final = frozenset({events.PACKAGE_PUBLISHED})
_ACTIONS: Final = {
    events.PACKAGE_DELETED: "deleted",
    events.PACKAGE_RESTORED: "restored",
    events.PACKAGE_TRANSFERRED: "transferred",
    events.VERSION_DELETED: "version_deleted",
    events.VERSION_RESTORED: "version_restored",
    events.REPOSITORY_LINKED: "linked",
    events.REPOSITORY_UNLINKED: UNLINKED,
}
_TAGGED: Final = frozenset({events.TAG_CREATED, events.TAG_MOVED})
_PREFIX: Final = "packages."
#: An image that is pushed before the index that names it is told of with the index.
HOLD_SECONDS: Final = 60.0
_RELEASED: Final = 500


async def tell(db: Database) -> int:
    """Make the deliveries of what happened since the last time, and return the number of events that were read.

    In one transaction with the place up to which it is done: nothing is told twice, or left out, whoever dies.
    """
    done = await hook_events.release(db, _RELEASED)
    if not await hook_events.news(db):
        return done  # without a commit: what others have read stays as new as it is
    return done + await db.repeat(_told)


async def _told(tx: Transaction) -> int:
    place = await hook_events.hold(tx)
    if place is None:
        return 0
    read = _whole(await hook_events.behind(tx, place))
    if not read:
        return 0
    await hook_events.tell(tx, happenings(read), HOLD_SECONDS)
    await audit.advance(tx, READER, Place(read[-1].xid, read[-1].id))
    return len(read)


def _whole(read: Sequence[Read]) -> Sequence[Read]:
    """Leave out the last transaction, if a part of it may be missing and it is not all there is."""
    if len(read) < READ or read[0].xid == read[-1].xid:
        return read
    return [one for one in read if one.xid != read[-1].xid]


def happenings(read: Sequence[Read]) -> list[Told]:
    """Return what hooks are told of events, in their order: a version is published with its tag, in one happening.

    An image of no tag may be part of an index that follows; not if anything else happened to it by then.
    """
    tags: dict[tuple[int, int | None], list[Read]] = {}
    for one in read:
        if one.action in _TAGGED:
            tags.setdefault((one.xid, one.version_id), []).append(one)
    last = {one.version_id: one.id for one in read}
    told = []
    with_their_version = set()
    for one in read:
        if one.package_id is None or not one.action.startswith(_PREFIX) or one.action in _UNTOLD:
            continue
        if one.action == events.VERSION_PUBLISHED:
            tagged = tags.get((one.xid, one.version_id), [])
            with_their_version |= {tag.id for tag in tagged[:1]}
            alone = not tagged and last[one.version_id] == one.id
            told.append(Told(one, OF_GITHUB, PUBLISHED, tagged[0].tag if tagged else None, alone))
        elif one.action in _TAGGED:
            if one.id not in with_their_version:
                told.append(Told(one, OF_GITHUB, UPDATED, one.tag, maybe_child=False))
        else:
            action = _ACTIONS.get(one.action, one.action.removeprefix(_PREFIX))
            told.append(Told(one, (OWN,), action, one.tag, maybe_child=False))
    return told
