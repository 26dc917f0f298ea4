package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
)

// What a client does again and again; number counts what all of them have done. The bytes that were moved.
type work func(number int64) (int64, error)

// What a registry does not do, so that there is nothing to measure.
type absent string

func (a absent) Error() string { return "this registry " + string(a) }

// A scenario of small requests lasts a while; one of images is over with the last (count > 0).
type scenario struct {
	name    string
	prepare func(*registry) (work, error)
	clients func(options) int
	count   func(options) int64
}

func each(o options) int   { return o.clients }
func heavy(o options) int  { return min(8, max(1, o.clients/4)) }
func layers(o options) int { return min(4, heavy(o)) }

func forever(options) int64 { return 0 }
func once(o options) int64  { return int64(o.clients) }

var scenarios = []scenario{
	{"push", pushLayers, layers, func(o options) int64 { return int64(o.images) }},
	{"pull", pull, layers, func(o options) int64 { return int64(o.images) }},
	{"push-small", pushSmall, heavy, func(options) int64 { return 100 }},
	{"manifest-get", byTag("GET"), each, forever},
	{"manifest-get-digest", byDigest, each, forever},
	{"manifest-head", byTag("HEAD"), each, forever},
	{"blob-head", headBlob, each, forever},
	{"blob-redirect", redirectedBlob, each, forever},
	{"tag-write", writeTags, each, forever},
	{"tag-page", pageTags, heavy, forever},
	{"token", tokens, each, forever},
	{"herd-manifests", herd(false), each, once},
	{"herd", herd(true), each, once},
}

func names() []string {
	found := make([]string, len(scenarios))
	for i, s := range scenarios {
		found[i] = s.name
	}
	return found
}

func find(name string) *scenario {
	for i := range scenarios {
		if scenarios[i].name == name {
			return &scenarios[i]
		}
	}
	return nil
}

// ---- what is pushed

type blob struct {
	digest string
	size   int64
	open   func() io.Reader
}

const blockSize = 1 << 20

var block = func() []byte { b := make([]byte, blockSize); rand.Read(b); return b }()

// Random bytes: the same block again and again, each time stamped with the blob's own seed and the offset.
type content struct {
	seed         [16]byte
	offset, size int64
}

func (c *content) Read(p []byte) (int, error) {
	if c.offset == c.size {
		return 0, io.EOF
	}
	at := c.offset % blockSize
	n := int(min(int64(len(p)), min(blockSize-at, c.size-c.offset)))
	copy(p[:n], block[at:])
	if at < int64(len(c.seed)) {
		copy(p[:n], c.seed[at:])
	}
	c.offset += int64(n)
	return n, nil
}

func newBlob(size int64) blob {
	var seed [16]byte
	rand.Read(seed[:])
	// Not the reader itself: its io.WriterTo or io.Seeker would let the client choose other ways.
	open := func() io.Reader { return struct{ io.Reader }{&content{seed: seed, size: size}} }
	hash := sha256.New()
	io.CopyBuffer(hash, open(), make([]byte, blockSize))
	return blob{"sha256:" + hex.EncodeToString(hash.Sum(nil)), size, open}
}

func newImages(count, layers int, size int64) [][]blob {
	images := make([][]blob, count)
	for i := range images {
		for range layers {
			images[i] = append(images[i], newBlob(size))
		}
	}
	return images
}

// ---- the scenarios

func pushLayers(r *registry) (work, error) {
	images := newImages(r.images, r.layers, r.size)
	name := r.name + "-layers"
	return func(n int64) (int64, error) { return r.pushImage(name, fmt.Sprintf("v%d", n), images[n]) }, nil
}

func pull(r *registry) (work, error) {
	name := r.name + "-layers"
	if _, _, err := r.getManifest(name, fmt.Sprintf("v%d", r.images-1)); err != nil {
		return nil, fmt.Errorf("there is nothing to pull, so push first: %w", err)
	}
	return func(n int64) (int64, error) { return r.pullImage(name, fmt.Sprintf("v%d", n)) }, nil
}

