// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A half is one direction of a stream: one call at a time, and until when it may wait.
type half struct {
	busy   sync.Mutex
	op     op
	mu     sync.Mutex // guards what follows
	until  time.Time
	parked bool
}

// left is how long a call may wait, as C has it: 0 for ever.
func (h *half) left() (until time.Time, ms uint32, err error) {
	h.mu.Lock()
	until = h.until
	h.mu.Unlock()
	if until.IsZero() {
		return until, 0, nil
	}
	left := time.Until(until)
	if left <= 0 {
		err = os.ErrDeadlineExceeded
	}
	return until, milliseconds(left), err
}

// set moves the end of the call that waits, and of those to come.
func (t *target) set(h *half, until time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t.closed.Load() {
		return ErrClosed
	}
	h.until = until
	if h.parked {
		t.retime(h)
	}
	return nil
}

// retime gives the operation that waits the end that is set. Locked.
func (t *target) retime(h *half) {
	left := int64(1<<63 - 1)
	if !h.until.IsZero() {
		left = int64(time.Until(h.until))
	}
	t.l.done("retime", capi.Retime(t.l.enter(), int64(t.h), h.op.token, left))
}

// park waits for the event of what was started with this end.
func (t *target) park(h *half, until time.Time) error {
	h.mu.Lock()
	h.parked = true
	if !h.until.Equal(until) {
		t.retime(h)
	}
	h.mu.Unlock()
	<-h.op.done
	h.mu.Lock()
	h.parked = false
	h.mu.Unlock()
	return t.why(outcome(h.op.io.Code.String(), h.op.event.Status, h.op.event.Result))
}

// now does what can be done at once, and where that is nothing waits until it can. The memory is Go's:
// the library has it in the call alone. The caller has h.busy.
func (t *target) now(h *half, code Code, memory unsafe.Pointer, length int,
	interest Events) (int64, error) {
	return t.until(h, IO{Length: uint64(clip(length)), Code: code, Flags: NoWait}, memory, interest)
}

// lend does an operation that keeps nothing of Go's. The caller has h.busy.
func (t *target) lend(h *half, io IO) (int64, error) {
	io.Flags |= Inline
	return t.until(h, io, nil, 0)
}

// until does an operation again and again, as its deadline is moved, and as a POLL in its place tells
// that it may be possible now.
func (t *target) until(h *half, io IO, memory unsafe.Pointer, interest Events) (int64, error) {
	for {
		until, ms, err := h.left()
		if t.closed.Load() {
			return 0, ErrClosed
		} else if err != nil {
			return 0, err
		}
		h.op.io = io
		h.op.io.TimeoutMS = ms
		if err := t.start(&h.op, memory, interest); err != nil {
			return 0, err
		}
		itself := h.op.io.Code == io.Code // not the POLL
		if h.op.io.Op == 0 && itself {
			return h.op.io.Offset, nil
		} else if h.op.io.Op == 0 {
			continue
		}
		err = t.park(h, until)
		if !is(err, ErrExpired) && (itself || err != nil) {
			return h.op.event.moved(), err
		} else if itself && h.op.event.Result > 0 && io.Code != Poll {
			return h.op.event.moved(), err
		}
	}
}

// A Conn is a TCP connection, and a net.Conn: what package net's connections promise, this one does.
// It has no-delay and keepalive on, as those have. It is closed by Close, or when the program has
// dropped it.
type Conn struct {
	*stream
	loop *Loop // lives as long as this does
}

// A stream is what a loop knows of a Conn.
type stream struct {
	target
	in, out       half
	local, remote net.TCPAddr
	ips           [2][16]byte // theirs
}

var (
	_ net.Conn      = (*Conn)(nil)
	_ io.ReaderFrom = (*Conn)(nil)
	_ io.WriterTo   = (*Conn)(nil)
	_ syscall.Conn  = (*Conn)(nil)
)

// newConn is the connection of a handle, which is closed if that fails.
func (l *Loop) newConn(h Handle) (*Conn, error) {
	c := &Conn{new(stream), l}
	if err := l.adopt(&c.target, h, SocketClose, &c.in, &c.out); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(c, func(c *Conn) { c.target.close(0) })
	return c, nil
}

// fail is an error as package net has it.
func (s *stream) fail(op string, err error) error {
	return netError(op, &s.local, &s.remote, err)
}

func netError(op string, local, remote net.Addr, err error) error {
	switch err {
	case nil, io.EOF:
		return err
	case ErrClosed:
		err = errConnClosed
	}
	return &net.OpError{Op: op, Net: "tcp", Source: local, Addr: remote, Err: err}
}

