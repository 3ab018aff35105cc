package gateway

import (
	"net/http"
	"strings"
	"testing"
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
