package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Options say how a gateway is started. The zero value is Caddyfile.example on an
// empty data folder.
type Options struct {
	Race      bool     // the binary with the race detector
	Binary    string   // another binary; "" for bin/fairway
	Caddyfile string   // text of the configuration; "" for Caddyfile.example
	App       string   // lines of the global option fairway { … }; "" for Caddyfile.example
	Data      string   // data folder; "" for an empty one
	Env       []string // "NAME=value", over what [Start] sets
}

// Caddyfile is a configuration whose global option fairway has these lines beside
// the data folder.
func Caddyfile(app string) string {
	return `{
	admin {$FAIRWAY_ADMIN}
	auto_https off
	log {
		format fairway
	}
	fairway {
		data {$FAIRWAY_DATA}
		` + app + `
	}
}
http://:{$FAIRWAY_LISTEN_PORT} {
	bind fairway/{$FAIRWAY_LISTEN_HOST}
	log
	fairway
}
`
}

// readyWithin is how long a start may take before a test gives up on it.
const readyWithin = 60 * time.Second

// Gateway is a running fairway.
type Gateway struct {
	URL    string // http://127.0.0.1:port
	Listen string // host:port
	Admin  string // host:port of Caddy's admin endpoint
	Data   string // data folder
	Config string // Caddyfile in use

	t      testing.TB
	binary string
	dir    string // home, log and output of the process
	env    []string
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of the process; read it after exited is closed

	mu      sync.Mutex
	secrets []string
}

// Root is the repository's folder.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	t.Fatal("the repository's go.mod is not above the working directory")
	return ""
}

// Binary is the path of bin/fairway.
func Binary(t testing.TB) string {
	t.Helper()
	return find(t, "FAIRWAY_BIN", "bin/fairway", "make build")
}

// RaceBinary is the path of the binary that is built with the race detector.
func RaceBinary(t testing.TB) string {
	t.Helper()
	return find(t, "FAIRWAY_RACE_BIN", ".cache/bin/fairway-race", "make race")
}

func find(t testing.TB, env, standard, command string) string {
	t.Helper()
	path := os.Getenv(env)
	if path == "" {
		path = filepath.Join(Root(t), standard)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not there: run '%s' first", path, command)
	}
	return path
}

// Start runs a gateway until the test ends, and waits until it is ready.
func Start(t testing.TB, o Options) *Gateway {
	t.Helper()
	g := Prepare(t, o)
	g.Launch()
	return g
}

