// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// ready is how the loop tells a connection what has happened.
type ready struct {
	readable chan struct{}
	writable chan struct{}
	over     chan struct{} // closed when nothing will happen any more
	once     sync.Once
	why      error // written before over is closed
}

func newReady() *ready {
	return &ready{
		readable: make(chan struct{}, 1),
		writable: make(chan struct{}, 1),
		over:     make(chan struct{}),
	}
}

func (r *ready) wake(e Events) {
	if e&(Readable|ReadClosed|WriteClosed|ErrorEvent) != 0 {
		signal(r.readable)
	}
	if e&(Writable|WriteClosed|ErrorEvent) != 0 {
		signal(r.writable)
	}
}

func (r *ready) end(why error) {
	r.once.Do(func() {
		r.why = why
		close(r.over)
	})
}

// A stream is a socket whose goroutines wait: what Conn and Listener share. It is registered once,
// with Edge: from then on waiting costs no system call of its own.
type stream struct {
	p     *Poller
	h     Handle
	token uint64
	gate  gate
	ready *ready // held by the poller's slots, which must not hold the stream itself
}

func (p *Poller) newStream(h Handle, interest Events) (*stream, error) {
	s := &stream{p: p, h: h, ready: newReady()}
	c, err := p.enter()
	if err != nil {
		capi.Socket_close(int64(h))
		return nil, err
	}
	defer c.leave()
	c.slots.mu.Lock()
	var one *slot
	one, s.token = c.slots.take(slotConn)
	one.conn = s.ready
	c.slots.mu.Unlock()
	if err := p.add(h, s.token, interest, Edge); err != nil {
		s.giveBack()
		return nil, err
	}
	runtime.SetFinalizer(s, func(s *stream) { go s.close() })
	return s, nil
}

func (s *stream) close() error {
	first, last := s.gate.close()
	if !first {
		return ErrClosed
	}
	runtime.SetFinalizer(s, nil)
	s.ready.end(ErrClosed)
	if last {
		return s.giveBack()
	}
	return nil
}

func (s *stream) giveBack() error {
	s.p.remove(s.h, s.token)
	slots := &s.p.c.slots
	slots.mu.Lock()
	if slots.find(s.token) != nil {
		slots.give(s.token)
	}
	slots.mu.Unlock()
	return failed("close", capi.Socket_close(int64(s.h)))
}

func (s *stream) leave() {
	if s.gate.leave() {
		s.giveBack()
	}
}

// try makes the call, and when it would block waits until it is worth another try.
func (s *stream) try(op string, bit Events, news chan struct{}, d *deadline,
	call func() int64) (int64, error) {
	for {
		select {
		case <-d.channel():
			return 0, os.ErrDeadlineExceeded
		default:
		}
		if !s.gate.enter() {
			return 0, ErrClosed
		}
		r := call()
		var err error
		if statusOf(r) == ErrWouldBlock {
			err = s.p.rearm(s.h, s.token, bit)
		}
		s.leave()
		switch {
		case err != nil:
			return 0, err
		case statusOf(r) != ErrWouldBlock:
			return r, failed(op, r)
		}
		select {
		case <-news:
		case <-s.ready.over:
			return 0, s.ready.why
		case <-d.channel():
			return 0, os.ErrDeadlineExceeded
		}
	}
}

// A Conn is a TCP connection whose goroutines wait without a thread. It is a net.Conn. Somebody has
// to serve the poller: go p.Run().
type Conn struct {
	s             *stream
	reading       sync.Mutex
	writing       sync.Mutex
	before, until *deadline // of reading, of writing
}

var _ net.Conn = (*Conn)(nil)

func (p *Poller) newConn(h Handle) (*Conn, error) {
	s, err := p.newStream(h, Readable|Writable)
	if err != nil {
		return nil, err
	}
	return &Conn{s: s, before: newDeadline(), until: newDeadline()}, nil
}

