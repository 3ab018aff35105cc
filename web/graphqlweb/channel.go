package graphqlweb

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sync"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/gateway"
)

type channel struct {
	q  *root
	ch *gateway.Channel
}

func (c *channel) Name() string         { return c.ch.Name }
func (c *channel) Description() *string { return textOrNull(c.ch.Description) }
func (c *channel) IsPublic() bool       { return c.ch.Vis == authz.Open }
func (c *channel) Owner() *string       { return textOrNull(c.q.g.ProjectName(c.ch.ProjectID)) }
func (c *channel) CreatedAt() DateTime  { return DateTime(c.ch.CreatedAt) }

type packagePage struct {
	Pages, TotalCount int32
	Page              []*pkg
}

type packageFilter struct {
	Name *struct{ Eq, Contains *string }
}

// Packages is a page of the channel's names.
func (c *channel) Packages(ctx context.Context, args struct {
	pageArgs
	Filters *packageFilter
},
) (*packagePage, error) {
	limit, offset, err := args.check()
	if err == nil {
		err = spend(ctx, limit)
	}
	if err == nil {
		// Whoever came here by a package that they may read may not read the channel.
		_, err = c.q.g.Channel(caller(ctx), c.ch.Name)
	}
	if err != nil {
		return nil, err
	}
	out := &packagePage{Page: []*pkg{}}
	if f := args.Filters; f != nil && f.Name != nil && f.Name.Eq != nil {
		p := &pkg{channel: c, name: *f.Name.Eq}
		if files, err := p.load(ctx); err != nil || len(files) == 0 {
			return out, err
		}
		out.Pages, out.TotalCount = 1, 1
		if offset == 0 {
			out.Page = append(out.Page, p)
		}
		return out, nil
	}
	search := catalog.Search{Limit: limit, Offset: offset}
	if f := args.Filters; f != nil && f.Name != nil && f.Name.Contains != nil {
		search.Contains = *f.Name.Contains
	}
	names, total, err := c.q.g.SearchPackages(ctx, c.ch, search)
	if err != nil {
		return nil, err
	}
	out.Pages, out.TotalCount = pages(total, limit), int32(total)
	for _, n := range names {
		out.Page = append(out.Page, &pkg{channel: c, name: n.Name})
	}
	return out, nil
}

// pkg is a package name of a channel, whose files are read when they are asked for.
type pkg struct {
	channel *channel
	name    string

	once  sync.Once
	files []*catalog.Package // newest first
	err   error
}

// load reads the files of the name that the caller may know of, yanked ones included.
func (p *pkg) load(ctx context.Context) ([]*catalog.Package, error) {
	p.once.Do(func() {
		if p.err = spend(ctx, 1); p.err != nil {
			return
		}
		if p.files, p.err = p.channel.q.g.PackageFiles(ctx, caller(ctx), p.channel.ch, p.name); p.err != nil {
			return
		}
		p.err = spend(ctx, len(p.files))
		slices.SortFunc(p.files, newestFirst)
	})
	return p.files, p.err
}

// newestFirst orders files by version, build number, and time.
func newestFirst(a, b *catalog.Package) int {
	if a.Version != b.Version {
		va, errA := conda.ParseVersion(a.Version)
		vb, errB := conda.ParseVersion(b.Version)
		if errA == nil && errB == nil {
			if order := vb.Compare(va); order != 0 {
				return order
			}
		}
	}
	return cmp.Or(cmp.Compare(b.BuildNumber, a.BuildNumber), cmp.Compare(b.IndexedAt, a.IndexedAt), cmp.Compare(a.Filename, b.Filename))
}

func (p *pkg) Name() string      { return p.name }
func (p *pkg) Channel() *channel { return p.channel }

// about is what the newest file tells people.
func (p *pkg) about(ctx context.Context) (about struct {
	Summary, Description, Home, DevURL, DocURL any
}, err error,
) {
	files, err := p.load(ctx)
	if err != nil || len(files) == 0 {
		return about, err
	}
	var raw map[string]any
	_ = json.Unmarshal(files[0].About, &raw) // what is not there is shown as nothing
	about.Summary, about.Description = raw["summary"], raw["description"]
	about.Home, about.DevURL, about.DocURL = raw["home"], raw["dev_url"], raw["doc_url"]
	return about, nil
}

// Description is the newest file's summary.
func (p *pkg) Description(ctx context.Context) (*string, error) {
	about, err := p.about(ctx)
	for _, v := range []any{about.Summary, about.Description} {
		if text, _ := v.(string); text != "" {
			return &text, err
		}
	}
	return nil, err
}

