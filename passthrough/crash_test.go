package passthrough

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
)

// crashDir tells the test binary to be the process that is killed.
const crashDir = "FAIRWAY_PASSTHROUGH_CRASH"

// crashHelper fetches one file, and dies where it is told to.
func crashHelper(dir string) {
	point := os.Getenv(crashDir + "_POINT")
	m, err := Open(Config{
		Dir: dir, Upstreams: []Upstream{{Name: "up", URL: os.Getenv(crashDir + "_URL")}},
		Crash: func(at string) {
			if at == point {
				self, _ := os.FindProcess(os.Getpid())
				_ = self.Kill()
				select {}
			}
		},
	}, &house{})
	if err != nil {
		panic(err)
	}
	f, err := m.File(ctx, FileRequest{Upstream: "up", Path: os.Getenv(crashDir + "_FILE")})
	if err != nil {
		panic(err)
	}
	if point == "body" { // wait for the signal
		_, _ = os.Stdout.WriteString("filling\n")
	}
	_, _ = readAll(f)
	select {}
}

// A kill at any point of a download leaves no wrong byte and no rubbish, and the
// next process serves the file.
func TestKillDuringDownload(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"body", "fill.verified", "fill.stored"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			e := setup(t)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			f, at := e.wheel("lib", "1.0", large(500<<10))
			if point == "body" {
				e.up.On("/"+at, upstreamtest.Stall(200<<10, nil))
			}
			cmd := exec.Command(os.Args[0], "-test.run=^$")
			cmd.Env = append(os.Environ(), crashDir+"="+e.cfg.Dir, crashDir+"_POINT="+point, crashDir+"_URL="+e.up.Simple(), crashDir+"_FILE="+at)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			guard := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
			defer guard.Stop()
			if point == "body" {
				line := make([]byte, 8)
				if _, err := out.Read(line); err != nil {
					t.Fatalf("helper: %v\n%s", err, stderr.String())
				}
				_ = cmd.Process.Kill()
			}
			if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("helper ended with %v\n%s", err, stderr.String())
			}
			e.up.Heal()
			e.start()
			if left, _ := os.ReadDir(filepath.Join(e.cfg.Dir, "tmp")); len(left) != 0 {
				t.Errorf("%d temporary files are left", len(left))
			}
			e.mustFetch(at, f.Content)
			e.settled()
			stored, _ := filepath.Glob(filepath.Join(e.cfg.Dir, "files", "*", "*"))
			if len(stored) != 1 || filepath.Base(stored[0]) != f.SHA256() {
				t.Errorf("the cache holds %v", stored)
			}
		})
	}
}
