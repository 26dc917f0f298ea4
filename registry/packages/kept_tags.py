"""The error of a change that a tag rule forbids: of one that was tried, or of one that would be."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from registry.errors import Protected
from storage.errors import TagRefused
from storage.metadata.tag_rules import DELETE, KeptTag

#: So much of a digest tells it from others.
_SHOWN: Final = 19
#: What is refused, and what to do instead.
_SAID: Final[Mapping[str, tuple[str, str]]] = {
    "move": ("is immutable", "push another tag"),
    "delete": ("may not be deleted", "keep it"),
    "create": ("may not be made", "push another tag"),
}


class TagProtected(Protected):
    """A tag rule forbids the change of a tag."""

    def __init__(self, refused: TagRefused) -> None:
        package, tag = f"{refused.owner}/{refused.package}", refused.tag
        said, other = _SAID[refused.change]
        admin = f", ask an admin of {package}" if refused.unless_role else ""
        fix = f"{other}{admin}, or have an owner lift the rule: moorage tag-rule disable {refused.owner} {refused.rule}"
        now = f"; it is {refused.digest[:_SHOWN]}" if refused.digest else ""
        super().__init__(f"tag {tag} of {package} {said} (rule {refused.rule}{now}): {fix}", fix)
        self.detail = {"rule": refused.rule, "tag": tag, "digest": refused.digest, "fix": fix}
        self.refused = refused


@contextmanager
def told() -> Iterator[None]:
    """Raise TagProtected in the place of TagRefused, within the block."""
    try:
        yield
    except TagRefused as refused:
        raise TagProtected(refused) from refused


def protected(kept: KeptTag) -> TagProtected:
    """Return the error of a deletion that takes this tag along."""
    return TagProtected(
        TagRefused(
            {
                "rule": kept.rule,
                "owner": kept.owner,
                "package": kept.package,
                "change": DELETE,
                "tag": kept.tag,
                "digest": kept.digest,
                "unless_role": None,
            }
        )
    )
