#!/usr/bin/env python3
"""``moorage-credential-provider``: a kubelet pulls with the token of the pod's service account (KEP-4412).

The kubelet runs it for each image: a CredentialProviderRequest on standard input, the response on standard output. This
file needs Python alone and nothing beside it, so that a node needs but a copy of it.
"""

import json
import sys

_VERSION = "credentialprovider.kubelet.k8s.io/v1"
_LONGEST = 1024 * 1024  # of a request, in bytes


class Refused(ValueError):
    """The request is none that can be answered; the message is one line."""


def answer(text: bytes) -> str:
    """Return the response to a request of the kubelet. Raises Refused.

    Without a token there are no credentials, and the kubelet pulls as nobody. Nothing is cached beside the token, which
    the kubelet caches itself: the next one is another.
    """
    if len(text) > _LONGEST:
        raise Refused(f"the request is longer than {_LONGEST} bytes")
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("the request is no JSON") from None  # its text may hold a token
    if not isinstance(request, dict) or request.get("kind") != "CredentialProviderRequest":
        raise Refused("expected a CredentialProviderRequest on standard input: a kubelet runs this program")
    if request.get("apiVersion") != _VERSION:
        raise Refused(f"expected apiVersion {_VERSION}, which CredentialProviderConfig sets for this provider")
    image, token = request.get("image"), request.get("serviceAccountToken")
    if not isinstance(image, str) or not isinstance(token, str | None):
        raise Refused("expected the texts image and serviceAccountToken")
    host, slash, _ = image.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        raise Refused("expected an image with the host of its registry, as matchImages has it")
    return json.dumps(
        {
            "kind": "CredentialProviderResponse",
            "apiVersion": _VERSION,
            "cacheKeyType": "Registry",
            "cacheDuration": "0s",
            "auth": {host: {"username": "oidc", "password": token}} if token else {},
        }
    )


def main() -> int:
    """Answer one request; returns the exit status."""
    text = sys.stdin.buffer.read(_LONGEST + 1)
    try:
        sys.stdout.write(answer(text) + "\n")
    except Refused as error:
        sys.stderr.write(f"moorage-credential-provider: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
