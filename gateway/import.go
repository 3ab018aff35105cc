package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/blob"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/conda"
)

// ImportProgress is how far an import is.
type ImportProgress struct {
	Total     int             `json:"total"`     // package files found
	Done      int             `json:"done"`      // of them dealt with
	Published int             `json:"published"` // new in the channel
	Present   int             `json:"present"`   // were there already, byte for byte
	Bytes     int64           `json:"bytes"`     // published
	Refused   []ImportRefusal `json:"refused,omitempty"`
}

// ImportRefusal is a file that was not published, and why.
type ImportRefusal struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// importBatch is how many packages share one sync of the file system and one
// transaction. A power cut loses at most the batches that were not reported done;
// three of them are in memory at once.
const importBatch = 500

// importFile is one file on its way in.
type importFile struct {
	subdir, name string
	path         string

	staged *blob.Staged
	info   *conda.Info
	err    error
	same   bool // the channel has the very same bytes
}

// Import publishes every package below dir, a channel as indexers lay it out
// (dir/<subdir>/<file>), into an existing channel. It may be stopped and begun
// again: what is there already is skipped. report is called after each batch.
func (g *Gateway) Import(ctx context.Context, c *Caller, dir, channel string, report func(ImportProgress)) (*ImportProgress, error) {
	ch, err := g.authorizeChannel(c, authz.PackageUpload, channel, "", "")
	if err != nil {
		return nil, err
	}
	files, refused, err := findPackages(dir)
	if err != nil {
		return nil, err
	}
	p := &ImportProgress{Total: len(files) + len(refused), Done: len(refused), Refused: refused}
	report(*p)

	// Files are sorted, so a batch touches neighbouring segments of one subdir's
	// index. While one batch is committed and indexed, the next is being read.
	staged := make(chan []*importFile, 1)
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(staged)
		for batch := range batches(files) {
			if err := g.stageBatch(gctx, ch, batch); err != nil {
				cancelAll(batch)
				return err
			}
			select {
			case staged <- batch:
			case <-gctx.Done():
				cancelAll(batch)
				return gctx.Err()
			}
		}
		return nil
	})
	group.Go(func() error {
		for batch := range staged {
			err := g.commitBatch(gctx, c, ch, batch, p)
			cancelAll(batch)
			if err != nil {
				return err
			}
			report(*p)
		}
		return nil
	})
	err = group.Wait()
	for batch := range staged {
		cancelAll(batch)
	}
	return p, err
}

// batches cuts files into runs of one subdir, at most importBatch long.
func batches(files []*importFile) func(yield func([]*importFile) bool) {
	return func(yield func([]*importFile) bool) {
		for len(files) > 0 {
			n := 1
			for n < len(files) && n < importBatch && files[n].subdir == files[0].subdir {
				n++
			}
			if !yield(files[:n]) {
				return
			}
			files = files[n:]
		}
	}
}

// stageBatch reads, hashes and inspects a batch on all processors. What is wrong
// with one file stays with that file.
func (g *Gateway) stageBatch(ctx context.Context, ch *Channel, batch []*importFile) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0) + 1) // one more, for the disk's sake
	for _, f := range batch {
		group.Go(func() error {
			f.err = g.stageOne(ctx, ch, f)
			if e, expected := AsError(f.err); f.err != nil && (!expected || e.Status >= 500) {
				return fmt.Errorf("importing %s: %w", f.path, f.err) // no fault of this file
			}
			return nil
		})
	}
	return group.Wait()
}

func (g *Gateway) stageOne(ctx context.Context, ch *Channel, f *importFile) error {
	old, err := g.packageOf(ctx, ch, f.subdir, f.name)
	if err != nil {
		return err
	}
	file, err := os.Open(f.path)
	if err != nil {
		return unreadable(err)
	}
	defer file.Close()
	src := &importReader{file: file}
	f.staged, err = g.blobs.Stage(ctx, src, blob.StageOptions{MaxSize: g.conf().MaxUpload})
	switch {
	case src.err != nil:
		return unreadable(src.err)
	case err != nil:
		return err
	}
	if old != nil {
		if f.same = old.SHA256 == f.staged.SHA256; f.same {
			return nil
		}
		return Errorf(http.StatusConflict, "the channel has it with other bytes (SHA-256 %x, not %x)", old.SHA256, f.staged.SHA256)
	}
	f.info, err = g.inspectConda(ctx, f.staged.File(), f.staged.Size, f.name, f.subdir, g.conf().Now())
	return err
}

