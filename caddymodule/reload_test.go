package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/gateway"
)

// slowBody is a body that a test sends in pieces.
type slowBody struct{ *io.PipeReader }

// While readers and writers are at work the configuration is replaced again and
// again, and an upload spans all of it: nobody notices.
func TestReloadDropsNothing(t *testing.T) {
	s := start(t, config{})
	s.must("channel", "create", "main", "--visibility", "open")
	key := s.must("key", "create", "--name", "k", "--role", "developer")
	url := s.url("")
	upload := func(name string, body io.Reader, size int64) error {
		file := condatest.Spec{Name: name}.Filename()
		req, err := http.NewRequest(http.MethodPut, url+"/main/noarch/"+file, body)
		if err != nil {
			return err
		}
		req.ContentLength = size
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusCreated {
			return fmt.Errorf("status %d: %s (%w)", resp.StatusCode, text, err)
		}
		return nil
	}

	// One upload begins under the first configuration and ends under the last.
	_, slow := condatest.Build(condatest.Spec{Name: "slow"})
	r, w := io.Pipe()
	slowDone := make(chan error, 1)
	go func() { slowDone <- upload("slow", slowBody{r}, int64(len(slow))) }()
	if _, err := w.Write(slow[:len(slow)/2]); err != nil {
		t.Fatal(err)
	}

	var stop atomic.Bool
	var group sync.WaitGroup
	var served, published atomic.Int64
	for i := range 4 {
		group.Go(func() {
			for n := 0; !stop.Load(); n++ {
				if i == 0 {
					name := "p" + strconv.Itoa(n)
					_, data := condatest.Build(condatest.Spec{Name: name})
					if err := upload(name, bytes.NewReader(data), int64(len(data))); err != nil {
						t.Errorf("upload: %v", err)
						return
					}
					published.Add(1)
					continue
				}
				resp, err := http.Get(url + "/main/noarch/repodata.json")
				if err != nil {
					t.Errorf("read: %v", err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK || !json.Valid(body) {
					t.Errorf("read: status %d, %v", resp.StatusCode, err)
					return
				}
				served.Add(1)
			}
		})
	}
	for n := range 4 {
		before := served.Load()
		for served.Load() < before+10 && !t.Failed() { // something happens under each configuration
			if _, err := http.Get(url + "/-/healthz"); err != nil {
				t.Errorf("health: %v", err)
			}
		}
		if err := s.load(config{app: "failures_per_minute " + strconv.Itoa(100+n)}); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	group.Wait()
	if _, err := w.Write(slow[len(slow)/2:]); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if err := <-slowDone; err != nil {
		t.Errorf("the upload that spanned the reloads: %v", err)
	}
	channels := fromJSON[[]channelView](t, s.must("channel", "list", "--json"))
	if want := int(published.Load()) + 1; channels[0].Packages != want {
		t.Errorf("%d packages: %d were acknowledged", channels[0].Packages, want)
	}
	http.DefaultClient.CloseIdleConnections()
}

// A configuration that cannot start leaves the running one as it was: same
// settings, same folder, and no goroutine behind.
func TestFailedReloadChangesNothing(t *testing.T) {
	s := start(t, config{})
	s.must("channel", "create", "main", "--visibility", "open")
	if got := s.get("/main/noarch/repodata.json", "").status; got != http.StatusOK {
		t.Fatal(got)
	}
	raw, err := adapt(s.caddyfile(config{app: "no_anonymous"}))
	if err != nil {
		t.Fatal(err)
	}
	known := goleak.IgnoreCurrent()
	// Its site listens where nobody can.
	for _, bad := range []string{
		strings.Replace(raw, `"fairway/127.0.0.1:0"`, `"192.0.2.1:1"`, 1),
		strings.Replace(raw, `"fairway": {`, `"fairway": {"account": "Not A Slug", "upstream_conflict": "explode",`, 1),
		strings.Replace(raw, `"fairway": {`, `"fairway": {"data": "{env.FAIRWAY_NO_SUCH_VARIABLE}", "x": 1,`, 1),
		// What is found out only when the settings are put in force.
		strings.Replace(raw, `"fairway": {`, `"fairway": {"pypi": {"upstreams": [{"name": "pypi"}], "cache_dir": "`+filepath.Join(s.data, "lock", "no-folder")+`"},`, 1),
	} {
		if err := loadJSON(bad); err == nil {
			t.Fatalf("a bad configuration was taken: %s", bad)
		}
		if got := s.get("/main/noarch/repodata.json", "").status; got != http.StatusOK {
			t.Errorf("status %d: the former settings are expected to be in force", got)
		}
	}
	if err := goleak.Find(known, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*Cache).maintainAssets"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/caddy/v2.replaceLocalAdminServer.func2")); err != nil {
		t.Error(err)
	}
	if err := s.load(config{app: "no_anonymous"}); err != nil {
		t.Fatal(err)
	}
	if got := s.get("/main/noarch/repodata.json", "").status; got != http.StatusUnauthorized {
		t.Errorf("status %d: the new setting is expected to be in force", got)
	}
}

// A folder has one owner; when Caddy stops it is free at once.
func TestFolderIsGivenUp(t *testing.T) {
	s := start(t, config{})
	open := func() error {
		g, err := gateway.Open(context.Background(), gateway.Config{Dir: s.data})
		if err != nil {
			return err
		}
		return g.Close()
	}
	if err := open(); err == nil {
		t.Error("two gateways own one folder")
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Error(err)
	}
}

// A reload may name the folder that is open by a link to it.
func TestFolderByAnotherName(t *testing.T) {
	s := start(t, config{})
	s.must("channel", "create", "main")
	link := filepath.Join(s.dir, "link")
	if err := os.Symlink(s.dir, link); err != nil {
		t.Fatal(err)
	}
	open := s.data
	for _, name := range []string{filepath.Join(link, "data"), filepath.Join(link, "new"), filepath.Join(s.dir, "new"), open} {
		s.data = name
		if err := s.load(config{}); err != nil {
			t.Fatal(err)
		}
		want := 0
		if filepath.Base(name) == filepath.Base(open) {
			want = 1
		}
		if channels := fromJSON[[]channelView](t, s.must("channel", "list", "--json")); len(channels) != want {
			t.Errorf("%s: %+v", name, channels)
		}
	}
}

// Several handlers of one configuration, and all configurations after it, count
// into the same figures.
func TestMetricsSurviveReload(t *testing.T) {
	both := config{global: "metrics", body: "handle /-/* {\n fairway_dashboard\n }\n handle {\n fairway_conda\n }"}
	s := start(t, both)
	s.must("channel", "create", "main", "--visibility", "open")
	dir := t.TempDir()
	file, data := condatest.Build(condatest.Spec{Name: "alpha"})
	writeFile(t, filepath.Join(dir, "noarch", file), data)
	s.must("import", dir, "--channel", "main")
	read := func() string {
		t.Helper()
		if got := s.get("/main/noarch/repodata.json", "").status; got != http.StatusOK {
			t.Fatal(got)
		}
		return s.metrics()
	}
	before := read()
	for _, want := range []string{
		`fairway_requests_total\{outcome="[a-z]+",surface="conda"\} 1`, `fairway_uploads_total 1`,
		`fairway_upload_bytes_total ` + strconv.Itoa(len(data)), `fairway_publish_phase_seconds_count\{phase="commit batch"\} 1`,
		`fairway_index_packages\{channel="main",subdir="noarch"\} 1`, `fairway_index_revision\{channel="main",subdir="noarch"\} [1-9]`,
		`fairway_index_bytes\{channel="main",subdir="noarch"\} [1-9]`, `fairway_decisions_total\{permission="channel:read",result="allowed"\} [1-9]`,
	} {
		if !regexp.MustCompile(want).MatchString(before) {
			t.Errorf("no line %s in\n%s", want, ours(before))
		}
	}
	if err := s.load(both); err != nil {
		t.Fatal(err)
	}
	if after := read(); !regexp.MustCompile(`fairway_requests_total\{outcome="[a-z]+",surface="conda"\} 2`).MatchString(after) {
		t.Errorf("the count began anew:\n%s", ours(after))
	}
}

// ours are the lines of our own figures.
func ours(metrics string) string {
	var out []string
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "fairway_") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// A gateway that closes answers what comes in late, instead of failing under it.
func TestLateRequestIsToldToComeBack(t *testing.T) {
	s := start(t, config{})
	app, err := findActiveApp()
	if err != nil {
		t.Fatal(err)
	}
	g := app.Gateway()
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, ok := g.Acquire(); ok {
		t.Error("a closed gateway gave a lease")
	}
	_ = s
}

func findActiveApp() (*App, error) {
	v, err := caddy.ActiveContext().AppIfConfigured("fairway")
	if app, ok := v.(*App); ok && err == nil {
		return app, nil
	}
	return nil, errors.New("no app")
}
