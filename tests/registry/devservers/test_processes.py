"""Ports for servers of our own: those that nobody has, at any address."""

import socket
from itertools import chain
from pathlib import Path

import pytest

from registry.devservers.processes import free_ports, is_free, server_ports


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::"])
def test_a_port_that_any_address_has_is_not_free(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    (port,) = free_ports(1)
    assert is_free(port)
    with socket.create_server((address, port), family=family):
        assert not is_free(port)
    assert is_free(port)


def test_a_port_that_a_connection_goes_out_from_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as ours:
        ours.connect(listener.getsockname())
        assert not is_free(ours.getsockname()[1])


def test_ports_are_none_that_outgoing_connections_have(tmp_path: Path) -> None:
    system = tmp_path / "ip_local_port_range"
    for low, high in ((32768, 60999), (10_000, 65_535), (1024, 30_000), (25_000, 26_000)):
        system.write_text(f"{low}\t{high}\n")
        ports = list(chain(*server_ports(system)))
        assert len(ports) > 1000
        assert not [port for port in ports if low <= port <= high or port < 1024 or port > 65_535]


@pytest.mark.parametrize("text", ["1024\t65535\n", "", None])
def test_there_are_ports_where_outgoing_connections_have_all_or_nobody_tells(tmp_path: Path, text: str | None) -> None:
    system = tmp_path / "ip_local_port_range"
    if text is not None:
        system.write_text(text)
    assert len(list(chain(*server_ports(system)))) > 1000
