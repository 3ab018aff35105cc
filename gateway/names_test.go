package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/authz"
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