// Read waits until there is something to read. io.EOF is the end of the stream.
func (c *Conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c.in.busy.Lock()
	defer c.in.busy.Unlock()
	n, err := c.now(&c.in, Read, first(b), len(b), Readable)
	runtime.KeepAlive(c)
	if err == nil && n == 0 {
		err = io.EOF
	}
	return int(n), c.fail("read", err)
}

// Write writes all of it, waiting whenever nothing fits. Writes of several goroutines are not mixed.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := writer{c}.Write(b)
	return n, c.fail("write", err)
}

// A writer is a connection whose errors are the library's.
type writer struct{ c *Conn }

// Write is Conn.Write.
func (w writer) Write(b []byte) (sent int, err error) {
	w.c.out.busy.Lock()
	defer w.c.out.busy.Unlock()
	for sent < len(b) && err == nil {
		var n int64
		n, err = w.c.now(&w.c.out, Write, first(b[sent:]), len(b)-sent, Writable)
		sent += int(n)
	}
	runtime.KeepAlive(w.c)
	return sent, err
}

// ReadFrom writes what r has. An *os.File, or an io.LimitedReader of one, and a Section go from the
// system's cache into the socket without passing through the program. Writes of others may come in
// between two parts, while r has nothing.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	total, err := c.sendFile(r)
	for err == nil {
		var n int64
		n, err = copyOnce(writer{c}, r)
		total += n
	}
	if err == io.EOF {
		err = nil
	}
	return total, c.fail("readfrom", err)
}

// WriteTo writes to w what comes, until the end. No memory is held while nothing comes.
func (c *Conn) WriteTo(w io.Writer) (total int64, err error) {
	for err == nil {
		c.in.busy.Lock()
		_, err = c.lend(&c.in, IO{Length: uint64(Readable), Code: Poll})
		c.in.busy.Unlock()
		if err = c.fail("writeto", err); err == nil {
			var n int64
			n, err = copyOnce(w, c)
			total += n
		}
	}
	if err == io.EOF {
		err = nil
	}
	return total, err
}

// copyOnce copies what comes, by way of a buffer that is used again.
func copyOnce(w io.Writer, r io.Reader) (int64, error) {
	b, err := bounce(64 << 10)
	if err != nil {
		return 0, err
	}
	defer giveBounce(b)
	got, err := r.Read(b.Bytes())
	if got == 0 {
		return 0, err
	}
	n, failed := w.Write(b.Bytes()[:got])
	if failed != nil {
		err = failed
	} else if n != got {
		err = io.ErrShortWrite
	}
	return int64(n), err
}

// Close closes the connection. Reads and writes on other goroutines return net.ErrClosed.
func (c *Conn) Close() error {
	runtime.SetFinalizer(c, nil)
	return c.fail("close", c.target.close(0))
}

// CloseWrite ends the sending direction, behind the writes that were begun: the peer sees the end of
// the stream.
func (c *Conn) CloseWrite() error {
	c.out.busy.Lock()
	defer c.out.busy.Unlock()
	return c.option("close", func(h Handle) error { return SocketShutdown(h, Sending) })
}

// CloseRead ends the receiving direction.
func (c *Conn) CloseRead() error {
	return c.option("close", func(h Handle) error { return SocketShutdown(h, Receiving) })
}

// LocalAddr is the connection's own address, also when it is closed.
func (c *Conn) LocalAddr() net.Addr { return &c.local }

// RemoteAddr is the peer's address, also when the connection is closed.
func (c *Conn) RemoteAddr() net.Addr { return &c.remote }

// SetDeadline sets both deadlines. A zero time is none.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline says until when Read waits: then it returns os.ErrDeadlineExceeded.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.fail("set", c.set(&c.in, t)) }

// SetWriteDeadline says until when Write waits: then it returns os.ErrDeadlineExceeded.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.fail("set", c.set(&c.out, t)) }

// SetNoDelay sends small pieces at once, which is the default, or gathers them.
func (c *Conn) SetNoDelay(on bool) error {
	flag := 0
	if on {
		flag = 1
	}
	return c.option("set", func(h Handle) error { return SocketSetNoDelay(h, flag) })
}

// keepAliveEvery is what package net sets.
const keepAliveEvery = 15 * time.Second

