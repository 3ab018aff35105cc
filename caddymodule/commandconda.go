package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/fairwayhq/fairway/gateway"
)

func projectCommands() []*cobra.Command {
	change := func(route, done string) func(context.Context, output, []string) error {
		return func(ctx context.Context, o output, args []string) error {
			in := projectInput{Project: args[0]}
			if len(args) > 1 {
				in.Name = args[1]
			}
			p, err := ask[projectView](ctx, "project/"+route, in, nil)
			if err != nil {
				return err
			}
			return o.show(p, fmt.Sprintf("Project %s is %s.", plain(args[0]), done), nil)
		}
	}
	return []*cobra.Command{
		command("create NAME", "Makes a project", cobra.ExactArgs(1), change("create", "made")),
		command("list", "Lists the projects", cobra.NoArgs, func(ctx context.Context, o output, _ []string) error {
			projects, err := ask[[]projectView](ctx, "project/list", none{}, nil)
			if err != nil {
				return err
			}
			return o.show(projects, "", func(w io.Writer) {
				rows := make([][]string, 0, len(projects))
				for _, p := range projects {
					rows = append(rows, []string{p.Name, p.CreatedAt, p.ID})
				}
				table(w, []string{"NAME", "CREATED", "ID"}, rows)
			})
		}),
		command("rename NAME NEW-NAME", "Gives a project another name; what it owns stays its own", cobra.ExactArgs(2), change("rename", "renamed")),
		command("delete NAME", "Deletes a project that owns nothing", cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
			v, err := ask[none](ctx, "project/delete", projectInput{Project: args[0]}, nil)
			if err != nil {
				return err
			}
			return o.show(v, fmt.Sprintf("Project %s is deleted.", plain(args[0])), nil)
		}),
	}
}

func channelCommands() []*cobra.Command {
	return []*cobra.Command{
		settingsCommand("create", "Makes a channel; its name may have several segments, as team/main", "made"),
		settingsCommand("set", "Changes a channel's settings", "changed"),
		command("list", "Lists the channels", cobra.NoArgs, func(ctx context.Context, o output, _ []string) error {
			channels, err := ask[[]channelView](ctx, "channel/list", none{}, nil)
			if err != nil {
				return err
			}
			return o.show(channels, "", func(w io.Writer) {
				rows := make([][]string, 0, len(channels))
				for _, ch := range channels {
					rows = append(rows, []string{ch.Name, ch.Visibility, ch.Project, strconv.Itoa(ch.Packages), ch.CreatedAt})
				}
				table(w, []string{"NAME", "VISIBILITY", "PROJECT", "PACKAGES", "CREATED"}, rows)
			})
		}),
		channelDeleteCommand(),
	}
}

// settingsCommand makes create or set, which take the same settings.
func settingsCommand(verb, short, done string) *cobra.Command {
	var visibility, project, description, notices string
	var cmd *cobra.Command
	cmd = command(verb+" NAME", short, cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
		in := channelInput{Channel: args[0]}
		given := 0
		for flag, to := range map[string]**string{
			"visibility": &in.Settings.Visibility, "project": &in.Settings.Project, "description": &in.Settings.Description,
		} {
			if f := cmd.Flags().Lookup(flag); f.Changed {
				value := f.Value.String()
				*to = &value
				given++
			}
		}
		if notices != "" {
			raw, err := readJSONFile(notices)
			if err != nil {
				return err
			}
			in.Settings.Notices = raw
			given++
		}
		if verb == "set" && given == 0 {
			return errors.New("no setting is named: --visibility, --project, --description or --notices is expected")
		}
		ch, err := ask[channelView](ctx, "channel/"+verb, in, nil)
		if err != nil {
			return err
		}
		return o.show(ch, fmt.Sprintf("Channel %s is %s: %s.", plain(ch.Name), done, ch.Visibility), nil)
	})
	f := cmd.Flags()
	f.StringVar(&visibility, "visibility", "", "Who may read: open (anyone), licensed (any key that may read; the default), closed (only keys that may write)")
	f.StringVar(&project, "project", "", `Project that owns the channel; "" for none`)
	f.StringVar(&description, "description", "", "What the channel is for, in a sentence")
	f.StringVar(&notices, "notices", "", "JSON file of notices that conda shows to its users; - for stdin")
	return cmd
}

