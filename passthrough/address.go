package passthrough

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// errPrivate is why a dial was refused.
var errPrivate = errors.New("address is not a public one")

// dialer connects to public addresses, and to others only for hosts the operator
// named. It checks what the name resolved to, at the moment of connecting: a name
// cannot be pointed elsewhere between a check and its use.
type dialer struct {
	net.Dialer
	private map[string]bool // host or host:port, lower case
}

func newDialer(timeout time.Duration, private []string) *dialer {
	d := &dialer{Dialer: net.Dialer{Timeout: timeout}, private: map[string]bool{}}
	for _, h := range private {
		d.private[strings.ToLower(h)] = true
	}
	return d
}

// checkPrivateHost refuses an entry of [Config.PrivateHosts] that no dial would match,
// such as a URL, a network or a pattern.
func checkPrivateHost(entry string) error {
	host := entry
	if h, port, err := net.SplitHostPort(entry); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			host = ""
		} else {
			host = h
		}
	}
	if _, err := netip.ParseAddr(host); err != nil && (host == "" || strings.ContainsAny(host, "/:*?@[] ")) {
		return fmt.Errorf("private host %q is not valid: expected host or host:port, no network and no pattern", clip(entry))
	}
	return nil
}

// DialContext implements the dialling of [http.Transport].
func (d *dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("splitting address: %w", err)
	}
	dial := d.Dialer
	if !d.private[strings.ToLower(host)] && !d.private[strings.ToLower(addr)] {
		dial.Control = refusePrivate
	}
	return dial.DialContext(ctx, network, addr)
}

func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("reading address: %w", err)
	}
	if !public(ap.Addr()) {
		return errPrivate
	}
	return nil
}

// special are ranges that no package host has, beside those netip knows.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network (RFC 791)
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT (RFC 6598)
	netip.MustParsePrefix("192.0.0.0/24"),    // IETF protocol assignments (RFC 6890)
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation (RFC 5737)
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks (RFC 2544)
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, broadcast
	netip.MustParsePrefix("100::/64"),        // discard (RFC 6666)
	netip.MustParsePrefix("2001:db8::/32"),   // documentation (RFC 3849)
	netip.MustParsePrefix("fec0::/10"),       // site-local (RFC 3879)
}

// Ranges of IPv6 with an IPv4 address inside, and where it begins.
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},   // NAT64 (RFC 6052)
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12}, // local NAT64 (RFC 8215)
	{netip.MustParsePrefix("2002::/16"), 2},       // 6to4 (RFC 3056)
	{netip.MustParsePrefix("::/96"), 12},          // IPv4-compatible (RFC 4291)
}

// public reports whether an address is one of the open internet. Cloud metadata
// services are link-local or unique-local, and so refused.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	if a.Is6() {
		for _, e := range embedding {
			if b := a.As16(); e.prefix.Contains(a) && !public(netip.AddrFrom4([4]byte(b[e.at:e.at+4]))) {
				return false
			}
		}
	}
	return true
}

// literallyPrivate reports whether a configured host is itself such an address or
// localhost, which nobody writes by mistake.
func literallyPrivate(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && !public(a)
}
