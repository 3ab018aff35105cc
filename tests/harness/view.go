package harness

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/tinylib/msgp/msgp"
)

// Records are the packages of one subdir as one variant of its index tells them:
// file name -> record, hashes in hexadecimal.
type Records map[string]map[string]any

// Names are the file names, sorted.
func (r Records) Names() []string { return slices.Sorted(maps.Keys(r)) }

// Source is where a subdir is read from.
type Source struct {
	Gateway *Gateway
	Key     string
	Prefix  string // "/channel/subdir/"
}

// Subdir names a subdir of a channel for reading.
func (g *Gateway) Subdir(key, channel, subdir string) Source {
	return Source{g, key, "/" + channel + "/" + subdir + "/"}
}

// Variants are the ways to read a subdir's packages, all of which must always
// agree.
var Variants = []struct {
	Name string
	Read func(Source) (Records, error)
}{
	{"repodata.json", Source.JSON},
	{"repodata.json.zst", Source.Zst},
	{"repodata.json with Content-Encoding", Source.Encoded},
	{"shards", Source.Shards},
}

// View reads a subdir by every variant and fails the test unless all tell the
// same.
func (s Source) View(t testing.TB) Records {
	t.Helper()
	r, err := s.TryView()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TryView is [Source.View] with an error in place of a failed test.
func (s Source) TryView() (Records, error) {
	var first Records
	for i, v := range Variants {
		r, err := v.Read(s)
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", s.Prefix, v.Name, err)
		}
		exports := r.cut("run_exports")
		if i == 0 {
			first = r
		} else if diff := cmp.Diff(first, r); diff != "" {
			return nil, fmt.Errorf("%s%s tells another story than repodata.json (-json +this):\n%s", s.Prefix, v.Name, clipDiff(diff))
		}
		if v.Name != "shards" {
			continue
		}
		for _, file := range []string{"run_exports.json", "run_exports.json.zst"} {
			own, err := s.RunExports(file)
			if err != nil {
				return nil, fmt.Errorf("%s%s: %w", s.Prefix, file, err)
			}
			// A patch changes neither what a package exports here nor, by removing
			// it from the index, that it does (CEP 12).
			maps.DeleteFunc(own, func(name string, _ any) bool { return exports[name] == nil })
			if diff := cmp.Diff(exports, own); diff != "" {
				return nil, fmt.Errorf("%s%s tells other run_exports than the shards (-shards +this):\n%s", s.Prefix, file, clipDiff(diff))
			}
		}
	}
	return first, nil
}

// cut takes a field out of every record.
func (r Records) cut(field string) map[string]any {
	out := map[string]any{}
	for name, rec := range r {
		if v, ok := rec[field]; ok {
			out[name] = v
			delete(rec, field)
		}
	}
	return out
}

func (s Source) get(file string, header map[string]string) (*Response, error) {
	r, err := s.Gateway.Try(Request{Path: s.Prefix + file, Key: s.Key, Header: header})
	if err == nil && r.Status != 200 {
		err = fmt.Errorf("GET %s: %d %s", s.Prefix+file, r.Status, clip(r.Text()))
	}
	return r, err
}

// JSON reads repodata.json.
func (s Source) JSON() (Records, error) {
	r, err := s.get("repodata.json", nil)
	if err != nil {
		return nil, err
	}
	return ParseRepodata(r.Body)
}

// Zst reads repodata.json.zst, which must be one zstd frame.
func (s Source) Zst() (Records, error) {
	r, err := s.get("repodata.json.zst", nil)
	if err != nil {
		return nil, err
	}
	raw, err := DecodeFrame(r.Body)
	if err != nil {
		return nil, err
	}
	return ParseRepodata(raw)
}

// Encoded reads repodata.json as a client does that accepts zstd.
func (s Source) Encoded() (Records, error) {
	r, err := s.get("repodata.json", map[string]string{"Accept-Encoding": "gzip, zstd"})
	if err != nil {
		return nil, err
	}
	if ce := r.Header.Get("Content-Encoding"); ce != "zstd" {
		return nil, fmt.Errorf("the Content-Encoding is %q: zstd is expected", ce)
	}
	raw, err := DecodeFrame(r.Body)
	if err != nil {
		return nil, err
	}
	return ParseRepodata(raw)
}

// Shards reads the shard index and every shard that it names.
func (s Source) Shards() (Records, error) {
	index, err := s.ShardIndex()
	if err != nil {
		return nil, err
	}
	out := Records{}
	for name, hash := range index {
		recs, err := s.Shard(name, hash)
		if err != nil {
			return nil, err
		}
		maps.Copy(out, recs)
	}
	return out, nil
}

