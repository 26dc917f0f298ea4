"""Deliveries of webhooks: taken for a while, rendered, stored as they are sent, sent, and recorded with the answer.

Whoever dies in between leaves a delivery that is taken again: a receiver gets each at least once, under one GUID. What
a package's receiver is told comes in its order; receivers do not wait for each other.
"""

import asyncio
import random
from asyncio import Task, TaskGroup
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import orjson
import structlog

from registry.egress.client import Answer, Egress
from registry.hooks.hooks import Hooks
from registry.hooks.payloads import Addresses
from registry.hooks.requests import NothingToSend, Requests
from registry.hooks.telling import PING
from storage.errors import StorageError, Unavailable
from storage.metadata import deliveries, hooks
from storage.metadata.database import Database
from storage.metadata.deliveries import Outcome, Taken

log = structlog.get_logger()

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How deliveries go: so many at once, of a hook so many; when one is tried again, in seconds, give or take a fifth.

    ``lease_seconds``: after which another worker takes what one has taken. ``rest``: of a hook that fails, doubled each
    time up to the second. ``holds_seconds``: for so long a failing delivery holds up those behind. ``lasting``: so many
    failures in a row, for so long, disable a hook.
    """

    most: int = 256
    of_hook: int = 4
    again: tuple[float, ...] = (
        10.0, _MINUTE, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 6 * _HOUR, 12 * _HOUR, 24 * _HOUR
    )  # fmt: skip
    lease_seconds: float = 30.0
    rest: tuple[float, float] = (0.5, 60.0)
    holds_seconds: float = _HOUR
    lasting: tuple[int, float] = (20, 24 * _HOUR)
    poll_seconds: float = 0.25
    run_seconds: float = 2.0


class Sender:
    """Sends deliveries, each in a task of its own. ``tasks`` outlives the calls."""

    def __init__(
        self, db: Database, rules: Hooks, egress: Egress, urls: Addresses, tasks: TaskGroup, pace: Pace | None = None
    ) -> None:
        self._db: Final = db
        self._hooks: Final = rules
        self._egress: Final = egress
        self._requests: Final = Requests(db, urls)
        self._tasks: Final = tasks
        self._pace: Final = pace or Pace()
        self._running: set[Task[None]] = set()
        #: How many attempts ended how: delivered, failed, or again.
        self.results: Counter[str] = Counter()

    async def send_due(self) -> int:
        """Send what is due, and what comes to be due in the next moments; returns the number of attempts that ended.

        What a receiver is slow to take goes on afterwards. Raises Unavailable.
        """
        ended, pace, loop = 0, self._pace, asyncio.get_running_loop()
        until = loop.time() + pace.run_seconds
        while True:
            room = pace.most - len(self._running)
            taken = await deliveries.take(self._db, room, pace.of_hook, pace.lease_seconds) if room else []
            for one in taken:
                task = self._tasks.create_task(self._attempt(one))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            if not self._running:
                return ended
            done, _ = await asyncio.wait(self._running, timeout=pace.poll_seconds, return_when=asyncio.FIRST_COMPLETED)
            ended += len(done)
            if loop.time() >= until:
                return ended

    async def _attempt(self, taken: Taken) -> None:
        """Try once. What the database does not hear of is taken again when its time is over."""
        try:
            await self._deliver(taken)
        except StorageError as error:
            log.warning("hook.not_recorded", hook=taken.hook_id, delivery=taken.id, error=str(error))
        except Exception as error:
            log.error("hook.broken", hook=taken.hook_id, delivery=taken.id, exc_info=error)  # noqa: TRY400 - as elsewhere
            with suppress(StorageError):
                await self._give_up(taken, "this is our fault, and it is in our log")

    async def _give_up(self, taken: Taken, why: str) -> None:
        if await deliveries.end(self._db, taken, "failed", Outcome(0, why, None, None, 0)):
            self.results["failed"] += 1

    async def _deliver(self, taken: Taken) -> None:
        opened = await self._hooks.by_id(taken.hook_id)
        try:
            request = await self._requests.of(taken, opened)
        except NothingToSend as why:
            await self._give_up(taken, str(why))
            return
        if not await deliveries.store(self._db, taken, orjson.dumps(request.headers).decode(), request.body):
            return  # taken by another worker meanwhile
        begin, answer = asyncio.get_running_loop().time(), None
        try:
            answer = await self._egress.deliver(request.url, request.body, request.headers)
        except Unavailable as error:
            status = str(error)
        else:
            status = "OK" if _is_fine(answer) else f"Invalid HTTP Response: {answer.status}"
        milliseconds = int((asyncio.get_running_loop().time() - begin) * 1000)
        await self._record(taken, answer, status, milliseconds)

    async def _record(self, taken: Taken, answer: Answer | None, status: str, milliseconds: int) -> None:
        code = 0 if answer is None else answer.status
        told = None if answer is None else orjson.dumps({_clean(k): _clean(v) for k, v in answer.headers.items()})
        body = None if answer is None else answer.body
        outcome = Outcome(code, status, None if told is None else told.decode(), body, milliseconds)
        if answer is not None and _is_fine(answer):
            if await deliveries.end(self._db, taken, "delivered", outcome):
                self.results["delivered"] += 1
                await hooks.succeeded(self._db, taken.hook_id, code, status)
            return
        again = self._again(taken, answer)
        state = "failed" if again is None else "waiting"
        if not await deliveries.end(
            self._db, taken, state, outcome, again_seconds=again or 0.0, holds_seconds=self._pace.holds_seconds
        ):
            return
        self.results["failed" if again is None else "again"] += 1
        lasts = await hooks.failed(
            self._db, taken.hook_id, code, status, rest=self._pace.rest, lasting=self._pace.lasting
        )
        if code == HTTPStatus.GONE:
            await hooks.disable(self._db, taken.hook_id, "the receiver answered 410 Gone")
        elif lasts:
            await hooks.disable(self._db, taken.hook_id, "nothing could be delivered for a day")
        log.info("hook.failed", hook=taken.hook_id, delivery=taken.id, attempt=taken.attempts, status_code=code)

    def _again(self, taken: Taken, answer: Answer | None) -> float | None:
        """Return the seconds until the next attempt; None: there is none, as for pings and what is sent again."""
        code = 0 if answer is None else answer.status
        if taken.redelivery or taken.event == PING or taken.attempts > len(self._pace.again) or code == HTTPStatus.GONE:
            return None
        seconds = self._pace.again[taken.attempts - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - not for secrecy
        asked = None if answer is None else _retry_after(answer)
        return seconds if asked is None else max(seconds, min(asked, _HOUR))


def _is_fine(answer: Answer) -> bool:
    return HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES


def _retry_after(answer: Answer) -> float | None:
    text = next((value for name, value in answer.headers.items() if name.lower() == "retry-after"), "")
    if text.isascii() and text.isdigit():
        return float(text[:9])
    return None


def _clean(text: str) -> str:
    """Return a text that JSON, and PostgreSQL, have place for."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
