"""The rules of deletion: the restore window, and the conditions that forbid a deletion."""

from dataclasses import dataclass
from typing import Final

from registry.errors import NotDeletable

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


class LastTaggedVersion(NotDeletable):
    def __init__(self) -> None:
        super().__init__("You cannot delete the last tagged version of a package. You must delete the package instead.")


class LastVersion(NotDeletable):
    def __init__(self) -> None:
        super().__init__("You cannot delete the last version of a package. You must delete the package instead.")
