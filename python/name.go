package python

import "strings"

// MaxNameLen is the length in bytes of the longest project name accepted. The
// standards state none; no file system takes longer file names than 255, and
// the name is only one part of them.
const MaxNameLen = 200

// ValidName reports whether name may name a project: ASCII letters, digits,
// '.', '-' and '_', beginning and ending with a letter or digit (PEP 508), at
// most MaxNameLen bytes.
func ValidName(name string) bool {
	if name == "" || len(name) > MaxNameLen || !alnum(name[0]) || !alnum(name[len(name)-1]) {
		return false
	}
	for i := range len(name) {
		if !alnum(name[i]) && !separator(name[i]) {
			return false
		}
	}
	return true
}

// Normalise returns the form of name by which projects are compared and
// addressed (PEP 503): lower case, with every run of '-', '_' and '.' replaced
// by one '-'. It accepts any string; ValidName says whether it was a name.
func Normalise(name string) string {
	if Normalised(name) {
		return name
	}
	var b strings.Builder
	b.Grow(len(name))
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case separator(c):
			for i+1 < len(name) && separator(name[i+1]) {
				i++
			}
			b.WriteByte('-')
		case c >= 'A' && c <= 'Z':
			b.WriteByte(c + 'a' - 'A')
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Normalised reports whether Normalise would return name as it is.
func Normalised(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c == '_' || c == '.' || c >= 'A' && c <= 'Z' || c == '-' && i > 0 && name[i-1] == '-' {
			return false
		}
	}
	return true
}

func alnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z'
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func separator(c byte) bool { return c == '-' || c == '_' || c == '.' }
