"""Targets of redirects: URLs signed for one object, each remembered for a part of its life.

Whoever asks for a URL has checked the caller's rights before. A URL that is handed out has at least
``LIFE - REMEMBERED`` seconds left to begin with.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, Protocol

from registry.redirects.rules import Address, Direct, Rule, ToCloudFront, ToS3
from registry.redirects.signing import Signer, cloudfront_signer, secure_link_signer
from storage.objects.base import ObjectKey, ObjectStore

#: A redirected client has this long to begin. Whoever has lost the right meanwhile has it as long too; so no longer,
#: though a clock that is as much behind that of the store makes URLs that are over.
LIFE: Final = timedelta(minutes=5)
#: Seconds in which everybody gets the same URL.
REMEMBERED: Final = 60
#: Of each target: 2 MiB in a process, and more where temporary credentials stand in the URL.
_MOST: Final = 4096
_TYPE: Final = "application/octet-stream"


class _Signing(Protocol):
    def now(self, key: ObjectKey) -> str | None: ...  # without waiting; None: there is no URL, or not at once
    async def later(self, key: ObjectKey) -> str | None: ...  # None: there is no URL


class Target:
    """The target of a rule; ``knows_ranges``: a request for several ranges is answered there with these alone."""

    def __init__(self, rule: Rule, signing: _Signing, now: Callable[[], float]) -> None:
        self.rule: Final = rule
        self.knows_ranges: Final = not isinstance(rule, ToS3)
        self._signing = signing
        self._now = now
        self._minute = 0
        self._urls: dict[ObjectKey, str] = {}

    def url_now(self, key: ObjectKey) -> str | None:
        """Return a URL without waiting; None: there is none at once."""
        minute = int(self._now()) // REMEMBERED
        if minute != self._minute or len(self._urls) >= _MOST:
            self._urls.clear()
            self._minute = minute
        url = self._urls.get(key)
        if url is None:
            url = self._signing.now(key)
            if url is not None:
                self._urls[key] = url
        return url

    async def url(self, key: ObjectKey) -> str | None:
        """Return a URL; None: the bytes go through the server. Raises Unavailable."""
        return self.url_now(key) or await self._signing.later(key)


class Redirects:
    """The targets of the rules, of which the last matches everybody."""

    def __init__(self, rules: Sequence[Rule], stores: ObjectStore, now: Callable[[], float]) -> None:
        self.targets: Final = [Target(rule, _signing(rule, stores, now), now) for rule in rules]
        #: The target of everybody; None: that depends on who asks.
        self.only: Final = self.targets[0] if len(self.targets) == 1 else None

    def target(self, address: Address | None, agent: str) -> Target:
        """Return the target of a caller by address and user agent."""
        return next(target for target in self.targets if target.rule.matches(address, agent))


def _signing(rule: Rule, stores: ObjectStore, now: Callable[[], float]) -> _Signing:
    if isinstance(rule, Direct):
        return _Nowhere()
    if isinstance(rule, ToS3):
        return _Presigning(stores, rule.endpoint)
    if isinstance(rule, ToCloudFront):
        return _Outside(cloudfront_signer(rule.url, rule.key_id, rule.key_file), now)
    return _Outside(secure_link_signer(rule.url, rule.secret_file), now)


class _Nowhere:
    def now(self, key: ObjectKey) -> None:
        """Return None."""

    async def later(self, key: ObjectKey) -> None:
        """Return None."""


class _Presigning:
    """URLs of the store itself, which has none if its credentials have to be renewed first, or if it is a disk."""

    def __init__(self, stores: ObjectStore, endpoint: str | None) -> None:
        self._stores = stores
        self._endpoint = endpoint

    def now(self, key: ObjectKey) -> str | None:
        return self._stores.presign_now(key, ttl=LIFE, content_type=_TYPE, endpoint=self._endpoint)

    async def later(self, key: ObjectKey) -> str | None:
        return await self._stores.presign(key, ttl=LIFE, content_type=_TYPE, endpoint=self._endpoint)


class _Outside:
    """URLs of what stands before the store."""

    def __init__(self, sign: Signer, now: Callable[[], float]) -> None:
        self._sign = sign
        self._now = now

    def now(self, key: ObjectKey) -> str:
        return self._sign(key, int(self._now() + LIFE.total_seconds()))

    async def later(self, key: ObjectKey) -> str:
        return self.now(key)
