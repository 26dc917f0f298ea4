"""The rules of clusters: whose service accounts an account lets in, by which issuer, audience and keys."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from auth.issuers import check_given, check_url
from registry.egress.client import trust_in
from registry.errors import Invalid, NotFound
from storage.errors import Unavailable
from storage.metadata import clusters as storage
from storage.metadata.clusters import Cluster, NewCluster
from storage.metadata.query import Executor

_CLUSTERS_MAX: Final = 20
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.ASCII)
_TEXT: Final = re.compile(r"[\x21-\x7e]{1,512}")
_JWKS_BYTES: Final = 48 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """A cluster as an owner wants it. ``jwks`` None: its keys are fetched from the issuer, as ``ca`` vouches for it."""

    name: str
    issuer: str
    audience: str | None = None
    jwks: Mapping[str, Any] | None = None
    ca: str | None = None


async def listed(db: Executor, owner_id: int) -> list[Cluster]:
    """Return the clusters of an account, by name."""
    return await storage.of_owner(db, owner_id)


async def named(db: Executor, owner_id: int, name: str) -> Cluster:
    """Return a cluster of an account. Raises NotFound."""
    found = await storage.get(db, owner_id, name) if _NAME.fullmatch(name) else None
    if found is None:
        raise NotFound
    return found


async def put(db: Executor, owner_id: int, wanted: Wanted) -> bool:
    """Store a cluster, in place of the one of its name if there is one; True: there was none. Raises Invalid.

    Where its issuer, audience or keys change, whoever was let in by the former ones is out at once.
    """
    made = await storage.put(db, owner_id, await asyncio.to_thread(_parsed, wanted), _CLUSTERS_MAX)
    if made is None:
        raise Invalid(f"An account has at most {_CLUSTERS_MAX} clusters.", "Remove one that is gone.")
    return made


async def remove(db: Executor, owner_id: int, name: str) -> None:
    """Remove a cluster with its grants: none of its service accounts is let in any more. Raises NotFound."""
    if not (_NAME.fullmatch(name) and await storage.remove(db, owner_id, name)):
        raise NotFound


def _parsed(wanted: Wanted) -> NewCluster:
    """Check a cluster. Raises Invalid."""
    if not _NAME.fullmatch(wanted.name):
        raise _invalid(
            "name",
            "expected 1 to 63 lower-case letters, digits, '_', '.' and '-', the first of them a letter or a digit",
        )
    for field, text in (("issuer", wanted.issuer), ("audience", wanted.audience)):
        if text is not None and not _TEXT.fullmatch(text):
            raise _invalid(field, "expected 1 to 512 printable characters of ASCII without blanks")
    if wanted.jwks is None:
        _check_fetchable(wanted)
        return NewCluster(wanted.name, wanted.issuer, wanted.audience, None, None, wanted.ca)
    kids = _kids(wanted)
    return NewCluster(wanted.name, wanted.issuer, wanted.audience, orjson.dumps(wanted.jwks).decode(), kids, None)


def _kids(wanted: Wanted) -> list[str]:
    """Return the ids of the keys that are given. Raises Invalid."""
    from auth.oidc import keys_of  # noqa: PLC0415 - the JWTs of others take a process 2 MiB

    given = wanted.jwks or {}
    try:
        check_given(given, [wanted.ca])
        document = orjson.dumps(given)
        kids = sorted(keys_of(document))
    except (ValueError, TypeError) as error:  # orjson.JSONEncodeError is a TypeError
        raise _invalid("jwks", str(error)) from error
    if len(document) > _JWKS_BYTES or b"\\u0000" in document:
        raise _invalid("jwks", f"expected at most {_JWKS_BYTES} bytes, and no characters that are none")
    if not kids:
        raise _invalid("jwks", "expected a public key that can sign tokens: RSA of 2048 bits, or an elliptic curve")
    return kids


def _check_fetchable(wanted: Wanted) -> None:
    """Check that the keys can be fetched from the issuer. Raises Invalid."""
    try:
        check_url(wanted.issuer, insecure_http=False)
    except ValueError as error:
        raise _invalid("issuer", f"without 'jwks' the keys are fetched from it: {error}") from error
    if wanted.ca is not None:
        try:
            trust_in(wanted.ca)
        except Unavailable as error:
            raise _invalid("ca", "expected certificates in PEM") from error


def _invalid(field: str, why: str) -> Invalid:
    return Invalid(f"Invalid request.\n\nFor '{field}', {why}.")
