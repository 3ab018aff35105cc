package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/python/pythontest"
)

// crashEnv makes the test binary a publisher that kills itself: "point:count:folder".
const crashEnv = "FAIRWAY_TEST_CRASH"

// publisher is the child's life: it publishes, replaces, yanks and deletes, and says
// what was acknowledged, until it passes the point for the count-th time.
func publisher(spec string) {
	parts := strings.SplitN(spec, ":", 3)
	count, _ := strconv.Atoi(parts[0])
	point, dir := parts[1], parts[2]
	var mu sync.Mutex
	seen := 0
	crash := func(p string) {
		mu.Lock()
		defer mu.Unlock()
		if p = strings.ReplaceAll(p, ":", ""); point == "" {
			fmt.Println("point", p)
		} else if p == point {
			if seen++; seen == count {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	fail := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	g, err := Open(ctx, Config{Dir: dir, Crash: crash})
	fail(err)
	_, err = g.CreateChannel(ctx, local, "main", ChannelSettings{})
	if e, ok := AsError(err); err != nil && (!ok || e.Status != 409) {
		fail(err)
	}
	for i := range 4 {
		v := strconv.Itoa(i)
		if _, err := upload(g, local, "main", pkg("a", v), false); status(err) != 409 { // replaced by an earlier life
			fail(err)
			fmt.Println("ack conda a-" + v + "-0.conda")
		}
		other := pkg("a", v)
		other.Depends = []string{"b"}
		if i%2 == 1 {
			_, err = upload(g, local, "main", other, true)
			fail(err)
			fmt.Println("ack replaced a-" + v + "-0.conda")
		}
		_, err = uploadPy(g, local, pythontest.Spec{Name: "p", Version: v}, nil)
		fail(err)
		fmt.Println("ack python p-" + v + "-py3-none-any.whl")
	}
	_, err = g.YankPackage(ctx, local, "main", "noarch", "a-0-0.conda", "")
	fail(err)
	fmt.Println("ack yanked a-0-0.conda")
	_, err = g.DeletePackage(ctx, local, "main", "noarch", "a-1-0.conda")
	fail(err)
	fmt.Println("ack deleted a-1-0.conda")
	fail(g.Close())
}

// child runs a publisher and returns its lines; killed says how it ended.
func child(t *testing.T, count int, point, dir string) (lines []string, killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d:%s:%s", crashEnv, count, point, dir))
	out, err := cmd.Output()
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		lines = append(lines, s.Text())
		if strings.HasPrefix(s.Text(), "error") {
			t.Fatalf("the publisher failed: %s", s.Text())
		}
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return lines, err != nil
}

// What was acknowledged is there after a kill at every point on the way, nothing is
// listed that cannot be served, and trying again ends where it would have ended.
func TestKilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	passes := map[string]int{}
	lines, killed := child(t, 0, "", t.TempDir())
	for _, l := range lines {
		if p, ok := strings.CutPrefix(l, "point "); ok {
			passes[p]++
		}
	}
	if killed || len(passes) < 8 {
		t.Fatalf("points passed: %v", passes)
	}
	for point, n := range passes {
		for _, count := range []int{1, n} {
			t.Run(fmt.Sprintf("%s %d", point, count), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				lines, killed := child(t, count, point, dir)
				if !killed {
					t.Fatalf("the publisher lived past %q %d times", point, count)
				}
				checkAfterKill(t, dir, lines)
				if _, killed := child(t, 0, "none", dir); killed {
					t.Error("trying again failed")
				}
			})
		}
	}
}

func checkAfterKill(t *testing.T, dir string, lines []string) {
	t.Helper()
	g, err := Open(ctx, Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close() }()
	acked := map[string]string{}
	for _, l := range lines {
		if f := strings.Fields(l); len(f) == 3 && f[0] == "ack" {
			acked[f[2]] = f[1]
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "blobs", "tmp", "*")); len(left) > 0 {
		t.Errorf("temporary files are left: %q", left)
	}
	ch, err := g.Channel(local, "main")
	if err != nil {
		if len(acked) > 0 {
			t.Errorf("the channel is gone: %v", err)
		}
		return
	}
	repodata := index(t, g, "main", "noarch", "repodata.json")
	for file, how := range acked {
		listed := strings.Contains(repodata, `"`+file+`"`)
		switch how {
		case "conda", "replaced":
			if !listed && !strings.Contains(file, "-0-0") && !strings.Contains(file, "-1-0") { // perhaps yanked or deleted since
				t.Errorf("%s was acknowledged (%s) and is not listed", file, how)
			}
		case "yanked", "deleted":
			if listed {
				t.Errorf("%s was acknowledged (%s) and is listed", file, how)
			}
		case "python":
			if doc := page(t, g, local, "p"); !strings.Contains(doc, file) {
				t.Errorf("%s was acknowledged and is not on its page", file)
			}
		}
	}
	rep, err := g.Reindex(ctx, local, "main", "noarch")
	if err != nil || len(rep.Damaged) > 0 || len(rep.Repaired) > 0 {
		t.Errorf("reading every package again: %+v, %v", rep, err)
	}
	if again := index(t, g, "main", "noarch", "repodata.json"); again != repodata {
		t.Errorf("the index was not what its packages are:\n%s\n%s", repodata, again)
	}
	for i := range 4 {
		filename, _ := condatest.Build(pkg("a", strconv.Itoa(i)))
		if !strings.Contains(repodata, filename) {
			continue
		}
		info, err := g.File(ctx, ch, "noarch", filename)
		if err != nil {
			t.Errorf("%s is listed and not there: %v", filename, err)
			continue
		}
		if err := g.blobs.Verify(ctx, info.SHA256); err != nil {
			t.Errorf("%s: %v", filename, err)
		}
	}
}
