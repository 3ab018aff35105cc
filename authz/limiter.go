package authz

import (
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Limiter counts wrong credentials by client and says who sent too many of them.
// It is never asked about valid keys, so nobody can lock out another's. Any number
// of goroutines may use it; it starts none.
type Limiter struct {
	clients *lru.Cache[netip.Prefix, *rate.Limiter] // nil: nobody is limited
	every   rate.Limit
	burst   int
}

// DefaultMaxClients is how many clients a [Limiter] remembers, in some 25 MB.
const DefaultMaxClients = 1 << 16

// NewLimiter makes a limiter that lets each client fail burst times at once and
// perMinute times a minute in the long run. A client is an IPv4 address, or an
// IPv6 network of 64 bits, which is what one subscriber has at least. The
// maxClients that failed last are remembered; 0 is [DefaultMaxClients]. With
// perMinute below 1 nobody is limited.
func NewLimiter(perMinute, burst, maxClients int) *Limiter {
	l := &Limiter{every: rate.Limit(float64(perMinute) / time.Minute.Seconds()), burst: max(burst, 1)}
	if perMinute < 1 {
		return l
	}
	if maxClients < 1 {
		maxClients = DefaultMaxClients
	}
	l.clients, _ = lru.New[netip.Prefix, *rate.Limiter](maxClients) // errs for no size only
	return l
}

// Blocked reports whether the client has used up its failures.
func (l *Limiter) Blocked(ip netip.Addr, now time.Time) bool {
	if l.clients == nil {
		return false
	}
	bucket, ok := l.clients.Get(clientOf(ip))
	return ok && bucket.TokensAt(now) < 1
}

// Failed counts a failure of the client.
func (l *Limiter) Failed(ip netip.Addr, now time.Time) {
	if l.clients == nil {
		return
	}
	client := clientOf(ip)
	bucket, ok := l.clients.Get(client)
	if !ok {
		bucket = rate.NewLimiter(l.every, l.burst)
		if first, lost, _ := l.clients.PeekOrAdd(client, bucket); lost {
			bucket = first
		}
	}
	bucket.AllowN(now, 1)
}

// clientOf is who an address stands for; all unknown addresses are one client.
func clientOf(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // errs for the zero address, with the zero prefix
	return p
}
