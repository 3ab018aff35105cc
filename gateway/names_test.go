package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/python"
	"github.com/fairwayhq/fairway/python/pythontest"
)

// Names are shown in tables, pages and the audit trail: nobody's may turn its line
// around or look like another's.
func TestKeyNamesAreSeenAsTheyAre(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	for name, want := range map[string]int{
		"build farm":                        http.StatusOK,
		"Größe 🙂":                           http.StatusOK,
		"":                                  http.StatusBadRequest,
		"a\nb":                              http.StatusBadRequest,
		"admin\u200b":                       http.StatusBadRequest,
		"\u202enimda":                       http.StatusBadRequest,
		"\xff":                              http.StatusBadRequest,
		strings.Repeat("a", MaxKeyName+1):   http.StatusBadRequest,
		"sk-" + strings.Repeat("a", 3+6+41): http.StatusBadRequest,
	} {
		if _, err := g.CreateKey(ctx, local, KeyRequest{Name: name, Policy: "reader"}); status(err) != want {
			t.Errorf("%q: %v, want %d", name, err, want)
		}
	}
}

// What is reserved is what a stranger would have to register elsewhere to be
// installed in its place: nobody tells them.
func TestWhyTellsStrangersNothing(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	if _, err := g.Reserve(ctx, local, "acme-secret"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"acme-secret", "acme-other"} {
		rep, err := g.WhyPython(ctx, caller(""), name)
		if status(err) != http.StatusUnauthorized || rep != nil {
			t.Errorf("%s, to nobody: %+v %v", name, rep, err)
		}
		scope, _ := authz.ParseNames([]string{"mine"})
		if rep, err = g.WhyPython(ctx, key(t, g, KeyRequest{Name: name, Policy: "executor", Scope: authz.Scope{Packages: scope}}), name); status(err) != http.StatusForbidden {
			t.Errorf("%s, to a key for other packages: %+v %v", name, rep, err)
		}
	}
	rep, err := g.WhyPython(ctx, key(t, g, KeyRequest{Policy: "executor"}), "acme-secret")
	if err != nil || !rep.Reserved || rep.Refused == "" {
		t.Errorf("to who may know: %+v %v", rep, err)
	}
}

// A page that asks for ever new public keys does not fill the gateway with them.
func TestPublicKeysOfOneIssuerAreBounded(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := open(t, Config{Now: c.now})
	app := key(t, g, KeyRequest{Policy: "application"})
	ask := func(name string, ttl time.Duration) error {
		_, err := g.PublicKey(ctx, app, PublicKeyRequest{Name: name, TTL: ttl})
		return err
	}
	if err := ask("first", time.Hour); err != nil {
		t.Fatal(err)
	}
	_, err := g.cat.Update(ctx, local.Actor(), func(tx *catalog.Tx) error { // as many requests would, sooner
		for i := 1; i < MaxPublicKeys; i++ {
			row := &catalog.Key{
				ID: catalog.NewID(), Name: fmt.Sprint("page ", i), Type: "pk", PolicyID: "executor", Scope: []byte("{}"), Enabled: true,
				ExpiresAt: c.now().Add(time.Minute).UnixMilli(), IssuerID: app.Key().ID,
			}
			if err := tx.InsertKey(row); err != nil {
				return err
			}
		}
		return tx.Audit("test.keys", "key", "", nil, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := ask("one more", time.Hour); status(err) != http.StatusConflict {
		t.Errorf("key %d: %v", MaxPublicKeys+1, err)
	}
	if err := ask("first", time.Hour); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	c.advance(2 * time.Minute)
	if err := ask("one more", time.Hour); err != nil {
		t.Errorf("once the others expired: %v", err)
	}
}

// A Python name that is deleted and made anew in one breath shows none of the old
// one's files, and is the gateway's own throughout.
func TestPythonNameMadeAnewInOneBatchIsEmpty(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	mustUploadPy(t, g, pythontest.Spec{Name: "demo", Version: "1.0"})
	if got := page(t, g, local, "demo"); !strings.Contains(got, "demo-1.0") {
		t.Fatalf("before: %s", got)
	}
	_, err := g.cat.Update(ctx, local.Actor(), func(tx *catalog.Tx) error {
		if err := tx.DeletePyName("demo"); err != nil {
			return err
		}
		if err := tx.InsertPyName(&catalog.PyName{Name: "demo", Display: "demo", Visibility: "open"}); err != nil {
			return err
		}
		return tx.Audit("test.anew", "python", "demo", nil, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := page(t, g, local, "demo"); strings.Contains(got, "demo-1.0") {
		t.Errorf("the new name shows %s", got)
	}
	if owned, err := g.Owns("demo"); !owned || err != nil {
		t.Errorf("owned: %v %v", owned, err)
	}
	mustUploadPy(t, g, pythontest.Spec{Name: "demo", Version: "2.0"})
	if got := page(t, g, local, "demo"); strings.Contains(got, "demo-1.0") || !strings.Contains(got, "demo-2.0") {
		t.Errorf("after an upload it shows %s", got)
	}
}

// A name that is deleted between the look at memory and the one at the catalog is
// reserved, not absent: clients look for what is absent elsewhere.
func TestPythonNameThatIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	p, err := newPyProject(&catalog.PyName{Name: "demo", Display: "demo", Visibility: "open"})
	if err != nil {
		t.Fatal(err)
	}
	g.py.set(p) // the catalog has deleted it, and memory does not know yet
	if _, _, known, err := g.PyPageOf(ctx, local, "demo"); known || err != nil {
		t.Errorf("its page: known %v, %v", known, err)
	}
	if _, err := g.Passthrough(local, "demo"); status(err) != http.StatusForbidden {
		t.Errorf("what is left to the pass-through: %v", err)
	}
	e, _, _ := g.py.entry("demo")
	e.page.cur.Store(&PyPage{Rendered: python.Render(&python.Page{Name: "demo"})})
	if err := g.refreshPy(ctx, "demo", 1); err != nil {
		t.Errorf("an upload that ended before: %v", err)
	}
}

// Uploaders send a package again for 429, and take 401 as the last word.
func TestUploadersAreNotAskedToTryAWrongKeyAgain(t *testing.T) {
	t.Parallel()
	g := open(t, Config{FailuresPerMinute: 1})
	channel(t, g, "main")
	wrong := caller("sk-wrong")
	for range 3 {
		_ = g.Identify(wrong)
	}
	if err := g.Identify(wrong); status(err) != http.StatusTooManyRequests {
		t.Errorf("of a read: %v", err)
	}
	for what, err := range map[string]error{
		"of a form":          g.MayUpload(wrong, "main"),
		"of a body":          g.BeginUpload(wrong, &Upload{Channel: "main", Filename: "a-1-0.conda"}),
		"of a Python upload": g.MayUploadPython(wrong),
	} {
		if status(err) != http.StatusUnauthorized {
			t.Errorf("%s: %v", what, err)
		}
	}
}
