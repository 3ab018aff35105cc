package web

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairwayhq/fairway/authz"
)

// CheckPermissions compares the permissions that routes name with those that are
// declared: a name that nobody declared guards nothing, and a permission that no
// route asks for is a promise to administrators which nothing keeps. Either is an
// error that names it, and a gateway must not start with it.
func CheckPermissions(routes []Route) error {
	used := map[string]bool{}
	for i := range routes {
		for _, name := range routes[i].Permissions() {
			p, err := authz.ParsePerm(name)
			if err != nil || p.String() != name {
				return fmt.Errorf("route %s %s asks for the permission %q, which is not declared", routes[i].Method, routes[i].Pattern, name)
			}
			used[name] = true
		}
	}
	var unused []string
	for _, p := range authz.Permissions() {
		if !used[p.Name] {
			unused = append(unused, p.Name)
		}
	}
	if len(unused) > 0 {
		slices.Sort(unused)
		return fmt.Errorf("no route asks for the declared permissions %s", strings.Join(unused, ", "))
	}
	return nil
}
