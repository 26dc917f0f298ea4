"""`make reference`: writes docs/reference/metrics.md from the families that the code counts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from registry.monitoring import WORKER, Monitoring
from registry.process.metrics import Family

FILE: Final = Path(__file__).parent.parent.parent / "docs" / "reference" / "metrics.md"
_HEAD: Final = """\
<!-- Written by `make reference` from the code: change the code, not this page. -->
# Metrics

At `MOORAGE_ADMIN_LISTEN`, `/metrics`: see [the server](server.md#metrics), and [ten questions](../operate/watching.md) to ask
of them. No label has a value that clients choose. `moorage serve` has all but those of jobs and of what waits, which are of
`moorage worker`; a process that does not answer clients has none of HTTP.

| metric | type | labels | what it is |
|---|---|---|---|
"""
#: Labels with more values than a reader wants to see.
_MANY: Final = {
    "route": "the kind of request",
    "method": "of HTTP",
    "status": "classes, and those that matter alone",
    "job_name": "the background job",
    "module": "of `storage/metadata`, where the statement is declared; or `other`",
    "operation": "of S3",
    "owner": "`MOORAGE_METRICS_OWNERS`, and `_other`",
    "version": "of Moorage",
    "python": "its version",
}


def text() -> str:
    """The page."""
    families = Monitoring(["server-0", WORKER], ["acme"], Path("/")).slabs.catalog.families
    return _HEAD + "".join(_row(family) for family in sorted(families, key=lambda one: one.name))


def _row(family: Family) -> str:
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    return f"| `{name}` | {family.kind} | {'; '.join(_labels(family))} | {family.text} |\n"


def _labels(family: Family) -> Iterator[str]:
    for place, label in enumerate(family.labels):
        values = dict.fromkeys(series[place] for series in family.series)
        told = _MANY.get(label) or ", ".join(f"`{value}`" for value in values)
        yield f"`{label}`: {told}"
    if family.merge == "each":
        yield "`process`"


if __name__ == "__main__":
    FILE.write_text(text())
