package tests

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

const (
	indexCache   = "no-cache, max-age=0"
	jsonType     = "application/json"
	zstdType     = "application/zstd"
	packageType  = "application/octet-stream"
	shardCache   = "private, max-age=31536000, immutable"
	packageCache = "private, no-cache"
)

// What the clients' caches rely on, for every file of a channel: its type, its
// freshness, and validators of its own.
func TestEveryFileIsServedAsClientsExpect(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	file, _ := g.Publish(key, "team", condatest.Spec{Name: "app", RunExports: map[string]any{"weak": []string{"app"}}})
	old, _ := g.Publish(key, "team", condatest.Spec{Name: "old", Subdir: "linux-64", TarBz2: true})
	index, err := g.Subdir(key, "team", "noarch").ShardIndex()
	if err != nil {
		t.Fatal(err)
	}
	type kind struct{ contentType, cache string }
	files := map[string]kind{
		"/team/channeldata.json":                               {jsonType, indexCache},
		"/team/notices.json":                                   {jsonType, indexCache},
		"/team/noarch/" + file:                                 {packageType, packageCache},
		"/team/linux-64/" + old:                                {packageType, packageCache},
		"/team/noarch/shards/" + index["app"] + ".msgpack.zst": {zstdType, shardCache},
	}
	for _, subdir := range []string{"noarch", "linux-64", "osx-arm64"} {
		for _, name := range []string{"repodata.json", "current_repodata.json", "run_exports.json"} {
			files["/team/"+subdir+"/"+name] = kind{jsonType, indexCache}
		}
		for _, name := range []string{"repodata.json.zst", "run_exports.json.zst", "repodata_shards.msgpack.zst"} {
			files["/team/"+subdir+"/"+name] = kind{zstdType, indexCache}
		}
	}
	etags := map[string]string{}
	for path, want := range files {
		r := g.Expect(t, 200, harness.Request{Path: path, Key: key})
		etag := r.Header.Get("ETag")
		if other, taken := etags[etag]; taken {
			t.Errorf("%s and %s have the same ETag %s: clients mix them up", path, other, etag)
		}
		etags[etag] = path
		if strings.HasSuffix(path, "/repodata.json") {
			r := g.Expect(t, 200, harness.Request{Path: path, Key: key, Header: map[string]string{"Accept-Encoding": "gzip, zstd"}})
			if r.Header.Get("ETag") == etag {
				t.Errorf("%s has the same ETag in two encodings", path)
			}
			if r.Header.Get("Content-Encoding") != "zstd" || !strings.Contains(r.Header.Get("Vary"), "Accept-Encoding") {
				t.Errorf("%s for a client that takes zstd: %v", path, r.Header)
			}
		}
		t.Run(path, func(t *testing.T) {
			if got := r.Header.Get("Content-Type"); got != want.contentType {
				t.Errorf("Content-Type is %q: %q is expected", got, want.contentType)
			}
			if got := r.Header.Get("Cache-Control"); got != want.cache {
				t.Errorf("Cache-Control is %q: %q is expected", got, want.cache)
			}
			if len(etag) < 3 || etag[0] != '"' {
				t.Errorf("ETag is %q: a strong one is expected", etag)
			}
			for _, never := range []string{"Set-Cookie", "Content-Encoding"} {
				if r.Header.Get(never) != "" {
					t.Errorf("%s is %q: none is expected", never, r.Header.Get(never))
				}
			}
			checkConditional(t, g, key, path, r)
			checkRanges(t, g, key, path, r)
			checkHead(t, g, key, path, r)
		})
	}
}

func checkHead(t *testing.T, g *harness.Gateway, key, path string, get *harness.Response) {
	t.Helper()
	head := g.Expect(t, 200, harness.Request{Method: "HEAD", Path: path, Key: key})
	if len(head.Body) > 0 {
		t.Error("HEAD has a body")
	}
	if got := head.Header.Get("Content-Length"); got != strconv.Itoa(len(get.Body)) {
		t.Errorf("HEAD says Content-Length %q: %d is expected", got, len(get.Body))
	}
	for name := range get.Header {
		if a, b := get.Header.Get(name), head.Header.Get(name); a != b && name != "Date" {
			t.Errorf("HEAD says %s: %q, GET %q", name, b, a)
		}
	}
}

