package indexer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Extensions of package files.
const (
	extBz2   = ".tar.bz2"
	extConda = ".conda"
)

// patchVersion is the newest patch_instructions_version that is understood.
const patchVersion = 1

// patchProof are the fields that no patch moves: what a file is called, what its
// bytes are, and when this channel first had it (CEP 47).
var patchProof = []string{"build", "fn", "indexed_timestamp", "md5", "name", "sha256", "size", "subdir", "url", "version"}

// fields is a JSON object whose values are not looked into.
type fields = map[string]json.RawMessage

// instructions are those of a patch_instructions.json, as conda-index applies
// them.
type instructions struct {
	Version  int               `json:"patch_instructions_version"`
	Packages map[string]fields `json:"packages"`
	Conda    map[string]fields `json:"packages.conda"`
	Remove   []string          `json:"remove"`
	Revoke   []string          `json:"revoke"`

	remove, revoke map[string]bool // by the file names they hit
}

// parsePatch reads instructions; nil for none.
func parsePatch(raw json.RawMessage) (*instructions, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var p instructions
	if err := json.Unmarshal(raw, &p); err != nil {
		fault := strings.TrimPrefix(err.Error(), "json: ")
		if other := (*json.UnmarshalTypeError)(nil); errors.As(err, &other) { // whose words name our types
			fault = fmt.Sprintf("%q is a JSON %s", other.Field, other.Value)
		}
		return nil, fmt.Errorf("the patch instructions cannot be read (%s): an object with packages, packages.conda, remove and revoke is expected", fault)
	}
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("null")) {
		return nil, errors.New("the patch instructions are null: an object with packages, packages.conda, remove and revoke is expected")
	}
	if p.Version > patchVersion {
		return nil, fmt.Errorf("patch_instructions_version is %d: at most %d is understood", p.Version, patchVersion)
	}
	p.remove, p.revoke = hits(p.Remove), hits(p.Revoke)
	return &p, nil
}

// hits is every file name that a list reaches: the .conda file beside a .tar.bz2
// is taken for the same package.
func hits(list []string) map[string]bool {
	set := make(map[string]bool, 2*len(list))
	for _, fn := range list {
		set[fn] = true
		if stem, ok := strings.CutSuffix(fn, extBz2); ok {
			set[stem+extConda] = true
		}
	}
	return set
}

// removes reports whether a file is taken out of the indexes.
func (p *instructions) removes(fn string) bool { return p != nil && p.remove[fn] }

// apply changes the fields of a record, in the order of conda-index: what is said
// of the .tar.bz2 reaches the .conda too, and what is said of the .conda wins. It
// returns the run_exports that the instructions give to shards, nil for none, and
// whether the record changed.
func (p *instructions) apply(fn string, record fields) (runExports json.RawMessage, changed bool, err error) {
	if p == nil {
		return nil, false, nil
	}
	var patches []fields
	if stem, ok := strings.CutSuffix(fn, extConda); ok {
		patches = []fields{p.Packages[stem+extBz2], p.Packages[fn], p.Conda[fn]}
	} else {
		patches = []fields{p.Packages[fn]}
	}
	for _, patch := range patches {
		for key, value := range patch {
			switch {
			case slices.Contains(patchProof, key):
			case key == "run_exports":
				runExports = value
			case string(value) == "null":
				delete(record, key)
				changed = true
			default:
				record[key] = value
				changed = true
			}
		}
	}
	if !p.revoke[fn] {
		return runExports, changed, nil
	}
	var depends []string
	if raw, ok := record["depends"]; ok {
		if err := json.Unmarshal(raw, &depends); err != nil {
			return nil, false, fmt.Errorf("revoking %s: %w", fn, err)
		}
	}
	record["depends"] = mustMarshal(append(depends, "package_has_been_revoked"))
	record["revoked"] = json.RawMessage("true")
	return runExports, true, nil
}

// touches reports whether the instructions say anything of a file, so that most
// records are passed on without being taken apart.
func (p *instructions) touches(fn string) bool {
	if p == nil {
		return false
	}
	if p.revoke[fn] || p.Packages[fn] != nil || p.Conda[fn] != nil {
		return true
	}
	stem, ok := strings.CutSuffix(fn, extConda)
	return ok && p.Packages[stem+extBz2] != nil
}

// mustMarshal writes JSON canonically: keys in code point order, raw UTF-8, no white
// space. It is for values that always have a JSON form.
func mustMarshal(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("indexer: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
