"""Reads all of a package that its retention depends on, page by page, so that nobody waits for long."""

import asyncio

from registry.packages.retention.contents import Contents
from registry.packages.retention.judge import Judgement, judge
from registry.packages.retention.policy import Policy, needs
from storage.metadata import retention_contents as stored
from storage.metadata.query import Executor
from storage.metadata.retention_contents import PAGE, Part


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
    last = 0
    while True:
        page = await stored.versions(db, package_id, last, kinds=needed.kinds, pulls=needed.pulls)
        for one in page:
            if one.pulled is not None:
                here.pulled[len(here.ids)] = one.pulled
            here.add_version(one.id, one.digest, one.created, one.touched, one.kind, one.subject)
        if len(page) < PAGE:
            break
        last = page[-1].id
    here.join_subjects()
    await _read_parts(db, package_id, here)
    await _read_tags(db, package_id, here)
    if needed.lost_seconds:
        await _read_losses(db, package_id, here, clock.now - needed.lost_seconds)
    here.number_of.clear()
    return here, clock.now


async def _read_tags(db: Executor, package_id: int, here: Contents) -> None:
    last = ""
    while True:
        page = await stored.tags(db, package_id, last)
        for one in page:
            here.add_tag(one.name, one.digest, one.at, immutable=one.immutable)
        if len(page) < PAGE:
            break
        last = page[-1].name


async def _read_parts(db: Executor, package_id: int, here: Contents) -> None:
    last = Part("", "")
    while True:
        page = await stored.parts(db, package_id, last)
        for one in page:
            here.add_part(one.parent, one.child)
        if len(page) < PAGE:
            break
        last = page[-1]


async def _read_losses(db: Executor, package_id: int, here: Contents, since: float) -> None:
    last = 0
    while True:
        page = await stored.losses(db, package_id, last, since)
        for one in page:
            number = None if one.digest is None else here.number_of.get(one.digest)
            if number is not None:
                here.bare_since[number] = one.at
        if len(page) < PAGE:
            break
        last = page[-1].id
