"""What a run of an adoption tells."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was not adopted, and why; ``what``: a tag or a digest, "" for the whole repository."""

    repository: str
    what: str
    why: str


@dataclass(slots=True)
class Report:
    """The outcome of a run. ``known``: the manifests that were here before."""

    blobs: int = 0
    bytes: int = 0
    repositories: int = 0
    manifests: int = 0
    known: int = 0
    tags: int = 0
    removed_tags: int = 0
    findings: list[Finding] = field(default_factory=list)

    def find(self, repository: str, what: str, why: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(repository, what, why))