// DialTCP connects to a numeric address.
func (p *Poller) DialTCP(ctx context.Context, address string) (*Conn, error) {
	host, port, err := split("dial", address)
	if err != nil {
		return nil, err
	}
	var h Handle
	r := capi.Socket_tcp_connect(host, port, unsafe.Pointer(&h))
	if err := failed("dial", r); err != nil {
		return nil, err
	}
	c, err := p.newConn(h)
	if err != nil || max0(r) != capi.EVPOLL_IN_PROGRESS {
		return c, err
	}
	select {
	case <-c.s.ready.writable:
	case <-c.s.ready.over:
		err = c.s.ready.why
	case <-ctx.Done():
		err = ended("dial", ctx)
	}
	if err == nil {
		var asked error
		if err, asked = takeError(h); asked != nil {
			err = asked
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Read waits until there is something to read. io.EOF is the end of the stream.
func (c *Conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	r, err := c.s.try("read", Readable, c.s.ready.readable, c.before, func() int64 {
		return capi.Socket_recv(int64(c.s.h), unsafe.Pointer(&b[0]), uint64(len(b)))
	})
	if err == nil && r == 0 {
		err = io.EOF
	}
	return max0(r), err
}

// Write writes all of it, waiting whenever nothing fits.
func (c *Conn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	sent := 0
	for sent < len(b) {
		r, err := c.s.try("write", Writable, c.s.ready.writable, c.until, func() int64 {
			rest := b[sent:]
			return capi.Socket_send(int64(c.s.h), unsafe.Pointer(&rest[0]), uint64(len(rest)))
		})
		sent += max0(r)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// Close closes the connection. Reads and writes on other goroutines return ErrClosed.
func (c *Conn) Close() error { return c.s.close() }

// CloseWrite ends the sending direction: the peer sees the end of the stream.
func (c *Conn) CloseWrite() error {
	if !c.s.gate.enter() {
		return ErrClosed
	}
	defer c.s.leave()
	return failed("shut down", capi.Socket_shutdown(int64(c.s.h), int64(Sending)))
}

// SetNoDelay sends small pieces at once, or gathers them.
func (c *Conn) SetNoDelay(on bool) error {
	if !c.s.gate.enter() {
		return ErrClosed
	}
	defer c.s.leave()
	return failed("set no delay", capi.Socket_set_nodelay(int64(c.s.h), flag(on)))
}

// LocalAddr is the connection's own address, nil when it is closed.
func (c *Conn) LocalAddr() net.Addr { return c.s.address(capi.Socket_local_address) }

// RemoteAddr is the peer's address, nil when the connection is closed.
func (c *Conn) RemoteAddr() net.Addr { return c.s.address(capi.Socket_peer_address) }

func (s *stream) address(call addressCall) net.Addr {
	if !s.gate.enter() {
		return nil
	}
	defer s.leave()
	address, err := askAddress("address", s.h, call)
	if err != nil {
		return nil
	}
	return net.TCPAddrFromAddrPort(address)
}

// SetDeadline sets both deadlines. A zero time is none.
func (c *Conn) SetDeadline(t time.Time) error {
	c.before.set(t)
	c.until.set(t)
	return nil
}

// SetReadDeadline says until when Read waits: then it returns os.ErrDeadlineExceeded.
func (c *Conn) SetReadDeadline(t time.Time) error { c.before.set(t); return nil }

// SetWriteDeadline says until when Write waits: then it returns os.ErrDeadlineExceeded.
func (c *Conn) SetWriteDeadline(t time.Time) error { c.until.set(t); return nil }

// A Listener accepts connections, for goroutines that wait. It is a net.Listener.
type Listener struct {
	s         *stream
	accepting sync.Mutex
	before    *deadline
}

var _ net.Listener = (*Listener)(nil)

// ListenTCP listens at a numeric address.
func (p *Poller) ListenTCP(address string) (*Listener, error) {
	host, port, err := split("listen", address)
	if err != nil {
		return nil, err
	}
	var h Handle
	r := capi.Socket_tcp_listen(host, port, 0, unsafe.Pointer(&h))
	if err := failed("listen", r); err != nil {
		return nil, err
	}
	s, err := p.newStream(h, Readable)
	if err != nil {
		return nil, err
	}
	return &Listener{s: s, before: newDeadline()}, nil
}

// AcceptTCP waits for a connection and takes it.
func (l *Listener) AcceptTCP() (*Conn, error) {
	l.accepting.Lock()
	defer l.accepting.Unlock()
	var h Handle
	_, err := l.s.try("accept", Readable, l.s.ready.readable, l.before, func() int64 {
		return capi.Socket_accept(int64(l.s.h), unsafe.Pointer(&h))
	})
	if err != nil {
		return nil, err
	}
	return l.s.p.newConn(h)
}

// Accept is AcceptTCP for who needs a net.Conn.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// SetDeadline says until when Accept waits.
func (l *Listener) SetDeadline(t time.Time) error { l.before.set(t); return nil }

// Close stops listening. Accept on other goroutines returns ErrClosed.
func (l *Listener) Close() error { return l.s.close() }

// Addr is the address it listens at, nil when it is closed.
func (l *Listener) Addr() net.Addr { return l.s.address(capi.Socket_local_address) }
