#!/usr/bin/env bash
# Builds what `make cluster` needs from the Go module proxy into a folder, once: etcd, kube-apiserver, and the part of a
# kubelet that asks credential providers. About ten minutes and 200 MB.
set -euo pipefail
V=1.34.4 STAGING=v0.34.4 ETCD=v3.6.16
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/bin" "$1/etcd" && cd "$1"
export GOFLAGS="-p=2 -mod=mod -buildvcs=false" CGO_ENABLED=0
if ! [ -x bin/kube-apiserver ] || ! [ -x bin/kubelet-credentials ]; then
    echo "Building the API server of Kubernetes $V, once: some minutes ..."
    go mod download "k8s.io/kubernetes@v$V"
    source=$(go env GOMODCACHE)/k8s.io/kubernetes@v$V
    # It replaces its parts by folders of its own: here by the releases of those.
    sed -e 's#^module .*#module cluster#' -e "s#=> ./staging/src/k8s.io/\(.*\)#=> k8s.io/\1 $STAGING#" "$source/go.mod" > go.mod
    cp "$source/go.sum" go.sum && chmod u+w go.mod go.sum && go mod edit "-require=k8s.io/kubernetes@v$V"
    version=k8s.io/component-base/version
    go build -trimpath -ldflags "-s -w -X $version.gitVersion=v$V -X $version.gitMajor=1 -X $version.gitMinor=34" \
        -o bin/kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
    mkdir -p kubelet && cp "$here/kubelet/main.go" kubelet/
    go build -trimpath -ldflags "-s -w" -o bin/kubelet-credentials ./kubelet
fi
if ! [ -x bin/etcd ]; then
    cd etcd && { [ -f go.mod ] || go mod init etcd; } && go get "go.etcd.io/etcd/server/v3@$ETCD"
    go build -trimpath -ldflags "-s -w" -o ../bin/etcd go.etcd.io/etcd/server/v3
fi
