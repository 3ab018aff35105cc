package passthrough

import (
	"sync"
	"time"
)

// breaker stops asking an upstream that failed several times in a row. After a
// while it lets one request try again.
type breaker struct {
	after int
	wait  time.Duration
	now   func() time.Time

	mu       sync.Mutex
	failures int
	until    time.Time // open until then; zero when closed
	trying   bool      // the one request is under way
}

// allow reports whether to ask. Who was allowed calls done.
func (b *breaker) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return true
	}
	if b.trying || b.now().Before(b.until) {
		return false
	}
	b.trying = true
	return true
}

// done reports how an allowed request ended. One that was given up by its caller
// says nothing about the upstream: counts is false.
func (b *breaker) done(ok, counts bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
	switch {
	case ok:
		b.failures, b.until = 0, time.Time{}
	case counts:
		if b.failures++; b.failures >= b.after {
			b.until = b.now().Add(b.wait)
		}
	}
}

// open reports whether requests are refused now.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.until.IsZero() && (b.trying || b.now().Before(b.until))
}
