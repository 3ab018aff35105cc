package tests

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// Reloading the configuration under load drops no request and no upload.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	const reloads = 20
	g := harness.Start(t, harness.Options{App: "max_upload 100MiB"})
	u := &uploaders{g: g, key: g.Key("admin"), channel: "team", acked: map[string]string{}}
	g.Channel("team")
	g.Publish(u.key, "team", condatest.Spec{Name: "large", Files: map[string]string{"data": noise(1 << 20)}})

	stop := make(chan struct{})
	var wg sync.WaitGroup
	var reads atomic.Int64
	wg.Go(func() { u.run(4, stop) })
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, path := range []string{"/team/noarch/repodata.json", "/team/noarch/large-1.0-0.conda"} {
					r, err := g.Try(harness.Request{Path: path, Key: u.key})
					if err != nil || r.Status != 200 {
						t.Errorf("during a reload %s: %v %v", path, err, r)
						return
					}
					reads.Add(1)
				}
			}
		})
	}
	text, err := os.ReadFile(g.Config)
	must(t, err)
	for i := range reloads {
		// Every one is another configuration: an equal one would not be loaded.
		next := strings.Replace(string(text), "max_upload 100MiB", "max_upload "+sizes[i%2], 1)
		must(t, os.WriteFile(g.Config, []byte(next), 0o600))
		if out, errs, code := g.CLI("reload", "--config", g.Config, "--address", g.Admin); code != 0 {
			t.Errorf("reload %d: exit status %d %s%s", i, code, out, errs)
		}
	}
	close(stop)
	wg.Wait()
	u.mu.Lock()
	if len(u.retry) > 0 {
		t.Errorf("%d uploads got no answer: %v", len(u.retry), u.broken)
	}
	u.mu.Unlock()
	u.check(t)
	t.Logf("%d reloads, %d uploads, %d reads", reloads, len(u.acked), reads.Load())

	// The last configuration is the one in force.
	file, data := condatest.Build(condatest.Spec{Name: "big", Files: map[string]string{"data": noise(3 << 20)}})
	g.Expect(t, http.StatusRequestEntityTooLarge, harness.UploadRequest(u.key, "team", file, data))
}

// The size limits that the reloads go back and forth between; the last is small.
var sizes = []string{"100MiB", "2MiB"}

// A configuration that cannot be loaded leaves the running one alone.
func TestBadReloadChangesNothing(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{App: "max_upload 1MiB"})
	key := g.Key("admin")
	g.Channel("team")
	for name, app := range map[string]string{
		"unknown option":     "colour blue",
		"bad size":           "max_upload many",
		"unset secret":       "upstream pypi http://127.0.0.1:1/simple/ {\nusername u\npassword {env.FAIRWAY_TEST_UNSET}\n}",
		"the app twice":      "account x\n}\nfairway {\n",
		"negative retention": "shard_retention -1h",
	} {
		must(t, os.WriteFile(g.Config, []byte(harness.Caddyfile(app)), 0o600))
		if out, _, code := g.CLI("reload", "--config", g.Config, "--address", g.Admin); code == 0 {
			t.Errorf("%s: the reload went through\n%s", name, out)
		}
	}
	g.Publish(key, "team", condatest.Spec{Name: "app"})
	listed(t, g.Subdir(key, "team", "noarch"), "app-1.0-0.conda")
}
