package gateway

import (
	"sync/atomic"
	"time"
)

// leases counts the requests that use a gateway, so that closing can wait for
// them. Taking one is an atomic addition: it is on every request's path.
type leases struct {
	n      atomic.Int64
	closed atomic.Bool
}

func (l *leases) acquire() bool {
	l.n.Add(1)
	if l.closed.Load() {
		l.n.Add(-1)
		return false
	}
	return true
}

func (l *leases) release() { l.n.Add(-1) }

// drain refuses new leases and waits until the taken ones are given back. It
// polls, because it runs once in a process's life and acquire must stay cheap.
func (l *leases) drain(grace time.Duration) bool {
	l.closed.Store(true)
	deadline := time.Now().Add(grace)
	for l.n.Load() > 0 {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}
