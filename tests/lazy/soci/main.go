// Reads files of a layer by its ztoc, the part of a SOCI index for one layer, through soci-snapshotter's own library.
//
//	soci build LAYER.tar.gz ZTOC
//	soci read HOST REPOSITORY USER:PASSWORD DIGEST SIZE ZTOC NAME...
//
// read prints JSON: the sums of the files, and the bytes of the layer that were asked for.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/awslabs/soci-snapshotter/config"
	"github.com/awslabs/soci-snapshotter/fs/remote"
	"github.com/awslabs/soci-snapshotter/service/resolver"
	"github.com/awslabs/soci-snapshotter/ztoc"
	"github.com/containerd/containerd/v2/pkg/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

type report struct {
	Asked int64             `json:"asked"`
	Files map[string]string `json:"files"` // the SHA-256 by name
}

func build(from, to string) error {
	made, err := ztoc.NewBuilder("moorage").BuildZtoc(from, 256<<10)
	if err != nil {
		return err
	}
	marshalled, _, err := ztoc.Marshal(made)
	if err != nil {
		return err
	}
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(file, marshalled)
	return err
}

// readerAt is a blob without options, which counts what is asked of it.
type readerAt struct {
	remote.Blob
	asked *atomic.Int64
}

func (r readerAt) ReadAt(p []byte, offset int64) (int, error) {
	r.asked.Add(int64(len(p)))
	return r.Blob.ReadAt(p, offset)
}

func read(host, repository, credentials, layer, length, toc string, names []string) error {
	size, err := strconv.ParseInt(length, 10, 64)
	if err != nil {
		return err
	}
	file, err := os.Open(toc)
	if err != nil {
		return err
	}
	defer file.Close()
	contents, err := ztoc.Unmarshal(file)
	if err != nil {
		return err
	}
	user, password, _ := strings.Cut(credentials, ":")
	configured := config.NewConfig()
	hosts := resolver.NewRegistryManager(
		context.Background(), configured.RetryableHTTPClientConfig, configured.ResolverConfig,
		[]resolver.Credential{func(reference.Spec, string) (string, string, error) { return user, password, nil }},
	).AsRegistryHosts()
	refspec, err := reference.Parse(host + "/" + repository + ":latest")
	if err != nil {
		return err
	}
	found, err := hosts(refspec)
	if err != nil {
		return err
	}
	blob, err := remote.NewResolver(configured.BlobConfig, nil).Resolve(
		context.Background(), found, refspec,
		ocispec.Descriptor{Digest: digest.Digest(layer), Size: size, MediaType: ocispec.MediaTypeImageLayerGzip},
	)
	if err != nil {
		return err
	}
	defer blob.Close()
	var asked atomic.Int64
	sums := map[string]string{}
	for _, name := range names {
		data, err := contents.ExtractFile(io.NewSectionReader(readerAt{blob, &asked}, 0, size), name)
		if err != nil {
			return err
		}
		sums[name] = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return json.NewEncoder(os.Stdout).Encode(report{asked.Load(), sums})
}

func main() {
	var err error
	switch arguments := os.Args[1:]; {
	case len(arguments) == 3 && arguments[0] == "build":
		err = build(arguments[1], arguments[2])
	case len(arguments) > 7 && arguments[0] == "read":
		err = read(
			arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], arguments[6], arguments[7:],
		)
	default:
		err = fmt.Errorf("see the head of main.go")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
