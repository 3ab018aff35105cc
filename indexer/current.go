package indexer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/fairwayhq/fairway/conda"
)

// candidate is a record that may be kept in current_repodata.json.
type candidate struct {
	filename string
	raw      json.RawMessage
	version  conda.Version
	build    string
	number   int64
	depends  []string
	features bool
}

// current is current_repodata.json: of every name the newest version, and older
// ones where something kept depends on them. As conda-index does it, a .conda file
// stands for its .tar.bz2 twin, and where the newest has features, the newest
// without is kept too; unlike there, what older versions depend on is looked for
// as well.
//
// It reads every record, once a generation and only when it is asked for: conda
// asks for it with the classic solver alone.
func (g *generation) current() ([]byte, error) {
	p := pruner{g: g, kept: make(map[string][]candidate, g.names), seen: map[string]bool{}}
	newest := make([]map[string][]candidate, len(g.segs))
	errs := make([]error, len(g.segs))
	parallel(len(g.segs), func(i int) {
		all, err := g.segs[i].candidates(nil)
		for name := range all {
			all[name] = pruned(all[name])
		}
		newest[i], errs[i] = all, err
	})
	for i, m := range newest {
		if errs[i] != nil {
			return nil, errs[i]
		}
		for name, list := range m {
			p.keep(name, list)
		}
	}
	for len(p.todo) > 0 {
		spec := p.todo[len(p.todo)-1]
		p.todo = p.todo[:len(p.todo)-1]
		if err := p.satisfy(spec); err != nil {
			return nil, err
		}
	}
	maps := map[string]map[string]json.RawMessage{extBz2: {}, extConda: {}}
	for _, list := range p.kept {
		for _, c := range list {
			ext := extBz2
			if strings.HasSuffix(c.filename, extConda) {
				ext = extConda
			}
			maps[ext][c.filename] = c.raw
		}
	}
	var removed []byte
	for _, s := range g.segs {
		if s.piece[secRemoved].size == 0 {
			continue
		}
		if len(removed) > 0 {
			removed = append(removed, ',')
		}
		var err error
		if removed, err = s.piece[secRemoved].decode(removed); err != nil {
			return nil, fmt.Errorf("reading index: %w", err)
		}
	}
	return mustMarshal(map[string]any{
		"info": map[string]string{"subdir": g.subdir}, "packages": maps[extBz2], "packages.conda": maps[extConda],
		"removed": json.RawMessage("[" + string(removed) + "]"), "repodata_version": 1,
	}), nil
}

// pruner is the state of one [generation.current].
type pruner struct {
	g    *generation
	kept map[string][]candidate
	seen map[string]bool // dependencies
	todo []string
}

// keep adds candidates of a name and remembers what they depend on.
func (p *pruner) keep(name string, list []candidate) {
	for _, c := range list {
		if slices.ContainsFunc(p.kept[name], func(k candidate) bool { return k.filename == c.filename }) {
			continue
		}
		p.kept[name] = append(p.kept[name], c)
		for _, d := range c.depends {
			if !p.seen[d] {
				p.seen[d] = true
				p.todo = append(p.todo, d)
			}
		}
	}
}

// satisfy keeps the newest version that a dependency asks for, if none is kept.
func (p *pruner) satisfy(depends string) error {
	spec, err := conda.ParseMatchSpec(depends)
	if err != nil {
		return nil //nolint:nilerr // a patch may say what no solver understands
	}
	matches := func(c candidate) bool { return spec.Match(spec.Name, c.version, c.build) }
	if slices.ContainsFunc(p.kept[spec.Name], matches) || p.kept[spec.Name] == nil {
		return nil
	}
	seg := p.g.segs[segmentOf(p.g.segs, spec.Name)]
	all, err := seg.candidates(&spec.Name)
	if err != nil {
		return err
	}
	list := all[spec.Name]
	i := slices.IndexFunc(list, matches)
	if i < 0 {
		return nil
	}
	version := list[i].version
	p.keep(spec.Name, slices.DeleteFunc(list, func(c candidate) bool { return c.version.Compare(version) != 0 }))
	return nil
}

// pruned is what is kept of a name for its own sake; list is newest first.
func pruned(list []candidate) []candidate {
	newest := list[0].version
	var out []candidate
	features := false
	for _, c := range list {
		if c.version.Compare(newest) == 0 {
			out = append(out, c)
			features = features || c.features
		}
	}
	if features {
		if i := slices.IndexFunc(list, func(c candidate) bool { return !c.features }); i >= 0 && list[i].version.Compare(newest) != 0 {
			out = append(out, list[i])
		}
	}
	return out
}

// candidates is the records of the segment by name, or of one name, newest first.
func (s *segment) candidates(only *string) (map[string][]candidate, error) {
	out := map[string][]candidate{}
	for _, sec := range []section{secConda, secBz2} {
		plain, err := s.piece[sec].decode([]byte{'{'})
		if err != nil {
			return nil, fmt.Errorf("reading index: %w", err)
		}
		offsets := s.offsets(sec)
		for i := range s.names {
			e := &s.names[i]
			if e.lens[sec] == 0 || only != nil && e.name != *only {
				continue
			}
			one := append(append([]byte{'{'}, plain[1+offsets[i]:1+offsets[i]+int(e.lens[sec])]...), '}')
			var files map[string]json.RawMessage
			if err := json.Unmarshal(one, &files); err != nil {
				return nil, fmt.Errorf("reading records of %s: %w", e.name, err)
			}
			for fn, raw := range files {
				stem, isBz2 := strings.CutSuffix(fn, extBz2)
				if isBz2 && slices.ContainsFunc(out[e.name], func(c candidate) bool { return c.filename == stem+extConda }) {
					continue
				}
				if c, ok := newCandidate(fn, raw); ok {
					out[e.name] = append(out[e.name], c)
				}
			}
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b candidate) int {
			return cmp.Or(b.version.Compare(a.version), cmp.Compare(b.number, a.number), strings.Compare(b.filename, a.filename))
		})
	}
	return out, nil
}

func newCandidate(filename string, raw json.RawMessage) (candidate, bool) {
	var r struct {
		Version  string   `json:"version"`
		Build    string   `json:"build"`
		Number   int64    `json:"build_number"`
		Depends  []string `json:"depends"`
		Track    any      `json:"track_features"`
		Features any      `json:"features"`
	}
	if json.Unmarshal(raw, &r) != nil {
		return candidate{}, false
	}
	version, err := conda.ParseVersion(r.Version)
	if err != nil {
		return candidate{}, false
	}
	return candidate{
		filename: filename, raw: raw, version: version, build: r.Build, number: r.Number, depends: r.Depends,
		features: !empty(r.Track) || !empty(r.Features),
	}, true
}

func empty(v any) bool { return v == nil || v == "" }
