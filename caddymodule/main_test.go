package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/spf13/cobra"
)

// server is a running Caddy. There is one in a process at a time, so tests that have
// one do not run in parallel.
type server struct {
	t    *testing.T
	dir  string
	data string
}

// config is a Caddyfile whose parts a test chooses. Its admin endpoint is a socket
// in the test's folder.
type config struct {
	global string // more global options
	app    string // lines of the app's block
	body   string // lines of the site; default: fairway
}

func (s *server) caddyfile(c config) string {
	if c.body == "" {
		c.body = "fairway"
	}
	return `{
	admin unix/` + filepath.Join(s.dir, "admin.sock") + `
	persist_config off
	grace_period 10s
	` + c.global + `
	fairway {
		data ` + s.data + `
		` + c.app + `
	}
}
http://:0 {
	bind fairway/127.0.0.1
	` + c.body + `
}
`
}

// start runs Caddy until the test ends.
func start(t *testing.T, c config) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "fairway") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: dir, data: filepath.Join(dir, "data")}
	t.Setenv(adminEnv, "unix/"+filepath.Join(dir, "admin.sock"))
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(dir)
	})
	if err := s.load(c); err != nil {
		t.Fatal(err)
	}
	return s
}

// load replaces the running configuration.
func (s *server) load(c config) error {
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(s.caddyfile(c)), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	return caddy.Load(raw, true)
}

func loadJSON(raw string) error { return caddy.Load([]byte(raw), true) }

// socketTransport sends requests to a socket.
func socketTransport(path string) *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
}

// url is where the running site listens.
func (s *server) url(path string) string {
	s.t.Helper()
	v, err := caddy.ActiveContext().App("http")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, srv := range v.(*caddyhttp.App).Servers {
		for _, ln := range srv.Listeners() {
			return "http://" + ln.Addr().String() + path
		}
	}
	s.t.Fatal("no listener")
	return ""
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// get asks the site, with a key where it is not "".
func (s *server) get(path, key string) reply {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.url(path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	return s.do(req)
}

func (s *server) do(req *http.Request) reply {
	s.t.Helper()
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// metrics are what the admin endpoint tells Prometheus.
func (s *server) metrics() string {
	s.t.Helper()
	client := http.Client{Transport: socketTransport(filepath.Join(s.dir, "admin.sock"))}
	resp, err := client.Get("http://127.0.0.1/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(body)
}

// cli runs one of our commands as the binary would.
func cli(args ...string) (stdout, stderr string, err error) {
	root := &cobra.Command{Use: "fairway", SilenceUsage: true}
	root.SetHelpTemplate(root.HelpTemplate() + "https://caddyserver.com/docs/command-line\n") // as Caddy's has
	for _, name := range []string{"key", "policy", "project", "channel", "conda", "python", "import", "reserve", "audit", "fsck", "backup"} {
		c := caddycmd.Commands()[name]
		cmd := &cobra.Command{Use: c.Name, Short: c.Short, Long: c.Long}
		c.CobraFunc(cmd)
		root.AddCommand(cmd)
	}
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(args)
	err = root.ExecuteContext(context.Background())
	return out.String(), errs.String(), err
}

// must runs a command that succeeds and returns its stdout.
func (s *server) must(args ...string) string {
	s.t.Helper()
	out, errs, err := cli(args...)
	if err != nil {
		s.t.Fatalf("fairway %s: %v\n%s", strings.Join(args, " "), err, errs)
	}
	return strings.TrimSpace(out)
}

// refused runs a command that fails, and returns its one sentence.
func (s *server) refused(args ...string) string {
	s.t.Helper()
	out, _, err := cli(args...)
	if err == nil {
		s.t.Fatalf("fairway %s succeeded:\n%s", strings.Join(args, " "), out)
	}
	if out != "" {
		s.t.Errorf("fairway %s printed on stdout though it failed: %s", strings.Join(args, " "), out)
	}
	if strings.Contains(err.Error(), "\n") {
		s.t.Errorf("fairway %s: %q: one sentence is expected", strings.Join(args, " "), err)
	}
	return err.Error()
}

func fromJSON[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
