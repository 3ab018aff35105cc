package apiweb

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

type projectDoc struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

func newProjectDoc(p *catalog.Project) projectDoc {
	return projectDoc{p.ID, p.Name, web.Time(p.CreatedAt), web.Time(p.UpdatedAt)}
}

func (s *Surface) listProjects(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.serve(w, r, composable, func(c *gateway.Caller) (int, any, error) {
		all, err := s.env.Gateway.Projects(c)
		out := make([]projectDoc, 0, len(all))
		for _, p := range all {
			out = append(out, newProjectDoc(p))
		}
		return http.StatusOK, out, err
	})
}

// projectName reads a body that names a project, of a caller who may name it.
func (s *Surface) projectName(w http.ResponseWriter, r *http.Request, c *gateway.Caller) (string, error) {
	if err := s.env.Gateway.May(c, authz.ProjectUpdate); err != nil {
		return "", err
	}
	var in struct {
		Name string `json:"name"`
	}
	err := web.ReadJSON(w, r, &in)
	return in.Name, err
}

func (s *Surface) createProject(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.serve(w, r, composable, func(c *gateway.Caller) (int, any, error) {
		name, err := s.projectName(w, r, c)
		if err != nil {
			return 0, nil, err
		}
		p, err := s.env.Gateway.CreateProject(r.Context(), c, name)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusCreated, newProjectDoc(p), nil
	})
}

func (s *Surface) renameProject(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.serve(w, r, composable, func(c *gateway.Caller) (int, any, error) {
		name, err := s.projectName(w, r, c)
		if err != nil {
			return 0, nil, err
		}
		renamed, err := s.env.Gateway.RenameProject(r.Context(), c, p["project"], name)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, newProjectDoc(renamed), nil
	})
}

func (s *Surface) deleteProject(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.serve(w, r, composable, func(c *gateway.Caller) (int, any, error) {
		return http.StatusOK, struct {
			Deleted string `json:"deleted"`
		}{p["project"]}, s.env.Gateway.DeleteProject(r.Context(), c, p["project"])
	})
}

type auditDoc struct {
	ID        int64           `json:"id"`
	At        string          `json:"at"`
	KeyID     string          `json:"key_id,omitempty"`
	Actor     string          `json:"actor"`
	Address   string          `json:"address,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Action    string          `json:"action"`
	Kind      string          `json:"kind"`
	Target    string          `json:"target"`
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
	Outcome   string          `json:"outcome"`
}

// audit answers a page of the trail, newest first; next is the value of before that
// gives the page behind it, 0 on the last one.
func (s *Surface) audit(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.serve(w, r, composable, func(c *gateway.Caller) (int, any, error) {
		if err := s.env.Gateway.May(c, authz.AuditRead); err != nil {
			return 0, nil, err
		}
		f, err := auditFilter(r)
		if err != nil {
			return 0, nil, err
		}
		rows, err := s.env.Gateway.Audit(r.Context(), c, f)
		if err != nil {
			return 0, nil, err
		}
		out := struct {
			Rows []auditDoc `json:"rows"`
			Next int64      `json:"next"`
		}{Rows: make([]auditDoc, 0, len(rows))}
		for _, a := range rows {
			out.Rows = append(out.Rows, auditDoc{
				a.ID, web.Time(a.At), a.Actor.KeyID, a.Actor.Name, a.Actor.Address, a.Actor.RequestID,
				a.Action, a.Kind, a.Target, a.Before, a.After, a.Outcome,
			})
		}
		if len(rows) > 0 && len(rows) == f.Limit {
			out.Next = rows[len(rows)-1].ID
		}
		return http.StatusOK, out, nil
	})
}

func auditFilter(r *http.Request) (f catalog.AuditFilter, err error) {
	q := r.URL.Query()
	// What is there and empty is refused: the variable of a script that was not set must
	// not widen what it asks for.
	f = catalog.AuditFilter{Actor: q.Get("actor"), Action: q.Get("action"), Kind: q.Get("kind"), Target: q.Get("target"), Limit: 100}
	for name, to := range map[string]*int64{"since": &f.Since, "until": &f.Until} {
		if text := q.Get(name); q.Has(name) {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return f, gateway.Errorf(http.StatusBadRequest, "%s is %.60q: a time as 2030-01-31T12:00:00Z is expected (RFC 3339)", name, text)
			}
			*to = t.UnixMilli()
		}
	}
	if text := q.Get("before"); q.Has("before") {
		if f.Before, err = strconv.ParseInt(text, 10, 64); err != nil || f.Before < 1 {
			return f, gateway.Errorf(http.StatusBadRequest, "before is %.40q: a number, 1 or more, is expected", text)
		}
	}
	if text := q.Get("limit"); q.Has("limit") {
		if f.Limit, err = strconv.Atoi(text); err != nil || f.Limit < 1 || f.Limit > catalog.MaxRows {
			return f, gateway.Errorf(http.StatusBadRequest, "limit is %.40q: 1 to %d rows a page are expected", text, catalog.MaxRows)
		}
	}
	return f, nil
}
