"""Pagination as on GitHub: ``page``, ``per_page``, and a Link header (RFC 8288)."""

from dataclasses import dataclass
from typing import Final

from registry.errors import BadRequest, Invalid
from registry.http.api.call import ApiCall
from registry.http.numbers import number_of
from storage.metadata.query import COUNTED

_DEFAULT: Final = 30
_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list; ``number`` counts from 1."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size

    def links(self, call: ApiCall, total: int) -> dict[str, str]:
        """The Link header with the relations prev, next, last, first that the page has."""
        last = max(1, -(-total // self.size))
        wanted = {}
        if self.number > 1:
            wanted["prev"] = self.number - 1
        if self.number < last:
            wanted |= {"next": self.number + 1, "last": last}
        if self.number > 1:
            wanted["first"] = 1
        if not wanted:
            return {}
        url = call.http.rel_url
        links = [
            f'<{call.served_at}{url.update_query(page=str(number), per_page=str(self.size))}>; rel="{name}"'
            for name, number in wanted.items()
        ]
        return {"Link": ", ".join(links)}


def page_of(call: ApiCall) -> Page:
    """Parse the requested page; malformed values are the default, as on GitHub. Raises 400 past the 10,000th item."""
    size = size_of(call)
    number = max(_number(call.http.query.get("page"), 1), 1)
    if number * size > COUNTED + _MOST:
        raise BadRequest(f"Only the first {COUNTED} results are available.")
    return Page(number, size)


def since_of(call: ApiCall) -> tuple[int, int]:
    """Parse the id that a list begins behind, and the size of its page; malformed values are the defaults."""
    return _number(call.http.query.get("since"), 0), size_of(call)


def since_link(call: ApiCall, size: int, last: int) -> dict[str, str]:
    """The Link header to the page behind the id ``last``."""
    url = call.http.rel_url.update_query(since=str(last), per_page=str(size))
    return {"Link": f'<{call.served_at}{url}>; rel="next"'}


def size_of(call: ApiCall) -> int:
    """Parse the size of a page; malformed values are the default."""
    return min(max(_number(call.http.query.get("per_page"), _DEFAULT), 1), _MOST)


def after_of(call: ApiCall) -> tuple[str | None, int]:
    """Parse the place that a list begins behind, as a Link header had it, and the size of its page."""
    return call.http.query.get("after"), size_of(call)


def after_number_of(call: ApiCall) -> tuple[int | None, int]:
    """Parse the id that a list begins behind, as a Link header had it, and the size of its page. Raises 422."""
    text, size = after_of(call)
    number = None if text is None else number_of(text)
    if text is not None and number is None:
        raise Invalid("Invalid request.\n\nFor 'after', expected what a Link header has.")
    return number, size


def after_link(call: ApiCall, size: int, last: str | int | None) -> dict[str, str]:
    """The Link header to the page behind ``last``; None: there is no other page."""
    if last is None:
        return {}
    url = call.http.rel_url.update_query(after=str(last), per_page=str(size))
    return {"Link": f'<{call.served_at}{url}>; rel="next"'}


_DIGITS_MAX: Final = 9


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX else default
