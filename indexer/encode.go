package indexer

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
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

// shardRecord is a record on its way into a shard.
type shardRecord struct {
	key    string
	record map[string]any
}

// encodeName makes everything that a name contributes. Records that are no JSON
// object are left out and told to report: one damaged row must not hold up a
// channel.
func encodeName(name string, records []Record, patch *instructions, report func(filename string, err error)) *encodedName {
	e := &encodedName{name: name}
	slices.SortFunc(records, func(a, b Record) int { return strings.Compare(a.Filename, b.Filename) })
	var maps [secRemoved][]shardRecord
	var removed []string
	for i := range records {
		r := &records[i]
		isConda := strings.HasSuffix(r.Filename, extConda)
		runExports := r.RunExports
		if len(runExports) == 0 || string(runExports) == "null" {
			runExports = json.RawMessage("{}")
		}
		raw, patched, err := patchedRecord(r, patch)
		if patched == nil {
			patched = runExports
		}
		var shard, exports map[string]any
		if err == nil {
			shard, err = decodeObject(raw)
		}
		if err == nil {
			exports, err = decodeObject(patched)
		}
		if err == nil && !json.Valid(runExports) {
			err = errors.New("its run_exports are no JSON")
		}
		if err != nil {
			report(r.Filename, err)
			continue
		}
		run := secRunBz2
		if isConda {
			run = secRunConda
		}
		// Removed packages too: run_exports.json is never patched (CEP 12).
		e.plain[run] = appendEntry(e.plain[run], r.Filename, append(append([]byte(`{"run_exports":`), compact(runExports)...), '}'))
		if patch.removes(r.Filename) {
			removed = append(removed, r.Filename)
			continue
		}
		sec := secBz2
		if isConda {
			sec = secConda
		}
		e.records++
		e.plain[sec] = appendEntry(e.plain[sec], r.Filename, raw)
		shard["run_exports"] = exports
		maps[sec] = append(maps[sec], shardRecord{r.Filename, shard})
	}
	for _, fn := range removed {
		e.plain[secRemoved] = appendEntry(e.plain[secRemoved], fn, nil)
	}
	if e.records == 0 && len(removed) == 0 && len(e.plain[secRunBz2])+len(e.plain[secRunConda]) == 0 {
		return e
	}
	e.shard = newShard(encodeShard(maps, removed))
	e.plain[secHashes] = msgp.AppendBytes(msgp.AppendString(nil, name), e.shard.hash[:])
	return e
}

// patchedRecord is a record as it is shown, and what a patch makes of its
// run_exports.
func patchedRecord(r *Record, patch *instructions) (raw, runExports json.RawMessage, err error) {
	if !patch.touches(r.Filename) {
		return r.JSON, nil, nil
	}
	var m fields
	if err := json.Unmarshal(r.JSON, &m); err != nil {
		return nil, nil, err
	}
	runExports, changed, err := patch.apply(r.Filename, m)
	if err != nil || !changed {
		return r.JSON, runExports, err
	}
	return marshalFields(m), runExports, nil
}

// decodeObject reads a JSON object and keeps numbers as they are written.
func decodeObject(raw json.RawMessage) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	if m == nil {
		return nil, fmt.Errorf("record is %.20q, not an object", raw)
	}
	return m, nil
}

// appendEntry appends a member of an object, or for a nil value an element of a
// list, behind a comma if it is not the first.
func appendEntry(b []byte, key string, value []byte) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	b = append(b, mustMarshal(key)...)
	if value != nil {
		b = append(append(b, ':'), value...)
	}
	return b
}

func compact(raw json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

// encodeShard writes a shard (CEP 16): one zstd frame that states its size, which
// older conda needs.
func encodeShard(maps [secRemoved][]shardRecord, removed []string) []byte {
	b := msgp.AppendMapHeader(make([]byte, 0, 4096), 3)
	b = appendShardMap(msgp.AppendString(b, "packages"), maps[secBz2])
	b = appendShardMap(msgp.AppendString(b, "packages.conda"), maps[secConda])
	b = msgp.AppendArrayHeader(msgp.AppendString(b, "removed"), uint32(len(removed)))
	for _, fn := range removed {
		b = msgp.AppendString(b, fn)
	}
	return shardEncoder().EncodeAll(b, make([]byte, 0, len(b)/3+64))
}

func appendShardMap(b []byte, records []shardRecord) []byte {
	b = msgp.AppendMapHeader(b, uint32(len(records)))
	for _, r := range records {
		b = msgp.AppendString(b, r.key)
		b = appendObject(b, r.record, true)
	}
	return b
}

// newShard names a shard by its bytes.
func newShard(data []byte) *shard { return &shard{hash: sha256.Sum256(data), data: data} }

// shardEncoder writes frames that hold their whole content in one window.
var shardEncoder = onceEncoder(zstd.SpeedBetterCompression)
