package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestSizes(t *testing.T) {
	for text, expected := range map[string]int64{"7": 7, "16KiB": 16 << 10, "1GiB": 1 << 30} {
		if got, err := bytesOf(text); got != expected || err != nil {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "16MB", "-1KiB"} {
		if got, err := bytesOf(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestABlobIsTheSameEachTimeAndLikeNoOther(t *testing.T) {
	one, other := newBlob(3<<20+5), newBlob(3<<20+5)
	if one.digest == other.digest {
		t.Error("two blobs are the same")
	}
	for _, size := range []int{7, 1 << 16, 3 << 20} {
		hash := sha256.New()
		n, _ := io.CopyBuffer(hash, one.open(), make([]byte, size))
		if got := "sha256:" + hex.EncodeToString(hash.Sum(nil)); got != one.digest || n != one.size {
			t.Errorf("read by %d bytes it is another: %d bytes", size, n)
		}
	}
}

// A registry that asks nobody and has one manifest; each odd request is refused.
func refusing(requests *int64) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if atomic.AddInt64(requests, 1)%2 == 1 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
}

func TestWhoIsRefusedComesAgain(t *testing.T) {
	var requests int64
	server := refusing(&requests)
	defer server.Close()
	r := newRegistry(options{url: server.URL})
	act := func(int64) (int64, error) { return r.ask("GET", "a/b", "/v2/a/b/manifests/v1", 200) }
	s := &scenario{"some", nil, func(options) int { return 1 }, func(options) int64 { return 10 }}
	got := measure(s, act, options{duration: time.Minute})
	if got.Done != 10 || got.Refused != 10 || got.Errors != 0 {
		t.Errorf("%+v", got)
	}
}

func TestARateIsKept(t *testing.T) {
	var requests int64
	server := refusing(&requests)
	defer server.Close()
	r := newRegistry(options{url: server.URL})
	act := func(int64) (int64, error) { return r.ask("GET", "a/b", "/v2/a/b/manifests/v1", 200) }
	s := &scenario{"some", nil, each, forever}
	got := measure(s, act, options{duration: time.Second / 2, rate: 100, clients: 100})
	if got.Done+got.Refused+got.Unsent != 50 || got.Errors != 0 || got.Seconds < 0.4 {
		t.Errorf("%+v", got)
	}
}

func TestAConnectionThatTheServerHasEndedIsReplaced(t *testing.T) {
	var requests int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		atomic.AddInt64(&requests, 1)
		io.Copy(w, r.Body)
	}))
	defer server.Close()
	r := newRegistry(options{url: server.URL})
	for range 3 {
		response, err := r.do("PUT", "a/b", "/v2/a/b/manifests/v1", strings.NewReader("{}"), 2, "", 200)
		if err != nil || drop(response) != 2 {
			t.Fatal(err)
		}
		server.CloseClientConnections()
	}
	if requests != 3 {
		t.Errorf("%d requests", requests)
	}
}
