package conda

import "strings"

// Lengths in bytes that CEP 26 permits.
const (
	maxPart     = 64  // of a name, a version or a build
	maxFilename = 211 // of a whole file name
)

// Filename is the name of a package's file, <name>-<version>-<build><ext> (CEP 26).
type Filename struct {
	Name, Version, Build string
	Ext                  string // ".conda" or ".tar.bz2"
}

// extensions are the two formats of packages.
var extensions = [...]string{".conda", ".tar.bz2"}

// ParseFilename splits the name of a package's file and checks each part as
// CEP 26 and CEP 33 say. Neither a version nor a build can hold a hyphen, so the
// split, which is made from the right, has one outcome. The error is an
// [*InvalidError].
func ParseFilename(s string) (Filename, error) {
	if len(s) > maxFilename {
		return Filename{}, invalid("the file name %s has %d bytes: at most %d are expected", clip(s), len(s), maxFilename)
	}
	f := Filename{}
	for _, ext := range extensions {
		if strings.HasSuffix(s, ext) {
			f.Ext = ext
		}
	}
	if f.Ext == "" {
		return Filename{}, invalid("%s is no file name of a package: one ending in .conda or .tar.bz2 is expected", clip(s))
	}
	stem := s[:len(s)-len(f.Ext)]
	build := strings.LastIndexByte(stem, '-')
	version := strings.LastIndexByte(stem[:max(build, 0)], '-')
	if version < 0 {
		return Filename{}, invalid("%s is no file name of a package: <name>-<version>-<build>%s is expected", clip(s), f.Ext)
	}
	f.Name, f.Version, f.Build = stem[:version], stem[version+1:build], stem[build+1:]
	if err := f.check(); err != nil {
		return Filename{}, err
	}
	return f, nil
}

func (f Filename) check() error {
	if err := checkName(f.Name); err != nil {
		return err
	}
	if err := checkVersion(f.Version); err != nil {
		return err
	}
	return checkBuild(f.Build)
}

// String is the file name.
func (f Filename) String() string { return f.stem() + f.Ext }

// stem is the file name without its extension: a distribution string.
func (f Filename) stem() string { return f.Name + "-" + f.Version + "-" + f.Build }

// checkName checks the name of a package that can be distributed: virtual ones
// begin with two underscores.
func checkName(s string) error {
	if s == "" || len(s) > maxPart {
		return invalid("the package name %s has %d bytes: 1 to %d are expected", clip(s), len(s), maxPart)
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case isLower(c) || isDigit(c):
		case c != '.' && c != '-' && c != '_':
			return invalid("the package name %s is not valid: only a-z, 0-9, '-', '_' and '.' are expected (CEP 26)", clip(s))
		case i == 0 && c != '_':
			return invalid("the package name %s is not valid: it is expected to begin with a letter, a digit or one underscore (CEP 26)", clip(s))
		case i > 0 && isSeparator(s[i-1]):
			return invalid("the package name %s is not valid: two separators follow each other (CEP 26)", clip(s))
		}
	}
	return nil
}

func checkVersion(s string) error {
	if s == "" || len(s) > maxPart {
		return invalid("the version %s has %d bytes: 1 to %d are expected", clip(s), len(s), maxPart)
	}
	for i := range len(s) {
		if c := s[i]; !isLower(c) && !isDigit(c) && c != '.' && c != '_' && c != '+' && c != '!' {
			return invalid("the version %s is not valid: only a-z, 0-9, '.', '_', '+' and '!' are expected (CEP 26)", clip(s))
		}
	}
	_, err := ParseVersion(s)
	return err
}

func checkBuild(s string) error {
	if s == "" || len(s) > maxPart {
		return invalid("the build %s has %d bytes: 1 to %d are expected", clip(s), len(s), maxPart)
	}
	for i := range len(s) {
		if c := s[i]; !isLower(c|0x20) && !isDigit(c) && c != '.' && c != '_' && c != '+' {
			return invalid("the build %s is not valid: only letters, digits, '.', '_' and '+' are expected (CEP 26)", clip(s))
		}
	}
	return nil
}

func isLower(c byte) bool     { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool     { return '0' <= c && c <= '9' }
func isSeparator(c byte) bool { return c == '.' || c == '-' || c == '_' }
