package harness

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Sandbox is a folder in which clients run: their home, caches and configuration
// begin empty, and nothing of the machine's own settings reaches them.
type Sandbox struct {
	Dir string // home and working directory

	t   testing.TB
	env []string
}

// NewSandbox makes one; env is "NAME=value" for every command in it.
func NewSandbox(t testing.TB, env ...string) *Sandbox {
	t.Helper()
	dir := t.TempDir()
	s := &Sandbox{Dir: dir, t: t, env: []string{
		"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + dir, "XDG_CACHE_HOME=" + filepath.Join(dir, ".cache"),
		"XDG_CONFIG_HOME=" + filepath.Join(dir, ".config"), "XDG_DATA_HOME=" + filepath.Join(dir, ".local"), "NO_PROXY=*", "NO_COLOR=1",
		"PYTHONDONTWRITEBYTECODE=1", "PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring", "CI=1",
		"PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INPUT=1", "PIP_RETRIES=0", "PIP_CONFIG_FILE=/dev/null", "UV_PYTHON_DOWNLOADS=never",
		"UV_HTTP_RETRIES=0", "POETRY_KEYRING_ENABLED=false", "PDM_CHECK_UPDATE=0", "PDM_NO_SELF=1", "PDM_IGNORE_ACTIVE_VENV=0",
	}}
	s.env = append(s.env, env...)
	return s
}

// Tool is the path of a command of one of the environments that tests/venv.sh makes.
func Tool(t testing.TB, set, name string) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(Interpreter(t, set)), name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not there: run 'make venv' first", path)
	}
	return path
}

// With is the same folder with more in its commands' environment.
func (s *Sandbox) With(env ...string) *Sandbox {
	return &Sandbox{s.Dir, s.t, append(append([]string(nil), s.env...), env...)}
}

// Run runs a command that is expected to succeed, and returns all it printed.
func (s *Sandbox) Run(set, name string, args ...string) string {
	s.t.Helper()
	out, err := s.Try(set, name, args...)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// Try runs a command, and returns all it printed.
func (s *Sandbox) Try(set, name string, args ...string) (out string, err error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, Tool(s.t, set, name), args...)
	cmd.Dir, cmd.Env = s.Dir, s.env
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	return buf.String(), err
}

// Write makes a file in the folder, with its parents.
func (s *Sandbox) Write(name string, data []byte) (path string) {
	s.t.Helper()
	path = filepath.Join(s.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// Read reads a file of the folder.
func (s *Sandbox) Read(name string) string {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.Dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(raw)
}

// Interpreter is [Interpreter] of one of the environments.
func (s *Sandbox) Interpreter(set string) string {
	s.t.Helper()
	return Interpreter(s.t, set)
}
