package python

import (
	"fmt"
	"strings"
)

// MaxFilenameLen is the length in bytes of the longest file name accepted: what
// file systems take, less the ".metadata" that is served beside it.
const MaxFilenameLen = 246

// FileKind says what a file is, by the end of its name.
type FileKind uint8

// The kinds of distribution files.
const (
	Wheel FileKind = iota + 1 // .whl
	Sdist                     // .tar.gz, .zip
)

// String is the value of "filetype" in upload forms.
func (k FileKind) String() string {
	switch k {
	case Wheel:
		return "bdist_wheel"
	case Sdist:
		return "sdist"
	default:
		return "unknown"
	}
}

// Filename is what the name of a distribution file says.
type Filename struct {
	Kind    FileKind
	Name    string // normalised
	Version Version
	// Build is the build tag of a wheel, empty for none; Python, ABI and
	// Platform are its tags, each perhaps several with dots between.
	Build, Python, ABI, Platform string
	// Stem is the name of the file without its ending: for a sdist, the name
	// of its one directory.
	Stem string
}

// ParseFilename reads the name of a wheel (PEP 427) or of a source
// distribution (PEP 625, and the older forms in which the project's name holds
// dashes and dots). project, a normalised name, may be empty; given, it tells
// where the name of an old sdist ends.
func ParseFilename(filename, project string) (Filename, error) {
	if len(filename) > MaxFilenameLen {
		return Filename{}, fmt.Errorf("file name of %d bytes is too long: expected at most %d", len(filename), MaxFilenameLen)
	}
	if stem, ok := strings.CutSuffix(filename, ".whl"); ok {
		return parseWheel(filename, stem)
	}
	for _, ext := range [...]string{".tar.gz", ".zip"} {
		if stem, ok := strings.CutSuffix(filename, ext); ok {
			return parseSdist(filename, stem, project)
		}
	}
	return Filename{}, fmt.Errorf("file name %q has no known ending: expected .whl, .tar.gz or .zip", clip(filename))
}

func parseWheel(filename, stem string) (Filename, error) {
	bad := func(what string) (Filename, error) {
		return Filename{}, fmt.Errorf("wheel file name %q has %s: expected {name}-{version}(-{build})-{python}-{abi}-{platform}.whl", clip(filename), what)
	}
	parts := strings.Split(stem, "-")
	if len(parts) != 5 && len(parts) != 6 {
		return bad("the wrong number of parts")
	}
	f := Filename{Kind: Wheel, Stem: stem}
	// PEP 427 escapes '-' as '_'; dots stay in names that older tools made.
	if !ValidName(parts[0]) || strings.Contains(parts[0], "__") {
		return bad("no valid project name")
	}
	f.Name = Normalise(parts[0])
	var err error
	if f.Version, err = ParseVersion(parts[1]); err != nil || trimBlank(parts[1]) != parts[1] {
		return bad("no valid version")
	}
	if len(parts) == 6 {
		f.Build = parts[2]
		if f.Build == "" || !digit(f.Build[0]) || !validTags(f.Build) {
			return bad("a build tag that does not begin with a digit")
		}
	}
	tags := parts[len(parts)-3:]
	f.Python, f.ABI, f.Platform = tags[0], tags[1], tags[2]
	for _, tag := range tags {
		if !validTags(tag) {
			return bad("an invalid tag")
		}
	}
	for py := range strings.SplitSeq(f.Python, ".") {
		if digit(py[0]) {
			return bad("an interpreter that begins with a digit")
		}
	}
	return f, nil
}

// validTags accepts tags with dots between them (PEP 425).
func validTags(s string) bool {
	for tag := range strings.SplitSeq(s, ".") {
		if tag == "" {
			return false
		}
		for i := range len(tag) {
			if !alnum(tag[i]) && tag[i] != '_' {
				return false
			}
		}
	}
	return true
}

func parseSdist(filename, stem, project string) (Filename, error) {
	// A version in PEP 440's normal form has no dash, so the last one ends the
	// name; older files may say "name-1.0-1", where the project decides.
	for end := len(stem); ; {
		end = strings.LastIndexByte(stem[:end], '-')
		if end < 0 {
			break
		}
		name, text := stem[:end], stem[end+1:]
		v, err := ParseVersion(text)
		if err != nil || trimBlank(text) != text || !ValidName(name) {
			if project == "" {
				break
			}
			continue
		}
		if n := Normalise(name); project == "" || n == project {
			return Filename{Kind: Sdist, Name: n, Version: v, Stem: stem}, nil
		}
	}
	if project != "" {
		return Filename{}, fmt.Errorf("source distribution file name %q does not agree with project %s: expected {name}-{version}.tar.gz", clip(filename), clip(project))
	}
	return Filename{}, fmt.Errorf("source distribution file name %q has no valid name and version: expected {name}-{version}.tar.gz", clip(filename))
}
