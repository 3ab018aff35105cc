package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/blob"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/python"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(crashEnv); spec != "" {
		publisher(spec)
		return
	}
	goleak.VerifyTestMain(m)
}

var ctx = context.Background()

// clock is a settable time.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// open opens a gateway of its own for a test.
func open(t testing.TB, cfg Config) *Gateway {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	g, err := Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

var local = LocalCaller("test")

// channel makes a channel.
func channel(t testing.TB, g *Gateway, name string) {
	t.Helper()
	if _, err := g.CreateChannel(ctx, local, name, ChannelSettings{}); err != nil {
		t.Fatal(err)
	}
}

// key makes a key and returns whoever uses it.
func key(t testing.TB, g *Gateway, r KeyRequest) *Caller {
	t.Helper()
	if r.Name == "" {
		r.Name = t.Name() + "-" + r.Policy
	}
	made, err := g.CreateKey(ctx, local, r)
	if err != nil {
		t.Fatal(err)
	}
	return caller(made.Value)
}

func caller(token string) *Caller {
	return &Caller{Token: token, IP: netip.MustParseAddr("192.0.2.7")}
}

// upload publishes a package as a surface does.
func upload(g *Gateway, c *Caller, channel string, s condatest.Spec, force bool) (*Published, error) {
	filename, data := condatest.Build(s)
	u := &Upload{Channel: channel, Filename: filename, Size: int64(len(data)), Force: force}
	if err := g.BeginUpload(c, u); err != nil {
		return nil, err
	}
	staged, err := g.StageUpload(ctx, u, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer func() { _ = staged.Cancel() }()
	return g.PublishConda(ctx, c, u, staged, nil)
}

func mustUpload(t testing.TB, g *Gateway, channel string, s condatest.Spec) *Published {
	t.Helper()
	pub, err := upload(g, local, channel, s, false)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

func pkg(name, version string) condatest.Spec {
	return condatest.Spec{Name: name, Version: version, Build: "0", Subdir: "noarch"}
}

// index reads an index file as a client gets it.
func index(t testing.TB, g *Gateway, channel, subdir, file string) string {
	t.Helper()
	f, ok := g.Index().File(channel, subdir, file)
	if !ok {
		t.Fatalf("%s/%s/%s is not there", channel, subdir, file)
	}
	raw, err := io.ReadAll(f.NewReader())
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// tamper writes a row as no operation would.
func tamper(row *catalog.Package) func(*catalog.Tx) error {
	return func(tx *catalog.Tx) error {
		if err := tx.UpdatePackage(row); err != nil {
			return err
		}
		return tx.Audit("test.tamper", "conda", row.Filename, nil, nil)
	}
}

// status is the HTTP status of an error, 200 for none.
func status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	e, _ := AsError(err)
	return e.Status
}

func TestPublishedIsVisibleAndSurvives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := open(t, Config{Dir: dir})
	channel(t, g, "main")
	pub := mustUpload(t, g, "main", pkg("a", "1.0"))
	if !pub.Created || !strings.Contains(index(t, g, "main", "noarch", "repodata.json"), `"a-1.0-0.conda"`) {
		t.Errorf("published %+v, and repodata is %s", pub, index(t, g, "main", "noarch", "repodata.json"))
	}
	before := index(t, g, "main", "noarch", "repodata.json")
	if _, err := Open(ctx, Config{Dir: dir}); !errors.Is(err, blob.ErrLocked) {
		t.Errorf("a second gateway on the same folder: %v", err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g = open(t, Config{Dir: dir})
	if after := index(t, g, "main", "noarch", "repodata.json"); after != before {
		t.Errorf("after a restart repodata is\n%s\nbefore it was\n%s", after, before)
	}
}

func TestSameNameSameBytesOrOther(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := open(t, Config{Now: c.now})
	channel(t, g, "main")
	first := mustUpload(t, g, "main", pkg("a", "1.0"))
	c.advance(time.Hour)
	again := mustUpload(t, g, "main", pkg("a", "1.0"))
	if again.Created || again.Rev != first.Rev {
		t.Errorf("identical bytes: %+v, want not created, visible since %d", again, first.Rev)
	}
	other := pkg("a", "1.0")
	other.Depends = []string{"b >=1"}
	if _, err := upload(g, local, "main", other, false); status(err) != http.StatusConflict {
		t.Errorf("other bytes: %v", err)
	}
	dev := key(t, g, KeyRequest{Policy: "developer"})
	if _, err := upload(g, dev, "main", other, true); status(err) != http.StatusForbidden {
		t.Errorf("force without the right: %v", err)
	}
	indexed := index(t, g, "main", "noarch", "repodata.json")
	pub, err := upload(g, local, "main", other, true)
	if err != nil || !pub.Created {
		t.Fatalf("force: %+v, %v", pub, err)
	}
	now := index(t, g, "main", "noarch", "repodata.json")
	stamp := func(s string) string {
		_, rest, _ := strings.Cut(s, `"indexed_timestamp":`)
		at, _, _ := strings.Cut(rest, ",")
		return at
	}
	if !strings.Contains(now, "b >=1") || stamp(now) == "" || stamp(now) != stamp(indexed) {
		t.Errorf("replaced: indexed at %q, before at %q, in %s", stamp(now), stamp(indexed), now)
	}
}

func TestYankedLeavesIndexesAndStaysFetchable(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "main")
	mustUpload(t, g, "main", pkg("a", "1.0"))
	if _, err := g.YankPackage(ctx, local, "main", "noarch", "a-1.0-0.conda", "broken"); err != nil {
		t.Fatal(err)
	}
	if doc := index(t, g, "main", "noarch", "repodata.json"); strings.Contains(doc, "a-1.0") {
		t.Errorf("yanked, and listed in %s", doc)
	}
	ch, _ := g.Channel(local, "main")
	if _, err := g.File(ctx, ch, "noarch", "a-1.0-0.conda"); err != nil {
		t.Errorf("a lock file cannot fetch it: %v", err)
	}
	if _, err := g.UnyankPackage(ctx, local, "main", "noarch", "a-1.0-0.conda"); err != nil {
		t.Fatal(err)
	}
	if doc := index(t, g, "main", "noarch", "repodata.json"); !strings.Contains(doc, "a-1.0") {
		t.Errorf("unyanked, and not listed in %s", doc)
	}
	if _, err := g.DeletePackage(ctx, local, "main", "noarch", "a-1.0-0.conda"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.File(ctx, ch, "noarch", "a-1.0-0.conda"); status(err) != http.StatusNotFound {
		t.Errorf("deleted, and found: %v", err)
	}
}

func TestDeletedBytesKeepTheirFirstTime(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := open(t, Config{Now: c.now})
	channel(t, g, "main")
	mustUpload(t, g, "main", pkg("a", "1.0"))
	before := index(t, g, "main", "noarch", "repodata.json")
	if _, err := g.DeletePackage(ctx, local, "main", "noarch", "a-1.0-0.conda"); err != nil {
		t.Fatal(err)
	}
	c.advance(24 * time.Hour)
	mustUpload(t, g, "main", pkg("a", "1.0"))
	if after := index(t, g, "main", "noarch", "repodata.json"); after != before {
		t.Errorf("deleting and publishing again moved the time:\n%s\n%s", before, after)
	}
}

func TestReindexRepairsWhatDiffers(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "main")
	mustUpload(t, g, "main", pkg("a", "1.0"))
	pub := mustUpload(t, g, "main", pkg("b", "1.0"))
	want := index(t, g, "main", "noarch", "repodata.json")

	rep, err := g.Reindex(ctx, local, "main", "noarch")
	if err != nil || rep.Packages != 2 || len(rep.Repaired)+len(rep.Damaged) != 0 {
		t.Fatalf("nothing is wrong: %+v, %v", rep, err)
	}
	ch, _ := g.Channel(local, "main")
	row, err := g.cat.Package(ctx, ch.ID, "noarch", "a-1.0-0.conda")
	if err != nil {
		t.Fatal(err)
	}
	row.Record = []byte(`{"name":"a"}`)
	if _, err := g.cat.Update(ctx, local.Actor(), tamper(row)); err != nil {
		t.Fatal(err)
	}
	if err := g.blobs.Remove(pub.SHA256); err != nil {
		t.Fatal(err)
	}
	rep, err = g.Reindex(ctx, local, "main", "noarch")
	if err != nil || len(rep.Repaired) != 1 || rep.Repaired[0].File != "a-1.0-0.conda" || len(rep.Damaged) != 1 || rep.Damaged[0].File != "b-1.0-0.conda" {
		t.Fatalf("%+v, %v", rep, err)
	}
	if got := index(t, g, "main", "noarch", "repodata.json"); got != want {
		t.Errorf("after the repair\n%s\nwant\n%s", got, want)
	}
}

func TestArchiveDecidesWhatIsPublished(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "main")
	scoped := authz.Scope{}
	scoped.Packages, _ = authz.ParseNames([]string{"mine*"})
	c := key(t, g, KeyRequest{Policy: "developer", Scope: scoped})
	if _, err := upload(g, c, "main", pkg("mine-too", "1"), false); err != nil {
		t.Errorf("in scope: %v", err)
	}
	if _, err := upload(g, c, "main", pkg("other", "1"), false); status(err) != http.StatusForbidden {
		t.Errorf("out of scope: %v", err)
	}
	// The file name says mine, the archive says other.
	_, data := condatest.Build(pkg("other", "1"))
	u := &Upload{Channel: "main", Filename: "mine-1-0.conda", Size: int64(len(data))}
	if err := g.BeginUpload(c, u); err != nil {
		t.Fatal(err)
	}
	staged, err := g.StageUpload(ctx, u, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = staged.Cancel() }()
	if _, err := g.PublishConda(ctx, c, u, staged, nil); status(err) != http.StatusUnprocessableEntity {
		t.Errorf("archive of another name: %v", err)
	}
}

func TestBodyMustBeWhatWasPromised(t *testing.T) {
	t.Parallel()
	g := open(t, Config{MaxUpload: 1 << 20})
	channel(t, g, "main")
	filename, data := condatest.Build(pkg("a", "1"))
	wrong := sha256.Sum256([]byte("other"))
	for name, c := range map[string]struct {
		u    Upload
		want int
	}{
		"wrong SHA-256": {Upload{SHA256: &wrong, Size: -1}, http.StatusUnprocessableEntity},
		"wrong length":  {Upload{Size: int64(len(data)) + 1}, http.StatusBadRequest},
		"too large":     {Upload{Size: 1<<20 + 1}, http.StatusRequestEntityTooLarge},
	} {
		c.u.Channel, c.u.Filename = "main", filename
		err := g.BeginUpload(local, &c.u)
		if err == nil {
			_, err = g.StageUpload(ctx, &c.u, bytes.NewReader(data))
		}
		if status(err) != c.want {
			t.Errorf("%s: %v, want %d", name, err, c.want)
		}
	}
}

func TestUnreferencedBytesAreSwept(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := open(t, Config{Now: c.now, BlobGrace: time.Hour})
	channel(t, g, "main")
	gone := mustUpload(t, g, "main", pkg("a", "1"))
	kept := mustUpload(t, g, "main", pkg("b", "1"))
	if _, err := g.DeletePackage(ctx, local, "main", "noarch", gone.Filename); err != nil {
		t.Fatal(err)
	}
	if n, err := g.SweepBlobs(ctx); n != 0 || err != nil {
		t.Errorf("within the grace: %d swept, %v", n, err)
	}
	c.advance(time.Hour)
	if n, err := g.SweepBlobs(ctx); n != 1 || err != nil {
		t.Errorf("after the grace: %d swept, %v", n, err)
	}
	if has, _ := g.blobs.Has(gone.SHA256); has {
		t.Error("the deleted file's bytes are still there")
	}
	if has, _ := g.blobs.Has(kept.SHA256); !has {
		t.Error("a published file's bytes are gone")
	}
}

func TestManyPublishersOfOneChannel(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "main")
	const uploaders, each = 8, 10
	var wg sync.WaitGroup
	for i := range uploaders {
		wg.Go(func() {
			for j := range each {
				name := string(rune('a'+i)) + "-pkg"
				if _, err := upload(g, local, "main", pkg(name, "1."+string(rune('0'+j))), false); err != nil {
					t.Error(err)
				}
				// Visible as soon as it is answered.
				if doc := index(t, g, "main", "noarch", "repodata.json"); !strings.Contains(doc, name+"-1."+string(rune('0'+j))) {
					t.Errorf("%s is not listed", name)
				}
			}
		})
	}
	wg.Wait()
	if n := strings.Count(index(t, g, "main", "noarch", "repodata.json"), "indexed_timestamp"); n != uploaders*each {
		t.Errorf("%d packages are listed, want %d", n, uploaders*each)
	}
}

func TestNormalisedNamesAreOneName(t *testing.T) {
	t.Parallel()
	for spelling, want := range map[string]string{"acme-*": "acme-*", "Acme_*": "acme-*", "acme*": "acme*", "Foo.Bar": "foo-bar", "*": "*"} {
		if got, err := reservedPattern(spelling); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", spelling, got, err, want)
		}
	}
	for _, bad := range []string{"", "a*b", "**", "-", "a b"} {
		if got, err := reservedPattern(bad); err == nil {
			t.Errorf("%q passed as %q", bad, got)
		}
	}
	r := newReservations([]string{"acme-*", "foo", "x*"})
	for name, want := range map[string]bool{"acme": true, "acme-a": true, "acmecorp": false, "foo": true, "foo-bar": false, "xyz": true, "y": false} {
		if r.match(name) != want || r.match(python.Normalise(name)) != want {
			t.Errorf("%s: reserved is %v", name, !want)
		}
	}
}
