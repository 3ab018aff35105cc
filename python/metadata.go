package python

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Metadata is core metadata of a distribution (METADATA, PKG-INFO), checked.
// Its JSON form uses the keys of PEP 566.
type Metadata struct {
	MetadataVersion        string   `json:"metadata_version"`
	Name                   string   `json:"name"`
	Version                string   `json:"version"`
	Dynamic                []string `json:"dynamic,omitempty"`
	Platform               []string `json:"platform,omitempty"`
	SupportedPlatform      []string `json:"supported_platform,omitempty"`
	Summary                string   `json:"summary,omitempty"`
	Description            string   `json:"description,omitempty"`
	DescriptionContentType string   `json:"description_content_type,omitempty"`
	Keywords               string   `json:"keywords,omitempty"`
	HomePage               string   `json:"home_page,omitempty"`
	DownloadURL            string   `json:"download_url,omitempty"`
	Author                 string   `json:"author,omitempty"`
	AuthorEmail            string   `json:"author_email,omitempty"`
	Maintainer             string   `json:"maintainer,omitempty"`
	MaintainerEmail        string   `json:"maintainer_email,omitempty"`
	License                string   `json:"license,omitempty"`
	LicenseExpression      string   `json:"license_expression,omitempty"`
	LicenseFile            []string `json:"license_file,omitempty"`
	Classifier             []string `json:"classifier,omitempty"`
	RequiresDist           []string `json:"requires_dist,omitempty"`
	ProvidesExtra          []string `json:"provides_extra,omitempty"`
	RequiresPython         string   `json:"requires_python,omitempty"`
	RequiresExternal       []string `json:"requires_external,omitempty"`
	ProjectURL             []string `json:"project_url,omitempty"`
	ProvidesDist           []string `json:"provides_dist,omitempty"`
	ObsoletesDist          []string `json:"obsoletes_dist,omitempty"`
	Requires               []string `json:"requires,omitempty"`
	Provides               []string `json:"provides,omitempty"`
	Obsoletes              []string `json:"obsoletes,omitempty"`
	ImportName             []string `json:"import_name,omitempty"`
	ImportNamespace        []string `json:"import_namespace,omitempty"`
}

// metadataVersion reports whether metadata of that version can be read, and
// whether its paths of licences are standardised (2.4, PEP 639). Of a minor
// version that is newer than this code, the fields it knows mean the same.
func metadataVersion(s string) (known, licences bool) {
	switch s {
	case "1.0", "1.1", "1.2":
		return true, false
	}
	minor, ok := strings.CutPrefix(s, "2.")
	n, err := strconv.ParseUint(minor, 10, 8)
	return ok && err == nil && minor == strconv.FormatUint(n, 10), n >= 4
}

// field is where the value of a header goes: one or many.
type field struct {
	one  *string
	many *[]string
}

func (m *Metadata) fields() map[string]field {
	one := func(s *string) field { return field{one: s} }
	many := func(s *[]string) field { return field{many: s} }
	return map[string]field{
		"metadata-version": one(&m.MetadataVersion), "name": one(&m.Name), "version": one(&m.Version),
		"dynamic": many(&m.Dynamic), "platform": many(&m.Platform),
		"supported-platform": many(&m.SupportedPlatform), "summary": one(&m.Summary),
		"description": one(&m.Description), "description-content-type": one(&m.DescriptionContentType),
		"keywords": one(&m.Keywords), "home-page": one(&m.HomePage), "download-url": one(&m.DownloadURL),
		"author": one(&m.Author), "author-email": one(&m.AuthorEmail),
		"maintainer": one(&m.Maintainer), "maintainer-email": one(&m.MaintainerEmail),
		"license": one(&m.License), "license-expression": one(&m.LicenseExpression),
		"license-file": many(&m.LicenseFile), "classifier": many(&m.Classifier),
		"requires-dist": many(&m.RequiresDist), "provides-extra": many(&m.ProvidesExtra),
		"requires-python": one(&m.RequiresPython), "requires-external": many(&m.RequiresExternal),
		"project-url": many(&m.ProjectURL), "provides-dist": many(&m.ProvidesDist),
		"obsoletes-dist": many(&m.ObsoletesDist), "requires": many(&m.Requires),
		"provides": many(&m.Provides), "obsoletes": many(&m.Obsoletes),
		"import-name": many(&m.ImportName), "import-namespace": many(&m.ImportNamespace),
	}
}

// maxHeaders is the number of header lines in core metadata.
const maxHeaders = 20_000

