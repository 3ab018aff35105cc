package passthrough

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
)

// operations are all ways in which a name could reach an upstream.
func (e *env) operations(name string) map[string]func() error {
	file := func(filename string) func() error {
		return func() error {
			_, err := e.File(ctx, FileRequest{Upstream: "up", Path: "packages/aa/bb/" + filename})
			return err
		}
	}
	ops := map[string]func() error{
		"wheel": file(name + "-1.0-py3-none-any.whl"),
		"sdist": file(name + "-1.0.tar.gz"),
		"zip":   file(name + "-1.0.zip"),
		"egg":   file(name + "-1.0-py2.7.egg"),
		"post":  file(name + "-1.0-1.tar.gz"),
		"head": func() error {
			_, err := e.File(ctx, FileRequest{Upstream: "up", Path: name + "-1.0.zip", Head: true})
			return err
		},
		"range": func() error {
			_, err := e.File(ctx, FileRequest{Upstream: "up", Path: name + "-1.0.zip", Range: "bytes=0-1"})
			return err
		},
		"metadata": func() error {
			_, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: "a/" + name + "-1.0-py3-none-any.whl"})
			return err
		},
		"provenance": func() error {
			_, err := e.Provenance(ctx, name, name+"-1.0.tar.gz")
			return err
		},
		"prefetch": func() error { return e.Prefetch(ctx, []Item{{Name: name}}, nil) },
		"lock":     func() error { return e.Prefetch(ctx, []Item{{Name: name, Filename: name + "-1.0.zip"}}, nil) },
		"why":      func() error { return e.Why(ctx, name).Refused },
		"has": func() error {
			if has, err := e.Has(ctx, name); has || err != nil {
				return fmt.Errorf("has: %v, %w", has, err)
			}
			return refuse(Owned, nil, "")
		},
	}
	for _, m := range []Mode{Proxy, Index, Redirect} {
		ops["page "+m.String()] = func() error {
			p, err := e.Page(ctx, name, m)
			if err == nil && p.Location != "" {
				return errors.New("redirected")
			}
			return err
		}
	}
	return ops
}

// A name of the house never reaches an upstream: not in any spelling, by any
// operation, and not when nobody can tell whose it is.
func TestOwnedNamesNeverReachUpstream(t *testing.T) {
	t.Parallel()
	spellings := []string{"our-lib", "Our-Lib", "OUR_LIB", "our.lib", "our--lib", "our-_.lib", "oUr__lIb", "our.-lib"}
	states := map[string]struct {
		change func(*env)
		want   map[Kind]bool
	}{
		"owned":               {func(e *env) { e.house.owned["our-lib"] = true }, map[Kind]bool{Owned: true, NotFound: true}},
		"catalog unavailable": {func(e *env) { e.house.fail(errors.New("database is down")) }, map[Kind]bool{Unavailable: true, NotFound: true}},
		"denied":              {nil, map[Kind]bool{Blocked: true, NotFound: true, Owned: true}},
	}
	for state, s := range states {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			e := setup(t, func(c *Config) {
				if state == "denied" {
					c.Deny = []string{"Our.*"}
				}
			})
			if s.change != nil {
				s.change(e)
			}
			e.wheel("our-lib", "1.0")
			cases := 0
			for _, name := range spellings {
				for op, do := range e.operations(name) {
					err := do()
					if op == "has" && state == "catalog unavailable" {
						err = refusalOf(err)
					}
					if err == nil || !s.want[kind(err)] {
						t.Errorf("%s of %q: %v", op, name, err)
					}
					cases++
				}
			}
			if n := len(e.up.Requests()); n != 0 {
				t.Errorf("upstream saw %d requests, want none; first: %s", n, e.up.Requests()[0].Path)
			}
			if cases < 100 {
				t.Errorf("only %d cases", cases)
			}
		})
	}
}

// A refusal that is not an absence never has status 404, which would send uv to
// its next index. (A file name that names no owned project may be absent.)
func TestRefusalsOfOwnedNames(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) { c.Deny = []string{"bad*"}; c.Allow = []string{"*"} })
	for _, c := range []struct {
		name   string
		status int
	}{{"ours", 403}, {"OURS", 403}, {"bad-thing", 403}, {"Bad.Thing", 403}, {"../etc", 404}, {"", 404}, {"ours-", 404}, {"öurs", 404}} {
		_, err := e.Page(ctx, c.name, Proxy)
		if r := refusalOf(err); r.Status != c.status {
			t.Errorf("page of %q: status %d (%v), want %d", c.name, r.Status, err, c.status)
		}
	}
	e.house.fail(errors.New("secret database detail"))
	_, err := e.Page(ctx, "anything", Proxy)
	if r := refusalOf(err); r.Status != 503 || r.RetryAfter <= 0 || !errors.Is(err, ErrUnavailable) {
		t.Errorf("catalog unavailable: %+v", r)
	}
	if len(e.up.Requests()) != 0 {
		t.Errorf("upstream was asked")
	}
}

