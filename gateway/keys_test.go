package gateway

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
)

func TestNobodyGrantsMoreThanTheyHold(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := open(t, Config{Now: c.now})
	web, err := g.CreateProject(ctx, local, "web")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.CreateProject(ctx, local, "ops"); err != nil {
		t.Fatal(err)
	}
	minter, err := g.CreatePolicy(ctx, local, "minter", []string{"channel:read", "package:read", "engine:read", "key:create", "policy:create"})
	if err != nil {
		t.Fatal(err)
	}
	scope := authz.Scope{}
	scope.Channels, _ = authz.ParseNames([]string{"web-*"})
	who := key(t, g, KeyRequest{
		Policy: minter.ID, Project: web.ID, Scope: scope, Expires: c.now().Add(time.Hour),
		CIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	})
	within := KeyRequest{Policy: "reader", Scope: scope, Expires: c.now().Add(time.Minute), CIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")}}
	wider := authz.Scope{}
	wider.Channels, _ = authz.ParseNames([]string{"web*"})
	for name, tt := range map[string]struct {
		change func(*KeyRequest)
		want   int
	}{
		"all within":         {func(*KeyRequest) {}, 200},
		"more permissions":   {func(r *KeyRequest) { r.Policy = "developer" }, 403},
		"another project":    {func(r *KeyRequest) { r.Project = "ops" }, 404},
		"a wider scope":      {func(r *KeyRequest) { r.Scope = wider }, 403},
		"no scope":           {func(r *KeyRequest) { r.Scope = authz.Scope{} }, 403},
		"a later expiry":     {func(r *KeyRequest) { r.Expires = c.now().Add(2 * time.Hour) }, 403},
		"no expiry":          {func(r *KeyRequest) { r.Expires = time.Time{} }, 403},
		"more addresses":     {func(r *KeyRequest) { r.CIDRs = []netip.Prefix{netip.MustParsePrefix("192.0.0.0/16")} }, 403},
		"any address":        {func(r *KeyRequest) { r.CIDRs = nil }, 403},
		"a past expiry":      {func(r *KeyRequest) { r.Expires = c.now().Add(-time.Second) }, 400},
		"an unknown policy":  {func(r *KeyRequest) { r.Policy = "nope" }, 400},
		"no name":            {func(r *KeyRequest) { r.Name = "" }, 400},
		"the project's name": {func(r *KeyRequest) { r.Project = "web" }, 200},
	} {
		r := within
		r.Name = "made " + name
		tt.change(&r)
		caller := *who
		if _, err := g.CreateKey(ctx, &caller, r); status(err) != tt.want {
			t.Errorf("%s: %v, want %d", name, err, tt.want)
		}
	}
	if _, err := g.CreatePolicy(ctx, who, "wider", []string{"package:delete"}); status(err) != http.StatusForbidden {
		t.Errorf("a policy beyond one's own: %v", err)
	}
}

func TestChangesActOnTheNextRequest(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := open(t, Config{Now: c.now})
	channel(t, g, "main")
	policy, err := g.CreatePolicy(ctx, local, "mine", []string{"channel:read"})
	if err != nil {
		t.Fatal(err)
	}
	who := key(t, g, KeyRequest{Name: "k", Policy: policy.ID, Expires: c.now().Add(time.Hour)})
	id := keyNamed(t, g, "k").ID
	reads := func(want int, when string) {
		t.Helper()
		caller := *who
		if _, err := g.Channel(&caller, "main"); status(err) != want {
			t.Errorf("%s: %v, want %d", when, err, want)
		}
	}
	yes, no := true, false
	reads(200, "made")
	must(t, second(g.UpdateKey(ctx, local, id, KeyChange{Enabled: &no})))
	reads(401, "disabled")
	must(t, second(g.UpdateKey(ctx, local, id, KeyChange{Enabled: &yes})))
	reads(200, "enabled")
	must(t, second(g.UpdatePolicy(ctx, local, policy.ID, nil, []string{"package:read"})))
	reads(403, "policy without the permission")
	must(t, second(g.UpdatePolicy(ctx, local, policy.ID, nil, []string{"channel:read"})))
	rotated, err := g.RotateKey(ctx, local, id, time.Minute)
	must(t, err)
	reads(200, "old value within its grace")
	c.advance(time.Minute)
	reads(401, "old value after its grace")
	who = caller(rotated.Value)
	reads(200, "new value")
	c.advance(time.Hour)
	reads(401, "expired, before any sweep")
	if keys, err := g.Keys(ctx, local); err != nil || len(keys) != 0 {
		t.Errorf("expired, and listed: %v, %v", keys, err)
	}
	if _, err := g.CreateKey(ctx, local, KeyRequest{Name: "k", Policy: policy.ID}); err != nil {
		t.Errorf("the name of an expired key: %v", err)
	}
	if n, err := g.DeletePolicy(ctx, local, policy.ID); n != 1 || err != nil {
		t.Errorf("deleting the policy took %d keys, %v", n, err)
	}
	if keys, _ := g.Keys(ctx, local); len(keys) != 0 {
		t.Errorf("left: %v", keys)
	}
}

func TestPublicKeyIsToldAgainAndNeverStored(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := open(t, Config{Now: c.now})
	channel(t, g, "main")
	app := key(t, g, KeyRequest{Name: "app", Policy: "application"})
	first, err := g.PublicKey(ctx, app, PublicKeyRequest{})
	must(t, err)
	if !strings.HasPrefix(first.Value, "pk-") || first.Key.ExpiresAt != c.now().Add(24*time.Hour).UnixMilli() {
		t.Errorf("%+v", first)
	}
	c.advance(time.Hour)
	again, err := g.PublicKey(ctx, app, PublicKeyRequest{TTL: time.Minute})
	if err != nil || again.Value != first.Value {
		t.Errorf("asked again: %v, %v", again, err)
	}
	named, err := g.PublicKey(ctx, app, PublicKeyRequest{Name: "page"})
	if err != nil || named.Value == first.Value {
		t.Errorf("of another name: %v, %v", named, err)
	}
	pk := caller(first.Value)
	if _, err := g.Channel(pk, "main"); status(err) != http.StatusForbidden {
		t.Errorf("a public key reads a licensed channel: %v", err)
	}
	open := "open"
	must(t, second(g.SetChannel(ctx, local, "main", ChannelSettings{Visibility: &open})))
	if _, err := g.Channel(pk, "main"); err != nil {
		t.Errorf("a public key reads an open channel: %v", err)
	}
	if _, err := g.PublicKey(ctx, pk, PublicKeyRequest{}); status(err) != http.StatusForbidden {
		t.Errorf("a public key asks for another: %v", err)
	}
	must(t, g.DeleteKey(ctx, local, keyNamed(t, g, "app").ID))
	if _, err := g.Channel(caller(first.Value), "main"); status(err) != http.StatusUnauthorized {
		t.Errorf("its issuer is gone, and it works: %v", err)
	}
}

// A public key is told again while it is what would be made now: a list of addresses
// that its issuer has no longer had makes another one.
func TestPublicKeysFollowTheAddressesOfTheirIssuer(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "main")
	visible := "open"
	must(t, second(g.SetChannel(ctx, local, "main", ChannelSettings{Visibility: &visible})))
	app := key(t, g, KeyRequest{Name: "app", Policy: "application"})
	first, err := g.PublicKey(ctx, app, PublicKeyRequest{})
	must(t, err)
	here := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	must(t, second(g.UpdateKey(ctx, local, "app", KeyChange{CIDRs: &here})))
	elsewhere := caller(first.Value)
	elsewhere.IP = netip.MustParseAddr("198.51.100.1")
	if _, err := g.Channel(elsewhere, "main"); status(err) != http.StatusForbidden {
		t.Errorf("from where its issuer may not be used any more: %v", err)
	}
	next, err := g.PublicKey(ctx, app, PublicKeyRequest{})
	must(t, err)
	if next.Value == first.Value || len(next.Key.CIDRs) != 1 {
		t.Errorf("asked again: the key with the addresses %v", next.Key.CIDRs)
	}
	again, err := g.PublicKey(ctx, app, PublicKeyRequest{})
	if err != nil || again.Value != next.Value {
		t.Errorf("and again: %v, %v", again, err)
	}
}

