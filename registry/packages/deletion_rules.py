"""The rules of deletion: the restore window, and the conditions that forbid a deletion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from registry.errors import InUse, NotDeletable

_DAY_SECONDS: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class LifetimeSettings:
    """Settings of deletion. ``downloads_lock``: a public version with more downloads stays; None: no limit."""

    restore_days: float = 30.0
    downloads_lock: int | None = None

    @property
    def restore_seconds(self) -> float:
        return self.restore_days * _DAY_SECONDS


class PopularPackage(NotDeletable):
    def __init__(self, most: int) -> None:
        super().__init__(
            f"Publicly visible packages with a version with more than {most} downloads cannot be deleted. "
            "contact GitHub support for further assistance",
            'Make it private first: PATCH the package with {"visibility": "private"}.',
        )


class PopularVersion(NotDeletable):
    def __init__(self, most: int) -> None:
        super().__init__(
            f"Publicly visible package versions with more than {most} downloads cannot be deleted. "
            "contact GitHub support for further assistance",
            'Make the package private first: PATCH it with {"visibility": "private"}.',
        )


class HeldByIndex(NotDeletable):
    """The version is part of tagged indexes; ``holders``: their digests with their tags."""

    def __init__(self, digest: str, holders: Mapping[str, Sequence[str]]) -> None:
        named = "; ".join(f"{index} (tags: {', '.join(tags)})" for index, tags in holders.items())
        super().__init__(
            f"You cannot delete a version that is part of a tagged index: {named}.",
            "Delete the index first, or its tags.",
        )
        self.digest = digest
        self.holders = holders


class ManifestInUse(InUse):
    """HeldByIndex for the clients of OCI."""

    def __init__(self, held: HeldByIndex) -> None:
        detail = {"digest": held.digest, "indexes": held.holders}
        super().__init__(f"{held.message} {held.fix}", detail, {"Allow": "GET, HEAD, PUT"})


class LastTaggedVersion(NotDeletable):
    def __init__(self) -> None:
        super().__init__("You cannot delete the last tagged version of a package. You must delete the package instead.")


class LastVersion(NotDeletable):
    def __init__(self) -> None:
        super().__init__("You cannot delete the last version of a package. You must delete the package instead.")
