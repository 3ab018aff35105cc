package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Interpreter is the Python of one of the environments that tests/venv.sh makes:
// conda, python, pdm or api.
func Interpreter(t testing.TB, set string) string {
	t.Helper()
	dir := os.Getenv("FAIRWAY_VENV")
	if dir == "" {
		dir = filepath.Join(Root(t), ".cache", "venv")
	}
	path := filepath.Join(dir, set, "bin", "python")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not there: run 'make venv' first", path)
	}
	return path
}

// Python runs tests/clients/<script> with in as JSON on its stdin, and reads the
// JSON it prints into out. env is added to the process's environment. The script's
// failure is the test's.
func Python(t testing.TB, set, script string, in, out any, env ...string) {
	t.Helper()
	if text, err := TryPython(t, set, script, in, out, env...); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, text)
	}
}

// TryPython is [Python] for scripts that may fail: text is what the script said
// then.
func TryPython(t testing.TB, set, script string, in, out any, env ...string) (text string, err error) {
	t.Helper()
	question, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, Interpreter(t, set), filepath.Join(Root(t), "tests", "clients", script))
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "PYTHONDONTWRITEBYTECODE=1",
		"RATTLER_CACHE_DIR="+filepath.Join(home, "rattler"), "NO_PROXY=*")
	cmd.Env = append(cmd.Env, env...)
	cmd.Dir = home
	cmd.Stdin = bytes.NewReader(question)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String() + stderr.String(), err
	}
	if out != nil {
		if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
			return stdout.String() + stderr.String(), err
		}
	}
	return stderr.String(), nil
}
