package passthrough

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind says why an operation was refused, for metrics and for surfaces that word
// it in their own way.
type Kind uint8

// Kinds of refusals, with the status each has.
const (
	Owned       Kind = iota + 1 // 403: the name is local or reserved, and never asked of an upstream
	Blocked                     // 403: the allow and deny globs forbid the name
	Withheld                    // 403: the file's cooldown is not over, or its project is quarantined
	NotFound                    // 404: every upstream says that there is no such thing
	Unavailable                 // 503: the upstream, or the catalog, does not answer now
	BadGateway                  // 502: the upstream's answer is not usable
	BadRange                    // 416: the range lies behind the end of the file
)

// String is the word for k in metrics.
func (k Kind) String() string {
	switch k {
	case Owned:
		return "owned"
	case Blocked:
		return "blocked"
	case Withheld:
		return "withheld"
	case NotFound:
		return "not_found"
	case Unavailable:
		return "unavailable"
	case BadGateway:
		return "bad_gateway"
	case BadRange:
		return "bad_range"
	}
	return "unknown"
}

func (k Kind) status() int {
	switch k {
	case Owned, Blocked, Withheld:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case BadGateway:
		return http.StatusBadGateway
	case BadRange:
		return http.StatusRequestedRangeNotSatisfiable
	default:
		return http.StatusServiceUnavailable
	}
}

// Refusal is why an operation did not give what was asked for: one sentence that
// the caller may see, without the addresses and details of its cause.
type Refusal struct {
	Kind       Kind
	Status     int           // HTTP status that says so
	Reason     string        // one sentence
	RetryAfter time.Duration // when to come again, of Unavailable and BadGateway
	Until      time.Time     // when the cooldown ends, of Withheld; zero when it does not
	Size       int64         // of the file, of BadRange
	cause      error
}

// Error is the sentence.
func (r *Refusal) Error() string { return r.Reason }

// Unwrap is the cause, for logs.
func (r *Refusal) Unwrap() error { return r.cause }

// Is reports that a refusal of kind Unavailable is [ErrUnavailable], and so on.
func (r *Refusal) Is(target error) bool {
	return target == ErrUnavailable && r.Kind == Unavailable || target == ErrNotFound && r.Kind == NotFound
}

var (
	// ErrUnavailable is matched by refusals of kind Unavailable.
	ErrUnavailable = errors.New("upstream or catalog is unavailable")
	// ErrNotFound is matched by refusals of kind NotFound.
	ErrNotFound = errors.New("no upstream has it")
	// ErrBroken is the error of a file's reader when the upstream's bytes broke off or
	// are not those its page states. The last byte of such a file was never given out:
	// the surface must cut its client's connection and not end it in good order.
	ErrBroken = errors.New("upstream file broke off or failed verification")
	// ErrClosed is the cause of refusals after Close.
	ErrClosed = errors.New("pass-through is closed")
)

// retryAfter is what clients are told when the upstream said nothing better.
const retryAfter = 5 * time.Second

func refuse(k Kind, cause error, format string, args ...any) *Refusal {
	r := &Refusal{Kind: k, Status: k.status(), Reason: fmt.Sprintf(format, args...), cause: cause}
	if k == Unavailable || k == BadGateway {
		r.RetryAfter = retryAfter
	}
	return r
}

// refusalOf finds the refusal in err, or makes one of an error nobody foresaw.
func refusalOf(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return refuse(Unavailable, err, "the pass-through failed: the gateway's log has the cause")
}
