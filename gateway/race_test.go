package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/conda/condatest"
)

// A channel that is deleted and made anew in one breath, so that both are applied
// after both are committed, starts empty: nothing of the old one is served under
// the new one's visibility and project.
func TestChannelMadeAnewInOneBatchIsEmpty(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "main")
	mustUpload(t, g, "main", pkg("secret", "1.0"))
	old, _ := g.dir.channel("main")
	_, err := g.cat.Update(ctx, local.Actor(), func(tx *catalog.Tx) error {
		if err := tx.DeleteChannel(old.ID); err != nil {
			return err
		}
		if err := tx.InsertChannel(&catalog.Channel{Name: "main", Visibility: "open"}); err != nil {
			return err
		}
		return tx.Audit("test.anew", "channel", "main", nil, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := index(t, g, "main", "noarch", "repodata.json"); strings.Contains(got, "secret") {
		t.Errorf("the new channel serves %s", got)
	}
	mustUpload(t, g, "main", pkg("fresh", "1.0"))
	if got := index(t, g, "main", "noarch", "repodata.json"); strings.Contains(got, "secret") || !strings.Contains(got, "fresh") {
		t.Errorf("after an upload the new channel serves %s", got)
	}
}

// staged begins an upload and stages its bytes, as far as a surface is when the
// last byte has come.
func staged(t *testing.T, g *Gateway, c *Caller, channel string, s condatest.Spec) (u *Upload, publish func() error) {
	t.Helper()
	filename, data := condatest.Build(s)
	u = &Upload{Channel: channel, Filename: filename, Size: int64(len(data))}
	if err := g.BeginUpload(c, u); err != nil {
		t.Fatal(err)
	}
	st, err := g.StageUpload(ctx, u, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Cancel() })
	return u, func() error {
		_, err := g.PublishConda(ctx, c, u, st, nil)
		return err
	}
}

// A body may take an hour: what was decided before it does not hold for a channel
// that belongs to others, or is gone, when its last byte has come.
func TestUploadIsDecidedOnTheChannelOfItsEnd(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	for _, name := range []string{"ours", "theirs"} {
		if _, err := g.CreateProject(ctx, local, name); err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs := "ours", "theirs"
	dev := key(t, g, KeyRequest{Policy: "developer", Project: ours})

	if _, err := g.CreateChannel(ctx, local, "moved", ChannelSettings{Project: &ours}); err != nil {
		t.Fatal(err)
	}
	_, publish := staged(t, g, dev, "moved", pkg("a", "1.0"))
	if _, err := g.SetChannel(ctx, local, "moved", ChannelSettings{Project: &theirs}); err != nil {
		t.Fatal(err)
	}
	if err := publish(); status(err) != http.StatusForbidden {
		t.Errorf("into a channel that was given to another project: %v", err)
	}

	if _, err := g.CreateChannel(ctx, local, "gone", ChannelSettings{Project: &ours}); err != nil {
		t.Fatal(err)
	}
	_, publish = staged(t, g, dev, "gone", pkg("a", "1.0"))
	if err := g.DeleteChannel(ctx, local, "gone", false); err != nil {
		t.Fatal(err)
	}
	// For a key of a project, what is gone is as what never was.
	if err := publish(); status(err) != http.StatusForbidden {
		t.Errorf("into a channel that was deleted: %v", err)
	}
	channel(t, g, "gone")
	_, publish = staged(t, g, local, "gone", pkg("a", "1.0"))
	if err := g.DeleteChannel(ctx, local, "gone", false); err != nil {
		t.Fatal(err)
	}
	if err := publish(); status(err) != http.StatusNotFound {
		t.Errorf("into a channel that was deleted: %v", err)
	}
}

// Whoever deletes a channel under its users makes nobody see a fault of ours.
func TestChannelsComeAndGoUnderUploads(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	var uploads, others sync.WaitGroup
	done := make(chan struct{})
	during := func(what string, do func() (nothing bool, err error)) {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if nothing, err := do(); status(err) >= 500 || err == nil && nothing {
					t.Errorf("%s: nothing %v, error %v", what, nothing, err)
				}
			}
		})
	}
	text := "x"
	during("create", func() (bool, error) {
		made, err := g.CreateChannel(ctx, local, "main", ChannelSettings{})
		return made == nil, err
	})
	during("delete", func() (bool, error) { return false, g.DeleteChannel(ctx, local, "main", true) })
	during("set", func() (bool, error) {
		made, err := g.SetChannel(ctx, local, "main", ChannelSettings{Description: &text})
		return made == nil, err
	})
	during("reindex", func() (bool, error) {
		_, err := g.Reindex(ctx, local, "main", "noarch")
		return false, err
	})
	for worker := range 3 {
		uploads.Go(func() {
			for i := range 60 {
				_, err := upload(g, local, "main", pkg("a", fmt.Sprint(worker, ".", i)), false)
				if s := status(err); s != http.StatusOK && s != http.StatusNotFound {
					t.Errorf("upload: %d %v", s, err)
				}
			}
		})
	}
	uploads.Wait()
	close(done)
	others.Wait()
}

