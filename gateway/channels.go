package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/conda"
)

// ChannelSettings is what may be set of a channel; nil leaves a field as it is.
type ChannelSettings struct {
	Visibility  *string         `json:"visibility,omitempty"`
	Project     *string         `json:"project,omitempty"` // name or id; "" for none
	Description *string         `json:"description,omitempty"`
	Notices     json.RawMessage `json:"notices,omitempty"` // CEP 6; null takes them away

	// Public opens a channel, or makes an open one licensed: what APIs say that know
	// two visibilities. A closed one stays closed.
	Public *bool `json:"-"`
}

// MaxDescription bounds a channel's description, in bytes.
const MaxDescription = 4096

// CreateChannel makes a channel. Its default visibility is licensed, its default
// project the caller's own.
func (g *Gateway) CreateChannel(ctx context.Context, c *Caller, name string, s ChannelSettings) (*Channel, error) {
	if err := g.Identify(c); err != nil {
		return nil, err
	}
	ch := catalog.Channel{Name: name, ProjectID: c.projectID(), Visibility: authz.Licensed.String()}
	res := authz.Resource{Engine: "conda", Channel: name, Project: ch.ProjectID}
	if err := g.Authorize(c, authz.ChannelCreate, &res); err != nil {
		return nil, err
	}
	if err := conda.ValidChannel(name); err != nil {
		return nil, Errorf(http.StatusUnprocessableEntity, "%s", err.Error())
	}
	if err := g.applySettings(c, &ch, s); err != nil {
		return nil, err
	}
	_, err := g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		if _, err := tx.Channel(name); err == nil {
			return Errorf(http.StatusConflict, "channel %q exists already", name)
		} else if !errors.Is(err, catalog.ErrNotFound) {
			return err
		}
		if err := tx.InsertChannel(&ch); err != nil {
			return err
		}
		return tx.Audit("channel.create", "channel", name, nil, auditChannel(&ch))
	})
	if err != nil {
		return nil, err
	}
	return newChannel(&ch)
}

// SetChannel changes a channel's settings.
func (g *Gateway) SetChannel(ctx context.Context, c *Caller, name string, s ChannelSettings) (*Channel, error) {
	old, err := g.authorizeChannel(c, authz.ChannelUpdate, name, "", "")
	if err != nil {
		return nil, err
	}
	var next catalog.Channel
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		now, err := sameChannel(tx, old)
		if err != nil {
			return err
		}
		next = *now
		if err := g.applySettings(c, &next, s); err != nil {
			return err
		}
		if err := tx.UpdateChannel(&next); err != nil {
			return err
		}
		return tx.Audit("channel.update", "channel", name, auditChannel(now), auditChannel(&next))
	})
	if err != nil {
		return nil, err
	}
	return newChannel(&next)
}

// DeleteChannel removes an empty channel, or with force one with its packages.
func (g *Gateway) DeleteChannel(ctx context.Context, c *Caller, name string, force bool) error {
	ch, err := g.authorizeChannel(c, authz.ChannelDelete, name, "", "")
	if err != nil {
		return err
	}
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		if _, err := sameChannel(tx, ch); err != nil {
			return err
		}
		// Counted inside the transaction: an upload that was answered a moment ago
		// must not go with a channel that is deleted as an empty one.
		subdirs, err := tx.Subdirs(ch.ID)
		if err != nil {
			return err
		}
		packages := 0
		for _, s := range subdirs {
			packages += s.Packages
		}
		if packages > 0 && !force {
			return Errorf(http.StatusConflict, "channel %q holds %d packages: delete them first, or ask with force", name, packages)
		}
		if err := tx.DeleteChannel(ch.ID); err != nil {
			return err
		}
		return tx.Audit("channel.delete", "channel", name, auditChannel(&ch.Channel), nil)
	})
	if err != nil {
		return err
	}
	g.files.reset()
	return nil
}

// sameChannel reads a channel inside a transaction. It errs where the channel is no
// longer the one, or no longer of the project, that was decided on.
func sameChannel(tx *catalog.Tx, decided *Channel) (*catalog.Channel, error) {
	now, err := tx.Channel(decided.Name)
	if err != nil {
		return nil, notThere(err, "channel %q does not exist", decided.Name)
	}
	if now.ID != decided.ID || now.ProjectID != decided.ProjectID {
		return nil, Errorf(http.StatusConflict, "channel %q was made anew or moved to another project a moment ago: try again", decided.Name)
	}
	return now, nil
}

