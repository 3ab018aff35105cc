package tests

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

var keyShape = regexp.MustCompile(`sk-[0-9A-Za-z]{50}`)

// What a newcomer does: make run, a channel, an upload with curl, an environment.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{Env: []string{"FAIRWAY_FIRST_KEY=print"}})
	g.Await("key on stdout", func() bool { return keyShape.MatchString(g.Output()) })
	keys := keyShape.FindAllString(g.Output(), -1)
	for _, k := range keys {
		if k != keys[0] {
			t.Fatalf("two keys were printed:\n%s", g.Output())
		}
	}
	key := keys[0]
	g.Secret(key)
	for _, want := range []string{"pip", "conda", "upload", "/-/"} {
		if !strings.Contains(g.Output(), want) {
			t.Errorf("the welcome says nothing about %q:\n%s", want, g.Output())
		}
	}

	g.Channel("team")
	file, data := condatest.Build(condatest.Spec{Name: "hello", Files: map[string]string{"share/hello.txt": "hello"}})
	if status, body := curlRaw(t, g, key, "team", file, data); status != "201" {
		t.Fatalf("curl's upload: %s %s", status, body)
	}
	prefix := t.TempDir()
	harness.Python(t, "conda", "install_packages.py", map[string]any{
		"channel": g.URL + "/team", "specs": []string{"hello"}, "prefix": prefix, "cache": t.TempDir(), "auth": "bearer", "key": key,
	}, nil)
	if got, err := os.ReadFile(filepath.Join(prefix, "share/hello.txt")); err != nil || string(got) != "hello" {
		t.Fatalf("the installed file is %q (%v)", got, err)
	}

	before := len(g.Output())
	g.Restart()
	if more := g.Output()[before:]; keyShape.MatchString(more) {
		t.Errorf("a second start printed a key again:\n%s", more)
	}
}

// A service's output is a log somewhere: run by itself never prints a key.
func TestRunNamesTheCommandThatMakesAKey(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	g.Await("word of 'fairway key create'", func() bool { return strings.Contains(g.Output()+g.Log(), "fairway key create") })
	if keyShape.MatchString(g.Output() + g.Log()) {
		t.Error("fairway run printed a key")
	}
}

func curlRaw(t *testing.T, g *harness.Gateway, key, channel, file string, data []byte) (status, body string) {
	t.Helper()
	path := write(t, file, data)
	return curl(t, "-H", "Authorization: Bearer "+key, "-H", "X-File-Name: "+file, "-H", "X-File-SHA256: "+sha(data),
		"-H", "Content-Type: application/octet-stream", "--data-binary", "@"+path, g.URL+"/api/v1/upload/"+channel)
}

