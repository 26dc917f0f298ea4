#!/usr/bin/env bash
# crane 0.22.1 (`crane registry serve`, pkg/registry): a range of a blob without an end is refused.
#
# Who sees it: whoever goes on with a download of a blob from there, as curl -C - and most programs ask for the rest.
#
# Expected: 206 with the bytes from 2 on for `Range: bytes=2-` (RFC 9110 §14.1.2: the last position may be left out), or 200.
# Seen:     416, «We don't understand your Range»: both positions are scanned for. `bytes=2-9` is 206.
# Source:   https://github.com/google/go-containerregistry (pkg/registry/blobs.go: Sscanf(rangeHeader, "bytes=%d-%d"))
#
# Needs Go. Exits 0 while that is so, 1 when it has changed. `moorage copy` names both positions, therefore.
set -euo pipefail
place=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server"; rm -rf "$place"' EXIT
GOBIN="$place" go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$place/crane" registry serve --address "127.0.0.1:$port" >"$place/log" 2>&1 &
server=$!
python3 - "http://127.0.0.1:$port/v2/a/b/blobs/" <<'PY'
import hashlib
import sys
import time
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

ask = build_opener(ProxyHandler({})).open
blob = b"0123456789"
digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
for _ in range(100):
    try:
        ask(Request(f"{sys.argv[1]}uploads/?digest={digest}", data=blob, method="POST"))
        break
    except URLError:
        time.sleep(0.1)


def status(span: str) -> int:
    try:
        return ask(Request(sys.argv[1] + digest, headers={"Range": span})).status
    except HTTPError as error:
        return error.code


found = {span: status(span) for span in ("bytes=2-9", "bytes=2-")}
print(found)
sys.exit(found != {"bytes=2-9": 206, "bytes=2-": 416})
PY
