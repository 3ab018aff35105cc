package gateway

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
)

// projectName is what a project may be called.
var projectName = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)

// Projects lists the projects that the caller sees, by name: all, or its own. Keys with
// a scope see none: projects belong to the account.
func (g *Gateway) Projects(c *Caller) ([]*catalog.Project, error) {
	if err := g.authorizeOwn(c, authz.ChannelRead); err != nil {
		return nil, err
	}
	if k := c.Key(); k != nil && !k.Scope.All() {
		return nil, Errorf(http.StatusForbidden, "this key is limited to a scope: projects belong to the account")
	}
	var out []*catalog.Project
	for _, p := range *g.dir.projects.Load() {
		if c.sees(p.ID) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *catalog.Project) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// CreateProject makes a project.
func (g *Gateway) CreateProject(ctx context.Context, c *Caller, name string) (*catalog.Project, error) {
	if err := g.authorizeOwn(c, authz.ProjectUpdate); err != nil {
		return nil, err
	}
	if err := validProject(name); err != nil {
		return nil, err
	}
	now := g.conf().Now().UnixMilli()
	p := &catalog.Project{ID: catalog.NewID(), Name: name, CreatedAt: now, UpdatedAt: now}
	_, err := g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		if err := tx.InsertProject(p); err != nil {
			return projectTaken(err, name)
		}
		return tx.Audit("project.create", "project", p.ID, nil, p)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// RenameProject gives a project another name; what it owns stays its own.
func (g *Gateway) RenameProject(ctx context.Context, c *Caller, nameOrID, name string) (*catalog.Project, error) {
	if err := g.authorizeOwn(c, authz.ProjectUpdate); err != nil {
		return nil, err
	}
	old, ok := g.dir.project(nameOrID)
	if !ok {
		return nil, Errorf(http.StatusNotFound, "project %q does not exist", nameOrID)
	}
	if err := validProject(name); err != nil {
		return nil, err
	}
	next := *old
	next.Name, next.UpdatedAt = name, g.conf().Now().UnixMilli()
	_, err := g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		if err := tx.UpdateProject(&next); err != nil {
			return projectTaken(err, name)
		}
		return tx.Audit("project.rename", "project", old.ID, old, &next)
	})
	if err != nil {
		return nil, err
	}
	return &next, nil
}

// DeleteProject deletes a project that owns nothing and that no key is bound to.
func (g *Gateway) DeleteProject(ctx context.Context, c *Caller, nameOrID string) error {
	if err := g.authorizeOwn(c, authz.ProjectUpdate); err != nil {
		return err
	}
	p, ok := g.dir.project(nameOrID)
	if !ok {
		return Errorf(http.StatusNotFound, "project %q does not exist", nameOrID)
	}
	_, err := g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		if err := tx.DeleteProject(p.ID); err != nil {
			if errors.Is(err, catalog.ErrConflict) {
				return Errorf(http.StatusConflict, "project %q still owns channels, Python names or keys: move or delete them first", p.Name)
			}
			return notThere(err, "project %q does not exist", nameOrID)
		}
		return tx.Audit("project.delete", "project", p.ID, p, nil)
	})
	return err
}

func validProject(name string) error {
	if !projectName.MatchString(name) {
		return Errorf(http.StatusUnprocessableEntity, "%q is no project name: 1 to 64 of a-z, 0-9, '.', '_' and '-', with a letter or digit at both ends, are expected", name)
	}
	return nil
}

func projectTaken(err error, name string) error {
	if errors.Is(err, catalog.ErrExists) {
		return Errorf(http.StatusConflict, "a project named %q exists already", name)
	}
	return notThere(err, "project %q does not exist", name)
}
