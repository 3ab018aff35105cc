package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/python"
)

// PySettings is what may be set of a Python name; nil leaves a field as it is.
type PySettings struct {
	Visibility   *string `json:"visibility,omitempty"`
	Project      *string `json:"project,omitempty"` // name or id; "" for none
	Status       *string `json:"status,omitempty"`  // PEP 792: active, archived, quarantined, deprecated
	StatusReason *string `json:"status_reason,omitempty"`
}

// PyNames lists the own Python names that the caller may read, by name.
func (g *Gateway) PyNames(c *Caller) ([]*PyProject, error) {
	if err := g.Identify(c); err != nil {
		return nil, err
	}
	var out []*PyProject
	for _, p := range g.py.all() {
		res := p.Resource()
		if g.may(c, authz.PackageRead, &res) {
			out = append(out, p)
		}
	}
	return out, nil
}

// PyProjectOf returns an own Python name with its files.
func (g *Gateway) PyProjectOf(ctx context.Context, c *Caller, name string) (*PyProject, []*catalog.PyFile, error) {
	p, err := g.authorizePy(c, authz.PackageRead, name)
	if err != nil {
		return nil, nil, err
	}
	files, err := g.cat.PyFiles(ctx, p.Name)
	return p, files, err
}

// SetPyName changes a Python name, and makes one that has no file yet: from then
// on it is owned here and never asked of an upstream.
func (g *Gateway) SetPyName(ctx context.Context, c *Caller, name string, s PySettings) (*PyProject, error) {
	if err := g.Identify(c); err != nil {
		return nil, err
	}
	norm := python.Normalise(name)
	_, old, known := g.py.entry(norm)
	fresh := catalog.PyName{Name: norm, Display: name, ProjectID: c.projectID(), Visibility: authz.Licensed.String()}
	res := authz.Resource{Engine: "pypi", Package: norm, Project: fresh.ProjectID}
	if known {
		res = old.Resource()
	}
	if err := g.Authorize(c, authz.ChannelUpdate, &res); err != nil {
		return nil, err
	}
	if !python.ValidName(name) {
		return nil, Errorf(http.StatusUnprocessableEntity, "%.100q is no Python project name: letters, digits, '.', '_' and '-', with a letter or digit at both ends, are expected", name)
	}
	if !known && !c.local && g.conf().UpstreamConflict == ConflictRefuse {
		// Taking a name before its first upload is no way around what that is asked.
		if _, err := g.checkUpstreamName(ctx, norm); err != nil {
			return nil, err
		}
	}
	var next catalog.PyName
	rev, err := g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		was, err := tx.PyName(norm)
		switch {
		case errors.Is(err, catalog.ErrNotFound):
			next = fresh
			if err := g.applyPySettings(c, &next, s); err != nil {
				return err
			}
			if err := tx.InsertPyName(&next); err != nil {
				return err
			}
			return tx.Audit("python.create", "python", norm, nil, auditPyName(&next))
		case err != nil:
			return err
		case !known || was.ProjectID != old.ProjectID:
			// Somebody else's by now: what was decided is not decided for this.
			return Errorf(http.StatusConflict, "Python name %q was made or moved to another project a moment ago: try again", norm)
		}
		next = *was
		if err := g.applyPySettings(c, &next, s); err != nil {
			return err
		}
		if err := tx.UpdatePyName(&next); err != nil {
			return err
		}
		return tx.Audit("python.update", "python", norm, auditPyName(was), auditPyName(&next))
	})
	if err != nil {
		return nil, err
	}
	if err := g.settlePython(ctx, norm, "", rev); err != nil {
		return nil, err
	}
	return newPyProject(&next)
}

