package caddymodule

import (
	"encoding/base64"
	"strings"
)

const (
	shownOfKey = 7  // characters after the prefix that a mask shows, as everywhere else
	keyBody    = 50 // base62 characters after "sk-" or "pk-"
	keyBase64  = 67 // characters of base64 that tell of keyBody bytes, wherever they begin
)

const mask = "****"

// redact masks what has the shape of a key (sk- or pk- and 50 base62 characters), as
// it is or in base64, Basic credentials, and whatever stands in a /t/<key>/ path or in
// a query as token or auth. Any character of these may be percent-encoded, once or more:
// a log has paths as they were sent, and a key is read from them decoded. It returns b
// itself when there is nothing to mask; a mask is always shorter than what it covers.
func redact(b []byte) []byte {
	var out []byte
	kept := 0             // everything before it is in out
	start, length := 0, 0 // of the run of base62 characters that i is in
	hide := func(from, to int) int {
		out = append(append(out, b[kept:from]...), mask...)
		kept, length = to, 0
		return to
	}
	for i := 0; i < len(b); {
		c, width := char(b[i:])
		from, to := 0, 0
		if isBase62(c) {
			if length == 0 {
				start = i
			}
			length++
			switch c {
			case 's', 'p', 'S', 'P':
				from, to = findKey(b, i)
			case 'b', 'B':
				from, to = findBasic(b, i)
			}
		} else {
			if length >= keyBase64 && holdsKey(b[start:i]) {
				hide(afterEscape(b, start), i)
			}
			length = 0
			switch c {
			case '/':
				from, to = findPathKey(b, i)
			case '?', '&':
				from, to = findQueryKey(b, i+width)
			}
		}
		if to == 0 {
			i += width
			continue
		}
		i = hide(from, to)
	}
	if length >= keyBase64 && holdsKey(b[start:]) {
		hide(afterEscape(b, start), len(b))
	}
	if kept == 0 {
		return b
	}
	return append(out, b[kept:]...)
}

// afterEscape is where a run begins behind what belongs to a backslash before it: JSON
// with half an escape could not be read.
func afterEscape(b []byte, start int) int {
	switch {
	case start == 0 || b[start-1] != '\\':
		return start
	case b[start] == 'u':
		return start + len("u001f")
	}
	return start + 1
}

// char reads the first character of b, and how many bytes it takes: one, or those of
// its percent-encoding (RFC 3986 §2.1), whose own characters may be encoded in turn.
func char(b []byte) (c byte, width int) { return nested(b, 3) }

// nested is char, where characters of an encoding are encoded up to depth times.
func nested(b []byte, depth int) (c byte, width int) {
	c, width = b[0], 1
	for c == '%' && depth > 0 && width+2 <= len(b) {
		high, w1 := nested(b[width:], depth-1)
		if width+w1 == len(b) || hexDigit(high) < 0 {
			break
		}
		low, w2 := nested(b[width+w1:], depth-1)
		if hexDigit(low) < 0 {
			break
		}
		c, width = byte(hexDigit(high)<<4|hexDigit(low)), width+w1+w2
	}
	return c, width
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// past is where text ends that stands at i, in letters of any case; false where
// something else does.
func past(b []byte, i int, text string) (end int, ok bool) {
	for k := range len(text) {
		if i >= len(b) {
			return 0, false
		}
		c, width := char(b[i:])
		if c != text[k] && (c < 'A' || c > 'Z' || c|0x20 != text[k]) {
			return 0, false
		}
		i += width
	}
	return i, true
}

// run is where the run of characters of a kind ends that begins at i, and how many
// they are.
func run(b []byte, i int, kind func(byte) bool) (end, length int) {
	for i < len(b) {
		c, width := char(b[i:])
		if !kind(c) {
			break
		}
		i += width
		length++
	}
	return i, length
}

// findKey finds the secret part of a key that begins at i; to is 0 for none.
func findKey(b []byte, i int) (from, to int) {
	_, width := char(b[i:])
	from, ok := past(b, i+width, "k-")
	if !ok {
		return 0, 0
	}
	to, length := run(b, from, isBase62)
	if length < keyBody {
		return 0, 0
	}
	for range shownOfKey {
		_, width = char(b[from:])
		from += width
	}
	return from, to
}

// holdsKey reports whether base62 characters are, or end, a key in base64. Neither
// alphabet's two further characters are in what tells of a key itself: a run of others
// may begin anywhere in it, so all four beginnings are tried.
func holdsKey(encoded []byte) bool {
	plain := make([]byte, 0, len(encoded))
	for i := 0; i < len(encoded); {
		c, width := char(encoded[i:])
		plain, i = append(plain, c), i+width
	}
	decoded := make([]byte, base64.RawStdEncoding.DecodedLen(len(plain)))
	for skip := range 4 {
		text := plain[skip:]
		if len(text)%4 == 1 {
			text = text[:len(text)-1]
		}
		n, _ := base64.RawStdEncoding.Decode(decoded, text)
		for i := range n {
			if decoded[i]|0x20 == 's' || decoded[i]|0x20 == 'p' {
				if _, to := findKey(decoded[:n], i); to > 0 {
					return true
				}
			}
		}
	}
	return false
}

// findPathKey finds what stands where a path has a key.
func findPathKey(b []byte, i int) (from, to int) {
	from, ok := past(b, i, "/t/")
	if !ok {
		return 0, 0
	}
	return longer(b, from, `/"' ?\,`)
}

// findQueryKey finds a credential in a URL's query, where none is taken, of whatever
// form it is: its owner may have it somewhere else.
func findQueryKey(b []byte, i int) (from, to int) {
	for _, name := range [...]string{"token=", "auth="} {
		if from, ok := past(b, i, name); ok {
			return longer(b, from, `&"' \`)
		}
	}
	return 0, 0
}

// longer is what stands from there up to one of the bytes that end it; nothing where
// a mask would be no shorter.
func longer(b []byte, from int, ends string) (_, to int) {
	for to = from; to < len(b) && strings.IndexByte(ends, b[to]) < 0; to++ {
	}
	if to-from <= len(mask) {
		return 0, 0 // too short to be a key
	}
	return from, to
}

// findBasic finds a Basic credential (RFC 7617), which holds a password in base64.
func findBasic(b []byte, i int) (from, to int) {
	from, ok := past(b, i, "basic ")
	if !ok {
		return 0, 0
	}
	from, _ = run(b, from, func(c byte) bool { return c == ' ' })
	to, length := run(b, from, func(c byte) bool {
		return isBase62(c) || c == '+' || c == '/' || c == '-' || c == '_' || c == '='
	})
	if length < keyBody {
		return 0, 0 // the word in a text
	}
	return from, to
}

func isBase62(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
