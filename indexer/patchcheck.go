package indexer

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CheckPatch reports in one sentence why instructions cannot be applied, nil when
// they can. What it lets through leaves every index readable: most clients read one
// as a whole, and a single value that they stumble over takes a subdir from them.
func CheckPatch(raw json.RawMessage) error {
	if !utf8.Valid(raw) {
		return errors.New("the patch instructions are not UTF-8: JSON is expected (RFC 8259 §8.1)")
	}
	p, err := parsePatch(raw)
	if err != nil || p == nil {
		return err
	}
	for _, patches := range [...]map[string]fields{p.Packages, p.Conda} {
		for fn, patch := range patches {
			if err := checkFields(fn, patch); err != nil {
				return err
			}
		}
	}
	return nil
}

// patchType is what clients read a field of a record as.
type patchType struct {
	ok       func(json.RawMessage) bool
	null     bool // may be taken away
	expected string
}

var patchTypes = map[string]patchType{
	"depends":                   {isTexts, false, "a list of strings"},
	"constrains":                {isTexts, true, "a list of strings"},
	"flags":                     {isTexts, true, "a list of strings"},
	"purls":                     {isPurls, true, "a list of strings as pkg:<type>/<name>"},
	"run_exports":               {isLists, false, "an object of lists of strings"},
	"extra_depends":             {isLists, true, "an object of lists of strings"},
	"build_number":              {upTo(math.MaxInt64), false, "a number"},
	"legacy_bz2_size":           {upTo(math.MaxInt64), true, "a number"},
	"timestamp":                 {upTo(lastTimestamp), true, "a number, of milliseconds since 1970,"},
	"arch":                      {isText, true, "a string"},
	"features":                  {isText, true, "a string"},
	"license":                   {isText, true, "a string"},
	"license_family":            {isText, true, "a string"},
	"platform":                  {isText, true, "a string"},
	"python_site_packages_path": {isText, true, "a string"},
	"track_features":            {isText, true, "a string"},
	"legacy_bz2_md5":            {isMD5, true, "an MD5 in hexadecimal"},
	"noarch":                    {isNoarch, true, `"generic" or "python"`},
}

// lastTimestamp is the end of the year 9999, in milliseconds.
const lastTimestamp = 253402300799999

func isText(raw json.RawMessage) bool {
	var s *string
	return json.Unmarshal(raw, &s) == nil && s != nil
}

func isTexts(raw json.RawMessage) bool {
	var list []*string // a null in it would pass for an empty string
	return json.Unmarshal(raw, &list) == nil && list != nil && !slices.Contains(list, nil)
}

func isLists(raw json.RawMessage) bool {
	var lists fields
	if json.Unmarshal(raw, &lists) != nil || lists == nil {
		return false
	}
	for _, list := range lists {
		if !isTexts(list) {
			return false
		}
	}
	return true
}

func isPurls(raw json.RawMessage) bool {
	var list []string
	return isTexts(raw) && json.Unmarshal(raw, &list) == nil && !slices.ContainsFunc(list, func(s string) bool {
		kind, name, ok := strings.Cut(strings.TrimPrefix(s, "pkg:"), "/")
		return !ok || kind == "" || name == "" || !strings.HasPrefix(s, "pkg:")
	})
}

func isMD5(raw json.RawMessage) bool {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return false
	}
	sum, err := hex.DecodeString(s)
	return err == nil && len(sum) == 16
}

func isNoarch(raw json.RawMessage) bool {
	return string(raw) == `"generic"` || string(raw) == `"python"`
}

func upTo(most int64) func(json.RawMessage) bool {
	return func(raw json.RawMessage) bool {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		return err == nil && n >= 0 && n <= most
	}
}

// checkFields refuses values that would make an index unreadable.
func checkFields(fn string, patch fields) error {
	if !strings.HasSuffix(fn, extBz2) && !strings.HasSuffix(fn, extConda) {
		return fmt.Errorf("the patch instructions name %q: a file name that ends in %s or %s is expected", fn, extConda, extBz2)
	}
	for _, key := range slices.Sorted(maps.Keys(patch)) {
		value := patch[key]
		if !isPlain(value) {
			return fmt.Errorf("the patch of %s sets %q to %.100s: a value is expected that every reader of JSON can hold, "+
				"at most %d levels deep, in numbers of 64 bits and whole characters", fn, key, value, maxPatchDepth)
		}
		want, ok := patchTypes[key]
		null := string(value) == "null"
		if ok && (null && !want.null || !null && !want.ok(value)) {
			return fmt.Errorf("the patch of %s sets %s to %.100s: %s is expected", fn, key, value, want.expected)
		}
	}
	return nil
}

// maxPatchDepth is how deep a value may nest. serde_json stops at 128 levels of a
// whole document, Python at some thousand.
const maxPatchDepth = 64

// isPlain reports whether a value, which is JSON, is some that every reader takes:
// simdjson, which libmamba reads with, fails for larger numbers, Python for longer
// ones, and serde_json for one half of a surrogate pair.
func isPlain(raw json.RawMessage) bool {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	for depth := 0; ; {
		t, err := dec.Token()
		if err != nil {
			return true // the end: the value was read once
		}
		switch t := t.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				depth++
			} else {
				depth--
			}
			if depth > maxPatchDepth {
				return false
			}
		case json.Number:
			if !isSmall(t.String()) {
				return false
			}
		case string:
			if strings.ContainsRune(t, utf8.RuneError) && !bytes.ContainsRune(raw, utf8.RuneError) {
				return false
			}
		}
	}
}

func isSmall(number string) bool {
	_, err := strconv.ParseInt(number, 10, 64)
	if strings.ContainsAny(number, ".eE") {
		_, err = strconv.ParseFloat(number, 64)
	}
	return err == nil
}
