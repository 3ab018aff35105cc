package upstreamtest

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

const (
	typeJSON = "application/vnd.pypi.simple.v1+json"
	typeHTML = "application/vnd.pypi.simple.v1+html"
)

// page answers with a project's page, as JSON when that is accepted.
func (s *Server) page(w http.ResponseWriter, r *http.Request, name string, o Options) {
	s.mu.Lock()
	p := s.projects[name]
	var body []byte
	kind := typeJSON
	if o.HTMLOnly || !strings.Contains(r.Header.Get("Accept"), typeJSON) {
		kind = "text/html; charset=utf-8"
	}
	if p != nil {
		if kind == typeJSON {
			body = s.pageJSON(name, p, o)
		} else {
			body = s.pageHTML(name, p, o)
		}
	}
	s.mu.Unlock()
	if p == nil {
		http.Error(w, "no such project", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Vary", "Accept")
	if o.CacheControl == "" {
		o.CacheControl = "max-age=600"
	}
	h.Set("Cache-Control", o.CacheControl)
	if o.Age > 0 {
		h.Set("Age", fmt.Sprint(int(o.Age.Seconds())))
	}
	if !o.NoValidators {
		etag := `"` + digest(body)[:20] + `"`
		h.Set("ETag", etag)
		h.Set("X-PyPI-Last-Serial", fmt.Sprint(p.serial))
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(body)
		_ = z.Close()
		return
	}
	_, _ = w.Write(body)
}

func (s *Server) link(f *File, o Options) string {
	switch {
	case f.URL != "":
		return f.URL
	case o.AbsoluteLinks:
		return s.HTTP.URL + "/" + (&url.URL{Path: f.Path}).EscapedPath()
	default:
		return "../../" + (&url.URL{Path: f.Path}).EscapedPath()
	}
}

func (f *File) stated() string {
	if f.Hash != "" {
		return f.Hash
	}
	return f.SHA256()
}

func (s *Server) pageJSON(name string, p *project, o Options) []byte {
	files := make([]map[string]any, 0, len(p.files))
	versions := []string{}
	seen := map[string]bool{}
	for i := range p.files {
		f := &p.files[i]
		m := map[string]any{"filename": f.Filename, "url": s.link(f, o), "hashes": map[string]string{}}
		if !f.NoHash {
			m["hashes"] = map[string]string{"sha256": f.stated()}
		}
		if !f.NoSize {
			m["size"] = len(f.Content)
		}
		if f.RequiresPython != "" {
			m["requires-python"] = f.RequiresPython
		}
		m["yanked"] = false
		if f.Yanked != "" {
			m["yanked"] = f.Yanked
		}
		if !f.UploadTime.IsZero() && !o.NoDates {
			m["upload-time"] = f.UploadTime.UTC().Format("2006-01-02T15:04:05.000000Z")
		}
		if f.Metadata != nil && !o.Unadvertised {
			m["core-metadata"] = map[string]string{"sha256": digest(f.Metadata)}
		}
		if f.Provenance != nil {
			m["provenance"] = s.HTTP.URL + "/integrity/" + name + "/" + Version(f.Filename) + "/" + f.Filename + "/provenance"
		}
		files = append(files, m)
		if v := Version(f.Filename); !seen[v] {
			seen[v] = true
			versions = append(versions, v)
		}
	}
	page := map[string]any{
		"meta": map[string]any{"api-version": "1.4", "_last-serial": p.serial}, "name": name,
		"files": files, "versions": versions, "x-unknown": "kept",
	}
	if p.status != "" {
		page["project-status"] = map[string]string{"status": p.status}
	}
	b, err := json.Marshal(page)
	if err != nil {
		panic(err)
	}
	return b
}

func (s *Server) pageHTML(name string, p *project, o Options) []byte {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html>\n<head>\n<meta name=\"pypi:repository-version\" content=\"1.4\">\n")
	if p.status != "" {
		fmt.Fprintf(&b, "<meta name=\"pypi:project-status\" content=\"%s\">\n", p.status)
	}
	fmt.Fprintf(&b, "<title>Links for %s</title>\n</head>\n<body>\n", name)
	for i := range p.files {
		f := &p.files[i]
		link := s.link(f, o)
		if !f.NoHash {
			link += "#sha256=" + f.stated()
		}
		fmt.Fprintf(&b, `<a href="%s"`, html.EscapeString(link))
		if f.RequiresPython != "" {
			fmt.Fprintf(&b, ` data-requires-python="%s"`, html.EscapeString(f.RequiresPython))
		}
		if f.Yanked != "" {
			fmt.Fprintf(&b, ` data-yanked="%s"`, html.EscapeString(f.Yanked))
		}
		if f.Metadata != nil && !o.Unadvertised {
			fmt.Fprintf(&b, ` data-core-metadata="sha256=%s"`, digest(f.Metadata))
		}
		fmt.Fprintf(&b, ">%s</a>\n", html.EscapeString(f.Filename))
	}
	b.WriteString("</body>\n</html>\n")
	return []byte(b.String())
}

// Version is the version that a file name states.
func Version(filename string) string {
	stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(filename), ".tar.gz"), ".zip")
	if parts := strings.Split(stem, "-"); strings.HasSuffix(filename, ".whl") && len(parts) > 1 {
		return parts[1]
	} else if len(parts) > 1 {
		return parts[len(parts)-1]
	}
	return ""
}

// Day is midnight of a day n days before now, for upload times.
func Day(now time.Time, n int) time.Time { return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -n) }