// Prepare makes everything that a gateway needs, without starting it.
func Prepare(t testing.TB, o Options) *Gateway {
	t.Helper()
	g := &Gateway{t: t, binary: o.Binary, dir: t.TempDir(), Data: o.Data}
	switch {
	case o.Race:
		g.binary = RaceBinary(t)
	case o.Binary == "":
		g.binary = Binary(t)
	}
	if g.Data == "" {
		g.Data = filepath.Join(g.dir, "data")
	}
	g.Config = filepath.Join(g.dir, "Caddyfile")
	text := []byte(o.Caddyfile)
	switch {
	case o.App != "":
		text = []byte(Caddyfile(o.App))
	case o.Caddyfile == "":
		var err error
		if text, err = os.ReadFile(filepath.Join(Root(t), "Caddyfile.example")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(g.Config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	g.Listen, g.Admin = freePorts(t)
	g.URL = "http://" + g.Listen
	g.env = append(os.Environ(),
		"FAIRWAY_LISTEN="+g.Listen, "FAIRWAY_ADMIN="+g.Admin, "FAIRWAY_DATA="+g.Data, "FAIRWAY_PYPI_UPSTREAM=off",
		"HOME="+g.dir, "XDG_CONFIG_HOME="+filepath.Join(g.dir, "config"), "XDG_DATA_HOME="+filepath.Join(g.dir, "share"),
		"GORACE=halt_on_error=0",
	)
	g.env = append(g.env, o.Env...)
	t.Cleanup(g.finish)
	return g
}

// Launch starts the process and waits until it is ready. It fails the test when
// the process ends instead.
func (g *Gateway) Launch() {
	g.t.Helper()
	if err := g.TryLaunch(); err != nil {
		g.t.Fatalf("starting the gateway: %v\n%s", err, g.logTail())
	}
}

// TryLaunch starts the process. It errs when the process ends before it is ready.
func (g *Gateway) TryLaunch() error {
	log, err := os.OpenFile(g.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	out, err := os.OpenFile(g.outPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	g.cmd = exec.Command(g.binary, "run", "--config", g.Config)
	g.cmd.Dir, g.cmd.Env = g.dir, g.env
	g.cmd.Stdout, g.cmd.Stderr = out, log
	if err := g.cmd.Start(); err != nil {
		return err
	}
	g.exited = make(chan struct{})
	go func() { g.err = g.cmd.Wait(); close(g.exited) }()
	return g.waitReady()
}

func (g *Gateway) waitReady() error {
	deadline := time.NewTimer(readyWithin)
	defer deadline.Stop()
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for {
		if r, err := g.Try(Request{Path: "/-/readyz"}); err == nil && r.Status == http.StatusOK {
			return nil
		}
		select {
		case <-g.exited:
			return fmt.Errorf("the process ended: %w", errOf(g.err))
		case <-deadline.C:
			return fmt.Errorf("/-/readyz did not answer 200 within %s", readyWithin)
		case <-tick.C:
		}
	}
}

func errOf(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// Kill ends the process as a crash would (SIGKILL).
func (g *Gateway) Kill() {
	if g.cmd != nil {
		_ = g.cmd.Process.Kill()
		<-g.exited
	}
}

// Stop ends the process as an operator would (SIGTERM), and fails the test when it
// does not leave in peace.
func (g *Gateway) Stop() {
	g.t.Helper()
	if g.cmd == nil || !g.Running() {
		return
	}
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.exited:
		if g.err != nil {
			g.t.Errorf("the gateway ended badly: %v\n%s", g.err, g.logTail())
		}
	case <-time.After(30 * time.Second):
		_ = g.cmd.Process.Signal(syscall.SIGQUIT)
		<-g.exited
		g.t.Errorf("the gateway did not end within 30 s of SIGTERM\n%s", g.logTail())
	}
}

// Restart stops the process and starts it again on the same data.
func (g *Gateway) Restart() {
	g.t.Helper()
	g.Stop()
	g.Launch()
}

// Running reports whether the process has not ended.
func (g *Gateway) Running() bool {
	select {
	case <-g.exited:
		return false
	default:
		return g.exited != nil
	}
}

// PID is the process's id.
func (g *Gateway) PID() int { return g.cmd.Process.Pid }

// Log is what the process wrote to stderr, over all its starts.
func (g *Gateway) Log() string {
	raw, _ := os.ReadFile(g.logPath())
	return string(raw)
}

// Output is what the process wrote to stdout, over all its starts.
func (g *Gateway) Output() string {
	raw, _ := os.ReadFile(g.outPath())
	return string(raw)
}

// Await polls until cond holds, and fails the test with what was awaited when it
// does not within 30 s.
func (g *Gateway) Await(what string, cond func() bool) {
	g.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			g.t.Fatalf("within 30 s there was no %s\n%s", what, g.logTail())
		}
		<-tick.C
	}
}

func (g *Gateway) logPath() string { return filepath.Join(g.dir, "gateway.log") }
func (g *Gateway) outPath() string { return filepath.Join(g.dir, "gateway.out") }

func (g *Gateway) logTail() string {
	lines := strings.Split(strings.TrimSpace(g.Log()), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// CLI runs a fairway command against the gateway.
func (g *Gateway) CLI(args ...string) (stdout, stderr string, code int) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.binary, args...)
	cmd.Dir, cmd.Env = g.dir, g.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		g.t.Fatalf("running fairway %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// MustCLI runs a fairway command that is expected to succeed, and returns what it
// printed.
func (g *Gateway) MustCLI(args ...string) string {
	g.t.Helper()
	stdout, stderr, code := g.CLI(args...)
	if code != 0 {
		g.t.Fatalf("fairway %s: exit status %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return strings.TrimSpace(stdout)
}

// Key makes a key of a role with the command line; more are further flags. Its
// name is made up where they do not say it.
func (g *Gateway) Key(role string, more ...string) string {
	g.t.Helper()
	args := append([]string{"key", "create", "--role", role}, more...)
	if !slices.Contains(more, "--name") {
		g.mu.Lock()
		args = append(args, "--name", fmt.Sprintf("%s-%d", role, len(g.secrets)))
		g.mu.Unlock()
	}
	key := g.MustCLI(args...)
	g.Secret(key)
	return key
}

// Secret remembers a key that must not turn up where it does not belong.
func (g *Gateway) Secret(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.secrets = append(g.secrets, key)
}

// Channel makes a channel with the command line; more are further flags.
func (g *Gateway) Channel(name string, more ...string) {
	g.t.Helper()
	g.MustCLI(append([]string{"channel", "create", name}, more...)...)
}

// freePorts takes two ports that nobody listens on. They are below the range that
// the kernel takes ports of outgoing connections from: one of those could be taken
// between its being found free and the gateway's listening on it.
func freePorts(t testing.TB) (a, b string) {
	t.Helper()
	var found []string
	for range 1000 {
		port := firstPort + int(nextPort.Add(1))%ports
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		_ = l.Close()
		if found = append(found, address); len(found) == 2 {
			return found[0], found[1]
		}
	}
	t.Fatalf("no two ports between %d and %d are free", firstPort, firstPort+ports)
	return "", ""
}

// Ports of gateways: each is given out once in a process, and processes begin at
// places of their own.
const (
	firstPort = 12000
	ports     = 18000
)

var nextPort atomic.Uint32

func init() { nextPort.Store(uint32(os.Getpid()) * 97 % ports) }
