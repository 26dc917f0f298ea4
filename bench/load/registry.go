package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// No registry's tokens are good for less (Distribution token specification).
const grantTime = time.Minute

// A refused request: the registry has too much to do, and says when to come back.
type refused struct {
	status int
	after  time.Duration
}

func (r refused) Error() string { return fmt.Sprintf("%d, come back in %s", r.status, r.after) }

// The protocol, as a client of one user.
type registry struct {
	options
	http   *http.Client
	wires  *wires
	mutex  sync.Mutex
	tokens map[string]grant // by package
}

type grant struct {
	header string
	until  time.Time
}

func newRegistry(o options) *registry {
	transport := &http.Transport{MaxIdleConnsPerHost: 1 << 16, DisableCompression: true,
		WriteBufferSize: 256 << 10, ReadBufferSize: 64 << 10}
	// Redirects are not followed: a blob's may lead to an S3 server that has no share in what is measured.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	wires := &wires{large: transport, idle: map[string][]*wire{}}
	return &registry{options: o, http: &http.Client{Transport: wires, CheckRedirect: stay}, wires: wires, tokens: map[string]grant{}}
}

// Ends the connections, as who asks no more does.
func (r *registry) hangUp() { r.wires.hangUp() }

var parameters = regexp.MustCompile(`(\w+)="([^"]*)"`)

// The header that lets this user do things with a package: by /token, as the challenge says, or Basic.
func (r *registry) authorization(name string) (string, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if known, ok := r.tokens[name]; r.user == "" || ok && time.Now().Before(known.until) {
		return known.header, nil
	}
	response, err := r.http.Get(r.url + "/v2/")
	if err != nil {
		return "", err
	}
	drop(response)
	header := ""
	if response.StatusCode == http.StatusUnauthorized {
		challenge := response.Header.Get("WWW-Authenticate")
		if strings.HasPrefix(strings.ToLower(challenge), "bearer") {
			header, err = r.bearer(challenge, name)
		} else {
			header = basic(r.user, r.password)
		}
	}
	if err == nil {
		r.tokens[name] = grant{header, time.Now().Add(grantTime)}
	}
	return header, err
}

func basic(user, password string) string {
	request, _ := http.NewRequest("GET", "/", nil)
	request.SetBasicAuth(user, password)
	return request.Header.Get("Authorization")
}

func (r *registry) bearer(challenge, name string) (string, error) {
	found := map[string]string{}
	for _, pair := range parameters.FindAllStringSubmatch(challenge, -1) {
		found[pair[1]] = pair[2]
	}
	token, err := r.token(found["realm"], found["service"], name)
	return "Bearer " + token, err
}

func (r *registry) token(realm, service, name string) (string, error) {
	query := url.Values{"service": {service}, "scope": {"repository:" + name + ":pull,push"}}
	request, err := http.NewRequest("GET", realm+"?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	request.SetBasicAuth(r.user, r.password)
	response, err := r.send(request, http.StatusOK)
	if err != nil {
		return "", err
	}
	defer drop(response)
	var answer struct{ Token string }
	err = json.NewDecoder(response.Body).Decode(&answer)
	return answer.Token, err
}

// Sends it; whatever has not one of these statuses is an error.
func (r *registry) send(request *http.Request, statuses ...int) (*http.Response, error) {
	response, err := r.http.Do(request)
	if err != nil {
		return nil, err
	}
	for _, status := range statuses {
		if response.StatusCode == status {
			return response, nil
		}
	}
	text, _ := io.ReadAll(io.LimitReader(response.Body, 300))
	drop(response)
	if response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable {
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
			return nil, refused{response.StatusCode, time.Duration(seconds) * time.Second}
		}
	}
	return nil, fmt.Errorf("%s %s: %s %s", request.Method, request.URL.Path, response.Status, text)
}

