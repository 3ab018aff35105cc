package python

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Group encoders: one file a line, so that a page can be read and compared.

func encodeFiles(g *group[*entry]) {
	var j, h []byte
	for i, e := range g.items {
		if i > 0 {
			j = append(j, ',')
		}
		j = appendFileJSON(append(j, '\n'), e.File)
		h = appendFileHTML(append(h, '\n'), e.File)
	}
	g.json, g.html = newSegment(j), newSegment(h)
}

func encodeVersions(g *group[string]) {
	var j []byte
	for i, v := range g.items {
		if i > 0 {
			j = append(j, ',')
		}
		j = appendString(j, v)
	}
	g.json = newSegment(j)
}

// Marks between groups.
var (
	commaJSON = newMark(",")
	filesJSON = newMark("],\"files\":[")
	tailJSON  = newMark("\n]}\n")
	tailHTML  = newMark("\n</body>\n</html>\n")
)

func joinJSON(p *Page, versions []group[string], files []group[*entry]) *document {
	parts := make([]*segment, 0, 2*(len(versions)+len(files))+3)
	parts = append(parts, newMark(string(headJSON(p))))
	parts = appendGroups(parts, versions)
	parts = append(parts, filesJSON)
	parts = appendGroups(parts, files)
	return newDocument(append(parts, tailJSON))
}

func appendGroups[T comparable](parts []*segment, groups []group[T]) []*segment {
	for i := range groups {
		if i > 0 {
			parts = append(parts, commaJSON)
		}
		parts = append(parts, groups[i].json)
	}
	return parts
}

func joinHTML(p *Page, files []group[*entry]) *document {
	parts := make([]*segment, 0, len(files)+2)
	parts = append(parts, newMark(string(headHTML(p))))
	for i := range files {
		parts = append(parts, files[i].html)
	}
	return newDocument(append(parts, tailHTML))
}

// headJSON is the page up to the list of versions.
func headJSON(p *Page) []byte {
	b := append([]byte(nil), `{"meta":{"api-version":"`+APIVersion+`"`...)
	b = appendExtra(b, p.Meta)
	b = appendString(append(b, `},"name":`...), p.Name)
	if p.Status.Status != "" {
		b = appendString(append(b, `,"project-status":{"status":`...), p.Status.Status)
		if p.Status.Reason != "" {
			b = appendString(append(b, `,"reason":`...), p.Status.Reason)
		}
		b = append(b, '}')
	}
	b = appendExtra(b, p.Extra)
	return append(b, `,"versions":[`...)
}

func headHTML(p *Page) []byte {
	b := append([]byte(nil), "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"+
		"<meta name=\"pypi:repository-version\" content=\""+APIVersion+"\">\n"...)
	if p.Status.Status != "" {
		b = appendMeta(b, "pypi:project-status", p.Status.Status)
		if p.Status.Reason != "" {
			b = appendMeta(b, "pypi:project-status-reason", p.Status.Reason)
		}
	}
	b = appendEscaped(append(b, "<title>Links for "...), p.Name)
	b = appendEscaped(append(b, "</title>\n</head>\n<body>\n<h1>Links for "...), p.Name)
	return append(b, "</h1>"...)
}

func appendMeta(b []byte, name, content string) []byte {
	b = append(b, `<meta name="`...)
	b = append(b, name...)
	b = appendEscaped(append(b, `" content="`...), content)
	return append(b, "\">\n"...)
}

func appendFileJSON(b []byte, f *File) []byte {
	b = appendString(append(b, `{"filename":`...), f.Filename)
	b = appendString(append(b, `,"url":`...), f.URL)
	b = appendHashes(append(b, `,"hashes":`...), f.Hashes)
	if f.RequiresPython != "" {
		b = appendString(append(b, `,"requires-python":`...), f.RequiresPython)
	}
	if f.Size > 0 {
		b = strconv.AppendInt(append(b, `,"size":`...), f.Size, 10)
	}
	if !f.UploadTime.IsZero() {
		b = append(b, `,"upload-time":"`...)
		b = append(appendTime(b, f.UploadTime), '"')
	}
	if f.Yanked {
		if f.YankedReason != "" {
			b = appendString(append(b, `,"yanked":`...), f.YankedReason)
		} else {
			b = append(b, `,"yanked":true`...)
		}
	} else {
		b = append(b, `,"yanked":false`...)
	}
	if f.CoreMetadata.Available {
		b = append(b, `,"core-metadata":`...)
		if len(f.CoreMetadata.Hashes) > 0 {
			b = appendHashes(b, f.CoreMetadata.Hashes)
		} else {
			b = append(b, "true"...)
		}
	}
	if f.Provenance != "" {
		b = appendString(append(b, `,"provenance":`...), f.Provenance)
	}
	if f.GPGSig != nil {
		b = strconv.AppendBool(append(b, `,"gpg-sig":`...), *f.GPGSig)
	}
	return append(appendExtra(b, f.Extra), '}')
}

