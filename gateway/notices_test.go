package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// What is served as notices.json is what clients can read: anything else they pass over
// in silence, and nobody learns why.
func TestNoticesAreWhatClientsRead(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "team")
	for raw, want := range map[string]string{
		`[]`:                          "array",
		`"x"`:                         "string",
		`{}`:                          "no list 'notices'",
		`{"notices":null}`:            "no list 'notices'",
		`{"notices":{}}`:              "notices",
		`{"notices":["x"]}`:           "string",
		`{"notices":[{}]}`:            "notice 1 has no message",
		`{"notices":[{"message":1}]}`: "number",
		`{"notices":[{"message":"x","level":5}]}`: "number",
	} {
		_, err := g.SetChannel(ctx, local, "team", ChannelSettings{Notices: json.RawMessage(raw)})
		if status(err) != http.StatusBadRequest || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "struct") {
			t.Errorf("%s: %v, expected to say %q", raw, err, want)
		}
	}
	for _, raw := range []string{`{"notices":[{"message":"x","level":"info","created_at":"2026-01-01T00:00:00Z","interval":5}]}`, `{"notices":[]}`, `null`} {
		ch, err := g.SetChannel(ctx, local, "team", ChannelSettings{Notices: json.RawMessage(raw)})
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if got := string(ch.Notices); got != raw && (raw != "null" || got != "") {
			t.Errorf("%s became %s", raw, got)
		}
	}
}

// Taking away a patch that never was makes no subdir.
func TestNothingBecomesASubdirByLosingItsPatch(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "team")
	if _, err := g.SetPatch(ctx, local, "team", "linux-64", nil); status(err) != http.StatusNotFound {
		t.Errorf("of a subdir without anything: %v", err)
	}
	ch, _ := g.dir.channel("team")
	if subdirs, err := g.Subdirs(ctx, ch); err != nil || len(subdirs) != 0 {
		t.Errorf("%d subdirs, %v", len(subdirs), err)
	}
	for _, patch := range []json.RawMessage{json.RawMessage(`{}`), nil, nil} {
		if _, err := g.SetPatch(ctx, local, "team", "linux-64", patch); err != nil {
			t.Errorf("%s: %v", patch, err)
		}
	}
}
