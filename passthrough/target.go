package passthrough

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/fairwayhq/fairway/python"
	"github.com/fairwayhq/fairway/wording"
)

// target is a file that was asked for, on its way through the decision.
type target struct {
	up             *upstream
	at             int
	address        string
	filename, name string
	listed         *listed
	stored         *stored  // what the cache had when it was located; nil for nothing
	names          []string // projects the file may be of, decided on and the caller's to use
}

func (t *target) key() string { return t.up.cacheKey(t.address) }

// etag is the entity tag of a file with that digest.
func etag(sha string) string {
	if sha == "" {
		return ""
	}
	return `"` + sha + `"`
}

// candidates are the projects that a file name may belong to. One for wheels and
// ordinary sdists; the names of older files do not say where the project's ends.
func candidates(filename string) []string {
	var out []string
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	f, err := python.ParseFilename(filename, "")
	if err == nil {
		add(f.Name)
	}
	if err == nil && f.Kind == python.Wheel {
		return out
	}
	for end := len(filename); len(out) < 4; {
		end = strings.LastIndexByte(filename[:end], '-')
		if end <= 0 {
			break
		}
		rest := filename[end+1:]
		if rest == "" || rest[0] < '0' || rest[0] > '9' || !python.ValidName(filename[:end]) {
			continue
		}
		// "a-2-1.0.tar.gz" is not of a; "a-2-1.tar.gz" may be, as its 2.post1.
		name := python.Normalise(filename[:end])
		if _, also := python.ParseFilename(filename, name); also == nil || err != nil && !strings.HasSuffix(filename, ".whl") {
			add(name)
		}
	}
	return out
}

// readings are the projects that a file is looked for in. Where its name can be read
// in several ways, they are those that the caller may use and the rules permit.
func (p *Mirror) readings(q *FileRequest, filename string) (names []string, err error) {
	all := candidates(filename)
	refused := error(refuse(NotFound, nil, "%q is not the name of a Python distribution file", clip(filename)))
	for _, name := range all {
		if err := q.may(name); err != nil {
			refused = err
		} else {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, refused // and who may use none of them learns nothing of them
	}
	for _, name := range all {
		// No reading may carry a name of the house outside, whoever asks.
		_, err := p.Decide(name)
		if err != nil && refusalOf(err).Kind != Blocked {
			return nil, err
		}
		if err != nil {
			refused = err
			names = slices.DeleteFunc(names, func(n string) bool { return n == name })
		}
	}
	if len(names) == 0 {
		return nil, refused
	}
	return names, nil
}

// locate decides on a file by its name, before anything is asked of anybody. A
// stored file needs no page, but the same decision.
func (p *Mirror) locate(q FileRequest) (*target, error) {
	t := &target{address: q.Path, filename: path.Base(q.Path), at: -1}
	for i, u := range p.ups {
		if u.name == q.Upstream {
			t.up, t.at = u, i
		}
	}
	if path.Clean(q.Path) != q.Path || strings.HasPrefix(q.Path, "/") {
		return nil, refuse(NotFound, nil, "%q is not the name of a Python distribution file", clip(t.filename))
	}
	var err error
	if t.names, err = p.readings(&q, t.filename); err != nil {
		return nil, err
	}
	if t.up == nil {
		return nil, refuse(NotFound, nil, "there is no upstream %q", clip(q.Upstream))
	}
	s := p.files.peek(t.key())
	if s == nil {
		return t, nil
	}
	if _, err := p.Decide(s.Project); err != nil {
		return nil, err
	}
	if err := q.may(s.Project); err != nil {
		return nil, err
	}
	t.name, t.stored = s.Project, s
	for _, u := range p.ups[:t.at] {
		if p.pages.head(u, s.Project).usable() {
			return nil, refuse(NotFound, nil, "%s is a project of upstream %s now", s.Project, u.name)
		}
	}
	if rec := p.pages.head(t.up, s.Project); rec != nil && rec.Status == python.StatusQuarantined {
		return nil, p.refused(refuse(Withheld, nil, "%s is withheld: its project is quarantined by upstream %s", clip(t.filename), t.up.name))
	}
	if until, held := p.rules.holds(s.Project, s.Version, s.since(), p.cfg.Now()); held {
		return nil, p.cooling(t.filename, until)
	}
	return t, nil
}

func (p *Mirror) cooling(filename string, until time.Time) *Refusal {
	r := refuse(Withheld, nil, "%s is withheld: it is younger than the cooldown of %s", clip(filename), wording.Duration(p.rules.cooldown))
	r.Until = until
	return p.refused(r)
}

// list finds a file on its project's page. A page that does not have it is asked
// for again, unless that was a moment ago: lock files name what is new.
func (p *Mirror) list(ctx context.Context, t *target) error {
	if p.cfg.Offline {
		return refuse(Unavailable, nil, "%s is not stored here, and the gateway is set offline", clip(t.filename))
	}
	var newerThan time.Time
	for _, name := range t.names {
		for range 2 {
			f, v, err := p.view(ctx, name, Proxy, newerThan)
			if err != nil && refusalOf(err).Kind == NotFound {
				break
			}
			if err != nil {
				return err
			}
			if f.at != t.at {
				break
			}
			if l := v.files[t.address]; l != nil {
				t.name, t.listed = name, l
				return p.permitted(l)
			}
			if newerThan = p.cfg.Now().Add(-p.cfg.NegativeTTL); !f.rec.Fetched.Before(newerThan) || f.stale {
				break
			}
		}
	}
	return refuse(NotFound, nil, "upstream %s has no file %s on its page", t.up.name, clip(t.filename))
}

func (p *Mirror) permitted(l *listed) error {
	switch {
	case l.held == nil:
		return nil
	case !l.held.Until.IsZero():
		return p.cooling(l.Filename, l.held.Until)
	}
	return p.refused(refuse(Withheld, nil, "%s is withheld: %s", clip(l.Filename), l.held.Reason))
}
