package pyweb

import (
	"encoding/hex"
	"net/http"

	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// nameDoc is a Python name as the API tells it.
type nameDoc struct {
	Name         string    `json:"name"` // normalised
	Display      string    `json:"display"`
	Visibility   string    `json:"visibility"`
	Project      string    `json:"project,omitempty"`
	Status       string    `json:"status"`
	StatusReason string    `json:"status_reason,omitempty"`
	CreatedAt    string    `json:"created_at"`
	UpdatedAt    string    `json:"updated_at"`
	Files        []fileDoc `json:"files,omitempty"`
}

type fileDoc struct {
	Filename   string `json:"filename"`
	Version    string `json:"version"`
	Size       int64  `json:"size"`
	SHA256     string `json:"sha256"`
	Yanked     bool   `json:"yanked"`
	YankReason string `json:"yank_reason,omitempty"`
	UploadedAt string `json:"uploaded_at"`
	UploadedBy string `json:"uploaded_by"`
}

func (s *Surface) doc(p *gateway.PyProject) nameDoc {
	return nameDoc{
		Name: p.Name, Display: p.Display, Visibility: p.Visibility, Project: s.env.Gateway.ProjectName(p.ProjectID),
		Status: p.State(), StatusReason: p.StatusReason, CreatedAt: web.Time(p.CreatedAt), UpdatedAt: web.Time(p.UpdatedAt),
	}
}

func newFileDoc(f *catalog.PyFile) fileDoc {
	return fileDoc{
		Filename: f.Filename, Version: f.Version, Size: f.Size, SHA256: hex.EncodeToString(f.SHA256[:]),
		Yanked: f.Yanked, YankReason: f.YankReason, UploadedAt: web.Time(f.UploadedAt), UploadedBy: f.UploadedBy,
	}
}

// withCaller runs fn for a request's caller and answers its result as JSON.
func (s *Surface) withCaller(w http.ResponseWriter, r *http.Request, fn func(*gateway.Caller) (any, error)) {
	c, err := s.env.Changer(r)
	var answer any
	if err == nil {
		answer, err = fn(c)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.env.Served("pypi", "managed")
	web.WriteJSON(w, http.StatusOK, answer)
}

func (s *Surface) listNames(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (any, error) {
		all, err := s.env.Gateway.PyNames(c)
		out := make([]nameDoc, 0, len(all))
		for _, p := range all {
			out = append(out, s.doc(p))
		}
		return out, err
	})
}

func (s *Surface) getName(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (any, error) {
		project, files, err := s.env.Gateway.PyProjectOf(r.Context(), c, p["name"])
		if err != nil {
			return nil, err
		}
		out := s.doc(project)
		for _, f := range files {
			out.Files = append(out.Files, newFileDoc(f))
		}
		return out, nil
	})
}

func (s *Surface) setName(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (any, error) {
		var in gateway.PySettings
		if err := web.ReadJSON(w, r, &in); err != nil {
			return nil, err
		}
		project, err := s.env.Gateway.SetPyName(r.Context(), c, p["name"], in)
		if err != nil {
			return nil, err
		}
		return s.doc(project), nil
	})
}

// deleted is the answer of a deletion.
type deleted struct {
	Deleted string `json:"deleted"`
}

func (s *Surface) deleteName(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (any, error) {
		return deleted{p["name"]}, s.env.Gateway.DeletePyName(r.Context(), c, p["name"])
	})
}

func (s *Surface) deleteFile(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (any, error) {
		return deleted{p["file"]}, s.env.Gateway.DeletePyFile(r.Context(), c, p["name"], p["file"])
	})
}

func (s *Surface) yank(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.setYank(w, r, p, true)
}

func (s *Surface) unyank(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.setYank(w, r, p, false)
}

// setYank takes a version, all of whose files it marks, or one file.
func (s *Surface) setYank(w http.ResponseWriter, r *http.Request, p web.Params, yank bool) {
	s.withCaller(w, r, func(c *gateway.Caller) (any, error) {
		var in struct {
			Version string `json:"version"`
			File    string `json:"file"`
			Reason  string `json:"reason"`
		}
		if err := web.ReadJSON(w, r, &in); err != nil {
			return nil, err
		}
		if (in.Version == "") == (in.File == "") {
			return nil, gateway.Errorf(http.StatusBadRequest, "the body names %s: either 'version' or 'file' is expected", bothOrNeither(in.Version))
		}
		var err error
		files := 1
		if in.File != "" {
			err = s.env.Gateway.YankPyFile(r.Context(), c, p["name"], in.File, yank, in.Reason)
		} else {
			files, err = s.env.Gateway.YankPyVersion(r.Context(), c, p["name"], in.Version, yank, in.Reason)
		}
		return struct {
			Files  int  `json:"files"`
			Yanked bool `json:"yanked"`
		}{files, yank}, err
	})
}

func bothOrNeither(version string) string {
	if version == "" {
		return "neither a version nor a file"
	}
	return "a version and a file"
}

// why explains what the caller gets for a name, and what is withheld.
func (s *Surface) why(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (any, error) {
		return s.env.Gateway.WhyPython(r.Context(), c, p["name"])
	})
}

// purge drops what is cached of an upstream's project.
func (s *Surface) purge(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (any, error) {
		files, err := s.env.Gateway.PurgePython(r.Context(), c, p["name"])
		return struct {
			Files int `json:"files"`
		}{files}, err
	})
}

func (s *Surface) listReserved(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (any, error) {
		all, err := s.env.Gateway.Reserved(r.Context(), c)
		if all == nil {
			all = []string{}
		}
		return all, err
	})
}

func (s *Surface) reserve(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (any, error) {
		pattern, err := s.env.Gateway.Reserve(r.Context(), c, p["pattern"])
		return struct {
			Reserved string `json:"reserved"`
		}{pattern}, err
	})
}

func (s *Surface) unreserve(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (any, error) {
		return deleted{p["pattern"]}, s.env.Gateway.Unreserve(r.Context(), c, p["pattern"])
	})
}

func notFound(format string, args ...any) error {
	return gateway.Errorf(http.StatusNotFound, format, args...)
}
