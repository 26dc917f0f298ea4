"""The reader of settings: environment variables, each parsed, and what is wrong with them."""

import os
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

T = TypeVar("T")


class Reader:
    """A reader of settings that collects their errors."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self.env = os.environ if env is None else env  # noqa: TID251 - this is the one reader
        self.errors: list[str] = []

    def __call__(self, name: str, parse: Callable[[str], T], default: T) -> T:
        found = self.optional(name, parse)
        return default if found is None else found

    def optional(self, name: str, parse: Callable[[str], T]) -> T | None:
        text = self.env.get(name, "").strip()
        if not text:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.errors.append(f"{name}: {error}")
            return None

    def required(self, name: str, parse: Callable[[str], T], expected: str) -> T:
        if not self.env.get(name, "").strip():
            self.errors.append(f"{name} is not set: expected {expected}")
        # Where it is None an error is on the list, and the settings are never handed out.
        return cast("T", self.optional(name, parse))
