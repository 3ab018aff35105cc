package condaweb

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"

	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("channel").Funcs(template.FuncMap{"time": web.Time}).Parse(pageSource))

// pageSize is how many names or files one page of a channel lists.
const pageSize = 200

// pageData is what the channel's page shows.
type pageData struct {
	Channel string
	Text    string // its description
	Subdir  string
	Subdirs []*catalog.SubdirState
	Query   string
	Total   int
	Names   []*catalog.NameSummary
	Next    string // query of the next page, "" for the last
}

// page is what a browser sees at /<channel>/: the subdirs and the packages by
// name, a page at a time, searchable.
func (s *Surface) page(w http.ResponseWriter, r *http.Request, ch *gateway.Channel, subdir string) {
	g, ctx := s.env.Gateway, r.Context()
	q := r.URL.Query()
	data := pageData{Channel: ch.Name, Text: ch.Description, Subdir: subdir, Query: q.Get("q")}
	var err error
	if data.Subdirs, err = g.Subdirs(ctx, ch); err != nil {
		s.fail(w, r, err)
		return
	}
	search := catalog.Search{Contains: data.Query, After: q.Get("after"), Limit: pageSize}
	if data.Names, data.Total, err = g.SearchPackages(ctx, ch, search); err != nil {
		s.fail(w, r, err)
		return
	}
	if len(data.Names) == pageSize {
		data.Next = url.Values{"q": {data.Query}, "after": {data.Names[len(data.Names)-1].Name}}.Encode()
	}
	var buf bytes.Buffer
	if err := pageTemplate.Execute(&buf, &data); err != nil {
		s.fail(w, r, err)
		return
	}
	web.HTMLHeaders(w.Header())
	s.env.Served("conda", "page")
	web.Serve(w, r, &web.Content{
		Type: "text/html; charset=utf-8", ETag: web.ETagOf(buf.Bytes()), Size: int64(buf.Len()), Body: web.Bytes(buf.Bytes()),
		CacheControl: "private, no-cache",
	})
}