// ParseMetadata reads and checks core metadata: header lines as in RFC 822, of
// which a line that begins with a blank continues the one before, then an empty
// line and the description. Fields that core metadata does not know are passed
// over. Errors are *InvalidError.
func ParseMetadata(raw []byte) (*Metadata, error) {
	if !utf8.Valid(raw) {
		return nil, invalid("metadata is not UTF-8")
	}
	if bytes.HasPrefix(raw, []byte("\ufeff")) {
		// Installers take it for a part of the first field, and the fields for text.
		return nil, invalid("metadata begins with a byte order mark: expected Metadata-Version")
	}
	m := &Metadata{}
	fields := m.fields()
	seen := map[string]bool{}
	rest := raw
	for count := 0; len(rest) > 0; count++ {
		if count == maxHeaders {
			return nil, invalid("metadata has more than %d fields", maxHeaders)
		}
		line, after := cutLine(rest)
		rest = after
		if len(line) == 0 {
			// Everything else is the description.
			if len(bytes.TrimSpace(rest)) > 0 {
				if m.Description != "" {
					return nil, invalid("metadata has two descriptions: one field and one below the fields")
				}
				m.Description = string(rest)
			}
			break
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found || !validHeader(name) {
			return nil, invalid("metadata has the line %q: expected Field: value", clip(string(line)))
		}
		var b strings.Builder
		b.Write(bytes.TrimSpace(value))
		for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
			line, rest = cutLine(rest)
			b.WriteByte('\n')
			b.Write(line)
		}
		text := b.String()
		if strings.ContainsAny(text, "\r\x00") {
			return nil, invalid("metadata field %s holds a control character", clip(string(name)))
		}
		key := strings.ToLower(string(name))
		switch f := fields[key]; {
		case f.one != nil:
			if seen[key] {
				return nil, invalid("metadata field %s is there twice", clip(string(name)))
			}
			seen[key] = true
			*f.one = text
		case f.many != nil:
			*f.many = append(*f.many, text)
		}
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

// cutLine splits after the first line end, \n or \r\n.
func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest
}

func validHeader(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(name) > 0
}

func (m *Metadata) check() error {
	known, licences := metadataVersion(m.MetadataVersion)
	if !known {
		return invalid("Metadata-Version is %q: expected 1.0, 1.1, 1.2 or 2.x", clip(m.MetadataVersion))
	}
	if !ValidName(m.Name) {
		return invalid("metadata has the Name %q: expected ASCII letters, digits, '.', '-' and '_' with a letter or digit at both ends", clip(m.Name))
	}
	if _, err := ParseVersion(m.Version); err != nil {
		return invalid("metadata has the Version %q: expected one as in PEP 440", clip(m.Version))
	}
	if _, err := ParseSpecifiers(m.RequiresPython); err != nil {
		return invalid("metadata has the Requires-Python %q: expected a specifier as in PEP 440, such as >=3.9", clip(m.RequiresPython))
	}
	if strings.Contains(m.Summary, "\n") {
		return invalid("metadata has a Summary of several lines: expected one")
	}
	for _, r := range m.RequiresDist {
		if _, err := ParseRequirement(r); err != nil {
			return invalid("metadata has the Requires-Dist %q: expected a requirement as in PEP 508", clip(r))
		}
	}
	for _, e := range m.ProvidesExtra {
		if !ValidName(e) {
			return invalid("metadata has the Provides-Extra %q: expected a name", clip(e))
		}
	}
	fields := m.fields()
	for _, d := range m.Dynamic {
		key := strings.ToLower(d)
		if _, known := fields[key]; !known || key == "name" || key == "version" || key == "metadata-version" {
			return invalid("metadata has Dynamic %q: expected the name of another field", clip(d))
		}
	}
	for _, p := range m.LicenseFile {
		if licences && (!safePath(p) || strings.Contains(p, "*")) {
			return invalid("metadata has the License-File %q: expected a path inside the archive", clip(p))
		}
	}
	return checkContentType(m.DescriptionContentType)
}

func checkContentType(s string) error {
	if s == "" || s == "UNKNOWN" { // what setuptools wrote for nothing
		return nil
	}
	kind, params, _ := strings.Cut(strings.ToLower(s), ";")
	switch strings.TrimSpace(kind) {
	case "text/plain", "text/x-rst", "text/markdown":
	default:
		return invalid("metadata has the Description-Content-Type %q: expected text/plain, text/x-rst or text/markdown", clip(s))
	}
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		if v = strings.Trim(strings.TrimSpace(v), `"`); strings.TrimSpace(k) == "charset" && v != "utf-8" {
			return invalid("metadata has a description in charset %q: expected UTF-8", clip(v))
		}
	}
	return nil
}

// InvalidError says that input is not what it must be. Its text is one
// sentence for the person who sent it.
type InvalidError struct{ Reason string }

// Error is the sentence.
func (e *InvalidError) Error() string { return e.Reason }

func invalid(format string, args ...any) error {
	return &InvalidError{Reason: fmt.Sprintf(format, args...)}
}
