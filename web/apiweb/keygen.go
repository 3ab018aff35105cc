package apiweb

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// jsonAPI is the media type of Keygen's documents (JSON:API 1.0).
const jsonAPI = "application/vnd.api+json"

// Bounds of a page of engines, and its default size.
const (
	maxPage     = 100
	defaultPage = 10
)

// param is an error about one query parameter.
type param struct {
	name string
	*gateway.Error
}

// Unwrap lets the gateway see what it is.
func (p *param) Unwrap() error { return p.Error }

// keygen writes an error document. parameter names the query parameter to blame.
func (s *Surface) keygen(parameter string) shape {
	return func(w http.ResponseWriter, r *http.Request, e *gateway.Error) {
		type source struct {
			Parameter string `json:"parameter,omitempty"`
			Header    string `json:"header,omitempty"`
		}
		type item struct {
			Title  string  `json:"title"`
			Detail string  `json:"detail"`
			Code   string  `json:"code"`
			Source *source `json:"source,omitempty"`
		}
		it := item{Title: http.StatusText(e.Status), Detail: e.Message, Code: keygenCode(r, e)}
		switch {
		case parameter != "":
			it.Source = &source{Parameter: parameter}
		case e.Status == http.StatusUnauthorized:
			it.Source = &source{Header: "Authorization"}
		}
		id := s.env.Nobody(r).RequestID
		if id == "" {
			id = catalog.NewID()
		}
		w.Header()["Content-Type"] = []string{jsonAPI}
		web.WriteJSON(w, e.Status, struct {
			Meta struct {
				ID string `json:"id"`
			} `json:"meta"`
			Errors []item `json:"errors"`
		}{struct {
			ID string `json:"id"`
		}{id}, []item{it}})
	}
}

// keygenCode is the code that Keygen has for an error, as its clients compare it.
func keygenCode(r *http.Request, e *gateway.Error) string {
	switch e.Status {
	case http.StatusBadRequest:
		return "PARAMETER_INVALID"
	case http.StatusUnauthorized:
		return unauthorizedCode(r, e)
	case http.StatusForbidden:
		return "ACCESS_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusMethodNotAllowed:
		return "METHOD_NOT_ALLOWED"
	case http.StatusTooManyRequests:
		return "TOO_MANY_REQUESTS"
	}
	return "INTERNAL_ERROR"
}

func unauthorizedCode(r *http.Request, e *gateway.Error) string {
	token, err := authz.Credentials(r, "")
	scheme, _, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	switch {
	case err == nil && token == "":
		return "TOKEN_MISSING"
	case strings.HasPrefix(e.Message, authz.ExpiredPrefix):
		return "TOKEN_EXPIRED"
	case uuid.Validate(token) == nil:
		return "TOKEN_FORMAT_INVALID"
	case strings.EqualFold(scheme, "License"):
		return "LICENSE_INVALID"
	}
	return "TOKEN_INVALID"
}

type engineLinks struct {
	Related string `json:"related"`
}

type engineDoc struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Attributes struct {
		Name    string `json:"name"`
		Key     string `json:"key"`
		Created string `json:"created"`
		Updated string `json:"updated"`
	} `json:"attributes"`
	Relationships struct {
		Account struct {
			Links engineLinks `json:"links"`
			Data  struct {
				Type string `json:"type"`
				ID   string `json:"id"`
			} `json:"data"`
		} `json:"account"`
	} `json:"relationships"`
	Links engineLinks `json:"links"`
}

func (s *Surface) engineDoc(e *gateway.Engine) engineDoc {
	acc := s.env.Gateway.Account()
	at := "/v1/accounts/" + acc.ID
	d := engineDoc{ID: e.ID, Type: "engines", Links: engineLinks{at + "/engines/" + e.ID}}
	d.Attributes.Name, d.Attributes.Key = e.Name, e.Key
	d.Attributes.Created, d.Attributes.Updated = web.Time(e.CreatedAt), web.Time(e.UpdatedAt)
	d.Relationships.Account.Links.Related = at
	d.Relationships.Account.Data.Type, d.Relationships.Account.Data.ID = "accounts", acc.ID
	return d
}

