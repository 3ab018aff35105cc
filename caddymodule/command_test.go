package caddymodule

import (
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/gateway"
)

// A key is printed alone on stdout, works at once, and obeys every command about
// it with the next request.
func TestKeyCommands(t *testing.T) {
	s := start(t, config{})
	s.must("channel", "create", "main")
	out, errs, err := cli("key", "create", "--name", "ci", "--role", "reader", "--channel", "ma*", "--expires", "24h", "--cidr", "127.0.0.0/8")
	if err != nil || !regexp.MustCompile(`^sk-[0-9A-Za-z]{50}\n$`).MatchString(out) {
		t.Fatalf("stdout %q, %v: the key alone is expected", out, err)
	}
	key := strings.TrimSpace(out)
	if !strings.Contains(errs, "shown this once") || strings.Contains(errs, key) {
		t.Errorf("stderr %q: a word for people, without the key, is expected", errs)
	}
	const path = "/main/noarch/repodata.json"
	works := func(key string, want int) {
		t.Helper()
		if got := s.get(path, key).status; got != want {
			t.Errorf("status %d: %d is expected", got, want)
		}
	}
	works("", http.StatusUnauthorized)
	works(key, http.StatusOK)

	shown := fromJSON[keyView](t, s.must("key", "show", "ci", "--json"))
	if shown.Policy != "reader" || !strings.HasPrefix(key, strings.TrimSuffix(shown.Mask, mask)) || shown.Value != "" ||
		string(shown.Scope) == "" || shown.ExpiresAt == "" || len(shown.CIDRs) != 1 {
		t.Errorf("shown %+v", shown)
	}
	if list := s.must("key", "list"); !strings.Contains(list, "ci") || strings.Contains(list, key) {
		t.Errorf("list %q", list)
	}
	s.must("key", "disable", "ci")
	works(key, http.StatusUnauthorized)
	s.must("key", "enable", shown.ID)
	works(key, http.StatusOK)
	if got := s.refused("key", "rotate", "ci", "--grace", "8d"); got != "the grace period is 8 days: 0 seconds to 7 days are expected" {
		t.Errorf("a grace period that is too long: %q", got)
	}
	next, errs, err := cli("key", "rotate", "ci", "--grace", "36h")
	if next = strings.TrimSpace(next); err != nil || !strings.Contains(errs, "works for 1 day 12 hours more") {
		t.Errorf("%v: %s", err, errs)
	}
	works(key, http.StatusOK)
	works(next, http.StatusOK)
	last := s.must("key", "rotate", "ci")
	works(next, http.StatusUnauthorized)
	s.must("key", "delete", "ci")
	works(last, http.StatusUnauthorized)
	if keys := fromJSON[[]keyView](t, s.must("key", "list", "--json")); len(keys) != 0 {
		t.Errorf("%d keys are left", len(keys))
	}
}

// A policy is made, changed and deleted at the machine, and its keys obey with the
// next request.
func TestPolicyCommands(t *testing.T) {
	s := start(t, config{})
	s.must("channel", "create", "main")
	known := fromJSON[[]permissionView](t, s.must("policy", "permissions", "--json"))
	if len(known) != int(authz.NumPerms) || known[0].Name != "channel:read" || known[0].Description == "" {
		t.Errorf("the permissions are %+v", known)
	}
	if got := s.must("policy", "permissions"); !strings.Contains(got, "Publish new packages.") {
		t.Errorf("for people, the permissions are %s", got)
	}

	made := fromJSON[policyView](t, s.must("policy", "create", "pull", "--permission", "package:read", "--permission", "channel:read", "--json"))
	if want := []string{"channel:read", "package:read"}; made.Name != "pull" || made.Builtin || !slices.Equal(made.Permissions, want) {
		t.Errorf("made %+v", made)
	}
	key := s.must("key", "create", "--name", "laptop", "--policy", "pull")
	s.must("key", "create", "--name", "desktop", "--policy", "pull")
	works := func(want int) {
		t.Helper()
		if got := s.get("/main/noarch/repodata.json", key).status; got != want {
			t.Errorf("status %d: %d is expected", got, want)
		}
	}
	works(http.StatusOK)
	s.must("policy", "set", "pull", "--permission", "metrics:read")
	works(http.StatusForbidden)
	s.must("policy", "set", made.ID, "--name", "draw")
	if shown := fromJSON[policyView](t, s.must("policy", "show", "draw", "--json")); shown.ID != made.ID || !slices.Equal(shown.Permissions, []string{"metrics:read"}) {
		t.Errorf("shown %+v", shown)
	}
	list := fromJSON[[]policyView](t, s.must("policy", "list", "--json"))
	if len(list) != 6 || list[0].Name != "admin" || !list[0].Builtin || !slices.ContainsFunc(list, func(p policyView) bool { return p.ID == made.ID }) {
		t.Errorf("listed %+v", list)
	}
	for _, args := range [][]string{{"policy", "list"}, {"policy", "show", "draw"}} {
		if got := s.must(args...); !strings.Contains(got, "draw") || !strings.Contains(got, made.ID) {
			t.Errorf("fairway %s: %s", strings.Join(args, " "), got)
		}
	}
	if _, errs, err := cli("policy", "delete", "draw"); err != nil || errs != "Policy draw is deleted, and 2 keys with it.\n" {
		t.Errorf("deleting said %q, %v", errs, err)
	}
	works(http.StatusUnauthorized)
	s.must("policy", "create", "unused", "--permission", "metrics:read")
	if got := fromJSON[cascade](t, s.must("policy", "delete", "unused", "--json")); got.Keys != 0 {
		t.Errorf("%d keys went with a policy that none had", got.Keys)
	}
}

