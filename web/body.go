package web

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/fairwayhq/fairway/gateway"
)

// IdleBody is a request's body that must keep coming: each read has the deadline
// idle. A client that stalls ends in a 408 instead of holding a connection and a
// temporary file.
func IdleBody(w http.ResponseWriter, r *http.Request, idle time.Duration) io.Reader {
	return &idleBody{body: r.Body, control: http.NewResponseController(w), idle: idle}
}

type idleBody struct {
	body    io.Reader
	control *http.ResponseController
	idle    time.Duration
}

func (b *idleBody) Read(p []byte) (int, error) {
	// A writer without deadlines (a test's recorder) is served without them.
	_ = b.control.SetReadDeadline(time.Now().Add(b.idle))
	n, err := b.body.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		_ = b.control.SetReadDeadline(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = gateway.Errorf(http.StatusRequestTimeout, "the body stalled: at least one byte every %s is expected", b.idle)
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = gateway.Errorf(http.StatusBadRequest, "the body ended before its length: the connection was cut, or Content-Length is wrong")
	default: // a connection reset, or chunks that are none: the sender's doing, never ours
		err = gateway.Errorf(http.StatusBadRequest, "the body cannot be read: %s", err.Error())
	}
	return n, err
}

// How much of a refused body is read before the refusal is sent, and for how
// long: a client that still writes may otherwise see a reset connection instead of
// the sentence that tells it why.
const (
	drainBytes = 4 << 20
	drainTime  = 3 * time.Second
)

// Drain reads a little of a body that nobody wants.
func Drain(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(drainTime))
	_, _ = io.CopyN(io.Discard, r.Body, drainBytes)
	_ = control.SetReadDeadline(time.Time{})
}
