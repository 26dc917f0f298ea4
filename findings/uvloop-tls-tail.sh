#!/usr/bin/env bash
# uvloop 0.23.0: bytes of TLS that have arrived are dropped when the peer closes while reading is paused.
#
# Who does so: servers that say close_notify behind a response and close at once (versitygw, nginx at the end of
# keepalive_requests), and readers that pause for back-pressure, such as aiohttp's client with a body that is taken slowly.
#
# Expected: after resume_reading() the protocol gets every byte that came before the close, as on asyncio's own loop.
# Seen:     connection_lost(None) with bytes missing. On TCP's end SSLProtocol.eof_received closes the transport, also
#           while data is waiting to be decrypted. Nothing tells it from an end: who has a length has to compare it.
# Source:   https://github.com/MagicStack/uvloop (sslproto.pyx: eof_received)
#
# Exits 0 while that is so, 1 when it has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" --quiet --disable-pip-version-check install uvloop==0.23.0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
  -keyout "$place/key.pem" -out "$place/certificate.pem" 2>"$place/log"
cd "$place"
"$place/venv/bin/python" - <<'PY'
import asyncio
import contextlib
import socket
import ssl
import sys
import threading

import uvloop

SIZE = 200_000


def serve(listener: socket.socket) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("certificate.pem", "key.pem")
    connection, _ = listener.accept()
    came, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    talk = context.wrap_bio(came, going, server_side=True)
    for step in (talk.do_handshake, lambda: talk.read(1)):  # the client has paused when it sends a byte
        while True:
            try:
                step()
                break
            except ssl.SSLWantReadError:
                connection.sendall(going.read())
                came.write(connection.recv(65536))
    talk.write(bytes(SIZE))
    with contextlib.suppress(ssl.SSLWantReadError):
        talk.unwrap()  # close_notify
    connection.sendall(going.read())
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65536):
        pass
    connection.close()


class Reader(asyncio.Protocol):
    def __init__(self) -> None:
        self.got = 0
        self.lost = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.got += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


async def read() -> int:
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    loop = asyncio.get_running_loop()
    transport, reader = await loop.create_connection(Reader, *listener.getsockname(), ssl=context)
    transport.pause_reading()
    transport.write(b"x")
    await asyncio.sleep(1)
    with contextlib.suppress(RuntimeError):
        transport.resume_reading()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(reader.lost), 5)
    return reader.got


with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
    plain = runner.run(read())
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    fast = runner.run(read())
print(f"sent {SIZE} bytes; asyncio's loop: {plain} arrived; uvloop: {fast}")
sys.exit(not (plain == SIZE > fast))
PY
