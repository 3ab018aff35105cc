package conda

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// runExportKinds are the keys of run_exports, in order (CEP 12).
var runExportKinds = [...]string{"noarch", "strong", "strong_constrains", "weak", "weak_constrains"}

// readRunExports reads info/run_exports.json (CEP 34): a list means weak ones.
func readRunExports(raw []byte) (json.RawMessage, error) {
	const what = "info/run_exports.json"
	if raw == nil {
		return json.RawMessage("{}"), nil
	}
	trimmed := strings.TrimSpace(string(raw))
	if strings.HasPrefix(trimmed, "[") {
		trimmed = `{"weak":` + trimmed + `}`
	}
	members, err := object([]byte(trimmed), what)
	if err != nil {
		return nil, err
	}
	if v := members["schema_version"]; !isNull(v) && string(v) != "1" {
		return nil, invalid("%s has the schema_version %s: only 1 is accepted here, which every client can read", what, clip(string(v)))
	}
	out := []byte{'{'}
	for _, kind := range runExportKinds {
		if isNull(members[kind]) {
			continue
		}
		specs, ok := stringsOf(members[kind])
		if !ok {
			return nil, invalid("%s has the %s %s: a list of strings is expected", what, kind, clip(string(members[kind])))
		}
		if err := checkSpecs(specs); err != nil {
			return nil, err
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(appendString(out, kind), ':')
		out = appendStrings(out, specs)
	}
	return append(out, '}'), nil
}

// checkLinkJSON checks what clients make scripts from: the name of an entry point
// becomes a file, and its module and function become code.
func checkLinkJSON(raw []byte) error {
	const what = "info/link.json"
	members, err := object(raw, what)
	if err != nil {
		return err
	}
	if isNull(members["noarch"]) {
		return nil
	}
	noarch, err := object(members["noarch"], what+"'s noarch")
	if err != nil {
		return err
	}
	if isNull(noarch["entry_points"]) {
		return nil
	}
	points, ok := stringsOf(noarch["entry_points"])
	if !ok {
		return invalid("%s has entry_points that are no list of strings", what)
	}
	for _, s := range points {
		command, code, ok := strings.Cut(s, "=")
		module, function, ok2 := strings.Cut(code, ":")
		command = strings.TrimSpace(command)
		if !ok || !ok2 || !validCommand(command) || !dotted(strings.TrimSpace(module)) || !dotted(strings.TrimSpace(function)) {
			return invalid("%s has the entry point %s: <command> = <module>:<function> is expected, without a path", what, clip(s))
		}
	}
	return nil
}

func validCommand(s string) bool {
	return s != "" && s[0] != '.' && len(s) <= 255 && cleanText(s) && !strings.ContainsAny(s, `/\:`)
}

// dotted reports whether s is a name in Python, or several with dots between.
func dotted(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		for i := range len(part) {
			if c := part[i]; !isLower(c|0x20) && c != '_' && (i == 0 || !isDigit(c)) {
				return false
			}
		}
		if part == "" {
			return false
		}
	}
	return true
}

// checkPathsJSON reads info/paths.json as it streams by, for it may be large, and
// checks every path that clients would link into an environment.
func checkPathsJSON(r io.Reader) error {
	const what = "info/paths.json"
	bounded := &boundedValues{r: r}
	dec := json.NewDecoder(bounded)
	bounded.dec = dec
	found := false // other keys are not remembered, for there may be as many as there are bytes
	err := eachMember(dec, func(key string) error {
		if key != "paths" {
			var skip json.RawMessage
			return dec.Decode(&skip)
		}
		if found {
			return invalid("%s has the key %s twice", what, clip(key))
		}
		found = true
		if t, err := dec.Token(); err != nil {
			return err
		} else if t != json.Delim('[') {
			return invalid("%s has paths that are no list", what)
		}
		for dec.More() {
			if err := checkPathEntry(dec, what); err != nil {
				return err
			}
		}
		_, err := dec.Token()
		return err
	})
	switch {
	case errors.Is(err, errNoObject):
		return invalid("%s is no JSON object", what)
	case err == nil && !atEnd(dec):
		return invalid("%s has something behind its end", what)
	}
	return jsonFault(err, what)
}

// maxValue is how many bytes one value may have in a file that is read as it
// streams by: a decoder holds a whole value in memory.
const maxValue = 1 << 20

// boundedValues stops a decoder that reads too far for one value.
type boundedValues struct {
	r    io.Reader
	dec  *json.Decoder
	read int64
}

// Read implements io.Reader.
func (b *boundedValues) Read(p []byte) (int, error) {
	if b.read-b.dec.InputOffset() > maxValue {
		return 0, invalid("info/paths.json has a value of more than %d bytes", maxValue)
	}
	n, err := b.r.Read(p)
	b.read += int64(n)
	return n, err
}

// jsonFault turns what a decoder says of bad JSON into a refusal.
func jsonFault(err error, what string) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return invalid("%s is not valid JSON", what)
	}
	return err
}

func checkPathEntry(dec *json.Decoder, what string) error {
	found := false
	err := eachMember(dec, func(key string) error {
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil || key != "_path" {
			return err
		}
		path, ok := stringOf(value)
		if !ok || found {
			return invalid("%s has an entry whose _path is no string, or is there twice", what)
		}
		found = true
		return checkListed(path, what)
	})
	switch {
	case errors.Is(err, errNoObject):
		return invalid("%s has an entry that is no object", what)
	case err == nil && !found:
		return invalid("%s has an entry without a _path", what)
	}
	return err
}

// checkListed checks a path that a list of files names.
func checkListed(path, what string) error {
	if _, err := plainPath(path, true); err != nil {
		return invalid("%s names the path %s: a relative path inside of the package is expected", what, clip(path))
	}
	return nil
}

// checkFileList reads info/files and info/no_link, which old packages have: a path
// on each line.
func checkFileList(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 2*maxPath)
	for n := 1; lines.Scan(); n++ {
		if line := strings.TrimSuffix(lines.Text(), "\r"); strings.TrimSpace(line) != "" {
			if err := checkListed(line, "line "+strconv.Itoa(n)+" of a list of files in info/"); err != nil {
				return err
			}
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return invalid("a list of files in info/ has a line that is too long")
	}
	return lines.Err()
}

// megabytes says a number of bytes for people.
func megabytes(n int64) string { return strconv.FormatInt((n+1<<20-1)>>20, 10) + " MiB" }

var _ io.Reader = (*boundedValues)(nil)
