"""The templates: compiled once, with an environment a language. All that a template writes is escaped and inert.

The one place that makes ``Markup``: of a text of our own catalogue, whose values are escaped (tests/web holds it).
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import BaseLoader, BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from registry.http.web import assets, text
from registry.http.web.catalogue import LANGUAGES, TEXTS
from registry.sizes import size

_FOLDER: Final = Path(__file__).parent / "templates"


class _Compiled(BytecodeCache):
    """The code of templates, which is the same in all languages."""

    def __init__(self) -> None:
        self._codes: dict[str, Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key] = bucket.code


def _inert(value: object) -> object:
    """Make what a template writes inert; Markup is ours."""
    return text.inert(value) if type(value) is str else value


def _environment(language: str, loader: BaseLoader, compiled: BytecodeCache) -> Environment:
    texts = TEXTS[language]

    @cache
    def plain(key: str) -> Markup:
        return Markup(texts.get(key, key)) % {}  # noqa: S704 - the catalogue's own

    def gettext(key: str, /, **values: object) -> Markup:
        if not values:
            return plain(key)
        return Markup(texts.get(key, key)) % {name: _inert(value) for name, value in values.items()}  # noqa: S704 - the catalogue's own

    def ngettext(one: str, many: str, count: int, /, **values: object) -> Markup:
        found = texts.get(one, one if count == 1 else many)
        return Markup(found) % {"num": text.number(count), **{k: _inert(v) for k, v in values.items() if k != "num"}}  # noqa: S704 - as above

    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", "jinja2.ext.loopcontrols"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
        finalize=_inert,
        bytecode_cache=compiled,
    )
    environment.newstyle_gettext = True  # type: ignore[attr-defined]
    environment.globals.update(gettext=gettext, ngettext=ngettext, asset=assets.address, languages=LANGUAGES)
    environment.filters.update(
        size=size,
        number=text.number,
        short=text.short,
        machine=text.machine,
        date=text.date_of,
        day=lambda time: text.day(time, language),
        moment=lambda time: text.moment(time, language),
        http_url=text.http_url,
        host_of=text.host_of,
    )
    return environment


def _all() -> Mapping[str, Environment]:
    loader, compiled = FileSystemLoader(_FOLDER), _Compiled()
    made = {language: _environment(language, loader, compiled) for language in LANGUAGES}
    for environment in made.values():  # nothing is read from the disk when a page is made
        for name in environment.list_templates():
            environment.get_template(name)
    return made


ENVIRONMENTS: Final = _all()


def render(language: str, template: str, values: Mapping[str, object]) -> str:
    """Render a template in a language."""
    return ENVIRONMENTS[language].get_template(template).render(values)
