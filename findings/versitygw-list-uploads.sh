#!/usr/bin/env bash
# versitygw 1.8.0 (posix): the second page of ListMultipartUploads is refused when it is asked for as the first one says.
#
# Who sees it: whoever lists more open uploads than a page has (1,000, or max-uploads) with the markers of the answer.
#
# Expected: key-marker and upload-id-marker, as NextKeyMarker and NextUploadIdMarker of a truncated answer tell them, give
#           the uploads after these (API Reference of S3, ListMultipartUploads).
# Seen:     400 InvalidArgument, for the upload of upload-id-marker is looked for among those of the first key *after*
#           key-marker. With key-marker alone the page comes.
# Source:   https://github.com/versity/versitygw (backend/mp-lister.go: findUploadIdMarkerIndex)
#
# Needs Go. Exits 0 while that is so, 1 when it has changed.
set -euo pipefail
place=$(mktemp -d)
gateway=""
trap '[ -z "$gateway" ] || kill "$gateway"; rm -rf "$place"' EXIT
GOBIN="$place" go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
python3 -m venv "$place/venv"
"$place/venv/bin/pip" --quiet --disable-pip-version-check install boto3==1.40.0
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$place/objects"
"$place/versitygw" --port "127.0.0.1:$port" --access finder --secret finder-secret posix "$place/objects" >"$place/log" 2>&1 &
gateway=$!
"$place/venv/bin/python" - "http://127.0.0.1:$port" <<'PY'
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

s3 = boto3.client(
    "s3", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="finder",
    aws_secret_access_key="finder-secret", config=Config(s3={"addressing_style": "path"}, proxies={}),
)
for _ in range(100):
    try:
        s3.create_bucket(Bucket="found")
        break
    except EndpointConnectionError:
        time.sleep(0.1)
for key in ("a", "b", "c"):
    s3.create_multipart_upload(Bucket="found", Key=key)
first = s3.list_multipart_uploads(Bucket="found", MaxUploads=1)
markers = {"KeyMarker": first["NextKeyMarker"], "UploadIdMarker": first["NextUploadIdMarker"]}
try:
    second = [upload["Key"] for upload in s3.list_multipart_uploads(Bucket="found", MaxUploads=1, **markers)["Uploads"]]
except ClientError as error:
    second = error.response["Error"]["Code"]
by_key = s3.list_multipart_uploads(Bucket="found", MaxUploads=1, KeyMarker=first["NextKeyMarker"])
alone = [upload["Key"] for upload in by_key["Uploads"]]
print("with both markers:    ", second)
print("with key-marker alone:", alone)
sys.exit((second, alone) != ("InvalidArgument", ["b"]))
PY
