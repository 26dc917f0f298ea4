"""Reads all of a package that its retention depends on, page by page, so that nobody waits for long."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from registry.packages.retention.contents import Contents
from registry.packages.retention.judge import Judgement, judge
from registry.packages.retention.policy import Policy, needs
from storage.metadata import retention_contents as stored
from storage.metadata.query import Executor
from storage.metadata.retention_contents import PAGE, LiveTag, LiveVersion, Loss, Part

_Row = TypeVar("_Row")


async def judged(db: Executor, package_id: int, policy: Policy) -> tuple[Judgement, float]:
    """Judge a package as it is now, with the time by the database's clock.

    The judging itself is done in a thread: pulls that this process answers go on.
    """
    contents, now = await read(db, package_id, policy)
    return await asyncio.to_thread(judge, policy, contents, now), now


async def read(db: Executor, package_id: int, policy: Policy) -> tuple[Contents, float]:
    """Read a package. What comes while it is read is younger than an hour, and so is left alone."""
    needed, clock = needs(policy), await stored.clock(db)
    here = Contents(clock.counted_since)

    async def versions(last: LiveVersion | None) -> list[LiveVersion]:
        after = 0 if last is None else last.id
        return await stored.versions(db, package_id, after, kinds=needed.kinds, pulls=needed.pulls)

    async def add(page: Sequence[LiveVersion]) -> None:
        for one in page:
            if one.pulled is not None:
                here.pulled[len(here.ids)] = one.pulled
            here.add_version(one.id, one.digest, one.created, one.touched, one.kind, one.subject)

    await _all(versions, add)
    here.join_subjects()
    await _read_parts(db, package_id, here)
    await _read_tags(db, package_id, here)
    if needed.lost_seconds:
        await _read_losses(db, package_id, here, clock.now - needed.lost_seconds)
    here.number_of.clear()
    return here, clock.now


async def _all(
    read: Callable[[_Row | None], Awaitable[Sequence[_Row]]], take: Callable[[Sequence[_Row]], Awaitable[None]]
) -> None:
    """Take page after page, while PostgreSQL reads the next; ``read`` is given the last row of the one before."""
    page = await read(None)
    while len(page) == PAGE:
        page, _ = await asyncio.gather(read(page[-1]), take(page))
    await take(page)


async def _read_tags(db: Executor, package_id: int, here: Contents) -> None:
    async def tags(last: LiveTag | None) -> list[LiveTag]:
        return await stored.tags(db, package_id, "" if last is None else last.name)

    async def add(page: Sequence[LiveTag]) -> None:
        for one in page:
            here.add_tag(one.name, one.digest, one.at, immutable=one.immutable)

    await _all(tags, add)


async def _read_parts(db: Executor, package_id: int, here: Contents) -> None:
    async def parts(last: Part | None) -> list[Part]:
        return await stored.parts(db, package_id, last or Part("", ""))

    async def add(page: Sequence[Part]) -> None:
        for one in page:
            here.add_part(one.parent, one.child)

    await _all(parts, add)


async def _read_losses(db: Executor, package_id: int, here: Contents, since: float) -> None:
    async def losses(last: Loss | None) -> list[Loss]:
        return await stored.losses(db, package_id, 0 if last is None else last.id, since)

    async def add(page: Sequence[Loss]) -> None:
        for one in page:
            number = None if one.digest is None else here.number_of.get(one.digest)
            if number is not None:
                here.bare_since[number] = one.at

    await _all(losses, add)