// engines finds what the caller may see, once the account is known to be ours.
func (s *Surface) engines(r *http.Request, p web.Params) ([]*gateway.Engine, error) {
	c, err := s.env.Caller(r, "")
	if err != nil {
		return nil, err
	}
	all, err := s.env.Gateway.Engines(r.Context(), c)
	if err != nil {
		return nil, err
	}
	if acc := s.env.Gateway.Account(); p["account"] != acc.ID && p["account"] != acc.Slug {
		return nil, gateway.Errorf(http.StatusNotFound, "The requested account '%.80s' was not found", p["account"])
	}
	return all, nil
}

func (s *Surface) listEngines(w http.ResponseWriter, r *http.Request, p web.Params) {
	all, err := s.engines(r, p)
	if err != nil {
		s.fail(w, r, s.keygen(""), err)
		return
	}
	q := r.URL.Query()
	pg, bad := parsePage(q)
	if bad != nil {
		s.fail(w, r, s.keygen(bad.name), bad.Error)
		return
	}
	doc := struct {
		Data  []engineDoc `json:"data"`
		Links any         `json:"links"`
	}{Data: []engineDoc{}, Links: struct{}{}}
	if pg.number > 0 {
		doc.Links = pg.links(r.URL.Path, len(all))
	}
	from := min((max(pg.number, 1)-1)*pg.size, len(all))
	for _, e := range all[from:min(from+pg.size, len(all))] {
		doc.Data = append(doc.Data, s.engineDoc(e))
	}
	s.answer(w, doc)
}

func (s *Surface) getEngine(w http.ResponseWriter, r *http.Request, p web.Params) {
	all, err := s.engines(r, p)
	if err != nil {
		s.fail(w, r, s.keygen(""), err)
		return
	}
	for _, e := range all {
		if e.ID == p["engine"] || e.Key == p["engine"] {
			s.answer(w, struct {
				Data engineDoc `json:"data"`
			}{s.engineDoc(e)})
			return
		}
	}
	s.fail(w, r, s.keygen(""), gateway.Errorf(http.StatusNotFound, "The requested release engine '%.80s' was not found", p["engine"]))
}

func (s *Surface) answer(w http.ResponseWriter, doc any) {
	w.Header()["Content-Type"] = []string{jsonAPI}
	s.env.Served("api", "engines")
	web.WriteJSON(w, http.StatusOK, doc)
}

// page is which part of a list is asked for; number 0 means by limit alone.
type page struct{ size, number int }

// parsePage reads limit, or page[size] with page[number].
func parsePage(q url.Values) (pg page, bad *param) {
	pg.size = defaultPage
	for _, f := range []struct {
		name string
		max  int
		to   *int
	}{{"limit", maxPage, &pg.size}, {"page[size]", maxPage, &pg.size}, {"page[number]", 1 << 30, &pg.number}} {
		if !q.Has(f.name) {
			continue
		}
		n, err := strconv.Atoi(q.Get(f.name))
		if err != nil || n < 1 || n > f.max {
			return pg, &param{f.name, gateway.Errorf(http.StatusBadRequest, "%s is %.40q: a number from 1 to %d is expected", f.name, q.Get(f.name), f.max)}
		}
		*f.to = n
	}
	if q.Has("page[size]") != q.Has("page[number]") {
		missing := "page[number]"
		if !q.Has("page[size]") {
			missing = "page[size]"
		}
		return pg, &param{missing, gateway.Errorf(http.StatusBadRequest, "%s is missing: page[size] and page[number] go together", missing)}
	}
	return pg, nil
}

// links are the neighbours of a page.
func (pg page) links(path string, count int) any {
	pages := max((count+pg.size-1)/pg.size, 1)
	at := func(n int) *string {
		if n < 1 || n > pages {
			return nil
		}
		u := path + "?" + url.Values{"page[number]": {strconv.Itoa(n)}, "page[size]": {strconv.Itoa(pg.size)}}.Encode()
		return &u
	}
	self := path + "?" + url.Values{"page[number]": {strconv.Itoa(pg.number)}, "page[size]": {strconv.Itoa(pg.size)}}.Encode()
	meta, _ := json.Marshal(map[string]int{"pages": pages, "count": count})
	return struct {
		Self  string          `json:"self"`
		Prev  *string         `json:"prev"`
		Next  *string         `json:"next"`
		First *string         `json:"first"`
		Last  *string         `json:"last"`
		Meta  json.RawMessage `json:"meta"`
	}{self, at(pg.number - 1), at(pg.number + 1), at(1), at(pages), meta}
}
