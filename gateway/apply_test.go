package gateway

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fairwayhq/fairway/catalog"
)

// Reading back what was just committed fails: once, and the gateway goes on with the
// change in force; for good, and it serves nothing rather than what was revoked.
func TestCommittedChangeThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, heals := range []bool{true, false} {
		dir := t.TempDir()
		var db *sql.DB
		alter := func(from, to string) {
			if _, err := db.Exec("ALTER TABLE " + from + " RENAME TO " + to); err != nil {
				t.Error(err)
			}
		}
		var armed, warned atomic.Bool
		core, _ := observer.New(zap.InfoLevel)
		log := zap.New(core, zap.Hooks(func(e zapcore.Entry) error {
			if strings.Contains(e.Message, "trying again") && warned.CompareAndSwap(false, true) && heals {
				alter("api_keys_away", "api_keys")
			}
			return nil
		}))
		g := open(t, Config{Dir: dir, Log: log, Crash: func(point string) {
			if point == catalog.CrashAfterCommit && armed.CompareAndSwap(true, false) {
				alter("api_keys", "api_keys_away")
			}
		}})
		var err error
		if db, err = sql.Open("sqlite", filepath.Join(dir, "catalog.db")); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		c := key(t, g, KeyRequest{Policy: "reader"})
		if err := g.Identify(c); err != nil {
			t.Fatal(err)
		}
		armed.Store(true)
		off := false
		if _, err := g.UpdateKey(ctx, local, c.Key().ID, KeyChange{Enabled: &off}); err != nil {
			t.Fatal(err)
		}
		release, ok := g.Acquire()
		if ok {
			release()
		}
		if ok != heals || !warned.Load() {
			t.Errorf("heals %v: requests are taken: %v, warned: %v", heals, ok, warned.Load())
		}
		if says := g.Closed().Message; !heals && !strings.Contains(says, "until it is restarted") {
			t.Errorf("requests are told: %s", says)
		}
		if err := g.Identify(c); heals && status(err) != http.StatusUnauthorized {
			t.Errorf("the key that was disabled: %v", err)
		}
	}
}
