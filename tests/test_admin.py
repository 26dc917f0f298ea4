"""`moorage admin`: what the operator does, straight on the database."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from registry.accounts.accounts import find
from registry.accounts.sign_in import SignInRefused, by_code
from storage.metadata.database import Database

#: Each command is a process of its own.
pytestmark = pytest.mark.timeout(300)


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
        (("org", "create", "acme", "--owner", "bob"), (1, "moorage: the login 'acme' is taken: choose another")),
        (("user", "rename", "bob", "rob"), (0, "renamed bob to rob")),
        (("user", "suspend", "rob"), (0, "rob is suspended")),
        (("user", "unsuspend", "rob"), (0, "rob is active")),
        (("user", "suspend", "ada"), (1, "moorage: Ada is the last administrator of this registry: make another one first")),
        (("user", "delete", "rob", "--yes"),
         (1, "moorage: rob is the only owner of acme: name another owner or delete it first")),
        (("user", "delete", "nobody", "--yes"), (1, "moorage: nobody has the login 'nobody'")),
        (("org", "rename", "acme", "emca"), (0, "renamed acme to emca")),
        (("org", "rename", "rob", "bob"), (1, "moorage: nobody has the login 'rob'")),
        (("org", "create", "gone", "--owner", "rob"), (0, "created gone")),
        (("org", "delete", "gone", "--yes"), (0, "deleted gone")),
        (("org", "show", "gone"), (1, "moorage: no organization has the login 'gone'")),
        (("user", "show", "emca"), (1, "moorage: no user has the login 'emca'")),
    ):  # fmt: skip
        assert await _moorage(env, *arguments) == wanted, arguments
    rows = await db.fetch(
        "SELECT login, kind FROM accounts WHERE suspended_at IS NULL AND deleted_at IS NULL ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [("Ada", "User"), ("rob", "User"), ("emca", "Organization")]


async def test_a_token_of_the_operator_may_end(env: dict[str, str], db: Database) -> None:
    assert await _moorage(env, "user", "create", "ada") == (0, "created ada")
    make = ("token", "create", "--user", "ada", "--scope", "read:packages")
    for more in ((), ("--expires", "30d"), ("--expires", "12h"), ("--expires", "2100-01-01")):
        code, token = await _moorage(env, *make, *more)
        assert (code, token[:4]) == (0, "mrp_"), token
    rows = await db.fetch(
        "SELECT expires_at, extract(epoch FROM expires_at - created_at) / 3600 FROM tokens ORDER BY id"
    )
    assert [hours if hours is None else round(hours) for _, hours in rows[:3]] == [None, 720, 12]
    assert rows[3][0] == datetime(2100, 1, 1, tzinfo=UTC)
    for expires, told in (
        ("0d", "a token ends in the future"),
        ("2020-01-01", "a token ends in the future"),
        ("soon", "expected 30d"),
    ):
        code, said = await _moorage(env, *make, "--expires", expires)
        assert code != 0
        assert told in " ".join(said.replace("│", " ").split())


async def test_the_operator_lists_and_revokes(env: dict[str, str]) -> None:
    for login in ("Ada", "bob", "eve"):
        assert await _moorage(env, "user", "create", login) == (0, f"created {login}")
    for arguments, wanted in (
        (("user", "promote", "ada"), "ada is a site administrator"),
        (("user", "suspend", "eve"), "eve is suspended"),
        (("user", "list"), "Ada\t1\tsite_admin\nbob\t2\neve\t3\tsuspended"),
        (("user", "list", "--admins"), "Ada\t1\tsite_admin"),
        (("user", "list", "--suspended"), "eve\t3\tsuspended"),
        (("org", "create", "acme", "--owner", "bob"), "created acme"),
        (("org", "list"), "acme\t4"),
    ):
        assert await _moorage(env, *arguments) == (0, wanted), arguments
    make = ("token", "create", "--scope", "read:packages", "--note", "ci", "--user")
    secrets = [(await _moorage(env, *make, login))[1] for login in ("bob", "ada")]
    listed = [f"{number}\t{login}\t…{secret[-8:]}\tread:packages\tci"
              for number, login, secret in ((2, "Ada", secrets[1]), (1, "bob", secrets[0]))]  # fmt: skip
    assert await _moorage(env, "token", "list") == (0, "\n".join(listed))
    assert await _moorage(env, "token", "list", "--user", "BOB") == (0, listed[1])
    assert await _moorage(env, "token", "revoke", "1") == (0, "revoked 1")
    assert await _moorage(env, "token", "list", "--user", "bob") == (0, "")
    for verb in ("revoke", "show"):
        for number in ("1", "9" * 30):
            assert await _moorage(env, "token", verb, number) == (1, f"moorage: there is no token {number}")
    assert (await _moorage(env, "token", "list", "--user", "nobody"))[0] == 1
    last = (1, "moorage: Ada is the last administrator of this registry: make another one first")
    assert await _moorage(env, "user", "demote", "ada") == last


async def _json(env: dict[str, str], *arguments: str) -> Any:
    code, said = await _moorage(env, *arguments, "--json")
    assert code == 0, said
    return orjson.loads(said)


async def test_programs_read_json(env: dict[str, str]) -> None:
    ada = await _json(env, "user", "create", "ada", "--admin")
    acme = await _json(env, "org", "create", "acme", "--owner", "ada")
    assert (ada["login"], ada["site_admin"], acme["kind"]) == ("ada", True, "Organization")
    made = await _json(env, "token", "create", "--user", "ada", "--scope", "read:packages", "--expires", "1d")
    assert made["token"].startswith("mrp_")
    assert await _json(env, "user", "list") == [ada]
    assert await _json(env, "org", "list") == [acme]
    (listed,) = await _json(env, "token", "list")
    assert listed == await _json(env, "token", "show", str(made["id"]))
    assert (listed["id"], listed["expires_at"], listed["login"]) == (made["id"], made["expires_at"], "ada")
    assert made["token"] not in str(listed)
    shown = await _json(env, "user", "show", "ADA")
    assert (shown["account"], shown["tokens"]) == (ada, 1)
    assert [(seat["login"], seat["role"]) for seat in shown["organizations"]] == [("acme", "admin")]
    assert await _json(env, "org", "show", "acme") == {"account": acme, "owners": ["ada"], "members": 1}


async def test_people_read_lines(env: dict[str, str]) -> None:
    await _moorage(env, "user", "create", "ada", "--admin")
    await _moorage(env, "org", "create", "acme", "--owner", "ada")
    await _moorage(env, "token", "create", "--user", "ada", "--scope", "read:packages", "--note", "ci")
    shown = dict(line.split("\t") for line in (await _moorage(env, "user", "show", "ada"))[1].splitlines())
    assert shown.pop("created_at").startswith("20")
    assert shown == {
        "id": "1", "login": "ada", "kind": "User", "site_admin": "yes", "organizations": "acme (owner)", "tokens": "1",
    }  # fmt: skip
    assert "owners\tada\nmembers\t1" in (await _moorage(env, "org", "show", "acme"))[1]
    assert (
        "login\tada\nkind\tclassic\nnote\tci\nscopes\tread:packages" in (await _moorage(env, "token", "show", "1"))[1]
    )


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
