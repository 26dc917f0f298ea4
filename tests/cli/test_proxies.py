"""The way out that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.cli.client.errors import CommandError
from registry.cli.client.proxies import proxy_for
from registry.devservers.certificates import write_certificate
from tests.cli.commands import Shell
from tests.cli.proxy import proxy
from tests.support.server import running

NAME = "registry.test"


@pytest.fixture
async def secure(env: dict[str, str], tmp_path: Path) -> AsyncIterator[Shell]:
    """A shell of a registry whose certificate is for a name that nobody can look up."""
    files = write_certificate(tmp_path / "tls", datetime.now(UTC) + timedelta(days=9), names=[NAME])
    more = {"MOORAGE_TLS_CERT": str(files.certificate), "MOORAGE_TLS_KEY": str(files.key)}
    async with running({**env, **more}) as served:
        yield Shell(served, tmp_path, {"MOORAGE_HOST": NAME, "SSL_CERT_FILE": str(files.certificate)})


async def test_https_goes_through_a_tunnel(secure: Shell) -> None:
    token = await secure.registry.user("alice")
    secure.env["MOORAGE_TOKEN"] = token
    async with proxy(secure.registry.url) as out:
        secure.env["HTTPS_PROXY"] = f"http://{out.address}"
        assert (await secure.ok("whoami", "-q")).out == "alice\n"
        assert set(out.asked) == {f"CONNECT {NAME}:443"}
        out.wants = "Basic " + base64.b64encode(b"me:p@ss").decode()
        told = await secure.fails(7, "whoami")
        assert told.startswith(f"error: cannot reach {NAME}\n  why: by the proxy {out.address}: ")
        assert told.endswith("407 proxy authentication required\n")
        out.asked.clear()
        await secure.fails(7, "packages")
        assert len(out.asked) == 1, "a password that is wrong is not tried again"
        secure.env["HTTPS_PROXY"] = f"http://me:p%40ss@{out.address}"
        done = await secure.ok("whoami", "--verbose")
        assert "p@ss" not in done.out + done.err
        assert "p%40ss" not in done.out + done.err
        told = await secure.fails(7, "whoami", SSL_CERT_FILE="/dev/null")
        assert "its certificate is not trusted" in told
    told = await secure.fails(7, "whoami")
    assert told.endswith(f"why: by the proxy {out.address}: connection refused\n")
    assert "p@ss" not in told
    assert "expected http://HOST:PORT" in await secure.fails(2, "whoami", HTTPS_PROXY="socks5://127.0.0.1:1")


async def test_http_goes_with_whole_addresses(shell: Shell) -> None:
    token = await shell.registry.user("alice")
    digest = await shell.registry.push_image("alice/app", "v1", token)
    async with proxy(shell.registry.url) as out:
        out.wants = "Basic " + base64.b64encode(b"me:secret").decode()
        shell.env |= {"HTTP_PROXY": f"http://me:secret@{out.address}", "MOORAGE_TOKEN": token, "MOORAGE_HOST": NAME}
        assert (await shell.ok("whoami", "-q", "--insecure")).out == "alice\n"
        assert f"GET http://{NAME}/api/v3/user" in out.asked
        assert (await shell.ok("tree", "alice/app:v1", "-q", "--insecure")).out == f"{digest}\n"
        told = await shell.fails(7, "whoami", "--insecure", HTTP_PROXY=f"http://me:wrong@{out.address}")
        assert "407" in told
        assert "wrong" not in told
        assert "proxy" not in await shell.fails(7, "whoami", "--insecure", NO_PROXY=NAME)
        out.asked.clear()
        assert (await shell.ok("whoami", "-q", MOORAGE_HOST=shell.host)).out == "alice\n"
        assert out.asked == [], "this machine is reached directly"


@pytest.mark.parametrize(
    ("exceptions", "host", "direct"),
    [
        ("*", "r.example", True), ("r.example", "r.example", True), ("example", "r.example", True),
        ("ample", "r.example", False), (".example", "r.example", True), (".r.example", "r.example", False),
        ("*.example", "r.example", True), ("a, r.example", "r.example:5000", True), ("R.EXAMPLE", "r.example", True),
        ("r.example:5000", "r.example:5000", True), ("r.example:5000", "r.example", False), ("r.example:443", "r.example", True),
        ("10.0.0.0/8", "10.1.2.3", True), ("10.0.0.0/8", "11.1.2.3:443", False), ("10.1.2.3", "10.1.2.3", True),
        ("10.0.0.0/8", "ten.example", False), ("fd00::/8", "[fd00::1]:5000", True), ("[fd00::1]", "[fd00::1]", True),
        ("", "r.example", False), ("no/sense", "r.example", False),
    ],
)  # fmt: skip
def test_exceptions(exceptions: str, host: str, direct: bool) -> None:
    env = {"HTTPS_PROXY": "proxy.example:3128", "no_proxy": exceptions}
    assert (proxy_for(env, "https", host) is None) == direct
    assert proxy_for(env, "http", host) is None


@pytest.mark.parametrize("text", ["https://p:1", "http://p:x", "http://", "p:99999", "http://:1"])
def test_a_proxy_that_is_none_is_told_without_its_secret(text: str) -> None:
    with pytest.raises(CommandError) as told:
        proxy_for({"https_proxy": text.replace("//p", "//me:secret@p")}, "https", "r.example")
    assert "secret" not in "".join(told.value.facts().values())