func (g *Gateway) applyPySettings(c *Caller, n *catalog.PyName, s PySettings) error {
	if s.Visibility != nil {
		v, err := authz.ParseVisibility(*s.Visibility)
		if err != nil {
			return Errorf(http.StatusBadRequest, "%s", err.Error())
		}
		n.Visibility = v.String()
	}
	if s.Project != nil {
		id, err := g.projectFor(c, *s.Project)
		if err != nil {
			return err
		}
		n.ProjectID = id
	}
	if s.Status != nil {
		if !python.ValidStatus(*s.Status) {
			return Errorf(http.StatusBadRequest, "status is %.40q: active, archived, quarantined or deprecated is expected (PEP 792)", *s.Status)
		}
		if n.Status = *s.Status; n.Status == python.StatusActive {
			n.Status, n.StatusReason = "", ""
		}
	}
	if s.StatusReason != nil {
		if len(*s.StatusReason) > MaxMessage {
			return Errorf(http.StatusBadRequest, "the reason has %d bytes: at most %d are kept", len(*s.StatusReason), MaxMessage)
		}
		n.StatusReason = *s.StatusReason
	}
	return nil
}

// DeletePyName deletes a name with its files. It stays reserved, so that nobody's
// build takes a stranger's package for it, until [Gateway.Unreserve]; its file
// names are never used again.
func (g *Gateway) DeletePyName(ctx context.Context, c *Caller, name string) error {
	p, err := g.authorizePy(c, authz.PackageDelete, name)
	if err != nil {
		return err
	}
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		was, err := tx.PyName(p.Name)
		if err != nil {
			return notThere(err, "Python name %q does not exist", name)
		}
		// Reserved before it is deleted: at no revision is the name free.
		if err := tx.AddReserved(p.Name); err != nil && !errors.Is(err, catalog.ErrExists) {
			return err
		}
		if err := tx.DeletePyName(p.Name); err != nil {
			return err
		}
		return tx.Audit("python.delete", "python", p.Name, auditPyName(was), nil)
	})
	g.pyFiles.reset()
	return err
}

// DeletePyFile deletes a file for good.
func (g *Gateway) DeletePyFile(ctx context.Context, c *Caller, name, filename string) error {
	return g.changePyFile(ctx, c, authz.PackageDelete, name, filename, func(tx *catalog.Tx, old *catalog.PyFile) error {
		if err := tx.DeletePyFile(filename); err != nil {
			return err
		}
		return tx.Audit("python.delete-file", "python", old.Name+"/"+filename, auditPyFile(old), nil)
	})
}

// YankPyFile marks a file as yanked (PEP 592), or with yank false takes the mark
// away.
func (g *Gateway) YankPyFile(ctx context.Context, c *Caller, name, filename string, yank bool, reason string) error {
	if len(reason) > MaxMessage {
		return Errorf(http.StatusBadRequest, "the reason has %d bytes: at most %d are kept", len(reason), MaxMessage)
	}
	return g.changePyFile(ctx, c, authz.PackageYank, name, filename, func(tx *catalog.Tx, old *catalog.PyFile) error {
		next, action := *old, "python.unyank"
		err := tx.UnyankPyFile(filename)
		if next.Yanked = yank; yank {
			action = "python.yank"
			err = tx.YankPyFile(filename, reason)
		}
		if err != nil {
			return err
		}
		return tx.Audit(action, "python", old.Name+"/"+filename, auditPyFile(old), auditPyFile(&next))
	})
}

// YankPyVersion does the same to every file of a version, and reports how many.
func (g *Gateway) YankPyVersion(ctx context.Context, c *Caller, name, version string, yank bool, reason string) (files int, err error) {
	p, err := g.authorizePy(c, authz.PackageYank, name)
	if err != nil {
		return 0, err
	}
	all, err := g.cat.PyFiles(ctx, p.Name)
	if err != nil {
		return 0, err
	}
	for _, f := range all {
		if !sameVersion(f.Version, version) {
			continue
		}
		if err := g.YankPyFile(ctx, c, p.Name, f.Filename, yank, reason); err != nil {
			return files, err
		}
		files++
	}
	if files == 0 {
		return 0, Errorf(http.StatusNotFound, "%s has no version %.80q", p.Name, version)
	}
	return files, nil
}

