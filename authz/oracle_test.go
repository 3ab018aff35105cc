package authz

import (
	"regexp"
	"strings"
)

// oracle decides as the published rules read, with words and no cleverness: it is
// what the table test compares Decide with, and shares nothing with it.
type oracle struct {
	permissions map[string]bool
	public      bool
	project     string
	scope       map[string][]string // nil list, or none: every name
	anonymous   map[string]bool
}

func (o oracle) status(permission string, res *Resource) int {
	visibility := []string{"licensed", "open", "closed"}[res.Visibility]
	if visibility == "open" && o.anonymous[permission] {
		return 200
	}
	isRead := permission == "channel:read" || permission == "package:read" || permission == "engine:read" || permission == "proxy:fetch"
	if !o.permissions[permission] || o.public && !isRead {
		return 403
	}
	kind, _, _ := strings.Cut(permission, ":")
	isData := kind == "channel" || kind == "package" || kind == "engine" || kind == "proxy"
	if isData && visibility != "open" && o.public {
		return 403
	}
	if isData && visibility == "closed" && !o.permissions["package:read-closed"] {
		return 403
	}
	if kind == "audit" || kind == "metrics" || kind == "cache" || kind == "project" || kind == "policy" && permission != "policy:read" {
		if o.project != "" {
			return 403
		}
	}
	if o.project != "" && res.Project != o.project {
		if !isRead || res.Project != "" && visibility != "open" {
			return 403
		}
	}
	return o.scoped(permission, kind, isData, res)
}

func (o oracle) scoped(permission, kind string, isData bool, res *Resource) int {
	if kind == "key" {
		return 200
	}
	whole := kind == "channel" && permission != "channel:read"
	values := map[string]string{"engine": res.Engine, "channel": res.Channel, "subdir": res.Subdir, "package": res.Package}
	_, named := o.scope["engine"]
	for dimension, value := range values {
		list, limited := o.scope[dimension]
		if !limited || named && res.Engine == "pypi" && (dimension == "channel" || dimension == "subdir") {
			continue
		}
		switch {
		case !isData:
			return 403
		case value == "" && whole:
			return 403
		case value == "" && res.Engine == "pypi" && (dimension == "channel" || dimension == "subdir"):
			return 403
		case value == "":
			continue
		}
		covered := false
		for _, pattern := range list {
			if dimension == "package" {
				pattern, value = spelt(res.Engine, pattern), spelt(res.Engine, value)
			}
			re := "^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$"
			covered = covered || regexp.MustCompile(re).MatchString(value)
		}
		if !covered {
			return 403
		}
	}
	return 200
}

var runs = regexp.MustCompile(`[-_.]+`) // PEP 503's own expression

func spelt(engine, name string) string {
	if engine == "pypi" {
		name = runs.ReplaceAllString(name, "-")
	}
	return strings.ToLower(name)
}
