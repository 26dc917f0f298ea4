"""Mounts: what is mounted from where with which token, and what a challenge asks for (S6-S8)."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from storage.names import Digest
from tests.support.server import Registry

_PUBLIC = "UPDATE packages SET visibility = 'public' WHERE name = 'open'"


async def _bearer(registry: Registry, who: str | None, scopes: Sequence[str]) -> dict[str, str]:
    query = "&".join(f"scope={quote(scope)}" for scope in scopes)
    answer = await registry.call("GET", f"/token?{query}", who)
    return {"Authorization": f"Bearer {answer.json['token']}"}  # type: ignore[index]


async def test_a_challenge_for_a_mount_asks_for_both(registry: Registry) -> None:
    alice = await registry.user("alice")
    digest = await registry.push_blob("alice/base", b"a layer", alice)
    path = f"/v2/alice/app/blobs/uploads/?mount={digest}&from=alice/base"
    challenged = await registry.call("POST", path)
    assert challenged.status == 401
    found = dict(re.findall(r'(\w+)="([^"]*)"', challenged.headers["WWW-Authenticate"]))
    assert found["scope"] == "repository:alice/app:push repository:alice/base:pull"
    bearer = await _bearer(registry, alice, [found["scope"]])
    assert (await registry.call("POST", path, headers=bearer)).status == 201

    for query, scope in (
        (f"mount={digest}", "repository:alice/app:push"),
        (f"mount={digest}&from=alice/app", "repository:alice/app:push"),
        (f"mount={digest}&from=hello-world", "repository:alice/app:push"),
        ("from=alice/base", "repository:alice/app:push"),
    ):
        challenged = await registry.call("POST", f"/v2/alice/app/blobs/uploads/?{query}")
        assert f'scope="{scope}"' in challenged.headers["WWW-Authenticate"], query


async def test_s8_one_rule_for_mounts_with_a_source_and_without(registry: Registry) -> None:
    """A source counts if the token that was sent may read it, or everybody may."""
    alice, bob = await registry.user("alice"), await registry.user("bob")
    secret, shown, theirs = b"a private layer", b"a public layer", b"a public layer of bob's"
    for name, body, token in (("alice/priv", secret, alice), ("alice/open", shown, alice), ("bob/open", theirs, bob)):
        await registry.push_image(name, "v1", token)
        await registry.push_blob(name, body, token)
    of_bob = await registry.push_blob("bob/priv", b"a private layer of bob's", bob)
    await registry.services.db.execute(_PUBLIC)
    private = await registry.push_blob("alice/priv", secret, alice)
    public = await registry.push_blob("alice/open", shown, alice)
    public_of_bob = await registry.push_blob("bob/open", theirs, bob)

    many = [f"repository:alice/app{number}:pull" for number in range(21)]
    wrong: list[str] = []
    number = 0
    for others, reads_private in (
        ([], False),
        (["repository:alice/open:pull"], False),
        (["repository:alice/priv2:pull", "repository:alice/pri:pull", "registry:catalog:*"], False),
        (["repository:alice/priv:pull"], True),
        (many, True),
        (None, True),  # the access token itself
    ):
        for digest, source, mounted in (
            (private, "alice/priv", reads_private),
            (private, None, reads_private),
            (private, "alice/open", False),  # it is not there
            (public, "alice/open", True),
            (public, None, True),
            (public_of_bob, "bob/open", True),
            (public_of_bob, None, True),
            (of_bob, "bob/priv", False),
            (of_bob, None, False),
        ):
            number += 1
            target = f"alice/to{number}"
            scopes = [f"repository:{target}:push", *(others or [])]
            headers = await _bearer(registry, alice, scopes) if others is not None else {}
            path = f"/v2/{target}/blobs/uploads/?mount={digest}" + (f"&from={source}" if source else "")
            got = await registry.call("POST", path, None if headers else alice, headers=headers)
            if got.status != (201 if mounted else 202):
                wrong.append(f"{others} {source} {digest == private}: {got.status}")
            there = await registry.call("HEAD", f"/v2/{target}/blobs/{digest}", alice)
            if there.status != (200 if mounted else 404):
                wrong.append(f"{others} {source}: HEAD {there.status}")
    assert not wrong


async def test_s8_a_private_source_is_passed_over_for_a_public_one(registry: Registry) -> None:
    alice = await registry.user("alice")
    for name in ("alice/priv", "alice/open", "alice/also"):
        await registry.push_image(name, "v1", alice)
        await registry.push_blob(name, b"a base layer", alice)
    await registry.services.db.execute(_PUBLIC)
    bearer = await _bearer(registry, alice, ["repository:alice/new:push"])
    digest = Digest.of(b"a base layer")
    assert (await registry.call("POST", f"/v2/alice/new/blobs/uploads/?mount={digest}", headers=bearer)).status == 201
