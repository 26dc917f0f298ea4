"""One layer of 10 GiB through a server of its own: memory above idle, the time of the final PUT, what S3 was asked.

    python -m tests.soak.big_layer [--gib 10]

Starts PostgreSQL, an S3 server, a proxy that counts the S3 operations, and `moorage serve`; exits 1 when a limit breaks.
"""

import argparse
import asyncio
import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from registry.accounts.accounts import create_token, create_user
from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.database import DatabaseSettings, open_database
from storage.metadata.migrate import migrate
from storage.objects.s3.store import S3Settings, S3Store
from tests.support.faults import FaultProxy
from tests.support.processes import children_of
from tests.support.server import PACKAGES, basic, settings_env

MIB = 1024 * 1024
LIMIT_MIB = 150
BLOCK = secrets.token_bytes(MIB)


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    return [pid, *(p for child in children_of(pid) for p in tree(child))]


def memory_mib(pid: int) -> float:
    """The proportional set size of a process and its descendants (shared pages count once)."""
    total = 0
    for member in tree(pid):
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


async def layer(size: int, hasher: "hashlib._Hash") -> AsyncIterator[bytes]:
    for number in range(size // MIB):
        piece = number.to_bytes(16, "big") + BLOCK[16:]
        hasher.update(piece)
        yield piece


async def prepare(database_url: str, endpoint: str, bucket: str) -> str:
    await migrate(database_url)
    async with S3Store.open(S3Settings(bucket=bucket, endpoint=endpoint)) as store:
        await store.ensure_bucket()
    async with open_database(DatabaseSettings(database_url)) as db:
        await create_user(db, "alice")
        plain, _ = await create_token(db, "alice", PACKAGES)
        return plain.reveal()


async def push(url: str, token: str, size: int, pid: int) -> dict[str, float]:
    hasher, peak, idle = hashlib.sha256(), 0.0, memory_mib(pid)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=600)
    async with aiohttp.ClientSession(url, headers=basic(token), timeout=timeout) as http:
        async with http.post("/v2/alice/big/blobs/uploads/") as started:
            location = started.headers["Location"]
        sending = asyncio.ensure_future(http.patch(location, data=layer(size, hasher)))
        begun = time.monotonic()
        while not sending.done():
            peak = max(peak, memory_mib(pid))
            await asyncio.sleep(0.2)
        patched = await sending
        seconds = time.monotonic() - begun
        assert patched.status == 202, (patched.status, await patched.text())
        begun = time.monotonic()
        async with http.put(location, params={"digest": f"sha256:{hasher.hexdigest()}"}) as done:
            put_seconds = time.monotonic() - begun
            assert done.status == 201, (done.status, await done.text())
        async with http.post("/v2/alice/big/blobs/uploads/") as started:
            location = started.headers["Location"]
        refusal = await refused(url, location, token, 10 * 1024 * MIB + 1)
    return {"idle": idle, "peak": peak, "seconds": seconds, "put": put_seconds, "refused": refusal}


async def refused(url: str, location: str, token: str, size: int) -> int:
    """The status that a layer of ``size`` bytes gets before any of them is sent."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"PATCH {location} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n"
    writer.write((head + f"Authorization: {basic(token)['Authorization']}\r\n\r\n").encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


def serve(env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "registry", "serve"], env={**os.environ, **env})  # noqa: TID251


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=10.0)
    size = int(parser.parse_args().gib * 1024) * MIB
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder, "pg")) as postgres,
        EmbeddedS3(Path(folder, "s3")) as s3,
        FaultProxy(s3.endpoint) as proxy,
    ):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        env = settings_env(postgres.dsn(), s3, "soak", MOORAGE_LISTEN=f"127.0.0.1:{port}")
        env |= {"MOORAGE_S3_ENDPOINT": proxy.url, "MOORAGE_UPLOAD_SECONDS": "3600", "MOORAGE_WORKERS": "2"}
        os.environ.update({k: v for k, v in env.items() if k.startswith("AWS_")})  # noqa: TID251
        token = await prepare(postgres.dsn(), s3.endpoint, "soak")
        server = serve(env)
        try:
            url = f"http://127.0.0.1:{port}"
            await listening(port)
            figures = await push(url, token, size, server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
        return report(figures, size, {op: proxy.count(op) for op in sorted(set(proxy.seen))})


async def listening(port: int) -> None:
    for _ in range(200):
        try:
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
        except OSError:
            await asyncio.sleep(0.1)
        else:
            return


def report(figures: dict[str, float], size: int, operations: dict[str, int]) -> int:
    above = figures["peak"] - figures["idle"]
    print(f"one layer of {size / 1024**3:g} GiB: {size / MIB / figures['seconds']:.0f} MiB/s")
    print(
        f"memory of all server processes: idle {figures['idle']:.0f} MiB, peak {figures['peak']:.0f}, above {above:.0f}"
    )
    print(f"final PUT: {figures['put']:.3f} s")
    print(f"S3 operations: {operations}")
    print(f"10 GiB + 1 byte: {figures['refused']:.0f}")
    read_back = operations.get("GetObject", 0) + operations.get("CopyObject", 0) + operations.get("UploadPartCopy", 0)
    good = above <= LIMIT_MIB and figures["put"] < 1 and not read_back and figures["refused"] == 413
    print("within the limits" if good else "OUTSIDE the limits")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
