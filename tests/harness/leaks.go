package harness

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fairwayhq/fairway/authz"
)

// finish ends the process and looks at what it left.
func (g *Gateway) finish() {
	if g.cmd != nil && g.Running() {
		g.checkMetrics()
		g.Stop()
	}
	if g.t.Failed() {
		g.t.Logf("end of the gateway's log:\n%s", g.logTail())
	}
	g.checkLog()
	g.checkFiles()
}

func (g *Gateway) checkLog() {
	log := g.Log()
	for _, sign := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: ", `"level":"panic"`} {
		if at := strings.Index(log, sign); at >= 0 {
			g.t.Errorf("the gateway's log has %q:\n%s", sign, log[at:min(len(log), at+6000)])
		}
	}
}

// checkFiles looks for keys in everything below the process's folder and its
// data, its log among it. Only stdout, where keys are printed to people, may have
// them.
func (g *Gateway) checkFiles() {
	for _, root := range []string{g.dir, g.Data} {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || path == g.outPath() {
				return nil
			}
			raw, err := os.ReadFile(path)
			if err == nil {
				g.checkSecrets(path, raw)
			}
			return nil
		})
	}
}

func (g *Gateway) checkMetrics() {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + g.Admin + "/metrics")
	if err != nil {
		return // no admin endpoint in this test's configuration
	}
	defer resp.Body.Close()
	var buf bytes.Buffer
	_, _ = buf.ReadFrom(resp.Body)
	g.checkSecrets("/metrics", buf.Bytes())
}

func (g *Gateway) checkSecrets(where string, raw []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, secret := range g.secrets {
		if bytes.Contains(raw, []byte(secretPart(secret))) {
			g.t.Errorf("%s holds a key that was made in this test, or its secret part", where)
			return
		}
	}
}

// secretPart is a key without its type, its public id and its checksum.
func secretPart(key string) string {
	if len(key) != authz.TokenLen {
		return key
	}
	return key[15:47]
}
