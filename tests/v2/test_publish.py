"""What a push makes of a package: whose it is, what it is linked to, who may see it, what it says of itself."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest

from auth.tokens import TokenKind
from registry.packages.linking import repository_of
from tests.support import forge
from tests.support.server import Registry, running

API = "/api/v3"
LABELS = "org.opencontainers.image."


def labelled(**labels: str) -> dict[str, Any]:
    return {"config": {"Labels": {LABELS + key: value for key, value in labels.items()}}}


async def get(registry: Registry, path: str, token: str, status: int = 200) -> Any:
    answer = await registry.call("GET", API + path, token)
    assert answer.status == status, answer.body
    return answer.json


async def link_of(registry: Registry, path: str, token: str) -> tuple[str | None, bool, str]:
    package = await get(registry, path, token)
    access = await get(registry, f"{path}/access", token)
    repository = package.get("repository")
    name = None if repository is None else str(repository["full_name"])
    return name, bool(access["inherit_access"]), str(package["visibility"])


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("https://github.com/acme/web", ("acme", "web")),
        ("https://github.com/acme/web.git", ("acme", "web")),
        ("https://github.com/acme/web/", ("acme", "web")),
        ("https://github.com/acme/web.git/", ("acme", "web")),
        ("https://GitHub.com:443/Acme/Web", ("Acme", "Web")),
        ("git+https://github.com/acme/web", ("acme", "web")),
        ("https://forge.example:8443/acme/web", ("acme", "web")),
        ("https://github.com/acme/web?x#readme", ("acme", "web")),
        ("http://github.com/acme/web", ("acme", "web")),
        ("https://www.github.com/acme/web", ("acme", "web")),
        ("git@github.com:acme/web.git", ("acme", "web")),
        ("git@github.com:/acme/web", ("acme", "web")),
        ("ssh://git@github.com/acme/web.git", ("acme", "web")),
        ("ssh://git@github.com:22/acme/web", ("acme", "web")),
        ("git+ssh://git@forge.example:2222/acme/web", ("acme", "web")),
        ("git@forge.example:acme/web", ("acme", "web")),
        ("git://github.com/acme/web.git", ("acme", "web")),
        ("https://github.com/acme/web/tree/main", ("acme", "web")),
        ("https://github.com/acme/web/tree/main/images/app", ("acme", "web")),
        ("https://github.com/acme/web/blob/main/Dockerfile", ("acme", "web")),
        ("https://forge.example:8443/acme/web/-/tree/main", ("acme", "web")),
        ("https://github.com/jane_corp/web", ("jane_corp", "web")),
        ("http://forge.example:8443/acme/web", ("acme", "web")),
        ("http://forge.example/acme/web", None),
        ("ftp://github.com/acme/web", None),
        ("git@evil.example:github.com/acme/web", None),
        ("git@github.com@evil.example:acme/web", None),
        ("ssh://git@github.com:x/acme/web", None),
        ("ssh://github.com@evil.example/acme/web", None),
        ("https://github.com/acme/web/..", None),
        ("https://github.com/acme/../web", None),
        ("https://github.com/acme//web", None),
        ("https://www.github.com.evil.example/acme/web", None),
        ("https://github.com.evil.example/acme/web", None),
        ("https://evil.example/github.com/acme/web", None),
        ("https://github.com@evil.example/acme/web", None),
        ("https://evil.example@github.com/acme/web", None),
        ("https://github.com/acme", None),
        ("https://github.com/acme/we%62", None),
        ("https://forge.example/acme/web", None),
        ("https://[::1/acme/web", None),
        ("acme/web", None),
        ("", None),
    ],
)
def test_which_repository_a_url_names(source: str, found: tuple[str, str] | None) -> None:
    assert repository_of(source, ("https://github.com", "https://forge.example:8443")) == found


async def test_a_label_links_and_inherits_access_but_not_visibility(registry: Registry) -> None:
    owner, writer, reader = [await registry.user(login) for login in ("olga", "wendy", "rick")]
    await forge.organization(registry, "acme", owners=["olga"], members=["wendy", "rick"])
    people = {"wendy": "write", "rick": "read"}
    await forge.repository(registry, "acme", "Web", visibility="public", people=people)
    await registry.push_image("acme/web", "v1", writer, **labelled(source="https://github.com/ACME/web.git"))
    assert await link_of(registry, "/orgs/acme/packages/container/web", owner) == ("acme/Web", True, "private")
    # Roles are those over the repository now.
    assert (await registry.call("GET", "/v2/acme/web/manifests/v1", reader)).status == 200
    assert (await registry.call("POST", "/v2/acme/web/blobs/uploads/", reader)).status == 403
    await registry.push_image("acme/web", "v2", writer)
    await get(registry, "/orgs/acme/packages/container/web/access", writer, 403)
    access = await get(registry, "/orgs/acme/packages/container/web/access", owner)
    assert [(user["login"], user["role"], user["inherited"]) for user in access["users"]] == [
        ("rick", "read", True),
        ("wendy", "write", True),
    ]


async def test_without_the_label_nothing_is_linked(registry: Registry) -> None:
    alice = await registry.user("alice")
    await forge.repository(registry, "alice", "app")
    await registry.push_image("alice/app", "v1", alice)
    assert await link_of(registry, "/user/packages/container/app", alice) == (None, False, "private")


@pytest.mark.parametrize("owner", ["alice", "acme"])
async def test_whose_label_is_believed(registry: Registry, owner: str) -> None:
    alice, bob = await registry.user("alice"), await registry.user("bob")
    await forge.organization(registry, "acme", owners=["alice"], members=["bob"])
    await forge.repository(registry, owner, "src", visibility="public", people={"bob": "read"})
    await forge.repository(registry, "bob", "other", people={"alice": "admin"})
    # Only who may write to the repository links to it.
    await registry.push_image("acme/one", "v1", bob, **labelled(source=f"https://github.com/{owner}/src"))
    assert (await link_of(registry, "/orgs/acme/packages/container/one", alice))[0] is None
    # And only to one of the owner of the package.
    await registry.push_image(f"{owner}/two", "v1", alice, **labelled(source="https://github.com/bob/other"))
    path = f"/{'orgs' if owner == 'acme' else 'users'}/{owner}/packages/container"
    assert (await link_of(registry, f"{path}/two", alice))[0] is None
    await registry.push_image(f"{owner}/three", "v1", alice, **labelled(source=f"https://example.com/{owner}/src"))
    assert (await link_of(registry, f"{path}/three", alice))[0] is None
    await registry.push_image(f"{owner}/four", "v1", alice, **labelled(source=f"{registry.url}/{owner}/src"))
    assert (await link_of(registry, f"{path}/four", alice))[0] == f"{owner}/src"


async def test_a_label_that_comes_later_links_without_changing_roles(registry: Registry) -> None:
    alice, bob = await registry.user("alice"), await registry.user("bob")
    await forge.repository(registry, "alice", "src", people={"bob": "admin"})
    await forge.repository(registry, "alice", "more")
    await registry.push_image("alice/app", "v1", alice)
    for source in ("src", "more"):
        await registry.push_image("alice/app", "v2", alice, **labelled(source=f"https://github.com/alice/{source}"))
        assert await link_of(registry, "/user/packages/container/app", alice) == ("alice/src", False, "private")
    assert (await registry.call("GET", "/v2/alice/app/manifests/v1", bob)).status == 404


async def test_an_organization_turns_inheriting_off(registry: Registry) -> None:
    owner, member, other = [await registry.user(login) for login in ("olga", "mike", "otto")]
    org = await forge.organization(registry, "acme", owners=["olga"], members=["mike", "otto"])
    await forge.repository(registry, "acme", "src", people={"mike": "write", "otto": "write"})
    await registry.services.db.execute("UPDATE accounts SET packages_inherit_access = false WHERE id = $1", org)
    await registry.push_image("acme/app", "v1", member, **labelled(source="https://github.com/acme/src"))
    assert await link_of(registry, "/orgs/acme/packages/container/app", owner) == ("acme/src", False, "private")
    assert (await registry.call("GET", "/v2/acme/app/manifests/v1", other)).status == 404
    await get(registry, "/orgs/acme/packages/container/app/access", member)


@pytest.mark.parametrize("visibility", ["private", "internal", "public"])
@pytest.mark.parametrize("inherits", [True, False])
async def test_a_workflow_publishes(registry: Registry, visibility: str, *, inherits: bool) -> None:
    owner, writer = await registry.user("olga"), await registry.user("wendy")
    org = await forge.organization(registry, "acme", owners=["olga"], members=["wendy"])
    src = await forge.repository(registry, "acme", "src", visibility=visibility, people={"wendy": "write"})
    other = await forge.repository(registry, "acme", "other")
    await registry.services.db.execute("UPDATE accounts SET packages_inherit_access = $2 WHERE id = $1", org, inherits)
    workflow = await forge.repository_token(registry, src, "olga")
    await registry.push_image("acme/app", "v1", workflow)
    path = "/orgs/acme/packages/container/app"
    assert await link_of(registry, path, owner) == ("acme/src", inherits, visibility)
    access = await get(registry, f"{path}/access", owner)
    grants = {(g["full_name"], g["audience"]): g["role"] for g in access["repositories"]}
    assert grants["acme/src", "actions"] == "admin"
    assert (await registry.call("POST", "/v2/acme/app/blobs/uploads/", writer)).status == (202 if inherits else 403)
    # It is an admin of what it made: deletes and restores.
    assert (await registry.call("DELETE", API + path, workflow)).status == 204
    assert (await registry.call("POST", f"{API}{path}/restore", workflow)).status == 204
    stranger = await forge.repository_token(registry, other, "olga")
    assert (await registry.call("POST", "/v2/acme/app/blobs/uploads/", stranger)).status == 403


async def test_a_workflow_is_refused_by_a_package_that_a_person_made(registry: Registry) -> None:
    alice = await registry.user("alice")
    src = await forge.repository(registry, "alice", "app", visibility="public")
    await registry.push_image("alice/app", "v1", alice)
    workflow = await forge.repository_token(registry, src, "alice")
    refused = await registry.call("POST", "/v2/alice/app/blobs/uploads/", workflow)
    assert refused.status == 403
    error: Any = refused.json
    assert "permission_denied: write_package" in error["errors"][0]["message"]
    assert "access/repositories" in error["errors"][0]["detail"]["fix"]
    granted = f"{API}/user/packages/container/app/access/repositories/alice/app"
    assert (await registry.call("PUT", granted, alice, json={"role": "write"})).status == 204
    await registry.push_image("alice/app", "v2", workflow)
    # Actions access is not Codespaces access.
    workspace = await forge.repository_token(registry, src, "alice", kind=TokenKind.WORKSPACE)
    assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", workspace)).status == 403
    both = {"role": "read", "audience": "codespaces"}
    assert (await registry.call("PUT", granted, alice, json=both)).status == 204
    assert (await registry.call("GET", "/v2/alice/app/manifests/v2", workspace)).status == 200
    assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", workspace)).status == 403
    assert (await registry.call("DELETE", f"{granted}?audience=actions", alice)).status == 204
    assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", workflow)).status == 403
    assert (await registry.call("GET", "/v2/alice/app/manifests/v2", workspace)).status == 200


async def version(registry: Registry, token: str, digest: str) -> dict[str, Any]:
    found = await get(registry, "/user/packages/container/app/versions", token)
    return next(v for v in found if v["name"] == digest)


async def stored(registry: Registry, table: str, *columns: str) -> list[object]:
    row = await registry.services.db.fetchrow(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id DESC LIMIT 1")
    assert row is not None
    return list(row)


async def test_what_an_image_says_of_itself(registry: Registry) -> None:
    alice = await registry.user("alice")
    about = labelled(source="https://example.com/x", description="A \0tool", licenses="mit OR apache-2.0")
    digest = await registry.push_image("alice/app", "v1", alice, **about)
    found = await version(registry, alice, digest)
    assert found["license"] == "MIT OR Apache-2.0"
    assert found["license_is_spdx"] is True
    columns = ("description", "licenses", "licenses_spdx", "source_url")
    assert await stored(registry, "manifests", *columns, "platforms", "sort") == [
        None,  # a label with NUL is none
        "MIT OR Apache-2.0",
        True,
        "https://example.com/x",
        ["linux/amd64"],
        "image",
    ]
    long = labelled(
        description="ä" * 600, licenses="Our own, see LICENSE " * 20, source="https://example.com/" + "x" * 300
    )
    digest = await registry.push_image("alice/app", "v2", alice, **long)
    found = await version(registry, alice, digest)
    assert (len(found["description"]), len(found["license"]), found["license_is_spdx"]) == (512, 256, False)
    assert await stored(registry, "packages", *columns) == ["ä" * 512, found["license"], False, None]
    # What is not tagged does not speak for the package.
    await push(registry, "", alice, {"description": "a child"})
    assert (await stored(registry, "packages", "description")) == ["ä" * 512]


async def push(
    registry: Registry, tag: str, token: str, annotations: Mapping[str, str], *, index: bool = False, **more: Any
) -> str:
    """An artifact without a config, or an index of one, with annotations."""
    empty = await registry.push_blob("alice/app", b"{}", token)
    parts: dict[str, object]
    if index:
        parts = {"manifests": more.pop("manifests", [])}
    else:
        parts = {
            "config": more.pop(
                "config", {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2}
            ),
            "layers": more.pop("layers", []),
        }
    kind = "application/vnd.oci.image." + ("index.v1+json" if index else "manifest.v1+json")
    notes = {LABELS + key: value for key, value in annotations.items()}
    body = orjson.dumps({"schemaVersion": 2, "mediaType": kind, "annotations": notes, **parts, **more})
    reference = tag or "sha256:" + hashlib.sha256(body).hexdigest()
    answer = await registry.call(
        "PUT", f"/v2/alice/app/manifests/{reference}", token, data=body, headers={"Content-Type": kind}
    )
    assert answer.status == 201, answer.body
    return str(answer.headers["Docker-Content-Digest"])


async def test_an_index_speaks_by_its_annotations(registry: Registry) -> None:
    alice = await registry.user("alice")
    await forge.repository(registry, "alice", "src")
    child = await registry.push_image("alice/app", "child", alice, **labelled(description="of the child"))
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": child, "size": 1}
    entries = [
        {**entry, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {**entry, "platform": {"os": "unknown", "architecture": "unknown"}},
        {**entry, "platform": {"os": "linux", "architecture": "amd64"}},
    ]
    about = {"description": "of the index", "licenses": "MIT", "source": "https://github.com/alice/src"}
    index = await push(registry, "v1", alice, about, index=True, manifests=entries)
    found = await version(registry, alice, index)
    assert (found["description"], found["license"]) == ("of the index", "MIT")
    assert await stored(registry, "manifests", "platforms") == [["linux/arm64/v8", "linux/amd64"]]
    assert (await link_of(registry, "/user/packages/container/app", alice))[0] == "alice/src"
    assert (await stored(registry, "packages", "description")) == ["of the index"]


async def test_an_annotation_goes_before_a_label_and_a_large_config_is_read(registry: Registry) -> None:
    alice = await registry.user("alice")
    about = labelled(description="the label", licenses="MIT")
    await registry.push_image("alice/app", "v1", alice, **about, history=["x" * 200_000])
    assert await stored(registry, "packages", "description", "licenses") == ["the label", "MIT"]
    manifest: Any = (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).json
    parts = {"config": manifest["config"], "layers": manifest["layers"]}
    await push(registry, "v2", alice, {"description": "the annotation"}, **parts)
    assert await stored(registry, "packages", "description", "licenses") == ["the annotation", "MIT"]


async def test_signatures_are_told_from_images(registry: Registry) -> None:
    alice = await registry.user("alice")
    image = await registry.push_image("alice/app", "v1", alice, **labelled(description="the image"))
    layer = {"digest": await registry.push_blob("alice/app", b"statement", alice), "size": 9}
    cases: tuple[tuple[str, dict[str, Any]], ...] = (
        ("x1", {"layers": [{**layer, "mediaType": "application/vnd.in-toto+json"}]}),
        ("x2", {"layers": [{**layer, "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json"}]}),
        ("x3", {"artifactType": "application/vnd.cncf.notary.signature"}),
        (image.replace(":", "-") + ".att", {}),
    )
    for tag, more in cases:
        await push(registry, tag, alice, {"description": tag}, **more)
        assert await stored(registry, "manifests", "sort") == ["signature"], tag
        assert await stored(registry, "packages", "description") == ["the image"]
    await push(registry, "helm", alice, {}, artifactType="application/vnd.cncf.helm.config.v1+json")
    assert await stored(registry, "manifests", "sort") == ["image"]


async def test_rights_are_asked_again_once_the_body_is_here(registry: Registry) -> None:  # F40
    alice, bob = await registry.user("alice"), await registry.user("bob")
    await registry.push_image("alice/app", "v1", alice)
    path = f"{API}/user/packages/container/app/access/users/bob"
    await registry.call("PUT", path, alice, json={"role": "write"})
    answer = await registry.call("GET", "/v2/alice/app/manifests/v1", bob)
    revoked = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield answer.body[:50]
        await asyncio.sleep(0.1)
        await registry.call("DELETE", path, alice)
        revoked.set()
        yield answer.body[50:]

    headers = {"Content-Type": answer.headers["Content-Type"]}
    put = await registry.call("PUT", "/v2/alice/app/manifests/v2", bob, data=body(), headers=headers)
    assert revoked.is_set()
    assert put.status == 403
    assert (await registry.call("GET", "/v2/alice/app/manifests/v2", alice)).status == 404


async def test_a_package_deleted_while_a_manifest_comes(env: dict[str, str]) -> None:
    async with running(env) as registry:
        alice = await registry.user("alice")
        await registry.push_image("alice/app", "v1", alice)
        body = (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).body
        assert (await registry.call("DELETE", f"{API}/user/packages/container/app", alice)).status == 204
        kind = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
        put = await registry.call("PUT", "/v2/alice/app/manifests/v2", alice, data=body, headers=kind)
        # It is a new package, and that has none of the blobs of the old one.
        assert put.code == "MANIFEST_BLOB_UNKNOWN"
