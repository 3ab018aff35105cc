package gateway

import "sync"

// epoch guards a cache against a reader that read before a change and stores
// after it.
type epoch struct {
	mu sync.Mutex
	n  uint64
}

func (e *epoch) now() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.n
}

func (e *epoch) advance() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n++
}

// ifStill runs fn unless the epoch advanced since then.
func (e *epoch) ifStill(then uint64, fn func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.n == then {
		fn()
	}
}