func checkConditional(t *testing.T, g *harness.Gateway, key, path string, get *harness.Response) {
	t.Helper()
	etag := get.Header.Get("ETag")
	for name, c := range map[string]struct {
		header map[string]string
		status int
	}{
		"its ETag":              {map[string]string{"If-None-Match": etag}, 304},
		"its ETag, weak":        {map[string]string{"If-None-Match": "W/" + etag}, 304},
		"its ETag among others": {map[string]string{"If-None-Match": `"x", ` + etag + `, "y"`}, 304},
		"any":                   {map[string]string{"If-None-Match": "*"}, 304},
		"another ETag":          {map[string]string{"If-None-Match": `"x"`}, 200},
		"another ETag and no change since, which does not count": {map[string]string{"If-None-Match": `"x"`, "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200},
		"a state that is wanted":                                 {map[string]string{"If-Match": etag}, 200},
		"a state that is gone":                                   {map[string]string{"If-Match": `"x"`}, 412},
	} {
		r := g.Do(harness.Request{Path: path, Key: key, Header: c.header})
		if r.Status != c.status {
			t.Errorf("%s: %d; %d is expected", name, r.Status, c.status)
		}
		if r.Status == 304 && (r.Header.Get("ETag") != etag || len(r.Body) > 0 || r.Header.Get("Cache-Control") != get.Header.Get("Cache-Control")) {
			t.Errorf("%s: the 304 has the headers %v and %d bytes: the same ETag and Cache-Control and no body are expected", name, r.Header, len(r.Body))
		}
	}
	if modified := get.Header.Get("Last-Modified"); modified != "" {
		if r := g.Do(harness.Request{Path: path, Key: key, Header: map[string]string{"If-Modified-Since": modified}}); r.Status != 304 {
			t.Errorf("not modified since %s: %d", modified, r.Status)
		}
	}
}

func checkRanges(t *testing.T, g *harness.Gateway, key, path string, get *harness.Response) {
	t.Helper()
	size, etag := len(get.Body), get.Header.Get("ETag")
	for name, c := range map[string]struct {
		header   map[string]string
		status   int
		from, to int // of what comes back
	}{
		"first bytes":              {map[string]string{"Range": "bytes=0-9"}, 206, 0, 10},
		"from an offset":           {map[string]string{"Range": "bytes=5-"}, 206, 5, size},
		"last bytes":               {map[string]string{"Range": "bytes=-7"}, 206, size - 7, size},
		"more than there are":      {map[string]string{"Range": "bytes=-65536"}, 206, max(0, size-65536), size},
		"one byte":                 {map[string]string{"Range": "bytes=3-3"}, 206, 3, 4},
		"end beyond the end":       {map[string]string{"Range": "bytes=5-999999999"}, 206, 5, size},
		"if still the same":        {map[string]string{"Range": "bytes=1-8", "If-Range": etag}, 206, 1, 9},
		"if the same, but changed": {map[string]string{"Range": "bytes=1-8", "If-Range": `"x"`}, 200, 0, size},
		"beyond the end":           {map[string]string{"Range": "bytes=999999999-"}, 416, 0, 0},
		"no range":                 {map[string]string{"Range": "lines=1-2"}, 200, 0, size},
	} {
		r := g.Do(harness.Request{Path: path, Key: key, Header: c.header})
		switch {
		case r.Status != c.status && !(name == "no range" && r.Status == 416): // both are allowed (RFC 9110 §14.2)
			t.Errorf("range, %s: %d; %d is expected", name, r.Status, c.status)
		case r.Status == 206 && (!bytes.Equal(r.Body, get.Body[c.from:c.to]) || r.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", c.from, c.to-1, size)):
			t.Errorf("range, %s: Content-Range %q with %d bytes, which are wrong", name, r.Header.Get("Content-Range"), len(r.Body))
		case r.Status == 200 && !bytes.Equal(r.Body, get.Body):
			t.Errorf("range, %s: other bytes than without a range", name)
		}
	}
}

// A client that asks for a platform nobody published for gets an empty index, not
// an error.
func TestEverySubdirHasAnIndex(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	for _, subdir := range conda.KnownSubdirs() {
		if records := g.Subdir(key, "team", subdir).View(t); len(records) != 0 {
			t.Errorf("an empty channel has %v in %s", records.Names(), subdir)
		}
	}
	for _, path := range []string{"/team/atari-68k/repodata.json", "/team/noarch/repodata.json.bz2", "/team/noarch/missing-1.0-0.conda", "/team/noarch/shards/" + strings.Repeat("0", 64) + ".msgpack.zst", "/nowhere/noarch/repodata.json"} {
		checkSentence(t, g.Expect(t, 404, harness.Request{Path: path, Key: key}))
	}
}

// Who may read what: every credential in every form against every visibility.
func TestWhoMayRead(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{App: "failures_per_minute 100000"})
	admin := g.Key("admin")
	g.MustCLI("project", "create", "ours")
	g.MustCLI("project", "create", "theirs")
	g.Channel("open", "--visibility", "open")
	g.Channel("licensed")
	g.Channel("closed", "--visibility", "closed")
	g.Channel("ours", "--project", "ours")
	for _, c := range []string{"open", "licensed", "closed", "ours"} {
		g.Publish(admin, c, condatest.Spec{Name: "app"})
	}
	disabled := g.Key("reader", "--name", "disabled")
	g.MustCLI("key", "disable", "disabled")
	deleted := g.Key("reader", "--name", "deleted")
	g.MustCLI("key", "delete", "deleted")
	callers := map[string]string{
		"nobody": "", "reader": g.Key("reader"), "executor": g.Key("executor"), "application": g.Key("application"),
		"developer": g.Key("developer"), "admin": admin,
		"ours": g.Key("reader", "--project", "ours"), "theirs": g.Key("reader", "--project", "theirs"),
		"of another channel": g.Key("admin", "--channel", "else*"), "of another subdir": g.Key("reader", "--subdir", "linux-64"),
		"of the Python index": g.Key("reader", "--engine", "pypi"), "from another network": g.Key("reader", "--cidr", "192.0.2.0/24"),
		"disabled": disabled, "deleted": deleted, "made up": "sk-" + strings.Repeat("a", 50), "no key": "hello",
	}
	// Columns: open, licensed, closed, ours. A wrong credential is 401 everywhere.
	want := map[string][4]int{
		"nobody": {200, 401, 401, 401}, "reader": {200, 200, 403, 200}, "executor": {200, 200, 403, 200}, "application": {200, 200, 403, 200},
		"developer": {200, 200, 200, 200}, "admin": {200, 200, 200, 200},
		"ours": {200, 200, 403, 200}, "theirs": {200, 200, 403, 403},
		"of another channel": {200, 403, 403, 403}, "of another subdir": {200, 403, 403, 403},
		"of the Python index": {200, 403, 403, 403}, "from another network": {403, 403, 403, 403},
		"disabled": {401, 401, 401, 401}, "deleted": {401, 401, 401, 401}, "made up": {401, 401, 401, 401}, "no key": {401, 401, 401, 401},
	}
	forms := map[string]func(q *harness.Request, key string){
		"Bearer":            func(q *harness.Request, key string) { q.Header["Authorization"] = "Bearer " + key },
		"token":             func(q *harness.Request, key string) { q.Header["Authorization"] = "token " + key },
		"Basic, password":   func(q *harness.Request, key string) { q.Header["Authorization"] = basic("anyone", key) },
		"Basic, user":       func(q *harness.Request, key string) { q.Header["Authorization"] = basic(key, "") },
		"/t/ at the root":   func(q *harness.Request, key string) { q.Path = "/t/" + key + q.Path },
		"/t/ as conda does": func(q *harness.Request, key string) {}, // a channel of one segment: the same path
	}
	for caller, key := range callers {
		for form, put := range forms {
			for i, channel := range []string{"open", "licensed", "closed", "ours"} {
				for _, file := range []string{"repodata.json", "repodata_shards.msgpack.zst", "repodata.json.zst", "app-1.0-0.conda"} {
					q := harness.Request{Method: http.MethodGet, Path: "/" + channel + "/noarch/" + file, Header: map[string]string{}}
					if caller != "nobody" {
						if form == "/t/ as conda does" {
							continue
						}
						put(&q, key)
					}
					r := g.Do(q)
					if r.Status != want[caller][i] {
						t.Errorf("%s with %s reads %s of %s: %d; %d is expected", caller, form, file, channel, r.Status, want[caller][i])
					}
					if r.Status == 401 {
						checkChallenge(t, r)
					}
					if r.Status >= 400 {
						checkSentence(t, r)
					}
				}
			}
			if caller == "nobody" {
				break
			}
		}
	}
}

// conda puts the token of a deep channel before its last segment.
func TestTokenInThePathOfADeepChannel(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("org/team")
	g.Publish(key, "org/team", condatest.Spec{Name: "app"})
	for _, path := range []string{"/t/" + key + "/org/team/noarch/", "/org/t/" + key + "/team/noarch/"} {
		for _, file := range []string{"repodata.json", "repodata_shards.msgpack.zst", "app-1.0-0.conda"} {
			g.Expect(t, 200, harness.Request{Path: path + file})
		}
	}
	// A path token is for reading: nobody uploads with it.
	file, data := condatest.Build(condatest.Spec{Name: "other"})
	q := harness.UploadRequest("", "org/team", file, data)
	q.Path = "/t/" + key + q.Path
	if r := g.Do(q); r.Status < 400 || r.Status >= 500 {
		t.Errorf("an upload below /t/: %d", r.Status)
	}
}

// A key that is revoked, or a channel that is closed, acts on the next request.
func TestChangesActAtOnce(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	admin, reader := g.Key("admin"), g.Key("reader", "--name", "r")
	g.Channel("team")
	g.Publish(admin, "team", condatest.Spec{Name: "app"})
	read := func(status int) {
		t.Helper()
		for _, file := range []string{"repodata.json", "app-1.0-0.conda"} {
			g.Expect(t, status, harness.Request{Path: "/team/noarch/" + file, Key: reader})
		}
	}
	read(200)
	g.MustCLI("key", "disable", "r")
	read(401)
	g.MustCLI("key", "enable", "r")
	read(200)
	g.MustCLI("channel", "set", "team", "--visibility", "closed")
	read(403)
	g.MustCLI("channel", "set", "team", "--visibility", "open")
	g.Expect(t, 200, harness.Request{Path: "/team/noarch/repodata.json"})
	g.MustCLI("channel", "set", "team", "--visibility", "licensed")
	g.Expect(t, 401, harness.Request{Path: "/team/noarch/repodata.json"})
	rotated := g.MustCLI("key", "rotate", "r")
	g.Secret(rotated)
	g.Expect(t, 200, harness.Request{Path: "/team/noarch/repodata.json", Key: rotated})
	g.MustCLI("key", "delete", "r")
	read(401)
	g.Expect(t, 401, harness.Request{Path: "/team/noarch/repodata.json", Key: rotated})
}
