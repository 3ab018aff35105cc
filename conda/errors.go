package conda

import (
	"fmt"
	"unicode/utf8"
)

// InvalidError says what is wrong with something that was handed in: one
// sentence, cause first, with the offending value and what was expected.
type InvalidError struct{ Reason string }

// Error implements error.
func (e *InvalidError) Error() string { return e.Reason }

func invalid(format string, args ...any) error {
	return &InvalidError{Reason: fmt.Sprintf(format, args...)}
}

// clip quotes a value for a sentence, and shortens it: what comes from an archive
// may be of any length and hold any bytes.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return fmt.Sprintf("%+q", s)
	}
	n := most
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return fmt.Sprintf("%+q…", s[:n])
}

var _ error = (*InvalidError)(nil)
