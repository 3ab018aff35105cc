package tests

import (
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/python/pythontest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// A house is a gateway with one name in every state that makes it the house's own,
// in front of an upstream that has a tempting package of each.
type house struct {
	g    *harness.Gateway
	up   *upstreamtest.Server
	keys map[string]string // by kind of caller
}

// state is what a name of the house is, as far as answers depend on it.
type state struct {
	name    string // normalised
	vis     string // of a name that exists; "" for one that is reserved alone
	file    bool   // it has a file to serve
	locked  bool   // quarantined
	project bool   // it belongs to the project of the key "same project"
}

var states = []state{
	{name: "own-open", vis: "open", file: true},
	{name: "own-licensed", vis: "licensed", file: true},
	{name: "own-closed", vis: "closed", file: true},
	{name: "own-empty", vis: "licensed"},
	{name: "own-emptied", vis: "licensed"},
	{name: "own-yanked", vis: "licensed", file: true},
	{name: "own-archived", vis: "licensed", file: true},
	{name: "own-quarantined", vis: "licensed", file: true, locked: true},
	{name: "own-project", vis: "licensed", file: true, project: true},
	{name: "own-deleted"},
	{name: "kept-exact"},
	{name: "kept"},          // by kept-*
	{name: "kept-for-ever"}, // by kept-*
	{name: "keptcorp"},      // by keptco*
}

func (s state) module() string { return strings.ReplaceAll(s.name, "-", "_") }
func (s state) wheel() string  { return s.module() + "-1.0-py3-none-any.whl" }

// build makes the house; app are further lines of its configuration.
func build(t *testing.T, app string) *house {
	t.Helper()
	h := &house{up: upstreamtest.New(t), keys: map[string]string{"nobody": "", "wrong key": "fw_sk_000000000000_" + strings.Repeat("x", 43)}}
	for _, s := range states {
		f := wheelFile(s.name, "1.0")
		f.Provenance = []byte(`{"version":1,"attestation_bundles":[]}`)
		h.up.Add(s.name, f)
	}
	h.g = behind(t, h.up, "failures_per_minute 1000000\n"+app)
	g := h.g
	for _, role := range []string{"reader", "executor", "application", "developer", "admin"} {
		h.keys[role] = g.Key(role)
	}
	g.MustCLI("project", "create", "theirs")
	g.MustCLI("project", "create", "ours")
	h.keys["public"] = g.Key("executor", "--type", "pk")
	h.keys["scoped elsewhere"] = g.Key("developer", "--package", "elsewhere-*")
	h.keys["scoped here"] = g.Key("developer", "--package", "own-*", "--package", "kept*")
	h.keys["other project"] = g.Key("developer", "--project", "theirs")
	h.keys["same project"] = g.Key("developer", "--project", "ours")
	admin := h.keys["admin"]
	for _, s := range states {
		if s.vis == "" && s.name != "own-deleted" || s.name == "own-empty" {
			continue
		}
		key := admin
		if s.project {
			key = h.keys["same project"]
		}
		g.PublishPython(key, pythontest.Spec{Name: s.name, Version: "1.0"})
		if s.vis != "" {
			g.MustCLI("python", "set", s.name, "--visibility", s.vis)
		}
	}
	g.MustCLI("python", "set", "own-empty")
	g.MustCLI("python", "delete", "own-emptied", "own_emptied-1.0-py3-none-any.whl")
	g.MustCLI("python", "delete", "own-deleted")
	g.MustCLI("python", "yank", "own-yanked", "1.0")
	g.MustCLI("python", "set", "own-archived", "--status", "archived")
	g.MustCLI("python", "set", "own-quarantined", "--status", "quarantined")
	for _, pattern := range []string{"Kept.Exact", "kept-*", "keptco*"} {
		g.MustCLI("reserve", pattern)
	}
	h.up.Forget()
	return h
}

// checkAnswer looks for the upstream in an answer.
func (h *house) checkAnswer(t *testing.T, what string, r *harness.Response) {
	t.Helper()
	if to := r.Header.Get("Location"); strings.Contains(to, ":") || strings.HasPrefix(to, "/") {
		t.Errorf("%s: the client is sent to %s", what, to)
	}
	if strings.Contains(string(r.Body), "Generator: upstreamtest") || strings.Contains(string(r.Body), h.up.HTTP.URL) {
		t.Errorf("%s: the answer holds something of the upstream's", what)
	}
	if r.Status == 401 {
		checkChallenge(t, r)
	}
}

// untouched fails the test if the upstream was asked for anything at all.
func (h *house) untouched(t *testing.T) {
	t.Helper()
	for _, r := range h.up.Requests() {
		t.Errorf("the upstream was asked %s %s", r.Method, r.Path)
	}
}
