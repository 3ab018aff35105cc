package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/python"
)

// LocalFiles is the first path segment below files/ of the files that were
// uploaded here; no upstream may be called so.
const LocalFiles = "local"

// pyPage is a project's page as bytes. It is made when it is first asked for and
// then changed with its project, a file at a time.
type pyPage struct {
	mu  sync.Mutex // serialises changes
	cur atomic.Pointer[PyPage]
}

// PyPage is a project's page at a revision. It is immutable.
type PyPage struct {
	*python.Rendered
	Modified time.Time
	rev      int64
	shown    python.Status
}

// PyPageOf decides on the page of an own project and returns it. ok is false when
// no such name exists here; what then may go upstream, the pass-through decides.
func (g *Gateway) PyPageOf(ctx context.Context, c *Caller, name string) (page *PyPage, p *PyProject, ok bool, err error) {
	e, p, ok := g.py.entry(name)
	if !ok {
		return nil, nil, false, nil
	}
	res := p.Resource()
	if err := g.Authorize(c, authz.PackageRead, &res); err != nil {
		return nil, p, true, err
	}
	page, err = g.pyPage(ctx, e, p)
	if errors.Is(err, catalog.ErrNotFound) {
		// Deleted since it was looked up, and so reserved: a 404 would be wrong, and would
		// have uv look for it elsewhere.
		return nil, nil, false, nil
	}
	return page, p, true, err
}

// pyPage returns the current page, making it on the first request.
func (g *Gateway) pyPage(ctx context.Context, e *pyEntry, p *PyProject) (*PyPage, error) {
	if page := e.page.cur.Load(); page != nil {
		return page, nil
	}
	return g.renderPy(context.WithoutCancel(ctx), e, p.Name)
}

// renderPy makes a page from all files of its project.
func (g *Gateway) renderPy(ctx context.Context, e *pyEntry, name string) (*PyPage, error) {
	e.page.mu.Lock()
	defer e.page.mu.Unlock()
	if page := e.page.cur.Load(); page != nil {
		return page, nil
	}
	row, err := g.cat.PyName(ctx, name) // before its files: a change in between is applied again
	if err != nil {
		return nil, fmt.Errorf("rendering page of %s: %w", name, err)
	}
	files, err := g.cat.PyFiles(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("rendering page of %s: %w", name, err)
	}
	model := &python.Page{Name: name, Status: pyStatus(row), Files: make([]python.File, len(files))}
	for i, f := range files {
		model.Files[i] = g.pyPageFile(f)
	}
	page := &PyPage{Rendered: python.Render(model), Modified: time.UnixMilli(row.ChangedAt), rev: row.Rev, shown: model.Status}
	e.page.cur.Store(page)
	return page, nil
}

// forgetPages has every page made anew when it is next asked for.
func (g *Gateway) forgetPages() {
	for _, v := range g.py.names.Range {
		e := v.(*pyEntry)
		e.page.mu.Lock()
		e.page.cur.Store(nil)
		e.page.mu.Unlock()
	}
}

// refreshPy brings a page up to date with revision rev of its project, re-encoding
// what changed and nothing else. A page that nobody asked for yet stays unmade.
func (g *Gateway) refreshPy(ctx context.Context, name string, rev int64) error {
	v, ok := g.py.names.Load(name)
	if !ok {
		return nil // deleted
	}
	e := v.(*pyEntry)
	e.page.mu.Lock()
	defer e.page.mu.Unlock()
	page := e.page.cur.Load()
	if page == nil || page.rev >= rev {
		return nil
	}
	next, err := g.changedPage(ctx, page, name)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil // deleted meanwhile
	}
	if err != nil {
		e.page.cur.Store(nil) // the next request makes it anew
		return fmt.Errorf("refreshing page of %s: %w", name, err)
	}
	e.page.cur.Store(next)
	return nil
}

func (g *Gateway) changedPage(ctx context.Context, page *PyPage, name string) (*PyPage, error) {
	row, err := g.cat.PyName(ctx, name)
	if err != nil {
		return nil, err
	}
	changed, complete, err := g.cat.ChangesSince(ctx, page.rev, catalog.KindPyFile, name)
	if err != nil {
		return nil, err
	}
	if !complete {
		return nil, nil // made anew on request
	}
	var u python.Update
	for _, filename := range changed {
		f, err := g.cat.PyFile(ctx, filename)
		switch {
		case errors.Is(err, catalog.ErrNotFound):
			u.Remove = append(u.Remove, filename)
		case err != nil:
			return nil, err
		default:
			u.Put = append(u.Put, g.pyPageFile(f))
		}
	}
	next := &PyPage{Rendered: page.Rendered, Modified: time.UnixMilli(row.ChangedAt), rev: row.Rev, shown: pyStatus(row)}
	if next.shown != page.shown {
		u.Status = &next.shown
	}
	if len(u.Put)+len(u.Remove) > 0 || u.Status != nil {
		next.Rendered = page.With(u)
	}
	return next, nil
}

