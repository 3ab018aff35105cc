package authz

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNobodyGrantsMoreThanTheyHold(t *testing.T) {
	t.Parallel()
	r := newRing()
	cidr := func(s ...string) (out []netip.Prefix) {
		for _, p := range s {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	r.SetPolicy(Policy{ID: "minter", Name: "minter", Mask: MaskOf(KeyCreate, PackageRead, ChannelRead)})
	grant := func(k Key) *Grant {
		if k.PolicyID == "" {
			k.PolicyID = "admin"
		}
		g, err := r.Authenticate(mint(r, k), here, noon)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	narrow := Scope{Channels: names(t, "team-*")}
	tests := []struct {
		what   string
		holder Key
		policy string
		key    Key
		says   string // "" for leave
	}{
		{"admin, anything", Key{}, "admin", Key{Project: "p1", ExpiresAt: 5, Scope: narrow}, ""},
		{"permissions", Key{PolicyID: "minter"}, "developer", Key{}, "package:upload"},
		{"permissions within", Key{PolicyID: "minter"}, "minter", Key{}, ""},
		{"public keys hold their ceiling", Key{PolicyID: "minter"}, "admin", Key{Type: PublicKey}, "engine:read, proxy:fetch, which"},
		{"scope", Key{Scope: narrow}, "reader", Key{}, "scope"},
		{"scope of another", Key{Scope: narrow}, "reader", Key{Scope: Scope{Channels: names(t, "t*")}}, "scope"},
		{"scope within", Key{Scope: narrow}, "reader", Key{Scope: Scope{Channels: names(t, "team-a", "team-b*"), Packages: names(t, "x")}}, ""},
		{"scope of nothing", Key{Scope: narrow}, "reader", Key{Scope: Scope{Channels: names(t)}}, ""},
		{"project", Key{Project: "p1"}, "reader", Key{}, "project"},
		{"other project", Key{Project: "p1"}, "reader", Key{Project: "p2"}, "project"},
		{"own project", Key{Project: "p1"}, "reader", Key{Project: "p1"}, ""},
		{"expiry", Key{ExpiresAt: noon + 9}, "reader", Key{ExpiresAt: noon + 10}, "outlive"},
		{"no expiry", Key{ExpiresAt: noon + 9}, "reader", Key{}, "outlive"},
		{"expiry within", Key{ExpiresAt: noon + 9}, "reader", Key{ExpiresAt: noon + 9}, ""},
		{"addresses", Key{CIDRs: cidr("192.0.2.0/24")}, "reader", Key{}, "address"},
		{"wider addresses", Key{CIDRs: cidr("192.0.2.0/24")}, "reader", Key{CIDRs: cidr("192.0.2.0/24", "192.0.0.0/16")}, "address"},
		{"wider network, same start", Key{CIDRs: cidr("192.0.2.0/24")}, "reader", Key{CIDRs: cidr("192.0.2.0/23")}, "address"},
		{"addresses within", Key{CIDRs: cidr("::1/128", "192.0.2.0/24")}, "reader", Key{CIDRs: cidr("192.0.2.128/25", "::ffff:192.0.2.9/128")}, ""},
		{"issuer's life", Key{IssuerID: "issuer"}, "reader", Key{}, "outlive"},
		{"same issuer", Key{IssuerID: "issuer"}, "reader", Key{IssuerID: "issuer"}, ""},
	}
	mint(r, Key{ID: "issuer", PolicyID: "admin"})
	for _, tt := range tests {
		p, _ := r.Policy(tt.policy)
		err := CanGrant(grant(tt.holder), p, tt.key)
		if (err == nil) != (tt.says == "") || err != nil && (status(nil, err) != 403 || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v, want %q", tt.what, err, tt.says)
		}
	}
	public := mint(r, Key{ID: "public", Type: PublicKey, PolicyID: "admin"})
	g, _ := r.Authenticate(public, here, noon)
	if CanGrant(g, Policy{}, Key{}) == nil || CanGrant(nil, Policy{}, Key{}) == nil {
		t.Error("a public key, or nobody, grants something")
	}
}

// What may be granted may, whatever is asked with it, do nothing that the granter
// may not: the subset rule and the decision agree.
func TestGrantedKeysDoNoMoreThanTheirGranter(t *testing.T) {
	t.Parallel()
	resources := someResources()
	prefixes := []netip.Prefix{netip.MustParsePrefix("192.0.0.0/16"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("10.0.0.0/8")}
	addrs := []netip.Addr{here, netip.MustParseAddr("192.0.9.9"), netip.MustParseAddr("10.1.1.1"), {}}
	list := func(t *rapid.T, label string, from ...string) Names {
		if rapid.Bool().Draw(t, label+" limited") {
			n, _ := ParseNames(rapid.SliceOfN(rapid.SampledFrom(from), 0, 2).Draw(t, label))
			return n
		}
		return Names{}
	}
	key := rapid.Custom(func(t *rapid.T) Key {
		return Key{
			Type:    KeyType(rapid.IntRange(0, 1).Draw(t, "type")),
			Project: rapid.SampledFrom([]string{"", "", "p1", "p2"}).Draw(t, "project"),
			Scope: Scope{
				Engines: list(t, "engines", EngineConda, EnginePyPI), Channels: list(t, "channels", "c1", "c*", "c2/*"),
				Subdirs: list(t, "subdirs", "noarch", "linux-*"), Packages: list(t, "packages", "num*", "numpy", "My_*", "my-*"),
			},
			CIDRs:     rapid.SliceOfN(rapid.SampledFrom(prefixes), 0, 2).Draw(t, "addresses"),
			ExpiresAt: rapid.SampledFrom([]int64{0, 0, noon + 1, noon + 2}).Draw(t, "expiry"),
		}
	})
	mask := rapid.Custom(func(t *rapid.T) Mask {
		return Mask(rapid.Uint64().Draw(t, "mask")|rapid.Uint64().Draw(t, "more")) & everything
	})
	granted := 0
	rapid.Check(t, func(t *rapid.T) {
		r := NewRing()
		r.SetAnonymous(rapid.SampledFrom([]Mask{0, AnonymousMask}).Draw(t, "anonymous"))
		hk, k := key.Draw(t, "holder"), key.Draw(t, "key")
		hk.Type = SecretKey // public keys grant nothing
		like := func(what string) bool { return rapid.IntRange(0, 4).Draw(t, "like its holder's: "+what) > 0 }
		if like("project") {
			k.Project = hk.Project
		}
		if like("scope") {
			k.Scope = hk.Scope
		}
		if like("packages") {
			k.Scope.Packages = hk.Scope.Packages
		}
		if like("addresses") {
			k.CIDRs = hk.CIDRs
		}
		if like("expiry") {
			k.ExpiresAt = hk.ExpiresAt
		}
		hk.ID, hk.PolicyID, k.ID, k.PolicyID = "h", "hp", "k", "kp"
		held := mask.Draw(t, "held")
		r.SetPolicy(Policy{ID: "hp", Name: "hp", Mask: held})
		kp := Policy{ID: "kp", Name: "kp", Mask: held & mask.Draw(t, "given")}
		r.SetPolicy(kp)
		holder, child := mint(r, hk), mint(r, k)
		g := r.keys["h"].grant.Load()
		if CanGrant(g, kp, k) != nil {
			return
		}
		granted++
		for _, ip := range addrs {
			for now := noon; now < noon+3; now++ {
				for p := range NumPerms {
					res := rapid.SampledFrom(resources).Draw(t, "resource")
					if status(r.Decide(child, p, res, ip, now)) == 200 && status(r.Decide(holder, p, res, ip, now)) != 200 {
						t.Fatalf("%s on %+v from %s at +%d: only the granted key may", p, *res, ip, now-noon)
					}
				}
			}
		}
	})
	t.Logf("%d keys granted", granted)
	if granted == 0 {
		t.Error("no key was ever granted: nothing was tested")
	}
}