// A public key needs no role: it has one.
func TestPublicKeyCommand(t *testing.T) {
	s := start(t, config{})
	key := s.must("key", "create", "--name", "page", "--type", "pk")
	if shown := fromJSON[keyView](t, s.must("key", "show", "page", "--json")); !strings.HasPrefix(key, "pk-") || shown.Type != "pk" || shown.Policy != "executor" || shown.ExpiresAt == "" {
		t.Errorf("%.3s, %+v", key, shown)
	}
}

// Our commands are not on the page about Caddy's, so no help leads there.
func TestHelpLeadsNowhereElse(t *testing.T) {
	start(t, config{})
	for _, args := range [][]string{{"key", "--help"}, {"key", "create", "--help"}, {"fsck", "--help"}} {
		if out, _, err := cli(args...); err != nil || !strings.Contains(out, "Usage:") || strings.Contains(out, "caddyserver.com") {
			t.Errorf("fairway %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
}

// Every refusal is one sentence, and nothing is on stdout.
func TestCommandsRefuse(t *testing.T) {
	s := start(t, config{})
	s.must("project", "create", "core")
	s.must("key", "create", "--name", "taken", "--role", "reader")
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"key", "create", "--role", "reader"}, "--name"},
		{[]string{"key", "create", "--name", "x"}, "--role"},
		{[]string{"key", "create", "--name", "x", "--role", "king"}, `"king"`},
		{[]string{"key", "create", "--name", "x", "--role", "reader", "--policy", "admin"}, "one of them"},
		{[]string{"key", "create", "--name", "taken", "--role", "reader"}, `"taken"`},
		{[]string{"key", "create", "--name", "x", "--role", "reader", "--expires", "soon"}, `"soon"`},
		{[]string{"key", "create", "--name", "x", "--role", "reader", "--expires", ""}, `--expires is empty`},
		{[]string{"key", "create", "--name", "x", "--role", "reader", "--project", ""}, `--project is empty`},
		{[]string{"key", "create", "--name", "x", "--role", "reader", "--channel", ""}, `"" is no pattern`},
		{[]string{"key", "create", "--name", "x", "--role", "reader", "--cidr", "10.0.0.0/99"}, "10.0.0.0/99"},
		{[]string{"key", "create", "--name", "x", "--role", "reader", "--channel", "a*b"}, "a*b"},
		{[]string{"key", "create", "--name", "x", "--role", "reader", "--engine", "npm"}, `no engine "npm": conda or pypi`},
		{[]string{"key", "create", "--name", "x", "--role", "reader", "--type", "xk"}, "xk"},
		{[]string{"key", "create", "--name", "x", "--role", "reader", "--project", "moon"}, `"moon"`},
		{[]string{"key", "create", "--title", "x"}, "--title"},
		{[]string{"key", "show", "nobody"}, `"nobody"`},
		{[]string{"key", "show"}, "key show KEY"},
		{[]string{"key", "shew"}, `"shew"`},
		{[]string{"policy", "create", "x"}, "--permission"},
		{[]string{"policy", "create", "x", "--permission", "package:*"}, `"package:*"`},
		{[]string{"policy", "create", "reader", "--permission", "package:read"}, `"reader" exists`},
		{[]string{"policy", "create", "", "--permission", "package:read"}, "0 bytes"},
		{[]string{"policy", "set", "reader", "--permission", "package:read"}, "built in"},
		{[]string{"policy", "set", "moon", "--name", "sun"}, `"moon"`},
		{[]string{"policy", "set", "moon"}, "--name or --permission"},
		{[]string{"policy", "show", "moon"}, `"moon"`},
		{[]string{"policy", "delete", "admin"}, "built in"},
		{[]string{"project", "create", "core"}, `"core"`},
		{[]string{"project", "delete", "moon"}, `"moon"`},
		{[]string{"channel", "create", "Bad Name"}, "Bad Name"},
		{[]string{"channel", "create", "x", "--visibility", "public"}, "public"},
		{[]string{"channel", "set", "main", "--visibility", "open"}, `"main"`},
		{[]string{"channel", "set", "main"}, "--visibility"},
		{[]string{"conda", "yank", "main"}, "CHANNEL/SUBDIR/FILE"},
		{[]string{"conda", "reindex", "main/noarch"}, `"main"`},
		{[]string{"conda", "patch", "main/noarch"}, "--remove"},
		{[]string{"import", "/tmp"}, "--channel"},
		{[]string{"import", "/nowhere/at/all", "--channel", "none"}, "none"},
		{[]string{"reserve"}, "--list"},
		{[]string{"python", "yank", "nothing", "1.0"}, "nothing"},
		{[]string{"audit", "--since", "ever"}, "ever"},
		{[]string{"audit", "--limit", "0"}, "--limit is 0: 1 to 1000"},
		{[]string{"audit", "--limit", "-5"}, "--limit is -5: 1 to 1000"},
		{[]string{"audit", "--limit", "1001"}, "--limit is 1001: 1 to 1000"},
	} {
		if got := s.refused(c.args...); !strings.Contains(got, c.says) {
			t.Errorf("fairway %s: %q: a sentence with %s is expected", strings.Join(c.args, " "), got, c.says)
		}
	}
}

