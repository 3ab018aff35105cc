package authz

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// someResources is every kind of resource in every project and visibility.
func someResources() []*Resource {
	shapes := []Resource{
		{},
		{Engine: EngineConda},
		{Engine: EnginePyPI},
		{Engine: EngineConda, Channel: "c1"},
		{Engine: EngineConda, Channel: "c2/x", Subdir: "noarch"},
		{Engine: EngineConda, Channel: "c1", Subdir: "noarch", Package: "numpy"},
		{Engine: EngineConda, Channel: "c2/x", Subdir: "linux-64", Package: "My_Pkg"},
		{Engine: EngineConda, Channel: "c1", Subdir: "linux-64"},
		{Engine: EnginePyPI, Package: "numpy"},
		{Engine: EnginePyPI, Package: "my.-pkg"},
	}
	var out []*Resource
	for _, project := range []string{"", "p1", "p2"} {
		for _, v := range []Visibility{Licensed, Open, Closed} {
			for _, res := range shapes {
				res.Project, res.Visibility = project, v
				out = append(out, &res)
			}
		}
	}
	return out
}

func TestDecideAgreesWithTheRulesOnEverything(t *testing.T) {
	t.Parallel()
	scopes := []map[string][]string{
		{},
		{"channel": {"c1"}},
		{"channel": {"c*"}, "subdir": {"noarch"}},
		{"package": {"num*", "My_Pkg"}},
		{"engine": {"pypi"}},
		{"channel": {}},
	}
	policies := roles()
	policies["nothing"] = map[string]bool{}
	for _, p := range Permissions() {
		policies["only "+p.Name] = map[string]bool{p.Name: true}
	}
	resources := someResources()
	cases := 0
	for _, anonymous := range []Mask{AnonymousMask, 0, AnonymousMask | MaskOf(ProxyFetch)} {
		r := NewRing()
		r.SetAnonymous(anonymous)
		anyone := map[string]bool{}
		for _, name := range anonymous.Names() {
			anyone[name] = true
		}
		for policy, permissions := range policies {
			mask := Mask(0)
			asked := []Perm{PackageRead, PackageUpload, KeyRead} // of a single permission: it, and some others
			for i := range NumPerms {
				if permissions[i.String()] {
					mask |= MaskOf(i)
				}
				if permissions[i.String()] || !strings.HasPrefix(policy, "only ") {
					asked = append(asked, i)
				}
			}
			r.SetPolicy(Policy{ID: policy, Name: policy, Mask: mask})
			for _, kt := range []KeyType{SecretKey, PublicKey} {
				for _, project := range []string{"", "p1"} {
					for _, scope := range scopes {
						token := mint(r, Key{Type: kt, PolicyID: policy, Project: project, Scope: scopeOf(t, scope)})
						want := oracle{permissions, kt == PublicKey, project, scope, anyone}
						for _, res := range resources {
							for _, p := range asked {
								cases++
								got := status(r.Decide(token, p, res, here, noon))
								if w := want.status(p.String(), res); got != w {
									t.Fatalf("%s %s of project %q, scope %v, anyone %v: %s on %+v is %d, want %d",
										policy, kt, project, scope, anonymous.Names(), p, *res, got, w)
								}
							}
						}
					}
				}
			}
		}
	}
	t.Logf("%d decisions compared", cases)
}

func scopeOf(t *testing.T, lists map[string][]string) Scope {
	var s Scope
	for dimension, n := range map[string]*Names{"engine": &s.Engines, "channel": &s.Channels, "subdir": &s.Subdirs, "package": &s.Packages} {
		if list, limited := lists[dimension]; limited {
			*n = names(t, list...)
		}
	}
	return s
}

