// Reads files of an eStargz layer through stargz-snapshotter's own library, and tells what that took.
//
//	stargz build LAYER.tar LAYER.stargz
//	stargz read HOST REPOSITORY USER:PASSWORD DIGEST SIZE NAME...
//
// read prints JSON: the sums of the files, the bytes that were asked for, by the ranges of the requests, and those that
// came, with the hosts that they came from.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/pkg/reference"
	"github.com/containerd/stargz-snapshotter/cache"
	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/containerd/stargz-snapshotter/fs/config"
	"github.com/containerd/stargz-snapshotter/fs/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

type report struct {
	Asked    int64             `json:"asked"`
	Received int64             `json:"received"`
	Several  int               `json:"several"` // requests for several ranges
	Hosts    map[string]int64  `json:"hosts"`   // the bytes that came, by host
	Files    map[string]string `json:"files"`   // the SHA-256 by name
}

// counter counts the requests for the layer that have a range.
type counter struct {
	mutex  sync.Mutex
	report report
}

type body struct {
	io.ReadCloser
	counter *counter
	host    string
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.counter.mutex.Lock()
	defer b.counter.mutex.Unlock()
	b.counter.report.Received += int64(n)
	b.counter.report.Hosts[b.host] += int64(n)
	return n, err
}

func (c *counter) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	ranges, ranged := strings.CutPrefix(request.Header.Get("Range"), "bytes=")
	if err != nil || !ranged || response.StatusCode/100 != 2 {
		return response, err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	several := strings.Split(ranges, ",")
	if len(several) > 1 {
		c.report.Several++
	}
	for _, one := range several {
		var first, last int64
		if _, err := fmt.Sscanf(one, "%d-%d", &first, &last); err != nil {
			return nil, fmt.Errorf("range %q: %w", one, err)
		}
		c.report.Asked += last - first + 1
	}
	response.Body = &body{response.Body, c, request.URL.Host}
	return response, nil
}

func build(from, to string) error {
	tar, err := os.Open(from)
	if err != nil {
		return err
	}
	defer tar.Close()
	info, err := tar.Stat()
	if err != nil {
		return err
	}
	built, err := estargz.Build(io.NewSectionReader(tar, 0, info.Size()), estargz.WithChunkSize(64<<10))
	if err != nil {
		return err
	}
	defer built.Close()
	layer, err := os.Create(to)
	if err != nil {
		return err
	}
	defer layer.Close()
	_, err = io.Copy(layer, built)
	return err
}

// readerAt is a blob without options.
type readerAt struct{ remote.Blob }

func (r readerAt) ReadAt(p []byte, offset int64) (int, error) { return r.Blob.ReadAt(p, offset) }

func read(host, repository, credentials, layer, length string, names []string) error {
	size, err := strconv.ParseInt(length, 10, 64)
	if err != nil {
		return err
	}
	counter := &counter{report: report{Hosts: map[string]int64{}, Files: map[string]string{}}}
	client := &http.Client{Transport: counter}
	user, password, _ := strings.Cut(credentials, ":")
	authorizer := docker.NewDockerAuthorizer(docker.WithAuthCreds(func(string) (string, string, error) {
		return user, password, nil
	}))
	hosts := func(reference.Spec) ([]docker.RegistryHost, error) {
		return []docker.RegistryHost{{
			Client: client, Authorizer: authorizer, Host: host, Scheme: "http", Path: "/v2",
			Capabilities: docker.HostCapabilityPull | docker.HostCapabilityResolve,
		}}, nil
	}
	refspec, err := reference.Parse(host + "/" + repository + ":latest")
	if err != nil {
		return err
	}
	blob, err := remote.NewResolver(config.BlobConfig{}, nil).Resolve(
		context.Background(), hosts, refspec,
		ocispec.Descriptor{Digest: digest.Digest(layer), Size: size, MediaType: ocispec.MediaTypeImageLayerGzip},
		cache.NewMemoryCache(),
	)
	if err != nil {
		return err
	}
	defer blob.Close()
	if blob.Size() != size {
		return fmt.Errorf("expected %d bytes, got %d", size, blob.Size())
	}
	found, err := estargz.Open(io.NewSectionReader(readerAt{blob}, 0, size))
	if err != nil {
		return err
	}
	for _, name := range names {
		file, err := found.OpenFile(name)
		if err != nil {
			return err
		}
		data, err := io.ReadAll(file)
		if err != nil {
			return err
		}
		counter.report.Files[name] = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	// The rest, as the snapshotter fetches in the background what nobody has read yet: in as many ranges as are left.
	if err := blob.Cache(0, size/2); err != nil {
		return err
	}
	counter.mutex.Lock()
	defer counter.mutex.Unlock()
	return json.NewEncoder(os.Stdout).Encode(counter.report)
}

func main() {
	var err error
	switch arguments := os.Args[1:]; {
	case len(arguments) == 3 && arguments[0] == "build":
		err = build(arguments[1], arguments[2])
	case len(arguments) > 6 && arguments[0] == "read":
		err = read(arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], arguments[6:])
	default:
		err = fmt.Errorf("see the head of main.go")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