func curl(t *testing.T, args ...string) (status, body string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "body")
	cmd := exec.Command("curl", append([]string{"-sS", "-o", out, "-w", "%{http_code}"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	code, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl: %v %s", err, stderr.String())
	}
	raw, _ := os.ReadFile(out)
	return string(code), strings.TrimSpace(string(raw))
}

func sha(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every way that a known uploader sends a package ends in the same channel.
func TestUploadDialects(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")

	type upload func(t *testing.T, channel, file string, data []byte)
	client := func(backend string) upload {
		return func(t *testing.T, channel, file string, data []byte) {
			var out struct{ Error string }
			harness.Python(t, "conda", "upload_packages.py", map[string]any{
				"backend": backend, "files": []string{write(t, file, data)}, "url": g.URL, "channel": channel, "key": key,
			}, &out)
			if out.Error != "" {
				t.Fatal(out.Error)
			}
		}
	}
	created := func(q func(channel, file string, data []byte) harness.Request) upload {
		return func(t *testing.T, channel, file string, data []byte) {
			g.Expect(t, http.StatusCreated, q(channel, file, data))
		}
	}
	for name, c := range map[string]struct {
		channel string
		send    upload
	}{
		"curl raw body": {"a", func(t *testing.T, channel, file string, data []byte) {
			if status, body := curlRaw(t, g, key, channel, file, data); status != "201" {
				t.Fatal(status, body)
			}
		}},
		"curl multipart": {"b", func(t *testing.T, channel, file string, data []byte) {
			status, body := curl(t, "-H", "Authorization: Bearer "+key, "-F",
				"file=@"+write(t, file, data)+`;type=application/octet-stream;headers="X-File-SHA256: `+sha(data)+`"`, g.URL+"/api/v1/upload/"+channel)
			if status != "201" {
				t.Fatal(status, body)
			}
		}},
		"rattler-build upload prefix":               {"c", client("prefix")},
		"rattler-build upload prefix, deep channel": {"org/deep/d", client("prefix")},
		"rattler-build upload quetz":                {"e", client("quetz")},
		"rattler-build upload artifactory":          {"f", client("artifactory")},
		"raw body into a channel of three segments": {"org/deep/g", created(func(channel, file string, data []byte) harness.Request {
			return harness.UploadRequest(key, channel, file, data)
		})},
		"quetz by hand, with X-API-Key and a digest": {"h", created(func(channel, file string, data []byte) harness.Request {
			return harness.Request{
				Method: "POST", Path: "/api/channels/" + channel + "/upload/" + file + "?force=false&sha256=" + sha(data), Body: data,
				Header: map[string]string{"X-API-Key": key},
			}
		})},
		"artifactory by hand, Basic": {"i", created(func(channel, file string, data []byte) harness.Request {
			return harness.Request{Method: "PUT", Path: "/" + channel + "/noarch/" + file, Body: data, Header: map[string]string{"Authorization": basic("u", key)}}
		})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g.Channel(c.channel)
			file, data := condatest.Build(condatest.Spec{Name: "app", About: map[string]any{"summary": name}}) // rattler-build wants an about.json
			c.send(t, c.channel, file, data)
			records := listed(t, g.Subdir(key, c.channel, "noarch"), file)
			if records[file]["sha256"] != sha(data) {
				t.Errorf("the index has %s with another SHA-256", file)
			}
			got := g.Expect(t, 200, harness.Request{Path: "/" + c.channel + "/noarch/" + file, Key: key})
			if !bytes.Equal(got.Body, data) {
				t.Error("what is downloaded is not what was uploaded")
			}
		})
	}
}

// The answers that clients act on, each with one sentence that they print.
func TestUploadStatuses(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{App: "max_upload 1MiB"})
	admin, developer, reader := g.Key("admin"), g.Key("developer"), g.Key("reader")
	scoped := g.Key("developer", "--channel", "other")
	narrow := g.Key("developer", "--package", "mine-*")
	g.Channel("team")
	file, data := g.Publish(developer, "team", condatest.Spec{Name: "there", Files: map[string]string{"a": "1"}})
	_, other := condatest.Build(condatest.Spec{Name: "there", Files: map[string]string{"a": "2"}})
	newFile, newData := condatest.Build(condatest.Spec{Name: "new"})
	_, impostor := condatest.Build(condatest.Spec{Name: "mine-not"})
	up := harness.UploadRequest
	forced := func(q harness.Request) harness.Request { q.Path += "?force=true"; return q }
	with := func(q harness.Request, k, v string) harness.Request { q.Header[k] = v; return q }

	for name, c := range map[string]struct {
		q      harness.Request
		status int
	}{
		"identical bytes again":             {up(developer, "team", file, data), 200},
		"other bytes":                       {up(developer, "team", file, other), 409},
		"other bytes, force, developer":     {forced(up(developer, "team", file, other)), 403},
		"no key":                            {up("", "team", newFile, newData), 401},
		"wrong key":                         {up("sk-"+strings.Repeat("0", 50), "team", newFile, newData), 401},
		"no key, no channel":                {up("", "nowhere", newFile, newData), 401},
		"reader":                            {up(reader, "team", newFile, newData), 403},
		"key of another channel":            {up(scoped, "team", newFile, newData), 403},
		"key of other packages":             {up(narrow, "team", newFile, newData), 403},
		"name of its scope, other in it":    {up(narrow, "team", "mine-a-1.0-0.conda", impostor), 422},
		"no such channel":                   {up(admin, "nowhere", newFile, newData), 404},
		"too large":                         {up(admin, "team", newFile, make([]byte, 1<<20+1)), 413},
		"no package":                        {up(admin, "team", newFile, []byte("not a package")), 422},
		"other name than the archive's":     {up(admin, "team", "else-1.0-0.conda", newData), 422},
		"wrong SHA-256":                     {with(up(admin, "team", newFile, newData), "X-File-SHA256", sha(data)), 422},
		"SHA-256 that is none":              {with(up(admin, "team", newFile, newData), "X-File-SHA256", "xyz"), 400},
		"no file name":                      {with(up(admin, "team", newFile, newData), "X-File-Name", ""), 400},
		"file name of a folder":             {with(up(admin, "team", newFile, newData), "X-File-Name", "../"+newFile), 422},
		"file name of no package":           {with(up(admin, "team", newFile, newData), "X-File-Name", "new.zip"), 422},
		"force that is neither":             {harness.Request{Method: "POST", Path: "/api/v1/upload/team?force=maybe", Key: admin, Body: newData}, 400},
		"key in the query":                  {harness.Request{Method: "POST", Path: "/api/v1/upload/team?token=" + admin, Body: newData}, 400},
		"two keys":                          {with(up(admin, "team", newFile, newData), "X-API-Key", reader), 400},
		"PUT into the wrong subdir":         {harness.Request{Method: "PUT", Path: "/team/linux-64/" + newFile, Key: admin, Body: newData}, 422},
		"multipart without a file":          {multipartRequest(admin, "team", part{name: "attestation", body: []byte("{}")}), 400},
		"multipart with an unknown part":    {multipartRequest(admin, "team", part{name: "else", body: newData}), 400},
		"multipart with two files":          {multipartRequest(admin, "team", part{"file", newFile, newData}, part{"file", newFile, newData}), 400},
		"multipart with a bad attestation":  {multipartRequest(admin, "team", part{"file", newFile, newData}, part{name: "attestation", body: []byte("no JSON")}), 422},
		"wrong method":                      {harness.Request{Method: "DELETE", Path: "/api/v1/upload/team", Key: admin}, 405},
		"overwritten by force, admin, last": {forced(up(admin, "team", file, data)), 200},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.Expect(t, c.status, c.q)
			if c.status >= 400 {
				checkSentence(t, r)
			}
			if c.status == 401 {
				checkChallenge(t, r)
			}
		})
	}

	r := g.Expect(t, 201, forced(up(admin, "team", file, other)))
	var answer struct{ SHA256 string }
	if err := json.Unmarshal(r.Body, &answer); err != nil || answer.SHA256 != sha(other) {
		t.Errorf("the answer to an overwrite is %s", r.Text())
	}
	records := g.Subdir(reader, "team", "noarch").View(t)
	if len(records) != 1 || records[file]["sha256"] != sha(other) {
		t.Errorf("after the overwrite the index has %v", records)
	}
	if got := g.Get("/team/noarch/"+file, reader); !bytes.Equal(got.Body, other) {
		t.Error("after the overwrite the old bytes are served")
	}
}

