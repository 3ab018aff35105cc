package indexer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/tinylib/msgp/msgp"
	"go.uber.org/goleak"
)

// propertyChecks is how many examples each property is tried on: one costs up to a
// second under the race detector. -rapid.checks names another number.
const propertyChecks = "30"

func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		_ = flag.Set("rapid.checks", propertyChecks)
	}
	goleak.VerifyTestMain(m)
}

var ctx = context.Background()

// fakeSource is a catalog in memory: one channel, any number of subdirs.
type fakeSource struct {
	mu      sync.Mutex
	rev     int64
	now     int64
	subdirs map[string]*fakeSubdir
	about   map[string]json.RawMessage
	pruned  bool                    // the feed is of no use
	reads   int                     // calls of Records
	scans   int                     // calls of AllRecords
	onRead  func(name string) error // called by Records without the lock
}

type fakeSubdir struct {
	byName         map[string]map[string]Record
	rev, changedAt int64
	patch          json.RawMessage
	patchRev       int64
	changes        []fakeChange
}

type fakeChange struct {
	rev  int64
	name string
}

func newFake() *fakeSource {
	return &fakeSource{now: 1_700_000_000_000, subdirs: map[string]*fakeSubdir{}, about: map[string]json.RawMessage{}}
}

func (f *fakeSource) subdir(name string) *fakeSubdir {
	d, ok := f.subdirs[name]
	if !ok {
		d = &fakeSubdir{byName: map[string]map[string]Record{}}
		f.subdirs[name] = d
	}
	return d
}

// put publishes or replaces files and returns the revision.
func (f *fakeSource) put(subdir string, records ...Record) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.touch(subdir)
	for _, r := range records {
		if d.byName[r.Name] == nil {
			d.byName[r.Name] = map[string]Record{}
		}
		d.byName[r.Name][r.Filename] = r
		d.changes = append(d.changes, fakeChange{f.rev, r.Name})
	}
	return f.rev
}

// remove takes a file away and returns the revision.
func (f *fakeSource) remove(subdir, name, filename string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.touch(subdir)
	delete(d.byName[name], filename)
	d.changes = append(d.changes, fakeChange{f.rev, name})
	return f.rev
}

func (f *fakeSource) setPatch(subdir, patch string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.touch(subdir)
	d.patch, d.patchRev = json.RawMessage(patch), f.rev
	return f.rev
}

func (f *fakeSource) touch(subdir string) *fakeSubdir {
	f.rev++
	f.now += 1234
	d := f.subdir(subdir)
	d.rev, d.changedAt = f.rev, f.now
	return d
}

func (f *fakeSource) Records(_ context.Context, _, subdir, name string) ([]Record, error) {
	f.mu.Lock()
	f.reads++
	hook := f.onRead
	out := slices.Collect(maps.Values(f.subdir(subdir).byName[name]))
	f.mu.Unlock()
	if hook != nil {
		if err := hook(name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f *fakeSource) AllRecords(_ context.Context, _, subdir string, fn func(Record) error) error {
	f.mu.Lock()
	f.scans++
	var all []Record
	for _, files := range f.subdir(subdir).byName {
		all = slices.AppendSeq(all, maps.Values(files))
	}
	f.mu.Unlock()
	for _, r := range all {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeSource) State(_ context.Context, _, subdir string) (rev, changedAt int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.subdir(subdir)
	return d.rev, d.changedAt, nil
}

func (f *fakeSource) ChangedNames(_ context.Context, _, subdir string, since int64) (names []string, complete bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.subdir(subdir)
	if f.pruned || d.patchRev > since {
		return nil, false, nil
	}
	i, _ := slices.BinarySearchFunc(d.changes, since+1, func(c fakeChange, rev int64) int { return int(c.rev - rev) })
	for _, c := range d.changes[i:] {
		names = append(names, c.name)
	}
	slices.Sort(names)
	return slices.Compact(names), true, nil
}

func (f *fakeSource) Patch(_ context.Context, _, subdir string) (json.RawMessage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.subdir(subdir).patch, nil
}

func (f *fakeSource) About(_ context.Context, _, _, filename string) (json.RawMessage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.about[filename], nil
}

// rec is a record of usual size; content stands for the package's bytes.
func rec(name, version, ext, content string, depends ...string) Record {
	filename := name + "-" + version + "-0" + ext
	sha := sha256.Sum256([]byte(filename + content))
	if depends == nil {
		depends = []string{}
	}
	m := map[string]any{
		"build": "0", "build_number": 0, "depends": depends, "indexed_timestamp": 1_650_000_000_123, "license": "BSD-3-Clause",
		"md5": hex.EncodeToString(sha[:16]), "name": name, "sha256": hex.EncodeToString(sha[:]),
		"size": 1000 + len(content), "subdir": "linux-64", "timestamp": 1_600_000_000_000, "version": version,
	}
	return Record{Filename: filename, Name: name, JSON: mustMarshal(m), RunExports: json.RawMessage(`{"weak":["` + name + ` >=` + version + `"]}`)}
}

// openSet opens a set over a source with its channel "team" open.
func openSet(t testing.TB, src *fakeSource, o Options) *Set {
	t.Helper()
	s := New(src, o)
	t.Cleanup(func() { _ = s.Close() })
	src.mu.Lock()
	subdirs := slices.Sorted(maps.Keys(src.subdirs))
	src.mu.Unlock()
	if err := s.OpenChannel(ctx, "team", subdirs); err != nil {
		t.Fatal(err)
	}
	return s
}

func update(t testing.TB, s *Set, subdir string, rev int64, names ...string) {
	t.Helper()
	if err := s.Update(ctx, "team", subdir, names, rev); err != nil {
		t.Fatal(err)
	}
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// body is the bytes of a file, read both ways.
func body(t fataler, s *Set, subdir, file string) []byte {
	t.Helper()
	f, ok := s.File("team", subdir, file)
	if !ok {
		t.Fatalf("%s/%s is not served", subdir, file)
	}
	return contents(t, f)
}

func contents(t fataler, f *File) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := f.WriteTo(&b)
	if err != nil || n != f.Size() || int64(b.Len()) != n {
		t.Fatalf("WriteTo wrote %d bytes and says %d of %d: %v", b.Len(), n, f.Size(), err)
	}
	read, err := io.ReadAll(f.NewReader())
	if err != nil || !bytes.Equal(read, b.Bytes()) {
		t.Fatalf("a reader of the file reads other bytes than WriteTo writes: %v", err)
	}
	return read
}

var testDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2))
	if err != nil {
		panic(err)
	}
	return d
})

