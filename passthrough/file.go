package passthrough

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// FileRequest names a file, and the part of it that is wanted.
type FileRequest struct {
	Upstream string // first segment below "files/"
	Path     string // the rest, decoded, without ".metadata"
	// May says whether the caller may use a project, by its normalised name; nil permits
	// all. Which project a file is of, its name does not always say.
	May func(project string) error
	// Range and IfRange are those headers. They matter for a file that is not stored;
	// of one that is, the caller serves ranges itself. Anything but one range of bytes is
	// passed over, as RFC 9110 §14.2 permits.
	Range, IfRange string
	Head           bool // only sizes are wanted: nothing is fetched that is not needed for them
}

func (q *FileRequest) may(project string) error {
	if q.May == nil {
		return nil
	}
	return q.May(project)
}

// File is a file, or a part of one, ready to be sent. Exactly one of Stored and
// Body is set, neither for Head. The caller closes it.
type File struct {
	Project, Filename string
	SHA256            string    // hex; "" when the page states none and the file is not stored yet
	Size              int64     // of the whole file; -1 when not known yet
	ETag              string    // strong; "" without SHA256
	Modified          time.Time // when it was uploaded; zero when not known
	// Stored is the complete, verified file, at its first byte.
	Stored *os.File
	// Body is the file on its way, or the part [From, To] of it when Partial. When its
	// Read errs with anything but io.EOF, the client's connection must be cut. Bytes of
	// a part come unverified from the upstream: the whole follows behind them.
	Body     io.ReadCloser
	Partial  bool
	From, To int64 // inclusive
}

// Close closes what is open.
func (f *File) Close() error {
	var err error
	if f.Stored != nil {
		err = f.Stored.Close()
	}
	if f.Body != nil {
		err = errors.Join(err, f.Body.Close())
	}
	return err
}

// File gives a file of an upstream. Its name decides, as for pages; then it must be
// stored and verified, or on its project's page and not withheld. Errors are a
// [*Refusal], or what May said.
func (p *Mirror) File(ctx context.Context, q FileRequest) (*File, error) {
	t, err := p.locate(q)
	if err != nil {
		return nil, err
	}
	return p.serve(ctx, t, q)
}

func (p *Mirror) serve(ctx context.Context, t *target, q FileRequest) (*File, error) {
	for range 3 {
		if f, s := p.files.open(t.key()); f != nil {
			p.stats.fileHits.Add(1)
			p.stats.bytesHit.Add(uint64(s.Size))
			out := &File{Project: s.Project, Filename: t.filename, SHA256: s.SHA256, Size: s.Size, ETag: etag(s.SHA256), Modified: s.since()}
			if q.Head {
				return out, f.Close()
			}
			out.Stored = f
			return out, nil
		}
		if err := p.list(ctx, t); err != nil {
			return nil, err
		}
		p.stats.fileMisses.Add(1)
		out := &File{Project: t.name, Filename: t.filename, SHA256: t.listed.Hashes["sha256"], Size: -1, Modified: t.listed.UploadTime}
		out.ETag = etag(out.SHA256)
		if t.listed.Size > 0 {
			out.Size = t.listed.Size
		}
		if q.Head {
			return out, p.measure(ctx, t, out)
		}
		f, err := p.join(t.up, t.listed)
		if err != nil {
			return nil, err
		}
		if f != nil {
			return p.follow(ctx, t, f, q, out)
		}
	}
	return nil, refuse(Unavailable, nil, "%s is stored and dropped again at once: the gateway's cache is too small or damaged", clip(t.filename))
}

// follow serves a file from its download, or a range of it from the upstream.
func (p *Mirror) follow(ctx context.Context, t *target, f *fill, q FileRequest, out *File) (*File, error) {
	if out.Size >= 0 && q.Range != "" && (q.IfRange == "" || q.IfRange == out.ETag) {
		from, to, state := parseRange(q.Range, out.Size)
		switch state {
		case rangeBehind:
			f.release()
			r := refuse(BadRange, nil, "the range lies behind the end of %s, which has %d bytes", clip(t.filename), out.Size)
			r.Size = out.Size
			return nil, r
		case rangeOne:
			out.Partial, out.From, out.To = true, from, to
			if body := p.straight(ctx, t, f, from, to, out.Size); body != nil {
				f.release()
				out.Body = body
				return out, nil
			}
		}
	}
	if err := f.wait(ctx); err != nil {
		f.release()
		return nil, refusalOf(err)
	}
	out.Size = f.size
	r := &follower{f: f, ctx: ctx, end: -1}
	if out.Partial {
		r.off, r.end = out.From, out.To+1
	}
	out.Body = r
	return out, nil
}

// straight fetches a range past the download, which would take long to get there.
// nil means to wait for the download after all.
func (p *Mirror) straight(ctx context.Context, t *target, f *fill, from, to, size int64) io.ReadCloser {
	f.mu.Lock()
	near := f.written > to || to == size-1 && f.written > from
	f.mu.Unlock()
	if near {
		return nil
	}
	resp, err := p.openRange(ctx, t.up, f.target, t.filename, fmt.Sprintf("bytes=%d-%d", from, to), "")
	if err != nil {
		return nil
	}
	start, end, total, ok := contentRange(resp.Header.Get("Content-Range"))
	if resp.StatusCode != http.StatusPartialContent || !ok || start != from || end != to || total >= 0 && total != size {
		_ = resp.Body.Close()
		return nil
	}
	p.stats.ranges.Add(1)
	return &exact{ReadCloser: resp.Body, left: to - from + 1}
}

// exact reads that many bytes, and errs if there are fewer.
type exact struct {
	io.ReadCloser
	left int64
}

func (e *exact) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.ReadCloser.Read(b[:min(int64(len(b)), e.left)])
	e.left -= int64(n)
	if err != nil && e.left > 0 {
		return n, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if err != nil {
		err = io.EOF
	}
	return n, err
}
