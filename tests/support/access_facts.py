"""What Postgres may say of a caller and a package."""

from typing import Any

from msgspec.structs import replace

from storage.metadata.access_facts import AccessFacts

#: A person with a classic token, and a private package of an organization that grants nothing.
BASE = AccessFacts(
    account_id=1,
    token_usable=True,
    token_kind="classic",
    scopes=["read:packages", "write:packages", "delete:packages"],
    rules=None,
    ceiling=None,
    token_repository_id=None,
    owner_id=2,
    owner_kind="Organization",
    sso_missing=False,
    package_id=5,
    visibility="private",
    namespace_role=0,
    role=0,
)


def access_facts(**facts: Any) -> AccessFacts:
    """BASE, but for ``facts``."""
    return replace(BASE, **facts)
