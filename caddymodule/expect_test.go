package caddymodule

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// A client that waits to be asked for its body, as curl does with a large one, sees a
// refusal without having sent a byte of it, and is asked where it may go on.
func TestRefusalDoesNotWaitForTheBody(t *testing.T) {
	s := start(t, config{body: `
	handle /private/* {
		fairway_auth package:upload
		respond "hello"
	}
	handle {
		fairway
	}`})
	s.must("channel", "create", "team")
	writer, reader := s.must("key", "create", "--name", "w", "--role", "developer"), s.must("key", "create", "--name", "r", "--role", "reader")
	for _, c := range []struct {
		method, path, key, status string
	}{
		{http.MethodPost, "/api/v1/upload/team", "", "401 Unauthorized"},
		{http.MethodPost, "/api/v1/upload/team", reader, "403 Forbidden"},
		{http.MethodPost, "/api/v1/upload/none", writer, "404 Not Found"},
		{http.MethodPost, "/api/channels/team/upload/a-1-0.conda", "", "401 Unauthorized"},
		{http.MethodPut, "/team/noarch/a-1-0.conda", "", "401 Unauthorized"},
		{http.MethodPut, "/team/noarch/a-1-0.conda", writer, "100 Continue"},
		{http.MethodPost, "/api/v1/upload/team", writer, "100 Continue"},
		{http.MethodPost, "/team/noarch/repodata.json", writer, "405 Method Not Allowed"},
		{http.MethodPost, "/api/v1/openapi.json", writer, "404 Not Found"},
		{http.MethodPost, "/-/healthz", "", "405 Method Not Allowed"},
		{http.MethodPost, "/api/v1/apikeys", "", "401 Unauthorized"},
		{http.MethodPost, "/legacy/", "", "401 Unauthorized"},
		{http.MethodPost, "/private/x", "", "401 Unauthorized"},
		{http.MethodPost, "/private/x", reader, "403 Forbidden"},
	} {
		at, err := url.Parse(s.url(c.path))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", at.Host)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		head := c.method + " " + c.path + " HTTP/1.1\r\nHost: " + at.Host + "\r\nX-File-Name: a-1-0.conda\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n"
		if c.key != "" {
			head += "Authorization: Bearer " + c.key + "\r\n"
		}
		if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if want := "HTTP/1.1 " + c.status + "\r\n"; line != want {
			t.Errorf("%s %s: %q %v: %q is expected", c.method, c.path, line, err, want)
		}
		_ = conn.Close()
	}
}