func TestCommandsWithoutGateway(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().String()
	_ = ln.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for address, says := range map[string]string{
		closed:                                   "fairway run",
		strings.TrimPrefix(other.URL, "http://"): "no Fairway gateway",
		"127.0.0.1:1-9":                          adminEnv,
		"unix//nowhere/admin.sock":               "fairway run",
		other.URL:                                "an address as 127.0.0.1:2019",
	} {
		t.Setenv(adminEnv, address)
		if _, _, err := cli("key", "list"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v: a sentence with %q is expected", address, err, says)
		}
	}
}

// An admin endpoint without the app says so.
func TestCommandsWithoutApp(t *testing.T) {
	s := start(t, config{})
	raw := `{"admin":{"listen":"unix/` + filepath.Join(s.dir, "admin.sock") + `","config":{"persist":false}}}`
	if err := loadJSON(raw); err != nil {
		t.Fatal(err)
	}
	if got := s.refused("key", "list"); !strings.Contains(got, "not configured") {
		t.Error(got)
	}
}

// A folder is published whole but for what is no package, the outcome is listed,
// and a second run skips what is there.
func TestImport(t *testing.T) {
	s := start(t, config{})
	dir := t.TempDir()
	write := func(path string, data []byte) { writeFile(t, filepath.Join(dir, path), data) }
	for _, name := range []string{"alpha", "beta", "gamma"} {
		file, data := condatest.Build(condatest.Spec{Name: name, Subdir: "noarch"})
		write("noarch/"+file, data)
	}
	s.must("channel", "create", "team/main", "--visibility", "open", "--description", "Ours")
	if _, errs, err := cli("import", dir, "--channel", "team/main"); err != nil || !strings.Contains(errs, "3 published") {
		t.Fatalf("%v: %s", err, errs)
	}
	if body := s.get("/team/main/noarch/repodata.json", "").body; !strings.Contains(body, "alpha") || !strings.Contains(body, "gamma") {
		t.Errorf("the index lacks what was imported: %s", body)
	}

	write("noarch/delta-1-0.conda", []byte("no archive"))
	out, _, err := cli("import", dir, "--channel", "team/main", "--json")
	if err == nil || !strings.Contains(err.Error(), "1 of 4 packages were refused") {
		t.Errorf("%v: a sentence that counts the refusals is expected", err)
	}
	got := fromJSON[gateway.ImportProgress](t, out)
	if got.Present != 3 || len(got.Refused) != 1 || got.Refused[0].File != "noarch/delta-1-0.conda" || got.Refused[0].Reason == "" {
		t.Errorf("%+v", got)
	}

	channels := fromJSON[[]channelView](t, s.must("channel", "list", "--json"))
	if len(channels) != 1 || channels[0].Packages != 3 || channels[0].Description != "Ours" {
		t.Errorf("%+v", channels)
	}
	file, _ := condatest.Build(condatest.Spec{Name: "alpha", Subdir: "noarch"})
	s.must("conda", "yank", "team/main/noarch/"+file, "--reason", "broken")
	if body := s.get("/team/main/noarch/repodata.json", "").body; strings.Contains(body, "alpha") {
		t.Error("a yanked package is in the index")
	}
	s.must("conda", "unyank", "team/main/noarch/"+file)
	s.must("conda", "reindex", "team/main/noarch")
	if got := s.refused("channel", "delete", "team/main"); !strings.Contains(got, "3 packages") {
		t.Error(got)
	}

	// What is backed up is a data folder itself.
	backup := filepath.Join(s.dir, "backup")
	s.must("backup", backup)
	s.must("backup", backup)
	s.must("fsck")
	s.must("channel", "delete", "team/main", "--force")
	s.data = backup
	if err := s.load(config{}); err != nil {
		t.Fatal(err)
	}
	if body := s.get("/team/main/noarch/repodata.json", "").body; !strings.Contains(body, "alpha") {
		t.Errorf("the backup lacks alpha: %s", body)
	}
	rows := fromJSON[[]auditView](t, s.must("audit", "--action", "package.yank", "--json"))
	if len(rows) != 1 || rows[0].Actor != "local" || rows[0].Target != "team/main/noarch/"+file {
		t.Errorf("audit %+v", rows)
	}
}

