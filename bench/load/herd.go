package main

import (
	"bytes"
	"encoding/json"
)

const indexType = "application/vnd.oci.image.index.v1+json"

// The layers of a herd's image: more than what a registry might keep among its rows.
const (
	herdLayers = 10
	herdSize   = 256 << 10
)

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

// Nodes that all begin in the same moment, each once, with connections and a token of its own, as containerd's are: HEAD
// of the tag, the index, the manifest of the platform, and the blobs: all of them, or none but the manifests (whole).
// Redirects are not followed: what they lead to has its own server.
func herd(whole bool) func(*registry) (work, error) {
	return func(r *registry) (work, error) {
		name := r.name + "-herd"
		if err := pushIndex(r, name); err != nil {
			return nil, err
		}
		return func(int64) (int64, error) { return newRegistry(r.options).pullAsNode(name, whole) }, nil
	}
}

func pushIndex(r *registry, name string) error {
	if _, err := r.ask("HEAD", name, "/v2/"+name+"/manifests/v1", 200); err == nil {
		return nil
	}
	if _, err := r.pushImage(name, "amd64", newImages(1, herdLayers, herdSize)[0]); err != nil {
		return err
	}
	_, body, err := r.getManifest(name, "amd64")
	if err != nil {
		return err
	}
	child := descriptor{manifestType, digestOf(body), int64(len(body))}
	list, _ := json.Marshal(index{2, indexType, []descriptor{child}})
	response, err := r.do("PUT", name, "/v2/"+name+"/manifests/v1", bytes.NewReader(list), int64(len(list)), indexType, 201)
	if err == nil {
		drop(response)
	}
	return err
}

func (r *registry) pullAsNode(name string, whole bool) (int64, error) {
	defer r.hangUp()
	at := "/v2/" + name
	if _, err := r.ask("HEAD", name, at+"/manifests/v1", 200); err != nil {
		return 0, err
	}
	response, err := r.do("GET", name, at+"/manifests/v1", nil, 0, "", 200)
	if err != nil {
		return 0, err
	}
	var list index
	err = json.NewDecoder(response.Body).Decode(&list)
	drop(response)
	if err != nil {
		return 0, err
	}
	image, _, err := r.getManifest(name, list.Manifests[0].Digest)
	if err != nil || !whole {
		return 0, err
	}
	var size int64
	for _, blob := range append([]descriptor{image.Config}, image.Layers...) {
		got, err := r.ask("GET", name, at+"/blobs/"+blob.Digest, 200, 307)
		if err != nil {
			return size, err
		}
		size += got
	}
	return size, nil
}
