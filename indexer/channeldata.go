package indexer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/fairwayhq/fairway/conda"
)

// channelData makes channeldata.json (CEP 38) when it is asked for, and makes anew
// only what changed since the last time.
type channelData struct {
	mu   sync.Mutex // held while it is made
	last atomic.Pointer[channelDoc]
}

// channelDoc is one channeldata.json with what it was made of.
type channelDoc struct {
	gens  map[string]*generation
	names []docName
	bytes []byte
	file  *File
}

// docName is one name of the document: what it was made of, and where it stands.
type docName struct {
	name   string
	shards []docShard // by subdir
	from   int
	to     int
}

type docShard struct {
	subdir string
	shard  *shard
}

// aboutFields is what is taken of the newest package's about.json, as conda-index
// does.
var aboutFields = []string{
	"description", "dev_url", "doc_source_url", "doc_url", "home", "icon_hash", "icon_url", "identifiers", "keywords",
	"license", "recipe_origin", "source_git_url", "source_url", "summary", "tags",
}

func (c *channel) channelData(s *Set) (*File, error) {
	gens := make(map[string]*generation)
	for name, d := range *c.subdirs.Load() {
		if g := d.gen.Load(); g.names > 0 {
			gens[name] = g
		}
	}
	if doc := c.data.last.Load(); doc != nil && maps.Equal(doc.gens, gens) {
		return doc.file, nil
	}
	c.data.mu.Lock()
	defer c.data.mu.Unlock()
	last := c.data.last.Load()
	if last == nil {
		last = &channelDoc{}
	} else if maps.Equal(last.gens, gens) {
		return last.file, nil
	}
	doc := &channelDoc{gens: gens}
	if err := doc.write(c.name, s.src, last); err != nil {
		return nil, err
	}
	body := &rope{budget: &s.plain}
	body.bytes(doc.bytes)
	doc.file = &File{ContentType: typeJSON, ETag: etag(sha256.Sum256(doc.bytes), c.name, "channeldata.json"), body: body}
	doc.file.Modified = lastChange(gens)
	c.data.last.Store(doc)
	return doc.file, nil
}

// lastChange is the end of the second in which the last of subdirs changed, as several
// may have done in it, and HTTP could not tell apart; the zero time for no change.
func lastChange(gens map[string]*generation) time.Time {
	at := int64(0)
	for _, g := range gens {
		at = max(at, g.changedAt)
	}
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(at/1000+1, 0)
}

// write makes the document, taking from the last one what is still so.
func (doc *channelDoc) write(channel string, src Source, last *channelDoc) error {
	subdirs := slices.Sorted(maps.Keys(doc.gens))
	byName := make(map[string][]docShard)
	for _, sub := range subdirs {
		doc.gens[sub].each(func(e *nameEntry) {
			if e.records > 0 {
				byName[e.name] = append(byName[e.name], docShard{sub, e.shard})
			}
		})
	}
	if !slices.Contains(subdirs, "noarch") { // every channel has it (CEP 26)
		subdirs = append(subdirs, "noarch")
		slices.Sort(subdirs)
	}
	doc.bytes = append(make([]byte, 0, len(last.bytes)+1024), `{"channeldata_version":1,"packages":{`...)
	doc.names = make([]docName, 0, len(byName))
	old := last.names
	for i, name := range slices.Sorted(maps.Keys(byName)) {
		if i > 0 {
			doc.bytes = append(doc.bytes, ',')
		}
		for len(old) > 0 && old[0].name < name {
			old = old[1:]
		}
		n := docName{name: name, shards: byName[name], from: len(doc.bytes)}
		if len(old) > 0 && old[0].name == name && slices.Equal(old[0].shards, n.shards) {
			doc.bytes = append(doc.bytes, last.bytes[old[0].from:old[0].to]...)
		} else {
			entry, err := describe(channel, name, src, n.shards)
			if err != nil {
				return fmt.Errorf("describing %s: %w", name, err)
			}
			doc.bytes = append(append(append(doc.bytes, mustMarshal(name)...), ':'), mustMarshal(entry)...)
		}
		n.to = len(doc.bytes)
		doc.names = append(doc.names, n)
	}
	doc.bytes = append(append(append(doc.bytes, `},"subdirs":`...), mustMarshal(subdirs)...), "}\n"...)
	return nil
}

