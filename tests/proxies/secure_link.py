"""An nginx with a configuration of docs/operate/redirects, which sends the blobs of a registry."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from aiobotocore.session import AioSession

from registry.devservers.processes import free_ports
from tests.proxies.programs import nginx
from tests.support.counting import Line, counting
from tests.support.server import Registry, on_disk, running

_FILES = Path(__file__).parent.parent.parent / "docs" / "operate" / "redirects"
_SECRET = "x1" * 20


@dataclass
class Secured:
    """A registry, and the nginx that sends its blobs."""

    registry: Registry
    env: dict[str, str]
    url: str  # of nginx
    secret: Path
    s3: Line


def _configured(file: str, port: int, **instead: str) -> str:
    """The configuration with the port, and what else is of this machine; without TLS."""
    text = re.sub(r"^ +ssl_.*\n", "", (_FILES / file).read_text(), flags=re.MULTILINE)
    for example, here in {"443 ssl": f"127.0.0.1:{port}", "$uri SECRET": f"$uri {_SECRET}", **instead}.items():
        assert example in text
        text = text.replace(example, here)
    return text


async def _open_bucket(env: dict[str, str]) -> None:
    """Let everybody who reaches the S3 server read, as an operator would let the address of nginx."""
    bucket = env["MOORAGE_S3_BUCKET"]
    read = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/b/*"}
    policy = orjson.dumps({"Version": "2012-10-17", "Statement": [read]}).decode()
    async with AioSession().create_client(
        "s3",
        endpoint_url=env["MOORAGE_S3_ENDPOINT"],
        region_name="us-east-1",
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    ) as client:
        await client.put_bucket_policy(Bucket=bucket, Policy=policy)


@asynccontextmanager
async def secured(kind: str, env: dict[str, str], folder: Path) -> AsyncIterator[Secured]:
    """A registry whose blobs on a disk, or in S3, are sent by nginx."""
    (port,), secret = free_ports(1), folder / "secret"
    secret.write_text(_SECRET + "\n")
    rules = [{"to": "secure_link", "url": f"http://127.0.0.1:{port}", "secret_file": str(secret)}]
    env |= {"MOORAGE_REDIRECTS": orjson.dumps(rules).decode()}
    async with counting(urlsplit(env["MOORAGE_S3_ENDPOINT"]).netloc) as s3:
        if kind == "disk":
            (folder / "store").mkdir()
            env = on_disk(env, folder / "store")
            text = _configured("nginx-disk.conf", port, **{"/srv/moorage": str(folder / "store")})
        else:
            text = _configured(
                "nginx-s3.conf",
                port,
                **{
                    "s3.internal:9000/BUCKET": f"{s3.host}/{env['MOORAGE_S3_BUCKET']}",
                    "/var/cache/nginx": str(folder),
                },
            )
        async with running(env) as registry, nginx(text, folder):
            if kind == "S3":
                await _open_bucket(env)
            await _answers(port)
            yield Secured(registry, env, f"http://127.0.0.1:{port}", secret, s3)


async def _answers(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
