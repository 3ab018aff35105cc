package authz

import (
	"net/netip"
	"sync"
	"testing"
	"time"
)

func TestFailuresAreCountedByClient(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(noon)
	l := NewLimiter(6, 3, 0)
	addr := netip.MustParseAddr
	for i := range 3 {
		if l.Blocked(here, now) {
			t.Fatalf("blocked after %d failures", i)
		}
		l.Failed(here, now)
	}
	if !l.Blocked(here, now) || !l.Blocked(addr("::ffff:192.0.2.7"), now) {
		t.Error("not blocked after the burst")
	}
	if l.Blocked(addr("192.0.2.8"), now) || l.Blocked(netip.Addr{}, now) {
		t.Error("another client is blocked")
	}
	if l.Blocked(here, now.Add(9*time.Second)) == false || l.Blocked(here, now.Add(10*time.Second)) {
		t.Error("six a minute are one each ten seconds")
	}
	for range 3 {
		l.Failed(addr("2001:db8:1:2::1"), now)
	}
	if !l.Blocked(addr("2001:db8:1:2:ffff::9%eth0"), now) || l.Blocked(addr("2001:db8:1:3::1"), now) {
		t.Error("an IPv6 client is its network of 64 bits")
	}
	for range 3 {
		l.Failed(netip.Addr{}, now)
	}
	if !l.Blocked(netip.Addr{}, now) {
		t.Error("unknown addresses are not one client")
	}
}

func TestLimiterRemembersABoundedNumber(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(noon)
	l := NewLimiter(1, 1, 100)
	var senders sync.WaitGroup
	for n := range 4 {
		senders.Go(func() {
			for i := range 1000 {
				ip := netip.AddrFrom4([4]byte{10, byte(n), byte(i >> 8), byte(i)})
				l.Failed(ip, now)
				l.Blocked(ip, now)
			}
		})
	}
	senders.Wait()
	if got := l.clients.Len(); got != 100 {
		t.Errorf("%d clients are remembered, of 100", got)
	}
}

func TestLimiterOff(t *testing.T) {
	t.Parallel()
	for _, perMinute := range []int{0, -1} {
		l := NewLimiter(perMinute, 0, 0)
		for range 100 {
			l.Failed(here, time.UnixMilli(noon))
		}
		if l.Blocked(here, time.UnixMilli(noon)) {
			t.Error("blocked by a limiter that is off")
		}
	}
}
