"""Personal access tokens. A token never mints another token with more rights or a longer life than its own (S15).

Classic tokens have GitHub's scopes, fine-grained ones rules: globs over full package names and what may be done there.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from auth.errors import UnknownTokenScope
from auth.tokens import LATEST, PlainToken, TokenKind, effective, hash_of, mint, parse_scopes
from registry.errors import AccountError, Conflict, Denied, NotFound
from storage.metadata import authorizations, tokens
from storage.metadata.database import AlreadyThere
from storage.metadata.query import Executor
from storage.metadata.tokens import CreatedToken, OwnToken, StoredToken

_GLOB: Final = re.compile(r"[a-z0-9._/*?-]{1,255}", re.ASCII)
_RULES_MAX: Final = 50
_NOTE_MAX: Final = 255
_NEEDS: Final = {"read": "read:packages", "write": "write:packages", "delete": "delete:packages"}


class TokenRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule of a fine-grained token. ``packages``: a glob over full names, in which ``*`` matches slashes too."""

    packages: str
    actions: list[Literal["read", "write", "delete"]]


class TokenInvalid(AccountError):
    """The requested token is invalid; ``field`` names the field at fault."""

    resource = "Token"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


async def create(
    db: Executor,
    minter: StoredToken,
    *,
    note: str = "",
    scopes: Sequence[str] | None = None,
    rules: Sequence[TokenRule] | None = None,
    expires_at: datetime | None = None,
    now: datetime,
    new_token: Callable[[TokenKind], PlainToken] = mint,
) -> tuple[PlainToken, CreatedToken]:
    """Create a token of the minter's account: fine-grained with ``rules``, else classic with ``scopes``.

    Without ``expires_at`` it ends with the minter's own. A ``new_token`` that was made before, as of a form that was
    sent twice, is that one again. Raises TokenInvalid, Denied, Conflict (it was revoked meanwhile, or has expired).
    """
    if rules is not None and scopes is not None:
        raise TokenInvalid("rules", "a token has scopes (classic) or rules (fine-grained), not both")
    if len(note) > _NOTE_MAX:
        raise TokenInvalid("note", f"a note has at most {_NOTE_MAX} characters")
    try:
        granted = sorted(parse_scopes(scopes or ()))
    except UnknownTokenScope as error:
        raise TokenInvalid("scopes", str(error)) from error
    checked = None if rules is None else _checked(rules)
    wanted = granted if checked is None else [_NEEDS[name] for rule in checked for name in rule.actions]
    _no_more_than(minter, wanted)
    plain = new_token(TokenKind.CLASSIC if checked is None else TokenKind.FINE_GRAINED)
    try:
        stored = await tokens.insert(
            db,
            minter.account_id,
            hash_of(plain),
            last_eight=plain.last_eight,
            note=note,
            scopes=granted,
            rules=None if checked is None else msgspec.json.encode(checked).decode(),
            expires_at=_end(minter, expires_at, now),
        )
    except AlreadyThere:
        return plain, await _made_before(db, minter.account_id, plain)
    return plain, stored


async def _made_before(db: Executor, account_id: int, plain: PlainToken) -> CreatedToken:
    usable = await tokens.by_hash(db, hash_of(plain))
    if usable is None:
        raise Conflict("This token was made before, and is revoked or has expired.", "Open the form again.")
    made = await find(db, account_id, usable.id)
    return CreatedToken(made.id, made.created_at, made.expires_at)


async def find(db: Executor, account_id: int, token_id: int) -> OwnToken:
    """Return one of the account's own tokens. Raises NotFound."""
    found = await tokens.own(db, account_id, token_id)
    if found is None:
        raise NotFound
    return found


async def revoke(db: Executor, account_id: int, token_id: int) -> None:
    """Revoke the token, and the bearer tokens it was exchanged for, from the next request on, on every replica.

    Raises NotFound.
    """
    if not await tokens.revoke(db, account_id, token_id):
        raise NotFound


async def authorize(db: Executor, account_id: int, token_id: int, org: str) -> None:
    """Authorize the token for an organization that requires SSO (``packages_sso_required``).

    Raises NotFound, also where the account has no seat in the organization: who is outside learns nothing of it.
    """
    seat = await authorizations.seat(db, account_id, org)
    if seat is None or not seat.member or not await authorizations.authorize(db, account_id, token_id, seat.org_id):
        raise NotFound


async def deauthorize(db: Executor, account_id: int, token_id: int, org: str) -> None:
    """Revoke the token's SSO authorization. Raises NotFound."""
    seat = await authorizations.seat(db, account_id, org)
    if seat is None or not await authorizations.deauthorize(db, account_id, token_id, seat.org_id):
        raise NotFound


def _checked(rules: Sequence[TokenRule]) -> list[TokenRule]:
    if not 1 <= len(rules) <= _RULES_MAX:
        raise TokenInvalid("rules", f"a token has 1 to {_RULES_MAX} rules")
    checked = [TokenRule(rule.packages.lower(), sorted(set(rule.actions))) for rule in rules]
    for rule in checked:
        if not _GLOB.fullmatch(rule.packages):
            raise TokenInvalid("rules", f"expected a glob such as alice/*, got {rule.packages[:60]!r}")
        if not rule.actions:
            raise TokenInvalid("rules", "a rule has at least one action: read, write, delete")
    return checked


def _no_more_than(minter: StoredToken, wanted: Sequence[str]) -> None:
    held = effective(minter.scopes)
    if missing := sorted(effective(wanted) - held):
        raise Denied(
            f"scope {', '.join(missing)}",
            sorted(held),
            "A token cannot make one that may do more: use a token that has this.",
        )


def _end(minter: StoredToken, asked: datetime | None, now: datetime) -> datetime | None:
    if asked is not None and not now < asked <= LATEST:
        raise TokenInvalid("expires_at", "a token ends in the future")
    if minter.expires_at is not None and asked is not None and asked > minter.expires_at:
        own = minter.expires_at.isoformat(timespec="seconds")
        raise Denied(
            "a token that lives as long",
            [f"one until {own}"],
            "A token cannot make one that outlives it: end it before.",
        )
    return asked or minter.expires_at
