package caddymodule

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/gateway"
)

// firstKeyEnv, set to print, has an empty gateway make its first key and print it.
// Only `make run` sets it, where a person watches: the output of a service is a
// log somewhere, and a log must not hold a key.
const firstKeyEnv = "FAIRWAY_FIRST_KEY"

func firstKeyWanted() bool { return os.Getenv(firstKeyEnv) == "print" }

// announceFirstKey waits for the configuration to have started, for only then are
// the addresses known that the newcomer is told.
func (a *App) announceFirstKey() error {
	if !firstKeyWanted() {
		return nil
	}
	v, err := a.ctx.App("events")
	if err != nil {
		return fmt.Errorf("waiting for the start: %w", err)
	}
	return v.(*caddyevents.App).On("started", firstKey{a, os.Stdout})
}

// firstKey makes and prints the first key once everything has started.
type firstKey struct {
	app *App
	out io.Writer
}

// Handle implements [caddyevents.Handler]. It acts once in a process's life: a
// gateway whose keys were all deleted must not print one at its next reload.
func (f firstKey) Handle(ctx context.Context, _ caddy.Event) error {
	if !firstKeyWanted() {
		return nil
	}
	_ = os.Unsetenv(firstKeyEnv)
	g := f.app.Gateway()
	if any, err := g.HasKeys(ctx); err != nil || any {
		return err
	}
	made, err := g.CreateKey(ctx, gateway.LocalCaller(catalog.NewID()), gateway.KeyRequest{Name: "admin", Policy: "admin"})
	if err != nil {
		return fmt.Errorf("making the first key: %w", err)
	}
	welcome(f.out, os.Args[0], f.app.siteURL(), made.Value)
	return nil
}

// welcome tells a newcomer the key and what to do with it. program is what the
// newcomer has to call us.
func welcome(w io.Writer, program, site, key string) {
	fmt.Fprintf(w, `
  The first key of this gateway. It is shown this once:

      export FAIRWAY_KEY=%[2]s

  pip        pip install --index-url %[3]s/pypi/simple/ PACKAGE
  conda      conda install --channel %[1]s/t/$FAIRWAY_KEY/CHANNEL PACKAGE
  upload     curl -H "Authorization: Bearer $FAIRWAY_KEY" -T FILE.conda %[1]s/CHANNEL/SUBDIR/
  dashboard  %[1]s/-/

  A channel is made with: %[4]s channel create CHANNEL

`, site, key, withKey(site), program)
}

// withKey puts the key's variable into a URL, where pip looks for it.
func withKey(site string) string {
	for _, scheme := range []string{"http://", "https://"} {
		if len(site) > len(scheme) && site[:len(scheme)] == scheme {
			return scheme + "__token__:$FAIRWAY_KEY@" + site[len(scheme):]
		}
	}
	return site
}

// redirectsOnly is the server that Caddy adds to lead plain HTTP to HTTPS.
const redirectsOnly = "remaining_auto_https_redirects"

// siteURL is where the first site of the configuration that serves Fairway can be
// reached from this machine.
func (a *App) siteURL() string {
	v, err := a.ctx.AppIfConfigured("http")
	app, ok := v.(*caddyhttp.App)
	if err != nil || !ok {
		return ""
	}
	for _, name := range sortedKeys(app.Servers) {
		srv := app.Servers[name]
		if name == redirectsOnly {
			continue
		}
		for _, ln := range srv.Listeners() {
			if addr, ok := ln.Addr().(*net.TCPAddr); ok {
				return serverURL(srv, addr)
			}
		}
	}
	return ""
}

func serverURL(srv *caddyhttp.Server, addr *net.TCPAddr) string {
	scheme, plain := "http", 80
	if len(srv.TLSConnPolicies) > 0 {
		scheme, plain = "https", 443
	}
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	if named := firstHost(srv.Routes); named != "" {
		host = named
	}
	if addr.Port == plain {
		if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
			host = "[" + host + "]"
		}
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, fmt.Sprint(addr.Port))
}

// firstHost is the first host name that a server's routes ask for.
func firstHost(routes caddyhttp.RouteList) string {
	for _, route := range routes {
		for _, set := range route.MatcherSets {
			for _, m := range set {
				if hosts, ok := m.(*caddyhttp.MatchHost); ok && len(*hosts) > 0 {
					return (*hosts)[0]
				}
			}
		}
	}
	return ""
}

var _ caddyevents.Handler = firstKey{}