// The name of an old file does not say where its project's ends. The file is served
// to whoever may use the project that it turns out to be of, stored or not, and to
// nobody else.
func TestFilesWithSeveralReadings(t *testing.T) {
	t.Parallel()
	for _, filename := range []string{"lib-1.0-1.tar.gz", "lib-1.0-2.egg", "lib-2004b.tar.bz2", "lib-2-1.zip"} {
		e := setup(t, func(c *Config) { c.Allow = []string{"lib", "other"} })
		f := upstreamtest.File{Filename: filename, Content: []byte("old"), UploadTime: upstreamtest.Day(e.clock.now(), 30)}
		e.up.Add("lib", f)
		at := strings.TrimPrefix(e.up.Path("lib", filename), "/")
		denied := errors.New("the scope of this key does not cover it")
		ask := func(project string) error {
			got, err := e.File(ctx, FileRequest{Upstream: "up", Path: at, May: func(name string) error {
				if name == project {
					return nil
				}
				return denied
			}})
			if err != nil {
				return err
			}
			b, err := readAll(got)
			if string(b) != "old" {
				t.Errorf("%s: got %q", filename, b)
			}
			return err
		}
		for _, state := range []string{"not stored", "stored"} {
			if err := ask("other"); !errors.Is(err, denied) {
				t.Errorf("%s %s, for who may not use its project: %v", filename, state, err)
			}
			if err := ask("lib"); err != nil {
				t.Errorf("%s %s: %v", filename, state, err)
			}
			e.settled()
		}
		if n := e.up.Count("/simple/"); n != e.up.Count("/simple/lib/") {
			t.Errorf("%s: another project was asked for: %s", filename, e.up.Summary())
		}
	}
}

// What was cached before a name became owned is not served any more.
func TestOwnershipBeatsTheCache(t *testing.T) {
	t.Parallel()
	e := setup(t)
	f, at := e.wheel("lib", "1.0")
	e.page("lib")
	e.mustFetch(at, f.Content)
	e.house.owned["lib"] = true
	for op, do := range map[string]func() error{
		"page":     func() error { _, err := e.Page(ctx, "lib", Proxy); return err },
		"file":     func() error { _, err := e.fetch(at); return err },
		"metadata": func() error { _, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: at}); return err },
	} {
		wantKind(t, op, do(), Owned)
	}
}

func TestAllowAndDeny(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		allow, deny []string
		name        string
		blocked     bool
	}{
		{nil, nil, "numpy", false},
		{nil, []string{"num*"}, "numpy", true},
		{nil, []string{"NUM_PY"}, "num-py", true},
		{nil, []string{"corp.*"}, "corp-x", true},
		{nil, []string{"corp.*"}, "corporate", false},
		{[]string{"num?y"}, nil, "numpy", false},
		{[]string{"scipy"}, nil, "numpy", true},
		{[]string{"*"}, []string{"numpy"}, "numpy", true},
	} {
		r, err := newRules(Config{Allow: c.allow, Deny: c.deny})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.blocks(c.name) != ""; got != c.blocked {
			t.Errorf("allow %v deny %v: %s blocked %v, want %v", c.allow, c.deny, c.name, got, c.blocked)
		}
	}
	for _, bad := range []string{"", "a/b", "[ab]", "name ", "ü"} {
		if _, err := newRules(Config{Deny: []string{bad}}); err == nil {
			t.Errorf("pattern %q was accepted", bad)
		}
	}
}

// The cooldown hides young files from the page, from "versions", and behind their
// own URL; exemptions and time let them through.
func TestCooldown(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) {
		c.Cooldown = days(7)
		c.CooldownExempt = []string{"Trusted_*", "lib==3.0"}
	})
	age := func(d int) func(*upstreamtest.File) {
		return func(f *upstreamtest.File) { f.UploadTime = e.clock.now().Add(-days(d)) }
	}
	old, oldAt := e.wheel("lib", "1.0", age(8))
	young, youngAt := e.wheel("lib", "2.0", age(6))
	_, fixAt := e.wheel("lib", "3.0", age(1))
	_, trustedAt := e.wheel("trusted-one", "1.0", age(0))
	p := e.page("lib")
	want(t, body(t, p, 0), has("lib-1.0-", "lib-3.0-", `"versions":["1.0","3.0"]`), hasNot("lib-2.0-"))
	if p.Withheld != 1 || p.Fresh != 0 {
		t.Errorf("withheld %d, fresh %v: want 1 and none", p.Withheld, p.Fresh)
	}
	e.mustFetch(oldAt, old.Content)
	for _, at := range []string{fixAt, trustedAt} {
		if _, err := e.fetch(at); err != nil {
			t.Errorf("exempt file: %v", err)
		}
	}
	before := e.up.Count("/packages/")
	_, err := e.fetch(youngAt)
	wantKind(t, "young file", err, Withheld)
	if r := refusalOf(err); !r.Until.Equal(young.UploadTime.Add(days(7))) || !strings.HasSuffix(r.Reason, "the cooldown of 7 days") {
		t.Errorf("until %v: %s", r.Until, r.Reason)
	}
	_, err = e.Metadata(ctx, FileRequest{Upstream: "up", Path: youngAt})
	wantKind(t, "young metadata", err, Withheld)
	if e.up.Count("/packages/") != before {
		t.Error("the young file was asked for")
	}
	why := e.Why(ctx, "LIB")
	if len(why.Held) != 1 || why.Held[0].Version != "2.0" || why.Held[0].Until.IsZero() || !strings.HasSuffix(why.Held[0].Reason, "the cooldown of 7 days") || why.Shown != 2 {
		t.Errorf("why: %+v", why)
	}
	e.clock.add(days(1) + time.Second)
	want(t, body(t, e.page("lib"), 0), has("lib-2.0-"))
	e.mustFetch(youngAt, young.Content)
}