// checkSentence checks what uploaders print: the first 512 characters of plain
// text.
func checkSentence(t *testing.T, r *harness.Response) {
	t.Helper()
	text := r.Text()
	switch {
	case text == "" || len(text) > 512 || strings.Contains(text, "\n"):
		t.Errorf("the error is %q: one sentence of at most 512 bytes is expected", text)
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain"):
		t.Errorf("the error's Content-Type is %q", r.Header.Get("Content-Type"))
	case r.Header.Get("Cache-Control") != "no-store":
		t.Errorf("the error's Cache-Control is %q", r.Header.Get("Cache-Control"))
	}
}

func checkChallenge(t *testing.T, r *harness.Response) {
	t.Helper()
	all := strings.Join(r.Header.Values("WWW-Authenticate"), ", ")
	if !strings.Contains(all, "Basic realm=") || !strings.Contains(all, "Bearer realm=") {
		t.Errorf("the challenge is %q: Basic and Bearer are expected", all)
	}
}

// An attestation that came with a package is served beside it (CEP 27).
func TestAttestationIsKept(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	file, data := condatest.Build(condatest.Spec{Name: "signed"})
	bundle := []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"tlogEntries":[]},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AA=="}]}}`)
	g.Expect(t, 201, multipartRequest(key, "team", part{"file", file, data}, part{name: "attestation", body: bundle}))
	r := g.Expect(t, 200, harness.Request{Path: "/team/noarch/" + file + ".v0.sigs", Key: key})
	if !strings.Contains(r.Text(), "application/vnd.in-toto+json") {
		t.Errorf("the attestation that is served is %s", r.Text())
	}
	bare, _ := g.Publish(key, "team", condatest.Spec{Name: "bare"})
	g.Expect(t, 404, harness.Request{Path: "/team/noarch/" + bare + ".v0.sigs", Key: key})
}
