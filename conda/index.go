package conda

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

const indexFile = "info/index.json"

// field is one member of a record, its value encoded.
type field struct {
	key   string
	value []byte
}

// indexReader reads info/index.json (CEP 34) into the fields of a record (CEP 36).
type indexReader struct {
	info    *Info
	members map[string]json.RawMessage
	latest  int64 // milliseconds since 1970: no package can have been built later
}

// readIndex reads i.Index, checks it against the file name and the subdir, and
// fills in what only it knows.
func (i *Info) readIndex(latest int64) error {
	members, err := object(i.Index, indexFile)
	if err != nil {
		return err
	}
	r := &indexReader{info: i, members: members, latest: latest}
	for _, step := range [...]func() error{
		r.revision, r.identity, r.subdir, r.noarch, r.dependencies, r.timestamp, r.features, r.texts, r.purls, r.legacy,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	slices.SortFunc(i.fields, func(a, b field) int { return cmp.Compare(a.key, b.key) })
	return nil
}

func (r *indexReader) emit(key string, value []byte) {
	r.info.fields = append(r.info.fields, field{key, value})
}

func (r *indexReader) emitString(key, s string) { r.emit(key, appendString(nil, s)) }

func wrong(key string, value json.RawMessage, expected string) error {
	if len(value) == 0 {
		return invalid("%s has no %q: %s is expected", indexFile, key, expected)
	}
	return invalid("%s has the %s %s: %s is expected", indexFile, key, clip(string(value)), expected)
}

// revision refuses what only repodata revision 3 can say (CEP 48).
func (r *indexReader) revision() error {
	for _, key := range [...]string{"schema_version", "repodata_revision"} {
		raw := r.members[key]
		if isNull(raw) {
			continue
		}
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil || n < 0 {
			return wrong(key, raw, "a number, 0 or larger,")
		}
		if n >= 3 {
			return needsV3(key)
		}
	}
	if raw := r.members["extra_depends"]; !isNull(raw) {
		groups, err := object(raw, indexFile+"'s extra_depends")
		if err != nil {
			return err
		}
		if len(groups) > 0 {
			return needsV3("extra_depends")
		}
	}
	if raw := r.members["flags"]; !isNull(raw) {
		flags, ok := stringsOf(raw)
		if !ok {
			return wrong("flags", raw, "a list of strings")
		}
		if len(flags) > 0 {
			return needsV3("flags")
		}
	}
	return nil
}

func needsV3(key string) error {
	return invalid("%s uses %s, which needs repodata revision 3 (CEP 48): only packages that every client can read are accepted here", indexFile, key)
}

// identity checks that the archive is what the file name says.
func (r *indexReader) identity() error {
	for _, part := range [...]struct{ key, want string }{
		{"name", r.info.Name}, {"version", r.info.Version}, {"build", r.info.Build},
	} {
		s, ok := stringOf(r.members[part.key])
		if !ok {
			return wrong(part.key, r.members[part.key], "a string")
		}
		if s != part.want {
			return invalid("%s has the %s %s: the file name says %s", indexFile, part.key, clip(s), clip(part.want))
		}
		r.emitString(part.key, s)
	}
	raw := r.members["build_number"]
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 || raw[0] == '-' {
		return wrong("build_number", raw, "a number, 0 or larger,")
	}
	r.info.BuildNumber = n
	r.emit("build_number", strconv.AppendInt(nil, n, 10))
	return nil
}

// subdir settles where the package belongs: where it was sent to, and what the
// archive says of it, cannot differ.
func (r *indexReader) subdir() error {
	said := ""
	if raw := r.members["subdir"]; !isNull(raw) {
		s, ok := stringOf(raw)
		if !ok || !ValidSubdir(s) {
			return wrong("subdir", raw, "noarch, or a name as linux-64,")
		}
		said = s
	}
	for _, key := range [...]string{"platform", "arch"} {
		if raw := r.members[key]; !isNull(raw) && raw[0] != '"' {
			return wrong(key, raw, "a string")
		}
	}
	sent := r.info.Subdir
	switch {
	case sent != "" && said != "" && sent != said:
		return invalid("%s has the subdir %s: the package was sent to %s", indexFile, clip(said), clip(sent))
	case sent == "" && said == "":
		if said = r.derivedSubdir(); said == "" {
			return invalid("%s has no %q, and neither its platform and arch nor its noarch tell it", indexFile, "subdir")
		}
	}
	r.info.Subdir = cmp.Or(sent, said)
	r.emitString("subdir", r.info.Subdir)
	return nil
}

// derivedSubdir reads the subdir from the fields that old packages have in its
// place; "" if they do not tell.
func (r *indexReader) derivedSubdir() string {
	platform, _ := stringOf(r.members["platform"])
	arch, _ := stringOf(r.members["arch"])
	switch {
	case platform == "" && !isNull(r.members["noarch"]):
		return "noarch"
	case arch == "x86_64":
		arch = "64"
	case arch == "x86":
		arch = "32"
	}
	if s := platform + "-" + arch; ValidSubdir(s) {
		return s
	}
	return ""
}

// noarch takes the forms of all times: true is what "generic" was.
func (r *indexReader) noarch() error {
	switch raw := r.members["noarch"]; string(raw) {
	case "", "null", "false", `""`:
	case "true":
		r.emitString("noarch", "generic")
	default:
		s, _ := stringOf(raw)
		if s != "generic" && s != "python" {
			return wrong("noarch", raw, `"generic" or "python"`)
		}
		r.emitString("noarch", s)
	}
	return nil
}

func (r *indexReader) dependencies() error {
	for _, key := range [...]string{"depends", "constrains"} {
		raw := r.members[key]
		specs := []string{}
		if !isNull(raw) {
			var ok bool
			if specs, ok = stringsOf(raw); !ok {
				return wrong(key, raw, "a list of strings")
			}
		}
		if err := checkSpecs(specs); err != nil {
			return err
		}
		if key == "depends" || len(specs) > 0 {
			r.emit(key, appendStrings(nil, specs))
		}
	}
	return nil
}

func checkSpecs(specs []string) error {
	for _, s := range specs {
		m, err := ParseMatchSpec(s)
		if err != nil {
			return err
		}
		if m.v3 != "" {
			return needsV3(strconv.Quote(m.v3) + " in the dependency " + clip(s))
		}
	}
	return nil
}

// timestamp is written in milliseconds, and in seconds by old tools; those also
// wrote fractions. What is too large for seconds before the year 10000 is
// milliseconds.
func (r *indexReader) timestamp() error {
	const lastSecond = 253402300799
	raw := r.members["timestamp"]
	if isNull(raw) {
		return nil
	}
	t, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || t < 0 || t > lastSecond*1000+999 {
		return wrong("timestamp", raw, "a time in milliseconds since 1970")
	}
	if t <= lastSecond {
		t *= 1000
	}
	ms := int64(math.Floor(t))
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil && n > lastSecond {
		ms = n // all digits, which a float may not keep
	}
	if ms > r.latest {
		return invalid("%s has the timestamp %s, which is in the future: set the clock of the machine that built the package", indexFile, clip(string(raw)))
	}
	r.emit("timestamp", strconv.AppendInt(nil, ms, 10))
	return nil
}

// features are words, in one string or in a list.
func (r *indexReader) features() error {
	for _, key := range [...]string{"features", "track_features"} {
		raw := r.members[key]
		if isNull(raw) {
			continue
		}
		list, ok := stringsOf(raw)
		if s, single := stringOf(raw); single {
			list, ok = []string{s}, true
		}
		if !ok {
			return wrong(key, raw, "a string or a list of strings")
		}
		words := strings.FieldsFunc(strings.Join(list, " "), func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == '\n' })
		if len(words) > 0 {
			r.emitString(key, strings.Join(words, " "))
		}
	}
	return nil
}