// One request of /v2; the caller closes the body.
func (r *registry) do(method, name, path string, body io.Reader, length int64, kind string, statuses ...int) (*http.Response, error) {
	target := path
	if !strings.HasPrefix(path, "http") {
		target = r.url + path
	}
	request, err := http.NewRequest(method, target, body)
	if err != nil {
		return nil, err
	}
	request.ContentLength = length
	header, err := r.authorization(name)
	if err != nil {
		return nil, err
	}
	if header != "" {
		request.Header.Set("Authorization", header)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	request.Header.Set("Accept", indexType+", "+manifestType)
	return r.send(request, statuses...)
}

// A request whose answer is read to its end; its size, bytes.
func (r *registry) ask(method, name, path string, statuses ...int) (int64, error) {
	response, err := r.do(method, name, path, nil, 0, "", statuses...)
	if err != nil {
		return 0, err
	}
	return drop(response), nil
}

func drop(response *http.Response) int64 {
	size, _ := io.Copy(io.Discard, response.Body)
	response.Body.Close()
	return size
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// The body of a PATCH. Its length is not told: docker streams a layer in chunks of 32 KiB, the buffer of io.Copy.
type upload struct {
	io.Reader
	size int64
}

func (upload) Close() error { return nil }

// As docker does it: HEAD, POST, PATCH, PUT.
func (r *registry) pushBlob(name string, b blob) error {
	response, err := r.do("HEAD", name, "/v2/"+name+"/blobs/"+b.digest, nil, 0, "", 200, 307, 404)
	if err != nil {
		return err
	}
	if drop(response); response.StatusCode != 404 {
		return nil
	}
	where := "/v2/" + name + "/blobs/uploads/"
	if where, err = r.step("POST", name, where, nil, 0, 202); err != nil {
		return err
	}
	if where, err = r.step("PATCH", name, where, upload{b.open(), b.size}, -1, 202); err != nil {
		return err
	}
	separator := "?"
	if strings.Contains(where, "?") {
		separator = "&"
	}
	_, err = r.step("PUT", name, where+separator+"digest="+url.QueryEscape(b.digest), nil, 0, 201)
	return err
}

// A request of an upload; where the next one goes.
func (r *registry) step(method, name, path string, body io.Reader, length int64, status int) (string, error) {
	response, err := r.do(method, name, path, body, length, "application/octet-stream", status)
	if err != nil {
		return "", err
	}
	drop(response)
	return response.Header.Get("Location"), nil
}

// Pushes config and layers, then the manifest under a tag; the bytes of the layers.
func (r *registry) pushImage(name, tag string, layers []blob) (int64, error) {
	m := manifest{SchemaVersion: 2, MediaType: manifestType, Layers: []descriptor{}}
	var size int64
	for _, layer := range layers {
		if err := r.pushBlob(name, layer); err != nil {
			return size, err
		}
		size += layer.size
		m.Layers = append(m.Layers, descriptor{"application/vnd.oci.image.layer.v1.tar", layer.digest, layer.size})
	}
	config := []byte(fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{"Labels":{"bench":"%s %d"}}}`,
		tag, time.Now().UnixNano()))
	small := blob{digest: digestOf(config), size: int64(len(config)), open: func() io.Reader { return bytes.NewReader(config) }}
	if err := r.pushBlob(name, small); err != nil {
		return size, err
	}
	m.Config = descriptor{"application/vnd.oci.image.config.v1+json", small.digest, small.size}
	body, _ := json.Marshal(m)
	return size, r.putManifest(name, tag, body)
}

func (r *registry) putManifest(name, tag string, body []byte) error {
	response, err := r.do("PUT", name, "/v2/"+name+"/manifests/"+tag, bytes.NewReader(body), int64(len(body)), manifestType, 201)
	if err == nil {
		drop(response)
	}
	return err
}

func (r *registry) getManifest(name, reference string) (manifest, []byte, error) {
	var m manifest
	response, err := r.do("GET", name, "/v2/"+name+"/manifests/"+reference, nil, 0, "", 200)
	if err != nil {
		return m, nil, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	return m, body, err
}

// Pulls all layers of an image, streamed or from where a redirect leads; their bytes.
func (r *registry) pullImage(name, tag string) (int64, error) {
	m, _, err := r.getManifest(name, tag)
	if err != nil {
		return 0, err
	}
	var size int64
	for _, layer := range append(m.Layers, m.Config) {
		response, err := r.do("GET", name, "/v2/"+name+"/blobs/"+layer.Digest, nil, 0, "", 200, 307)
		if err == nil && response.StatusCode == 307 {
			drop(response)
			response, err = r.http.Get(response.Header.Get("Location"))
		}
		if err != nil {
			return size, err
		}
		got := drop(response)
		if size += got; got != layer.Size {
			return size, fmt.Errorf("%s: %d bytes, expected %d", layer.Digest, got, layer.Size)
		}
	}
	return size, nil
}
