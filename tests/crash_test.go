package tests

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// uploaders publish packages of their own, one after the other, through whatever
// becomes of the gateway: an upload without an answer is tried again, as a client
// would.
type uploaders struct {
	g       *harness.Gateway
	key     string
	channel string

	mu     sync.Mutex
	acked  map[string]string // file -> SHA-256
	faults []string
	next   int
	broken error // why the last upload without an answer had none
	retry  []upload
}

type upload struct {
	file string
	data []byte
}

// run lets n of them work until stop is closed.
func (u *uploaders) run(n int, stop <-chan struct{}) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if !u.one() {
					return // nobody answers until the gateway is back
				}
			}
		})
	}
	wg.Wait()
}

func (u *uploaders) one() (answered bool) {
	up := u.take()
	r, err := u.g.Try(harness.UploadRequest(u.key, u.channel, up.file, up.data))
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case err != nil:
		u.retry = append(u.retry, up)
		u.broken = err
		return false
	case r.Status == 201 || r.Status == 200:
		u.acked[up.file] = sha(up.data)
	case r.Status >= 500:
		u.retry = append(u.retry, up) // a disk that is cut off; no acknowledgement
	default:
		u.faults = append(u.faults, fmt.Sprintf("%s: %d %s", up.file, r.Status, r.Text()))
	}
	return true
}

func (u *uploaders) take() upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n := len(u.retry); n > 0 {
		up := u.retry[n-1]
		u.retry = u.retry[:n-1]
		return up
	}
	u.next++
	file, data := condatest.Build(condatest.Spec{
		Name: "p" + strconv.Itoa(u.next%17), Version: strconv.Itoa(u.next), TarBz2: u.next%5 == 0, Files: map[string]string{"f": strconv.Itoa(u.next)},
	})
	return upload{file, data}
}

// check fails the test unless everything acknowledged is in every variant of the
// index, with the bytes that were acknowledged.
func (u *uploaders) check(t *testing.T) {
	t.Helper()
	u.mu.Lock()
	acked := maps.Clone(u.acked)
	faults := u.faults
	u.mu.Unlock()
	if len(faults) > 0 {
		t.Fatalf("%d uploads were refused, the first with: %s", len(faults), faults[0])
	}
	listed := u.g.Subdir(u.key, u.channel, "noarch").View(t)
	for file, want := range acked {
		if got := listed[file]["sha256"]; got != want {
			t.Fatalf("%s was acknowledged with the SHA-256 %s; after the crash the index has %v", file, want, got)
		}
	}
}

// fetchAll downloads every file that the index lists.
func (u *uploaders) fetchAll(t *testing.T) {
	t.Helper()
	for file, rec := range u.g.Subdir(u.key, u.channel, "noarch").View(t) {
		r := u.g.Get("/"+u.channel+"/noarch/"+file, u.key)
		if r.Status != 200 || sha(r.Body) != rec["sha256"] {
			t.Fatalf("%s is listed, but its bytes are not there (%d, SHA-256 %s)", file, r.Status, sha(r.Body))
		}
	}
}

// An acknowledged upload survives the process's death, wherever it was.
func TestKill(t *testing.T) {
	t.Parallel()
	const kills = 12
	g := harness.Start(t, harness.Options{})
	u := &uploaders{g: g, key: g.Key("admin"), channel: "team", acked: map[string]string{}}
	g.Channel("team")
	random := rand.New(rand.NewPCG(1, 2)) // the same each time, as far as a crash can be
	for range kills {
		stop := make(chan struct{})
		dead := time.AfterFunc(time.Duration(20+random.IntN(400))*time.Millisecond, func() { g.Kill(); close(stop) })
		u.run(8, stop)
		<-stop
		dead.Stop()
		g.Launch()
		u.check(t)
	}
	if len(u.acked) < kills {
		t.Fatalf("only %d uploads were acknowledged over %d lives: the test shows nothing", len(u.acked), kills)
	}
	u.fetchAll(t)
	noTemporaryFiles(t, g.Data)
	t.Logf("%d kills, %d acknowledged, 0 lost", kills, len(u.acked))
}

// noTemporaryFiles checks that what uploads in flight left was swept at the start.
func noTemporaryFiles(t *testing.T, data string) {
	t.Helper()
	for _, pattern := range []string{"*/tmp/*", "tmp/*"} {
		left, err := filepath.Glob(filepath.Join(data, pattern))
		must(t, err)
		for _, path := range left {
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && !strings.HasPrefix(filepath.Base(path), ".") {
				t.Errorf("%s was not swept", path)
			}
		}
	}
}
