"""`moorage-credential-provider`: the protocol of the kubelet (KEP-4412), by a copy of the one file, as a node has it."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from registry.cli.client import kubelet_credentials

_V1 = "credentialprovider.kubelet.k8s.io/v1"
_REQUEST = {"kind": "CredentialProviderRequest", "apiVersion": _V1, "image": "localhost:5290/team-a/app"}


@pytest.fixture
def plugin(tmp_path: Path) -> list[str]:
    """As on a node: one file, in a folder of its own, with a Python that knows no packages."""
    copy = shutil.copy(kubelet_credentials.__file__, tmp_path / "moorage-credential-provider")
    return [sys.executable, "-I", "-S", str(copy)]


def asked(plugin: list[str], given: bytes) -> tuple[int, str, str]:
    done = subprocess.run(plugin, input=given, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("localhost:5290/team-a/app", "localhost:5290"),
        ("registry.example.com/team-a/app", "registry.example.com"),
        ("[::1]:5000/a/b", "[::1]:5000"),
    ],
)
def test_the_token_is_the_password_for_the_host(plugin: list[str], image: str, host: str) -> None:
    given = {**_REQUEST, "image": image, "serviceAccountToken": "a.b.c", "serviceAccountAnnotations": {"x": "y"}}
    status, out, err = asked(plugin, orjson.dumps(given))
    assert (status, err) == (0, "")
    assert orjson.loads(out) == {
        "kind": "CredentialProviderResponse",
        "apiVersion": _V1,
        "cacheKeyType": "Registry",
        "cacheDuration": "0s",
        "auth": {host: {"username": "oidc", "password": "a.b.c"}},
    }


def test_without_a_token_there_are_no_credentials(plugin: list[str]) -> None:
    status, out, err = asked(plugin, orjson.dumps(_REQUEST))
    assert (status, orjson.loads(out)["auth"], err) == (0, {}, "")


@pytest.mark.parametrize(
    "given",
    [
        b"", b"\xff", b"[]", b"[" * 100_000, b'{"kind": "Other"}', b"x" * 1_100_000,
        orjson.dumps({**_REQUEST, "apiVersion": "credentialprovider.kubelet.k8s.io/v1beta1"}),
        orjson.dumps({**_REQUEST, "image": "nginx"}),
        orjson.dumps({**_REQUEST, "image": "library/nginx"}),
        orjson.dumps({**_REQUEST, "image": 7}),
        orjson.dumps({**_REQUEST, "serviceAccountToken": ["secret"]}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(plugin: list[str], given: bytes) -> None:
    status, out, err = asked(plugin, given)
    assert (status, out) == (1, "")
    assert err.startswith("moorage-credential-provider: ")
    assert err.count("\n") == 1
    assert "secret" not in err


def test_little_is_imported(plugin: list[str]) -> None:
    """A kubelet waits for it at each pull."""
    code = f"import sys; exec(open({plugin[-1]!r}).read(), {{'__name__': 'plugin'}}); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    loaded: Any = {name.partition(".")[0] for name in shown.stdout.split()}
    assert not loaded - set(sys.stdlib_module_names) - {"__main__"}
    assert not loaded & {"asyncio", "ssl", "socket", "http", "urllib", "argparse", "typing", "subprocess"}
