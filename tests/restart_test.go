package tests

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/python/pythontest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// Indexes are a function of the catalog: after any sequence of changes, and
// whatever becomes of the derived cache, the same bytes are served under the same
// ETags.
func TestDerivedCacheIsOnlyACache(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	changeAtRandom(t, g, key, 150)
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

// changeAtRandom publishes, replaces, deletes, yanks, unyanks and patches.
func changeAtRandom(t *testing.T, g *harness.Gateway, key string, changes int) {
	t.Helper()
	random := rand.New(rand.NewPCG(5, 6))
	specs := map[string]condatest.Spec{} // by file name
	var files []string
	do := func(method, verb, file string, body string) {
		g.Expect(t, 200, harness.Request{Method: method, Path: "/api/v1/" + verb + "/team/noarch/" + file, Key: key, Body: []byte(body)})
	}
	for i := range changes {
		op := random.IntN(10)
		if len(files) < 10 {
			op = 0
		}
		switch op {
		case 0, 1, 2, 3, 4:
			s := condatest.Spec{Name: "pkg" + strconv.Itoa(random.IntN(13)), Version: strconv.Itoa(i), TarBz2: i%3 == 0}
			if i%4 == 0 {
				s.RunExports = map[string]any{"weak": []string{"x"}}
			}
			file, _ := g.Publish(key, "team", s)
			specs[file], files = s, append(files, file)
		case 5:
			s := specs[files[random.IntN(len(files))]]
			s.License = "other " + strconv.Itoa(i)
			file, data := condatest.Build(s)
			q := harness.UploadRequest(key, "team", file, data)
			q.Path += "?force=true"
			g.Expect(t, 201, q)
		case 6:
			at := random.IntN(len(files))
			do("DELETE", "delete", files[at], "")
			files = slices.Delete(files, at, at+1)
		case 7:
			do("POST", "yank", files[random.IntN(len(files))], `{"reason":"try"}`)
		case 8:
			do("POST", "unyank", files[random.IntN(len(files))], "")
		case 9:
			g.Expect(t, 200, harness.Request{
				Method: "PUT", Path: "/api/v1/patch/team/noarch", Key: key,
				Body: []byte(`{"patch_instructions_version":1,"packages":{},"packages.conda":{"` + files[0] + `":{"depends":["n` + strconv.Itoa(i) + `"]}},"revoke":[],"remove":["` + files[1] + `"]}`),
			})
		}
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

// Package files that are gone from the disk are a 503 that says so, and a line of the
// log with their digest; the same upload again brings them back.
func TestFilesGoneFromTheDisk(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("developer")
	g.Channel("team")
	file, data := g.Publish(key, "team", condatest.Spec{Name: "app"})
	wheel, wheelData := g.PublishPython(key, pythontest.Spec{Name: "lib", Version: "1"})
	for _, f := range []struct {
		path  string
		data  []byte
		again harness.Request
	}{
		{"/team/noarch/" + file, data, harness.UploadRequest(key, "team", file, data)},
		{harness.PyFilePath("lib", wheel), wheelData, harness.PyUploadRequest(key, wheel, wheelData, nil)},
	} {
		digest := fmt.Sprintf("%x", sha256.Sum256(f.data))
		must(t, os.Remove(filepath.Join(g.Data, "blobs", digest[:2], digest[2:])))
		for _, method := range []string{"GET", "HEAD"} {
			r := g.Expect(t, 503, harness.Request{Method: method, Path: f.path, Key: key})
			if r.Header.Get("Retry-After") == "" || method == "GET" && !strings.Contains(r.Text(), "uploaded again") {
				t.Errorf("%s %s: %v %s", method, f.path, r.Header, r.Text())
			}
		}
		if !strings.Contains(g.Log(), digest) {
			t.Errorf("the log does not say which bytes of %s are gone", f.path)
		}
		g.Expect(t, 200, f.again)
		if r := g.Get(f.path, key); r.Status != 200 || !bytes.Equal(r.Body, f.data) {
			t.Errorf("%s, uploaded again: %d", f.path, r.Status)
		}
	}
}
