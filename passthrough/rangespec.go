package passthrough

import (
	"strconv"
	"strings"
)

type rangeState uint8

const (
	rangeNone   rangeState = iota // none that is understood: the whole is served
	rangeOne                      // one range inside the file
	rangeBehind                   // one range, behind the end
)

// parseRange reads the value of a Range header with exactly one range of bytes of
// a file of that size; to is inclusive (RFC 9110 §14.1.2).
func parseRange(s string, size int64) (from, to int64, state rangeState) {
	spec, ok := strings.CutPrefix(s, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !dash {
		return 0, 0, rangeNone
	}
	if first == "" {
		n, err := strconv.ParseInt(last, 10, 64)
		switch {
		case err != nil || n < 0 || last[0] == '+':
			return 0, 0, rangeNone
		case n == 0 || size == 0:
			return 0, 0, rangeBehind
		}
		return max(0, size-n), size - 1, rangeOne
	}
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil || from < 0 || first[0] == '+' {
		return 0, 0, rangeNone
	}
	to = size - 1
	if last != "" {
		if to, err = strconv.ParseInt(last, 10, 64); err != nil || to < from || last[0] == '+' {
			return 0, 0, rangeNone
		}
	}
	if from >= size {
		return 0, 0, rangeBehind
	}
	return from, min(to, size-1), rangeOne
}
