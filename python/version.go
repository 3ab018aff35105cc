package python

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// MaxVersionLen is the length in bytes of the longest version accepted.
const MaxVersionLen = 256

// Version is a version as PEP 440 defines it. Numbers may have any length. The
// zero Version is not a version; it sorts before every other.
type Version struct {
	epoch   number
	release []number
	pre     number // valid when preKind is set
	post    number
	dev     number
	local   []localPart
	preKind byte // 'a', 'b', 'c' (rc), or 0 for none
	hasPost bool
	hasDev  bool
}

// number is a natural number in decimal without leading zeros; zero is "".
type number string

// localPart is one part of a local version: a number, or else a word.
type localPart struct {
	word   string // lower case; empty for a number
	number number
}

// ParseVersion reads a version, in the normal form or any other that PEP 440
// permits: "v1.0", "1.0-ALPHA.1", "1.0-1" (a post-release), blanks around it.
func ParseVersion(s string) (Version, error) {
	if len(s) > MaxVersionLen {
		return Version{}, fmt.Errorf("version of %d bytes is too long: expected at most %d", len(s), MaxVersionLen)
	}
	v, ok := scanVersion(strings.ToLower(trimBlank(s)))
	if !ok {
		return Version{}, fmt.Errorf("version %q is not a version: expected one as in PEP 440, such as 1.2.3 or 1.0rc1", clip(s))
	}
	return v, nil
}

// CanonicalVersion is the canonical form of s, or s itself when it is no
// version.
func CanonicalVersion(s string) string {
	v, err := ParseVersion(s)
	if err != nil {
		return s
	}
	return v.String()
}

// String is the canonical form, with all zeros of the release kept.
func (v Version) String() string {
	if v.release == nil {
		return ""
	}
	b := make([]byte, 0, 32)
	b = v.appendPublic(b)
	for i, p := range v.local {
		b = append(b, "+."[min(i, 1)])
		if p.word != "" {
			b = append(b, p.word...)
		} else {
			b = p.number.append(b)
		}
	}
	return string(b)
}

// Public is the canonical form without the local part.
func (v Version) Public() string {
	v.local = nil
	return v.String()
}

// IsZero reports whether v is the zero Version.
func (v Version) IsZero() bool { return v.release == nil }

// IsPrerelease reports whether v is a pre-release or a development release.
func (v Version) IsPrerelease() bool { return v.preKind != 0 || v.hasDev }

// IsPostrelease reports whether v is a post-release.
func (v Version) IsPostrelease() bool { return v.hasPost }

// HasLocal reports whether v has a local part.
func (v Version) HasLocal() bool { return len(v.local) > 0 }

// Compare orders versions as PEP 440 says: negative when v is older than w,
// zero when they are equal, which "1.0" and "1" are.
func (v Version) Compare(w Version) int {
	if v.release == nil || w.release == nil {
		return cmp.Compare(min(len(v.release), 1), min(len(w.release), 1))
	}
	return cmp.Or(v.comparePublic(w), slices.CompareFunc(v.local, w.local, localPart.compare))
}

func (v Version) comparePublic(w Version) int {
	if c := v.epoch.compare(w.epoch); c != 0 {
		return c
	}
	if c := compareRelease(v.release, w.release); c != 0 {
		return c
	}
	vs, ws := v.stage(), w.stage()
	if c := cmp.Compare(vs, ws); c != 0 {
		return c
	}
	if v.preKind != 0 {
		if c := v.pre.compare(w.pre); c != 0 {
			return c
		}
	}
	// No post part is before every post part; no dev part after every one.
	if v.hasPost != w.hasPost {
		return bool2int(v.hasPost) - bool2int(w.hasPost)
	}
	if c := v.post.compare(w.post); c != 0 {
		return c
	}
	if v.hasDev != w.hasDev {
		return bool2int(w.hasDev) - bool2int(v.hasDev)
	}
	return v.dev.compare(w.dev)
}

// stage ranks what follows the release: a bare development release comes
// before every pre-release, and those before the release and its posts.
func (v Version) stage() byte {
	switch {
	case v.preKind != 0:
		return v.preKind
	case v.hasDev && !v.hasPost:
		return 0
	default:
		return 'z'
	}
}

func (v Version) appendPublic(b []byte) []byte {
	if v.epoch != "" {
		b = append(b, v.epoch...)
		b = append(b, '!')
	}
	for i, n := range v.release {
		if i > 0 {
			b = append(b, '.')
		}
		b = n.append(b)
	}
	switch v.preKind {
	case 0:
	case 'c':
		b = v.pre.append(append(b, "rc"...))
	default:
		b = v.pre.append(append(b, v.preKind))
	}
	if v.hasPost {
		b = v.post.append(append(b, ".post"...))
	}
	if v.hasDev {
		b = v.dev.append(append(b, ".dev"...))
	}
	return b
}

// compareRelease compares as if the shorter one were padded with zeros.
func compareRelease(a, b []number) int {
	for i := range max(len(a), len(b)) {
		var x, y number
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if c := x.compare(y); c != 0 {
			return c
		}
	}
	return 0
}

func (n number) compare(m number) int {
	return cmp.Or(cmp.Compare(len(n), len(m)), cmp.Compare(n, m))
}

func (n number) append(b []byte) []byte {
	if n == "" {
		return append(b, '0')
	}
	return append(b, n...)
}

// compare puts words before numbers, words in order of their bytes.
func (p localPart) compare(q localPart) int {
	if (p.word == "") != (q.word == "") {
		return bool2int(p.word == "") - bool2int(q.word == "")
	}
	return cmp.Or(cmp.Compare(p.word, q.word), p.number.compare(q.number))
}

func bool2int(b bool) int {
	if b {
		return 1
	}
	return 0
}

// blank is what Python's str.isspace holds for: white space as Unicode has it,
// and four separators of ASCII.
func blank(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// trimBlank is Python's str.strip.
func trimBlank(s string) string { return strings.TrimFunc(s, blank) }

// clip shortens a value for an error message.
func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
