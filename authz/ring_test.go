package authz

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever takes a right away is in force for the next decision, while others go
// on deciding.
func TestRevocationIsInForceWhenItReturns(t *testing.T) {
	t.Parallel()
	r := newRing()
	ask := func(token string) int { return status(r.Decide(token, ChannelRead, licensed, here, noon)) }

	var stop atomic.Bool
	var readers sync.WaitGroup
	var shared atomic.Pointer[string]
	for range 4 {
		readers.Go(func() {
			for !stop.Load() {
				if token := shared.Load(); token != nil {
					if s := ask(*token); s != 200 && s != 401 && s != 403 {
						t.Errorf("a decision amid changes is %d", s)
					}
				}
			}
		})
	}
	for round := range 1000 {
		r.SetPolicy(Policy{ID: "own", Name: "own", Mask: MaskOf(ChannelRead)})
		token, s := NewToken(SecretKey)
		k := Key{ID: "k", PolicyID: "own"}
		set(r, &k, s)
		shared.Store(&token)
		if got := ask(token); got != 200 {
			t.Fatalf("round %d: a fresh key is %d", round, got)
		}
		want, after := 401, token
		switch round % 7 {
		case 0:
			r.RemoveKey("k")
		case 1:
			k.Enabled = false
			r.SetKey(k, []Secret{s})
		case 2:
			r.SetPolicy(Policy{ID: "own", Name: "own"})
			want = 403
		case 3:
			r.RemovePolicy("own")
		case 4: // rotated without grace
			var next Secret
			after, next = NewToken(SecretKey)
			r.SetKey(k, []Secret{next})
			if got := ask(after); got != 200 {
				t.Fatalf("round %d: the new value is %d", round, got)
			}
			after = token
		case 5: // demoted to another policy
			r.SetPolicy(Policy{ID: "less", Name: "less"})
			k.PolicyID = "less"
			r.SetKey(k, []Secret{s})
			want = 403
		case 6:
			k.ExpiresAt = noon
			r.SetKey(k, []Secret{s})
		}
		if got := ask(after); got != want {
			t.Fatalf("round %d (%d): the revoked key is %d, want %d", round, round%7, got, want)
		}
	}
	stop.Store(true)
	readers.Wait()
}

func TestRotationKeepsTheOldValueForItsGrace(t *testing.T) {
	t.Parallel()
	r := newRing()
	old, s1 := NewToken(SecretKey)
	fresh, s2 := NewToken(SecretKey)
	k := Key{PolicyID: "reader"}
	set(r, &k, s1)
	s1.NotAfter = noon + 10
	set(r, &k, s2, s1)
	for _, tt := range []struct {
		token string
		at    int64
		want  int
	}{{old, noon, 200}, {old, noon + 9, 200}, {old, noon + 10, 401}, {fresh, noon, 200}, {fresh, noon + 10, 200}} {
		if got := status(r.Decide(tt.token, ChannelRead, licensed, here, tt.at)); got != tt.want {
			t.Errorf("old %v at +%d: %d, want %d", tt.token == old, tt.at-noon, got, tt.want)
		}
	}
	g, err := r.Decide(old, ChannelRead, licensed, here, noon+10)
	if g == nil || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("after the grace: %v, %v", g, err)
	}
}

