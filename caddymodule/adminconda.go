package caddymodule

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairwayhq/fairway/gateway"
)

// projectView is a project as commands show it.
type projectView struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	CreatedAt string `json:"created_at"`
}

type projectInput struct {
	Project string `json:"project"`
	Name    string `json:"name,omitempty"` // a new one
}

func projectOperations() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		operation("project/create", func(c call, in projectInput) (projectView, error) {
			p, err := c.CreateProject(c, c.by, in.Project)
			if err != nil {
				return projectView{}, err
			}
			return projectView{p.ID, p.Name, timeOf(p.CreatedAt)}, nil
		}),
		operation("project/list", func(c call, _ none) ([]projectView, error) {
			projects, err := c.Projects(c.by)
			if err != nil {
				return nil, err
			}
			views := make([]projectView, 0, len(projects))
			for _, p := range projects {
				views = append(views, projectView{p.ID, p.Name, timeOf(p.CreatedAt)})
			}
			return views, nil
		}),
		operation("project/rename", func(c call, in projectInput) (projectView, error) {
			p, err := c.RenameProject(c, c.by, in.Project, in.Name)
			if err != nil {
				return projectView{}, err
			}
			return projectView{p.ID, p.Name, timeOf(p.CreatedAt)}, nil
		}),
		operation("project/delete", func(c call, in projectInput) (none, error) {
			return none{}, c.DeleteProject(c, c.by, in.Project)
		}),
	}
}

// channelView is a channel as commands show it.
type channelView struct {
	Name        string `json:"name"`
	Visibility  string `json:"visibility"`
	Project     string `json:"project,omitempty"`
	Description string `json:"description,omitempty"`
	Packages    int    `json:"packages"`
	CreatedAt   string `json:"created_at"`
}

type channelInput struct {
	Channel  string                  `json:"channel"`
	Settings gateway.ChannelSettings `json:"settings,omitzero"`
	Force    bool                    `json:"force,omitempty"`
}

func channelOperations() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		operation("channel/create", func(c call, in channelInput) (channelView, error) {
			ch, err := c.CreateChannel(c, c.by, in.Channel, in.Settings)
			return viewChannel(c, ch, err)
		}),
		operation("channel/set", func(c call, in channelInput) (channelView, error) {
			ch, err := c.SetChannel(c, c.by, in.Channel, in.Settings)
			return viewChannel(c, ch, err)
		}),
		operation("channel/list", func(c call, _ none) ([]channelView, error) {
			channels, err := c.Channels(c.by)
			if err != nil {
				return nil, err
			}
			views := make([]channelView, 0, len(channels))
			for _, ch := range channels {
				v, err := viewChannel(c, ch, nil)
				if err != nil {
					return nil, err
				}
				views = append(views, v)
			}
			return views, nil
		}),
		operation("channel/delete", func(c call, in channelInput) (none, error) {
			return none{}, c.DeleteChannel(c, c.by, in.Channel, in.Force)
		}),
	}
}

func viewChannel(c call, ch *gateway.Channel, err error) (channelView, error) {
	if err != nil {
		return channelView{}, err
	}
	v := channelView{
		Name: ch.Name, Visibility: ch.Visibility, Project: c.ProjectName(ch.ProjectID),
		Description: ch.Description, CreatedAt: timeOf(ch.CreatedAt),
	}
	subdirs, err := c.Subdirs(c, ch)
	for _, s := range subdirs {
		v.Packages += s.Packages
	}
	return v, err
}

// condaInput names a package, CHANNEL/SUBDIR/FILE, or a subdir, CHANNEL/SUBDIR.
type condaInput struct {
	Target       string          `json:"target"`
	Reason       string          `json:"reason,omitempty"`
	Instructions json.RawMessage `json:"instructions,omitempty"`
}

type importInput struct {
	Dir     string `json:"dir"`
	Channel string `json:"channel"`
}

// revision is the outcome of a change to an index.
type revision struct {
	Revision int64 `json:"revision"`
}

func condaOperations() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		operation("conda/yank", onFile(func(c call, channel, subdir, file string, in condaInput) (int64, error) {
			return c.YankPackage(c, c.by, channel, subdir, file, in.Reason)
		})),
		operation("conda/unyank", onFile(func(c call, channel, subdir, file string, _ condaInput) (int64, error) {
			return c.UnyankPackage(c, c.by, channel, subdir, file)
		})),
		operation("conda/delete", onFile(func(c call, channel, subdir, file string, _ condaInput) (int64, error) {
			return c.DeletePackage(c, c.by, channel, subdir, file)
		})),
		operation("conda/patch", func(c call, in condaInput) (revision, error) {
			channel, subdir, err := cutLast(in.Target, "CHANNEL/SUBDIR")
			if err != nil {
				return revision{}, err
			}
			rev, err := c.SetPatch(c, c.by, channel, subdir, in.Instructions)
			return revision{rev}, err
		}),
		operation("conda/reindex", func(c call, in condaInput) (*gateway.ReindexReport, error) {
			channel, subdir, err := cutLast(in.Target, "CHANNEL/SUBDIR")
			if err != nil {
				return nil, err
			}
			return c.Reindex(c, c.by, channel, subdir)
		}),
		operation("import", func(c call, in importInput) (*gateway.ImportProgress, error) {
			if !filepath.IsAbs(in.Dir) {
				return nil, gateway.Errorf(http.StatusBadRequest, "%q is no absolute path: the gateway does not share your working directory", in.Dir)
			}
			return c.Import(c, c.by, in.Dir, in.Channel, func(p gateway.ImportProgress) {
				p.Refused = nil // they come with the result
				c.report(p)
			})
		}),
	}
}

// onFile reads CHANNEL/SUBDIR/FILE; a channel's name may have slashes itself.
func onFile(run func(c call, channel, subdir, file string, in condaInput) (int64, error)) func(call, condaInput) (revision, error) {
	return func(c call, in condaInput) (revision, error) {
		const form = "CHANNEL/SUBDIR/FILE"
		rest, file, err := cutLast(in.Target, form)
		if err != nil {
			return revision{}, err
		}
		channel, subdir, err := cutLast(rest, form)
		if err != nil {
			return revision{}, err
		}
		rev, err := run(c, channel, subdir, file, in)
		return revision{rev}, err
	}
}

func cutLast(target, form string) (before, after string, err error) {
	i := strings.LastIndexByte(target, '/')
	if i <= 0 || i == len(target)-1 {
		return "", "", gateway.Errorf(http.StatusBadRequest, "%q names nothing: %s is expected", target, form)
	}
	return target[:i], target[i+1:], nil
}
