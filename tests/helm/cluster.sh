#!/bin/sh
# cluster.sh FOLDER KUBERNETES ETCD GATEWAY OPERATOR: builds kube-apiserver and etcd from their modules into FOLDER/bin, and puts
# the resources of the Gateway API and of the operator of Prometheus into FOLDER/resources. What is there is left.
set -eu
folder=$1 version=$2 etcd=$3 gateway=$4 operator=$5
command -v go >/dev/null || { echo 'needs Go: https://go.dev/dl' >&2; exit 1; }
mkdir -p "$folder/kubernetes" "$folder/etcd" "$folder/bin" "$folder/resources"
cache=$(go env GOMODCACHE)
export GOFLAGS='-mod=mod -buildvcs=false' CGO_ENABLED=0
if [ ! -x "$folder/bin/kube-apiserver" ]; then
  echo "Building kube-apiserver $version, once ..."
  cd "$folder/kubernetes"
  go mod download "k8s.io/kubernetes@v$version"
  source=$cache/k8s.io/kubernetes@v$version
  # Its own go.mod replaces its parts by folders of its repository; they are modules too, with the version v0.
  sed -e 's#^module .*#module cluster#' -e "s#=> ./staging/src/k8s.io/\(.*\)#=> k8s.io/\1 v0.${version#*.}#" "$source/go.mod" >go.mod
  cp "$source/go.sum" go.sum
  chmod u+w go.mod go.sum
  go mod edit -require="k8s.io/kubernetes@v$version"
  minor=${version#*.}
  told="-X k8s.io/component-base/version.gitVersion=v$version -X k8s.io/component-base/version.gitMajor=1"
  told="$told -X k8s.io/component-base/version.gitMinor=${minor%.*} -X k8s.io/component-base/version.gitTreeState=clean"
  go build -trimpath -ldflags "-s -w $told" -o "$folder/bin/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver
fi
if [ ! -x "$folder/bin/etcd" ]; then
  echo 'Building etcd, once ...'
  cd "$folder/etcd"
  [ -f go.mod ] || go mod init etcd 2>/dev/null
  go get "$etcd" 2>/dev/null
  go build -trimpath -ldflags '-s -w' -o "$folder/bin/etcd" "${etcd%@*}"
fi
resource() { # MODULE FILE
  [ -f "$folder/resources/${2##*/}" ] && return
  go mod download "$1"
  cp "$cache/$1/$2" "$folder/resources"
  chmod u+w "$folder/resources/${2##*/}"
}
cd "$folder"
resource "$gateway" config/crd/standard/gateway.networking.k8s.io_httproutes.yaml
for kind in servicemonitors prometheusrules; do
  resource "$operator" "example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml"
done
