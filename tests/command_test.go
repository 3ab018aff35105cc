package tests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// What scripts rely on of the commands: the key alone on stdout, JSON on demand,
// exit status 1 and one sentence on stderr for what cannot be done.
func TestCommandsForScripts(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	stdout, stderr, code := g.CLI("key", "create", "--name", "ci", "--role", "developer", "--channel", "team-*", "--expires", "24h")
	key := strings.TrimSuffix(stdout, "\n")
	g.Secret(key)
	if code != 0 || !keyShape.MatchString(key) || len(key) != 53 || stderr == "" || strings.Contains(stderr, key) {
		t.Errorf("key create printed %q and %q, exit status %d", stdout, stderr, code)
	}
	g.MustCLI("project", "create", "ours")
	g.MustCLI("channel", "create", "team-a", "--visibility", "closed", "--project", "ours")
	for _, c := range []struct {
		args []string
		want string // in the JSON
	}{
		{[]string{"key", "list", "--json"}, `"ci"`},
		{[]string{"key", "show", "ci", "--json"}, `"ci"`},
		{[]string{"channel", "list", "--json"}, `"team-a"`},
		{[]string{"project", "list", "--json"}, `"ours"`},
	} {
		out := g.MustCLI(c.args...)
		if !json.Valid([]byte(out)) || !strings.Contains(out, c.want) || strings.Contains(out, key) {
			t.Errorf("fairway %s printed %s", strings.Join(c.args, " "), out)
		}
		if plain := g.MustCLI(c.args[:len(c.args)-1]...); !strings.Contains(plain, strings.Trim(c.want, `"`)) {
			t.Errorf("for people, fairway %s printed %s", strings.Join(c.args, " "), plain)
		}
	}
	for _, args := range [][]string{
		{"key", "create", "--name", "ci", "--role", "reader"}, // taken
		{"key", "create", "--name", "x", "--role", "king"},
		{"key", "create", "--role", "reader"},
		{"key", "show", "nobody"},
		{"channel", "create", "team-a"},
		{"channel", "create", "Team A"},
		{"channel", "create", "b", "--visibility", "secret"},
		{"channel", "create", "b", "--project", "theirs"},
		{"channel", "set", "nowhere", "--visibility", "open"},
		{"project", "delete", "theirs"},
		{"conda", "yank", "team-a/noarch/none-1.0-0.conda"},
		{"import", "/nonexistent", "--channel", "team-a"},
	} {
		stdout, stderr, code := g.CLI(args...)
		if text := strings.TrimSpace(stderr); code != 1 || stdout != "" || text == "" || strings.Contains(text, "\n") {
			t.Errorf("fairway %s: exit status %d, stdout %q, stderr %q; 1 and one sentence are expected", strings.Join(args, " "), code, stdout, stderr)
		}
	}
	g.Stop()
	if _, stderr, code := g.CLI("key", "list"); code != 1 || !strings.Contains(stderr, g.Admin) {
		t.Errorf("without a gateway: exit status %d, %q", code, stderr)
	}
}

// Operators see what happens in <admin>/metrics, and what happened in the channel.
func TestMetricsAndNotices(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	g.Publish(key, "team", condatest.Spec{Name: "app"})
	g.Get("/team/noarch/repodata.json", key)
	g.Get("/team/noarch/repodata.json", "")
	_, text := curl(t, "http://"+g.Admin+"/metrics")
	for _, want := range []string{
		`fairway_requests_total{outcome="index",surface="conda"} 1`, `fairway_requests_total{outcome="unauthorized",surface="conda"} 1`,
		"fairway_uploads_total 1", "fairway_upload_bytes_total", `fairway_publish_phase_seconds_count{phase="commit"} 1`,
		`fairway_index_packages{channel="team",subdir="noarch"} 1`, `fairway_index_bytes{channel="team",subdir="noarch"}`,
		`fairway_index_revision{channel="team",subdir="noarch"}`, `fairway_decisions_total{permission="package:upload",result="allowed"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}

	notices := filepath.Join(t.TempDir(), "notices.json")
	must(t, os.WriteFile(notices, []byte(`{"notices":[{"id":"1","message":"moving on Friday","level":"info"}]}`), 0o600))
	g.MustCLI("channel", "set", "team", "--notices", notices)
	if r := g.Get("/team/notices.json", key); !strings.Contains(r.Text(), "moving on Friday") {
		t.Errorf("the notices are %s", r.Text())
	}
	var data struct {
		Packages map[string]struct{ Subdirs []string }
		Subdirs  []string
	}
	must(t, json.Unmarshal(g.Get("/team/channeldata.json", key).Body, &data))
	if app := data.Packages["app"]; len(app.Subdirs) != 1 || app.Subdirs[0] != "noarch" {
		t.Errorf("channeldata.json says %+v", data)
	}
	page := g.Get("/team/", key)
	if page.Status != 200 || !strings.Contains(page.Text(), "app") || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		t.Errorf("the channel's page: %d %s", page.Status, page.Header.Get("Content-Type"))
	}
}