func channelDeleteCommand() *cobra.Command {
	var force bool
	cmd := command("delete NAME", "Deletes an empty channel", cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
		v, err := ask[none](ctx, "channel/delete", channelInput{Channel: args[0], Force: force}, nil)
		if err != nil {
			return err
		}
		return o.show(v, fmt.Sprintf("Channel %s is deleted.", plain(args[0])), nil)
	})
	cmd.Flags().BoolVar(&force, "force", false, "Delete it with all its packages")
	return cmd
}

func condaCommands() []*cobra.Command {
	var reason string
	yank := command("yank CHANNEL/SUBDIR/FILE", "Hides a package from every index; its URL stays, so lock files go on working",
		cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
			return changeFile(ctx, o, "yank", condaInput{Target: args[0], Reason: reason}, "yanked")
		})
	yank.Flags().StringVar(&reason, "reason", "", "Why, in a sentence")
	return []*cobra.Command{
		yank,
		command("unyank CHANNEL/SUBDIR/FILE", "Puts a yanked package back into every index", cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
			return changeFile(ctx, o, "unyank", condaInput{Target: args[0]}, "back in the index")
		}),
		command("delete CHANNEL/SUBDIR/FILE", "Deletes a package for good", cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
			return changeFile(ctx, o, "delete", condaInput{Target: args[0]}, "deleted")
		}),
		patchCommand(),
		command("reindex CHANNEL/SUBDIR", "Reads every package again, repairs the catalog and builds the indexes anew", cobra.ExactArgs(1), reindex),
	}
}

func changeFile(ctx context.Context, o output, verb string, in condaInput, done string) error {
	v, err := ask[revision](ctx, "conda/"+verb, in, nil)
	if err != nil {
		return err
	}
	return o.show(v, fmt.Sprintf("%s is %s.", plain(in.Target), done), nil)
}

func patchCommand() *cobra.Command {
	var remove bool
	cmd := command("patch CHANNEL/SUBDIR [FILE]", "Sets the repodata patch (patch_instructions.json) of a subdir; FILE - is stdin", cobra.RangeArgs(1, 2),
		func(ctx context.Context, o output, args []string) error {
			in := condaInput{Target: args[0]}
			if remove == (len(args) == 2) {
				return errors.New("a file of patch instructions, or --remove, is expected: one of them")
			}
			done := "no longer patched"
			if !remove {
				raw, err := readJSONFile(args[1])
				if err != nil {
					return err
				}
				in.Instructions, done = raw, "patched"
			}
			return changeFile(ctx, o, "patch", in, done)
		})
	cmd.Flags().BoolVar(&remove, "remove", false, "Take the patch away")
	return cmd
}

func reindex(ctx context.Context, o output, args []string) error {
	rep, err := ask[gateway.ReindexReport](ctx, "conda/reindex", condaInput{Target: args[0]}, nil)
	if err != nil {
		return err
	}
	done := fmt.Sprintf("%s read again: %d repaired, %d damaged.", english.Plural(rep.Packages, "package", ""), len(rep.Repaired), len(rep.Damaged))
	if err := o.show(rep, done, func(w io.Writer) {
		for _, item := range rep.Repaired {
			fmt.Fprintf(w, "repaired  %s: %s\n", plain(item.File), plain(item.Reason))
		}
		for _, item := range rep.Damaged {
			fmt.Fprintf(w, "damaged   %s: %s\n", plain(item.File), plain(item.Reason))
		}
	}); err != nil {
		return err
	}
	if n := len(rep.Damaged); n > 0 {
		return fmt.Errorf("%d of %d packages of %s are damaged", n, rep.Packages, plain(args[0]))
	}
	return nil
}

// readJSONFile reads a file that the gateway will take as JSON; - is stdin.
func readJSONFile(path string) (json.RawMessage, error) {
	in := os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxAdminBody))
	if err != nil {
		return nil, err
	}
	if !json.Valid(raw) {
		return nil, fmt.Errorf("%s is no JSON document", path)
	}
	return raw, nil
}