// appendFileHTML writes one anchor. Core metadata goes under both of its names:
// installers of 2022 know only the older (PEP 714).
func appendFileHTML(b []byte, f *File) []byte {
	b = appendEscaped(append(b, `<a href="`...), f.URL)
	if name, digest := bestHash(f.Hashes); name != "" {
		b = appendEscaped(append(b, '#'), name)
		b = appendEscaped(append(b, '='), digest)
	}
	b = append(b, '"')
	if f.RequiresPython != "" {
		b = appendAttr(b, "data-requires-python", f.RequiresPython)
	}
	if f.Yanked {
		b = appendAttr(b, "data-yanked", f.YankedReason)
	}
	if f.CoreMetadata.Available {
		value := "true"
		if name, digest := bestHash(f.CoreMetadata.Hashes); name != "" {
			value = name + "=" + digest
		}
		b = appendAttr(b, "data-core-metadata", value)
		b = appendAttr(b, "data-dist-info-metadata", value)
	}
	if f.Provenance != "" {
		b = appendAttr(b, "data-provenance", f.Provenance)
	}
	if f.GPGSig != nil {
		b = appendAttr(b, "data-gpg-sig", strconv.FormatBool(*f.GPGSig))
	}
	b = appendEscaped(append(b, '>'), f.Filename)
	return append(b, "</a><br>"...)
}

func appendAttr(b []byte, name, value string) []byte {
	b = append(append(b, ' '), name...)
	return append(appendEscaped(append(b, `="`...), value), '"')
}

// bestHash picks the one hash HTML has room for.
func bestHash(hashes map[string]string) (name, digest string) {
	for _, name := range [...]string{"sha256", "sha512", "sha384", "sha224", "sha1", "md5"} {
		if d := hashes[name]; d != "" {
			return name, d
		}
	}
	return "", ""
}

func appendHashes(b []byte, hashes map[string]string) []byte {
	if d, ok := hashes["sha256"]; ok && len(hashes) == 1 {
		b = appendString(append(b, `{"sha256":`...), d)
		return append(b, '}')
	}
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(hashes)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, name), ':')
		b = appendString(b, hashes[name])
	}
	return append(b, '}')
}

func appendExtra(b []byte, extra map[string]json.RawMessage) []byte {
	for _, key := range slices.Sorted(maps.Keys(extra)) {
		b = append(appendString(append(b, ','), key), ':')
		b = append(b, extra[key]...)
	}
	return b
}

// appendTime writes the one form that PEP 700 permits.
func appendTime(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
}

const hexDigits = "0123456789abcdef"

// appendString writes a JSON string. Invalid UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c < 0x20 || c == '"' || c == '\\' || c == 0x7f {
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, `\n`...)
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			start = i + 1
		}
		i++
	}
	return append(append(b, s[start:]...), '"')
}

// appendEscaped writes text for HTML, safe between tags and in quoted
// attributes. Control characters other than white space, which HTML does not
// permit, and invalid UTF-8 become U+FFFD.
func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '&':
			b = append(b, "&amp;"...)
		case c == '<':
			b = append(b, "&lt;"...)
		case c == '>':
			b = append(b, "&gt;"...)
		case c == '"':
			b = append(b, "&#34;"...)
		case c == '\'':
			b = append(b, "&#39;"...)
		case c < 0x20 && c != '\t' && c != '\n' || c == 0x7f:
			b = append(b, "\ufffd"...)
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += size
			continue
		default:
			b = append(b, c)
		}
		i++
	}
	return b
}