// A name that several keys have stands for the secret one, and else for none of them:
// "disabled" must not be said of one where another was meant.
func TestNamesOfPublicKeysAreNoChoice(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	for _, name := range []string{"a", "b"} {
		must(t, second(g.PublicKey(ctx, key(t, g, KeyRequest{Name: name, Policy: "application"}), PublicKeyRequest{Name: "page"})))
	}
	no := false
	if _, err := g.UpdateKey(ctx, local, "page", KeyChange{Enabled: &no}); status(err) != http.StatusBadRequest {
		t.Errorf("one of two public keys: %v", err)
	}
	if err := g.DeleteKey(ctx, local, "page"); status(err) != http.StatusBadRequest {
		t.Errorf("one of two public keys: %v", err)
	}
	key(t, g, KeyRequest{Name: "page", Policy: "reader"})
	if k, err := g.UpdateKey(ctx, local, "page", KeyChange{Enabled: &no}); err != nil || k.Type != "sk" {
		t.Errorf("a secret key of their name: %v, %v", k, err)
	}
}

func TestTheNameOfAnExpiredKeyIsFree(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := open(t, Config{Now: c.now})
	key(t, g, KeyRequest{Name: "short", Policy: "reader", Expires: c.now().Add(time.Second)})
	key(t, g, KeyRequest{Name: "other", Policy: "reader"})
	name := "short"
	if _, err := g.UpdateKey(ctx, local, "other", KeyChange{Name: &name}); status(err) != http.StatusConflict {
		t.Errorf("before it expires: %v", err)
	}
	c.advance(time.Second)
	if k, err := g.UpdateKey(ctx, local, "other", KeyChange{Name: &name}); err != nil || k.Name != name {
		t.Errorf("once it is expired: %v", err)
	}
	keyNamed(t, g, name)
}