func TestIssuedKeysLiveAndReachAsTheirIssuer(t *testing.T) {
	t.Parallel()
	r := newRing()
	r.SetAnonymous(0)
	public := mint(r, Key{ID: "public", Type: PublicKey, PolicyID: "executor", IssuerID: "issuer"})
	ask := func() int { return status(r.Decide(public, ProxyFetch, opened, here, noon)) }
	if got := ask(); got != 401 {
		t.Errorf("before its issuer is there: %d", got)
	}
	_, s := NewToken(SecretKey)
	issuer := Key{ID: "issuer", PolicyID: "application"}
	set(r, &issuer, s)
	if got := ask(); got != 200 {
		t.Errorf("with its issuer: %d", got)
	}
	for what, change := range map[string]struct {
		f    func(*Key)
		want int
	}{
		"disabled":                  {func(k *Key) { k.Enabled = false }, 401},
		"expired":                   {func(k *Key) { k.ExpiresAt = noon }, 401},
		"demoted":                   {func(k *Key) { k.PolicyID = "reader" }, 403},
		"used from elsewhere alone": {func(k *Key) { k.CIDRs = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} }, 403},
	} {
		k := issuer
		change.f(&k)
		r.SetKey(k, []Secret{s})
		if got := ask(); got != change.want {
			t.Errorf("its issuer is %s: %d, want %d", what, got, change.want)
		}
		r.SetKey(issuer, []Secret{s})
		if got := ask(); got != 200 {
			t.Errorf("its issuer is no longer %s: %d", what, got)
		}
	}
	r.RemoveKey("issuer")
	if _, there := r.Key("public"); there || ask() != 401 {
		t.Error("a key outlives its issuer")
	}
	if len(r.keys) != 0 {
		t.Errorf("%d keys are remembered of none", len(r.keys))
	}
}

func TestPoliciesByIDAndName(t *testing.T) {
	t.Parallel()
	r := newRing()
	token := mint(r, Key{PolicyID: "later"})
	if got := status(r.Decide(token, ChannelRead, licensed, here, noon)); got != 403 {
		t.Errorf("a key without a policy is %d", got)
	}
	if _, ok := r.Policy("later"); ok {
		t.Error("a policy that only a key names is there")
	}
	want := Policy{ID: "later", Name: "Later", Mask: MaskOf(ChannelRead)}
	r.SetPolicy(Policy{ID: want.ID, Name: want.Name, Mask: want.Mask | 1<<63})
	if got := status(r.Decide(token, ChannelRead, licensed, here, noon)); got != 200 {
		t.Errorf("once its policy came it is %d", got)
	}
	byID, _ := r.Policy("later")
	byName, _ := r.PolicyByName("Later")
	if byID != want || byName != want {
		t.Errorf("found %+v and %+v", byID, byName)
	}
	r.RemovePolicy("later")
	r.RemovePolicy("later")
	r.RemoveKey("nobody")
	if _, ok := r.PolicyByName("Later"); ok {
		t.Error("a removed policy is there")
	}
	if _, ok := r.Key("k"); ok {
		t.Error("a removed policy leaves its keys")
	}
}

func TestUsesAreReportedOnce(t *testing.T) {
	t.Parallel()
	r := newRing()
	tokens := map[string]string{}
	for i := range 5 {
		id := fmt.Sprint("k", i)
		tokens[id] = mint(r, Key{ID: id, PolicyID: "reader"})
	}
	use := func(id string, at int64) { _, _ = r.Decide(tokens[id], ChannelRead, opened, here, at) }
	touched := func() []Touch {
		out := r.Touched()
		slices.SortFunc(out, func(a, b Touch) int { return strings.Compare(a.KeyID, b.KeyID) })
		return out
	}
	if got := touched(); got != nil {
		t.Errorf("unused keys are reported: %v", got)
	}
	use("k1", noon)
	use("k1", noon+2500)
	use("k1", noon+2600) // within the same second
	use("k2", noon+5)
	use("k3", noon)
	_, _ = r.Decide("sk-"+strings.Repeat("0", 50), ChannelRead, opened, here, noon)
	r.RemoveKey("k3")
	if diff := cmp.Diff([]Touch{{"k1", noon + 2500}, {"k2", noon + 5}}, touched()); diff != "" {
		t.Error(diff)
	}
	if got := touched(); got != nil {
		t.Errorf("reported twice: %v", got)
	}
	use("k1", noon+1)
	if got := touched(); got != nil {
		t.Errorf("an earlier use is reported: %v", got)
	}
	use("k1", noon+9000)
	if diff := cmp.Diff([]Touch{{"k1", noon + 9000}}, touched()); diff != "" {
		t.Error(diff)
	}
}