func TestNobodyReadsWhatIsOpenAndNothingElse(t *testing.T) {
	t.Parallel()
	r := newRing()
	for _, anonymous := range []Mask{AnonymousMask, 0, AnonymousMask | MaskOf(ProxyFetch), everything} {
		r.SetAnonymous(anonymous)
		for _, res := range someResources() {
			for p := range NumPerms {
				want := 401
				if res.Visibility == Open && anonymous.Has(p) && publicMask.Has(p) {
					want = 200
				}
				g, err := r.Decide("", p, res, here, noon)
				if got := status(g, err); got != want || g != nil {
					t.Errorf("nobody, %v: %s on %+v is %d, want %d", anonymous.Names(), p, *res, got, want)
				}
			}
		}
	}
	if _, err := r.Authenticate("", here, noon); status(nil, err) != 401 {
		t.Error("nobody is recognised as a key")
	}
}

func TestWrongCredentialsAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	r := newRing()
	token := mint(r, Key{PolicyID: "admin"})
	stranger, _ := NewToken(SecretKey)
	for name, bad := range map[string]string{
		"unknown":        stranger,
		"one character":  token[:20] + "_" + token[21:],
		"no checksum":    token[:47],
		"wrong checksum": token[:47] + "000000",
		"other prefix":   "pk" + token[2:],
		"longer":         token + "0",
		"key id alone":   token[3:15],
		"word":           "unreadable",
		"huge":           strings.Repeat("a", 1<<20),
		"spaces":         strings.Repeat(" ", TokenLen),
		"zero bytes":     "sk-" + strings.Repeat("\x00", 50),
	} {
		for _, res := range []*Resource{opened, licensed} {
			g, err := r.Decide(bad, PackageRead, res, here, noon)
			if status(g, err) != 401 || g != nil || err.Error() != errUnknown.Reason {
				t.Errorf("%s: %v, %v", name, g, err)
			}
		}
	}
	if got := status(r.Decide(token, PackageRead, licensed, here, noon)); got != 200 {
		t.Errorf("the right one is %d", got)
	}
}