func pyStatus(row *catalog.PyName) python.Status {
	if row.Status == "" {
		return python.Status{Status: python.StatusActive}
	}
	return python.Status{Status: row.Status, Reason: row.StatusReason}
}

// pyPageFile is a stored file as its page shows it. Its URL is relative to the
// page, so that it holds below every mount and behind every proxy.
func (g *Gateway) pyPageFile(f *catalog.PyFile) python.File {
	out := python.File{
		Filename:       f.Filename,
		URL:            "../../files/" + LocalFiles + "/" + f.Name + "/" + url.PathEscape(f.Filename),
		Hashes:         map[string]string{"sha256": hex.EncodeToString(f.SHA256[:])},
		RequiresPython: f.RequiresPython,
		Size:           f.Size,
		UploadTime:     time.UnixMilli(f.UploadedAt).UTC(),
		Yanked:         f.Yanked,
		YankedReason:   f.YankReason,
	}
	if f.MetadataSHA256 != ([32]byte{}) {
		out.CoreMetadata = python.CoreMetadata{
			Available: true, Hashes: map[string]string{"sha256": hex.EncodeToString(f.MetadataSHA256[:])},
		}
	}
	if base := g.conf().PublicURL; f.HasProvenance && base != "" {
		out.Provenance = base + "/pypi/integrity/" + f.Name + "/" + url.PathEscape(f.Version) + "/" + url.PathEscape(f.Filename) + "/provenance"
	}
	return out
}

// indexPages keeps rendered lists of names: callers with the same view share one.
const indexPages = 16

func newIndexPages() *lru.Cache[[32]byte, *python.Rendered] {
	c, _ := lru.New[[32]byte, *python.Rendered](indexPages) // fails for sizes below 1 only
	return c
}

// PyIndex is the list of the own Python names that the caller may read. It is
// filtered, never refused, but for a credential that is no good; n is how many.
func (g *Gateway) PyIndex(c *Caller) (page *python.Rendered, n int, err error) {
	if err := g.Identify(c); err != nil {
		return nil, 0, err
	}
	var names []string
	sum := sha256.New()
	for _, p := range g.py.all() {
		res := p.Resource()
		if g.may(c, authz.PackageRead, &res) {
			names = append(names, p.Name)
			sum.Write([]byte(p.Name + "\n"))
		}
	}
	view := [32]byte(sum.Sum(nil))
	if r, ok := g.pyIndexes.Get(view); ok {
		return r, len(names), nil
	}
	r := python.RenderIndex(names)
	g.pyIndexes.Add(view, r)
	return r, len(names), nil
}

// PyFileInfo is what serving an own Python file takes.
type PyFileInfo struct {
	FileInfo
	Vis      authz.Visibility
	Metadata []byte // core metadata (PEP 658); nil for none
}

// PyFile decides on an own file by its project and file name, and finds it.
func (g *Gateway) PyFile(ctx context.Context, c *Caller, name, filename string) (PyFileInfo, error) {
	_, p, known := g.py.entry(name)
	res := authz.Resource{Engine: "pypi", Package: name}
	if known {
		res = p.Resource()
	}
	if err := g.Authorize(c, authz.PackageRead, &res); err != nil {
		return PyFileInfo{}, err
	}
	if known && p.State() == python.StatusQuarantined {
		return PyFileInfo{}, Errorf(http.StatusForbidden, "project %s is quarantined: its files are not served", name)
	}
	key := fileKey{subdir: name, filename: filename}
	if f, ok := g.pyFiles.entries.Get(key); ok {
		f.Vis = res.Visibility
		return f, nil
	}
	before := g.pyFiles.epoch.now()
	row, err := g.cat.PyFile(ctx, filename)
	if err == nil && row.Name != name {
		err = catalog.ErrNotFound
	}
	if err != nil {
		return PyFileInfo{}, notThere(err, "%s is not among the files of %s", filename, name)
	}
	f := PyFileInfo{
		FileInfo: FileInfo{SHA256: row.SHA256, ETag: `"` + hex.EncodeToString(row.SHA256[:]) + `"`, Size: row.Size, UploadedAt: row.UploadedAt},
		Metadata: row.Metadata, Vis: res.Visibility,
	}
	g.pyFiles.epoch.ifStill(before, func() { g.pyFiles.entries.Add(key, f) })
	return f, nil
}

// PyProvenance is the provenance object of an own file (PEP 740).
func (g *Gateway) PyProvenance(ctx context.Context, c *Caller, name, version, filename string) ([]byte, error) {
	if _, err := g.PyFile(ctx, c, name, filename); err != nil {
		return nil, err
	}
	row, err := g.cat.PyFile(ctx, filename)
	if err != nil {
		return nil, notThere(err, "%s is not among the files of %s", filename, name)
	}
	if !sameVersion(version, row.Version) || row.Provenance == nil {
		return nil, Errorf(http.StatusNotFound, "%s %s has no provenance: it came without attestations", name, filename)
	}
	return row.Provenance, nil
}
