package authz

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestScopeCoversByEngineAndSpelling(t *testing.T) {
	t.Parallel()
	conda := func(channel, subdir, pkg string) Resource {
		return Resource{Engine: EngineConda, Channel: channel, Subdir: subdir, Package: pkg}
	}
	pypi := func(pkg string) Resource { return Resource{Engine: EnginePyPI, Package: pkg} }
	tests := []struct {
		scope string
		perm  Perm
		res   Resource
		want  bool
	}{
		{`{}`, PackageUpload, conda("a", "noarch", "x"), true},
		{`null`, PolicyCreate, Resource{}, true},
		{`{"channels":null}`, ChannelDelete, conda("a", "", ""), true},
		{`{"channels":["*"]}`, PolicyCreate, Resource{}, true},
		{`{"channels":[]}`, ChannelRead, conda("a", "", ""), false},
		{`{"engines":[]}`, EngineRead, Resource{Engine: EnginePyPI}, false},
		{`{"engines":["pypi"]}`, EngineRead, Resource{Engine: EnginePyPI}, true},
		{`{"engines":["pypi"]}`, PackageRead, conda("a", "noarch", "x"), false},
		{`{"channels":["a"]}`, ChannelRead, conda("a", "", ""), true},
		{`{"channels":["a"]}`, ChannelRead, conda("ab", "", ""), false},
		{`{"channels":["a"]}`, ChannelRead, conda("A", "", ""), false},
		{`{"channels":["a*"]}`, ChannelRead, conda("ab/c", "", ""), true},
		{`{"channels":["a*"]}`, ChannelCreate, conda("ab", "", ""), true},
		{`{"channels":["a*"]}`, ChannelCreate, conda("b", "", ""), false},
		{`{"channels":["a*"]}`, ChannelRead, conda("ba", "", ""), false},

		// A name that is not known yet is decided on later; one that is, now.
		{`{"packages":["foo-*"]}`, PackageUpload, conda("a", "noarch", ""), true},
		{`{"packages":["foo-*"]}`, PackageUpload, conda("a", "noarch", "foo-bar"), true},
		{`{"packages":["foo-*"]}`, PackageUpload, conda("a", "noarch", "foo"), false},
		{`{"packages":["foo-*"]}`, PackageUpload, conda("a", "noarch", "foo_bar"), false},
		{`{"packages":["Foo_*"]}`, PackageUpload, conda("a", "noarch", "foo_Bar"), true},
		{`{"packages":["Foo_*"]}`, PackageUpload, pypi("foo.bar"), true},
		{`{"packages":["Foo_*"]}`, PackageUpload, pypi("FOO--__bar"), true},
		{`{"packages":["Foo_*"]}`, PackageUpload, pypi("foobar"), false},
		{`{"packages":["My.Pkg"]}`, PackageRead, pypi("my-pkg"), true},
		{`{"packages":["My.Pkg"]}`, PackageRead, pypi("my-pkg2"), false},
		{`{"subdirs":["linux-*","noarch"]}`, PackageUpload, conda("a", "osx-64", "x"), false},
		{`{"subdirs":["linux-*","noarch"]}`, PackageUpload, conda("a", "linux-64", "x"), true},

		// A whole channel is more than some of it.
		{`{"packages":["foo"]}`, ChannelDelete, conda("a", "", ""), false},
		{`{"packages":["foo"]}`, ChannelReindex, conda("a", "noarch", ""), false},
		{`{"subdirs":["noarch"]}`, ChannelUpdate, conda("a", "", ""), false},
		{`{"subdirs":["noarch"]}`, ChannelReindex, conda("a", "noarch", ""), true},
		{`{"subdirs":["noarch"]}`, ChannelReindex, conda("a", "linux-64", ""), false},
		{`{"packages":["foo"]}`, ChannelUpdate, pypi("Foo"), true},
		{`{"packages":["foo"]}`, ChannelUpdate, pypi("bar"), false},

		// Python is in no channel.
		{`{"channels":["a"]}`, PackageUpload, pypi("x"), false},
		{`{"channels":["a"]}`, PackageUpload, pypi(""), false},
		{`{"subdirs":["noarch"]}`, ProxyFetch, pypi("x"), false},
		{`{"channels":["a"]}`, ChannelUpdate, pypi("x"), false},
		{`{"channels":["a"],"engines":["conda","pypi"]}`, PackageRead, pypi("x"), true},
		{`{"channels":["a"],"engines":["conda"]}`, PackageRead, pypi("x"), false},
		{`{"channels":["a"],"engines":["conda","pypi"]}`, PackageRead, conda("b", "noarch", "x"), false},

		// Keys are guarded by the subset rule, the account by having no scope.
		{`{"channels":[]}`, KeyCreate, Resource{}, true},
		{`{"channels":["a"]}`, KeyRequestPublic, Resource{}, true},
		{`{"channels":["a"]}`, PolicyCreate, Resource{}, false},
		{`{"engines":["pypi"]}`, AuditRead, Resource{}, false},
		{`{"engines":["pypi"]}`, CachePurge, pypi("x"), false},
	}
	for _, tt := range tests {
		var s Scope
		if err := json.Unmarshal([]byte(tt.scope), &s); err != nil {
			t.Fatal(err)
		}
		d := s.check(tt.perm, &tt.res)
		if (d == nil) != tt.want {
			t.Errorf("%s covers %s on %+v: %v, want %v", tt.scope, tt.perm, tt.res, d, tt.want)
		}
	}
}

func TestScopesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	many := `["` + strings.Repeat(`x","`, MaxPatterns) + `y"]`
	for _, bad := range []string{
		``, `[]`, `"x"`, `{"channel":["a"]}`, `{"channels":"a"}`, `{"channels":[1]}`, `{"channels":[""]}`,
		`{"channels":["a*b"]}`, `{"channels":["**"]}`, `{"packages":["a b"]}`, `{"packages":["a\n"]}`, `{"packages":["ä"]}`,
		`{"packages":["` + strings.Repeat("x", MaxPatternLen+1) + `"]}`, `{"packages":` + many + `}`,
	} {
		s := Scope{Channels: names(t, "kept")}
		if err := json.Unmarshal([]byte(bad), &s); err == nil {
			t.Errorf("%.60s is taken for a scope", bad)
		} else if len(err.Error()) > 512 {
			t.Errorf("%.60s: the error has %d bytes", bad, len(err.Error()))
		}
		if s.All() {
			t.Errorf("%.60s: a scope that cannot be read fell open", bad)
		}
	}
}

func TestListAndEverythingAreToldApart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		scope Scope
		json  string
	}{
		{Scope{}, `{}`},
		{Scope{Channels: names(t)}, `{"channels":[]}`},
		{Scope{Channels: names(t, "*", "a")}, `{}`},
		{Scope{Packages: names(t, "b*", "a", "b*"), Engines: names(t, "conda")}, `{"engines":["conda"],"packages":["a","b*"]}`},
	}
	for _, tt := range tests {
		got, err := json.Marshal(tt.scope)
		if err != nil || string(got) != tt.json {
			t.Errorf("Marshal = %s, %v, want %s", got, err, tt.json)
		}
		var back Scope
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatal(err)
		}
		if again, _ := json.Marshal(back); string(again) != tt.json || back.All() != tt.scope.All() {
			t.Errorf("%s came back as %s", tt.json, again)
		}
	}
	if n := names(t); n.All() || n.Patterns() == nil || len(n.Patterns()) != 0 {
		t.Error("an empty list is taken for every name")
	}
}

// drawPatterns draws patterns that often have to do with each other.
func drawPatterns(t *rapid.T, label string) []string {
	return rapid.SliceOfN(rapid.StringMatching(`[aAb._-]{1,4}\*?`), 0, 3).Draw(t, label)
}

// drawNames is nil for every name.
func drawNames(t *rapid.T, label string) Names {
	if rapid.Bool().Draw(t, label+" limited") {
		n, err := ParseNames(drawPatterns(t, label))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return Names{}
}

func TestScopeWithinCoversNoMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		held := Scope{Packages: drawNames(t, "held"), Channels: drawNames(t, "held channels")}
		s := Scope{Packages: drawNames(t, "packages"), Channels: drawNames(t, "channels")}
		if !s.within(&s) || !held.within(&Scope{}) {
			t.Fatal("a scope is not within itself, or not within all")
		}
		if !s.within(&held) {
			return
		}
		name := rapid.StringMatching(`[aAb._-]{1,6}`)
		for range 20 {
			res := Resource{Engine: EngineConda, Channel: name.Draw(t, "channel"), Package: name.Draw(t, "package")}
			if rapid.Bool().Draw(t, "pypi") {
				res.Engine, res.Channel = EnginePyPI, ""
			}
			for _, p := range []Perm{PackageUpload, ChannelUpdate, PolicyRead} {
				if s.check(p, &res) == nil && held.check(p, &res) != nil {
					t.Fatalf("%s on %+v is within the narrower scope alone", p, res)
				}
			}
		}
	})
}

// FuzzScope: whatever is read as a scope is written back to itself, covers what its
// own patterns say, and never panics.
func FuzzScope(f *testing.F) {
	for _, s := range []string{`{}`, `{"channels":["a*"],"packages":["Foo.Bar"]}`, `{"channels":[]}`, `{"engines":["*"]}`} {
		f.Add(s, "foo-bar")
	}
	f.Fuzz(func(t *testing.T, raw, name string) {
		var s Scope
		if json.Unmarshal([]byte(raw), &s) != nil {
			return
		}
		out, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Scope
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if !back.within(&s) || !s.within(&back) {
			t.Fatalf("%s is not the scope it was written from", out)
		}
		for _, engine := range []string{EngineConda, EnginePyPI} {
			res := Resource{Engine: engine, Channel: name, Package: name}
			if engine == EnginePyPI {
				res.Channel = ""
			}
			if a, b := s.check(PackageRead, &res), back.check(PackageRead, &res); (a == nil) != (b == nil) {
				t.Fatalf("%s and what it is written as differ on %q", raw, name)
			}
			for _, p := range s.Packages.Patterns() {
				res.Package, res.Channel, res.Subdir = strings.TrimSuffix(p, "*"), "", ""
				only := Scope{Packages: s.Packages}
				if d := only.check(PackageRead, &res); d != nil {
					t.Fatalf("%s does not cover its own pattern %q: %v", raw, p, d)
				}
			}
		}
	})
}

func TestEnginesExist(t *testing.T) {
	t.Parallel()
	for list, ok := range map[string]bool{
		`{}`: true, `{"engines":[]}`: true, `{"engines":["*"]}`: true, `{"engines":["conda","pypi"]}`: true, `{"engines":["py*"]}`: true,
		`{"engines":["npm"]}`: false, `{"engines":["pypi","npm*"]}`: false, `{"engines":["PyPI"]}`: false, `{"engines":["pypi-*"]}`: false,
	} {
		var s Scope
		if err := json.Unmarshal([]byte(list), &s); err != nil { // as a key that has it goes on being read
			t.Fatal(err)
		}
		if err := s.CheckEngines(); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "conda or pypi is expected") {
			t.Errorf("%s: %v", list, err)
		}
	}
}
