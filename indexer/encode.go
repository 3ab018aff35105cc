package indexer

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tinylib/msgp/msgp"
)

// section is one list that a name contributes entries to.
type section int

// The sections: maps of repodata.json, then its list of removed files, then maps
// of run_exports.json, then the map of the shard index.
const (
	secBz2 section = iota
	secConda
	secRemoved
	secRunBz2
	secRunConda
	secHashes
	sections
)

// encodedName is all that one name contributes to the files of its subdir.
type encodedName struct {
	name    string
	shard   *shard // nil: the name is in no index any more
	plain   [sections][]byte
	records uint32 // in repodata.json
}

// shown is a record as it is shown.
type shown struct {
	filename         string
	json, runExports json.RawMessage
}

// encodeName makes everything that a name contributes. Records that are no JSON
// object are left out and told to report: one damaged row must not hold up a
// channel.
func encodeName(name string, records []Record, patch *instructions, report func(filename string, err error)) *encodedName {
	e := &encodedName{name: name}
	slices.SortFunc(records, func(a, b Record) int { return strings.Compare(a.Filename, b.Filename) })
	var maps [secRemoved][]shown
	var removed []string
	for i := range records {
		r := &records[i]
		sec, run := secBz2, secRunBz2
		if strings.HasSuffix(r.Filename, extConda) {
			sec, run = secConda, secRunConda
		}
		own, s, err := patch.show(r)
		if err != nil {
			report(r.Filename, err)
			continue
		}
		// Removed packages too: run_exports.json is never patched (CEP 12).
		e.plain[run] = append(append(appendKey(e.plain[run], r.Filename), `:{"run_exports":`...), own...)
		e.plain[run] = append(e.plain[run], '}')
		if patch.removes(r.Filename) {
			removed = append(removed, r.Filename)
			e.plain[secRemoved] = appendKey(e.plain[secRemoved], r.Filename)
			continue
		}
		e.records++
		e.plain[sec] = append(append(appendKey(e.plain[sec], r.Filename), ':'), s.json...)
		maps[sec] = append(maps[sec], s)
	}
	if len(e.plain[secRunBz2])+len(e.plain[secRunConda]) == 0 {
		return e
	}
	e.shard = newShard(encodeShard(maps, removed))
	e.plain[secHashes] = msgp.AppendBytes(msgp.AppendString(nil, name), e.shard.hash[:])
	return e
}

// show is the run_exports that a package came with, and its record as it is shown.
func (p *instructions) show(r *Record) (own json.RawMessage, s shown, err error) {
	own = json.RawMessage("{}")
	if len(r.RunExports) > 0 && string(r.RunExports) != "null" {
		if err := checkObject(r.RunExports); err != nil {
			return nil, s, err
		}
		own = compact(r.RunExports)
	}
	if err := checkObject(r.JSON); err != nil {
		return nil, s, err
	}
	s = shown{r.Filename, r.JSON, own}
	if !p.touches(r.Filename) {
		return own, s, nil
	}
	var m fields
	if err := json.Unmarshal(r.JSON, &m); err != nil {
		return nil, s, err
	}
	runExports, changed, err := p.apply(r.Filename, m)
	if runExports != nil {
		s.runExports = runExports
	}
	if changed {
		s.json = mustMarshal(m)
	}
	return own, s, err
}

// appendKey appends a file name in quotes, behind a comma if it is not the first.
func appendKey(b []byte, filename string) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	return append(b, mustMarshal(filename)...)
}

func compact(raw json.RawMessage) json.RawMessage {
	if !bytes.ContainsAny(raw, " \t\r\n") {
		return raw
	}
	var b bytes.Buffer
	_ = json.Compact(&b, raw) // valid
	return b.Bytes()
}

// encodeShard writes a shard (CEP 16) as one zstd frame.
func encodeShard(maps [secRemoved][]shown, removed []string) []byte {
	b := msgp.AppendMapHeader(make([]byte, 0, 4096), 3)
	for sec, key := range []string{secBz2: "packages", secConda: "packages.conda"} {
		b = msgp.AppendMapHeader(msgp.AppendString(b, key), uint32(len(maps[sec])))
		for _, r := range maps[sec] {
			b = appendRecord(msgp.AppendString(b, r.filename), r.json, r.runExports)
		}
	}
	b = msgp.AppendArrayHeader(msgp.AppendString(b, "removed"), uint32(len(removed)))
	for _, fn := range removed {
		b = msgp.AppendString(b, fn)
	}
	return shardEncoder().EncodeAll(b, make([]byte, 0, len(b)/3+64))
}

// newShard names a shard by its bytes.
func newShard(data []byte) *shard { return &shard{hash: sha256.Sum256(data), data: data} }
