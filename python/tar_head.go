package python

import (
	"archive/tar"
	"bytes"
	"io"
	"strconv"
	"strings"
)

const (
	tarBlock    = 512
	maxTarHeads = 1 << 20 // bytes of all headers of one member
)

// tarHeads hands a tar archive on and keeps what was read since the last reset:
// archive/tar merges the headers of a member into one, and so hides where they
// contradict each other.
type tarHeads struct {
	r   io.Reader
	raw []byte
	on  bool
}

func (t *tarHeads) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if t.on {
		if len(t.raw)+n > maxTarHeads {
			return 0, invalid("source distribution has a member with headers of more than %d bytes", maxTarHeads)
		}
		t.raw = append(t.raw, p[:n]...)
	}
	return n, err
}

// next is archive.Next, after which the headers of that member are kept.
func (t *tarHeads) next(archive *tar.Reader) (*tar.Header, error) {
	if _, err := io.Copy(io.Discard, archive); err != nil {
		return nil, err
	}
	t.raw, t.on = t.raw[:0], true
	h, err := archive.Next()
	t.on = false
	return h, err
}

// check refuses a member whose extended headers say something twice, or another
// size than its own header: some readers take the first and some the last, and
// those that overlook a size take content for headers. An equal size is fine;
// uv states one for each member.
func (t *tarHeads) check(h *tar.Header) error {
	raw := t.raw[len(t.raw)%tarBlock:] // behind the padding of the member before
	kinds := ""
	for len(raw) >= tarBlock {
		kind := raw[156]
		size, err := strconv.ParseInt(string(bytes.Trim(raw[124:136], " \x00")), 8, 64)
		if !strings.ContainsRune("xgLK", rune(kind)) {
			if told, found := h.PAXRecords["size"]; found && (err != nil || size != h.Size) {
				return invalid("source distribution member %q has the size %s in an extended header and another in its own", clip(h.Name), clip(told))
			}
			return nil
		}
		if strings.IndexByte(kinds, kind) >= 0 {
			return invalid("source distribution member %q has two extended headers of type %q", clip(h.Name), kind)
		}
		kinds += string(kind)
		raw = raw[tarBlock:]
		if err != nil || size < 0 || size > int64(len(raw)) {
			return invalid("source distribution has an extended header without a plain size")
		}
		if kind == 'x' || kind == 'g' {
			if key := repeatedAttribute(raw[:size]); key != "" {
				return invalid("source distribution member %q has the attribute %q twice", clip(h.Name), clip(key))
			}
		}
		raw = raw[min((size+tarBlock-1)/tarBlock*tarBlock, int64(len(raw))):]
	}
	return nil
}

// repeatedAttribute is a key that is in the records of an extended header twice,
// or empty. archive/tar has found them well-formed.
func repeatedAttribute(records []byte) string {
	seen := make(map[string]bool)
	for len(records) > 0 {
		digits, _, _ := bytes.Cut(records, []byte(" "))
		n, err := strconv.Atoi(string(digits))
		if err != nil || n <= len(digits) || n > len(records) {
			return ""
		}
		key, _, _ := strings.Cut(string(records[len(digits)+1:n]), "=")
		if seen[key] {
			return key
		}
		seen[key] = true
		records = records[n:]
	}
	return ""
}
