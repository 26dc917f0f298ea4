"""`moorage inspect` and `moorage diff`: what an image is, and what changed between two."""

import hashlib

import orjson

from tests.api.test_versions import INDEX, OCI, push_referrer, put
from tests.cli.commands import Shell
from tests.support.server import Registry

_CONFIG = {
    "Entrypoint": ["/app", "--a b"], "Env": ["PATH=/bin", "MODE=fast"], "Labels": {"org.example": "one\x1b[31m"},
    "ExposedPorts": {"80/tcp": {}}, "User": "nobody",
}  # fmt: skip


async def _two_platforms(registry: Registry, tag: str, token: str, **config: object) -> tuple[str, list[str]]:
    """Pushes an index of two platforms, with an attestation: its digest, and those of the platforms."""
    children = [
        await registry.push_image("alice/app", f"{tag}-{arch}", token, architecture=arch, config=config)
        for arch in ("amd64", "arm64")
    ]
    about = await push_referrer(registry, f"{tag}-about", None, token)
    entries: list[dict[str, object]] = [
        {"mediaType": OCI, "digest": child, "size": 500, "platform": {"os": "linux", "architecture": arch}}
        for child, arch in zip(children, ("amd64", "arm64"), strict=True)
    ]
    attested = {"vnd.docker.reference.digest": children[0], "vnd.docker.reference.type": "attestation-manifest"}
    entries.append({"mediaType": OCI, "digest": about, "size": 500, "annotations": attested})
    return await put(registry, tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, token), children


async def test_an_image_is_shown_as_text_as_json_and_byte_for_byte(shell: Shell) -> None:
    alice = await shell.registry.user("alice")
    shell.env["MOORAGE_TOKEN"] = alice
    digest = await shell.registry.push_image("alice/app", "v1", alice, config=_CONFIG, created="2026-01-02T03:04:05Z")
    lines = [line.split("\t") for line in (await shell.ok("inspect", "alice/app:v1")).out.splitlines()]
    facts = dict(lines)
    assert facts["digest"] == digest
    assert facts["platform"] == "linux/amd64"
    assert facts["created"] == "2026-01-02T03:04:05Z"
    assert facts["entrypoint"] == "/app '--a b'"
    assert facts["label"] == "org.example=one\N{REPLACEMENT CHARACTER}[31m"
    assert facts["ports"] == "80/tcp"
    assert [text for title, text in lines if title == "environment"] == ["PATH=/bin", "MODE=fast"]
    assert facts["layer"].endswith(" 1000")
    raw = await shell.ok("inspect", f"alice/app@{digest}", "--raw")
    assert f"sha256:{hashlib.sha256(raw.out.encode()).hexdigest()}" == digest
    config = await shell.ok("inspect", "alice/app:v1", "--config")
    assert f"sha256:{hashlib.sha256(config.out.encode()).hexdigest()}" == raw.json["config"]["digest"]
    told = (await shell.ok("inspect", "alice/app:v1", "--json")).json
    assert (told["digest"], told["manifest"], told["config"]) == (digest, raw.json, config.json)
    assert (await shell.ok("inspect", "alice/app:v1", "-q")).out == f"{digest}\n"
    text = await shell.on_terminal("inspect", "alice/app:v1", NO_COLOR="1")
    assert "\x1b" not in text
    assert "label:       org.example=one" in text
    assert "\x1b" not in await shell.on_terminal("inspect", "alice/app:v1", "--config", NO_COLOR="1")


async def test_a_platform_of_an_index_is_shown(shell: Shell) -> None:
    alice = await shell.registry.user("alice")
    shell.env["MOORAGE_TOKEN"] = alice
    index, (amd, arm) = await _two_platforms(shell.registry, "v1", alice)
    done = await shell.ok("inspect", "alice/app:v1")
    entries = [line.partition("\t")[2] for line in done.out.splitlines() if line.startswith("entry\t")]
    assert entries[:2] == [f"{amd} linux/amd64", f"{arm} linux/arm64"]
    assert entries[2].endswith(" attestation")
    assert (await shell.ok("inspect", "alice/app:v1", "-q")).out == f"{index}\n"
    assert (await shell.ok("inspect", "alice/app:v1", "-q", "--platform", "linux/arm64")).out == f"{arm}\n"
    got = await shell.ok("inspect", "alice/app:v1", "--config", "--platform", "linux/arm64")
    assert got.json["architecture"] == "arm64"
    which = await shell.fails(2, "inspect", "alice/app:v1", "--config")
    assert "the index has linux/amd64, linux/arm64\n" in which
    none = await shell.fails(3, "inspect", "alice/app:v1", "--platform", "plan9/mips")
    assert "there are linux/amd64, linux/arm64, attestation" in none
    none = await shell.fails(3, "inspect", "alice/app:v1-amd64", "--platform", "linux/arm64")
    assert "why: there is linux/amd64\n" in none


