"""Three replicas behind a proxy, each of which may be ended and started again."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from registry.devservers.certificates import write_certificate
from registry.devservers.processes import free_ports
from tests.proxies.programs import proxy
from tests.support.processes import ROOT, ready, started
from tests.support.tcp import TcpProxy

#: As docs/operate/proxies.md has it: three intervals of the health check.
_SETTINGS: Final = {"MOORAGE_DRAIN_SECONDS": "3", "MOORAGE_WORKERS": "1"}


@dataclass
class Replicas:
    """Three times `moorage serve`, each at an address of its own, by the code of ``checkout``."""

    env: Mapping[str, str]
    log: Path
    checkout: Path = ROOT
    urls: list[str] = field(default_factory=lambda: [f"http://127.0.0.1:{port}" for port in free_ports(3)])
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self) -> None:
        self.processes = [await self._started(url) for url in self.urls]
        for url in self.urls:
            await ready(url)

    async def restart(self, number: int, by: signal.Signals = signal.SIGTERM) -> None:
        """End one by a signal, wait for its end, and start it again."""
        self.processes[number].send_signal(by)
        assert await self.processes[number].wait() == (0 if by is signal.SIGTERM else -by)
        self.processes[number] = await self._started(self.urls[number])
        await ready(self.urls[number])

    async def _started(self, url: str) -> asyncio.subprocess.Process:
        env = {**self.env, "PYTHONPATH": str(self.checkout)}
        return await started(env, url, self.log, "env", "-C", str(self.checkout))

    async def stop(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


@asynccontextmanager
async def deployed(
    program: str, env: Mapping[str, str], folder: Path, checkout: Path = ROOT
) -> AsyncIterator[tuple[Replicas, TcpProxy, str]]:
    """Replicas, the line that clients come by, and its address."""
    write_certificate(folder, datetime.now(UTC) + timedelta(days=1))
    (port,) = free_ports(1)
    async with TcpProxy(f"https://127.0.0.1:{port}") as line:
        public = line.through(f"https://127.0.0.1:{port}")
        told = {"MOORAGE_PUBLIC_URL": public, "MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8"}
        replicas = Replicas({**env, **_SETTINGS, **told}, folder / "replicas.log", checkout)
        try:
            await replicas.start()
            async with proxy(program, port, [urlsplit(url).netloc for url in replicas.urls], folder):
                await asyncio.sleep(4)  # until health checks have found all of them
                yield replicas, line, urlsplit(public).netloc
        finally:
            await replicas.stop()