// commitBatch makes a batch durable with one sync, publishes it with one
// transaction, and waits until it is in every index.
func (g *Gateway) commitBatch(ctx context.Context, c *Caller, ch *Channel, batch []*importFile, p *ImportProgress) error {
	g.sweep.RLock()
	defer g.sweep.RUnlock()
	bytesBatch := g.blobs.NewBatch()
	var fresh []*importFile
	for _, f := range batch {
		p.Done++
		switch {
		case f.err != nil:
			e, _ := AsError(f.err)
			p.Refused = append(p.Refused, ImportRefusal{f.subdir + "/" + f.name, e.Message})
		case f.same:
			p.Present++
		default:
			bytesBatch.Add(f.staged)
			fresh = append(fresh, f)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	started := time.Now()
	if err := bytesBatch.Commit(); err != nil {
		return fmt.Errorf("storing a batch: %w", err)
	}
	g.phase("store batch", started)
	started = time.Now()
	var (
		names     []string
		refused   []ImportRefusal
		published int
		bytes     int64
	)
	rev, err := g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		names, refused, published, bytes = nil, nil, 0, 0
		if err := stillFor(tx, ch); err != nil {
			return err
		}
		for _, f := range fresh {
			row := g.newPackage(c, ch, f.info, f.staged)
			created, err := putImported(tx, ch, row, f.info)
			var other *Error
			switch {
			case errors.As(err, &other):
				refused = append(refused, ImportRefusal{f.subdir + "/" + f.name, other.Message})
			case err != nil:
				return err
			case created:
				names = append(names, f.info.Name)
				published++
				bytes += f.staged.Size
			}
		}
		return tx.Audit("channel.import", "channel", ch.Name+"/"+fresh[0].subdir, nil, struct {
			Packages int    `json:"packages"`
			First    string `json:"first"`
			Last     string `json:"last"`
		}{published, fresh[0].name, fresh[len(fresh)-1].name})
	})
	if err != nil {
		return err
	}
	g.phase("commit batch", started)
	slices.Sort(names)
	started = time.Now()
	if err := g.index.Update(context.WithoutCancel(ctx), ch.Name, fresh[0].subdir, slices.Compact(names), rev); err != nil {
		return fmt.Errorf("indexing %s/%s: %w", ch.Name, fresh[0].subdir, err)
	}
	g.phase("index batch", started)
	p.Published += published
	p.Present += len(fresh) - published - len(refused)
	p.Refused = append(p.Refused, refused...)
	p.Bytes += bytes
	g.counters.Uploads.Add(int64(published))
	g.counters.UploadBytes.Add(bytes)
	return nil
}

// putImported inserts a package unless somebody uploaded it since it was looked
// for; with other bytes that is an *[Error]. It writes no audit row of its own.
func putImported(tx *catalog.Tx, ch *Channel, p *catalog.Package, info *conda.Info) (created bool, err error) {
	if err := firstPublished(tx, ch, p); err != nil {
		return false, err
	}
	p.Record = info.Record(p.Size, p.SHA256, p.MD5, p.IndexedAt)
	err = tx.InsertPackage(p)
	if !errors.Is(err, catalog.ErrExists) {
		return err == nil, err
	}
	old, err := tx.Package(ch.ID, p.Subdir, p.Filename)
	if err == nil && old.SHA256 != p.SHA256 {
		err = otherBytes(ch, p.Subdir, p.Filename, old.SHA256, p.SHA256)
	}
	return false, err
}

// cancelAll gives up what a batch holds: the list of all files outlives it.
func cancelAll(batch []*importFile) {
	for _, f := range batch {
		if f.staged != nil {
			_ = f.staged.Cancel()
		}
		f.staged, f.info, f.err = nil, nil, nil
	}
}