func pushSmall(r *registry) (work, error) {
	images := newImages(100, 3, 16<<10)
	return func(n int64) (int64, error) { return r.pushImage(r.name+"-small", fmt.Sprintf("v%d", n), images[n]) }, nil
}

// Eight small images, v0 to v7; the manifest of v0 and the digests of all.
func read(r *registry) (string, manifest, []string, error) {
	name := r.name + "-read"
	digests := make([]string, 8)
	for i := range digests {
		tag := fmt.Sprintf("v%d", i)
		_, body, err := r.getManifest(name, tag)
		if err != nil {
			if _, err = r.pushImage(name, tag, []blob{newBlob(64 << 10)}); err == nil {
				_, body, err = r.getManifest(name, tag)
			}
		}
		if err != nil {
			return name, manifest{}, nil, err
		}
		digests[i] = digestOf(body)
	}
	first, _, err := r.getManifest(name, "v0")
	return name, first, digests, err
}

func byTag(method string) func(*registry) (work, error) {
	return func(r *registry) (work, error) {
		name, _, digests, err := read(r)
		return func(n int64) (int64, error) {
			return r.ask(method, name, fmt.Sprintf("/v2/%s/manifests/v%d", name, n%int64(len(digests))), 200)
		}, err
	}
}

func byDigest(r *registry) (work, error) {
	name, _, digests, err := read(r)
	return func(n int64) (int64, error) {
		return r.ask("GET", name, "/v2/"+name+"/manifests/"+digests[n%int64(len(digests))], 200)
	}, err
}

func headBlob(r *registry) (work, error) {
	name, first, _, err := read(r)
	return func(int64) (int64, error) {
		return r.ask("HEAD", name, "/v2/"+name+"/blobs/"+first.Layers[0].Digest, 200, 307)
	}, err
}

// GET of a blob that is answered with a redirect, which is not followed: what it leads to has its own server.
func redirectedBlob(r *registry) (work, error) {
	name := r.name + "-redirect"
	m, _, err := r.getManifest(name, "v0")
	if err != nil { // more than 64 KiB, below which no registry would redirect
		if _, err = r.pushImage(name, "v0", []blob{newBlob(1 << 20)}); err == nil {
			m, _, err = r.getManifest(name, "v0")
		}
	}
	if err != nil {
		return nil, err
	}
	path := "/v2/" + name + "/blobs/" + m.Layers[0].Digest
	response, err := r.do("GET", name, path, nil, 0, "", 200, 307)
	if err != nil {
		return nil, err
	}
	if drop(response); response.StatusCode != 307 {
		return nil, absent("redirects no blobs")
	}
	return func(int64) (int64, error) { return r.ask("GET", name, path, 307) }, nil
}

func writeTags(r *registry) (work, error) {
	name, _, _, err := read(r)
	if err != nil {
		return nil, err
	}
	_, body, err := r.getManifest(name, "v0")
	return func(n int64) (int64, error) { return 0, r.putManifest(name, fmt.Sprintf("t%05d", n%1000), body) }, err
}

// Pages of 100 of the tags that tag-write made, one after the other.
func pageTags(r *registry) (work, error) {
	write, err := writeTags(r)
	for n := int64(0); n < 1000 && err == nil; n++ {
		_, err = write(n)
	}
	name, last := r.name+"-read", int64(0)
	return func(int64) (int64, error) {
		page := atomic.AddInt64(&last, 1) % 10
		return r.ask("GET", name, fmt.Sprintf("/v2/%s/tags/list?n=100&last=t%05d", name, page*100), 200)
	}, err
}

func tokens(r *registry) (work, error) {
	response, err := r.http.Get(r.url + "/v2/")
	if err != nil {
		return nil, err
	}
	drop(response)
	if response.StatusCode != http.StatusUnauthorized {
		return nil, absent("asks nobody for a token")
	}
	found := map[string]string{}
	for _, pair := range parameters.FindAllStringSubmatch(response.Header.Get("WWW-Authenticate"), -1) {
		found[pair[1]] = pair[2]
	}
	return func(int64) (int64, error) {
		_, err := r.token(found["realm"], found["service"], r.name+"-read")
		return 0, err
	}, nil
}
