package conda

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// maxDepth is how deep the metadata of a package may nest: far deeper than any
// does, and no danger to whoever reads it after us.
const maxDepth = 64

// object splits a JSON object into its members, whose values stay as they came.
// One reading only: UTF-8, no key twice, nothing behind the end.
func object(raw []byte, what string) (map[string]json.RawMessage, error) {
	switch {
	case !utf8.Valid(raw):
		return nil, invalid("%s is not UTF-8", what)
	case depth(raw) > maxDepth:
		return nil, invalid("%s nests deeper than %d levels", what, maxDepth)
	case !json.Valid(raw):
		return nil, invalid("%s is not valid JSON", what)
	}
	members := map[string]json.RawMessage{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	err := eachMember(dec, func(key string) error {
		if _, twice := members[key]; twice {
			return invalid("%s has the key %s twice", what, clip(key))
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		members[key] = value
		return nil
	})
	if errors.Is(err, errNoObject) {
		return nil, invalid("%s is no JSON object", what)
	}
	return members, err
}

var errNoObject = errors.New("no JSON object")

// eachMember calls fn at each member of the object that comes next in dec; fn
// reads the value.
func eachMember(dec *json.Decoder, fn func(key string) error) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return errNoObject
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return errNoObject
		}
		if err := fn(key); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// atEnd reports whether dec has nothing more to read.
func atEnd(dec *json.Decoder) bool {
	_, err := dec.Token()
	return err == io.EOF
}

// depth is how deep arrays and objects nest in b, which need not be valid: it is
// asked before anything that could be hurt by it.
func depth(b []byte) int {
	open, most := 0, 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			open++
			most = max(most, open)
		case '}', ']':
			open--
		}
	}
	return most
}

// isNull reports whether a member is absent or null, which mean the same.
func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// stringOf decodes a string, and reports whether the value is one.
func stringOf(raw json.RawMessage) (s string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// stringsOf decodes a list of strings, and reports whether the value is one.
func stringsOf(raw json.RawMessage) ([]string, bool) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, false
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return nil, false
	}
	list := make([]string, len(items))
	for i, item := range items {
		s, ok := stringOf(item)
		if !ok {
			return nil, false
		}
		list[i] = s
	}
	return list, true
}

// appendString appends s as JSON, in raw UTF-8: only what has to be escaped is.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			if c < 0x20 {
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else {
				b = append(b, c)
			}
		}
	}
	return append(b, '"')
}

func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}
