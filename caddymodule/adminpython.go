package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/passthrough"
	"github.com/fairwayhq/fairway/python"
)

// pyView is a Python name as commands show it.
type pyView struct {
	Name         string   `json:"name"`
	Display      string   `json:"display"`
	Visibility   string   `json:"visibility"`
	Project      string   `json:"project,omitempty"`
	Status       string   `json:"status"`
	StatusReason string   `json:"status_reason,omitempty"`
	Files        int      `json:"files"`
	CreatedAt    string   `json:"created_at"`
	Contents     []pyFile `json:"contents,omitempty"` // of one name
}

type pyFile struct {
	Filename   string `json:"filename"`
	Version    string `json:"version"`
	Size       int64  `json:"size"`
	UploadedAt string `json:"uploaded_at"`
	Yanked     bool   `json:"yanked"`
	YankReason string `json:"yank_reason,omitempty"`
}

type pyInput struct {
	Name     string             `json:"name,omitempty"`
	Settings gateway.PySettings `json:"settings,omitzero"`
	Filename string             `json:"filename,omitempty"`
	Version  string             `json:"version,omitempty"`
	Reason   string             `json:"reason,omitempty"`
}

// affected is how many files an operation changed.
type affected struct {
	Files int `json:"files"`
}

type reserveInput struct {
	Pattern string `json:"pattern,omitempty"`
}

func pythonOperations() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		operation("python/set", func(c call, in pyInput) (pyView, error) {
			p, err := c.SetPyName(c, c.by, in.Name, in.Settings)
			if err != nil {
				return pyView{}, err
			}
			return viewPy(c, p, nil), nil
		}),
		operation("python/list", func(c call, in pyInput) ([]pyView, error) {
			if in.Name != "" {
				p, files, err := c.PyProjectOf(c, c.by, in.Name)
				if err != nil {
					return nil, err
				}
				return []pyView{viewPy(c, p, files)}, nil
			}
			names, err := c.PyNames(c.by)
			if err != nil {
				return nil, err
			}
			views := make([]pyView, 0, len(names))
			for _, p := range names {
				views = append(views, viewPy(c, p, nil))
			}
			return views, nil
		}),
		operation("python/yank", yankPython(true)),
		operation("python/unyank", yankPython(false)),
		operation("python/delete", func(c call, in pyInput) (none, error) {
			if in.Filename != "" {
				return none{}, c.DeletePyFile(c, c.by, in.Name, in.Filename)
			}
			return none{}, c.DeletePyName(c, c.by, in.Name)
		}),
		operation("python/why", func(c call, in pyInput) (*gateway.PyReport, error) {
			return c.WhyPython(c, c.by, in.Name)
		}),
		operation("python/prefetch", prefetch),
		operation("reserve/add", func(c call, in reserveInput) (reserveInput, error) {
			norm, err := c.Reserve(c, c.by, in.Pattern)
			return reserveInput{norm}, err
		}),
		operation("reserve/remove", func(c call, in reserveInput) (none, error) {
			return none{}, c.Unreserve(c, c.by, in.Pattern)
		}),
		operation("reserve/list", func(c call, _ none) ([]string, error) {
			patterns, err := c.Reserved(c, c.by)
			if patterns == nil {
				patterns = []string{}
			}
			return patterns, err
		}),
	}
}

// prefetchInput says what to fetch ahead.
type prefetchInput struct {
	Items []prefetchItem `json:"items"`
}

// prefetchItem is one file, or what specifiers permit of a name.
type prefetchItem struct {
	Name       string `json:"name"`
	Filename   string `json:"filename,omitempty"`
	Specifiers string `json:"specifiers,omitempty"`
}

// prefetched is the outcome of a prefetch.
type prefetched struct {
	Files  int             `json:"files"`
	Bytes  int64           `json:"bytes"`
	Failed []prefetchFault `json:"failed"`
}

type prefetchFault struct {
	Name   string `json:"name"`
	File   string `json:"file,omitempty"`
	Reason string `json:"reason"`
}

func prefetch(c call, in prefetchInput) (prefetched, error) {
	out := prefetched{Failed: []prefetchFault{}}
	items := make([]passthrough.Item, 0, len(in.Items))
	for _, i := range in.Items {
		specifiers, err := python.ParseSpecifiers(i.Specifiers)
		if err != nil {
			return out, gateway.Errorf(http.StatusBadRequest, "%s", err.Error())
		}
		items = append(items, passthrough.Item{Name: i.Name, Filename: i.Filename, Specifiers: specifiers})
	}
	err := c.PrefetchPython(c, c.by, items, func(p passthrough.Progress) {
		if p.Err != nil {
			fault, _ := gateway.AsError(p.Err)
			out.Failed = append(out.Failed, prefetchFault{p.Name, p.Filename, fault.Message})
		} else {
			out.Files++
			out.Bytes += p.Size
		}
		c.report(gateway.UpkeepProgress{Total: p.Total, Done: p.Done, Bytes: out.Bytes})
	})
	if len(out.Failed) > 0 {
		err = nil // it joins what is listed
	}
	return out, err
}

// yankPython yanks one file, or every file of a version.
func yankPython(yank bool) func(call, pyInput) (affected, error) {
	return func(c call, in pyInput) (affected, error) {
		if in.Filename != "" {
			return affected{1}, c.YankPyFile(c, c.by, in.Name, in.Filename, yank, in.Reason)
		}
		n, err := c.YankPyVersion(c, c.by, in.Name, in.Version, yank, in.Reason)
		return affected{n}, err
	}
}

func viewPy(c call, p *gateway.PyProject, files []*catalog.PyFile) pyView {
	v := pyView{
		Name: p.Name, Display: p.Display, Visibility: p.Visibility, Project: c.ProjectName(p.ProjectID),
		Status: p.State(), StatusReason: p.StatusReason, Files: p.Files, CreatedAt: timeOf(p.CreatedAt),
	}
	for _, f := range files {
		v.Contents = append(v.Contents, pyFile{f.Filename, f.Version, f.Size, timeOf(f.UploadedAt), f.Yanked, f.YankReason})
	}
	if files != nil {
		v.Files = len(files)
	}
	return v
}
