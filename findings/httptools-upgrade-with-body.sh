#!/usr/bin/env bash
# httptools 0.9.0 (llhttp): a request that offers an upgrade and has a body is said to be complete before its body.
#
# Who sends such: HTTP clients that try HTTP/2 on plain http, Java's java.net.http.HttpClient by default, with a POST or
# PATCH of theirs. A server may ignore the offer (RFC 9110 §7.8), and then the body is a body (RFC 9112 §6).
#
# Expected: the calls that the same request gets without the offer: headers, body, complete.
# Seen:     headers, complete, and then HttpParserUpgrade, whose offset is where the body begins: the parser takes it
#           for the other protocol. Whoever ignores offers has to read the body themselves, by the length of the head,
#           before the next request; the callback of completion is no sign that it was read.
# Source:   https://github.com/MagicStack/httptools (parser.pyx: on_message_complete, HttpParserUpgrade)
#
# Exits 0 while that is so, 1 when it has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" --quiet --disable-pip-version-check install httptools==0.9.0
"$place/venv/bin/python" - <<'PY'
import sys

import httptools


def calls(head: str) -> list[str]:
    seen: list[str] = []

    class Protocol:
        def on_headers_complete(self) -> None:
            seen.append("headers")

        def on_body(self, data: bytes) -> None:
            seen.append(f"body {data.decode()}")

        def on_message_complete(self) -> None:
            seen.append("complete")

    message = head.replace("\n", "\r\n").encode() + b"\r\nabc"
    try:
        httptools.HttpRequestParser(Protocol()).feed_data(message)
    except httptools.HttpParserUpgrade as upgrade:
        seen.append(f"upgrade, left over: {message[upgrade.args[0]:].decode()}")
    return seen


plain = "PATCH /upload HTTP/1.1\nHost: registry.example\nContent-Length: 3\n"
offer = "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk\n"
without, with_offer = calls(plain), calls(plain + offer)
print("without an offer:", without)
print("with one:        ", with_offer)
expected = (["headers", "body abc", "complete"], ["headers", "complete", "upgrade, left over: abc"])
sys.exit((without, with_offer) != expected)
PY
