"""The reverse proxies of docs/operate/proxies.md, run with the configurations in the folder beside that page."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

_FILES: Final = Path(__file__).parent.parent.parent / "docs" / "operate" / "proxies"
_REPLICAS: Final = ("10.0.0.11", "10.0.0.12", "10.0.0.13")
_NGINX: Final = """
daemon off; pid {folder}/pid; error_log stderr; worker_processes 1; user {user};
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{block}
}}
"""
_APACHE: Final = """
ServerRoot {folder}
PidFile {folder}/pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
Mutex file:{folder}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
{modules}
{block}
"""
_MODULES: Final = (
    "mpm_event", "authz_core", "env", "headers", "http2", "lbmethod_byrequests", "proxy", "proxy_balancer",
    "proxy_http", "reqtimeout", "slotmem_shm", "socache_shmcb", "ssl",
)  # fmt: skip
_CADDY: Final = """
{{
    admin off
    auto_https disable_redirects
    storage file_system {folder}/caddy
}}
{block}
"""


def _configuration(file: str, port: int, upstreams: list[str], folder: Path) -> str:
    """The configuration of a proxy, with the addresses and files of this test in place of those of the example."""
    text = (_FILES / file).read_text()
    for example, here in zip(_REPLICAS, upstreams, strict=True):
        host, _, number = here.partition(":")
        assert example in text
        text = text.replace(f"{example}:5000", here)
        text = text.replace(f"{{address: {example}, port_value: 5000}}", f"{{address: {host}, port_value: {number}}}")
    for example, here in (
        ("/etc/ssl/registry", str(folder / "tls")),
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("bind :443", f"bind 127.0.0.1:{port}"),
        ("*:443", f"127.0.0.1:{port}"),
        ("registry.example {", f"https://127.0.0.1:{port} {{\n    tls {folder}/tls.crt {folder}/tls.key"),
        ("Host(`registry.example`)", "Host(`127.0.0.1`)"),
        ("address: 0.0.0.0, port_value: 443", f"address: 127.0.0.1, port_value: {port}"),
    ):
        text = text.replace(example, here)
    return text


def _command(program: str, port: int, upstreams: list[str], folder: Path, without: str) -> list[str]:
    """Write the configuration, and return the command line that runs it in the foreground."""
    config = folder / "config"

    def configuration(file: str) -> str:
        return _configuration(file, port, upstreams, folder)

    match program:
        case "nginx":
            block = configuration("nginx.conf")
            assert without in block
            return _nginx(block.replace(without, ""), folder)
        case "haproxy":
            config.write_text(configuration("haproxy.cfg"))
            return ["haproxy", "-db", "-f", str(config)]
        case "apache2":
            modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in _MODULES)
            block = configuration("apache.conf")
            config.write_text(_APACHE.format(folder=folder, port=port, modules=modules, block=block))
            return ["apache2", "-X", "-f", str(config)]
        case "traefik":
            dynamic, static = folder / "dynamic.yml", folder / "traefik.yml"
            dynamic.write_text(configuration("traefik-dynamic.yml"))
            told = (_FILES / static.name).read_text().replace("/etc/traefik/dynamic.yml", str(dynamic))
            static.write_text(told.replace(":443", f"127.0.0.1:{port}"))
            return ["traefik", f"--configFile={static}"]
        case "envoy":
            config.write_text(configuration("envoy.yaml"))
            return ["envoy", "--use-dynamic-base-id", "--log-level", "warning", "--config-yaml", config.read_text()]
        case _:
            config.write_text(_CADDY.format(folder=folder, block=configuration("Caddyfile")))
            return ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)]


def _nginx(block: str, folder: Path) -> list[str]:
    user, config = "root" if os.geteuid() == 0 else "nobody", folder / "config"
    config.write_text(_NGINX.format(folder=folder, user=user, block=block))
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(config)]


@asynccontextmanager
async def nginx(block: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """nginx with these servers, ended with the block."""
    async with _running(_nginx(block, folder)) as process:
        yield process


@asynccontextmanager
async def proxy(
    program: str, port: int, upstreams: list[str], folder: Path, without: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The proxy of this name before ``upstreams``, ended with the block; the certificate is in ``folder``.

    ``without``: what is left out of the configuration of nginx.
    """
    assert shutil.which(program) is not None, f"there is no {program}: make leaves it out"
    (folder / "tls.pem").write_bytes((folder / "tls.crt").read_bytes() + (folder / "tls.key").read_bytes())
    async with _running(_command(program, port, upstreams, folder, without)) as process:
        yield process


@asynccontextmanager
async def _running(words: list[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
