package caddymodule

import (
	"maps"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("fairway", parseApp)

	// A key is checked where passwords are.
	directive("fairway_auth", "basic_auth", parseAuth)

	// The surfaces stand in the order that they are asked in: the channels take
	// every path that is left.
	directive("fairway_dashboard", "file_server", bare[DashboardHandler])
	directive("fairway_api", "file_server", bare[APIHandler])
	directive("fairway_pypi", "file_server", bare[PyPIHandler])
	directive("fairway_conda", "file_server", bare[CondaHandler])
	directive("fairway", "file_server", bare[Handler])
}

// directive registers a handler's directive and its place in the order.
func directive(name, before string, parse httpcaddyfile.UnmarshalHandlerFunc) {
	httpcaddyfile.RegisterHandlerDirective(name, parse)
	httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, before)
}

// parseApp reads the global option fairway; see [App.UnmarshalCaddyfile].
func parseApp(d *caddyfile.Dispenser, earlier any) (any, error) {
	app := new(App)
	if earlier != nil {
		d.Next()
		return nil, d.Err("the global option fairway is already there: one block is expected")
	}
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "fairway", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile reads
//
//	fairway {
//		data                 <folder>
//		account              <slug>
//		max_upload           <size>
//		max_attestation      <size>
//		body_idle            <time>
//		shard_retention      <time>
//		blob_grace           <time>
//		audit_retention      <time>
//		failures_per_minute  <number>
//		public_key_ttl       <time>
//		no_anonymous
//		anonymous_passthrough
//		upstream_conflict    known|warn|refuse
//		public_url           <url>
//		limits {
//			max_entries      <number>
//			max_unpacked     <size>
//			max_ratio        <number>
//			ratio_from       <size>
//			max_index_json   <size>
//			max_info_file    <size>
//			max_paths_json   <size>
//			max_window       <size>
//			future_tolerance <time>
//		}
//		python_limits {
//			max_entries      <number>
//			max_directory    <size>
//			max_metadata     <size>
//			max_unpacked     <size>
//			max_ratio        <number>
//			ratio_from       <size>
//		}
//		trusted_publisher <name> {
//			issuer   <url>
//			jwks     <url>
//			audience <text>
//			subjects <pattern…>
//			claims {
//				<name> <value>
//			}
//			policy   <role or policy>
//			project  <project>
//			channels <name or beginning*…>
//			subdirs  <name or beginning*…>
//			packages <name or beginning*…>
//			engines  conda|pypi…
//			ttl      <time>
//		}
//		upstream <name> [<url>|off] {
//			username        <text>
//			password        <text>
//			file_hosts      <host…>
//
//			# of the pass-through as a whole: in one of the upstream blocks
//			mode            proxy|redirect|index
//			allow           <glob…>
//			deny            <glob…>
//			cooldown        <time>
//			cooldown_exempt <name or name==version…>
//			offline
//			cache_dir       <folder>
//			cache_size      <size>
//			memory_size     <size>
//			page_freshness  <time>
//			negative_ttl    <time>
//			stale_for       <time>
//			max_page        <size>
//			max_file        <size>
//			connect_timeout <time>
//			page_timeout    <time>
//			stall_timeout   <time>
//			breaker_after   <number>
//			breaker_for     <time>
//			private_hosts   <host or host:port…>
//		}
//	}
//
// upstream and trusted_publisher may be there several times; upstreams are asked in
// that order.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if args := d.RemainingArgs(); len(args) > 0 {
		return d.Errf("fairway has the value %q: a block { … } is expected", args[0])
	}
	seen := make(map[string]bool)
	shared := make(map[string]bool)
	opts := a.options()
	opts["upstream"] = func(d *caddyfile.Dispenser) error {
		delete(seen, "upstream") // may be there again
		return a.parseUpstream(d, shared)
	}
	opts["trusted_publisher"] = func(d *caddyfile.Dispenser) error {
		delete(seen, "trusted_publisher")
		return a.parsePublisher(d)
	}
	return opts.read(d, seen)
}

// options are the Caddyfile's names of the app's own settings.
func (a *App) options() options {
	return options{
		"data":                  text(&a.Data),
		"account":               text(&a.Account),
		"max_upload":            size(&a.MaxUpload),
		"max_attestation":       size(&a.MaxAttestation),
		"body_idle":             period(&a.BodyIdle),
		"shard_retention":       period(&a.ShardRetention),
		"blob_grace":            period(&a.BlobGrace),
		"audit_retention":       periodOrNone(&a.AuditRetention),
		"failures_per_minute":   count(&a.FailuresPerMinute),
		"public_key_ttl":        period(&a.PublicKeyTTL),
		"no_anonymous":          toggle(&a.NoAnonymous),
		"anonymous_passthrough": toggle(&a.AnonymousPassthrough),
		"upstream_conflict":     word(&a.UpstreamConflict, "known", "warn", "refuse"),
		"public_url":            text(&a.PublicURL),
		"limits":                block(a.Limits.options()),
		"python_limits":         block(a.PythonLimits.options()),
	}
}

// parseUpstream reads one upstream block. shared remembers which options of the
// pass-through as a whole another block has set.
func (a *App) parseUpstream(d *caddyfile.Dispenser, shared map[string]bool) error {
	if a.PyPI == nil {
		a.PyPI = new(PyPI)
	}
	args := d.RemainingArgs()
	if len(args) == 0 || len(args) > 2 {
		return d.Errf("upstream has %d values: a name, and perhaps a URL or off, are expected", len(args))
	}
	u := Upstream{Name: args[0]}
	if !upstreamName.MatchString(u.Name) {
		return d.Errf("upstream name %q: 1 to 32 of a-z, 0-9 and '-', with a letter or digit at both ends, are expected", u.Name)
	}
	for _, other := range a.PyPI.Upstreams {
		if other.Name == u.Name {
			return d.Errf("upstream %q is already there: names are expected to differ", u.Name)
		}
	}
	if len(args) == 2 {
		u.URL = args[1]
	} else if u.Name != "pypi" {
		return d.Errf("upstream %q has no URL: only pypi has a default", u.Name)
	}
	for name := range u.options() {
		delete(shared, name) // of this upstream alone
	}
	opts := a.PyPI.options()
	maps.Copy(opts, u.options())
	if err := opts.read(d, shared); err != nil {
		return err
	}
	a.PyPI.Upstreams = append(a.PyPI.Upstreams, u)
	return nil
}

// bare reads a directive that has nothing but its name.
func bare[H any, P interface {
	*H
	caddyhttp.MiddlewareHandler
}](h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	name := h.Val()
	if args := h.RemainingArgs(); len(args) > 0 {
		return nil, h.Errf("%s has the value %q: none is expected", name, args[0])
	}
	for h.NextBlock(0) {
		return nil, h.Errf("%s has a block: none is expected here, its options stand in the global option fairway { … }", name)
	}
	return P(new(H)), nil
}

// parseAuth reads
//
//	fairway_auth [<matcher>] <permission…>
func parseAuth(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	auth := &AuthHandler{guard{Permissions: h.RemainingArgs()}}
	if len(auth.Permissions) == 0 {
		return nil, h.Err("fairway_auth names no permission: one or more, as package:read, are expected")
	}
	if _, err := parsePermissions(auth.Permissions); err != nil {
		return nil, h.WrapErr(err)
	}
	for h.NextBlock(0) {
		return nil, h.Errf("fairway_auth has a block: permissions in its line, as %s, are expected", strings.Join(auth.Permissions, " "))
	}
	return auth, nil
}

var _ caddyfile.Unmarshaler = (*App)(nil)
