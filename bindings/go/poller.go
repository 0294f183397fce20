// SPDX-License-Identifier: MIT

package evpoll

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A Handle is what the system calls a descriptor: an fd, a SOCKET or a HANDLE.
type Handle int64

// NoHandle is nobody's.
const NoHandle Handle = -1

// An OpID names an operation; none is used twice in a poller.
type OpID uint64

// A native is a poller of the library, and the gate that its end has to pass: who calls is inside,
// and the end waits until nobody is. No call takes time, but for waits on Windows, which are sent
// away.
type native struct {
	raw    unsafe.Pointer
	gate   sync.RWMutex
	closed bool          // guarded by gate
	ending atomic.Bool   // set before that
	dead   chan struct{} // closed after it: nobody is inside
	gone   chan struct{} // closed when the library has given the poller back
}

// live counts the pollers that the library has not given back.
var live atomic.Int64

func (n *native) open(options []Options) error {
	if err := versionError(capi.Version()); err != nil {
		return err
	}
	o := cOptions{size: uint32(unsafe.Sizeof(cOptions{}))}
	for _, given := range options {
		if len(options) > 1 || !o.put(given) {
			return invalid("open", "an option is out of range, or there is more than one set")
		}
	}
	n.dead, n.gone = make(chan struct{}), make(chan struct{})
	_, err := done("open", capi.Open(unsafe.Pointer(&o), unsafe.Pointer(&n.raw)))
	if err == nil {
		live.Add(1)
	}
	return err
}

// Another major version than the header's has other structs, so nothing may be called in it.
func versionError(version int64) error {
	const wanted = int64(capi.EVPOLL_VERSION_MAJOR)
	if version>>16 == wanted {
		return nil
	}
	path := make([]byte, 4096)
	capi.Go_path(unsafe.Pointer(&path[0]), int64(len(path)))
	why := fmt.Errorf("%s is version %d.%d.%d, and %d.x is needed", text(path), version>>16,
		version>>8&255, version&255, wanted)
	return &Error{Op: "open", Status: ErrVersion, cause: why}
}

// Version is the version of the library, "1.0.0".
func Version() string { return capi.Version_string() }

// Now is the time by the library's clock, in nanoseconds. It starts somewhere, never runs backwards,
// and stands still while the machine is suspended.
func Now() int64 { return capi.Now() }

// enter counts the caller in, until done. Nil: the poller is closed; a call with it does nothing.
func (n *native) enter() unsafe.Pointer {
	n.gate.RLock()
	if n.closed {
		return nil
	}
	return n.raw
}

// done counts the caller out, and says what the call has returned.
func (n *native) done(op string, r int64) (int, error) {
	closed := n.closed || Status(int32(r)) == ErrShutdown && n.ending.Load()
	n.gate.RUnlock()
	if closed {
		return 0, ErrClosed
	}
	return done(op, r)
}

// shut asks everything to end, waits and operations, and lets nobody in any more: `last` makes the
// last calls of all. False: somebody has done so already.
func (n *native) shut(last func()) bool {
	if raw := n.enter(); raw != nil {
		n.ending.Store(true)
		capi.Shutdown(raw) // a wait on Windows leaves: by this,
		capi.Cancel_all(raw)
		if runtime.GOOS == "windows" { // elsewhere one that has not left would take it for the program's
			capi.Wake(raw) // or by this
		}
	}
	n.gate.RUnlock()
	n.gate.Lock()
	defer n.gate.Unlock()
	if n.closed {
		return false
	}
	n.closed = true
	last()
	close(n.dead)
	return true
}

// free gives the poller back, when the kernel has let go of all buffers.
func (n *native) free() {
	capi.Close(n.raw, -1)
	live.Add(-1)
	close(n.gone)
}

// await waits for that, but not for ever: what takes longer goes on behind the program's back.
func (n *native) await() error {
	select {
	case <-n.gone:
		return nil
	case <-time.After(time.Second):
		return &Error{Op: "close", Status: ErrTimeout}
	}
}

// A Poller is for programs with a loop of their own: one Wait for what became ready and what was
// done. Its methods are calls of the library, which abi/evpoll.h describes, and may be called by
// several goroutines at once, Close included. Goroutines that read and write are a Loop's.
//
// Handles stay the program's: keep what they belong to alive, since a finalizer of an os.File or a
// net.Conn would close it; Duplicate makes one's own. For calls by a handle's number, such as
// SocketRecv, the program sees to it that nobody closes it meanwhile: Hold does.
type Poller struct{ *core }

// A core is what a poller needs as long as the kernel knows of it, which may be longer than the
// program does. Nothing in it leads back to the Poller, so that a dropped one is noticed.
type core struct {
	native
	sleeper // how a Wait sleeps on this system
}

// Open opens a poller. Without options it has the defaults.
func Open(options ...Options) (*Poller, error) {
	p := &Poller{new(core)}
	p.sleeper.init()
	if err := p.open(options); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(p, func(p *Poller) { go p.Close() })
	return p, nil
}

