package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/blob"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/conda"
)

// Upload is what a request says of the package it brings, before its bytes.
type Upload struct {
	Channel  string
	Subdir   string    // "" where the route does not say; the archive does
	Filename string    // name.conda or name.tar.bz2
	SHA256   *[32]byte // of the whole file; nil where the dialect has none
	Size     int64     // bytes; -1 where unknown
	Force    bool      // replace other bytes under the same name

	channel *Channel
	parsed  conda.Filename
}

// Published is the outcome of an upload.
type Published struct {
	Created  bool // false: the very same bytes were there already
	Filename string
	Subdir   string
	SHA256   [32]byte
	Rev      int64 // catalog revision at which the package is visible
}

// BeginUpload decides on an upload from its headers alone, so that a refused
// body is never read.
func (g *Gateway) BeginUpload(c *Caller, u *Upload) error {
	parsed, err := conda.ParseFilename(u.Filename)
	ch, known := g.dir.channel(u.Channel)
	res := authz.Resource{Engine: "conda", Channel: u.Channel, Subdir: u.Subdir}
	if known {
		res = ch.Resource(u.Subdir, "")
	}
	if err == nil {
		res.Package = parsed.Name
	}
	if err := g.Authorize(c, authz.PackageUpload, &res); err != nil {
		return final(err)
	}
	// Only who may upload learns whether the channel is there and what is wrong.
	if u.Force {
		if err := g.Authorize(c, authz.PackageOverwrite, &res); err != nil {
			return Errorf(http.StatusForbidden, "replacing a package needs the permission package:overwrite, which this key does not have: upload without force, or with another key")
		}
	}
	if err != nil {
		return err
	}
	if !known {
		return Errorf(http.StatusNotFound, "channel %q does not exist: create it with 'fairway channel create %s'", u.Channel, u.Channel)
	}
	if u.Size > g.conf().MaxUpload {
		return Errorf(http.StatusRequestEntityTooLarge, "the package has %d bytes: at most %d are accepted here", u.Size, g.conf().MaxUpload)
	}
	u.channel, u.parsed = ch, parsed
	return nil
}

// StageUpload streams a body to disk once, hashing on the way, and checks it
// against what its headers said. The caller cancels the result in a defer.
func (g *Gateway) StageUpload(ctx context.Context, u *Upload, body io.Reader) (*blob.Staged, error) {
	defer g.phase("stage", time.Now())
	staged, err := g.blobs.Stage(ctx, body, blob.StageOptions{MaxSize: g.conf().MaxUpload})
	switch {
	case errors.Is(err, blob.ErrTooLarge):
		return nil, Errorf(http.StatusRequestEntityTooLarge, "the package has more than %d bytes: no larger one is accepted here", g.conf().MaxUpload)
	case err != nil:
		return nil, fmt.Errorf("staging upload: %w", err)
	case u.Size >= 0 && staged.Size != u.Size:
		_ = staged.Cancel()
		return nil, Errorf(http.StatusBadRequest, "the body has %d bytes: Content-Length promised %d", staged.Size, u.Size)
	case u.SHA256 != nil && staged.SHA256 != *u.SHA256:
		_ = staged.Cancel()
		return nil, Errorf(http.StatusUnprocessableEntity, "the body's SHA-256 is %x: the upload promised %x", staged.SHA256, *u.SHA256)
	}
	return staged, nil
}

// PublishConda makes a staged package part of its channel: when it returns nil,
// every index of the subdir has it, and a power cut cannot take it back.
func (g *Gateway) PublishConda(ctx context.Context, c *Caller, u *Upload, staged *blob.Staged, attestation []byte) (*Published, error) {
	started := time.Now()
	info, err := g.inspectConda(ctx, staged.File(), staged.Size, u.Filename, u.Subdir, g.conf().Now())
	if err != nil {
		return nil, err
	}
	g.phase("inspect", started)

	// The archive, not the request, says what is published, and the channel may have
	// been given away or deleted while the bytes came: decide on what is there now.
	if u.channel, err = g.authorizeChannel(c, authz.PackageUpload, u.Channel, info.Subdir, info.Name); err != nil {
		return nil, err
	}

	// Bytes that will be refused are not stored; the transaction looks again.
	if old, err := g.packageOf(ctx, u.channel, info.Subdir, u.Filename); err != nil {
		return nil, err
	} else if old != nil && old.SHA256 != staged.SHA256 && !u.Force {
		return nil, otherBytes(u.channel, info.Subdir, u.Filename, old.SHA256, staged.SHA256)
	}

	g.sweep.RLock() // no blob is collected between its commit and its row
	defer g.sweep.RUnlock()
	started = time.Now()
	if err := staged.Commit(); err != nil {
		return nil, fmt.Errorf("storing package: %w", err)
	}
	g.phase("store", started)
	g.conf().Crash("blob committed")

	pub := &Published{Filename: u.Filename, Subdir: info.Subdir, SHA256: staged.SHA256}
	p := g.newPackage(c, u.channel, info, staged)
	p.Attestation = attestation
	started = time.Now()
	pub.Rev, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		if err := stillFor(tx, u.channel); err != nil {
			return err
		}
		created, err := putPackage(tx, u.channel, p, info, u.Force)
		pub.Created = created
		return err
	})
	if err != nil {
		return nil, err
	}
	if !pub.Created {
		pub.Rev = p.Rev // a retry waits, as the first try did, until the package is visible
	}
	g.phase("commit", started)
	g.conf().Crash("row committed")
	g.files.forget(u.channel.ID, info.Subdir, u.Filename)
	started = time.Now()
	if err := g.index.Update(context.WithoutCancel(ctx), u.Channel, info.Subdir, []string{info.Name}, pub.Rev); err != nil {
		return nil, fmt.Errorf("indexing %s: %w", u.Filename, err)
	}
	g.phase("index", started)
	if pub.Created {
		g.counters.Uploads.Add(1)
		g.counters.UploadBytes.Add(staged.Size)
	}
	return pub, nil
}

