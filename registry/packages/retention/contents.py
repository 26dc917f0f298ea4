"""The contents of a package as retention sees them: versions by number, tags, and what holds what."""

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

#: Tags by which cosign, and clients of registries without a list of referrers, name what belongs to a digest.
_FALLBACK: Final = re.compile(r"(sha(?:256|512))-([0-9a-f]{64,128})(?:\.(?:sig|att|sbom))?")


@dataclass(slots=True)
class Contents:
    """The live versions of a package and its tags, each numbered as they were read; times are Unix seconds.

    There may be half a million of both: so numbers are in arrays. ``touched``: when a version was pushed, last tagged,
    or pushed again; ``tag_ats``: when a tag was last pushed; ``immutable``: the tags that a rule forbids to delete;
    ``bare_since``: when a version without a tag lost its last one, as far as that is known; ``pulled``: when a version
    was last pulled, if ever; ``counted_since``: since when pulls are known. ``parts``: of an index; ``followers``:
    referrers of a subject and what a fallback tag names.
    """

    counted_since: float = 0.0
    ids: "array[int]" = field(default_factory=lambda: array("q"))
    digests: list[str] = field(default_factory=list)
    created: "array[float]" = field(default_factory=lambda: array("d"))
    touched: "array[float]" = field(default_factory=lambda: array("d"))
    kinds: list[str] = field(default_factory=list)
    tag_names: list[str] = field(default_factory=list)
    tag_versions: "array[int]" = field(default_factory=lambda: array("q"))
    tag_ats: "array[float]" = field(default_factory=lambda: array("d"))
    immutable: set[int] = field(default_factory=set)
    bare_since: dict[int, float] = field(default_factory=dict)
    pulled: dict[int, float] = field(default_factory=dict)
    parts: dict[int, list[int]] = field(default_factory=dict)
    followers: dict[int, list[int]] = field(default_factory=dict)
    number_of: dict[str, int] = field(default_factory=dict)
    _subjects: list[tuple[int, str]] = field(default_factory=list)

    def add_version(
        self, version_id: int, digest: str, created: float, touched: float, kind: str, subject: str | None
    ) -> None:
        """Add a version; all of them before their tags and parts."""
        number = len(self.ids)
        self.ids.append(version_id)
        self.digests.append(digest)
        self.created.append(created)
        self.touched.append(touched)
        self.kinds.append(kind)
        self.number_of[digest] = number
        if subject is not None:
            self._subjects.append((number, subject))

    def join_subjects(self) -> None:
        """Join referrers with their subjects, when all versions are here; a subject that is not here holds nothing."""
        for number, subject in self._subjects:
            above = self.number_of.get(subject)
            if above is not None and above != number:
                self.followers.setdefault(above, []).append(number)
        self._subjects.clear()

    def add_tag(self, name: str, digest: str, at: float, *, immutable: bool = False) -> None:
        """Add a tag; one that names what belongs to another version makes it a follower of this version."""
        number = self.number_of.get(digest)
        if number is None:
            return
        self.touched[number] = max(self.touched[number], at)
        above = self._named(name)
        if above is None:
            if immutable:
                self.immutable.add(len(self.tag_names))
            self.tag_names.append(name)
            self.tag_versions.append(number)
            self.tag_ats.append(at)
        elif above != number:
            self.followers.setdefault(above, []).append(number)

    def _named(self, tag: str) -> int | None:
        found = _FALLBACK.fullmatch(tag) if tag.startswith("sha") else None
        return None if found is None else self.number_of.get(f"{found[1]}:{found[2]}")

    def add_part(self, parent: str, child: str) -> None:
        """Add that an index has a part."""
        above, below = self.number_of.get(parent), self.number_of.get(child)
        if above is not None and below is not None:
            self.parts.setdefault(above, []).append(below)

    def held(self, number: int) -> list[tuple[int, str]]:
        """Return the versions that one holds, each with what it is to them: the parent, or the subject."""
        if number not in self.parts and number not in self.followers:
            return []
        parts = [(below, "parent") for below in self.parts.get(number, ())]
        return parts + [(below, "subject") for below in self.followers.get(number, ())]

    def attached(self) -> set[int]:
        """Return the versions that something else in the package holds."""
        return {below for edges in (self.parts, self.followers) for many in edges.values() for below in many}

    def reached(self, begin: Iterable[int]) -> set[int]:
        """Return the versions that these hold, directly or through others, with themselves."""
        seen, open_ = set(begin), list(begin)
        while open_:
            for below, _ in self.held(open_.pop()):
                if below not in seen:
                    seen.add(below)
                    open_.append(below)
        return seen
