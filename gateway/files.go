package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"os"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/fairwayhq/fairway/catalog"
)

// FileInfo is what serving a package file takes.
type FileInfo struct {
	SHA256     [32]byte
	ETag       string // strong, quoted: the SHA-256
	Size       int64
	UploadedAt int64 // ms
}

// How many files' rows are kept in memory; a miss costs one indexed query. Rows of
// Python files hold their core metadata, some KiB each.
const (
	fileCacheSize   = 16384
	pyFileCacheSize = 4096
)

type fileKey struct {
	channel          int64  // 0 for Python
	subdir, filename string // of Python: the project's name
}

// fileCache remembers which bytes a file name stands for. An entry is forgotten
// before the answer to whatever changed it; the epoch keeps a reader that raced
// with the change from putting the old row back.
type fileCache[V any] struct {
	entries *lru.Cache[fileKey, V]
	epoch   epoch
}

func newFileCache[V any](size int) *fileCache[V] {
	c, _ := lru.New[fileKey, V](size) // fails for sizes below 1 only
	return &fileCache[V]{entries: c}
}

func (c *fileCache[V]) forget(channel int64, subdir, filename string) {
	c.epoch.advance()
	c.entries.Remove(fileKey{channel, subdir, filename})
}

func (c *fileCache[V]) reset() {
	c.epoch.advance()
	c.entries.Purge()
}

// File finds a package file of a channel, yanked ones included. The caller has
// decided on the request.
func (g *Gateway) File(ctx context.Context, ch *Channel, subdir, filename string) (FileInfo, error) {
	key := fileKey{ch.ID, subdir, filename}
	if f, ok := g.files.entries.Get(key); ok {
		return f, nil
	}
	before := g.files.epoch.now()
	p, err := g.cat.Package(ctx, ch.ID, subdir, filename)
	if err != nil {
		return FileInfo{}, notThere(err, "%s is not in %s/%s", filename, ch.Name, subdir)
	}
	f := FileInfo{SHA256: p.SHA256, ETag: `"` + hex.EncodeToString(p.SHA256[:]) + `"`, Size: p.Size, UploadedAt: p.UploadedAt}
	g.files.epoch.ifStill(before, func() { g.files.entries.Add(key, f) })
	return f, nil
}

// OpenBlob opens the bytes of a file that [Gateway.File] found.
func (g *Gateway) OpenBlob(f FileInfo) (*os.File, error) {
	file, _, err := g.blobs.Open(f.SHA256)
	return file, err
}

// Attestation returns the attestation that came with a package (CEP 27).
func (g *Gateway) Attestation(ctx context.Context, ch *Channel, subdir, filename string) ([]byte, error) {
	p, err := g.cat.Package(ctx, ch.ID, subdir, filename)
	if err != nil {
		return nil, notThere(err, "%s is not in %s/%s", filename, ch.Name, subdir)
	}
	if len(p.Attestation) == 0 {
		return nil, Errorf(http.StatusNotFound, "%s came without an attestation", filename)
	}
	return p.Attestation, nil
}

// packageOf returns the whole row of a package, nil when there is none.
func (g *Gateway) packageOf(ctx context.Context, ch *Channel, subdir, filename string) (*catalog.Package, error) {
	p, err := g.cat.Package(ctx, ch.ID, subdir, filename)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil
	}
	return p, err
}