// maxInspections bounds how many archives are read at once: each may ask for a
// window of [conda.Limits.MaxWindow] bytes.
const maxInspections = 4

// inspectConda reads an archive once it is its turn. No timestamp in it may be later
// than now.
func (g *Gateway) inspectConda(ctx context.Context, f io.ReaderAt, size int64, filename, subdir string, now time.Time) (*conda.Info, error) {
	select {
	case g.inspecting <- struct{}{}:
		defer func() { <-g.inspecting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return conda.Inspect(f, size, filename, subdir, now, g.conf().Conda)
}

// newPackage is the row of an inspected, staged package; the time of first
// publication is settled inside the transaction.
func (g *Gateway) newPackage(c *Caller, ch *Channel, info *conda.Info, staged *blob.Staged) *catalog.Package {
	now := g.conf().Now().UnixMilli()
	return &catalog.Package{
		ChannelID: ch.ID, Subdir: info.Subdir, Filename: info.Filename.String(),
		Name: info.Name, Version: info.Version, Build: info.Build, BuildNumber: info.BuildNumber,
		SHA256: staged.SHA256, MD5: staged.MD5, Size: staged.Size,
		RunExports: info.RunExports, About: info.About, Index: info.Index,
		IndexedAt: now, UploadedAt: now, UploadedBy: c.Actor().Name,
	}
}

// putPackage inserts p, or replaces what is under its name if force says so. It
// reports false when the very same bytes are there already.
func putPackage(tx *catalog.Tx, ch *Channel, p *catalog.Package, info *conda.Info, force bool) (created bool, err error) {
	old, err := tx.Package(ch.ID, p.Subdir, p.Filename)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		if err := firstPublished(tx, ch, p); err != nil {
			return false, err
		}
		p.Record = info.Record(p.Size, p.SHA256, p.MD5, p.IndexedAt)
		if err := tx.InsertPackage(p); err != nil {
			return false, err
		}
		return true, tx.Audit("package.upload", "conda", ch.Name+"/"+p.Subdir+"/"+p.Filename, nil, auditPackage(p))
	case err != nil:
		return false, err
	case old.SHA256 == p.SHA256:
		p.Rev = old.Rev
		return false, nil
	case !force:
		return false, otherBytes(ch, p.Subdir, p.Filename, old.SHA256, p.SHA256)
	}
	p.ID, p.IndexedAt = old.ID, old.IndexedAt
	p.Record = info.Record(p.Size, p.SHA256, p.MD5, p.IndexedAt)
	if err := tx.UpdatePackage(p); err != nil {
		return false, err
	}
	return true, tx.Audit("package.overwrite", "conda", ch.Name+"/"+p.Subdir+"/"+p.Filename, auditPackage(old), auditPackage(p))
}

// stillFor is sameChannel for uploaders, which take 409 for "it is there already".
func stillFor(tx *catalog.Tx, ch *Channel) error {
	_, err := sameChannel(tx, ch)
	if e, told := AsError(err); err != nil && told && e.Status == http.StatusConflict {
		return Errorf(http.StatusNotFound, "channel %q was made anew or moved to another project while the package came", ch.Name)
	}
	return err
}

// firstPublished settles the time of first publication (CEP 47), which is our own
// clock's. The same bytes coming back after a deletion keep theirs; other bytes
// are another publication.
func firstPublished(tx *catalog.Tx, ch *Channel, p *catalog.Package) error {
	t, err := tx.Tombstone(ch.ID, p.Subdir, p.Filename, p.SHA256)
	switch {
	case err == nil:
		p.IndexedAt = t.IndexedAt
	case !errors.Is(err, catalog.ErrNotFound):
		return err
	}
	return nil
}

func otherBytes(ch *Channel, subdir, filename string, have, got [32]byte) error {
	return Errorf(http.StatusConflict, "%s is in %s/%s already with other bytes (SHA-256 %x, not %x): raise the build number, or replace it with force=true",
		filename, ch.Name, subdir, have, got)
}

// auditPackage is what the audit trail keeps of a package.
func auditPackage(p *catalog.Package) any {
	if p == nil {
		return nil
	}
	return struct {
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
	}{hex.EncodeToString(p.SHA256[:]), p.Size}
}

// MayUpload decides whether a caller may upload anything into a channel, before
// the first byte of a body that names the package only inside.
func (g *Gateway) MayUpload(c *Caller, channel string) error {
	_, err := g.authorizeChannel(c, authz.PackageUpload, channel, "", "")
	return final(err)
}
