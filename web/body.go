package web

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/wording"
)

// IdleBody is a request's body that must keep coming: each read has the deadline
// idle. A client that stalls ends in a 408 instead of holding a connection and a
// temporary file.
func IdleBody(w http.ResponseWriter, r *http.Request, idle time.Duration) io.Reader {
	return &timedBody{request: r, body: r.Body, control: http.NewResponseController(w), idle: idle}
}

// smallBodyTime is how long a body that is read into memory may take to come, all of
// it. Some are read before anything is known of their sender.
const smallBodyTime = 20 * time.Second

// SmallBody is a request's body of at most limit bytes, which must be there within 20
// seconds as a whole. Its errors are refusals.
func SmallBody(w http.ResponseWriter, r *http.Request, limit int64) io.Reader {
	return &timedBody{
		request: r, body: http.MaxBytesReader(w, r.Body, limit), control: http.NewResponseController(w),
		until: time.Now().Add(smallBodyTime),
	}
}

type timedBody struct {
	request *http.Request
	body    io.Reader
	control *http.ResponseController
	idle    time.Duration // for each read, where until is not set
	until   time.Time     // for the whole
}

func (b *timedBody) Read(p []byte) (int, error) {
	b.request.Header.Del(expect) // the first read has the client sent "100 Continue"
	deadline := b.until
	if deadline.IsZero() {
		deadline = time.Now().Add(b.idle)
	}
	// A writer without deadlines (a test's recorder) is served without them.
	_ = b.control.SetReadDeadline(deadline)
	n, err := b.body.Read(p)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		_ = b.control.SetReadDeadline(time.Time{})
	case errors.As(err, &tooLarge):
		err = gateway.Errorf(http.StatusRequestEntityTooLarge, "the body has more than %d bytes: no larger one is read here", tooLarge.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded) && b.idle > 0:
		err = gateway.Errorf(http.StatusRequestTimeout, "the body stalled: at least one byte every %s is expected", wording.Duration(b.idle))
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = gateway.Errorf(http.StatusRequestTimeout, "the body did not come: all of it is expected within %s", wording.Duration(smallBodyTime))
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = gateway.Errorf(http.StatusBadRequest, "the body ended before its length: the connection was cut, or Content-Length is wrong")
	default: // a connection reset, or chunks that are none: the sender's doing, never ours
		err = gateway.Errorf(http.StatusBadRequest, "the body cannot be read: %s", err.Error())
	}
	return n, err
}

// expect names the header of clients that wait to be asked for their body (RFC 9110
// §10.1.1).
const expect = "Expect"

// How much of a refused body is read before the refusal is sent, and for how
// long: a client that still writes may otherwise see a reset connection instead of
// the sentence that tells it why.
const (
	drainBytes = 4 << 20
	drainTime  = 3 * time.Second
)

// Drain reads a little of a body that nobody wants. A client that waits to be asked
// for it is not asked: it sees the refusal at once.
func Drain(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody || r.Header.Get(expect) != "" {
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(drainTime))
	_, _ = io.CopyN(io.Discard, r.Body, drainBytes)
	_ = control.SetReadDeadline(time.Time{})
}