// described is a record as far as channeldata.json is concerned.
type described struct {
	subdir, filename string
	version          conda.Version
	timestamp        int64 // as the builder wrote it, in seconds or milliseconds
	license          any
	runExports       map[string]any
}

// describe makes one name's entry. What only unpacking the packages would tell, such
// as whether they hold activation scripts, is said to be false: the fields are
// required, and no client acts on them.
func describe(channel, name string, src Source, shards []docShard) (map[string]any, error) {
	out := map[string]any{
		"activate.d": false, "binary_prefix": false, "deactivate.d": false, "post_link": false,
		"pre_link": false, "pre_unlink": false, "text_prefix": false,
	}
	var subdirs []string
	var all []described
	for _, s := range shards {
		subdirs = append(subdirs, s.subdir)
		records, err := s.shard.describe(s.subdir)
		if err != nil {
			return nil, err
		}
		all = append(all, records...)
	}
	out["subdirs"] = subdirs
	// Newest first; of the same age, the .conda file and the first subdir.
	slices.SortStableFunc(all, func(a, b described) int {
		if c := b.version.Compare(a.version); c != 0 {
			return c
		}
		if a.timestamp != b.timestamp {
			if b.timestamp > a.timestamp {
				return 1
			}
			return -1
		}
		return strings.Compare(a.filename, b.filename)
	})
	exports := map[string]any{}
	latest := int64(0)
	for _, r := range all {
		latest = max(latest, seconds(r.timestamp))
		if _, ok := exports[r.version.String()]; !ok && len(r.runExports) > 0 {
			exports[r.version.String()] = r.runExports
		}
	}
	out["run_exports"], out["timestamp"] = exports, latest
	if len(all) == 0 {
		return out, nil
	}
	newest := all[0]
	about, err := src.About(context.Background(), channel, newest.subdir, newest.filename)
	if err != nil {
		return nil, err
	}
	var members fields
	if len(about) > 0 && json.Unmarshal(about, &members) == nil {
		for _, key := range aboutFields {
			if v, ok := members[key]; ok && string(v) != "null" && string(v) != `""` {
				out[key] = v
			}
		}
	}
	if newest.license != nil {
		out["license"] = newest.license
	}
	out["version"] = newest.version.String()
	return out, nil
}

// describe reads a shard's records.
func (sh *shard) describe(subdir string) ([]described, error) {
	raw, err := shardDecoder().DecodeAll(sh.data, nil)
	if err != nil {
		return nil, fmt.Errorf("reading shard: %w", err)
	}
	v, _, err := msgp.ReadIntfBytes(raw)
	if err != nil {
		return nil, fmt.Errorf("reading shard: %w", err)
	}
	m, _ := v.(map[string]any)
	var out []described
	for _, key := range []string{"packages.conda", "packages"} {
		files, _ := m[key].(map[string]any)
		for _, fn := range slices.Sorted(maps.Keys(files)) {
			r, _ := files[fn].(map[string]any)
			text, _ := r["version"].(string)
			version, err := conda.ParseVersion(text)
			if err != nil {
				continue // nothing that can be compared
			}
			d := described{subdir: subdir, filename: fn, version: version, license: r["license"]}
			d.timestamp, _ = r["timestamp"].(int64)
			d.runExports, _ = r["run_exports"].(map[string]any)
			out = append(out, d)
		}
	}
	return out, nil
}

// seconds reads a timestamp that may be in milliseconds, as conda-index does.
func seconds(t int64) int64 {
	if t > 253402300799 { // 9999-12-31
		return t / 1000
	}
	return t
}
