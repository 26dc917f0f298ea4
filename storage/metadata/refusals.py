"""Refusals that functions of the schema raise, each with a state of ours: of changes that must not be."""

from typing import Final

import asyncpg
import orjson

from storage.errors import ReadOnly, StorageError, TagRefused

#: Of migration 0027, with the operator's reason as its message; and of 0028, with the facts as its detail.
_READ_ONLY: Final = "MR001"
_TAG: Final = "MR002"


def refused(error: BaseException) -> StorageError | None:
    """Translate an error of asyncpg; None: it is no refusal of ours."""
    if not isinstance(error, asyncpg.PostgresError):
        return None
    if error.sqlstate == _READ_ONLY:
        return ReadOnly(str(error))
    if error.sqlstate == _TAG:
        return TagRefused(orjson.loads(error.detail or "{}"))
    return None


def changes(error: BaseException) -> list[str]:
    """Return the changes of tags that an error refuses, whatever it was translated to: one, or none."""
    for one in (error, error.__cause__):
        found = one if one is None or isinstance(one, TagRefused) else refused(one)
        if isinstance(found, TagRefused):
            return [found.change]
    return []