// An upload that overtook an import keeps its bytes, and the import says so.
func TestImportTellsOfOtherBytesThatCameMeanwhile(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "main")
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "noarch"), 0o700); err != nil {
		t.Fatal(err)
	}
	filename, data := condatest.Build(pkg("a", "1.0"))
	if err := os.WriteFile(filepath.Join(dir, "noarch", filename), data, 0o600); err != nil {
		t.Fatal(err)
	}
	files, _, err := findPackages(dir)
	if err != nil {
		t.Fatal(err)
	}
	ch, _ := g.dir.channel("main")
	if err := g.stageBatch(ctx, ch, files); err != nil {
		t.Fatal(err)
	}
	defer cancelAll(files)
	other := pkg("a", "1.0")
	other.About = map[string]any{"summary": "built elsewhere"}
	mustUpload(t, g, "main", other)
	var p ImportProgress
	if err := g.commitBatch(ctx, local, ch, files, &p); err != nil {
		t.Fatal(err)
	}
	if p.Published != 0 || p.Present != 0 || len(p.Refused) != 1 || !strings.Contains(p.Refused[0].Reason, "other bytes") {
		t.Errorf("the import reports %+v", p)
	}
}

// Re-reading a channel's archives takes as long as there are bytes: meanwhile the
// catalog's readers are there for everyone else.
func TestReindexHoldsNoReader(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "main")
	mustUpload(t, g, "main", pkg("a", "1.0"))
	for range cap(g.inspecting) { // no archive is read until a turn is given back
		g.inspecting <- struct{}{}
	}
	var wg sync.WaitGroup
	for range catalog.DefaultReaders {
		wg.Go(func() {
			if _, err := g.Reindex(ctx, local, "main", "noarch"); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 50 { // each needs a reader, and so does what it is applied by
		channel(t, g, fmt.Sprint("other", i))
	}
	for range cap(g.inspecting) {
		<-g.inspecting
	}
	wg.Wait()
}

// APIs that know public and private alone must not open what is closed.
func TestNotPublicLeavesClosedClosed(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	yes, no := true, false
	for was, want := range map[string][2]string{
		"open": {"open", "licensed"}, "licensed": {"open", "licensed"}, "closed": {"open", "closed"},
	} {
		for i, public := range []*bool{&yes, &no} {
			name := fmt.Sprint(was, i)
			if _, err := g.CreateChannel(ctx, local, name, ChannelSettings{Visibility: &was}); err != nil {
				t.Fatal(err)
			}
			if ch, err := g.SetChannel(ctx, local, name, ChannelSettings{Public: public}); err != nil || ch.Visibility != want[i] {
				t.Errorf("%s, public %v: %v %v, want %s", was, *public, ch, err, want[i])
			}
		}
	}
}

// Searches read every name of a channel: a crowd of them leaves readers of the
// catalog for uploads.
func TestSearchesLeaveReadersForUploads(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "main")
	ch, _ := g.dir.channel("main")
	if cap(g.searching) >= catalog.DefaultReaders {
		t.Errorf("%d searches at once, and %d readers", cap(g.searching), catalog.DefaultReaders)
	}
	for range cap(g.searching) {
		g.searching <- struct{}{}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := g.SearchPackages(gone, ch, catalog.Search{Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("a search whose client is gone: %v", err)
	}
	mustUpload(t, g, "main", pkg("a", "1.0"))
	<-g.searching
	if names, _, err := g.SearchPackages(ctx, ch, catalog.Search{Limit: 1}); err != nil || len(names) != 1 {
		t.Errorf("its turn come, a search finds %v %v", names, err)
	}
}

// A name from a request makes no index that stays.
func TestReindexOfNothingMakesNoSubdir(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "main")
	if _, err := g.Reindex(ctx, local, "main", "mars-64"); status(err) != http.StatusNotFound {
		t.Errorf("of a subdir that nothing was published in: %v", err)
	}
	if _, ok := g.Index().File("main", "mars-64", "repodata.json"); ok {
		t.Error("it is served now")
	}
	if _, err := g.Reindex(ctx, local, "main", "linux-64"); err != nil {
		t.Errorf("of a known one: %v", err)
	}
}

// A change whose index could not be made at once is in the index a little later,
// although nobody asks for it again.
func TestIndexesLeftBehindCatchUp(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	channel(t, g, "main")
	mustUpload(t, g, "main", pkg("a", "1.0"))
	mustUpload(t, g, "main", pkg("b", "1.0"))
	before := g.Index().Stats()
	if err := g.settleIndexes(ctx); err != nil || fmt.Sprint(g.Index().Stats()) != fmt.Sprint(before) {
		t.Errorf("with nothing left behind: %v, %v after %v", err, g.Index().Stats(), before)
	}
	ch, _ := g.dir.channel("main")
	_, err := g.cat.Update(ctx, local.Actor(), func(tx *catalog.Tx) error { // as a change whose indexing failed
		if err := tx.DeletePackage(ch.ID, "noarch", "a-1.0-0.conda"); err != nil {
			return err
		}
		return tx.Audit("test.delete", "conda", "a", nil, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.settleIndexes(ctx); err != nil {
		t.Fatal(err)
	}
	if got := index(t, g, "main", "noarch", "repodata.json"); strings.Contains(got, "a-1.0-0.conda") || !strings.Contains(got, "b-1.0-0.conda") {
		t.Errorf("the index still is %s", got)
	}
}