// sameVersion compares versions as PEP 440 does: 1.0 is 1.0.0.
func sameVersion(a, b string) bool {
	v, errV := python.ParseVersion(a)
	w, errW := python.ParseVersion(b)
	return errV == nil && errW == nil && v.Compare(w) == 0
}

// changePyFile runs fn on an existing file and makes the outcome visible.
func (g *Gateway) changePyFile(ctx context.Context, c *Caller, perm authz.Perm, name, filename string, fn func(*catalog.Tx, *catalog.PyFile) error) error {
	p, err := g.authorizePy(c, perm, name)
	if err != nil {
		return err
	}
	rev, err := g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		old, err := tx.PyFile(filename)
		if err == nil && old.Name != p.Name {
			err = catalog.ErrNotFound
		}
		if err != nil {
			return notThere(err, "%.200s is not among the files of %s", filename, p.Name)
		}
		return fn(tx, old)
	})
	if err != nil {
		return err
	}
	return g.settlePython(ctx, p.Name, filename, rev)
}

// authorizePy decides on an own Python name, and only then says whether it is
// there.
func (g *Gateway) authorizePy(c *Caller, perm authz.Perm, name string) (*PyProject, error) {
	norm := python.Normalise(name)
	_, p, known := g.py.entry(norm)
	res := authz.Resource{Engine: "pypi", Package: norm}
	if known {
		res = p.Resource()
	}
	if err := g.Authorize(c, perm, &res); err != nil {
		return nil, err
	}
	if !known {
		return nil, Errorf(http.StatusNotFound, "Python name %.100q does not exist here", name)
	}
	return p, nil
}

// Reserved lists the patterns of names that never go upstream, as far as the caller's
// scope covers them: each is likely a name that its owner keeps to themselves.
func (g *Gateway) Reserved(ctx context.Context, c *Caller) ([]string, error) {
	if err := g.Identify(c); err != nil {
		return nil, err
	}
	res := authz.Resource{Engine: authz.EnginePyPI, Project: c.projectID()}
	if err := g.Authorize(c, authz.ChannelRead, &res); err != nil {
		return nil, err
	}
	all, err := g.cat.Reserved(ctx)
	return slices.DeleteFunc(all, func(pattern string) bool {
		res.Package = pattern
		return !g.may(c, authz.ChannelRead, &res)
	}), err
}

// Reserve keeps a name, or with a trailing '*' all that begin so, from ever going
// upstream. It returns the pattern as it is stored; reserving it again is no error.
func (g *Gateway) Reserve(ctx context.Context, c *Caller, pattern string) (string, error) {
	norm, err := g.reservation(c, pattern)
	if err != nil {
		return "", err
	}
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		if err := tx.AddReserved(norm); err != nil {
			return err
		}
		return tx.Audit("python.reserve", "reserved", norm, nil, norm)
	})
	if errors.Is(err, catalog.ErrExists) {
		err = nil
	}
	return norm, err
}

// Unreserve lets a pattern's names go upstream again, but for those that exist
// here.
func (g *Gateway) Unreserve(ctx context.Context, c *Caller, pattern string) error {
	norm, err := g.reservation(c, pattern)
	if err != nil {
		return err
	}
	_, err = g.cat.Update(context.WithoutCancel(ctx), c.Actor(), func(tx *catalog.Tx) error {
		if err := tx.RemoveReserved(norm); err != nil {
			return notThere(err, "%q is not reserved", norm)
		}
		return tx.Audit("python.unreserve", "reserved", norm, norm, nil)
	})
	return err
}

// reservation decides on changing reservations, which belong to the account.
func (g *Gateway) reservation(c *Caller, pattern string) (string, error) {
	if err := g.authorizeOwn(c, authz.ProjectUpdate); err != nil {
		return "", err
	}
	return reservedPattern(pattern)
}

func auditPyName(n *catalog.PyName) any {
	return struct {
		Visibility string `json:"visibility"`
		Project    string `json:"project,omitempty"`
		Status     string `json:"status,omitempty"`
		Reason     string `json:"status_reason,omitempty"`
	}{n.Visibility, n.ProjectID, n.Status, n.StatusReason}
}
