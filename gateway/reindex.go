package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/blob"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/conda"
)

// ReindexReport is what re-reading a subdir found.
type ReindexReport struct {
	Channel  string        `json:"channel"`
	Subdir   string        `json:"subdir"`
	Packages int           `json:"packages"` // read again
	Repaired []ReindexItem `json:"repaired"` // rows that differed from their archive and were put right
	Damaged  []ReindexItem `json:"damaged"`  // files that cannot be read, or are not what their row says; left alone
	Revision int64         `json:"revision"`
}

// ReindexItem is one file of a report.
type ReindexItem struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// Reindex reads every package of a subdir again, repairs rows that differ from
// their archive, builds the indexes anew, and says what it found. Readers are
// served throughout; times of first publication stay.
func (g *Gateway) Reindex(ctx context.Context, c *Caller, channel, subdir string) (*ReindexReport, error) {
	ch, err := g.authorizeChannel(c, authz.ChannelReindex, channel, subdir, "")
	if err != nil {
		return nil, err
	}
	if !conda.ValidSubdir(subdir) {
		return nil, Errorf(http.StatusUnprocessableEntity, "%q is no subdir: a name as noarch or linux-64 is expected", subdir)
	}
	if st, err := g.cat.Subdir(ctx, ch.ID, subdir); err != nil {
		return nil, err
	} else if st.Rev == 0 && !conda.KnownSubdir(subdir) {
		return nil, Errorf(http.StatusNotFound, "nothing was ever published in %s/%s", channel, subdir)
	}
	rep := &ReindexReport{Channel: channel, Subdir: subdir, Repaired: []ReindexItem{}, Damaged: []ReindexItem{}}
	fixes, err := g.rereadAll(ctx, ch, rep)
	if err != nil {
		return nil, fmt.Errorf("reading packages of %s/%s: %w", channel, subdir, err)
	}
	ctx = context.WithoutCancel(ctx)
	rep.Revision, err = g.cat.Update(ctx, c.Actor(), func(tx *catalog.Tx) error {
		if _, err := sameChannel(tx, ch); err != nil {
			return err
		}
		for _, fix := range fixes {
			now, err := tx.Package(ch.ID, subdir, fix.Filename)
			if errors.Is(err, catalog.ErrNotFound) || err == nil && now.SHA256 != fix.SHA256 {
				continue // deleted or replaced while it was read
			} else if err != nil {
				return err
			}
			fix.YankedAt, fix.YankReason = now.YankedAt, now.YankReason
			if err := tx.UpdatePackage(fix); err != nil {
				return err
			}
		}
		return tx.Audit("channel.reindex", "channel", channel+"/"+subdir, nil, struct {
			Packages int `json:"packages"`
			Repaired int `json:"repaired"`
			Damaged  int `json:"damaged"`
		}{rep.Packages, len(rep.Repaired), len(rep.Damaged)})
	})
	if err != nil {
		return nil, err
	}
	if err := g.index.Rebuild(ctx, channel, subdir); err != nil {
		return nil, fmt.Errorf("rebuilding %s/%s: %w", channel, subdir, err)
	}
	return rep, nil
}

// rereadAll reads every package of a subdir again and returns the rows to repair. It
// lists the files first: reading them takes as long as there are bytes, and a query
// that went on for so long would keep a reader from everyone else.
func (g *Gateway) rereadAll(ctx context.Context, ch *Channel, rep *ReindexReport) (fixes []*catalog.Package, err error) {
	var files []string
	err = g.cat.EachEntry(ctx, ch.ID, rep.Subdir, func(e *catalog.Entry) error {
		files = append(files, e.Filename)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		p, err := g.packageOf(ctx, ch, rep.Subdir, file)
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue // deleted meanwhile
		}
		rep.Packages++
		fixed, reason, err := g.reread(ctx, p)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			rep.Damaged = append(rep.Damaged, ReindexItem{file, err.Error()})
		case fixed != nil:
			rep.Repaired = append(rep.Repaired, ReindexItem{file, reason})
			fixes = append(fixes, fixed)
		}
	}
	return fixes, nil
}

// reread reads a package's archive again and returns the row it should have, nil
// when that is the row it has.
func (g *Gateway) reread(ctx context.Context, p *catalog.Package) (fixed *catalog.Package, reason string, err error) {
	f, size, err := g.blobs.Open(p.SHA256)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, blob.ErrNotFound) {
		return nil, "", errors.New("its bytes are not in the store: upload the package again")
	} else if err != nil {
		return nil, "", err
	}
	defer f.Close()
	if err := g.blobs.Verify(ctx, p.SHA256); err != nil {
		return nil, "", err
	}
	// What was accepted stays accepted, whatever the clock says now.
	info, err := g.inspectConda(ctx, f, size, p.Filename, p.Subdir, time.UnixMilli(p.UploadedAt))
	if err != nil {
		return nil, "", err
	}
	next := *p
	next.Name, next.Version, next.Build, next.BuildNumber = info.Name, info.Version, info.Build, info.BuildNumber
	next.Size, next.RunExports, next.About, next.Index = size, info.RunExports, info.About, info.Index
	next.Record = info.Record(size, p.SHA256, p.MD5, p.IndexedAt)
	switch {
	case !bytes.Equal(next.Record, p.Record):
		return &next, "its record differed from its archive", nil
	case !bytes.Equal(next.RunExports, p.RunExports):
		return &next, "its run_exports differed from its archive", nil
	case !bytes.Equal(next.About, p.About), !bytes.Equal(next.Index, p.Index):
		return &next, "its metadata differed from its archive", nil
	}
	return nil, "", nil
}