// Channels lists the channels that the caller may read, by name.
func (g *Gateway) Channels(c *Caller) ([]*Channel, error) {
	var out []*Channel
	for _, ch := range *g.dir.channels.Load() {
		res := ch.Resource("", "")
		if g.may(c, authz.ChannelRead, &res) {
			out = append(out, ch)
		}
	}
	if len(out) == 0 {
		// A wrong credential is told so; an unscoped one sees an empty list.
		if err := g.Identify(c); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b *Channel) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Channel returns a channel that the caller may read.
func (g *Gateway) Channel(c *Caller, name string) (*Channel, error) {
	return g.authorizeChannel(c, authz.ChannelRead, name, "", "")
}

func (g *Gateway) applySettings(c *Caller, ch *catalog.Channel, s ChannelSettings) error {
	if s.Visibility != nil {
		v, err := authz.ParseVisibility(*s.Visibility)
		if err != nil {
			return Errorf(http.StatusBadRequest, "%s", err.Error())
		}
		ch.Visibility = v.String()
	}
	if s.Public != nil {
		switch {
		case *s.Public:
			ch.Visibility = authz.Open.String()
		case ch.Visibility == authz.Open.String():
			ch.Visibility = authz.Licensed.String()
		}
	}
	if s.Project != nil {
		id, err := g.projectFor(c, *s.Project)
		if err != nil {
			return err
		}
		ch.ProjectID = id
	}
	if s.Description != nil {
		if len(*s.Description) > MaxDescription {
			return Errorf(http.StatusBadRequest, "the description has %d bytes: at most %d are kept", len(*s.Description), MaxDescription)
		}
		ch.Description = *s.Description
	}
	switch {
	case s.Notices == nil:
	case string(s.Notices) == "null":
		ch.Notices = nil
	default:
		if err := checkNotices(s.Notices); err != nil {
			return err
		}
		ch.Notices = s.Notices
	}
	return nil
}

// projectFor resolves a project that the caller may put things into.
func (g *Gateway) projectFor(c *Caller, nameOrID string) (id string, err error) {
	if k := c.Key(); k != nil && k.Project != "" {
		if p, ok := g.dir.project(nameOrID); ok && p.ID == k.Project {
			return p.ID, nil
		}
		// Objects outside the key's project do not exist for it.
		return "", Errorf(http.StatusNotFound, "project %q does not exist", nameOrID)
	}
	if nameOrID == "" {
		return "", nil
	}
	p, ok := g.dir.project(nameOrID)
	if !ok {
		return "", Errorf(http.StatusNotFound, "project %q does not exist: create it with 'fairway project create %s'", nameOrID, nameOrID)
	}
	return p.ID, nil
}

// checkNotices refuses what clients could not read (CEP 6), and would show nothing of.
func checkNotices(raw json.RawMessage) error {
	var doc struct {
		Notices *[]struct {
			ID        string `json:"id"`
			Message   string `json:"message"`
			Level     string `json:"level"`
			CreatedAt string `json:"created_at"`
			ExpiresAt string `json:"expires_at"`
		} `json:"notices"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return Errorf(http.StatusBadRequest, "the notices cannot be read, for %s: an object with a list 'notices' is expected (CEP 6)", jsonFault(err))
	}
	if doc.Notices == nil {
		return Errorf(http.StatusBadRequest, "the notices have no list 'notices': CEP 6 asks for one")
	}
	for i, n := range *doc.Notices {
		if n.Message == "" {
			return Errorf(http.StatusBadRequest, "notice %d has no message: CEP 6 asks for one", i+1)
		}
	}
	return nil
}

func auditChannel(ch *catalog.Channel) any {
	return struct {
		Visibility  string `json:"visibility"`
		Project     string `json:"project,omitempty"`
		Description string `json:"description,omitempty"`
	}{ch.Visibility, ch.ProjectID, ch.Description}
}

// notThere words a catalog's ErrNotFound for people.
func notThere(err error, format string, args ...any) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return Errorf(http.StatusNotFound, "%s", fmt.Sprintf(format, args...))
	}
	return err
}

// ReadChannel decides on a read of a channel's index, or of a package of it where
// pkg names one.
func (g *Gateway) ReadChannel(c *Caller, channel, subdir, pkg string) (*Channel, error) {
	perm := authz.ChannelRead
	if pkg != "" {
		perm = authz.PackageRead
	}
	return g.authorizeChannel(c, perm, channel, subdir, pkg)
}

// Subdirs tells what a channel's subdirs hold. The caller has decided.
func (g *Gateway) Subdirs(ctx context.Context, ch *Channel) ([]*catalog.SubdirState, error) {
	return g.cat.Subdirs(ctx, ch.ID)
}

// maxSearches bounds how many searches run at once. Each reads every name of a channel,
// and anyone may ask for one where a channel is open: readers of the catalog must be
// left for everyone else, and for what applies the changes.
const maxSearches = catalog.DefaultReaders / 2

// SearchPackages lists names of a channel. The caller has decided.
func (g *Gateway) SearchPackages(ctx context.Context, ch *Channel, s catalog.Search) ([]*catalog.NameSummary, int, error) {
	select {
	case g.searching <- struct{}{}:
		defer func() { <-g.searching }()
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	return g.cat.SearchPackages(ctx, ch.ID, s)
}

// ProjectName is a project's name, "" for none.
func (g *Gateway) ProjectName(id string) string {
	if p, ok := (*g.dir.projects.Load())[id]; ok {
		return p.Name
	}
	return ""
}

// PackageFiles lists the files of a package name over all subdirs of a channel, as far as
// the caller may know of them: files that they may fetch, yanked ones included, and what
// the index of a subdir shows to whoever may read that.
func (g *Gateway) PackageFiles(ctx context.Context, c *Caller, ch *Channel, name string) ([]*catalog.Package, error) {
	files, err := g.cat.PackagesByName(ctx, ch.ID, "", name)
	if err != nil {
		return nil, err
	}
	type rights struct{ fetch, index bool }
	bySubdir := map[string]rights{}
	return slices.DeleteFunc(files, func(f *catalog.Package) bool {
		r, known := bySubdir[f.Subdir]
		if !known {
			file, index := ch.Resource(f.Subdir, name), ch.Resource(f.Subdir, "")
			r = rights{g.may(c, authz.PackageRead, &file), g.may(c, authz.ChannelRead, &index)}
			bySubdir[f.Subdir] = r
		}
		return !r.fetch && (!r.index || f.YankedAt != 0)
	}), nil
}
