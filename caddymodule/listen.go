package caddymodule

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// networkName is the network whose sockets stay open across reloads, as in
//
//	bind fairway/127.0.0.1
//
// For tcp, Caddy opens a second socket beside the first (SO_REUSEPORT) and then
// closes the first; Linux resets the connections that wait in its queue, so a
// reload under load costs some clients their request. Here both configurations
// accept from the same socket, and the old one is drained; see drain.go.
const networkName = "fairway"

func init() {
	caddy.RegisterNetwork(networkName, listenKept)
	caddyhttp.RegisterNetworkHTTP3(networkName, "udp")
}

// sockets holds the open ones by their address.
var sockets = caddy.NewUsagePool()

// listenKept opens a socket, or joins the configuration that has it open.
func listenKept(ctx context.Context, _, host, port string, offset uint, cfg net.ListenConfig) (any, error) {
	first, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port is %q: a number is expected", port)
	}
	address := net.JoinHostPort(host, strconv.FormatUint(first+uint64(offset), 10))
	v, _, err := sockets.LoadOrNew(address, func() (caddy.Destructor, error) {
		ln, err := cfg.Listen(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		s := &socket{TCPListener: ln.(*net.TCPListener), accepted: make(chan accepted), closed: make(chan struct{})}
		go s.accept()
		return s, nil
	})
	if err != nil {
		return nil, err
	}
	l := &keptListener{socket: v.(*socket), key: address, stopped: make(chan struct{}), drained: make(chan struct{})}
	l.socket.listeners.Add(1)
	// The HTTP app listens with the context of its configuration, whose app of ours
	// is to drain it.
	if cctx, ok := ctx.(caddy.Context); ok {
		if app, err := findApp(cctx); err == nil {
			app.drain.listeners = append(app.drain.listeners, l)
		}
	}
	return l, nil
}

// socket is one listening socket with any number of listeners.
type socket struct {
	*net.TCPListener
	accepted  chan accepted
	closed    chan struct{}
	listeners atomic.Int32 // that accept
}

type accepted struct {
	conn *net.TCPConn
	err  error
}

// acceptPause is how long to wait after a failure, such as too many open files.
const acceptPause = 50 * time.Millisecond

// accept hands each connection to a listener that asks for one. While none asks,
// one connection waits here and the others in the kernel's queue.
func (s *socket) accept() {
	for {
		conn, err := s.AcceptTCP()
		if !s.give(accepted{conn, err}) {
			return
		}
		if err != nil {
			select {
			case <-time.After(acceptPause):
			case <-s.closed:
				return
			}
		}
	}
}

// give hands an accepted connection to whoever asks for one.
func (s *socket) give(a accepted) bool {
	select {
	case s.accepted <- a:
		return true
	case <-s.closed:
		if a.conn != nil {
			_ = a.conn.Close()
		}
		return false
	}
}

// Destruct implements [caddy.Destructor].
func (s *socket) Destruct() error {
	close(s.closed)
	return s.Close()
}

// keptListener is one configuration's share of a socket.
type keptListener struct {
	socket  *socket
	key     string
	leave   sync.Once
	stopped chan struct{} // closed: nothing more is accepted
	drained chan struct{} // closed: moreover, everything accepted was closed

	mu   sync.Mutex
	open int  // connections
	last bool // whether stopped is closed
}

// Accept implements [net.Listener].
func (l *keptListener) Accept() (net.Conn, error) {
	select {
	case <-l.stopped: // it must not compete with its successor
		return nil, net.ErrClosed
	default:
	}
	select {
	case <-l.stopped:
		return nil, net.ErrClosed
	case a := <-l.socket.accepted:
		if a.err != nil {
			return nil, a.err
		}
		if !l.enter() {
			go l.socket.give(a) // to the successor
			return nil, net.ErrClosed
		}
		return &keptConn{TCPConn: a.conn, listener: l}, nil
	}
}

// Addr implements [net.Listener].
func (l *keptListener) Addr() net.Addr { return l.socket.Addr() }

// Close implements [net.Listener]; the last listener's closes the socket.
func (l *keptListener) Close() (err error) {
	l.stop()
	l.leave.Do(func() { _, err = sockets.Delete(l.key) })
	return err
}

// stop accepts nothing more; connections live on.
func (l *keptListener) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last {
		return
	}
	l.last = true
	l.socket.listeners.Add(-1)
	close(l.stopped)
	if l.open == 0 {
		close(l.drained)
	}
}

func (l *keptListener) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last {
		return false
	}
	l.open++
	return true
}

func (l *keptListener) exit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open--; l.open == 0 && l.last {
		close(l.drained)
	}
}

// keptConn tells its listener when it is closed. It embeds the TCP connection, so
// that files still go out by sendfile.
type keptConn struct {
	*net.TCPConn
	listener *keptListener
	once     sync.Once
}

// Close implements [net.Conn].
func (c *keptConn) Close() error {
	c.once.Do(c.listener.exit)
	return c.TCPConn.Close()
}

var (
	_ net.Listener     = (*keptListener)(nil)
	_ caddy.Destructor = (*socket)(nil)
)
