"""Errors of the storage layer; the rule that called storage translates the errors for its own caller."""

from collections.abc import Mapping


class StorageError(Exception):
    """The base class of the errors of storage."""


class Unavailable(StorageError):
    """Postgres or S3 cannot be reached, is overloaded or refuses work; trying again later may help."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL cannot be reached, is overloaded or refuses work."""


class StoreUnavailable(Unavailable):
    """The object store cannot be reached, is overloaded or refuses work."""


class ReadOnly(StorageError):
    """The registry is read-only for now; ``reason``: what its operator says about it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the registry is read-only: {reason}")
        self.reason = reason


class TagRefused(StorageError):
    """A tag rule forbids ``change`` (move, delete or create) of a tag, which is of ``digest``, if it is there.

    ``unless_role``: the role over the package that the rule spares, if any.
    """

    def __init__(self, facts: Mapping[str, str | None]) -> None:
        super().__init__(f"a tag rule forbids the change: {facts}")
        self.rule = facts["rule"] or ""
        self.owner = facts["owner"] or ""
        self.package = facts["package"] or ""
        self.change = facts["change"] or ""
        self.tag = facts["tag"] or ""
        self.digest = facts["digest"]
        self.unless_role = facts["unless_role"]


class ObjectNotFound(StorageError):
    """No object is stored under this key."""


class UploadGone(StorageError):
    """The multipart upload is unknown to the object store: completed, aborted or never created."""


class ObjectCorrupt(StorageError):
    """The stored object differs from the sent data: in its size, or in a recorded part."""
