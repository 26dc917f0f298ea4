"""What a kube-apiserver shows of its service accounts, over TLS with an authority of its own, and tokens as it signs."""

import asyncio
import base64
import datetime as dt
import hashlib
import ipaddress
import ssl
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

#: The issuer that clusters made with the usual tools have.
USUAL = "https://kubernetes.default.svc.cluster.local"
_KEYS = "application/jwk-set+json"


def _kid(key: Any) -> str:
    """As Kubernetes has it: of the DER of the public key."""
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.urlsafe_b64encode(hashlib.sha256(key.public_key().public_bytes(*spki)).digest()).decode().rstrip("=")


@dataclass
class Cluster:
    """A cluster's signing keys. ``token``: the bearer token without which its API server answers 403."""

    issuer: str = USUAL
    key: Any = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    alg: str = "RS256"
    token: str | None = None
    url: str = ""
    ca_file: str = ""
    fetched: int = 0

    @property
    def jwks(self) -> dict[str, Any]:
        """What ``kubectl get --raw /openid/v1/jwks`` prints."""
        algorithm: Any = RSAAlgorithm if self.alg == "RS256" else ECAlgorithm
        public = dict(algorithm.to_jwk(self.key.public_key(), as_dict=True))
        return {"keys": [{"use": "sig", **public, "kid": _kid(self.key), "alg": self.alg}]}

    def signed(self, namespace: str | None = "alice", account: str = "app", **changed: object) -> str:
        """A token of a service account, bound to a pod, as 1.34 makes it."""
        now = int(time.time())
        claims = {
            "aud": ["moorage"],
            "exp": now + 3600,
            "iat": now,
            "nbf": now,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {
                "namespace": namespace,
                "node": {"name": "node1", "uid": str(uuid.uuid4())},
                "pod": {"name": "web-1", "uid": str(uuid.uuid4())},
                "serviceaccount": {"name": account, "uid": str(uuid.uuid4())},
            },
            "sub": f"system:serviceaccount:{namespace}:{account}",
            **changed,
        }
        return jwt.encode(claims, self.key, algorithm=self.alg, headers={"kid": _kid(self.key)})

    async def serve(self, http: web.Request) -> web.Response:
        self.fetched += 1
        if self.token is not None and http.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"kind": "Status", "code": 403}, status=403)
        if http.path == "/openid/v1/jwks":
            # As the API server does: it has no other type.
            accept = http.headers.get("Accept", "*/*")
            if _KEYS not in accept and "*/*" not in accept:
                return web.Response(status=406, text=f"Available representations: {_KEYS}")
            return web.json_response(self.jwks, content_type=_KEYS)
        return web.json_response({"issuer": self.issuer, "jwks_uri": f"{self.url}/openid/v1/jwks"})


@asynccontextmanager
async def serving(cluster: Cluster, folder: Path) -> AsyncIterator[None]:
    """Serve what the cluster shows, with a certificate that no system knows."""
    app = web.Application()
    for path in ("/.well-known/openid-configuration", "/openid/v1/jwks"):
        app.router.add_get(path, cluster.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    context = await asyncio.to_thread(_certificate, folder)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    cluster.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    cluster.ca_file = str(folder / "apiserver.crt")
    try:
        yield
    finally:
        await runner.cleanup()


def _certificate(folder: Path) -> ssl.SSLContext:
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "apiserver.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "apiserver.key").write_bytes(key.private_bytes(*plain))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
    return context
