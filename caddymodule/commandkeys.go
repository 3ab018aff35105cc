package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/fairwayhq/fairway/wording"
)

func keyCommands() []*cobra.Command {
	return []*cobra.Command{
		keyCreateCommand(),
		command("list", "Lists the keys, newest first", cobra.NoArgs, func(ctx context.Context, o output, _ []string) error {
			keys, err := ask[[]keyView](ctx, "key/list", none{}, nil)
			if err != nil {
				return err
			}
			return o.show(keys, "", func(w io.Writer) { keyTable(w, keys) })
		}),
		command("show KEY", "Shows a key, by name or id", cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
			k, err := ask[keyView](ctx, "key/show", keyChoice{Key: args[0]}, nil)
			if err != nil {
				return err
			}
			return o.show(k, "", func(w io.Writer) { keyDetails(w, k) })
		}),
		command("disable KEY", "Makes a key useless until it is enabled again", cobra.ExactArgs(1), changeKey("disable", "disabled")),
		command("enable KEY", "Makes a disabled key useful again", cobra.ExactArgs(1), changeKey("enable", "enabled")),
		keyRotateCommand(),
		command("delete KEY", "Revokes a key for good, and the public keys that it issued", cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
			v, err := ask[none](ctx, "key/delete", keyChoice{Key: args[0]}, nil)
			if err != nil {
				return err
			}
			return o.show(v, fmt.Sprintf("Key %s is deleted.", plain(args[0])), nil)
		}),
	}
}

func changeKey(verb, done string) func(context.Context, output, []string) error {
	return func(ctx context.Context, o output, args []string) error {
		k, err := ask[keyView](ctx, "key/"+verb, keyChoice{Key: args[0]}, nil)
		if err != nil {
			return err
		}
		return o.show(k, fmt.Sprintf("Key %s is %s.", plain(k.Name), done), nil)
	}
}

func keyCreateCommand() *cobra.Command {
	var in keyInput
	var role, expires string
	var given func(flag string) bool
	cmd := command("create --name NAME --role ROLE", "Makes a key and prints it, alone, on stdout", cobra.NoArgs, func(ctx context.Context, o output, _ []string) error {
		switch {
		case in.Name == "":
			return errors.New("the key has no name: --name NAME is expected")
		case role == "" && in.Policy == "" && in.Type != "pk":
			return errors.New("the key has no policy: --role reader, executor, application, developer or admin, or --policy NAME, is expected")
		case role != "" && in.Policy != "":
			return errors.New("--role and --policy are both there: one of them is expected")
		case role != "":
			in.Policy = role
		}
		// A script's variable that is not set must not make a key that is good for more.
		for flag, value := range map[string]string{"expires": expires, "project": in.Project} {
			if value == "" && given(flag) {
				return fmt.Errorf("--%s is empty: a value, or no --%s, is expected", flag, flag)
			}
		}
		if expires != "" {
			at, err := expiry(expires, time.Now())
			if err != nil {
				return err
			}
			in.Expires = at
		}
		k, err := ask[keyView](ctx, "key/create", in, nil)
		if err != nil {
			return err
		}
		return o.show(k, fmt.Sprintf("Key %s is made. It is shown this once.", plain(k.Name)), func(w io.Writer) { fmt.Fprintln(w, k.Value) })
	})
	f := cmd.Flags()
	given = f.Changed
	f.StringVar(&in.Name, "name", "", "`NAME` of the key, unique among keys")
	f.StringVar(&role, "role", "", "Built-in policy, its `ROLE`: reader, executor, application, developer or admin")
	f.StringVar(&in.Policy, "policy", "", "`NAME` of another policy, instead of a role")
	f.StringVar(&in.Project, "project", "", "`PROJECT` that the key is bound to")
	f.StringVar(&in.Type, "type", "sk", "Its `TYPE`: sk for a secret key, pk for a public one, which reads what is open and needs no role")
	f.StringVar(&expires, "expires", "", "Its `LIFE`, as 24h or 90d, or its end, as 2030-01-31T12:00:00Z")
	f.StringArrayVar(&in.Channels, "channel", nil, "Only this `CHANNEL`; may end in *, may be repeated")
	f.StringArrayVar(&in.Subdirs, "subdir", nil, "Only this `SUBDIR`; may end in *, may be repeated")
	f.StringArrayVar(&in.Packages, "package", nil, "Only this `PACKAGE`; may end in *, may be repeated")
	f.StringArrayVar(&in.Engines, "engine", nil, "Only this `ENGINE`, conda or pypi; may be repeated")
	f.StringArrayVar(&in.CIDRs, "cidr", nil, "Only from this `NETWORK`; may be repeated")
	cmd.Example = `  fairway key create --name admin --role admin
  fairway key create --name ci --role developer --channel 'team-*' --expires 90d
  export FAIRWAY_KEY=$(fairway key create --name laptop --role executor)`
	return cmd
}

// expiry reads a life from now on, or an end.
func expiry(text string, now time.Time) (string, error) {
	if life, err := caddy.ParseDuration(text); err == nil && life > 0 {
		return now.Add(life).UTC().Format(time.RFC3339), nil
	}
	if _, err := time.Parse(time.RFC3339, text); err == nil {
		return text, nil
	}
	return "", fmt.Errorf("--expires is %q: a life as 24h or 90d, or an end as 2030-01-31T12:00:00Z, is expected", text)
}

func keyRotateCommand() *cobra.Command {
	var in keyChoice
	cmd := command("rotate KEY", "Gives a key a new value and prints it, alone, on stdout", cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
		in.Key = args[0]
		k, err := ask[keyView](ctx, "key/rotate", in, nil)
		if err != nil {
			return err
		}
		done := fmt.Sprintf("Key %s has a new value. It is shown this once; the old one is refused from now on.", plain(k.Name))
		if grace, err := caddy.ParseDuration(in.Grace); err == nil && grace > 0 {
			done = fmt.Sprintf("Key %s has a new value. It is shown this once; the old one works for %s more.", plain(k.Name), wording.Duration(grace))
		}
		return o.show(k, done, func(w io.Writer) { fmt.Fprintln(w, k.Value) })
	})
	cmd.Flags().StringVar(&in.Grace, "grace", "", "How long, a `TIME` as 24h, the old value goes on working; at most 7d")
	return cmd
}

func keyTable(w io.Writer, keys []keyView) {
	rows := make([][]string, 0, len(keys))
	for _, k := range keys {
		state := "enabled"
		if !k.Enabled {
			state = "disabled"
		}
		rows = append(rows, []string{k.Name, k.Mask, k.Policy, k.Project, state, k.ExpiresAt, k.LastUsedAt, k.ID})
	}
	table(w, []string{"NAME", "KEY", "POLICY", "PROJECT", "STATE", "EXPIRES", "LAST USED", "ID"}, rows)
}

func keyDetails(w io.Writer, k keyView) {
	rows := [][]string{
		{"name", k.Name}, {"id", k.ID}, {"key", k.Mask}, {"type", k.Type}, {"policy", k.Policy}, {"project", k.Project},
		{"enabled", fmt.Sprint(k.Enabled)}, {"expires", k.ExpiresAt}, {"created", k.CreatedAt}, {"created by", k.CreatedBy},
		{"last used", k.LastUsedAt}, {"networks", strings.Join(k.CIDRs, ", ")},
	}
	var scope map[string][]string
	if json.Unmarshal(k.Scope, &scope) == nil {
		for _, kind := range sortedKeys(scope) {
			rows = append(rows, []string{kind, strings.Join(scope[kind], ", ")})
		}
	}
	table(w, []string{"FIELD", "VALUE"}, rows)
}
