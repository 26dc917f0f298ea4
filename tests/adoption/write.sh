#!/usr/bin/env bash
# Fills a registry as people do. OLD is its host, LAYOUTS the number of OCI layouts in ./layouts, each tagged «image».
# Works in the current folder; DOCKER_HOST is a dockerd, BUILDKIT the address of a buildkitd. Ends at what fails first.
set -euo pipefail
export COSIGN_PASSWORD='' BUILDAH_ISOLATION=chroot
sky="skopeo copy --quiet --dest-tls-verify=false"
cosign="cosign sign --yes --key cosign.key --tlog-upload=false --use-signing-config=false --allow-http-registry"
next=0
layout() { image=oci:layouts/$next:image; next=$((next + 1)); [ "$next" -le "$LAYOUTS" ]; } # an image that nobody has

# skopeo: OCI, Docker's schema 2, zstd; a tag that moves with each push
for n in $(seq 115); do layout; $sky "$image" "docker://$OLD/team/app:v$n"; done
for n in 66 67 68 69 70; do $sky "docker://$OLD/team/app:v$n" --src-tls-verify=false "docker://$OLD/team/app:latest"; done
for n in $(seq 20); do layout; $sky --format v2s2 "$image" "docker://$OLD/team/web/front:v$n"; done
for n in $(seq 10); do layout; $sky --dest-compress-format zstd "$image" "docker://$OLD/ops/tools/deep/cli:v$n"; done

# crane: names of one part, an index of two images, a copy between repositories
for n in $(seq 20); do layout; crane push --insecure "layouts/$((next - 1))" "$OLD/ubuntu:22.$n" >/dev/null; done
for n in $(seq 10); do
  crane index append --insecure --manifest "$OLD/team/app:v$n" --manifest "$OLD/team/app:v$((n + 10))" --tag "$OLD/team/multi:v$n" 2>/dev/null
  crane copy --insecure "$OLD/ubuntu:22.$n" "$OLD/mirror/ubuntu:22.$n" 2>/dev/null
done

# Docker's manifest lists
for n in 1 2 3 4 5; do
  skopeo copy --quiet --all --format v2s2 --src-tls-verify=false --dest-tls-verify=false "docker://$OLD/team/multi:v$n" "docker://$OLD/team/list:v$n"
done

# buildah and podman
short=$(mktemp -d) # podman refuses a run root of more than 50 characters
trap 'rm -rf "$short"' EXIT
pods="--root $PWD/pods --runroot $short --storage-driver vfs"
for n in $(seq 8); do
  made=$(buildah $pods from scratch)
  echo "hello $n" >hello
  buildah $pods copy --quiet "$made" hello /hello >/dev/null
  buildah $pods config --label "org.opencontainers.image.version=$n" "$made"
  buildah $pods commit --quiet "$made" "$OLD/pods/app:v$n" >/dev/null
  podman $pods push --quiet --tls-verify=false "$OLD/pods/app:v$n"
  buildah $pods rm "$made" >/dev/null
done

# docker, with its own builder
mkdir -p context
for n in $(seq 8); do
  echo "docker $n" >context/hello
  printf 'FROM scratch\nCOPY hello /hello\nLABEL org.opencontainers.image.licenses=MIT\n' >context/Dockerfile
  DOCKER_BUILDKIT=0 docker build --quiet --tag "$OLD/legacy/app:v$n" context >/dev/null
  docker push --quiet "$OLD/legacy/app:v$n" >/dev/null
done

# buildx: two platforms, and a provenance attestation of each
buildx create --name adopted --driver remote "$BUILDKIT" >/dev/null
for n in $(seq 12); do
  echo "buildx $n" >context/hello
  buildx build --builder adopted --quiet --platform linux/amd64,linux/arm64 --provenance=mode=max --push --tag "$OLD/bx/app:v$n" context >/dev/null 2>buildx.log || { cat buildx.log >&2; exit 1; }
done

# cosign: signatures as a tag, and as a referrer; attestations. oras and regctl: more referrers
cosign generate-key-pair >/dev/null 2>&1
echo '{"spdxVersion":"SPDX-2.3"}' >sbom.json
for n in $(seq 8); do
  digest=$(crane digest --insecure "$OLD/team/app:v$n")
  $cosign --new-bundle-format=false "$OLD/team/app@$digest" 2>cosign.log || { cat cosign.log >&2; exit 1; }
  $cosign "$OLD/bx/app@$(crane digest --insecure "$OLD/bx/app:v$n")" 2>cosign.log || { cat cosign.log >&2; exit 1; }
  cosign attest --yes --key cosign.key --tlog-upload=false --use-signing-config=false --allow-http-registry \
    --predicate sbom.json --type spdxjson "$OLD/bx/app@$(crane digest --insecure "$OLD/bx/app:v$n")" 2>cosign.log || { cat cosign.log >&2; exit 1; }
  oras attach --plain-http --artifact-type application/spdx+json "$OLD/team/app:v$n" sbom.json >/dev/null
done

# deletes, by tag and by digest; uploads that are never finished
for n in 41 42 43 44 45; do crane delete --insecure "$OLD/team/app:v$n"; done
for n in 46 47 48 49 50; do crane delete --insecure "$OLD/team/app@$(crane digest --insecure "$OLD/team/app:v$n")"; done
for n in 1 2 3; do
  curl -fsS -o /dev/null -X PATCH --data-binary "half $n" -H 'Content-Type: application/octet-stream' \
    "$(curl -fsS -X POST -D - -o /dev/null "http://$OLD/v2/team/app/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')"
done
