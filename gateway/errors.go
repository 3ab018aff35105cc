package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/blob"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/indexer"
)

// Error is a refusal that a caller may see: one sentence, cause first, with the
// offending value and what was expected. Every surface gives it its own shape.
type Error struct {
	Status  int    // HTTP status
	Message string // at most [MaxMessage] bytes
}

// MaxMessage is the longest message, in bytes: conda's uploaders print no more.
const MaxMessage = 512

func (e *Error) Error() string { return e.Message }

// Errorf makes an [Error], cut to [MaxMessage] with the line end that text gets. A key
// that was sent in the wrong place is not repeated.
func Errorf(status int, format string, args ...any) *Error {
	const cut = "…"
	m := authz.HideTokens(fmt.Sprintf(format, args...))
	if len(m) >= MaxMessage {
		m = strings.ToValidUTF8(m[:MaxMessage-1-len(cut)], "") + cut
	}
	return &Error{Status: status, Message: m}
}

// jsonFault is what is wrong with JSON that was sent, without the names of our types.
func jsonFault(err error) string {
	var other *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &other):
		return strings.TrimPrefix(err.Error(), "json: ")
	case other.Field == "":
		return "it is a JSON " + other.Value
	}
	return fmt.Sprintf("%q is a JSON %s", other.Field, other.Value)
}

// exhausted reports whether err is for want of file handles or memory, of this
// process or of the machine: it passes, and is no fault of what was asked for.
func exhausted(err error) bool {
	for _, want := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, catalog.ErrExhausted} {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}

// AsError turns any error of a gateway operation into what a caller may see. ok is
// false for one that the operator should know of, and the surface logs the original:
// one nobody foresaw, which becomes a 500 that tells nothing, and two that are a 503:
// want of file handles or memory, and package files that are gone from the disk.
func AsError(err error) (e *Error, ok bool) {
	if errors.As(err, &e) {
		return e, true
	}
	var denied *authz.Denied
	if errors.As(err, &denied) {
		return &Error{Status: denied.Status, Message: denied.Reason}, true
	}
	if e, ok := refusal(err); ok {
		return e, true
	}
	var invalid *conda.InvalidError
	switch {
	case errors.As(err, &invalid):
		return Errorf(http.StatusUnprocessableEntity, "%s", invalid.Error()), true
	case errors.Is(err, authz.ErrQueryToken), errors.Is(err, authz.ErrTwoCredentials):
		return Errorf(http.StatusBadRequest, "%s", err.Error()), true
	case errors.Is(err, blob.ErrTooLarge):
		return Errorf(http.StatusRequestEntityTooLarge, "%s", err.Error()), true
	case errors.Is(err, indexer.ErrNotOpen):
		return Errorf(http.StatusNotFound, "the channel was deleted a moment ago"), true
	case errors.Is(err, catalog.ErrNotFound):
		return Errorf(http.StatusNotFound, "%s", err.Error()), true
	case errors.Is(err, catalog.ErrExists), errors.Is(err, catalog.ErrConflict):
		return Errorf(http.StatusConflict, "%s", err.Error()), true
	case errors.Is(err, blob.ErrFull), errors.Is(err, catalog.ErrFull):
		return Errorf(http.StatusInsufficientStorage, "the gateway's disk is full: nothing was changed, try again when there is room"), true
	case errors.Is(err, catalog.ErrReadOnly), errors.Is(err, blob.ErrFailed):
		return Errorf(http.StatusServiceUnavailable, "the gateway writes nothing since its disk failed: restart it once the disk is well"), true
	case errors.Is(err, catalog.ErrClosed), errors.Is(err, errCatalogBehind):
		return Errorf(http.StatusServiceUnavailable, "the gateway is closing: try again in a moment"), true
	case errors.Is(err, blob.ErrNotFound):
		// Not 404: the index goes on naming the file, and mirrors and clients that hear
		// 404 take it for deleted. An upload of the same bytes mends it.
		return Errorf(http.StatusServiceUnavailable, "the file is published, but its bytes are gone from the gateway's disk: it has to be uploaded again"), false
	case exhausted(err):
		return Errorf(http.StatusServiceUnavailable, "the gateway is out of file handles or memory: try again in a moment"), false
	}
	return &Error{Status: http.StatusInternalServerError, Message: "an internal error happened; the gateway's log has it under this request's id"}, false
}