// A file whose bytes changed on disk is found.
func TestFsckFindsDamage(t *testing.T) {
	s := start(t, config{})
	dir := t.TempDir()
	file, data := condatest.Build(condatest.Spec{Name: "alpha", Subdir: "noarch"})
	writeFile(t, filepath.Join(dir, "noarch", file), data)
	s.must("channel", "create", "main")
	s.must("import", dir, "--channel", "main")
	blobs, err := filepath.Glob(filepath.Join(s.data, "blobs", "??", "*"))
	if err != nil || len(blobs) != 1 {
		t.Fatalf("%d blobs, %v", len(blobs), err)
	}
	if err := os.WriteFile(blobs[0], data[:len(data)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, err := cli("fsck")
	if err == nil || !strings.Contains(err.Error(), "1 problem") || !strings.Contains(out, "blob") {
		t.Errorf("%v: %s: a problem is expected", err, out)
	}
}

// One damaged file, and one that is gone, keep nothing else out of a backup. Once they
// are mended, the next backup has them, too.
func TestBackupGoesAroundDamage(t *testing.T) {
	s := start(t, config{})
	dir := t.TempDir()
	blobs := make(map[string]string) // by package
	for _, name := range []string{"sound", "damaged", "gone"} {
		file, data := condatest.Build(condatest.Spec{Name: name, Subdir: "noarch"})
		writeFile(t, filepath.Join(dir, "noarch", file), data)
		sum := fmt.Sprintf("%x", sha256.Sum256(data))
		blobs[name] = filepath.Join("blobs", sum[:2], sum[2:])
	}
	s.must("channel", "create", "main")
	s.must("import", dir, "--channel", "main")
	writeFile(t, filepath.Join(s.data, blobs["damaged"]), []byte("other bytes"))
	if err := os.Remove(filepath.Join(s.data, blobs["gone"])); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(s.dir, "backup")
	has := func(names ...string) {
		t.Helper()
		for name, path := range blobs {
			_, err := os.Stat(filepath.Join(backup, path))
			if there := err == nil; there != slices.Contains(names, name) {
				t.Errorf("the backup has %s: %v", name, there)
			}
		}
		if _, err := os.Stat(filepath.Join(backup, "catalog.db")); err != nil {
			t.Error(err)
		}
	}
	out, _, err := cli("backup", backup)
	if err == nil || !strings.Contains(err.Error(), "2 of 3 files") || !strings.Contains(err.Error(), "upload them again") || strings.Count(out, "\n") != 2 ||
		!strings.Contains(out, "main/noarch/damaged-1.0-0.conda: stored bytes are damaged") || !strings.Contains(out, "main/noarch/gone-1.0-0.conda: its bytes") {
		t.Errorf("%v: %s", err, out)
	}
	has("sound")
	out, _, err = cli("backup", backup, "--json")
	if got := fromJSON[gateway.BackupReport](t, out); err == nil || got.Total != 3 || got.Done != 1 || len(got.Damaged) != 2 {
		t.Errorf("%v: %+v", err, got)
	}

	// The channel made anew from its folder brings the bytes back.
	s.must("channel", "delete", "main", "--force")
	s.must("channel", "create", "main")
	s.must("import", dir, "--channel", "main")
	s.must("backup", backup)
	has("sound", "damaged", "gone")
}

func TestPythonCommands(t *testing.T) {
	s := start(t, config{})
	s.must("python", "set", "Acme_Tool", "--visibility", "closed", "--status", "archived", "--status-reason", "see acme2")
	names := fromJSON[[]pyView](t, s.must("python", "list", "--json"))
	if len(names) != 1 || names[0].Name != "acme-tool" || names[0].Visibility != "closed" || names[0].Status != "archived" {
		t.Errorf("%+v", names)
	}
	s.must("python", "delete", "acme-tool")
	s.must("reserve", "Acme-*")
	if got := s.must("reserve", "--list"); !strings.Contains(got, "acme-*") {
		t.Errorf("reserved: %q", got)
	}
	s.must("reserve", "acme-*", "--remove")
	if got := s.must("reserve", "--list"); strings.Contains(got, "acme-*") {
		t.Errorf("still reserved: %q", got)
	}
}

// Pages that a browser shows must not be able to give orders.
func TestAdminRefusesBrowsers(t *testing.T) {
	s := start(t, config{})
	for name, change := range map[string]func(*http.Request){
		"a form":           func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"no type":          func(r *http.Request) { r.Header.Del("Content-Type") },
		"another origin":   func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"no-cors":          func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "no-cors") },
		"a plain GET":      func(r *http.Request) { r.Method = http.MethodGet },
		"an unknown field": func(r *http.Request) { r.Body = http.NoBody },
	} {
		req, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/fairway/key/list", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		change(req)
		client := http.Client{Transport: socketTransport(filepath.Join(s.dir, "admin.sock"))}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode < 400 {
			t.Errorf("%s: status %d: a refusal is expected", name, resp.StatusCode)
		}
	}
}

func TestExpiryIsALifeOrAnEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"24h": "2030-01-02T00:00:00Z", "90d": "2030-04-01T00:00:00Z", "2031-01-31T12:00:00Z": "2031-01-31T12:00:00Z",
	} {
		if got, err := expiry(text, now); err != nil || got != want {
			t.Errorf("%s: %s, %v: %s is expected", text, got, err, want)
		}
	}
	for _, text := range []string{"0s", "-1h", "tomorrow", "24"} {
		if got, err := expiry(text, now); err == nil {
			t.Errorf("%s: %s: a refusal is expected", text, got)
		}
	}
}

// What somebody put into a name must not reach the terminal as an order.
func TestTablesAreInert(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	table(&out, []string{"NAME"}, [][]string{{"a\x1b[2Jb\nc\u009bd"}, {""}})
	if got := out.String(); strings.ContainsAny(got, "\x1b\u009b") || strings.Count(got, "\n") != 3 {
		t.Errorf("%q", got)
	}
}

func TestProgressIsForTerminals(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := newProgress(&out, time.Now)
	p.show(gateway.UpkeepProgress{Total: 10, Done: 5})
	p.clear()
	if out.Len() != 0 {
		t.Errorf("%q was written to what is no terminal", out.String())
	}
	p.width = 80
	p.show(gateway.UpkeepProgress{Total: 10, Done: 5, Bytes: 2048})
	if got := out.String(); !strings.Contains(got, "5/10") || !strings.Contains(got, "2.0 KiB") || !strings.Contains(got, "["+strings.Repeat("=", 20)+" ") {
		t.Errorf("%q", got)
	}
}
