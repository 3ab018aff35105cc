package conda

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
)

// Record is the package's entry in repodata (CEP 36): what info/index.json says,
// and what only the archive as a whole has, its size in bytes and its hashes.
// indexedAt is the time of first publication by our own clock, in milliseconds
// since 1970 (CEP 47).
//
// Its bytes are canonical: known keys alone, in order, without nulls, in raw
// UTF-8. arch and platform are left out, and so are run_exports, which have files
// of their own.
func (i *Info) Record(size int64, sha [32]byte, md5 [16]byte, indexedAt int64) json.RawMessage {
	fields := slices.Grow(slices.Clone(i.fields), 4)
	fields = append(fields,
		field{"indexed_timestamp", strconv.AppendInt(nil, indexedAt, 10)},
		field{"md5", appendString(nil, hex.EncodeToString(md5[:]))},
		field{"sha256", appendString(nil, hex.EncodeToString(sha[:]))},
		field{"size", strconv.AppendInt(nil, size, 10)},
	)
	slices.SortFunc(fields, func(a, b field) int { return cmp.Compare(a.key, b.key) })
	var b bytes.Buffer
	for n, f := range fields {
		if n == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.WriteString(f.key)
		b.WriteString(`":`)
		b.Write(f.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}
