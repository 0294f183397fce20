// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"math"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A target is a handle that is registered with a loop, until CLOSE: what a loop knows of a Conn, a
// Listener or a File. The registration is named by the token of its first half.
type target struct {
	l             *loop
	h             Handle
	in, out       half // which a Conn alone has both
	closed        atomic.Bool
	end           IO
	local, remote net.TCPAddr
	ips           [2][16]byte // theirs
}

// An object is what the program has of a target. When it is dropped, the target is closed.
type object struct {
	*target
	loop *Loop // lives as long as this does
}

// A half is one direction of a target: one call at a time, and until when it may wait.
type half struct {
	busy   sync.Mutex
	op     op
	mu     sync.Mutex // guards what follows
	until  time.Time
	stall  time.Duration // or so long without progress; 0: for ever
	parked bool
}

// adopt registers a handle, and makes what the program has of it. If that fails it is closed.
func adopt[T any, P interface {
	*T
	own() *object
}](l *Loop, h Handle, shut func(h Handle) error) (P, error) {
	t, made := &target{l: l.loop, h: h}, P(new(T))
	l.mu.Lock()
	l.enlist(&t.in.op, t)
	l.enlist(&t.out.op, nil)
	l.mu.Unlock()
	_, err := l.done("add", capi.Add(l.enter(), int64(h), t.name(), 0, uint32(Operations)))
	if err != nil {
		l.forget(t)
		shut(h)
		return nil, err
	}
	*made.own() = object{t, l}
	runtime.SetFinalizer(made, dropped)
	return made, nil
}

func (o *object) own() *object { return o }

func dropped(o interface{ own() *object }) { o.own().close() }

func (t *target) name() uint64 { return t.in.op.token }

// close is one entry: what is pending ends, and the handle is closed when nobody uses it any more.
// While a call is under way an event may be, too, and CLOSE's is to be the last.
func (t *target) close() error {
	defer t.l.gate.RUnlock()
	inside := t.l.enter() != nil // else its loop has closed it
	if !t.closed.CompareAndSwap(false, true) {
		return ErrClosed
	} else if !inside {
		return nil
	}
	flags := Inline
	for _, h := range []*half{&t.in, &t.out} {
		if h.busy.TryLock() {
			defer h.busy.Unlock()
		} else {
			flags = 0
		}
	}
	return t.finish(flags)
}

func (t *target) finish(flags OpFlags) error {
	t.end = IO{Token: t.name() | closing, Handle: t.h, Code: Close, Flags: flags}
	capi.Submit(t.l.raw, unsafe.Pointer(&t.end), 1)
	if t.end.Op != 0 {
		return nil
	}
	t.l.forget(t)
	return outcome("close", t.end.Status, t.end.Offset)
}

// hold makes a call by the number of the handle, which is nobody else's meanwhile.
func (o *object) hold(call func(h Handle) error) error {
	defer runtime.KeepAlive(o)
	_, err := o.l.done("hold", capi.Hold(o.l.enter(), int64(o.h), o.name()))
	if err == nil {
		defer capi.Release(o.l.raw, int64(o.h)) // the poller outlives what is held
		err = call(o.h)
	}
	return o.why(err)
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
	_, err := t.l.done("hold", capi.Go_do(t.l.enter(), unsafe.Pointer(&o.io), t.name(), memory,
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
	}
	err := t.why(outcome(o.io.Code.String(), o.event.Status, o.event.Result))
	if is(err, ErrCancelled) {
		err = ended(o.io.Code.String(), ctx)
	}
	return o.event.moved(), err
}

// do is one operation of a call: with a buffer, which is the kernel's meanwhile.
func (o *object) do(ctx context.Context, io IO, b *Buffer, from int) (int64, error) {
	defer runtime.KeepAlive(o)
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
	own := o.l.take()
	defer o.l.give(own)
	own.io = io
	own.io.Flags |= Inline
	if err := o.start(own, nil, 0); err != nil {
		return 0, err
	} else if own.io.Op == 0 {
		return own.io.Offset, nil
	}
	return o.wait(ctx, own)
}

// until does an operation, and again when a POLL in its place has told that it may be possible now.
// Memory is Go's, and lent for each call of the library alone. The caller has h.busy.
func (o *object) until(h *half, io IO, memory unsafe.Pointer, interest Events) (int64, error) {
	defer runtime.KeepAlive(o)
	for {
		h.mu.Lock()
		late := !h.until.IsZero() && time.Until(h.until) <= 0
		h.mu.Unlock()
		if o.closed.Load() {
			return 0, ErrClosed
		} else if late {
			return 0, os.ErrDeadlineExceeded
		}
		h.op.io = io
		if err := o.start(&h.op, memory, interest); err != nil {
			return 0, err
		}
		n, err := h.op.io.Offset, error(nil)
		if h.op.io.Op != 0 {
			h.park(o.target, true)
			n, err = o.wait(context.Background(), &h.op)
			h.park(o.target, false)
		}
		if err != nil || h.op.io.Code == io.Code {
			return n, err
		}
	}
}

// park says whether a call waits, which it does not do for longer than it may.
func (h *half) park(t *target, waits bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parked = waits; waits && (!h.until.IsZero() || h.stall > 0) {
		t.retime(h)
	}
}

// retime gives the operation that waits the end that is set. Locked.
func (t *target) retime(h *half) {
	left := time.Duration(math.MaxInt64)
	if !h.until.IsZero() {
		left = time.Until(h.until)
	}
	if h.stall > 0 && h.stall < left {
		left = h.stall
	}
	t.l.done("retime", capi.Retime(t.l.enter(), int64(t.h), h.op.token, int64(left)))
}

// set changes how long calls may wait: the one that does, and those to come.
func (t *target) set(h *half, change func()) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t.closed.Load() {
		return ErrClosed
	}
	change()
	if h.parked {
		t.retime(h)
	}
	return nil
}
