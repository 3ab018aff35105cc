package caddymodule

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

// errListen says what is wrong with FAIRWAY_LISTEN; the app reports it when it is
// provisioned, for nothing can be reported from here.
var errListen error

// A Caddyfile takes a listener's host and port in two places (bind, and the
// site's address) and cannot split a string, so FAIRWAY_LISTEN=host:port is
// split for it here, before any Caddyfile is read.
func init() {
	addr := os.Getenv("FAIRWAY_LISTEN")
	if addr == "" {
		return
	}
	host, port, err := splitListen(addr)
	if err != nil {
		errListen = err
		return
	}
	_ = os.Setenv("FAIRWAY_LISTEN_HOST", host)
	_ = os.Setenv("FAIRWAY_LISTEN_PORT", port)
	if os.Getenv("FAIRWAY_PUBLIC_URL") == "" {
		_ = os.Setenv("FAIRWAY_PUBLIC_URL", publicURL(host, port))
	}
}

// publicURL is where clients on this machine find a listener.
func publicURL(host, port string) string {
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// splitListen takes host:port apart; an empty host is every address of the
// machine, IPv6 ones too.
func splitListen(addr string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", "", fmt.Errorf("FAIRWAY_LISTEN is %q: host:port, :port or [IPv6]:port is expected", addr)
	}
	if host == "" {
		host = "0.0.0.0" // which Go listens on for both families
	}
	return host, port, nil
}