async def test_what_is_hidden_absent_or_without_config_is_told(shell: Shell) -> None:
    alice, bob = await shell.registry.user("alice"), await shell.registry.user("bob")
    await shell.registry.push_image("alice/app", "v1", alice)
    await push_referrer(shell.registry, "note", None, alice)
    shell.env["MOORAGE_TOKEN"] = alice
    assert (await shell.fails(3, "inspect", "alice/app:none")).startswith("error: alice/app:none: ")
    assert (await shell.fails(3, "inspect", "alice/app:v1", MOORAGE_TOKEN=bob)).startswith("error: ")
    assert f"try: moorage login {shell.host}" in await shell.fails(4, "inspect", "alice/app:v1", MOORAGE_TOKEN="")
    assert "type\tapplication/vnd.dev.sigstore" in (await shell.ok("inspect", "alice/app:note")).out
    assert (await shell.ok("inspect", "alice/app:note", "--config")).out == "{}"
    assert "names no tag and no digest" in await shell.fails(2, "inspect", "alice/app")


async def test_a_config_that_is_none_is_no_failure(shell: Shell) -> None:
    """A registry takes any bytes as a config; nobody has looked into it."""
    alice = await shell.registry.user("alice")
    shell.env["MOORAGE_TOKEN"] = alice
    bodies: tuple[object, ...] = (
        {"config": {"Env": "no list", "Labels": ["no", "object"], "Cmd": {"a": 1}}}, {"config": 7, "os": ["x"]}, [1], "x",
    )  # fmt: skip
    for body in (*(orjson.dumps(one) for one in bodies), b"\xff", b"[" * 100_000):
        descriptor = {
            "mediaType": "application/vnd.oci.image.config.v1+json", "size": len(body),
            "digest": await shell.registry.push_blob("alice/app", body, alice),
        }  # fmt: skip
        await put(
            shell.registry, "odd", {"schemaVersion": 2, "mediaType": OCI, "config": descriptor, "layers": []}, alice
        )
        assert "digest\tsha256:" in (await shell.ok("inspect", "alice/app:odd")).out
        await shell.ok("diff", "alice/app:odd", "alice/app:odd")


async def test_what_changed_between_two_images(shell: Shell) -> None:
    alice = await shell.registry.user("alice")
    shell.env["MOORAGE_TOKEN"] = alice
    _, (amd, arm) = await _two_platforms(shell.registry, "v1", alice, **_CONFIG)
    await _two_platforms(shell.registry, "v2", alice, **{**_CONFIG, "Env": ["PATH=/bin", "MODE=slow"], "User": ""})
    lines = (await shell.ok("diff", "alice/app:v1", "alice/app:v2")).out.splitlines()
    at = lines.index("linux/arm64")
    assert lines[0] == "linux/amd64"
    for part in (lines[:at], lines[at:]):
        assert [line[:11] for line in part[1:3]] == ["  - layer s", "  + layer s"]
        assert part[3:] == ["  - Env MODE=fast", "  + Env MODE=slow", "  - User=nobody", "  + User="]
    assert (await shell.ok("diff", "alice/app:v1", "alice/app:v2", "-q")).out == "linux/amd64\nlinux/arm64\n"
    only = await shell.ok("diff", "alice/app:v1", "alice/app:v2", "--config", "--platform", "linux/arm64")
    assert only.out.splitlines()[0] == "linux/arm64"
    assert "layer" not in only.out
    assert "Env" not in (await shell.ok("diff", "alice/app:v1", "alice/app:v2", "--layers")).out
    found = (await shell.ok("diff", "alice/app:v1", "alice/app:v2", "--json")).json["platforms"]
    assert [(one["platform"], one["change"], one["layers"]["same"]) for one in found] == [
        ("linux/amd64", "changed", 0), ("linux/arm64", "changed", 0),
    ]  # fmt: skip
    assert {"field": "Env MODE", "from": "fast", "to": "slow"} in found[0]["config"]
    assert (await shell.ok("diff", "alice/app:v1", "alice/app:v1")).err == "No difference.\n"
    one = await shell.ok("diff", "alice/app:v1", f"alice/app@{arm}")
    assert one.out == "- linux/amd64\n"
    assert (await shell.ok("diff", f"alice/app@{amd}", f"alice/app@{arm}")).out == "- linux/amd64\n+ linux/arm64\n"
    await shell.fails(3, "diff", "alice/app:v1", "alice/app:none")
    await shell.fails(3, "diff", "alice/app:v1", "alice/app:v2", "--platform", "plan9/mips")
    text = await shell.on_terminal("diff", "alice/app:v1", "alice/app:v2")
    assert "\x1b[32m  + Env MODE=slow\x1b[0m\r\n" in text
    assert "  0 layers the same\r\n" in text