func TestWrongKeysAreThrottledByAddressAlone(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := open(t, Config{Now: c.now, FailuresPerMinute: 3})
	channel(t, g, "main")
	good := key(t, g, KeyRequest{Policy: "reader"})
	wrong, _ := authz.NewToken(authz.SecretKey)
	var got []int
	for range 5 {
		_, err := g.Channel(caller(wrong), "main")
		got = append(got, status(err))
	}
	if got[0] != 401 || got[4] != 429 {
		t.Errorf("statuses %v", got)
	}
	if _, err := g.Channel(good, "main"); err != nil {
		t.Errorf("a valid key from the same address: %v", err)
	}
	elsewhere := caller(wrong)
	elsewhere.IP = netip.MustParseAddr("198.51.100.1")
	if _, err := g.Channel(elsewhere, "main"); status(err) != 401 {
		t.Errorf("from another address: %v", err)
	}
}

func TestEveryMutationHasOneAuditRow(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "main")
	mustUpload(t, g, "main", pkg("a", "1"))
	must(t, second(g.YankPackage(ctx, local, "main", "noarch", "a-1-0.conda", "x")))
	must(t, second(g.CreateProject(ctx, local, "web")))
	key(t, g, KeyRequest{Name: "k", Policy: "reader"})
	rows, err := g.Audit(ctx, local, catalog.AuditFilter{})
	must(t, err)
	var got []string
	for _, r := range rows {
		if r.Action != "policy.settle" {
			got = append(got, r.Action)
		}
		if r.Actor.Name != "local" || strings.Contains(string(r.After), "sk-") {
			t.Errorf("row %+v", r)
		}
	}
	if want := "key.create project.create package.yank package.upload channel.create"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	reader := key(t, g, KeyRequest{Policy: "reader"})
	if _, err := g.Audit(ctx, reader, catalog.AuditFilter{}); status(err) != http.StatusForbidden {
		t.Errorf("a reader reads the trail: %v", err)
	}
}

func keyNamed(t testing.TB, g *Gateway, name string) *catalog.Key {
	t.Helper()
	k, err := g.KeyByID(ctx, local, name)
	must(t, err)
	if raw, _ := json.Marshal(k); len(k.Secrets) == 0 || len(raw) == 0 {
		t.Fatalf("key %s has no secret", name)
	}
	return k
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func second[T any](_ T, err error) error { return err }
