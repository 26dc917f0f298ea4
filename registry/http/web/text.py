"""Texts of others and figures, as pages show them: inert, and in the words of a language."""

import re
from datetime import UTC, date, datetime
from typing import Final

#: Control characters but for tab and line feed, and what changes the direction of a text or is not to be seen in it.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)


def inert(text: str) -> str:
    r"""Return ``text`` with each unseen character as its escape, such as ``\u202e``; line breaks and tabs stay."""
    return _UNSEEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def number(count: int) -> str:
    """Render a number with a comma after each three digits, as both languages have it."""
    return f"{count:,}"


_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day(time: date, language: str) -> str:
    """Render a day, or the day of a time in UTC."""
    if isinstance(time, datetime):
        time = time.astimezone(UTC)
    if language == "ko":
        return f"{time.year}년 {time.month}월 {time.day}일"
    return f"{time.day} {_MONTHS[time.month - 1]} {time.year}"


def moment(time: datetime, language: str) -> str:
    """Render a time to the minute, in UTC."""
    return f"{day(time, language)} {time.astimezone(UTC):%H:%M} UTC"


def machine(time: datetime) -> str:
    """Render a time for ``<time datetime>``."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def date_of(time: datetime) -> str:
    """Render the day of a time in UTC for ``<time datetime>``."""
    return time.astimezone(UTC).strftime("%Y-%m-%d")


def short(digest: str) -> str:
    """Return the first twelve digits of a digest, by which people know an image."""
    return digest.partition(":")[2][:12]


def http_url(text: str | None) -> str | None:
    """Return ``text`` if it is a link that a page may make of a publisher's text: http(s), with a plain host."""
    if text is None or _UNSEEN.search(text) or not _LINK.fullmatch(text):
        return None
    return text


_LINK: Final = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#][^\s\"'<>\\]*)?", re.ASCII | re.IGNORECASE)


def host_of(url: str) -> str:
    """Return the host of a link, which stands beside the link."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]
