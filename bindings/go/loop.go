// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"runtime"
	"sync"
	"time"

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

	mu   sync.Mutex // guards what follows; no call is made under it
	last uint64     // token that was given out; none is used twice, so late events find nobody
	ops  map[uint64]*op
	idle []*op // of calls that are over
}

// An op is one operation at a time, and the goroutine that waits for it.
type op struct {
	token uint64
	io    IO
	event Event         // once done
	done  chan struct{} // has room for the one event
	of    *target       // which is registered by this token
}

const closing = 1 << 63 // in the token of CLOSE

// NewLoop makes a loop. Without options it has the defaults.
func NewLoop(options ...Options) (*Loop, error) {
	l := &Loop{&loop{ops: map[uint64]*op{}}}
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
	if d < 0 {
		d = 0
	}
	timer := object{&target{l: l.loop, h: NoHandle}, l}
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
	for _, e := range events {
		l.mu.Lock()
		o := l.ops[e.Token&^closing]
		l.mu.Unlock()
		switch {
		case o == nil || e.Events != IODone:
		case e.Token&closing != 0:
			l.forget(o.of)
		default:
			o.event = e
			o.done <- struct{}{}
		}
	}
}

// enlist gives an op its token. Locked.
func (l *loop) enlist(o *op, of *target) {
	l.last++
	o.token, o.of, o.done = l.last, of, make(chan struct{}, 1)
	l.ops[o.token] = o
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

// forget takes a target out of the table: no event will come for it.
func (l *loop) forget(t *target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ops, t.in.op.token)
	delete(l.ops, t.out.op.token)
}

// closeAll closes what the loop serves. Nobody is inside.
func (l *loop) closeAll() {
	l.mu.Lock()
	var all []*target
	for _, o := range l.ops {
		if o.of != nil && !o.of.closed.Load() {
			all = append(all, o.of)
		}
	}
	l.mu.Unlock()
	for _, t := range all {
		t.finish(0)
	}
}
