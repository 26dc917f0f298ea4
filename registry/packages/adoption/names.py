"""The names of adopted packages: distribution's names have any number of parts, ours begin with an account."""

from collections.abc import Mapping
from dataclasses import dataclass

from storage.names import PackageName


@dataclass(frozen=True, slots=True)
class Naming:
    """How names change: ``prefixes`` of whole parts, the longest first; ``default_owner`` of names of one part."""

    prefixes: Mapping[str, str]
    default_owner: str | None = None

    def name_of(self, repository: str) -> PackageName:
        """Return the package of a repository. Raises InvalidName."""
        for old in sorted(self.prefixes, key=len, reverse=True):
            if repository == old or repository.startswith(f"{old}/"):
                return PackageName.parse(self.prefixes[old] + repository[len(old) :])
        if "/" not in repository and self.default_owner is not None:
            return PackageName.parse(f"{self.default_owner}/{repository}")
        return PackageName.parse(repository)