// SetKeepAlivePeriod has keepalive messages sent so often, every 15 seconds by default; 0: none.
func (c *Conn) SetKeepAlivePeriod(d time.Duration) error {
	return c.option("set", func(h Handle) error { return keepAlive(h, d) })
}

func (c *Conn) option(op string, set func(h Handle) error) error { return c.fail(op, c.hold(set)) }

// SyscallConn is for calls of one's own by the descriptor, which is nobody else's meanwhile.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return rawConn{c}, nil }

type rawConn struct{ c *Conn }

// Control calls f with the descriptor.
func (r rawConn) Control(f func(fd uintptr)) error {
	return r.c.option("raw-control", func(h Handle) error { f(uintptr(h)); return nil })
}

// Read calls f, and waits and calls it again, until it returns true.
func (r rawConn) Read(f func(fd uintptr) bool) error { return r.until(f, &r.c.in, Readable) }

// Write is Read for the other direction.
func (r rawConn) Write(f func(fd uintptr) bool) error { return r.until(f, &r.c.out, Writable) }

func (r rawConn) until(f func(fd uintptr) bool, h *half, interest Events) error {
	h.busy.Lock()
	defer h.busy.Unlock()
	for over := false; ; {
		err := r.c.hold(func(h Handle) error { over = f(uintptr(h)); return nil })
		if err == nil && !over {
			_, err = r.c.lend(h, IO{Length: uint64(interest), Code: Poll})
		}
		if err != nil || over {
			return r.c.fail("raw", err)
		}
	}
}

// A Listener accepts TCP connections, and is a net.Listener.
type Listener struct {
	*acceptor
	loop *Loop
}

// An acceptor is what a loop knows of a Listener.
type acceptor struct {
	target
	in    half
	told  [2]cAddress // the peer's and the local address of the connection that was accepted
	local net.TCPAddr
}

var _ net.Listener = (*Listener)(nil)

// Accept waits for a connection. An error that is Temporary leaves the listener as it was.
func (a *Listener) Accept() (net.Conn, error) {
	c, err := a.AcceptConn()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptConn is Accept for who needs a *Conn.
func (a *Listener) AcceptConn() (*Conn, error) {
	a.in.busy.Lock()
	defer a.in.busy.Unlock()
	h, err := a.now(&a.in, Accept, unsafe.Pointer(&a.told), 2, Readable)
	runtime.KeepAlive(a)
	if err == nil {
		var c *Conn
		if c, err = a.loop.newConn(Handle(h)); err == nil {
			a.told[0].to(&c.remote, &c.ips[0])
			a.told[1].to(&c.local, &c.ips[1])
			if runtime.GOOS != "linux" { // there it inherits what the listener has
				likeNet(Handle(h))
			}
			return c, nil
		}
	}
	return nil, netError("accept", nil, &a.local, err)
}

// keepAlive has keepalive messages sent so often; 0: none.
func keepAlive(h Handle, every time.Duration) error {
	seconds := uint32(0)
	if every > 0 {
		seconds = uint32((every + time.Second - 1) / time.Second)
	}
	_, err := done("keep alive", capi.Go_keep_alive(int64(h), seconds))
	return err
}

// likeNet sets what package net sets.
func likeNet(h Handle) {
	SocketSetNoDelay(h, 1)
	keepAlive(h, keepAliveEvery)
}

// to makes a net.TCPAddr of what an accept has told.
func (a *cAddress) to(out *net.TCPAddr, ip *[16]byte) {
	*ip = a.bytes
	out.IP, out.Port = ip[:], int(a.port)
	if a.family == FamilyIPv4 {
		out.IP = ip[:4]
	}
	if a.scope != 0 {
		out.Zone = strconv.Itoa(int(a.scope))
	}
}

// SetDeadline says until when Accept waits.
func (a *Listener) SetDeadline(t time.Time) error {
	return netError("set", nil, &a.local, a.set(&a.in, t))
}

// Close stops listening. Accept on other goroutines returns net.ErrClosed.
func (a *Listener) Close() error {
	runtime.SetFinalizer(a, nil)
	return netError("close", nil, &a.local, a.target.close(0))
}

// Addr is the address it listens at, also when it is closed.
func (a *Listener) Addr() net.Addr { return &a.local }

// connected waits until a connection has been made.
func (c *Conn) connected(ctx context.Context) error {
	o := &c.out.op
	o.io = IO{Code: Connect, Flags: Inline}
	if err := c.start(o, nil, 0); err != nil || o.io.Op == 0 {
		return err
	}
	_, err := c.wait(ctx, o)
	return err
}
