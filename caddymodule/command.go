package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	for _, c := range []struct {
		name, short, long string
		verbs             func() []*cobra.Command
	}{
		{"key", "Makes and manages API keys", `
Makes and manages API keys. A key is told once, when it is made: the gateway keeps
only its digest.`, keyCommands},
		{"policy", "Manages the policies that say what keys may do", `
Manages the policies that say what keys may do. The roles are policies that come
with the gateway and cannot be changed.`, policyCommands},
		{"project", "Manages the projects that own channels and Python packages", "", projectCommands},
		{"channel", "Manages conda channels", "", channelCommands},
		{"conda", "Manages the packages of conda channels", "", condaCommands},
		{"python", "Manages the Python packages of this gateway", "", pythonCommands},
	} {
		caddycmd.RegisterCommand(caddycmd.Command{
			Name: c.name, Short: c.short, Long: c.long + talksTo,
			CobraFunc: func(cmd *cobra.Command) { makeGroup(cmd, c.verbs()) },
		})
	}
	for _, make := range []func() *cobra.Command{importCommand, reserveCommand, auditCommand, fsckCommand, backupCommand} {
		one := make()
		caddycmd.RegisterCommand(caddycmd.Command{
			Name: one.Name(), Short: one.Short, Long: one.Long + talksTo,
			CobraFunc: func(cmd *cobra.Command) { become(cmd, make()) },
		})
	}
}

// talksTo ends the help of every command.
const talksTo = `

The command asks the running gateway through its admin endpoint, by default at
127.0.0.1:2019; the environment variable FAIRWAY_ADMIN names another. It ends with
status 0, or with 1 and one sentence on stderr.`

// become gives a registered command, which Caddy made, what ours has.
func become(cmd, ours *cobra.Command) {
	cmd.Use, cmd.Args, cmd.RunE, cmd.Example = ours.Use, ours.Args, ours.RunE, ours.Example
	cmd.Long, cmd.DisableFlagsInUseLine = strings.TrimSpace(cmd.Long), true
	cmd.Flags().AddFlagSet(ours.Flags())
	cmd.SetHelpTemplate(helpTemplate)
}

// helpTemplate is cobra's own: Caddy's leads to a page that has none of our commands.
var helpTemplate = new(cobra.Command).HelpTemplate()

// makeGroup makes cmd the parent of verbs. A verb that is none ends with status 1,
// where cobra alone would print a help text and call it a success.
func makeGroup(cmd *cobra.Command, verbs []*cobra.Command) {
	cmd.Use, cmd.DisableFlagsInUseLine = cmd.Name(), true
	cmd.Long = strings.TrimSpace(cmd.Long)
	names := make([]string, 0, len(verbs))
	for _, v := range verbs {
		names = append(names, v.Name())
	}
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return fmt.Errorf("%q is no command of '%s': one of %s is expected", args[0], cmd.CommandPath(), strings.Join(names, ", "))
	}
	cmd.AddCommand(verbs...)
	cmd.SetHelpTemplate(helpTemplate)
}

// output is where a command writes: results for programs on stdout, everything for
// people on stderr.
type output struct {
	out, err io.Writer
	json     bool
}

// command makes one command. run gets a context that ends with an interrupt.
func command(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, o output, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: sentence(use, args), DisableFlagsInUseLine: true}
	asJSON := cmd.Flags().Bool("json", false, "Print the result as JSON, for scripts")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return run(ctx, output{cmd.OutOrStdout(), cmd.ErrOrStderr(), *asJSON}, args)
	}
	return cmd
}

// sentence words what cobra says about a wrong number of arguments.
func sentence(use string, check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) == nil {
			return nil
		}
		return fmt.Errorf("the number of arguments is %d: '%s %s' is expected", len(args), cmd.Parent().CommandPath(), use)
	}
}

// show prints a result: as JSON for scripts, else as text prints it. Without a text
// a person is told done on stderr.
func (o output) show(v any, done string, text func(w io.Writer)) error {
	switch {
	case o.json:
		enc := json.NewEncoder(o.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	case text != nil:
		text(o.out)
	}
	if done != "" {
		fmt.Fprintln(o.err, done)
	}
	return nil
}

// table prints rows under a header. Control characters are shown, not obeyed: names
// and reasons come from whoever had a key.
func table(w io.Writer, header []string, rows [][]string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(header, "\t"))
	for _, row := range rows {
		for i := range row {
			if row[i] = plain(row[i]); row[i] == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	_ = tw.Flush()
}

// plain replaces what a terminal would obey.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return '�'
		}
		return r
	}, s)
}