func (r *indexReader) texts() error {
	for _, key := range [...]string{"license", "license_family", "python_site_packages_path"} {
		raw := r.members[key]
		if isNull(raw) {
			continue
		}
		s, ok := stringOf(raw)
		if !ok {
			return wrong(key, raw, "a string")
		}
		if key == "python_site_packages_path" {
			if path, err := plainPath(s, true); err != nil || path == "." || strings.Contains(path, `\`) {
				return wrong(key, raw, "a relative path inside of the environment")
			}
		}
		r.emitString(key, s)
	}
	return nil
}

// purls are sorted, for they are a set.
func (r *indexReader) purls() error {
	raw := r.members["purls"]
	if isNull(raw) {
		return nil
	}
	list, ok := stringsOf(raw)
	if !ok {
		return wrong("purls", raw, "a list of strings")
	}
	for _, s := range list {
		kind, name, ok := strings.Cut(strings.TrimPrefix(s, "pkg:"), "/")
		if !ok || kind == "" || name == "" || !strings.HasPrefix(s, "pkg:") || !cleanText(s) {
			return invalid("%s has %s among its purls: pkg:<type>/<name> is expected", indexFile, clip(s))
		}
	}
	slices.Sort(list)
	r.emit("purls", appendStrings(nil, slices.Compact(list)))
	return nil
}

// legacy says what a package was before it was made into another format.
func (r *indexReader) legacy() error {
	if raw := r.members["legacy_bz2_md5"]; !isNull(raw) {
		s, ok := stringOf(raw)
		if !ok || len(s) != 32 || strings.Trim(s, "0123456789abcdef") != "" {
			return wrong("legacy_bz2_md5", raw, "an MD5 in lower-case hexadecimal")
		}
		r.emitString("legacy_bz2_md5", s)
	}
	if raw := r.members["legacy_bz2_size"]; !isNull(raw) {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil || n < 0 {
			return wrong("legacy_bz2_size", raw, "a number of bytes")
		}
		r.emit("legacy_bz2_size", strconv.AppendInt(nil, n, 10))
	}
	return nil
}
