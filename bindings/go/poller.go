// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A Poller is one wait for sockets that became ready and file operations that finished. All of its
// methods may be called by several goroutines at once, Close included.
type Poller struct{ c *core }

// A core is what a poller needs as long as the kernel knows of it, which may be longer than the
// program does. Nothing in it leads back to the Poller, so that a dropped one is noticed.
type core struct {
	gate gate           // who is inside a call
	raw  unsafe.Pointer // valid while the gate is open, or somebody is inside
	left chan struct{}  // somebody left a closed gate

	slots    slots
	room     chan struct{} // an operation ended: there may be room for another
	mu       sync.Mutex
	watchers []*watcher // of contexts; guarded by mu
	dead     chan struct{}

	closing func(raw unsafe.Pointer, nanoseconds int64) int64 // capi.Close, but in one test
}

var checkVersion = once(func() error { return versionError(capi.Version(), loadedFrom()) })

// Open opens a poller. Without options it has the defaults.
func Open(options ...Options) (*Poller, error) {
	if err := checkVersion(); err != nil {
		return nil, err
	}
	o := cOptions{size: uint32(unsafe.Sizeof(cOptions{}))}
	if len(options) > 1 {
		return nil, invalid("open", "more than one set of options")
	}
	if len(options) == 1 {
		given := options[0]
		if given.WakeToken > MaxToken || given.IOLimit < 0 || given.IOLimit > 1<<30 ||
			given.PoolThreads < 0 || given.PoolThreads > 1<<30 {
			return nil, invalid("open", "an option is out of range")
		}
		o.flags, o.wakeToken = given.Flags, given.WakeToken
		o.ioLimit, o.poolThreads = uint32(given.IOLimit), uint32(given.PoolThreads)
	}
	c := &core{
		left: make(chan struct{}, 1),
		room: make(chan struct{}, 1),
		dead: make(chan struct{}),

		closing: capi.Close,
	}
	c.slots.init()
	if err := failed("open", capi.Open(unsafe.Pointer(&o), unsafe.Pointer(&c.raw))); err != nil {
		return nil, err
	}
	p := &Poller{c}
	live.Add(1)
	runtime.SetFinalizer(p, (*Poller).dropped)
	return p, nil
}

// live counts the pollers that the library has not given back.
var live atomic.Int64

// enter counts the caller in, and says why not.
func (p *Poller) enter() (*core, error) {
	if p == nil || p.c == nil {
		return nil, invalid("poller", "not made by Open")
	}
	if !p.c.gate.enter() {
		return nil, ErrClosed
	}
	return p.c, nil
}

func (c *core) leave() {
	c.gate.leave()
	if c.gate.closed() {
		signal(c.left)
	}
}

// failed is what failed says. Close shuts down first, and who is inside then was too late.
func (c *core) failed(op string, r int64) error {
	if statusOf(r) == ErrShutdown && c.gate.closed() {
		return ErrClosed
	}
	return failed(op, r)
}

// signal leaves a word for one who waits, now or later.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Close ends the poller. Waits on other goroutines return ErrClosed, and so do calls that come
// later. Operations in flight are cancelled; their buffers are kept until the kernel lets go of
// them, in the background if that takes longer than a second. Registered sockets stay open.
func (p *Poller) Close() error {
	if p == nil || p.c == nil {
		return invalid("close", "not made by Open")
	}
	if first, _ := p.c.gate.close(); !first {
		return ErrClosed
	}
	runtime.SetFinalizer(p, nil)
	p.c.empty()
	if !p.c.free(1e9) {
		reap(p.c)
	}
	return nil
}

// dropped is the finalizer. Finalizers share a goroutine, so it waits for nothing.
func (p *Poller) dropped() {
	if first, _ := p.c.gate.close(); first {
		go func() {
			p.c.empty()
			if !p.c.free(0) {
				reap(p.c)
			}
		}()
	}
}

// empty sends everybody away who is inside a call. The gate is closed, so each that leaves is one
// less; a wake makes one wait return.
func (c *core) empty() {
	close(c.dead)
	capi.Shutdown(c.raw)
	for c.gate.inside() > 0 {
		capi.Wake(c.raw)
		<-c.left
	}
	capi.Cancel(c.raw, uint64(opAll))
}

// free gives the poller back, if the kernel has let go of all buffers in this time.
func (c *core) free(nanoseconds int64) bool {
	if statusOf(c.closing(c.raw, nanoseconds)) == ErrTimeout {
		return false
	}
	live.Add(-1)
	c.slots.end(ErrClosed)
	return true
}

// Shutdown ends the poller politely: nothing new is accepted, and waits go on until everything in
// flight was delivered, when they return ErrShutdown. It returns when nothing is in flight, or with
// the context's error and the number of operations left. Close is still to be called.
func (p *Poller) Shutdown(ctx context.Context) error {
	c, err := p.enter()
	if err != nil {
		return err
	}
	err = c.failed("shutdown", capi.Shutdown(c.raw))
	idle := c.slots.shutdown()
	c.leave()
	runtime.KeepAlive(p)
	if err != nil {
		return err
	}
	select {
	case <-idle:
		return nil
	case <-c.dead:
		return nil
	case <-ctx.Done():
		why := fmt.Errorf("%d operations are in flight: %w", c.slots.operations(), ctx.Err())
		return &Error{Op: "shutdown", Status: ErrTimeout, cause: why}
	}
}

// Wake makes one Wait return with a Woken event, now or later. Wakes that come before the event
// was delivered are one event.
func (p *Poller) Wake() error {
	c, err := p.enter()
	if err != nil {
		return err
	}
	r := capi.Wake(c.raw)
	c.leave()
	runtime.KeepAlive(p)
	return c.failed("wake", r)
}

// Post sends an event of one's own to a waiter.
func (p *Poller) Post(token uint64, result int64) error {
	if token > MaxToken {
		return badToken("post")
	}
	c, err := p.enter()
	if err != nil {
		return err
	}
	r := capi.Post(c.raw, token, result)
	c.leave()
	runtime.KeepAlive(p)
	return c.failed("post", r)
}

func badToken(op string) error { return invalid(op, "a token is at most MaxToken") }

// Stats tells the counters.
func (p *Poller) Stats() (Stats, error) {
	s := Stats{size: uint32(unsafe.Sizeof(Stats{}))}
	c, err := p.enter()
	if err != nil {
		return Stats{}, err
	}
	r := capi.Stats(c.raw, unsafe.Pointer(&s))
	c.leave()
	runtime.KeepAlive(p)
	return s, c.failed("stats", r)
}

// Info tells what the poller can do and where its limits are.
func (p *Poller) Info() (Info, error) {
	i := Info{size: uint32(unsafe.Sizeof(Info{}))}
	c, err := p.enter()
	if err != nil {
		return Info{}, err
	}
	r := capi.Info(c.raw, unsafe.Pointer(&i))
	c.leave()
	runtime.KeepAlive(p)
	return i, c.failed("info", r)
}

// Describe tells in words what serves the poller, and why not something better; for logs.
func (p *Poller) Describe() (string, error) {
	c, err := p.enter()
	if err != nil {
		return "", err
	}
	text := make([]byte, 4096)
	r := capi.Describe(c.raw, unsafe.Pointer(&text[0]), int64(len(text)))
	c.leave()
	runtime.KeepAlive(p)
	if err := c.failed("describe", r); err != nil {
		return "", err
	}
	return cut(text), nil
}

// cut is the text before the final zero.
func cut(text []byte) string {
	for i, b := range text {
		if b == 0 {
			return string(text[:i])
		}
	}
	return string(text)
}
