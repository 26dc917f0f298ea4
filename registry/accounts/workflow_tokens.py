"""Repository tokens, for workflows (GitHub's GITHUB_TOKEN) and workspaces (Codespaces).

Who may mint: an admin of the repository with the scope ``repo``, as a trusted runner is (a site administrator is an
admin of all). The token may do no more than the one that minted it (S15): ``packages: write`` needs write:packages,
and lets delete and restore only where that one has delete:packages too. It is the package that says what its
repositories may do; this is the ceiling.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from auth.tokens import PlainToken, TokenKind, effective, hash_of, mint
from registry.errors import Denied
from storage.metadata import tokens
from storage.metadata.query import Executor
from storage.metadata.tokens import CreatedToken, StoredToken

LIFE_SECONDS: Final = 3600
LIFE_MAX_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Minted:
    """A new token; its plain text is available only now."""

    plain: PlainToken
    stored: CreatedToken


async def create(
    db: Executor,
    minter: StoredToken,
    kind: TokenKind,
    repository_id: int,
    *,
    permission: Literal["read", "write"] = "read",
    ttl_seconds: int = LIFE_SECONDS,
    new_token: Callable[[TokenKind], PlainToken] = mint,
) -> Minted:
    """Create a token of a repository that the minter administers, valid for ``ttl_seconds``. Raises Denied."""
    ceiling = _ceiling(minter, permission)
    plain = new_token(kind)
    stored = await tokens.insert_workload(
        db,
        minter.account_id,
        kind.value,
        hash_of(plain),
        last_eight=plain.last_eight,
        note=f"packages: {permission}",
        repository_id=repository_id,
        ceiling=ceiling,
        lives_seconds=ttl_seconds,
    )
    return Minted(plain, stored)


async def revoke(db: Executor, token: StoredToken) -> None:
    """Revoke a repository's token before its expiry, as a finished job does with its own."""
    await tokens.revoke_workload(db, token.id)


def _ceiling(minter: StoredToken, permission: str) -> int:
    held = effective(minter.scopes)
    needed = f"{permission}:packages"
    if needed not in held:
        raise Denied(
            f"scope {needed}", sorted(held), f"A token cannot make one that may do more: use one with {needed}."
        )
    if permission == "read":
        return 1
    return 3 if "delete:packages" in held else 2
