package openapi

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
	"github.com/fairwayhq/fairway/web/graphqlweb"
)

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("api").Funcs(template.FuncMap{"upper": strings.ToUpper}).Parse(pageSource))

// Surface serves the description of the gateway's APIs.
type Surface struct {
	env    *web.Env
	router *web.Router

	document, page, schema web.Content
}

// New makes the surface for a site that has routes beside its own and is found at
// publicURL, as [Build] takes it. It errs where the routes and their descriptions differ.
func New(env *web.Env, routes []web.Route, publicURL string) (*Surface, error) {
	s := &Surface{env: env}
	s.router = web.NewRouter([]web.Route{
		{Method: "GET", Pattern: "/-/openapi.json", Handler: s.serve(&s.document)},
		{Method: "GET", Pattern: "/-/api", Handler: s.serve(&s.page)},
		{Method: "GET", Pattern: "/-/schema.graphql", Handler: s.serve(&s.schema)},
	}, func(w http.ResponseWriter, r *http.Request, status int, message string) {
		env.WriteText(w, r, &gateway.Error{Status: status, Message: message})
	})
	document, err := Build(append(slices.Clone(routes), s.Routes()...), publicURL)
	if err != nil {
		return nil, fmt.Errorf("describing the API: %w", err)
	}
	page, err := render(document)
	if err != nil {
		return nil, fmt.Errorf("describing the API: %w", err)
	}
	s.document = static("application/json", document)
	s.page = static("text/html; charset=utf-8", page)
	s.schema = static("text/plain; charset=utf-8", []byte(graphqlweb.Schema()))
	return s, nil
}

func static(media string, body []byte) web.Content {
	return web.Content{
		Type: media, ETag: web.ETagOf(body), CacheControl: "no-cache", Size: int64(len(body)), Body: web.Bytes(body),
	}
}

// Routes is the surface's table.
func (s *Surface) Routes() []web.Route { return s.router.Routes() }

// Serve answers a request for one of the routes; false when none matches.
func (s *Surface) Serve(w http.ResponseWriter, r *http.Request) bool { return s.router.Serve(w, r) }

func (s *Surface) serve(c *web.Content) func(http.ResponseWriter, *http.Request, web.Params) {
	return func(w http.ResponseWriter, r *http.Request, _ web.Params) {
		web.HTMLHeaders(w.Header())
		s.env.Served("api", "description")
		web.Serve(w, r, c)
	}
}

// pageOperation is one operation as the page shows it.
type pageOperation struct {
	Method, Path, Summary string
	Permissions           []string
	Open                  bool
	Parameters            []pageParameter
	Body                  []string
	Answers               []pageAnswer
}

type pageParameter struct{ Name, In, Text string }

type pageAnswer struct{ Status, Text string }

type pageTag struct {
	Name, Text string
	Operations []pageOperation
}

// render makes the page of a document, from the document alone.
func render(document []byte) ([]byte, error) {
	var doc struct {
		Info struct{ Title, Description string }
		Tags []struct{ Name, Description string }
		Path map[string]map[string]struct {
			Tags        []string
			Summary     string
			Permissions []string `json:"x-permissions"`
			Security    []map[string]any
			Parameters  []struct{ Name, In, Description string }
			RequestBody struct{ Content map[string]any }
			Responses   map[string]struct{ Description string }
		} `json:"paths"`
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("reading the document: %w", err)
	}
	data := struct {
		Title, Text string
		Tags        []pageTag
	}{Title: doc.Info.Title, Text: doc.Info.Description}
	for _, tag := range doc.Tags {
		section := pageTag{Name: tag.Name, Text: tag.Description}
		for _, path := range slices.Sorted(maps.Keys(doc.Path)) {
			for _, method := range slices.Sorted(maps.Keys(doc.Path[path])) {
				op := doc.Path[path][method]
				if !slices.Contains(op.Tags, tag.Name) {
					continue
				}
				shown := pageOperation{
					Method: method, Path: path, Summary: op.Summary, Permissions: op.Permissions,
					Open: len(op.Security) == 0 || len(op.Security[0]) == 0, Body: slices.Sorted(maps.Keys(op.RequestBody.Content)),
				}
				for _, p := range op.Parameters {
					shown.Parameters = append(shown.Parameters, pageParameter{p.Name, p.In, p.Description})
				}
				for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
					shown.Answers = append(shown.Answers, pageAnswer{status, op.Responses[status].Description})
				}
				section.Operations = append(section.Operations, shown)
			}
		}
		data.Tags = append(data.Tags, section)
	}
	var buf bytes.Buffer
	err := pageTemplate.Execute(&buf, &data)
	return buf.Bytes(), err
}