// A cooldown that is set later holds for what is cached already.
func TestCooldownOfCachedFiles(t *testing.T) {
	t.Parallel()
	e := setup(t)
	young := func(f *upstreamtest.File) { f.UploadTime = e.clock.now().Add(-days(1)) }
	f, at := e.wheel("lib", "1.0", young)
	g, exempt := e.wheel("trusted", "1.0", young)
	e.mustFetch(at, f.Content)
	e.mustFetch(exempt, g.Content)
	e.settled()
	e.restart(func(c *Config) { c.Cooldown, c.CooldownExempt = days(7), []string{"trusted"} })
	_, err := e.fetch(at)
	wantKind(t, "cached file", err, Withheld)
	e.mustFetch(exempt, g.Content)
	e.clock.add(days(6) + time.Second)
	e.mustFetch(at, f.Content)
}

// Every reading of a file name is decided on, and no others.
func TestCandidates(t *testing.T) {
	t.Parallel()
	for filename, want := range map[string]string{
		"My_Lib-1.0-py3-none-any.whl":    "my-lib",
		"my.lib-1.0-1-py3-none-any.whl":  "my-lib",
		"my_lib-bad.whl":                 "",
		"lib-1.0.tar.gz":                 "lib",
		"lib-v1.0.tar.gz":                "lib",
		"a-2-1.0.tar.gz":                 "a-2",
		"a-2-1.tar.gz":                   "a-2 a",
		"our-lib-1.0-1.tar.gz":           "our-lib-1-0 our-lib",
		"zope.interface-3.8.0-py2.7.egg": "zope-interface",
		"lib-1.0.win32.exe":              "lib",
		"lib-1.0dev-r123.tar.gz":         "lib",
		"lib.tar.gz":                     "",
		"-1.0.tar.gz":                    "",
		"":                               "",
	} {
		if got := strings.Join(candidates(filename), " "); got != want {
			t.Errorf("%q: %q, want %q", filename, got, want)
		}
	}
}

// Where the upstream states no time, the first sight of a file counts, and it is
// remembered over restarts and purges.
func TestCooldownByFirstSight(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) { c.Cooldown = days(7) })
	e.up.Set(upstreamtest.Options{HTMLOnly: true})
	f, at := e.wheel("lib", "1.0")
	want(t, body(t, e.page("lib"), 0), hasNot("lib-1.0"))
	e.clock.add(days(5))
	if _, err := e.Purge("lib"); err != nil {
		t.Fatal(err)
	}
	e.restart()
	want(t, body(t, e.page("lib"), 0), hasNot("lib-1.0"))
	e.clock.add(days(2) + time.Second)
	want(t, body(t, e.page("lib"), 0), has("lib-1.0"))
	e.mustFetch(at, f.Content)
}

// A redirect cannot enforce a cooldown, so none is given.
func TestRedirectMode(t *testing.T) {
	t.Parallel()
	e := setup(t, func(c *Config) { c.Mode = Redirect })
	p, err := e.Page(ctx, "Some.Name", Redirect)
	if err != nil || p.Location != e.up.Simple()+"some-name/" || p.Rendered != nil {
		t.Fatalf("got %+v, %v", p, err)
	}
	if len(e.up.Requests()) != 0 {
		t.Error("a redirect needs nothing from upstream")
	}
	e.restart(func(c *Config) { c.Cooldown = days(1) })
	e.wheel("lib", "1.0")
	if p, err = e.Page(ctx, "lib", Redirect); err != nil || p.Location != "" {
		t.Fatalf("with a cooldown: %+v, %v", p, err)
	}
	want(t, body(t, p, 0), has(e.up.HTTP.URL+"/packages/"))
}
