package gateway

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
)

// Channel is what a request needs to know of a conda channel. It is immutable.
type Channel struct {
	catalog.Channel
	Vis authz.Visibility
}

func newChannel(row *catalog.Channel) (*Channel, error) {
	vis, err := authz.ParseVisibility(row.Visibility)
	if err != nil {
		return nil, fmt.Errorf("loading channel %s: %w", row.Name, err)
	}
	return &Channel{Channel: *row, Vis: vis}, nil
}

// Resource names the channel, or something in it, for a decision.
func (c *Channel) Resource(subdir, pkg string) authz.Resource {
	return authz.Resource{
		Engine: "conda", Project: c.ProjectID, Channel: c.Name, Subdir: subdir, Package: pkg, Visibility: c.Vis,
	}
}

// directory holds the small tables that every request reads: channels by name
// and projects by id. Readers load one pointer; a change copies the table, which
// is cheap because both are small and rarely change.
type directory struct {
	mu       sync.Mutex // serialises writers
	channels atomic.Pointer[map[string]*Channel]
	projects atomic.Pointer[map[string]*catalog.Project]
}

func newDirectory() *directory {
	d := new(directory)
	d.channels.Store(&map[string]*Channel{})
	d.projects.Store(&map[string]*catalog.Project{})
	return d
}

func (d *directory) channel(name string) (*Channel, bool) {
	c, ok := (*d.channels.Load())[name]
	return c, ok
}

func (d *directory) setChannel(c *Channel) {
	edit(d, &d.channels, func(m map[string]*Channel) { m[c.Name] = c })
}

func (d *directory) removeChannel(name string) {
	edit(d, &d.channels, func(m map[string]*Channel) { delete(m, name) })
}

func (d *directory) setProject(p *catalog.Project) {
	edit(d, &d.projects, func(m map[string]*catalog.Project) { m[p.ID] = p })
}

func (d *directory) removeProject(id string) {
	edit(d, &d.projects, func(m map[string]*catalog.Project) { delete(m, id) })
}

// edit puts a changed copy in a table's place.
func edit[V any](d *directory, table *atomic.Pointer[map[string]V], change func(map[string]V)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := maps.Clone(*table.Load())
	change(next)
	table.Store(&next)
}

// project finds a project by name or id.
func (d *directory) project(nameOrID string) (*catalog.Project, bool) {
	m := *d.projects.Load()
	if p, ok := m[nameOrID]; ok {
		return p, true
	}
	for _, p := range m {
		if p.Name == nameOrID {
			return p, true
		}
	}
	return nil, false
}