type packageURL struct{ URL, Kind string }

// Urls are the newest file's links.
func (p *pkg) Urls(ctx context.Context) ([]*packageURL, error) {
	about, err := p.about(ctx)
	out := []*packageURL{}
	for _, u := range []struct {
		kind string
		of   any
	}{{"HOME", about.Home}, {"DEV", about.DevURL}, {"DOC", about.DocURL}} {
		values, isList := u.of.([]any)
		if !isList {
			values = []any{u.of}
		}
		for _, v := range values {
			if text, _ := v.(string); text != "" {
				out = append(out, &packageURL{text, u.kind})
			}
		}
	}
	return out, err
}

// CreatedAt is when the name was first published.
func (p *pkg) CreatedAt(ctx context.Context) (DateTime, error) {
	files, err := p.load(ctx)
	first := int64(0)
	for _, f := range files {
		if first == 0 || f.IndexedAt < first {
			first = f.IndexedAt
		}
	}
	return DateTime(first), err
}

type latestVersion struct {
	Version    string
	TotalCount int32
}

// LatestVersion is the highest version that is not yanked.
func (p *pkg) LatestVersion(ctx context.Context) (*latestVersion, error) {
	files, err := p.load(ctx)
	var out *latestVersion
	seen := map[string]bool{}
	for _, f := range files {
		if f.YankedAt != 0 || seen[f.Version] {
			continue
		}
		seen[f.Version] = true
		if out == nil {
			out = &latestVersion{Version: f.Version}
		}
		out.TotalCount++
	}
	return out, err
}

type variantPage struct {
	Pages, TotalCount int32
	Page              []*variant
}

// Variants is a page of the name's files, newest first.
func (p *pkg) Variants(ctx context.Context, args struct {
	pageArgs
	Platform      *string
	IncludeHidden bool
},
) (*variantPage, error) {
	limit, offset, err := args.check()
	if err == nil {
		err = spend(ctx, limit)
	}
	if err != nil {
		return nil, err
	}
	files, err := p.load(ctx)
	if err != nil {
		return nil, err
	}
	var shown []*catalog.Package
	for _, f := range files {
		if (args.Platform == nil || *args.Platform == f.Subdir) && (args.IncludeHidden || f.YankedAt == 0) {
			shown = append(shown, f)
		}
	}
	out := &variantPage{Pages: pages(len(shown), limit), TotalCount: int32(len(shown)), Page: []*variant{}}
	for _, f := range window(shown, offset, limit) {
		out.Page = append(out.Page, &variant{f})
	}
	return out, nil
}

type variant struct{ f *catalog.Package }

func (v *variant) Name() string        { return v.f.Name }
func (v *variant) Version() string     { return v.f.Version }
func (v *variant) BuildString() string { return v.f.Build }
func (v *variant) BuildNumber() int32  { return int32(min(v.f.BuildNumber, 1<<31-1)) }
func (v *variant) Platform() string    { return v.f.Subdir }
func (v *variant) Filename() string    { return v.f.Filename }
func (v *variant) Size() float64       { return float64(v.f.Size) } // Int has 32 bits
func (v *variant) MD5() string         { return hex.EncodeToString(v.f.MD5[:]) }
func (v *variant) SHA256() string      { return hex.EncodeToString(v.f.SHA256[:]) }
func (v *variant) CreatedAt() DateTime { return DateTime(v.f.IndexedAt) }
func (v *variant) RawIndex() *JSON     { return jsonOrNull(v.f.Index) }
func (v *variant) RawAbout() *JSON     { return jsonOrNull(v.f.About) }

// YankedReason is null for a file that is in the indexes.
func (v *variant) YankedReason() *string {
	if v.f.YankedAt == 0 {
		return nil
	}
	return &v.f.YankReason
}

// JSON is a JSON value as it is stored.
type JSON struct{ json.RawMessage }

// ImplementsGraphQLType implements the library's scalar.
func (JSON) ImplementsGraphQLType(name string) bool { return name == "JSON" }

// UnmarshalGraphQL is never called: no argument is of this type.
func (j *JSON) UnmarshalGraphQL(input any) (err error) {
	j.RawMessage, err = json.Marshal(input)
	return err
}

func jsonOrNull(raw json.RawMessage) *JSON {
	if len(raw) == 0 {
		return nil
	}
	return &JSON{raw}
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
