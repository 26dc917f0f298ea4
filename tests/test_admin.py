"""`moorage admin`: what the operator does, straight on the database."""

import asyncio
import os
import sys

import pytest

from registry.accounts.accounts import find
from registry.accounts.sign_in import SignInRefused, by_code
from storage.metadata.database import Database


async def _moorage(env: dict[str, str], *arguments: str) -> tuple[int, str]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", "admin", *arguments,
        env={"PATH": os.defpath, **env}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await child.communicate()
    return child.returncode or 0, output.decode().strip()


async def test_the_operator_keeps_accounts(env: dict[str, str], db: Database) -> None:
    for arguments, wanted in (
        (("user", "create", "Ada", "--admin"), (0, "created Ada")),
        (("user", "create", "bob"), (0, "created bob")),
        (("org", "create", "acme", "--owner", "bob"), (0, "created acme")),
        (("org", "create", "acme", "--owner", "bob"), (1, "moorage: the login 'acme' is taken")),
        (("user", "rename", "bob", "rob"), (0, "renamed bob to rob")),
        (("user", "suspend", "rob"), (0, "rob is suspended")),
        (("user", "suspend", "rob", "--end"), (0, "rob is active")),
        (("user", "suspend", "ada"), (1, "moorage: Ada is the last administrator of this registry")),
        (("user", "delete", "rob", "--yes"),
         (1, "moorage: rob is the only owner of acme: name another owner or delete it first")),
        (("user", "delete", "nobody", "--yes"), (1, "moorage: nobody has the login 'nobody'")),
    ):  # fmt: skip
        assert await _moorage(env, *arguments) == wanted, arguments
    rows = await db.fetch(
        "SELECT login, kind FROM accounts WHERE suspended_at IS NULL AND deleted_at IS NULL ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [("Ada", "User"), ("rob", "User"), ("acme", "Organization")]


async def test_a_token_of_the_operator_may_end(env: dict[str, str], db: Database) -> None:
    assert await _moorage(env, "user", "create", "ada") == (0, "created ada")
    make = ("token", "create", "--user", "ada", "--scope", "read:packages")
    for more in ((), ("--days", "30")):
        code, token = await _moorage(env, *make, *more)
        assert (code, token[:4]) == (0, "mrp_"), token
    rows = await db.fetch("SELECT round(extract(epoch FROM expires_at - created_at) / 86400) FROM tokens ORDER BY id")
    assert [days if days is None else int(days) for (days,) in rows] == [None, 30]
    assert (await _moorage(env, *make, "--days", "0"))[0] != 0


async def test_a_link_of_the_operator_signs_in_once(env: dict[str, str], db: Database) -> None:
    assert await _moorage(env, "user", "create", "ada") == (0, "created ada")
    assert await _moorage(env, "user", "sign-in-link", "nobody") == (1, "moorage: no user has the login 'nobody'")
    code, former = await _moorage(env, "user", "sign-in-link", "ada")
    assert code == 0, former
    assert former.startswith("/login/code#")
    env["MOORAGE_PUBLIC_URL"] = "https://registry.example"
    code, link = await _moorage(env, "user", "sign-in-link", "ADA")
    assert code == 0, link
    start, _, typed = link.partition("#")
    assert start == "https://registry.example/login/code"
    assert len(typed) == 19
    rows = await db.fetch("SELECT row_to_json(sign_in_codes)::text FROM sign_in_codes")
    assert len(rows) == 1, "the former one ends"
    assert typed not in rows[0][0]
    assert typed.replace("-", "") not in rows[0][0]
    assert await by_code(db, typed, "192.0.2.1") == (await find(db, "ada")).id
    with pytest.raises(SignInRefused):
        await by_code(db, typed, "192.0.2.1")
