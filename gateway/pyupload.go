package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/blob"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/python"
)

// PyUpload is what the form of an upload says of its file.
type PyUpload struct {
	Name     string
	Version  string
	Filename string
	FileType string // "bdist_wheel" or "sdist"

	MD5, SHA256, Blake2b string // hex digests; at least one is expected
	RequiresPython       string
	Attestations         json.RawMessage // JSON array (PEP 740); nil for none
}

// PyPublished is the outcome of an upload.
type PyPublished struct {
	Created bool // false: the very same bytes were there already
	Name    string
	Version string
	Warning string // what the uploader should know; "" for nothing
}

// MayUploadPython decides whether a caller may upload any Python file, before a
// body that names the project only inside.
func (g *Gateway) MayUploadPython(c *Caller) error {
	if err := g.Identify(c); err != nil {
		return final(err)
	}
	return final(g.Authorize(c, authz.PackageUpload, &authz.Resource{Engine: "pypi", Project: c.projectID()}))
}

// StagePython streams the file of an upload to disk once, hashing on the way. The
// caller cancels the result in a defer.
func (g *Gateway) StagePython(ctx context.Context, body io.Reader) (*blob.Staged, error) {
	defer g.phase("stage", time.Now())
	limit := g.conf().MaxUpload
	staged, err := g.blobs.Stage(ctx, body, blob.StageOptions{MaxSize: limit, Blake2b: true})
	if errors.Is(err, blob.ErrTooLarge) {
		return nil, Errorf(http.StatusRequestEntityTooLarge, "the file has more than %d bytes: no larger one is accepted here", limit)
	} else if err != nil {
		return nil, fmt.Errorf("staging upload: %w", err)
	}
	return staged, nil
}

// PublishPython makes a staged file part of its project, which is made where it
// does not exist. When it returns nil, the project's page shows the file, and a
// power cut cannot take it back.
func (g *Gateway) PublishPython(ctx context.Context, c *Caller, u *PyUpload, staged *blob.Staged) (*PyPublished, error) {
	if err := g.authorizePyUpload(c, python.Normalise(u.Name)); err != nil {
		return nil, err
	}
	if err := checkDigests(u, staged); err != nil {
		return nil, err
	}
	started := time.Now()
	dist, err := g.inspectPython(ctx, staged, u.Filename)
	if err != nil {
		return nil, badPython(err)
	}
	g.phase("inspect", started)
	if err := agrees(u, dist); err != nil {
		return nil, err
	}
	// The archive, not the form, says what is published: decide on that.
	name := dist.File.Name
	if err := g.authorizePyUpload(c, name); err != nil {
		return nil, err
	}
	pub := &PyPublished{Name: name, Version: dist.File.Version.String()}
	if pub.Warning, err = g.checkUpstreamName(ctx, name); err != nil {
		return nil, err
	}
	provenance, err := provenanceOf(u.Attestations, c)
	if err != nil {
		return nil, err
	}

	g.sweep.RLock() // no blob is collected between its commit and its row
	defer g.sweep.RUnlock()
	started = time.Now()
	if err := staged.Commit(); err != nil {
		return nil, fmt.Errorf("storing file: %w", err)
	}
	g.phase("store", started)
	g.conf().Crash("blob committed")

	row := g.newPyFile(c, u, dist, staged)
	row.Provenance = provenance
	started = time.Now()
	rev, err := g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		created, err := putPyFile(tx, c, row, dist.Metadata.Name)
		pub.Created = created
		return err
	})
	if err != nil {
		return nil, err
	}
	g.phase("commit", started)
	g.conf().Crash("row committed")
	if !pub.Created {
		rev = row.Rev // a retry waits, as the first try did, until the file is visible
	}
	if err := g.settlePython(ctx, name, row.Filename, rev); err != nil {
		return nil, err
	}
	if pub.Created {
		g.counters.Uploads.Add(1)
		g.counters.UploadBytes.Add(staged.Size)
	}
	return pub, nil
}