func TestNoUseIsLostBetweenReports(t *testing.T) {
	t.Parallel()
	r := newRing()
	const keys, uses = 20, 300
	var users sync.WaitGroup
	for i := range keys {
		token := mint(r, Key{ID: fmt.Sprint(i), PolicyID: "reader"})
		users.Go(func() {
			for n := range int64(uses) {
				_, _ = r.Decide(token, ChannelRead, licensed, here, noon+n*touchGrain)
			}
		})
	}
	last := map[string]int64{}
	collect := func() {
		for _, u := range r.Touched() {
			last[u.KeyID] = max(last[u.KeyID], u.At)
		}
	}
	done := make(chan struct{})
	go func() { users.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		collect()
	}
	collect()
	for i := range keys {
		if got := last[fmt.Sprint(i)]; got != noon+(uses-1)*touchGrain {
			t.Errorf("the last use of key %d is reported as +%d", i, got-noon)
		}
	}
}

// Any order of changes leaves what a plain table would say.
func TestRingIsATable(t *testing.T) {
	t.Parallel()
	type row struct {
		key     Key
		secrets []Secret
	}
	rapid.Check(t, func(t *rapid.T) {
		r := NewRing()
		keys, policies, tokens := map[string]row{}, map[string]Mask{}, map[string]string{} // token to key id
		ids := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		pols := rapid.SampledFrom([]string{"p", "q"})
		var drop func(id string)
		drop = func(id string) {
			delete(keys, id)
			for other, r := range keys {
				if r.key.IssuerID == id {
					drop(other)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"set key": func(t *rapid.T) {
				k := Key{ID: ids.Draw(t, "id"), PolicyID: pols.Draw(t, "policy"), Enabled: rapid.Bool().Draw(t, "enabled")}
				if k.ID > "b" { // the others issue
					k.IssuerID = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "issuer")
				}
				secrets := slices.Clone(keys[k.ID].secrets)
				if len(secrets) == 0 || rapid.Bool().Draw(t, "rotate") {
					token, s := NewToken(SecretKey)
					tokens[token] = k.ID
					secrets = append([]Secret{s}, secrets[:min(len(secrets), 1)]...)
				}
				r.SetKey(k, secrets)
				keys[k.ID] = row{k, secrets}
			},
			"remove key": func(t *rapid.T) {
				id := ids.Draw(t, "id")
				r.RemoveKey(id)
				drop(id)
			},
			"set policy": func(t *rapid.T) {
				p := Policy{ID: pols.Draw(t, "policy"), Mask: MaskOf(ChannelRead, PackageRead)}
				if rapid.Bool().Draw(t, "less") {
					p.Mask = MaskOf(PackageRead)
				}
				r.SetPolicy(p)
				policies[p.ID] = p.Mask
			},
			"remove policy": func(t *rapid.T) {
				id := pols.Draw(t, "policy")
				r.RemovePolicy(id)
				delete(policies, id)
				for {
					i := slices.IndexFunc([]string{"a", "b", "c", "d"}, func(k string) bool { return keys[k].key.PolicyID == id })
					if i < 0 {
						break
					}
					drop(string(rune('a' + i)))
				}
			},
			"": func(t *rapid.T) {
				for token, id := range tokens {
					k, there := keys[id]
					there = there && slices.ContainsFunc(k.secrets, func(s Secret) bool { return s.SHA256 == sha(token) })
					want := 401
					if there && k.key.Enabled {
						mask := policies[k.key.PolicyID]
						if k.key.IssuerID == "" {
							want = 403
						} else if issuer, ok := keys[k.key.IssuerID]; ok && issuer.key.Enabled {
							mask, want = mask&policies[issuer.key.PolicyID], 403
						}
						if want == 403 && mask.Has(ChannelRead) {
							want = 200
						}
					}
					if got := status(r.Decide(token, ChannelRead, licensed, here, noon)); got != want {
						t.Fatalf("key %s is %d, want %d", id, got, want)
					}
				}
			},
		})
		for id := range keys {
			r.RemoveKey(id)
		}
		for id := range policies {
			r.RemovePolicy(id)
		}
		left := 0
		for i := range r.shards {
			if m := r.shards[i].Load(); m != nil {
				left += len(*m)
			}
		}
		if len(r.keys)+len(r.policies)+left != 0 {
			t.Fatalf("an empty ring remembers %d keys, %d policies, %d secrets", len(r.keys), len(r.policies), left)
		}
	})
}
