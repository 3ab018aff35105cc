package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/fairwayhq/fairway/gateway"
)

func importCommand() *cobra.Command {
	var channel string
	cmd := command("import DIR --channel NAME", "Publishes every conda package below DIR, a channel on disk", cobra.ExactArgs(1),
		func(ctx context.Context, o output, args []string) error {
			if channel == "" {
				return errors.New("the channel has no name: --channel NAME is expected")
			}
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			bar := newProgress(o.err, time.Now)
			got, err := ask[gateway.ImportProgress](ctx, "import", importInput{Dir: dir, Channel: channel}, bar.update)
			bar.clear()
			if ctx.Err() != nil {
				return errors.New("the import was interrupted: run it again, and what is published already is skipped")
			}
			if err != nil {
				return err
			}
			return importSummary(o, channel, got)
		})
	cmd.Long = `
Publishes every conda package below DIR, a channel as indexers lay it out
(DIR/<subdir>/<file>), into an existing channel. It may be interrupted and run
again: what is published already is skipped. The gateway reads DIR itself. What was
refused is listed at the end with its reason; the status is then 1.`
	cmd.Flags().StringVar(&channel, "channel", "", "Channel to publish into")
	return cmd
}

func importSummary(o output, channel string, p gateway.ImportProgress) error {
	if o.json {
		if p.Refused == nil {
			p.Refused = []gateway.ImportRefusal{}
		}
		if err := o.show(p, "", nil); err != nil {
			return err
		}
	} else {
		for _, r := range p.Refused {
			fmt.Fprintf(o.err, "refused  %s: %s\n", plain(r.File), plain(r.Reason))
		}
		fmt.Fprintf(o.err, "%d published (%s), %d present already, %d refused.\n",
			p.Published, humanize.IBytes(uint64(p.Bytes)), p.Present, len(p.Refused))
	}
	if n := len(p.Refused); n > 0 {
		return fmt.Errorf("%d of %d packages were refused by channel %s", n, p.Total, plain(channel))
	}
	return nil
}
