#!/usr/bin/env bash
# distribution 3.1.1 on S3: the list of tags lacks each tag whose name begins with another tag's, v10 beside v1.
#
# Who sees it: whoever lists tags (`crane ls`, `skopeo list-tags`, clean-up actions), or copies all tags of a repository.
#
# Expected: GET /v2/a/b/tags/list names every tag that can be pulled (distribution-spec, «Listing Tags»).
# Seen:     [v1, v2] where v1, v10 and v2 can be pulled. With the filesystem driver the list is whole.
# Source:   https://github.com/distribution/distribution (registry/storage/driver/s3-aws/s3.go: what was skipped, «…/tags/v1», is
#           compared with the beginning of the next path, «…/tags/v10/…»)
#
# Needs Go. Exits 0 while that is so, 1 when it has changed. `moorage adopt` reads the keys, therefore.
set -euo pipefail
place=$(mktemp -d)
running=()
trap 'for each in "${running[@]}"; do kill "$each" || true; done; rm -rf "$place"' EXIT
for module in github.com/distribution/distribution/v3/cmd/registry@v3.1.1 github.com/versity/versitygw/cmd/versitygw@v1.8.0; do
  GOBIN="$place" go install "$module"
done
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
s3=$(free) port=$(free)
mkdir -p "$place/objects/bucket"
"$place/versitygw" --port "127.0.0.1:$s3" --access access --secret secret-of-this-run posix "$place/objects" >"$place/s3.log" 2>&1 &
running+=($!)
cat >"$place/config.yml" <<YML
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  s3: {regionendpoint: "http://127.0.0.1:$s3", region: us-east-1, bucket: bucket, accesskey: access, secretkey: secret-of-this-run, forcepathstyle: true, secure: false}
http: {addr: "127.0.0.1:$port"}
YML
OTEL_TRACES_EXPORTER=none "$place/registry" serve "$place/config.yml" >"$place/log" 2>&1 &
running+=($!)
python3 - "http://127.0.0.1:$port/v2/" <<'PY'
import hashlib
import json
import sys
import time
from urllib.error import URLError
from urllib.parse import urljoin
from urllib.request import ProxyHandler, Request, build_opener

root, ask = sys.argv[1], build_opener(ProxyHandler({})).open
for _ in range(100):
    try:
        ask(root)
        break
    except URLError:
        time.sleep(0.1)


def put(url: str, data: bytes, kind: str) -> None:
    ask(Request(url, data=data, method="PUT", headers={"Content-Type": kind}))


config = b"{}"
digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
begun = ask(Request(f"{root}a/b/blobs/uploads/", data=b"", method="POST")).headers["Location"]
at = urljoin(root, begun)
put(f"{at}{'&' if '?' in at else '?'}digest={digest}", config, "application/octet-stream")
kind = "application/vnd.oci.image.manifest.v1+json"
image = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}
manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": image, "layers": []}).encode()
for tag in ("v1", "v10", "v2"):
    put(f"{root}a/b/manifests/{tag}", manifest, kind)
pulled = [tag for tag in ("v1", "v10", "v2") if ask(Request(f"{root}a/b/manifests/{tag}", headers={"Accept": kind})).status == 200]
listed = json.load(ask(f"{root}a/b/tags/list"))["tags"]
print("pulled", pulled, "listed", listed)
sys.exit((pulled, listed) != (["v1", "v10", "v2"], ["v1", "v2"]))
PY
