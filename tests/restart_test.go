package tests

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// Indexes are a function of the catalog: whatever becomes of the derived cache,
// the same bytes are served under the same ETags.
func TestDerivedCacheIsOnlyACache(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	for i := range 40 {
		file, _ := g.Publish(key, "team", condatest.Spec{
			Name: "pkg" + strconv.Itoa(i%13), Version: strconv.Itoa(i), TarBz2: i%3 == 0, RunExports: map[string]any{"weak": []string{"x"}},
		})
		if i%7 == 3 { // what a rebuild never sees
			g.Expect(t, 200, harness.Request{Method: "DELETE", Path: "/api/v1/delete/team/noarch/" + file, Key: key})
		}
	}
	want := snapshot(t, g, key)
	derived := filepath.Join(g.Data, "derived")

	for name, damage := range map[string]func(){
		"left alone": func() {},
		"deleted":    func() { must(t, os.RemoveAll(derived)) },
		"corrupted":  func() { eachFile(t, derived, flip) },
		"cut short":  func() { eachFile(t, derived, halve) },
		"emptied":    func() { eachFile(t, derived, func(p string) error { return os.Truncate(p, 0) }) },
	} {
		g.Stop()
		damage()
		g.Launch()
		if diff := cmp.Diff(want, snapshot(t, g, key)); diff != "" {
			t.Fatalf("after the derived cache was %s (-before +after):\n%s", name, diff)
		}
		g.Subdir(key, "team", "noarch").View(t)
	}
}

// snapshot is the ETag and digest of every index file of a channel's noarch.
func snapshot(t *testing.T, g *harness.Gateway, key string) map[string]string {
	t.Helper()
	out := map[string]string{}
	get := func(path string) {
		r := g.Expect(t, 200, harness.Request{Path: path, Key: key})
		out[path] = r.Header.Get("ETag") + " " + sha(r.Body)
	}
	for _, f := range []string{"repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst", "run_exports.json", "run_exports.json.zst", "current_repodata.json"} {
		get("/team/noarch/" + f)
	}
	get("/team/channeldata.json")
	index, err := g.Subdir(key, "team", "noarch").ShardIndex()
	must(t, err)
	for _, hash := range index {
		get("/team/noarch/shards/" + hash + ".msgpack.zst")
	}
	return out
}

func eachFile(t *testing.T, dir string, fn func(path string) error) {
	t.Helper()
	n := 0
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		n++
		return fn(path)
	}))
	if n == 0 {
		t.Fatalf("%s has no file: the test damages nothing", dir)
	}
}

func flip(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil || len(raw) == 0 {
		return err
	}
	for _, at := range []int{0, len(raw) / 3, len(raw) / 2, len(raw) - 1} {
		raw[at] ^= 0x41
	}
	return os.WriteFile(path, raw, 0o600)
}

func halve(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()/2)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Two gateways on one folder would write over each other: the second refuses.
func TestSecondGatewayRefuses(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	second := harness.Prepare(t, harness.Options{Data: g.Data})
	if err := second.TryLaunch(); err == nil {
		t.Fatal("a second gateway started on the same folder")
	}
	if log := second.Log(); !strings.Contains(log, "in use") || !strings.Contains(log, g.Data) {
		t.Errorf("the second gateway says:\n%s", log)
	}
	g.Expect(t, 200, harness.Request{Path: "/-/readyz"})
	g.Kill() // a crash leaves no lock behind
	second.Launch()
}
