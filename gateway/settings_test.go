package gateway

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/oidc"
	"github.com/fairwayhq/fairway/passthrough"
	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
)

// Settings that fail on their way in leave the former ones in force, all of them.
func TestFailedSettingsChangeNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pass := func(cache string) *passthrough.Config {
		return &passthrough.Config{Dir: cache, Upstreams: []passthrough.Upstream{passthrough.PyPI()}, Offline: true}
	}
	g := open(t, Config{Dir: dir, MaxUpload: 1, Passthrough: pass(filepath.Join(dir, "cache"))})
	bad := Config{Dir: dir, MaxUpload: 2, NoAnonymous: true, Account: "other", Passthrough: pass(filepath.Join(dir, "lock", "cache"))}
	if err := g.ApplySettings(bad); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Fatalf("a cache folder below a file: %v", err)
	}
	if s := g.Settings(); s.MaxUpload != 1 || s.NoAnonymous || g.Account().Slug != "default" {
		t.Errorf("settings that failed are in force: %+v, account %+v", s, g.Account())
	}
	if _, ok := g.PassthroughStats(); !ok {
		t.Error("the pass-through is gone")
	}
}

// Another setting of the pass-through cuts no download.
func TestSettingsCutNoDownload(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	file := upstreamtest.File{Filename: "big-1.0-py3-none-any.whl", Content: upstreamtest.WheelWith("big", "1.0", make([]byte, 1<<20))}
	up.Add("big", file)
	cfg := Config{Dir: t.TempDir(), Passthrough: &passthrough.Config{Upstreams: []passthrough.Upstream{{Name: "up", URL: up.Simple()}}}}
	g := open(t, cfg)
	more := make(chan struct{})
	at := strings.TrimPrefix(up.Path("big", file.Filename), "/")
	up.On("/"+at, upstreamtest.Stall(1<<19, more))
	begun, err := g.mirror().File(ctx, passthrough.FileRequest{Upstream: "up", Path: at})
	must(t, err)
	defer begun.Close()
	next := *cfg.Passthrough
	next.Deny = []string{"evil"}
	cfg.Passthrough = &next
	must(t, g.ApplySettings(cfg))
	close(more)
	if got, err := io.ReadAll(begun.Body); err != nil || len(got) != len(file.Content) {
		t.Errorf("%d bytes of %d, %v", len(got), len(file.Content), err)
	}
	if _, err := g.mirror().Page(ctx, "evil", passthrough.Proxy); err == nil {
		t.Error("a name that is denied now is served")
	}
}

// What no gateway can work with is refused before a folder is opened.
func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	publisher := func(subject string) []TrustedPublisher {
		return []TrustedPublisher{{Publisher: oidc.Publisher{Name: "ci", Issuer: "https://ci.example", Audience: "a", Subjects: []string{subject}}}}
	}
	for what, bad := range map[string]Config{
		"conflict":  {UpstreamConflict: "explode"},
		"url":       {PublicURL: "ftp://packages.example.com"},
		"account":   {Account: "a/b"},
		"publisher": {TrustedPublishers: publisher("[")},
		"upstream":  {Passthrough: &passthrough.Config{Upstreams: []passthrough.Upstream{{Name: "x", URL: "ftp://x"}}}},
	} {
		bad.Dir = t.TempDir()
		if err := g.CheckSettings(bad); err == nil {
			t.Errorf("%s: a running gateway takes it", what)
		}
		if other, err := Open(ctx, bad); err == nil {
			t.Errorf("%s: a gateway starts with it", what)
			_ = other.Close()
		}
	}
}