func unzstd(t fataler, b []byte) []byte {
	t.Helper()
	out, err := testDecoder().DecodeAll(b, nil)
	if err != nil {
		t.Fatalf("a served frame cannot be decoded: %v", err)
	}
	return out
}

// document is repodata.json, or a shard in the same form.
type document struct {
	Info     map[string]any            `json:"info"`
	Bz2      map[string]map[string]any `json:"packages"`
	Conda    map[string]map[string]any `json:"packages.conda"`
	Removed  []string                  `json:"removed"`
	Revision int                       `json:"repodata_version"`
}

func repodata(t fataler, s *Set, subdir string) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(body(t, s, subdir, "repodata.json"), &d); err != nil {
		t.Fatalf("repodata.json is not valid: %v", err)
	}
	return d
}

// fromMsgpack reads msgpack into what JSON would be, hashes as hex.
func fromMsgpack(t fataler, b []byte) map[string]any {
	t.Helper()
	v, rest, err := msgp.ReadIntfBytes(b)
	if err != nil || len(rest) > 0 {
		t.Fatalf("msgpack cannot be read: %v, %d bytes left", err, len(rest))
	}
	m, ok := plainValue(v).(map[string]any)
	if !ok {
		t.Fatalf("msgpack holds %T, not a map", v)
	}
	return m
}

func plainValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = plainValue(v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = plainValue(v[i])
		}
		return v
	case []byte:
		return hex.EncodeToString(v)
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	default:
		return v
	}
}

// shardsOf reads every shard that the shard index names.
func shardsOf(t fataler, s *Set, subdir string) (info map[string]any, shards map[string]map[string]any) {
	t.Helper()
	index := fromMsgpack(t, unzstd(t, body(t, s, subdir, "repodata_shards.msgpack.zst")))
	shards = map[string]map[string]any{}
	all, _ := index["shards"].(map[string]any)
	for name, hash := range all {
		packed := body(t, s, subdir, fmt.Sprintf("shards/%s.msgpack.zst", hash))
		if sum := sha256.Sum256(packed); hex.EncodeToString(sum[:]) != hash {
			t.Fatalf("shard of %s has other bytes than its name says", name)
		}
		shards[name] = fromMsgpack(t, unzstd(t, packed))
	}
	info, _ = index["info"].(map[string]any)
	return info, shards
}

// fixed is a clock that stands still until it is set.
type fixed struct {
	mu sync.Mutex
	t  time.Time
}

func (f *fixed) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.t
}

func (f *fixed) add(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.t = f.t.Add(d)
}

func (f *fakeSource) names(subdir string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.subdir(subdir).byName))
}
