#!/usr/bin/env bash
# stargz-snapshotter 0.19.1 (fs/remote): once a layer's address has answered, a redirect from there is an error.
#
# Who sees it: a registry that sends the two bytes of its first request (`Range: bytes=0-1`) itself, and redirects later ones.
#
# Expected: 307 with a Location is followed, as for the first request (RFC 9110 §15.4.8).
# Seen:     «unexpected status code: 307 Temporary Redirect»; the layer cannot be read.
# Source:   https://github.com/containerd/stargz-snapshotter (fs/remote/resolver.go: fetch uses the RoundTripper, and knows
#           200, 206, 400 and 403; redirect is asked once, and again after a 403)
#
# Needs Go. Exits 0 while that is so, 1 when it has changed. registry/http/v2/redirects.py sends it all ranges or none, therefore.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
cat >main.go <<'GO'
package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/pkg/reference"
	"github.com/containerd/stargz-snapshotter/cache"
	"github.com/containerd/stargz-snapshotter/fs/config"
	"github.com/containerd/stargz-snapshotter/fs/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func main() {
	layer := bytes.Repeat([]byte("0123456789"), 20000)
	var redirects bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if redirects && strings.HasPrefix(r.URL.Path, "/v2/") && r.Method == "GET" && r.Header.Get("Range") != "bytes=0-1" {
			http.Redirect(w, r, "/store", http.StatusTemporaryRedirect)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(layer))
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	read := func() error {
		refspec, err := reference.Parse(host + "/a/b:latest")
		if err != nil {
			return err
		}
		hosts := func(reference.Spec) ([]docker.RegistryHost, error) {
			return []docker.RegistryHost{{Client: http.DefaultClient, Host: host, Scheme: "http", Path: "/v2"}}, nil
		}
		http.DefaultClient.Transport = http.DefaultTransport
		blob, err := remote.NewResolver(config.BlobConfig{}, nil).Resolve(context.Background(), hosts, refspec,
			ocispec.Descriptor{Digest: digest.FromBytes(layer), Size: int64(len(layer))}, cache.NewMemoryCache())
		if err != nil {
			return err
		}
		defer blob.Close()
		_, err = blob.ReadAt(make([]byte, 100), 100000)
		return err
	}
	direct := read()
	redirects = true
	redirected := read()
	fmt.Printf("direct: %v; redirected: %v\n", direct, redirected)
	if direct != nil || redirected == nil || !strings.Contains(redirected.Error(), "307") {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get github.com/containerd/stargz-snapshotter@v0.19.1 2>/dev/null
go mod tidy 2>/dev/null
go run .
