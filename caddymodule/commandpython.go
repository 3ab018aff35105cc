package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/fairwayhq/fairway/gateway"
)

func pythonCommands() []*cobra.Command {
	return []*cobra.Command{
		pythonSetCommand(),
		command("list [NAME]", "Lists the Python names of this gateway, or the files of one", cobra.MaximumNArgs(1), listPython),
		yankPythonCommand("yank", "Marks a file, or every file of a version, as yanked (PEP 592)", "yanked"),
		yankPythonCommand("unyank", "Takes the mark away", "no longer yanked"),
		command("delete NAME [FILE]", "Deletes a file, or a name with all its files, for good", cobra.RangeArgs(1, 2), func(ctx context.Context, o output, args []string) error {
			in := pyInput{Name: args[0]}
			if len(args) > 1 {
				in.Filename = args[1]
			}
			v, err := ask[none](ctx, "python/delete", in, nil)
			if err != nil {
				return err
			}
			return o.show(v, fmt.Sprintf("%s is deleted.", plain(args[len(args)-1])), nil)
		}),
		command("why NAME", "Says what is withheld of a name, and for which reason", cobra.ExactArgs(1), whyPython),
		prefetchCommand(),
	}
}

func whyPython(ctx context.Context, o output, args []string) error {
	rep, err := ask[gateway.PyReport](ctx, "python/why", pyInput{Name: args[0]}, nil)
	if err != nil {
		return err
	}
	return o.show(rep, "", func(w io.Writer) {
		switch {
		case rep.Own:
			fmt.Fprintf(w, "%s is a name of this gateway, with %s: it is never asked of an upstream.\n", plain(rep.Name), english.Plural(rep.Shown, "file", ""))
		case rep.Refused != "":
			fmt.Fprintf(w, "%s: %s\n", plain(rep.Name), plain(rep.Refused))
		default:
			fmt.Fprintf(w, "%s comes from the upstream %s: %s shown, %d withheld.\n", plain(rep.Name), plain(rep.Upstream), english.Plural(rep.Shown, "file", ""), len(rep.Held))
		}
		if rep.Stale {
			fmt.Fprintf(w, "The upstream does not answer; its page is of %s.\n", rep.Fetched)
		}
		rows := make([][]string, 0, len(rep.Held))
		for _, h := range rep.Held {
			rows = append(rows, []string{h.File, h.Version, h.Reason, h.Until})
		}
		if len(rows) > 0 {
			table(w, []string{"FILE", "VERSION", "REASON", "UNTIL"}, rows)
		}
	})
}

func pythonSetCommand() *cobra.Command {
	var visibility, project, status, reason string
	var cmd *cobra.Command
	cmd = command("set NAME", "Changes a Python name, and makes one that has no file yet", cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
		in := pyInput{Name: args[0]}
		for flag, to := range map[string]**string{
			"visibility": &in.Settings.Visibility, "project": &in.Settings.Project,
			"status": &in.Settings.Status, "status-reason": &in.Settings.StatusReason,
		} {
			if f := cmd.Flags().Lookup(flag); f.Changed {
				value := f.Value.String()
				*to = &value
			}
		}
		v, err := ask[pyView](ctx, "python/set", in, nil)
		if err != nil {
			return err
		}
		return o.show(v, fmt.Sprintf("Python name %s is %s, %s.", plain(v.Name), v.Visibility, v.Status), nil)
	})
	f := cmd.Flags()
	f.StringVar(&visibility, "visibility", "", "Who may read: open (anyone), licensed (any key that may read; the default), closed (only keys that may write)")
	f.StringVar(&project, "project", "", `Project that owns the name; "" for none`)
	f.StringVar(&status, "status", "", "active, archived, deprecated or quarantined (PEP 792)")
	f.StringVar(&reason, "status-reason", "", "Why, in a sentence")
	return cmd
}

func listPython(ctx context.Context, o output, args []string) error {
	var in pyInput
	if len(args) > 0 {
		in.Name = args[0]
	}
	names, err := ask[[]pyView](ctx, "python/list", in, nil)
	if err != nil {
		return err
	}
	return o.show(names, "", func(w io.Writer) {
		var rows [][]string
		if in.Name == "" {
			for _, n := range names {
				rows = append(rows, []string{n.Name, n.Visibility, n.Project, n.Status, strconv.Itoa(n.Files), n.CreatedAt})
			}
			table(w, []string{"NAME", "VISIBILITY", "PROJECT", "STATUS", "FILES", "CREATED"}, rows)
			return
		}
		for _, n := range names {
			for _, f := range n.Contents {
				yanked := ""
				if f.Yanked {
					yanked = "yanked " + f.YankReason
				}
				rows = append(rows, []string{f.Filename, f.Version, humanize.IBytes(uint64(f.Size)), f.UploadedAt, yanked})
			}
		}
		table(w, []string{"FILE", "VERSION", "SIZE", "UPLOADED", "YANKED"}, rows)
	})
}

func yankPythonCommand(verb, short, done string) *cobra.Command {
	var reason string
	cmd := command(verb+" NAME VERSION|FILE", short, cobra.ExactArgs(2), func(ctx context.Context, o output, args []string) error {
		in := pyInput{Name: args[0], Version: args[1], Reason: reason}
		if strings.HasSuffix(args[1], ".whl") || strings.HasSuffix(args[1], ".tar.gz") || strings.HasSuffix(args[1], ".zip") {
			in.Version, in.Filename = "", args[1]
		}
		got, err := ask[affected](ctx, "python/"+verb, in, nil)
		if err != nil {
			return err
		}
		return o.show(got, fmt.Sprintf("%s of %s %s.", english.Plural(got.Files, "file", ""), plain(args[0]), done), nil)
	})
	if verb == "yank" {
		cmd.Flags().StringVar(&reason, "reason", "", "Why, in a sentence")
	}
	return cmd
}

func reserveCommand() *cobra.Command {
	var remove, list bool
	cmd := command("reserve NAME|GLOB", "Keeps Python names from ever being asked of an upstream index", cobra.MaximumNArgs(1), func(ctx context.Context, o output, args []string) error {
		switch {
		case list && (remove || len(args) > 0):
			return errors.New("--list stands alone: no name and no --remove are expected")
		case list:
			patterns, err := ask[[]string](ctx, "reserve/list", none{}, nil)
			if err != nil {
				return err
			}
			return o.show(patterns, "", func(w io.Writer) {
				for _, p := range patterns {
					fmt.Fprintln(w, plain(p))
				}
			})
		case len(args) == 0:
			return errors.New("no name is named: NAME, a glob as 'acme-*', or --list is expected")
		case remove:
			v, err := ask[none](ctx, "reserve/remove", reserveInput{args[0]}, nil)
			if err != nil {
				return err
			}
			return o.show(v, fmt.Sprintf("%s is no longer reserved.", plain(args[0])), nil)
		}
		v, err := ask[reserveInput](ctx, "reserve/add", reserveInput{args[0]}, nil)
		if err != nil {
			return err
		}
		return o.show(v, fmt.Sprintf("%s is reserved: it never goes upstream.", plain(v.Pattern)), nil)
	})
	cmd.Long = `
Keeps a Python name, or with a trailing * all that begin so, from ever being asked of
an upstream index, whether it exists here or not. Names that have a package here need
none of this.`
	cmd.Example = "  fairway reserve 'acme-*'\n  fairway reserve --list\n  fairway reserve acme-secret --remove"
	cmd.Flags().BoolVar(&remove, "remove", false, "Let the names go upstream again")
	cmd.Flags().BoolVar(&list, "list", false, "List what is reserved")
	return cmd
}
