// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A Loop serves goroutines: its connections, listeners and files wait without a thread, as those of
// package net do. It runs by itself, parked in Go's own network poller while there is nothing to do
// (on Windows it holds a thread), until it is closed, or dropped with all that it serves.
type Loop struct{ *loop }

// A loop is what its goroutine knows of a Loop. Nothing in it leads back to the Loop, or to a Conn or
// a File, so that dropped ones are noticed.
type loop struct {
	native
	park parker

	mu     sync.Mutex // guards what follows; no call is made under it
	table  []entry
	places []uint32 // of the table, that are free
	idle   []*op    // of calls that are over
}

// An entry of the table tells whom an event is for. Events name it by their token:
//
//	bit 63: of CLOSE     bits 62 to 32: generation     bits 31 to 0: place
//
// and a generation ends with what the place was used for, so that late events find nobody.
type entry struct {
	generation uint32
	op         *op
	target     *target // what this token registers
}

const closing = 1 << 63

// An op is one operation at a time, and the goroutine that waits for it.
type op struct {
	token uint64
	io    IO
	event Event         // once done
	done  chan struct{} // has room for the one event
}

// NewLoop makes a loop. Without options it has the defaults.
func NewLoop(options ...Options) (*Loop, error) {
	l := &Loop{new(loop)}
	if err := l.native.open(options); err != nil {
		return nil, err
	}
	if err := l.park.open(&l.native); err != nil {
		l.free()
		return nil, err
	}
	go l.loop.run()
	runtime.SetFinalizer(l, func(l *Loop) { go l.Close() })
	return l, nil
}

var common struct {
	once sync.Once
	loop *Loop
	err  error
}

// Default is the loop of Listen, Dial and OpenFile. It is made at first use, and never closed.
func Default() (*Loop, error) {
	common.once.Do(func() { common.loop, common.err = NewLoop() })
	return common.loop, common.err
}

// Close ends the loop, and closes what it serves. Calls that wait return ErrClosed, and so do later
// ones. ErrTimeout: what the kernel does not let go of within a second is waited for in the background.
func (l *Loop) Close() error {
	if !l.shut(l.closeAll) {
		return ErrClosed
	}
	runtime.SetFinalizer(l, nil)
	return l.await()
}

// Sleep waits for a time by the library's clock, or until the context or the loop ends.
func (l *Loop) Sleep(ctx context.Context, d time.Duration) error {
	defer runtime.KeepAlive(l)
	if d < 0 {
		d = 0
	}
	timer := target{l: l.loop, h: NoHandle}
	_, err := timer.do(ctx, IO{Code: Timer, Offset: int64(d)}, nil, 0)
	return err
}

// run is the loop's goroutine. After the end it waits in the library, and frees the poller.
func (l *loop) run() {
	events := make([]Event, 256)
	look := func(ns int64) (over bool) {
		for !l.ending.Load() || ns != 0 {
			n := int32(capi.Wait(l.raw, first(events), clip(len(events)), ns))
			if n <= 0 {
				return n < 0
			}
			l.deliver(events[:n])
		}
		return true
	}
	l.park.run(func() bool { return look(0) })
	look(-1)
	<-l.dead // nobody is inside any more, and the last calls have been made
	look(-1)
	l.park.close()
	l.free()
}

// deliver tells whoever waits.
func (l *loop) deliver(events []Event) {
	for i := range events {
		e := l.find(&events[i])
		if e.op != nil && events[i].Token&closing != 0 {
			l.forget(e.target)
		} else if e.op != nil {
			e.op.event = events[i]
			e.op.done <- struct{}{}
		}
	}
}

func (l *loop) find(of *Event) (e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if place := int(uint32(of.Token)); of.Events == IODone && place < len(l.table) {
		e = l.table[place]
	}
	if uint64(e.generation) != of.Token&^closing>>32 {
		e.op = nil
	}
	return e
}

// enlist gives an op a place in the table, and so its token. Locked.
func (l *loop) enlist(o *op, t *target) {
	if len(l.places) == 0 {
		l.places = append(l.places, uint32(len(l.table)))
		l.table = append(l.table, entry{})
	}
	place := l.places[len(l.places)-1]
	l.places = l.places[:len(l.places)-1]
	l.table[place].op, l.table[place].target = o, t
	o.token = uint64(l.table[place].generation)<<32 | uint64(place)
	o.done = make(chan struct{}, 1)
}

// take gives out an op for one call, until give.
func (l *loop) take() (o *op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.idle) - 1; n >= 0 {
		o, l.idle = l.idle[n], l.idle[:n]
	} else {
		o = new(op)
		l.enlist(o, nil)
	}
	return o
}

func (l *loop) give(o *op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = append(l.idle, o)
}

// A target is a handle that is registered with a loop, until CLOSE.
type target struct {
	l      *loop
	h      Handle
	name   uint64   // the token of its registration, which is its first op's
	halves [2]*half // of a file one, which does nothing
	closed atomic.Bool
	sent   atomic.Bool // CLOSE has been submitted
	end    IO
}