// inspectPython reads a staged archive once it is its turn.
func (g *Gateway) inspectPython(ctx context.Context, staged *blob.Staged, filename string) (*python.Dist, error) {
	select {
	case g.inspecting <- struct{}{}:
		defer func() { <-g.inspecting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return python.Inspect(staged.File(), staged.Size, filename, g.conf().Python)
}

// authorizePyUpload decides on an upload into a project by its normalised name.
// For a new name the project will be the caller's own.
func (g *Gateway) authorizePyUpload(c *Caller, name string) error {
	if err := g.Identify(c); err != nil {
		return err
	}
	_, p, known := g.py.entry(name)
	res := authz.Resource{Engine: "pypi", Package: name, Project: c.projectID()}
	if known {
		res = p.Resource()
	}
	if err := g.Authorize(c, authz.PackageUpload, &res); err != nil {
		return err
	}
	if known && (p.State() == python.StatusArchived || p.State() == python.StatusQuarantined) {
		return Errorf(http.StatusForbidden, "project %s is %s: it takes no uploads", name, p.State())
	}
	return nil
}

// checkDigests compares every digest the form has with the file.
func checkDigests(u *PyUpload, staged *blob.Staged) error {
	none := true
	for _, d := range []struct {
		name, said string
		is         []byte
	}{
		{"sha256_digest", u.SHA256, staged.SHA256[:]},
		{"blake2_256_digest", u.Blake2b, staged.Blake2b[:]},
		{"md5_digest", u.MD5, staged.MD5[:]},
	} {
		if d.said == "" {
			continue
		}
		none = false
		if want := hex.EncodeToString(d.is); !strings.EqualFold(strings.TrimSpace(d.said), want) {
			return Errorf(http.StatusBadRequest, "%s is %.80q: the file has %s", d.name, d.said, want)
		}
	}
	if none {
		return Errorf(http.StatusBadRequest, "the form has no digest: one of sha256_digest, blake2_256_digest and md5_digest is expected")
	}
	return nil
}

// agrees compares the form with what the archive says of itself.
func agrees(u *PyUpload, d *python.Dist) error {
	if got := d.File.Kind.String(); u.FileType != got {
		return Errorf(http.StatusBadRequest, "filetype is %.40q: %s is a %s", u.FileType, u.Filename, got)
	}
	if python.Normalise(u.Name) != d.File.Name {
		return Errorf(http.StatusBadRequest, "the form's name is %.80q: the file's is %q", u.Name, d.Metadata.Name)
	}
	v, err := python.ParseVersion(u.Version)
	if err != nil || v.Compare(d.File.Version) != 0 {
		return Errorf(http.StatusBadRequest, "the form's version is %.80q: the file's is %q", u.Version, d.Metadata.Version)
	}
	if u.RequiresPython != "" && !sameSpecifiers(u.RequiresPython, d.Metadata.RequiresPython) {
		return Errorf(http.StatusBadRequest, "the form's requires_python is %.80q: the file's is %q", u.RequiresPython, d.Metadata.RequiresPython)
	}
	return nil
}

// sameSpecifiers compares specifiers whatever their order and spacing.
func sameSpecifiers(a, b string) bool {
	x, errX := python.ParseSpecifiers(a)
	y, errY := python.ParseSpecifiers(b)
	if errX != nil || errY != nil {
		return strings.TrimSpace(a) == strings.TrimSpace(b)
	}
	split := func(s python.Specifiers) []string {
		parts := strings.Split(s.String(), ",")
		slices.Sort(parts)
		return parts
	}
	return slices.Equal(split(x), split(y))
}

// badPython gives an error of the archive the status that Python's clients expect.
func badPython(err error) error {
	var invalid *python.InvalidError
	if errors.As(err, &invalid) {
		return Errorf(http.StatusBadRequest, "%s", invalid.Reason)
	}
	return err
}

// checkUpstreamName looks at the first upload of a name: if the upstream has it
// too, it is refused or warned about, as configured.
func (g *Gateway) checkUpstreamName(ctx context.Context, name string) (warning string, err error) {
	if _, _, known := g.py.entry(name); known {
		return "", nil
	}
	pass := g.pass.Load()
	if pass == nil || g.py.owns(name) {
		return "", nil // reserved: the operator has decided
	}
	// Asking tells the upstream a name that is about to be private: only who is set to
	// does so.
	rule := g.conf().UpstreamConflict
	has, refuse := pass.Known(name), rule == ConflictRefuse
	if !has && rule != ConflictKnown {
		has, err = pass.Has(ctx, name)
	}
	switch {
	case err != nil && refuse:
		return "", Errorf(http.StatusServiceUnavailable, "the upstream cannot be asked whether it has %q: try again, or reserve the name first with 'fairway reserve %s'", name, name)
	case err != nil || !has:
		return "", nil
	case refuse:
		return "", Errorf(http.StatusForbidden, "the upstream has a project %q too: choose another name, or reserve this one first with 'fairway reserve %s'", name, name)
	}
	return "the upstream has a project " + name + " too: from now on its files come from here alone", nil
}

func (g *Gateway) newPyFile(c *Caller, u *PyUpload, d *python.Dist, staged *blob.Staged) *catalog.PyFile {
	f := &catalog.PyFile{
		Name: d.File.Name, Filename: u.Filename, Version: d.File.Version.String(), FileType: d.File.Kind.String(),
		SHA256: staged.SHA256, MD5: staged.MD5, Blake2b: staged.Blake2b, Size: staged.Size,
		RequiresPython: d.Metadata.RequiresPython,
		UploadedAt:     g.conf().Now().UnixMilli(), UploadedBy: c.Actor().Name,
	}
	if d.File.Kind == python.Wheel {
		// Of an sdist, PKG-INFO may not be what a build of it yields (PEP 643).
		f.Metadata, f.MetadataSHA256 = d.RawMetadata, sha256.Sum256(d.RawMetadata)
	}
	return f
}

// putPyFile inserts f, and its name where that is new. It reports false when the
// very same bytes are there already.
func putPyFile(tx *catalog.Tx, c *Caller, f *catalog.PyFile, display string) (created bool, err error) {
	old, err := tx.PyFile(f.Filename)
	switch {
	case err == nil && old.SHA256 == f.SHA256:
		f.Rev = old.Rev
		return false, nil
	case err == nil:
		// PyPI's own words, which clients look for.
		return false, Errorf(http.StatusBadRequest, "File already exists (%s, with SHA-256 %x, not %x): a file name is never used for other bytes", f.Filename, old.SHA256, f.SHA256)
	case !errors.Is(err, catalog.ErrNotFound):
		return false, err
	}
	if _, err := tx.Tombstoned(f.Filename); err == nil {
		return false, Errorf(http.StatusBadRequest, "This filename has already been used (%s was deleted): use a different version", f.Filename)
	} else if !errors.Is(err, catalog.ErrNotFound) {
		return false, err
	}
	switch was, err := tx.PyName(f.Name); {
	case errors.Is(err, catalog.ErrNotFound):
		name := &catalog.PyName{Name: f.Name, Display: display, ProjectID: c.projectID(), Visibility: authz.Licensed.String()}
		if err := tx.InsertPyName(name); err != nil {
			return false, err
		}
		if err := tx.Audit("python.create", "python", f.Name, nil, auditPyName(name)); err != nil {
			return false, err
		}
	case err != nil:
		return false, err
	case !c.sees(was.ProjectID):
		// It was nobody's when the upload was decided on.
		return false, Errorf(http.StatusForbidden, "project %s was made by another project a moment ago", f.Name)
	}
	if err := tx.InsertPyFile(f); err != nil {
		return false, err
	}
	return true, tx.Audit("python.upload", "python", f.Name+"/"+f.Filename, nil, auditPyFile(f))
}

// settlePython makes a committed change of a file visible to the next request.
func (g *Gateway) settlePython(ctx context.Context, name, filename string, rev int64) error {
	started := time.Now()
	g.pyFiles.forget(0, name, filename)
	if err := g.refreshPy(context.WithoutCancel(ctx), name, rev); err != nil {
		return err
	}
	if pass := g.pass.Load(); pass != nil {
		pass.Forget(name)
	}
	g.phase("index", started)
	return nil
}

// provenanceOf wraps the attestations of an upload into a provenance object
// (PEP 740). They are kept as they came: who may upload vouches for them.
func provenanceOf(attestations json.RawMessage, c *Caller) ([]byte, error) {
	if len(attestations) == 0 {
		return nil, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(attestations, &list); err != nil {
		return nil, Errorf(http.StatusBadRequest, "the attestations cannot be read, for %.200s: a JSON array of attestation objects is expected", jsonFault(err))
	}
	if len(list) == 0 {
		return nil, nil
	}
	for i, one := range list {
		var a struct {
			Version  int             `json:"version"`
			Material json.RawMessage `json:"verification_material"`
			Envelope json.RawMessage `json:"envelope"`
		}
		if err := json.Unmarshal(one, &a); err != nil || a.Version != 1 || a.Material == nil || a.Envelope == nil {
			return nil, Errorf(http.StatusBadRequest, "attestation %d is no attestation object of version 1: verification_material and envelope are expected (PEP 740)", i+1)
		}
	}
	type publisher struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	}
	type bundle struct {
		Publisher    publisher         `json:"publisher"`
		Attestations []json.RawMessage `json:"attestations"`
	}
	return json.Marshal(struct {
		Version int      `json:"version"`
		Bundles []bundle `json:"attestation_bundles"`
	}{1, []bundle{{publisher{"Fairway", c.Actor().Name}, list}}})
}

func auditPyFile(f *catalog.PyFile) any {
	return struct {
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
		Yanked bool   `json:"yanked,omitempty"`
	}{hex.EncodeToString(f.SHA256[:]), f.Size, f.Yanked}
}
