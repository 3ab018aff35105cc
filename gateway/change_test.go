package gateway

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
)

// A change that was begun before a revocation, and written after it, must not bring
// the key back.
func TestChangesAtOnceUndoNothing(t *testing.T) {
	t.Parallel()
	g := open(t, Config{FailuresPerMinute: 1 << 20})
	channel(t, g, "main")
	policy, err := g.CreatePolicy(ctx, local, "mine", []string{"channel:read"})
	must(t, err)
	no := false
	for round := range 40 {
		name := fmt.Sprint("key ", round, "-")
		who := key(t, g, KeyRequest{Name: name, Policy: policy.ID})
		id := keyNamed(t, g, name).ID
		var all sync.WaitGroup
		for i := range 6 {
			renamed := name + string(rune('0'+i))
			all.Go(func() { _, _ = g.UpdateKey(ctx, local, id, KeyChange{Name: &renamed}) })
			all.Go(func() { _, _ = g.UpdatePolicy(ctx, local, policy.ID, &renamed, nil) })
			all.Go(func() { _, _ = g.RotateKey(ctx, local, id, time.Hour) })
		}
		all.Go(func() { must(t, second(g.UpdateKey(ctx, local, id, KeyChange{Enabled: &no}))) })
		all.Wait()
		if _, err := g.Channel(who, "main"); status(err) != http.StatusUnauthorized {
			t.Fatalf("round %d: disabled while it was changed: %v", round, err)
		}
		if k, err := g.KeyByID(ctx, local, id); err != nil || k.Enabled {
			t.Fatalf("round %d: %+v, %v", round, k, err)
		}
	}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() { _, _ = g.UpdatePolicy(ctx, local, policy.ID, nil, []string{"package:read"}) })
		renamed := "mine"
		all.Go(func() { _, _ = g.UpdatePolicy(ctx, local, policy.ID, &renamed, nil) })
	}
	all.Wait()
	if p, err := g.PolicyByID(ctx, local, policy.ID); err != nil || len(p.Permissions) != 1 || p.Permissions[0] != "package:read" {
		t.Errorf("the permissions were taken away, and then: %+v, %v", p, err)
	}
}

// However often and quickly a key is rotated, its newest value works, and of the older
// ones the last alone, for its grace.
func TestAtMostTwoValuesAreAlive(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := open(t, Config{Now: c.now, FailuresPerMinute: 1 << 20})
	channel(t, g, "main")
	values := []string{key(t, g, KeyRequest{Name: "k", Policy: "reader"}).Token}
	for range 8 {
		made, err := g.RotateKey(ctx, local, "k", time.Hour)
		must(t, err)
		values = append(values, made.Value)
		for i, v := range values {
			want := http.StatusUnauthorized
			if i >= len(values)-2 {
				want = 200
			}
			if _, err := g.Channel(caller(v), "main"); status(err) != want {
				t.Fatalf("value %d of %d: %v, want %d", i, len(values), err, want)
			}
		}
		if masked := authz.MaskedToken(authz.SecretKey, keyNamed(t, g, "k").Secrets[0].KID); masked != made.Value[:10]+"****" {
			t.Errorf("shown as %s, and its value begins with %s", masked, made.Value[:10])
		}
	}
}

func TestLastUseIsWrittenForManyRequestsAtOnce(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := open(t, Config{Now: c.now})
	channel(t, g, "main")
	who := key(t, g, KeyRequest{Name: "k", Policy: "reader"})
	before, err := g.Audit(ctx, local, catalog.AuditFilter{})
	must(t, err)
	for range 100 {
		must(t, second(g.Channel(who, "main")))
	}
	if k := keyNamed(t, g, "k"); k.LastUsedAt != 0 {
		t.Error("a request wrote when its key was used")
	}
	g.flushTouched(ctx)
	if k := keyNamed(t, g, "k"); k.LastUsedAt != c.now().UnixMilli() {
		t.Errorf("last used at %d, want %d", k.LastUsedAt, c.now().UnixMilli())
	}
	if after, err := g.Audit(ctx, local, catalog.AuditFilter{}); err != nil || len(after) != len(before) {
		t.Errorf("uses are in the audit trail: %d rows, then %d, %v", len(before), len(after), err)
	}
}

func TestAChannelAndANameMoveBetweenProjects(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "main")
	for _, p := range []string{"a", "b"} {
		must(t, second(g.CreateProject(ctx, local, p)))
	}
	must(t, second(g.SetPyName(ctx, local, "tool", PySettings{})))
	ofA, ofB := key(t, g, KeyRequest{Name: "a", Policy: "developer", Project: "a"}), key(t, g, KeyRequest{Name: "b", Policy: "developer", Project: "b"})
	described := "x"
	reads := func(when string, a, b int) {
		t.Helper()
		for name, tt := range map[string]struct {
			who  *Caller
			want int
		}{"a": {ofA, a}, "b": {ofB, b}} {
			first, then := *tt.who, *tt.who
			if _, err := g.Channel(&first, "main"); status(err) != tt.want {
				t.Errorf("%s, channel for project %s: %v, want %d", when, name, err, tt.want)
			}
			if _, _, err := g.PyProjectOf(ctx, &then, "tool"); status(err) != tt.want {
				t.Errorf("%s, Python name for project %s: %v, want %d", when, name, err, tt.want)
			}
		}
	}
	move := func(to string) {
		t.Helper()
		must(t, second(g.SetChannel(ctx, local, "main", ChannelSettings{Project: &to})))
		must(t, second(g.SetPyName(ctx, local, "tool", PySettings{Project: &to})))
	}
	reads("in no project", 200, 200)
	move("a")
	reads("in a", 200, 403)
	move("b")
	reads("in b", 403, 200)
	to := "a"
	if _, err := g.SetChannel(ctx, ofB, "main", ChannelSettings{Project: &to}); status(err) != http.StatusNotFound {
		t.Errorf("a key of b gives what is b's to a: %v", err)
	}
	if _, err := g.SetChannel(ctx, ofA, "main", ChannelSettings{Description: &described}); status(err) != http.StatusForbidden {
		t.Errorf("a key of a changes what is b's: %v", err)
	}
	if err := g.DeleteProject(ctx, local, "b"); status(err) != http.StatusConflict {
		t.Errorf("a project that owns things: %v", err)
	}
	move("")
	must(t, g.DeleteKey(ctx, local, keyNamed(t, g, "b").ID))
	must(t, g.DeleteProject(ctx, local, "b"))
	reads("in no project again", 200, 401)
}

func TestNamesThatHoldAKeyOrMoreThanALine(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	token, _ := authz.NewToken(authz.SecretKey)
	for _, name := range []string{"", "a\nb", "tab\t", "\xff", token, "my " + token + " key", string(make([]byte, MaxKeyName+1))} {
		if _, err := g.CreateKey(ctx, local, KeyRequest{Name: name, Policy: "reader"}); status(err) != http.StatusBadRequest {
			t.Errorf("a key named %q: %v", name, err)
		}
		if _, err := g.CreatePolicy(ctx, local, name, nil); status(err) != http.StatusBadRequest {
			t.Errorf("a policy named %q: %v", name, err)
		}
	}
}