func TestRefusalsSayWhyAndNoSecret(t *testing.T) {
	t.Parallel()
	r := newRing()
	token := mint(r, Key{ID: "on", PolicyID: "reader", Scope: Scope{Channels: names(t, "main")}})
	expiry := mint(r, Key{ID: "expired", PolicyID: "admin", ExpiresAt: noon})
	off := mint(r, Key{ID: "off", PolicyID: "admin"})
	k, _ := r.Key("off")
	k.Enabled = false
	_, s := NewToken(SecretKey)
	s.KID, s.SHA256 = kidOfToken(off)
	r.SetKey(k, []Secret{s})
	away := mint(r, Key{ID: "away", PolicyID: "admin", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	bound := mint(r, Key{ID: "bound", PolicyID: "admin", Project: "p1"})
	public := mint(r, Key{ID: "public", Type: PublicKey, PolicyID: "executor"})
	hostile := strings.Repeat("\x00\u202e\n\"", 200)
	tests := []struct {
		token string
		perm  Perm
		res   Resource
		code  int
		says  string
		known string
	}{
		{"", PackageRead, *licensed, 401, "needs a key", ""},
		{expiry, PackageRead, *opened, 401, "expired at 2027-01-15T08:00:00Z", "expired"},
		{off, PackageRead, *opened, 401, "disabled", "off"},
		{away, PackageRead, *opened, 403, "192.0.2.7", "away"},
		{token, PackageUpload, *licensed, 403, "package:upload", "on"},
		{token, Perm(99), *licensed, 403, "permission(99)", "on"},
		{token, PackageRead, Resource{Visibility: Closed}, 403, "package:read-closed", "on"},
		{token, ChannelRead, Resource{Channel: "other"}, 403, `the channel "other"`, "on"},
		{token, ChannelRead, Resource{Channel: hostile}, 403, "scope", "on"},
		{token, ChannelRead, Resource{Channel: token}, 403, "a value with a key in it", "on"},
		{token, ChannelRead, Resource{Channel: "x/" + token + "/y"}, 403, "a value with a key in it", "on"},
		{bound, PackageDelete, Resource{Channel: "main", Project: "p2"}, 403, `the channel "main" does not belong`, "bound"},
		{bound, PackageDelete, Resource{Package: "six", Project: "p2"}, 403, `the package "six" does not belong`, "bound"},
		{bound, AuditRead, Resource{}, 403, "bound to a project", "bound"},
		{public, PackageRead, *licensed, 403, "public key", "public"},
		{public, KeyRead, Resource{}, 403, "key:read", "public"},
	}
	for _, tt := range tests {
		g, err := r.Decide(tt.token, tt.perm, &tt.res, here, noon)
		if got := status(g, err); got != tt.code || !strings.Contains(err.Error(), tt.says) || len(err.Error()) > 512 {
			t.Errorf("%s on %.40q is %d %q, want %d and %q", tt.perm, tt.res.Channel, got, err, tt.code, tt.says)
		}
		if tt.token != "" && strings.Contains(fmt.Sprint(err), tt.token[3:]) || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%s: the refusal is unfit to be shown: %q", tt.perm, err)
		}
		if tt.known == "" != (g == nil) || g != nil && g.Key.ID != tt.known {
			t.Errorf("%s: the refusal names %v, want key %q", tt.perm, g, tt.known)
		}
	}
}

// kidOfToken is what a token is recognised by.
func kidOfToken(token string) (string, [32]byte) {
	return token[3:15], sha(token)
}

func TestTimeIsExact(t *testing.T) {
	t.Parallel()
	r := newRing()
	token := mint(r, Key{PolicyID: "reader", ExpiresAt: noon + 500})
	for _, tt := range []struct {
		at   int64
		want int
	}{{noon, 200}, {noon + 499, 200}, {noon + 500, 401}, {noon + time.Hour.Milliseconds(), 401}} {
		if got := status(r.Decide(token, ChannelRead, licensed, here, tt.at)); got != tt.want {
			t.Errorf("%d ms after noon it is %d, want %d", tt.at-noon, got, tt.want)
		}
	}
}

func TestAddressLists(t *testing.T) {
	t.Parallel()
	r := newRing()
	token := mint(r, Key{PolicyID: "reader", CIDRs: []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::ffff:198.51.100.0/120"), {},
	}})
	for addr, want := range map[string]int{
		"192.0.2.7": 200, "::ffff:192.0.2.7": 200, "192.0.3.1": 403, "2001:db8::1": 200, "fe80::1%eth0": 403, "2001:db8::1%eth0": 200,
		"::1": 403, "198.51.100.9": 200, "": 403,
	} {
		ip, _ := netip.ParseAddr(addr)
		if got := status(r.Decide(token, ChannelRead, licensed, ip, noon)); got != want {
			t.Errorf("from %q it is %d, want %d", addr, got, want)
		}
	}
}

func TestDecidingAllocatesNothing(t *testing.T) {
	r := newRing()
	token := mint(r, Key{
		PolicyID: "developer", Project: "p1", ExpiresAt: noon * 2,
		Scope: Scope{Channels: names(t, "a*", "main"), Packages: names(t, "foo-*", "numpy")},
		CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")},
	})
	wrong := token[:52] + "!"
	stranger, _ := NewToken(SecretKey)
	res := &Resource{Engine: EngineConda, Project: "p1", Channel: "main", Subdir: "noarch", Package: "numpy"}
	now := noon
	for name, f := range map[string]func(){
		"allowed":    func() { now += 5000; _, _ = r.Decide(token, PackageUpload, res, here, now) },
		"nobody":     func() { _, _ = r.Decide("", PackageRead, opened, here, now) },
		"missing":    func() { _, _ = r.Decide("", PackageRead, licensed, here, now) },
		"wrong":      func() { _, _ = r.Decide(wrong, PackageRead, res, here, now) },
		"unknown":    func() { _, _ = r.Decide(stranger, PackageRead, res, here, now) },
		"permission": func() { _, _ = r.Decide(token, PolicyCreate, res, here, now) },
	} {
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if got := status(r.Decide(token, PackageUpload, res, here, now)); got != 200 {
		t.Errorf("what was measured is refused with %d", got)
	}
}