// ShardIndex reads repodata_shards.msgpack.zst: name -> hash of its shard.
func (s Source) ShardIndex() (map[string]string, error) {
	r, err := s.get("repodata_shards.msgpack.zst", nil)
	if err != nil {
		return nil, err
	}
	doc, err := decodeMsgpack(r.Body)
	if err != nil {
		return nil, err
	}
	shards, _ := doc["shards"].(map[string]any)
	if shards == nil {
		return nil, errors.New("the shard index has no map 'shards'")
	}
	out := make(map[string]string, len(shards))
	for name, v := range shards {
		sum, ok := v.([]byte)
		if !ok || len(sum) != 32 {
			return nil, fmt.Errorf("the hash of %s's shard is no 32 bytes but %T", name, v)
		}
		out[name] = hex.EncodeToString(sum)
	}
	return out, nil
}

// Shard reads one shard, which must have the hash that it is named by and hold
// packages of its own name only.
func (s Source) Shard(name, hash string) (Records, error) {
	r, err := s.get("shards/"+hash+".msgpack.zst", nil)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(r.Body); hex.EncodeToString(sum[:]) != hash {
		return nil, fmt.Errorf("the shard of %s has the hash %x: its name says %s", name, sum, hash)
	}
	doc, err := decodeMsgpack(r.Body)
	if err != nil {
		return nil, err
	}
	out := Records{}
	for _, group := range []string{"packages", "packages.conda"} {
		m, ok := doc[group].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("the shard of %s has no map %q", name, group)
		}
		for file, v := range m {
			plain, err := plainJSON(v)
			if err != nil {
				return nil, err
			}
			if plain["name"] != name {
				return nil, fmt.Errorf("the shard of %s holds %s", name, file)
			}
			if plain["run_exports"] == nil {
				return nil, fmt.Errorf("%s in the shard of %s has no run_exports", file, name)
			}
			out[file] = plain
		}
	}
	return out, nil
}

// RunExports reads run_exports.json or run_exports.json.zst: file name -> run_exports.
func (s Source) RunExports(file string) (map[string]any, error) {
	r, err := s.get(file, nil)
	if err != nil {
		return nil, err
	}
	raw := r.Body
	if strings.HasSuffix(file, ".zst") {
		if raw, err = DecodeFrame(raw); err != nil {
			return nil, err
		}
	}
	recs, err := ParseRepodata(raw)
	if err != nil {
		return nil, err
	}
	return recs.cut("run_exports"), nil
}

// ParseRepodata reads the packages of a repodata.json.
func ParseRepodata(raw []byte) (Records, error) {
	var doc struct {
		Packages Records `json:"packages"`
		Conda    Records `json:"packages.conda"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	if doc.Packages == nil || doc.Conda == nil {
		return nil, errors.New("it lacks 'packages' or 'packages.conda'")
	}
	maps.Copy(doc.Packages, doc.Conda)
	return doc.Packages, nil
}

// plainJSON turns decoded msgpack into what decoding the same record's JSON gives.
func plainJSON(v any) (map[string]any, error) {
	rec, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a record is a %T: a map is expected", v)
	}
	for _, field := range []string{"sha256", "md5"} {
		if raw, ok := rec[field].([]byte); ok {
			rec[field] = hex.EncodeToString(raw)
		}
	}
	text, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return out, dec.Decode(&out)
}

func decodeMsgpack(zst []byte) (map[string]any, error) {
	raw, err := DecodeFrame(zst)
	if err != nil {
		return nil, err
	}
	v, rest, err := msgp.ReadIntfBytes(raw)
	if err != nil {
		return nil, err
	}
	doc, ok := v.(map[string]any)
	if !ok || len(rest) > 0 {
		return nil, fmt.Errorf("it is a %T with %d bytes behind it: one map is expected", v, len(rest))
	}
	return doc, nil
}

var decoder, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0))

// DecodeFrame decompresses exactly one zstd frame (RFC 8878 §3.1.1). rattler and
// conda stop after the first, so more than one is an error.
func DecodeFrame(raw []byte) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(raw); err != nil {
		return nil, fmt.Errorf("reading zstd header: %w", err)
	}
	rest := raw[h.HeaderSize:]
	for last := false; !last; {
		if len(rest) < 3 {
			return nil, errors.New("the zstd frame ends inside a block header")
		}
		head := uint32(rest[0]) | uint32(rest[1])<<8 | uint32(rest[2])<<16
		last = head&1 == 1
		size := int(head >> 3)
		if head>>1&3 == 1 { // RLE: one byte, whatever it stands for
			size = 1
		}
		if len(rest) < 3+size {
			return nil, errors.New("the zstd frame ends inside a block")
		}
		rest = rest[3+size:]
	}
	if h.HasCheckSum {
		rest = rest[min(4, len(rest)):]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes stand behind the first zstd frame", len(rest))
	}
	return decoder.DecodeAll(raw, nil)
}

func clipDiff(s string) string {
	if len(s) > 4000 {
		return s[:4000] + "…"
	}
	return s
}
