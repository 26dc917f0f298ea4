package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Connections of HTTP/1.1 that whoever asks writes to and reads from: net/http gives each two goroutines, and takes
// twice the CPU for a small request. A client on the machine of the server takes from it what it measures.
type wires struct {
	large http.RoundTripper // for bodies that are more than a few KiB
	mutex sync.Mutex
	idle  map[string][]*wire // by scheme and host
}

const small = 16 << 10

type wire struct {
	net.Conn
	reader *bufio.Reader
	writer *bufio.Writer
}

func (w *wires) RoundTrip(request *http.Request) (*http.Response, error) {
	if length := lengthOf(request); length < 0 || length > small {
		return w.large.RoundTrip(request)
	}
	for {
		wire, fresh, err := w.take(request.URL.Scheme, request.URL.Host)
		if err != nil {
			return nil, err
		}
		response, err := wire.ask(request)
		if err == nil {
			response.Body = &body{response.Body, wire, w, request.URL.Scheme + request.URL.Host, response.Close}
			return response, nil
		}
		wire.Close()
		// A server may end a connection that was idle; what has a body that was read is not sent again.
		if fresh || request.Body != nil && request.GetBody == nil {
			return nil, err
		}
		if request.GetBody != nil {
			if request.Body, err = request.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

func (w *wires) hangUp() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for key, idle := range w.idle {
		for _, wire := range idle {
			wire.Close()
		}
		delete(w.idle, key)
	}
}

// How long the body is, whether that is told or not; less than nothing: nobody knows.
func lengthOf(request *http.Request) int64 {
	switch body := request.Body.(type) {
	case nil:
		return 0
	case upload:
		return body.size
	default:
		return request.ContentLength
	}
}

func (w *wires) take(scheme, host string) (taken *wire, fresh bool, err error) {
	key := scheme + host
	w.mutex.Lock()
	if idle := w.idle[key]; len(idle) > 0 {
		taken, w.idle[key] = idle[len(idle)-1], idle[:len(idle)-1]
	}
	w.mutex.Unlock()
	if taken != nil {
		return taken, false, nil
	}
	connection, err := dial(scheme, host)
	if err != nil {
		return nil, true, err
	}
	return &wire{connection, bufio.NewReader(connection), bufio.NewWriterSize(connection, small+(4<<10))}, true, nil
}

// Certificates are checked as Go does it: SSL_CERT_FILE names the one to trust.
func dial(scheme, host string) (net.Conn, error) {
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), scheme)
	}
	if scheme == "https" {
		return tls.Dial("tcp", host, &tls.Config{NextProtos: []string{"http/1.1"}})
	}
	return net.Dial("tcp", host)
}

func (w *wire) ask(request *http.Request) (*http.Response, error) {
	if err := request.Write(w.writer); err != nil {
		return nil, err
	}
	if err := w.writer.Flush(); err != nil {
		return nil, err
	}
	return http.ReadResponse(w.reader, request)
}

// The body of a response, whose connection is free for the next request once it was read to its end.
type body struct {
	io.ReadCloser
	wire *wire
	home *wires
	key  string
	ends bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF && b.wire != nil && !b.ends {
		b.home.mutex.Lock()
		b.home.idle[b.key] = append(b.home.idle[b.key], b.wire)
		b.home.mutex.Unlock()
		b.wire = nil
	}
	return n, err
}

func (b *body) Close() error {
	if b.wire != nil {
		b.wire.Close()
		b.wire = nil
	}
	return nil
}
