package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"
)

func policyCommands() []*cobra.Command {
	return []*cobra.Command{
		policyCreateCommand(),
		command("list", "Lists the policies, roles included", cobra.NoArgs, func(ctx context.Context, o output, _ []string) error {
			policies, err := ask[[]policyView](ctx, "policy/list", none{}, nil)
			if err != nil {
				return err
			}
			return o.show(policies, "", func(w io.Writer) {
				rows := make([][]string, 0, len(policies))
				for _, p := range policies {
					rows = append(rows, []string{p.Name, kindOf(p), strconv.Itoa(len(p.Permissions)), p.UpdatedAt, p.ID})
				}
				table(w, []string{"NAME", "KIND", "PERMISSIONS", "CHANGED", "ID"}, rows)
			})
		}),
		command("show POLICY", "Shows a policy, by name or id", cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
			p, err := ask[policyView](ctx, "policy/show", policyInput{Policy: args[0]}, nil)
			if err != nil {
				return err
			}
			return o.show(p, "", func(w io.Writer) {
				table(w, []string{"FIELD", "VALUE"}, [][]string{
					{"name", p.Name}, {"id", p.ID}, {"kind", kindOf(p)}, {"permissions", strings.Join(p.Permissions, ", ")},
					{"created", p.CreatedAt}, {"changed", p.UpdatedAt},
				})
			})
		}),
		policySetCommand(),
		command("delete POLICY", "Deletes a policy, and every key that has it", cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
			gone, err := ask[cascade](ctx, "policy/delete", policyInput{Policy: args[0]}, nil)
			if err != nil {
				return err
			}
			return o.show(gone, fmt.Sprintf("Policy %s is deleted, and %s with it.", plain(args[0]), english.Plural(gone.Keys, "key", "")), nil)
		}),
		command("permissions", "Lists what a policy can grant", cobra.NoArgs, func(ctx context.Context, o output, _ []string) error {
			all, err := ask[[]permissionView](ctx, "policy/permissions", none{}, nil)
			if err != nil {
				return err
			}
			return o.show(all, "", func(w io.Writer) {
				rows := make([][]string, 0, len(all))
				for _, p := range all {
					rows = append(rows, []string{p.Name, p.Description})
				}
				table(w, []string{"PERMISSION", "MEANING"}, rows)
			})
		}),
	}
}

func policyCreateCommand() *cobra.Command {
	var permissions []string
	cmd := command("create NAME --permission PERMISSION", "Makes a policy, which keys can then be made with", cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
		if len(permissions) == 0 {
			return errors.New("the policy grants nothing: --permission NAME is expected, once for each")
		}
		p, err := ask[policyView](ctx, "policy/create", policyInput{Policy: args[0], Permissions: permissions}, nil)
		if err != nil {
			return err
		}
		return o.show(p, fmt.Sprintf("Policy %s is made; it grants %s.", plain(p.Name), strings.Join(p.Permissions, ", ")), nil)
	})
	permissionFlag(cmd, &permissions)
	cmd.Example = `  fairway policy create pull --permission channel:read --permission package:read
  fairway key create --name laptop --policy pull`
	return cmd
}

func policySetCommand() *cobra.Command {
	var name string
	var permissions []string
	var cmd *cobra.Command
	cmd = command("set POLICY", "Changes a policy, and with it what its keys may do from the next request on", cobra.ExactArgs(1), func(ctx context.Context, o output, args []string) error {
		in := policyInput{Policy: args[0], Permissions: permissions}
		if cmd.Flags().Changed("name") {
			in.Name = &name
		}
		if in.Name == nil && len(permissions) == 0 {
			return errors.New("no setting is named: --name or --permission is expected")
		}
		p, err := ask[policyView](ctx, "policy/set", in, nil)
		if err != nil {
			return err
		}
		return o.show(p, fmt.Sprintf("Policy %s is changed; it grants %s.", plain(p.Name), strings.Join(p.Permissions, ", ")), nil)
	})
	permissionFlag(cmd, &permissions)
	cmd.Flags().StringVar(&name, "name", "", "Its new `NAME`; keys keep the policy")
	return cmd
}

func permissionFlag(cmd *cobra.Command, to *[]string) {
	cmd.Flags().StringArrayVar(to, "permission", nil, "It grants this `PERMISSION`, as package:read, and no other; may be repeated")
}

func kindOf(p policyView) string {
	if p.Builtin {
		return "role"
	}
	return "own"
}
