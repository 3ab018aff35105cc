package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/indexer"
)

// DeletePackage takes a package out of its channel for good: out of every index
// at once, and its bytes after [Config.BlobGrace].
func (g *Gateway) DeletePackage(ctx context.Context, c *Caller, channel, subdir, filename string) (rev int64, err error) {
	ch, parsed, err := g.authorizeFile(c, authz.PackageDelete, channel, subdir, filename)
	if err != nil {
		return 0, err
	}
	return g.changePackage(ctx, c, ch, subdir, parsed, func(tx *catalog.Tx, old *catalog.Package) error {
		if err := tx.DeletePackage(ch.ID, subdir, filename); err != nil {
			return err
		}
		return tx.Audit("package.delete", "conda", ch.Name+"/"+subdir+"/"+filename, auditPackage(old), nil)
	})
}

// YankPackage hides a package from every index, with a reason; its file stays
// fetchable, so that lock files go on working. An empty reason is allowed.
func (g *Gateway) YankPackage(ctx context.Context, c *Caller, channel, subdir, filename, reason string) (rev int64, err error) {
	if len(reason) > MaxMessage {
		return 0, Errorf(http.StatusBadRequest, "the reason has %d bytes: at most %d are kept", len(reason), MaxMessage)
	}
	return g.setYank(ctx, c, channel, subdir, filename, "package.yank", true, reason)
}

// UnyankPackage puts a yanked package back into every index.
func (g *Gateway) UnyankPackage(ctx context.Context, c *Caller, channel, subdir, filename string) (rev int64, err error) {
	return g.setYank(ctx, c, channel, subdir, filename, "package.unyank", false, "")
}

func (g *Gateway) setYank(ctx context.Context, c *Caller, channel, subdir, filename, action string, yank bool, reason string) (int64, error) {
	ch, parsed, err := g.authorizeFile(c, authz.PackageYank, channel, subdir, filename)
	if err != nil {
		return 0, err
	}
	type state struct {
		Yanked bool   `json:"yanked"`
		Reason string `json:"reason,omitempty"`
	}
	return g.changePackage(ctx, c, ch, subdir, parsed, func(tx *catalog.Tx, old *catalog.Package) error {
		err := tx.UnyankPackage(ch.ID, subdir, filename)
		if yank {
			err = tx.YankPackage(ch.ID, subdir, filename, reason)
		}
		if err != nil {
			return err
		}
		return tx.Audit(action, "conda", ch.Name+"/"+subdir+"/"+filename,
			state{old.YankedAt != 0, old.YankReason}, state{yank, reason})
	})
}

// changePackage runs fn on an existing package and makes the outcome visible.
func (g *Gateway) changePackage(ctx context.Context, c *Caller, ch *Channel, subdir string, file conda.Filename,
	fn func(*catalog.Tx, *catalog.Package) error,
) (int64, error) {
	ctx = context.WithoutCancel(ctx)
	rev, err := g.cat.Update(ctx, c.Actor(), func(tx *catalog.Tx) error {
		old, err := tx.Package(ch.ID, subdir, file.String())
		if err != nil {
			return notThere(err, "package %s is not in %s/%s", file.String(), ch.Name, subdir)
		}
		return fn(tx, old)
	})
	if err != nil {
		return 0, err
	}
	g.files.forget(ch.ID, subdir, file.String())
	if err := g.index.Update(ctx, ch.Name, subdir, []string{file.Name}, rev); err != nil {
		return 0, fmt.Errorf("indexing %s/%s: %w", ch.Name, subdir, err)
	}
	return rev, nil
}

// authorizeFile decides on one file of a channel and only then says whether
// channel and name make sense.
func (g *Gateway) authorizeFile(c *Caller, p authz.Perm, channel, subdir, filename string) (*Channel, conda.Filename, error) {
	parsed, perr := conda.ParseFilename(filename)
	ch, err := g.authorizeChannel(c, p, channel, subdir, parsed.Name)
	if err != nil {
		return nil, parsed, err
	}
	if !conda.ValidSubdir(subdir) {
		return nil, parsed, Errorf(http.StatusUnprocessableEntity, "%q is no subdir: a name as noarch or linux-64 is expected", subdir)
	}
	return ch, parsed, perr
}

// authorizeChannel decides on a channel, or on something in it, and only then
// says whether the channel is there.
func (g *Gateway) authorizeChannel(c *Caller, p authz.Perm, channel, subdir, pkg string) (*Channel, error) {
	ch, known := g.dir.channel(channel)
	res := authz.Resource{Engine: "conda", Channel: channel, Subdir: subdir, Package: pkg}
	if known {
		res = ch.Resource(subdir, pkg)
	}
	if err := g.Authorize(c, p, &res); err != nil {
		return nil, err
	}
	if !known {
		return nil, Errorf(http.StatusNotFound, "channel %q does not exist", channel)
	}
	return ch, nil
}

// SetPatch replaces the repodata patch instructions of a subdir (as conda-index's
// patch_instructions.json); empty instructions take them away.
func (g *Gateway) SetPatch(ctx context.Context, c *Caller, channel, subdir string, instructions json.RawMessage) (rev int64, err error) {
	ch, err := g.authorizeChannel(c, authz.ChannelUpdate, channel, subdir, "")
	if err != nil {
		return 0, err
	}
	if !conda.ValidSubdir(subdir) {
		return 0, Errorf(http.StatusUnprocessableEntity, "%q is no subdir: a name as noarch or linux-64 is expected", subdir)
	}
	if len(instructions) > 0 {
		if err := indexer.CheckPatch(instructions); err != nil {
			return 0, Errorf(http.StatusUnprocessableEntity, "%s", err.Error())
		}
	}
	if st, err := g.cat.Subdir(ctx, ch.ID, subdir); err != nil {
		return 0, err
	} else if len(instructions) == 0 && st.Rev == 0 { // nothing is to become a subdir by being taken away
		return 0, Errorf(http.StatusNotFound, "nothing was ever published or patched in %s/%s", channel, subdir)
	}
	ctx = context.WithoutCancel(ctx)
	rev, err = g.cat.Update(ctx, c.Actor(), func(tx *catalog.Tx) error {
		if _, err := sameChannel(tx, ch); err != nil {
			return err
		}
		if err := tx.SetPatch(ch.ID, subdir, instructions); err != nil {
			return err
		}
		return tx.Audit("channel.patch", "channel", ch.Name+"/"+subdir, nil, struct {
			Bytes int `json:"bytes"`
		}{len(instructions)})
	})
	if err != nil {
		return 0, err
	}
	if err := g.index.Update(ctx, ch.Name, subdir, nil, rev); err != nil {
		return 0, fmt.Errorf("patching %s/%s: %w", ch.Name, subdir, err)
	}
	return rev, nil
}

// MayPatch decides on patching a subdir before the instructions are read.
func (g *Gateway) MayPatch(c *Caller, channel, subdir string) error {
	_, err := g.authorizeChannel(c, authz.ChannelUpdate, channel, subdir, "")
	return err
}
