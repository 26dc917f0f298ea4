"""The pull log: who pulled what, from where; equal pulls of some seconds are one row with their number."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from storage.metadata.events import TOKEN_NAME, digest_text
from storage.metadata.query import LAST, Executor, command, select


class Pull(NamedTuple):
    """A pull of a manifest; ``tag`` None: by its digest, ``account_id`` None: nobody was signed in."""

    version_id: int
    tag: str | None
    account_id: int | None
    token_id: int | None
    remote: str
    user_agent: str


_ADD: Final = command(
    f"""
    INSERT INTO pulls (package_id, version_id, digest, tag, actor_id, via, token_id, token_name, remote, user_agent,
                       count)
    SELECT version.package_id, version.id, decode(substr(version.digest, 8), 'hex'), given.tag, given.account_id,
           coalesce(token.kind, CASE WHEN given.account_id IS NULL THEN 'anonymous' ELSE 'classic' END), token.id,
           {TOKEN_NAME}, given.remote, given.user_agent, given.count
      FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[])
           AS given (version_id, tag, account_id, token_id, remote, user_agent, count)
      JOIN manifests version ON version.id = given.version_id
      LEFT JOIN tokens token ON token.id = given.token_id
    """
)


async def add(db: Executor, pulls: Mapping[Pull, int]) -> None:
    """Record pulls with their numbers; those of purged versions are dropped."""
    await _ADD.run(db, *(list(column) for column in zip(*pulls, strict=True)), list(pulls.values()))


@dataclass(frozen=True, slots=True)
class LoggedPull:
    """A row of the pull log; ``live``: the version is not deleted."""

    id: int
    at: datetime
    digest: str
    tag: str | None
    version_id: int
    actor_id: int | None
    actor_login: str | None
    via: str
    token_name: str | None
    remote: str
    user_agent: str
    count: int
    live: bool


_OF_PACKAGE: Final = select(
    LoggedPull,
    f"""
    SELECT pull.id, pull.at, {digest_text("pull.digest")} AS digest, pull.tag, pull.version_id, pull.actor_id,
           account.login AS actor_login, pull.via, pull.token_name, pull.remote, pull.user_agent, pull.count,
           EXISTS (SELECT FROM manifests WHERE id = pull.version_id AND deleted_at IS NULL) AS live
      FROM (SELECT * FROM pulls WHERE package_id = $1 AND id < $2 AND at >= $3 ORDER BY id DESC LIMIT $4) AS pull
      LEFT JOIN LATERAL (SELECT login FROM accounts WHERE id = pull.actor_id LIMIT 1) AS account ON true
     ORDER BY pull.id DESC
    """,
)


async def of_package(
    db: Executor, package_id: int, *, since: datetime, before: int | None, limit: int
) -> list[LoggedPull]:
    """The pulls of a package since a time, the newest first, from before the row ``before``."""
    return await _OF_PACKAGE.all(db, package_id, LAST if before is None else before, since, limit)


@dataclass(frozen=True, slots=True)
class _Turned:
    done: int


_TURN: Final = select(_Turned, "SELECT turn_pulls(now(), $1) AS done")


async def turn(db: Executor, kept_days: int) -> int:
    """Make the partitions of the days to come and drop those of the past, with 0 all; returns the number of both."""
    return (await _TURN.one(db, kept_days)).done
