package caddymodule

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/gateway"
)

func auditCommand() *cobra.Command {
	var in auditInput
	var since string
	cmd := command("audit", "Shows who changed what, newest first", cobra.NoArgs, func(ctx context.Context, o output, _ []string) error {
		if since != "" {
			age, err := caddy.ParseDuration(since)
			if err != nil || age <= 0 {
				return fmt.Errorf("--since is %q: a time as 24h or 7d is expected", since)
			}
			in.Since = time.Now().Add(-age).UnixMilli()
		}
		if in.Limit < 1 || in.Limit > catalog.MaxRows {
			return fmt.Errorf("--limit is %d: 1 to %d rows are expected", in.Limit, catalog.MaxRows)
		}
		rows, err := ask[[]auditView](ctx, "audit", in, nil)
		if err != nil {
			return err
		}
		return o.show(rows, "", func(w io.Writer) {
			lines := make([][]string, 0, len(rows))
			for _, r := range rows {
				lines = append(lines, []string{r.At, r.Actor, r.Address, r.Action, r.Target, r.Outcome})
			}
			table(w, []string{"TIME", "ACTOR", "ADDRESS", "ACTION", "TARGET", "OUTCOME"}, lines)
		})
	})
	cmd.Long = "\nShows who changed what, newest first, and a sample of what was refused."
	f := cmd.Flags()
	f.StringVar(&in.Actor, "actor", "", "Only of this key, by name or id")
	f.StringVar(&in.Action, "action", "", "Only this action, as package.upload")
	f.StringVar(&in.Kind, "kind", "", "Only targets of this kind, as channel")
	f.StringVar(&in.Target, "target", "", "Only this target")
	f.StringVar(&since, "since", "", "Only what is younger than this, as 24h")
	f.IntVar(&in.Limit, "limit", 100, fmt.Sprintf("At most this many rows, 1 to %d", catalog.MaxRows))
	return cmd
}

func fsckCommand() *cobra.Command {
	cmd := command("fsck", "Reads every file of the data folder and says what is wrong", cobra.NoArgs, func(ctx context.Context, o output, _ []string) error {
		bar := newProgress(o.err, time.Now)
		rep, err := ask[gateway.CheckReport](ctx, "fsck", none{}, bar.update)
		bar.clear()
		if err != nil {
			return err
		}
		done := fmt.Sprintf("%s (%s) read: %s.", english.Plural(rep.Files, "file", ""), humanize.IBytes(uint64(rep.Bytes)), english.Plural(len(rep.Problems), "problem", ""))
		if err := o.show(rep, done, func(w io.Writer) {
			for _, problem := range rep.Problems {
				fmt.Fprintln(w, plain(problem))
			}
		}); err != nil {
			return err
		}
		if n := len(rep.Problems); n > 0 {
			return fmt.Errorf("the data folder has %s", english.Plural(n, "problem", ""))
		}
		return nil
	})
	cmd.Long = "\nChecks the catalog's integrity, and the bytes of every package file against its\nSHA-256. It changes nothing; the gateway goes on serving meanwhile."
	return cmd
}

func backupCommand() *cobra.Command {
	cmd := command("backup DIR", "Copies the data folder of the running gateway", cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
		dir, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		bar := newProgress(o.err, time.Now)
		rep, err := ask[gateway.BackupReport](ctx, "backup", backupInput{Dir: dir}, bar.update)
		bar.clear()
		if err != nil {
			return err
		}
		done := fmt.Sprintf("The catalog and %s (%s) are in %s.", english.Plural(rep.Done, "file", ""), humanize.IBytes(uint64(rep.Bytes)), plain(dir))
		if err := o.show(rep, done, func(w io.Writer) {
			for _, problem := range rep.Damaged {
				fmt.Fprintln(w, plain(problem))
			}
		}); err != nil {
			return err
		}
		if n := len(rep.Damaged); n > 0 {
			return fmt.Errorf("%d of %s could not be read and are not in the backup: upload them again, or delete them, then run the backup again", n, english.Plural(rep.Total, "file", ""))
		}
		return nil
	})
	cmd.Long = `
Copies the catalog as of one moment, every package file it names, and the root key to
DIR, while the gateway goes on. A later backup to the same DIR copies only what is
new. The copy is a data folder itself: to restore, start a gateway on it. The gateway
writes DIR itself. Files that are gone or damaged are named on stdout, one a line; all
others are copied, and the status is 1.`
	return cmd
}