// adopt registers a handle. If that fails it is closed.
func (l *loop) adopt(t *target, h Handle, shut func(h Handle) error, halves ...*half) error {
	t.l, t.h = l, h
	l.mu.Lock()
	for i, half := range halves {
		t.halves[i] = half
		l.enlist(&half.op, t)
	}
	t.name = halves[0].op.token
	l.mu.Unlock()
	_, err := l.done("add", capi.Add(l.enter(), int64(h), t.name, 0, uint32(Operations)))
	if err != nil {
		l.forget(t)
		shut(h)
	}
	return err
}

// forget takes a target out of the table: no event will come for it.
func (l *loop) forget(t *target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range t.halves {
		if h != nil {
			e := &l.table[uint32(h.op.token)]
			*e = entry{generation: (e.generation + 1) & (1<<31 - 1)}
			l.places = append(l.places, uint32(h.op.token))
		}
	}
}

// close is one entry: what is pending ends, and the handle is closed when nobody uses it any more.
// While a call is under way an event may be, too, and CLOSE's is to be the last.
func (t *target) close(flags OpFlags) error {
	if !t.closed.CompareAndSwap(false, true) {
		return ErrClosed
	}
	flags |= Inline
	for _, h := range t.halves {
		if h != nil && h.busy.TryLock() {
			defer h.busy.Unlock()
		} else if h != nil {
			flags &^= Inline
		}
	}
	var err error
	if t.l.enter() != nil { // else its loop has closed it
		err = t.finish(flags)
	}
	t.l.gate.RUnlock()
	return err
}

func (t *target) finish(flags OpFlags) error {
	if !t.sent.CompareAndSwap(false, true) {
		return nil
	}
	t.end = IO{Token: t.name | closing, Handle: t.h, Code: Close, Flags: flags}
	capi.Submit(t.l.raw, unsafe.Pointer(&t.end), 1)
	if t.end.Op != 0 {
		return nil
	}
	t.l.forget(t)
	return outcome("close", t.end.Status, t.end.Offset)
}

// closeAll closes what the loop serves. Nobody is inside.
func (l *loop) closeAll() {
	var all []*target
	l.mu.Lock()
	for i := range l.table {
		if t := l.table[i].target; t != nil {
			all = append(all, t)
		}
	}
	l.mu.Unlock()
	for _, t := range all {
		t.finish(0)
	}
}

// hold makes a call by the number of the handle, which is nobody else's meanwhile.
func (t *target) hold(call func(h Handle) error) error {
	_, err := t.l.done("hold", capi.Hold(t.l.enter(), int64(t.h), t.name))
	if err == nil {
		defer capi.Release(t.l.raw, int64(t.h)) // the poller outlives what is held
		err = call(t.h)
	}
	return t.why(err)
}

// why is why a call failed: since the target is closed, perhaps.
func (t *target) why(err error) error {
	if err != nil && (t.closed.Load() || t.l.ending.Load()) {
		return ErrClosed
	}
	return err
}

// start submits the op's entry. It is over if io.Op is 0: then io.Offset is the result. Memory is
// Go's, and lent for the time of this call; what would block then becomes a POLL for interest.
func (t *target) start(o *op, memory unsafe.Pointer, interest Events) error {
	o.io.Token, o.io.Handle = o.token, t.h
	_, err := t.l.done("hold", capi.Go_do(t.l.enter(), unsafe.Pointer(&o.io), t.name, memory,
		uint32(interest)))
	if err == nil && o.io.Op == 0 {
		err = outcome(o.io.Code.String(), o.io.Status, o.io.Offset)
	}
	return t.why(err)
}

// wait waits for the event of what was started. When the context ends it is asked to end, and the
// call goes on until it has: the kernel has the buffer. What was done is never hidden.
func (t *target) wait(ctx context.Context, o *op) (int64, error) {
	select {
	case <-o.done:
	case <-ctx.Done():
		t.l.done("cancel", capi.Cancel_token(t.l.enter(), int64(t.h), o.token))
		<-o.done
		if o.event.Status == ErrCancelled && !t.closed.Load() && !t.l.ending.Load() {
			return o.event.Result, ended(o.io.Code.String(), ctx)
		}
	}
	return o.event.moved(), t.why(outcome(o.io.Code.String(), o.event.Status, o.event.Result))
}

// do is one operation of a call: with a buffer, which is the kernel's meanwhile.
func (t *target) do(ctx context.Context, io IO, b *Buffer, from int) (int64, error) {
	switch {
	case ctx == nil:
		return 0, invalid(io.Code.String(), "no context")
	case ctx.Err() != nil:
		return 0, ended(io.Code.String(), ctx)
	case b != nil && !b.use():
		return 0, invalid(io.Code.String(), "the buffer was freed")
	case b != nil:
		defer b.Release()
		io.buffer = b.at(from)
	}
	o := t.l.take()
	defer t.l.give(o)
	o.io = io
	o.io.Flags |= Inline
	if err := t.start(o, nil, 0); err != nil {
		return 0, err
	} else if o.io.Op == 0 {
		return o.io.Offset, nil
	}
	return t.wait(ctx, o)
}
