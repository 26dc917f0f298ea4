"""The texts of the pages: keys are the English sentences, and each other language is a folder of dictionaries.

Every module in the folder counts, so that each part of the pages keeps its texts beside nobody else's.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Final

from registry.http.web.catalogue import ko

ENGLISH: Final = "en"
#: The languages of the pages, each in its own words.
LANGUAGES: Final[Mapping[str, str]] = {ENGLISH: "English", "ko": "한국어"}


def _gathered(folder: object) -> dict[str, str]:
    texts: dict[str, str] = {}
    for found in pkgutil.iter_modules(folder.__path__):  # type: ignore[attr-defined]
        texts.update(importlib.import_module(f"{folder.__name__}.{found.name}").TEXTS)  # type: ignore[attr-defined]
    return texts


TEXTS: Final[Mapping[str, Mapping[str, str]]] = {ENGLISH: {}, "ko": _gathered(ko)}


def say(language: str, key: str, **values: object) -> str:
    """Return the text ``key`` in a language, with its ``%(name)s`` filled in; escaping is the template's work."""
    return TEXTS[language].get(key, key) % values


def key(text: str) -> str:
    """Mark a text of the catalogue that stands where no language is known yet."""
    return text


def best(accepted: str) -> str:
    """Return the language that a field Accept-Language asks for first and that there is, else English."""
    ranked = []
    for place, part in enumerate(accepted[:200].split(",")):
        name, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight or 1)
        except ValueError:
            continue
        ranked.append((-quality, place, name.partition("-")[0].lower()))
    return next((name for _, _, name in sorted(ranked) if name in LANGUAGES), ENGLISH)
