"""Answers about tag rules."""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from registry.http.api.schemas.values import Time

#: ``except`` is a word of Python.
TagRule = TypedDict(
    "TagRule",
    {
        "name": str,
        "package": Annotated[str, Meta(description="A glob over the names of packages, without their owner.")],
        "tags": Annotated[list[str], Meta(description="Globs: the rule is about the tags that match one of them.")],
        "except": Annotated[list[str], Meta(description="Globs: the rule is about no tag that matches one of them.")],
        "forbid": list[Literal["move", "delete", "create"]],
        "unless_role": Annotated[
            Literal["admin"] | None, Meta(description="Whoever has this role over the package is not bound.")
        ],
        "enabled": bool,
        "created_at": Time,
        "updated_at": Time,
    },
)
