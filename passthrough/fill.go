package passthrough

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// fill is one download into the cache, which any number of readers follow. It ends
// with the gateway, not with a reader.
type fill struct {
	p      *Mirror
	up     *upstream
	file   *listed
	key    string
	target *url.URL

	head chan struct{} // closed once size or err is known
	tmp  *os.File
	size int64 // -1 while unknown

	mu      sync.Mutex
	more    chan struct{} // closed and replaced with every step
	written int64
	done    bool
	err     error
	refs    int // readers, and the download itself; the last one closes tmp
}

// resumes is how often a body that broke off is asked for the rest.
const resumes = 3

// chunk is the size of the steps readers follow in.
const chunk = 128 << 10

// join returns the download of a file, started if there is none; nil when the file
// is in the cache by now.
func (p *Mirror) join(u *upstream, l *listed) (*fill, error) {
	key := u.cacheKey(l.address)
	target, err := url.Parse(l.URL)
	if err != nil {
		return nil, refuse(BadGateway, err, "the address of %s cannot be read", clip(l.Filename))
	}
	p.fillMu.Lock()
	defer p.fillMu.Unlock()
	if f := p.fills[key]; f != nil {
		f.mu.Lock()
		f.refs++
		f.mu.Unlock()
		p.stats.followers.Add(1)
		return f, nil
	}
	if p.files.has(key) {
		return nil, nil
	}
	if !p.enter() {
		return nil, refuse(Unavailable, ErrClosed, "the gateway is stopping")
	}
	f := &fill{p: p, up: u, file: l, key: key, target: target, head: make(chan struct{}), more: make(chan struct{}), size: -1, refs: 2}
	if l.Size > 0 {
		f.size = l.Size
	}
	p.fills[key] = f
	p.stats.fills.Add(1)
	go func() {
		defer p.leave()
		f.run(p.ctx)
	}()
	return f, nil
}

func (f *fill) run(ctx context.Context) {
	err := f.download(ctx)
	if err != nil {
		f.p.stats.fillFailures.Add(1)
		if ctx.Err() == nil {
			f.p.cfg.Log.Warn("fetching a file failed", zap.String("upstream", f.up.name), zap.String("file", f.file.Filename), zap.Error(err), zap.NamedError("cause", errors.Unwrap(err)))
		}
	}
	f.p.fillMu.Lock()
	delete(f.p.fills, f.key)
	f.p.fillMu.Unlock()
	f.step(func() { f.done, f.err = true, err })
	select {
	case <-f.head:
	default:
		close(f.head)
	}
	f.release()
}

// download fetches, verifies and stores the file.
func (f *fill) download(ctx context.Context) error {
	resp, err := f.p.openFile(ctx, f.up, f.target, f.file.Filename, "")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := f.begin(resp); err != nil {
		return err
	}
	sum := sha256.New()
	check, want := sum, f.file.Hashes["sha256"]
	digest := io.Writer(sum)
	if want == "" {
		if check, want = checkOf(f.file.Hashes); want != "" {
			digest = io.MultiWriter(sum, check)
		}
	}
	if err := f.copyAll(ctx, resp, digest); err != nil {
		return err
	}
	if got := hex.EncodeToString(check.Sum(nil)); want != "" && got != want {
		f.p.stats.mismatches.Add(1)
		return refuse(BadGateway, fmt.Errorf("digest is %s, the page states %s", got, want), "upstream %s sent other bytes for %s than its page states", f.up.name, clip(f.file.Filename))
	}
	f.p.cfg.Crash("fill.verified")
	s := &stored{Key: f.key, SHA256: hex.EncodeToString(sum.Sum(nil)), Project: f.file.project, Version: f.file.Version}
	if !f.file.since.IsZero() {
		s.Since = f.file.since.Unix()
	}
	if err := f.p.files.add(f.tmp.Name(), s); err != nil {
		// The bytes are right and are served to who waits; only the cache lacks them.
		f.p.note(err)
	}
	f.p.cfg.Crash("fill.stored")
	return nil
}

// begin settles the size and opens the temporary file.
func (f *fill) begin(resp *http.Response) error {
	if n := resp.ContentLength; n >= 0 {
		if f.size >= 0 && f.size != n {
			return refuse(BadGateway, fmt.Errorf("%d bytes announced, %d on the page", n, f.size), "upstream %s announces %s in another size than its page states", f.up.name, clip(f.file.Filename))
		}
		f.size = n
	}
	if f.size > f.p.cfg.MaxFile {
		return refuse(BadGateway, nil, "%s has %d bytes: this gateway passes at most %d", clip(f.file.Filename), f.size, f.p.cfg.MaxFile)
	}
	tmp, err := f.p.createTemp()
	if err != nil {
		return refuse(Unavailable, err, "the gateway's cache cannot be written")
	}
	f.tmp = tmp
	close(f.head)
	return nil
}

