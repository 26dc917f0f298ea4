#!/usr/bin/env bash
# Pulls every reference of standard input («host/name:tag» or «host/name@digest», one a line) with one client, and
# tells how many came and which failed. The folder of the client is the current one; $1 is the client.
set -uo pipefail
short=$(mktemp -d) # podman refuses a run root of more than 50 characters
trap 'rm -rf "$short"' EXIT
pods="--root $PWD/pods --runroot $short --tmpdir $PWD/podstmp --storage-driver vfs --events-backend none --log-level error"
ctr="ctr -a ${CONTAINERD:-} -n adopted"
pull() {
  rm -rf out
  case $client in
    skopeo) skopeo copy --quiet --all --src-tls-verify=false "docker://$1" dir:out ;;
    crane) crane pull --insecure --format oci "$1" out ;;
    oras) oras copy --recursive --from-plain-http --to-oci-layout "$1" out:pulled ;;
    regctl) regctl image copy --referrers --digest-tags "$1" ocidir://out:pulled ;;
    podman) podman $pods pull --quiet --tls-verify=false "$1" && podman $pods rmi --all --force ;;
    docker) docker pull --quiet "$1" && docker image rm --force "$1" ;;
    ctr) $ctr images pull --plain-http --user "$LOGIN" --snapshotter native --all-platforms "$1" && $ctr images rm "$1" ;;
    buildx) buildx imagetools inspect --raw "$1" ;;
  esac
}
client=$1 came=0 failed=0
while read -r reference; do
  if pull "$reference" >log 2>&1 </dev/null; then came=$((came + 1)); else
    failed=$((failed + 1))
    echo "FAILED $client $reference: $(tail -n 1 log)"
  fi
done
echo "$client: $came pulled, $failed failed"
[ "$failed" = 0 ]
