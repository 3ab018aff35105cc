package passthrough

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/fairwayhq/fairway/python"
)

// readWheelMetadata reads METADATA out of a wheel, touching little of it: the
// directory at its end and the one member. It accepts whatever has exactly one
// answer to the question, for installers accept it too; whether the wheel is sound
// in every respect is for its digest to say.
func readWheelMetadata(ra io.ReaderAt, size int64, filename string) ([]byte, error) {
	name, err := python.ParseFilename(filename, "")
	if err != nil || name.Kind != python.Wheel {
		return nil, fmt.Errorf("%q is not a wheel", clip(filename))
	}
	z, err := zip.NewReader(ra, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("reading wheel: %w", err)
	}
	var found *zip.File
	for _, f := range z.File {
		dir, base := path.Split(f.Name)
		if base != "METADATA" || strings.Count(f.Name, "/") != 1 || !strings.HasSuffix(dir, ".dist-info/") {
			continue
		}
		if found != nil {
			return nil, errors.New("wheel has METADATA twice")
		}
		found = f
	}
	if found == nil {
		return nil, errors.New("wheel has no METADATA")
	}
	if !strings.HasPrefix(python.Normalise(found.Name), name.Name+"-") {
		return nil, errors.New("wheel has METADATA of another project")
	}
	if found.UncompressedSize64 > maxMetadata {
		return nil, errors.New("wheel has METADATA that is too large")
	}
	r, err := found.Open()
	if err != nil {
		return nil, fmt.Errorf("opening METADATA: %w", err)
	}
	defer func() { _ = r.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(r, maxMetadata+1)); err != nil {
		return nil, fmt.Errorf("reading METADATA: %w", err)
	}
	return b.Bytes(), nil
}

var errNoRanges = errors.New("upstream does not serve ranges")

// Ranges are fetched in blocks, so that the small reads of a zip reader cost few
// requests, and no more of them than a directory of reason needs.
const (
	remoteBlock = 64 << 10
	remoteTotal = 64 << 20
)

// remote reads an upstream's file by ranges.
type remote struct {
	p     *Mirror
	ctx   context.Context // of the one reading it is made for
	t     *target
	url   *url.URL
	size  int64 // 0 until the first answer says
	spans []span
	total int64
	err   error // of the network, which the zip reader would disguise
}

type span struct {
	off  int64
	data []byte
}

func (r *remote) metadata() ([]byte, error) {
	if err := r.tail(); err != nil {
		return nil, err
	}
	b, err := readWheelMetadata(r, r.size, r.t.filename)
	if r.err != nil {
		return nil, r.err
	}
	return b, err
}

// tail fetches the end of the file, and learns its size.
func (r *remote) tail() error {
	rng := fmt.Sprintf("bytes=-%d", remoteBlock)
	if r.size > 0 {
		rng = fmt.Sprintf("bytes=%d-%d", max(0, r.size-remoteBlock), r.size-1)
	}
	return r.fetch(rng)
}

// ReadAt implements [io.ReaderAt].
func (r *remote) ReadAt(b []byte, off int64) (int, error) {
	if off >= r.size {
		return 0, io.EOF
	}
	want := min(int64(len(b)), r.size-off)
	for range 2 {
		for _, s := range r.spans {
			if off >= s.off && off+want <= s.off+int64(len(s.data)) {
				n := copy(b, s.data[off-s.off:])
				if n < len(b) {
					return n, io.EOF
				}
				return n, nil
			}
		}
		if r.err == nil {
			r.err = r.fetch(fmt.Sprintf("bytes=%d-%d", off, min(off+max(want, remoteBlock), r.size)-1))
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	return 0, io.ErrUnexpectedEOF
}

// fetch adds one range to what is known.
func (r *remote) fetch(rng string) error {
	resp, err := r.p.openRange(r.ctx, r.t.up, r.url, r.t.filename, rng, "")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	start, end, total, ok := contentRange(resp.Header.Get("Content-Range"))
	if resp.StatusCode != http.StatusPartialContent || !ok || total <= 0 || r.size > 0 && total != r.size {
		return errNoRanges
	}
	n := end - start + 1
	if r.total += n; r.total > remoteTotal || n > remoteTotal {
		return errors.New("wheel has a directory that is too large")
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(resp.Body, data); err != nil {
		return refuse(Unavailable, err, "upstream %s broke off while sending a part of %s", r.t.up.name, clip(r.t.filename))
	}
	r.p.stats.bytesFetched.Add(uint64(n))
	r.size = total
	r.spans = append(r.spans, span{start, data})
	return nil
}

var _ io.ReaderAt = (*remote)(nil)