// copyAll moves the body to the disk, asking for the rest when it breaks off.
func (f *fill) copyAll(ctx context.Context, resp *http.Response, digest io.Writer) error {
	buf := make([]byte, chunk)
	body, validator := resp.Body, resp.Header.Get("ETag")
	defer func() {
		if body != nil {
			_ = body.Close()
		}
	}()
	if strings.HasPrefix(validator, "W/") {
		validator = "" // If-Range compares strongly
	}
	for tries := 0; ; {
		n, err := body.Read(buf)
		if n > 0 {
			if f.written+int64(n) > f.limit() {
				return refuse(BadGateway, nil, "upstream %s sends more bytes of %s than permitted", f.up.name, clip(f.file.Filename))
			}
			if err := f.write(buf[:n]); err != nil {
				return refuse(Unavailable, err, "the gateway's cache cannot be written")
			}
			_, _ = digest.Write(buf[:n])
			f.p.stats.bytesFetched.Add(uint64(n))
			f.step(func() { f.written += int64(n) })
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF) && (f.size < 0 || f.written == f.size):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		_ = body.Close()
		for body = nil; body == nil; tries++ {
			if tries == resumes {
				return refuse(Unavailable, err, "upstream %s broke off while sending %s", f.up.name, clip(f.file.Filename))
			}
			if body, err = f.resume(ctx, tries, validator); err != nil && refusalOf(err).Kind != Unavailable {
				return err
			}
		}
	}
}

// room is how many bytes of other files make way on a full disk at least.
const room = 64 << 20

// write appends to the temporary file. A disk that is full before the cache's budget
// is spent takes what was used least recently for what is wanted now.
func (f *fill) write(b []byte) error {
	for {
		n, err := f.tmp.Write(b)
		if b = b[n:]; !errors.Is(err, syscall.ENOSPC) || !f.p.files.makeRoom(max(room, f.size-f.written)) {
			return err
		}
	}
}

func (f *fill) limit() int64 {
	if f.size >= 0 {
		return f.size
	}
	return f.p.cfg.MaxFile
}

// resume asks for what is missing. An upstream that sends the whole again is
// followed to where it broke off: the digest over all tells if it is another file.
func (f *fill) resume(ctx context.Context, tries int, validator string) (io.ReadCloser, error) {
	f.p.stats.resumes.Add(1)
	pause := time.NewTimer(50 * time.Millisecond << (2 * tries))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	from := f.written
	resp, err := f.p.openRange(ctx, f.up, f.target, f.file.Filename, fmt.Sprintf("bytes=%d-", from), validator)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		// When this breaks off too, the next Read says so.
		_, _ = io.CopyN(io.Discard, resp.Body, from)
		return resp.Body, nil
	}
	start, _, total, ok := contentRange(resp.Header.Get("Content-Range"))
	if !ok || start != from || f.size >= 0 && total >= 0 && total != f.size {
		_ = resp.Body.Close()
		return nil, refuse(BadGateway, nil, "upstream %s answers a range of %s with another", f.up.name, clip(f.file.Filename))
	}
	return resp.Body, nil
}

// step changes the state and wakes who waits for it.
func (f *fill) step(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.more)
	f.more = make(chan struct{})
}

// release lets go of one reference.
func (f *fill) release() {
	f.mu.Lock()
	f.refs--
	last := f.refs == 0
	f.mu.Unlock()
	if last && f.tmp != nil {
		_ = os.Remove(f.tmp.Name()) // not there any more when it was stored
		_ = f.tmp.Close()
	}
}

// wait waits until the upstream has answered, or refused.
func (f *fill) wait(ctx context.Context) error {
	select {
	case <-f.head:
	case <-ctx.Done():
		return refuse(Unavailable, context.Cause(ctx), "the request ended before upstream answered")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tmp == nil {
		return f.err
	}
	return nil
}

// finish waits for the end.
func (f *fill) finish(ctx context.Context) error {
	for {
		f.mu.Lock()
		done, err, more := f.done, f.err, f.more
		f.mu.Unlock()
		if done {
			return err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return refuse(Unavailable, context.Cause(ctx), "the request ended before upstream answered")
		}
	}
}

// checkOf is the strongest hash that a page states. Without any, the transport is
// all the assurance there is.
func checkOf(stated map[string]string) (hash.Hash, string) {
	for _, h := range [...]struct {
		name string
		make func() hash.Hash
	}{
		{"sha256", sha256.New}, {"sha512", sha512.New}, {"sha384", sha512.New384}, {"sha224", sha256.New224},
		{"sha1", sha1.New}, {"md5", md5.New},
	} {
		if d := stated[h.name]; d != "" {
			return h.make(), d
		}
	}
	return md5.New(), ""
}

// contentRange reads "bytes start-end/total"; total is -1 for "*".
func contentRange(s string) (start, end, total int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	span, size, found := strings.Cut(s, "/")
	from, to, dash := strings.Cut(span, "-")
	if !ok || !found || !dash {
		return 0, 0, 0, false
	}
	var err1, err2, err3 error
	start, err1 = strconv.ParseInt(from, 10, 64)
	end, err2 = strconv.ParseInt(to, 10, 64)
	if total = -1; size != "*" {
		total, err3 = strconv.ParseInt(size, 10, 64)
	}
	ok = err1 == nil && err2 == nil && err3 == nil && start >= 0 && end >= start && (total < 0 || end < total)
	return start, end, total, ok
}
