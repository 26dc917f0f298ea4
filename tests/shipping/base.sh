#!/bin/sh
# base.sh NAME: makes a stand-in for the base of the Dockerfile out of Debian's packages, where no registry can be reached.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates \
  --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python"' trixie "$work/base.tar"
container=$(buildah from scratch)
buildah add -q "$container" "$work/base.tar"
buildah commit -q "$container" "$1"
buildah rm "$container" >/dev/null