// Close ends the poller. Waits on other goroutines return ErrClosed, and so do calls that come
// later. Operations in flight are cancelled, and their buffers are the program's again. ErrTimeout says
// that the kernel has not let go of one within a second: then it is closed in the background, and the
// buffers stay lent. Registered handles stay open.
func (p *Poller) Close() error {
	if !p.shut(func() {}) {
		return ErrClosed
	}
	runtime.SetFinalizer(p, nil)
	go func(c *core) {
		c.sleeper.close()
		c.free()
	}(p.core)
	return p.await()
}

// Wait waits until something has happened, and says what. It returns the number of events, which
// is 0 only with an error: ErrShutdown when the poller was shut down and has nothing left to
// deliver, ErrClosed, or one that errors.Is finds ctx.Err() in. Events are never lost to a context:
// when both have come, the events are returned, and the next Wait returns the error.
//
// The whole of events may be used as scratch space. Arrays of 64 to 1024 events serve best.
func (p *Poller) Wait(ctx context.Context, events []Event) (int, error) {
	return p.turn(ctx, &turn{events: events, timeout: -1})
}

// WaitFor is Wait with a time instead of a context: negative is for ever, 0 only looks. It returns
// 0 and nil when the time is up.
func (p *Poller) WaitFor(timeout time.Duration, events []Event) (int, error) {
	return p.turn(context.Background(), &turn{events: events, timeout: timeout})
}

// Turn is Update, Submit and Wait in one call. Each change and each operation gets its status. If
// one of them failed, was refused, or is over, it does not block, and returns what is there: 0 and
// nil perhaps.
func (p *Poller) Turn(ctx context.Context, changes []Change, ios []IO,
	events []Event) (int, error) {
	return p.turn(ctx, &turn{changes, ios, events, -1})
}

type turn struct {
	changes []Change
	ios     []IO
	events  []Event
	timeout time.Duration
}

func (p *Poller) turn(ctx context.Context, t *turn) (int, error) {
	switch {
	case len(t.events) == 0:
		return 0, invalid("wait", "no room for events")
	case ctx == nil:
		return 0, invalid("wait", "no context")
	case ctx.Err() != nil:
		return 0, ended("wait", ctx)
	}
	defer runtime.KeepAlive(p) // while somebody waits it is in use
	n, err := p.look(t, 0)
	if n > 0 || err != nil {
		p.passOn()
		return n, err
	} else if t.timeout < 0 {
		return p.sleep(ctx, t)
	} else if t.timeout > 0 {
		until, stop := context.WithTimeout(ctx, t.timeout)
		defer stop()
		if n, err = p.sleep(until, t); is(err, ErrCancelled) {
			err = nil
		}
	}
	return n, err
}

// look is one call of the library. What is in the turn besides events is done once; with what is over
// the caller has something to look at.
func (c *core) look(t *turn, ns int64) (int, error) {
	r := capi.Turn(c.enter(), first(t.changes), clip(len(t.changes)), first(t.ios), clip(len(t.ios)),
		first(t.events), clip(len(t.events)), ns)
	for i := range t.changes {
		if t.changes[i].Status < 0 {
			t.timeout = 0
		}
	}
	for i := range t.ios {
		if t.ios[i].Op == 0 {
			t.timeout = 0
		}
	}
	t.changes, t.ios = nil, nil
	n, err := c.done("wait", r)
	return c.theirs(t.events[:n], ns != 0), err
}

// Use has the operation read or write length bytes of b, from its byte `from` on: for Read, Write and
// Append. The buffer is lent from now on, until Release: that is for who gets the event, or for who
// finds that there is none.
func (io *IO) Use(b *Buffer, from, length int) error {
	if !b.has(from, length) || !b.use() {
		return invalid("use", "not inside of a buffer")
	}
	io.buffer, io.Length = b.at(from), uint64(length)
	return nil
}

// Send has a SendFile send this file, which was added with mode Operations, too.
func (io *IO) Send(file Handle) { io.buffer = uint64(file) }

// Submit starts operations on handles that were added with mode Operations. Each has an outcome of
// its own: one with an Op yields exactly one IODone event. One without is over: with status 0 it has
// ended inside of the call (Inline) with Offset as its result, else Status says why it was refused.
// Submit returns how many were not refused. ErrAgain means that Options.IOLimit is reached, so submit
// those again after a completion.
func (p *Poller) Submit(ios []IO) (int, error) {
	return p.done("submit", capi.Submit(p.enter(), first(ios), clip(len(ios))))
}

// signal leaves a word for one who waits, now or later.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// first is the address of what is in a slice, nil if that is nothing.
func first[T any](s []T) unsafe.Pointer {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Pointer(&s[0])
}

func least[T int | int64](a, b T) T {
	if a < b {
		return a
	}
	return b
}

// clip makes a count of a length.
func clip[T int | int64](n T) int64 { return int64(least(n, 1<<31-1)) }

// text is what C wrote, up to the final zero.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// A place is where C writes an address.
type place struct {
	text [capi.EVPOLL_ADDRESS_CAPACITY]byte
	port int32
}

// address is what was written, an invalid one for AF_UNIX.
func (a *place) address() netip.AddrPort {
	ip, err := netip.ParseAddr(text(a.text[:]))
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, uint16(a.port))
}
