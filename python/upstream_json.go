package python

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// maxExtra is the number of unknown keys kept of one object.
const maxExtra = 64

func parseJSON(body []byte, project string, base *url.URL, lim PageLimits) (*Page, error) {
	if depth(body) > lim.MaxDepth {
		return nil, badPage("JSON is nested deeper than %d", lim.MaxDepth)
	}
	if !json.Valid(body) {
		return nil, badPage("expected JSON and got something else, or a part of it")
	}
	p := &Page{Name: project}
	files := false
	var bad error
	if !eachMember(body, func(key string, value []byte) {
		if bad != nil {
			return
		}
		switch key {
		case "meta":
			bad = p.parseMeta(value)
		case "name":
			if name := text(value); Normalise(name) != project {
				bad = badPage("the page is of project %q: expected %s", clip(name), clip(project))
			}
		case "project-status":
			eachMember(value, func(key string, value []byte) {
				switch key {
				case "status":
					p.Status.Status = text(value)
				case "reason":
					p.Status.Reason = text(value)
				}
			})
		case "versions":
			p.Versions = texts(value)
		case "files":
			files, p.Files = value[0] == '[', nil // of a repeated key the last counts
			eachElement(value, func(value []byte) {
				if len(p.Files) >= lim.MaxFiles {
					bad = badPage("page has more than %d files", lim.MaxFiles)
				} else if f, ok := parseFileJSON(value, project, base); ok {
					p.Files = append(p.Files, f)
				}
			})
		default:
			p.Extra = keep(p.Extra, key, value)
		}
	}) {
		return nil, badPage("expected a JSON object")
	}
	if bad == nil && !files {
		bad = badPage("JSON has no list of files")
	}
	if bad != nil {
		return nil, bad
	}
	return p, nil
}

func (p *Page) parseMeta(value []byte) error {
	version := "1.0"
	eachMember(value, func(key string, value []byte) {
		if key == "api-version" {
			version = text(value)
		} else {
			p.Meta = keep(p.Meta, key, value)
		}
	})
	if major, _, _ := strings.Cut(version, "."); major != "1" {
		return badPage("API version is %q: expected 1.x", clip(version))
	}
	return nil
}

func parseFileJSON(value []byte, project string, base *url.URL) (File, bool) {
	var f File
	var ref string
	named := false // core metadata by its newer name, which wins (PEP 714)
	if !eachMember(value, func(key string, value []byte) {
		switch key {
		case "filename":
			f.Filename = text(value)
		case "url":
			ref = text(value)
		case "hashes":
			f.Hashes = hashes(value)
		case "requires-python":
			f.RequiresPython = text(value)
		case "size":
			var n int64
			if json.Unmarshal(value, &n) == nil && n > 0 {
				f.Size = n
			}
		case "upload-time":
			f.UploadTime = uploadTime(text(value))
		case "yanked":
			f.YankedReason = text(value)
			f.Yanked = f.YankedReason != "" || string(value) == "true"
		case "core-metadata":
			f.CoreMetadata, named = coreMetadata(value), true
		case "dist-info-metadata":
			if !named {
				f.CoreMetadata = coreMetadata(value)
			}
		case "provenance":
			if u, err := base.Parse(text(value)); err == nil && len(value) > 2 && (u.Scheme == "https" || u.Scheme == "http") {
				f.Provenance = u.String()
			}
		case "gpg-sig":
			if b := string(value) == "true"; b || string(value) == "false" {
				f.GPGSig = &b
			}
		default:
			f.Extra = keep(f.Extra, key, value)
		}
	}) {
		return File{}, false
	}
	u, hash, digest, ok := fileURL(base, ref)
	if !ok || !safeFilename(f.Filename) {
		return File{}, false
	}
	f.URL = u.String()
	if len(f.Hashes) == 0 && hash != "" {
		f.Hashes = map[string]string{hash: digest}
	}
	return f, f.claim(project)
}

func coreMetadata(value []byte) CoreMetadata {
	return CoreMetadata{Available: string(value) == "true" || value[0] == '{', Hashes: hashes(value)}
}

// uploadTime reads a time in UTC. Some indexes leave out that it is.
func uploadTime(s string) time.Time {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

func keep(extra map[string]json.RawMessage, key string, value []byte) map[string]json.RawMessage {
	if len(extra) >= maxExtra {
		return extra
	}
	if extra == nil {
		extra = make(map[string]json.RawMessage)
	}
	extra[key] = compact(value)
	return extra
}

// compact takes the white space out of a value, and makes its text UTF-8.
func compact(value []byte) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return json.RawMessage("null")
	}
	return bytes.ToValidUTF8(b.Bytes(), []byte("\ufffd"))
}

func hashes(value []byte) map[string]string {
	var out map[string]string
	eachMember(value, func(key string, value []byte) {
		if d := text(value); validHash(key, d) && len(out) < 16 {
			if out == nil {
				out = make(map[string]string, 1)
			}
			out[key] = strings.ToLower(d)
		}
	})
	return out
}

func texts(value []byte) []string {
	out := []string{}
	eachElement(value, func(value []byte) {
		if s := text(value); s != "" {
			out = append(out, s)
		}
	})
	return out
}

// text decodes a JSON string; other values give the empty string.
func text(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return ""
	}
	inner := value[1 : len(value)-1]
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf {
			var s string
			if json.Unmarshal(value, &s) != nil {
				return ""
			}
			return s
		}
	}
	return string(inner)
}
