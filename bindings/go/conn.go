// SPDX-License-Identifier: MIT

package evpoll

import (
	"errors"
	"io"
	"net"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A Conn is a TCP connection, and a net.Conn: what package net's connections promise, this one does.
// It has no-delay and keepalive on, as those have. It is closed by Close, or when the program has
// dropped it.
type Conn struct{ object }

// fail is an error as package net has it.
func (c *Conn) fail(op string, err error) error { return netError(op, &c.local, &c.remote, err) }

func netError(op string, local, remote net.Addr, err error) error {
	if err == nil || err == io.EOF {
		return err
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
	n, err := c.until(&c.in, IO{Code: Read, Flags: NoWait, Length: uint64(clip(len(b)))}, first(b),
		Readable)
	if err == nil && n == 0 {
		err = io.EOF
	}
	return int(n), c.fail("read", err)
}

// Write writes all of it, waiting whenever nothing fits. Writes of several goroutines are not mixed.
func (c *Conn) Write(b []byte) (sent int, err error) {
	c.out.busy.Lock()
	defer c.out.busy.Unlock()
	for sent < len(b) && err == nil {
		var n int64
		n, err = c.until(&c.out, IO{Code: Write, Flags: NoWait, Length: uint64(clip(len(b) - sent))},
			first(b[sent:]), Writable)
		sent += int(n)
	}
	return sent, c.fail("write", err)
}

// ReadFrom writes what r has. An *os.File, or an io.LimitedReader of one, and a Section go from the
// system's cache into the socket without passing through the program. Writes of others may come in
// between two parts, while r has nothing.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	total, err := c.sendFile(r)
	for err == nil {
		err = copyOnce(c, r, &total)
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
		_, err = c.until(&c.in, poll(Readable), nil, 0)
		c.in.busy.Unlock()
		if err = c.fail("writeto", err); err == nil {
			err = copyOnce(w, c, &total)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return total, err
}

func poll(interest Events) IO { return IO{Length: uint64(interest), Code: Poll, Flags: Inline} }

// copyOnce copies what comes, by way of a buffer that is used again.
func copyOnce(w io.Writer, r io.Reader, total *int64) error {
	b, err := bounce(64 << 10)
	if err != nil {
		return err
	}
	defer giveBounce(b)
	got, err := r.Read(b.Bytes())
	if got == 0 {
		return err
	}
	n, failed := w.Write(b.Bytes()[:got])
	if *total += int64(n); failed != nil {
		return failed
	} else if n != got {
		return io.ErrShortWrite
	}
	return err
}

// Close closes the connection. Reads and writes on other goroutines return net.ErrClosed.
func (c *Conn) Close() error {
	runtime.SetFinalizer(c, nil)
	return c.fail("close", c.close())
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
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.fail("set", c.set(&c.in, func() { c.in.until = t }))
}

// SetWriteDeadline says until when Write waits: then it returns os.ErrDeadlineExceeded.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.fail("set", c.set(&c.out, func() { c.out.until = t }))
}

// SetStallTimeout says how long a Read, a Write or a file that is sent may make no progress, whatever its
// deadline: then it returns os.ErrDeadlineExceeded. 0, the default, is for ever.
func (c *Conn) SetStallTimeout(d time.Duration) error {
	err := c.set(&c.in, func() { c.in.stall = d })
	if err == nil {
		err = c.set(&c.out, func() { c.out.stall = d })
	}
	return c.fail("set", err)
}

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
			_, err = r.c.until(h, poll(interest), nil, 0)
		}
		if err != nil || over {
			return r.c.fail("raw", err)
		}
	}
}

// A Listener accepts TCP connections, and is a net.Listener.
type Listener struct {
	object
	told [2]cAddress // the peer's and the local address of the connection that was accepted
}

func (a *Listener) fail(op string, err error) error { return netError(op, nil, &a.local, err) }

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
	h, err := a.until(&a.in, IO{Code: Accept, Flags: NoWait, Length: 2}, first(a.told[:]), Readable)
	if err != nil {
		return nil, a.fail("accept", err)
	}
	c, err := adopt[Conn](a.loop, Handle(h), SocketClose)
	if err != nil {
		return nil, a.fail("accept", err)
	}
	a.told[0].to(&c.remote, &c.ips[0])
	a.told[1].to(&c.local, &c.ips[1])
	if runtime.GOOS != "linux" { // there it inherits what the listener has
		likeNet(Handle(h))
	}
	return c, nil
}

// Serve has each connection handled by a goroutine of its own, and closed when that returns: `most` of
// them at once, and the others wait in the system. When descriptors have run out it is half as many as
// there are, from then on, since each may need more than one. Serve returns nil when the listener was
// closed, and all handlers have returned.
func (a *Listener) Serve(most int, handle func(c *Conn)) error {
	if most < 1 {
		return a.fail("serve", invalid("serve", "nobody at once"))
	}
	var all sync.WaitGroup
	defer all.Wait()
	ended := make(chan struct{}, 1) // one, or more
	var open atomic.Int64
	for {
		for open.Load() >= int64(most) {
			<-ended
		}
		c, err := a.AcceptConn()
		var failed *Error
		switch {
		case err == nil:
			all.Add(1)
			open.Add(1)
			go func() {
				defer all.Done()
				defer signal(ended)
				defer open.Add(-1)
				defer c.Close()
				handle(c)
			}()
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.As(err, &failed) && (failed.Status == ErrLimit || failed.Status == ErrNoMemory):
			if most = int(open.Load()+1) / 2; most == 0 { // whoever has them
				most = 1
				time.Sleep(100 * time.Millisecond)
			}
		default:
			return err
		}
	}
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
	return a.fail("set", a.set(&a.in, func() { a.in.until = t }))
}

// Close stops listening. Accept on other goroutines returns net.ErrClosed.
func (a *Listener) Close() error {
	runtime.SetFinalizer(a, nil)
	return a.fail("close", a.close())
}

// Addr is the address it listens at, also when it is closed.
func (a *Listener) Addr() net.Addr { return &a.local }
