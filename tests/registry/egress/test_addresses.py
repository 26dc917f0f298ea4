"""Where a user's URL may lead (S51): to the internet and to what the operator allows; looked at by the address itself."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from registry.devservers.certificates import write_certificate
from registry.egress.addresses import is_open
from registry.egress.client import ANSWER_BYTES, Egress, Refused
from storage.errors import Unavailable

_LOCAL = (ip_network("127.0.0.0/8"),)

_REFUSED = (
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.9.10", "168.63.129.16",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.168.1.1", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2001:0:7f00:1::", "2001:db8::1", "2002:7f00:1::", "fc00::1",
    "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "no-address",
)  # fmt: skip


@pytest.mark.parametrize("address", _REFUSED)
def test_s51_not_of_the_internet(address: str) -> None:
    assert not is_open(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_s51_of_the_internet(address: str) -> None:
    assert is_open(address)


def test_s51_what_the_operator_allows() -> None:
    networks = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert is_open("10.1.2.3", networks)
    assert is_open("::ffff:10.1.2.3", networks)
    assert is_open("fd12::1", networks)
    assert not is_open("10.2.0.1", networks)


class _Receiver:
    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.answer = web.Response(text="taken")

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path_qs, dict(request.headers), await request.read()))
        return self.answer


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[_Receiver, int]]:
    got = _Receiver()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", got.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield got, runner.addresses[0][1]
    await runner.cleanup()


async def test_a_document_is_sent(receiver: tuple[_Receiver, int]) -> None:
    got, port = receiver
    answer = await Egress(_LOCAL).deliver(f"http://127.0.0.1:{port}/in?to=me", b"body", {"X-One": "1"})
    assert (answer.status, answer.body) == (200, b"taken")
    path, headers, body = got.asked[0]
    assert (path, headers["X-One"], body) == ("/in?to=me", "1", b"body")
    assert headers["Host"] == f"127.0.0.1:{port}"


#: Of each form that an address has; all lead to the receiver, if they are let.
_FORMS = ("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]",
          "[::ffff:7f00:1]", "[::]", "localhost", "LOCALHOST.", "localhost.localdomain", "%6cocalhost")  # fmt: skip


@pytest.mark.parametrize("host", _FORMS)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_s51_this_machine_is_not_even_connected_to(host: str, scheme: str) -> None:
    connections = []

    def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        writer.close()

    async with await asyncio.start_server(take, "localhost", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable):
            await Egress().deliver(f"{scheme}://{host}:{port}/a-secret-path", b"", {})
    assert not connections


def _names(*addresses: str) -> Any:
    """A look-up that knows one name after another, as a server of names that changes its mind."""
    told = list(addresses)

    def look_up(_host: str, port: int, *_more: object, **_flags: object) -> list[Any]:
        address = told.pop(0)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        where = (address, port, 0, 0) if family == socket.AF_INET6 else (address, port)
        return [(family, socket.SOCK_STREAM, 6, "", where)]

    return look_up


@pytest.mark.parametrize(
    "address", [one for one in _REFUSED if one[0].isalnum() and "%" not in one and one != "no-address"]
)
async def test_s51_a_name_is_judged_by_its_address(address: str) -> None:
    with pytest.raises(Refused, match="refused address") as refused:
        await Egress(look_up=_names(address)).deliver("https://hooks.example/T0/secret", b"", {})
    assert address not in str(refused.value), "names of the operator's network are not told"


async def test_s51_a_name_is_looked_up_once(receiver: tuple[_Receiver, int]) -> None:
    """The second answer would be refused; there is no second question."""
    got, port = receiver
    egress = Egress(_LOCAL, look_up=_names("127.0.0.1", "169.254.169.254"))
    assert (await egress.deliver(f"http://hooks.example:{port}/", b"", {})).status == 200
    with pytest.raises(Refused):
        await egress.deliver(f"http://hooks.example:{port}/", b"", {})
    assert got.asked[0][1]["Host"] == f"hooks.example:{port}"


async def test_s51_a_redirect_is_not_followed(receiver: tuple[_Receiver, int]) -> None:
    got, port = receiver
    got.answer = web.Response(status=307, headers={"Location": f"http://127.0.0.1:{port}/elsewhere"})
    assert (await Egress(_LOCAL).deliver(f"http://127.0.0.1:{port}/", b"", {})).status == 307
    assert [path for path, _, _ in got.asked] == ["/"]


async def test_s51_plain_http_goes_to_allowed_networks_only() -> None:
    for scheme in ("http", "HTTP"):
        with pytest.raises(Refused):
            await Egress(_LOCAL, look_up=_names("8.8.8.8")).deliver(f"{scheme}://hooks.example/", b"", {})


async def test_a_long_answer_is_cut(receiver: tuple[_Receiver, int]) -> None:
    got, port = receiver
    got.answer = web.Response(body=b"x" * 1_000_000)
    answer = await Egress(_LOCAL).deliver(f"http://127.0.0.1:{port}/", b"", {})
    assert answer.body == b"x" * ANSWER_BYTES


async def test_an_error_names_the_host_and_no_secret() -> None:
    with pytest.raises(Unavailable, match=r"cannot reach hooks\.invalid:") as refused:
        await Egress(look_up=_failing).deliver("https://hooks.invalid/services/T00/s3cr3t?key=s3cr3t", b"", {})
    assert "s3cr3t" not in str(refused.value)


def _failing(*_: object, **__: object) -> list[Any]:
    raise socket.gaierror("not known")


async def test_a_certificate_of_nobody_is_not_believed(tmp_path: Path) -> None:
    files = write_certificate(tmp_path / "tls", datetime.now(UTC) + timedelta(days=1))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    requests = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.read(1))
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable, match="its certificate is of no authority known here"):
            await Egress(_LOCAL).deliver(f"https://127.0.0.1:{port}/", b"", {})
    assert not requests


async def test_a_receiver_that_answers_nothing_is_left() -> None:
    over = asyncio.Event()

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable, match="no answer in time"):
            await Egress(_LOCAL, hook_seconds=0.2).deliver(f"http://127.0.0.1:{port}/", b"", {})
        over.set()
        await asyncio.sleep(0)
