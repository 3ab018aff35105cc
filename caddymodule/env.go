package caddymodule

import (
	"net"
	"os"
)

// A Caddyfile takes a listener's host and port in two places (bind, and the
// site's address) and cannot split a string, so FAIRWAY_LISTEN=host:port is
// split for it here, before any Caddyfile is read.
func init() {
	addr := os.Getenv("FAIRWAY_LISTEN")
	if addr == "" {
		return
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return // the Caddyfile parser then names the default address, and readers the README
	}
	if host == "" {
		host = "0.0.0.0"
	}
	_ = os.Setenv("FAIRWAY_LISTEN_HOST", host)
	_ = os.Setenv("FAIRWAY_LISTEN_PORT", port)
}
