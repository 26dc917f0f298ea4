"""Whose address a request counts for: X-Forwarded-For is believed of configured proxies only."""

from ipaddress import ip_network
from types import SimpleNamespace
from typing import cast

import pytest
from multidict import CIMultiDict

from registry.http.proxies import client_address
from registry.http.server.message import Request

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def request(peer: object, *forwarded: str) -> Request:
    client = SimpleNamespace(remote=str(peer[0]) if isinstance(peer, tuple) else "")  # as a connection has it
    headers = CIMultiDict(("X-Forwarded-For", value) for value in forwarded)
    return cast("Request", SimpleNamespace(client=client, headers=headers))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        (("192.0.2.1", 1), [], "192.0.2.1"),
        (("192.0.2.1", 1), ["198.51.100.1"], "192.0.2.1"),
        (("10.0.0.1", 1), [], "10.0.0.1"),
        (("10.0.0.1", 1), ["198.51.100.1"], "198.51.100.1"),
        (("10.0.0.1", 1), ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
        (("10.0.0.1", 1), ["203.0.113.9", " 198.51.100.1 , 10.1.1.1"], "198.51.100.1"),
        (("10.0.0.1", 1), ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        (("10.0.0.1", 1), ["198.51.100.1, nonsense"], "10.0.0.1"),
        (("10.0.0.1", 1), ["198.51.100.1:443"], "198.51.100.1"),
        (("10.0.0.1", 1), ["203.0.113.9:1, 10.1.1.1:65535"], "203.0.113.9"),
        (("10.0.0.1", 1), ["[2001:db8:1:2:3::4]:443"], "2001:db8:1:2::/64"),
        (("10.0.0.1", 1), ["[2001:db8:1:2:3::4]"], "2001:db8:1:2::/64"),
        (("10.0.0.1", 1), ["198.51.100.1:x"], "10.0.0.1"),
        (("10.0.0.1", 1), ["[2001:db8::1"], "10.0.0.1"),
        (("::ffff:10.0.0.1", 1, 0, 0), ["198.51.100.1"], "198.51.100.1"),
        (("fd00::1", 1, 0, 0), ["2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1, 0, 0), [], "fe80::/64"),
        ("/run/socket", ["198.51.100.1"], "None"),
        (None, [], "None"),
    ],
)
def test_whose_address(peer: object, forwarded: list[str], expected: str) -> None:
    assert client_address(request(peer, *forwarded), TRUSTED) == expected
