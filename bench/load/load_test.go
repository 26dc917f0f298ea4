package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
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

func TestAnUploadIsSentInChunksOf32KiB(t *testing.T) {
	for _, size := range []int64{0, 7, small, 100 << 10} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		heads, found := make(chan string, 1), make(chan []int64, 1)
		go func() {
			connection, _ := listener.Accept()
			defer connection.Close()
			reader := bufio.NewReader(connection)
			head, lengths := readChunked(reader)
			heads <- head
			found <- lengths
			io.WriteString(connection, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
		}()
		r := newRegistry(options{url: "http://" + listener.Addr().String()})
		sent := newBlob(size)
		response, err := r.do("PATCH", "a/b", "/upload", upload{sent.open(), size}, -1, "", 202)
		if err != nil {
			t.Fatal(err)
		}
		drop(response)
		if head := <-heads; !strings.Contains(head, "Transfer-Encoding: chunked") || strings.Contains(head, "Content-Length") {
			t.Errorf("%d bytes: %s", size, head)
		}
		left := size
		for _, length := range <-found {
			if length != min(left, 32<<10) {
				t.Errorf("%d bytes: a chunk of %d", size, length)
			}
			left -= length
		}
		if left != 0 {
			t.Errorf("%d of %d bytes are missing", left, size)
		}
		listener.Close()
	}
}

func TestABlobIsPushedAsDockerDoesIt(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		seen = append(seen, fmt.Sprintf("%s %d%v", r.Method, r.ContentLength, r.TransferEncoding))
		w.Header().Set("Location", "/upload")
		w.WriteHeader(map[string]int{"HEAD": 404, "POST": 202, "PATCH": 202, "PUT": 201}[r.Method])
	}))
	defer server.Close()
	for _, size := range []int64{7, 100 << 10} {
		seen = nil
		err := newRegistry(options{url: server.URL}).pushBlob("a/b", newBlob(size))
		if got := strings.Join(seen, " "); err != nil || got != "HEAD 0[] POST 0[] PATCH -1[chunked] PUT 0[]" {
			t.Error(err, got)
		}
	}
}

// The head of a request, and the lengths of its chunks.
func readChunked(reader *bufio.Reader) (head string, lengths []int64) {
	for line := ""; line != "\r\n"; head += line {
		line, _ = reader.ReadString('\n')
	}
	for {
		line, _ := reader.ReadString('\n')
		length, _ := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
		io.CopyN(io.Discard, reader, length+2)
		if length == 0 {
			return head, lengths
		}
		lengths = append(lengths, length)
	}
}

func TestARedirectOfABlobIsNotFollowed(t *testing.T) {
	var followed int64
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/manifests/"):
			io.WriteString(w, `{"layers":[{"digest":"sha256:1"}]}`)
		case strings.Contains(r.URL.Path, "/blobs/"):
			http.Redirect(w, r, server.URL+"/store", http.StatusTemporaryRedirect)
		default:
			atomic.AddInt64(&followed, 1)
		}
	}))
	defer server.Close()
	act, err := find("blob-redirect").prepare(newRegistry(options{url: server.URL, name: "a/b"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = act(0); err != nil || followed != 0 {
		t.Error(err, followed)
	}
}

func TestWhatARegistryDoesNotDoIsNotMeasured(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"layers":[{"digest":"sha256:1"}]}`)
	}))
	defer server.Close()
	for _, name := range []string{"blob-redirect", "token"} {
		_, err := find(name).prepare(newRegistry(options{url: server.URL, name: "a/b"}))
		if _, ok := err.(absent); !ok {
			t.Error(name, err)
		}
	}
}

func TestACertificateIsChecked(t *testing.T) {
	var requests int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { atomic.AddInt64(&requests, 1) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer server.Close()
	if _, err := newRegistry(options{url: server.URL}).ask("GET", "a/b", "/v2/", 200); err == nil || requests != 0 {
		t.Error("a server that nobody trusts was asked")
	}
}
