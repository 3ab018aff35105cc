package web_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// serve answers every request with fn, and returns the server's address.
func serve(t *testing.T, fn http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(fn)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// readJSON answers what [web.ReadJSON] says of a body.
func readJSON(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Name string `json:"name"`
	}
	if err := web.ReadJSON(w, r, &in); err != nil {
		web.Drain(w, r)
		(&web.Env{}).WriteText(w, r, err)
		return
	}
	_, _ = io.WriteString(w, in.Name)
}

func TestReadJSON(t *testing.T) {
	t.Parallel()
	addr := serve(t, readJSON)
	for _, tt := range []struct {
		body, says string
		status     int
	}{
		{`{"name":"a"}`, "a", 200},
		{``, "", 200},
		{`{"name":"a"} {}`, "more than one JSON value", 400},
		{`{"nome":"a"}`, "unknown field", 400},
		{` null `, "the body is a JSON null: an object is expected", 400},
		{`["name"]`, "the body is a JSON array: an object is expected", 400},
		{`{"name":7}`, `"name" is a JSON number: a string is expected`, 400},
		{`{"name":"a"}}`, "more than one JSON value", 400},
		{"{\"name\":\"a\xff\"}", "no UTF-8", 400},
		{" \n", "", 200},
		{`{"name":`, "unexpected EOF", 400},
		{`{"name":"` + strings.Repeat("a", web.MaxJSON) + `"}`, "more than 1048576 bytes", 413},
		{strings.Repeat(`[`, 100_000), "cannot be read as JSON", 400},
	} {
		res, err := http.Post("http://"+addr, "application/json", strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != tt.status || !strings.Contains(string(got), tt.says) {
			t.Errorf("%.40q: %d %s, want %d and %q", tt.body, res.StatusCode, got, tt.status, tt.says)
		}
	}
}

// trickle is a body of a byte a second that never ends, on a connection whose reads
// have a deadline.
type trickle struct {
	http.ResponseWriter
	deadline time.Time
}

func (c *trickle) SetReadDeadline(t time.Time) error { c.deadline = t; return nil }

func (c *trickle) Read(p []byte) (int, error) {
	time.Sleep(min(time.Until(c.deadline), time.Second)) // of the bubble's clock
	if !time.Now().Before(c.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return copy(p, " "), nil
}

// Somebody who sends a byte a second would hold a connection for a fortnight, and
// many bodies are read before it is known who sends them.
func TestSmallBodyComesSoonOrIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &trickle{ResponseWriter: httptest.NewRecorder()}
		r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(slow))
		began := time.Now()
		_, err := io.ReadAll(web.SmallBody(slow, r, 1<<20))
		if e, ok := gateway.AsError(err); !ok || e.Status != http.StatusRequestTimeout || time.Since(began) > time.Minute {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// A client that waits to be asked for its body is refused without being asked.
func TestRefusalBeforeContinue(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/read" {
			_, _ = io.CopyN(io.Discard, web.IdleBody(w, r, time.Minute), 1)
		}
		web.Drain(w, r)
		w.WriteHeader(http.StatusUnauthorized)
	})
	for path, want := range map[string]string{"/refused": "HTTP/1.1 401 Unauthorized", "/read": "HTTP/1.1 100 Continue"} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if strings.TrimSpace(line) != want {
			t.Errorf("%s: %q %v, want %s", path, line, err, want)
		}
	}
}
