// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"runtime"
	"time"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// Wait waits until something has happened, and says what. It returns the number of events, which
// is 0 only with an error: ErrShutdown when the poller was shut down and has nothing left to
// deliver, ErrClosed, or one that errors.Is finds ctx.Err() in. Events are never lost to a context:
// when both have come, the events are returned, and the next Wait returns the error.
//
// The whole of events may be used as scratch space. Arrays of 64 to 1024 events serve best.
func (p *Poller) Wait(ctx context.Context, events []Event) (int, error) {
	return p.turn(ctx, turn{op: "wait", events: events, nanoseconds: -1})
}

// WaitFor is Wait with a time instead of a context: negative is for ever, 0 only looks. It returns
// 0 and nil when the time is up.
func (p *Poller) WaitFor(timeout time.Duration, events []Event) (int, error) {
	return p.turn(context.Background(),
		turn{op: "wait", events: events, nanoseconds: int64(timeout), finite: timeout >= 0})
}

// Turn is Update, Submit and Wait in one call. Each change and each operation gets its status. If
// one of them failed, or was not accepted, it does not block, and returns what is there: 0 and nil
// perhaps.
func (p *Poller) Turn(ctx context.Context, changes []Change, ops []Op,
	events []Event) (int, error) {
	return p.turn(ctx, turn{op: "turn", changes: changes, ops: ops, events: events,
		nanoseconds: -1})
}

type turn struct {
	op          string
	changes     []Change
	ops         []Op
	events      []Event
	nanoseconds int64
	finite      bool
	nudged      bool // an event said: look up
}

func (p *Poller) turn(ctx context.Context, t turn) (int, error) {
	if len(t.events) == 0 {
		return 0, invalid(t.op, "no room for events")
	}
	if ctx == nil {
		return 0, invalid(t.op, "no context")
	}
	c, err := p.enter()
	if err != nil {
		return 0, err
	}
	var n int
	if done := ctx.Done(); done == nil {
		n, err = c.waitPlain(&t)
		if t.nudged {
			c.passOn(nil)
		}
	} else if ctx.Err() != nil {
		err = ended(t.op, ctx)
	} else {
		w := c.join(done)
		n, err = c.waitWatched(ctx, w, &t)
		if t.nudged {
			c.passOn(w)
		}
		c.part(w)
	}
	c.leave()
	runtime.KeepAlive(p)
	return n, err
}

func ended(op string, ctx context.Context) error {
	return &Error{Op: op, Status: ErrCancelled, cause: ctx.Err()}
}

// waitPlain waits without a context.
func (c *core) waitPlain(t *turn) (int, error) {
	var end time.Time
	if t.finite && t.nanoseconds > 0 {
		end = time.Now().Add(time.Duration(t.nanoseconds))
	}
	for {
		n, over, err := c.waitOnce(t)
		if over {
			return n, err
		}
		if t.nudged {
			c.makeWay(nil)
		}
		if !end.IsZero() {
			t.nanoseconds = int64(time.Until(end))
			if t.nanoseconds < 0 {
				t.nanoseconds = 0
			}
		}
	}
}

// waitWatched waits until the context ends, too.
func (c *core) waitWatched(ctx context.Context, w *watcher, t *turn) (int, error) {
	for {
		n, over, err := c.waitOnce(t)
		switch {
		case over:
			return n, err
		case ctx.Err() != nil:
			return 0, ended(t.op, ctx)
		case t.nudged:
			c.makeWay(w)
		}
	}
}

// waitOnce is one native call. Not over: nothing that came was the program's.
func (c *core) waitOnce(t *turn) (n int, over bool, err error) {
	var r int64
	if len(t.changes)+len(t.ops) > 0 {
		var complete bool
		r, complete = c.nativeTurn(t)
		t.changes, t.ops = nil, nil
		if !complete {
			t.finite, t.nanoseconds = true, 0 // the caller has something to look at
		}
	} else {
		r = capi.Wait(c.raw, unsafe.Pointer(&t.events[0]), clip(len(t.events)), t.nanoseconds)
	}
	if c.slots.attention.Load() != 0 && int32(r) > 0 {
		n, t.nudged = c.sift(t.events[:int32(r)])
	} else {
		n, t.nudged = max0(r), false
	}
	switch {
	case c.gate.closed() && allWoken(t.events[:n]): // by Close
		return 0, true, ErrClosed
	case n > 0:
		return n, true, nil
	case int32(r) < 0:
		return 0, true, c.failed(t.op, r)
	}
	// Nothing came in the time there was, or only what is the binding's own.
	return 0, t.finite && (r == 0 || t.nanoseconds == 0), nil
}

func allWoken(events []Event) bool {
	for i := range events {
		if events[i].Events != Woken {
			return false
		}
	}
	return true
}

// max0 is how many events a call returned.
func max0(r int64) int {
	if n := int32(r); n > 0 {
		return int(n)
	}
	return 0
}

// clip makes a count of a length.
func clip(n int) int64 {
	if n > 1<<31-1 {
		return 1<<31 - 1
	}
	return int64(n)
}

// sift takes out the binding's own events, and gives the others the program's tokens back.
func (c *core) sift(events []Event) (kept int, nudged bool) {
	for kept < len(events) && events[kept].Token < ownToken {
		kept++
	}
	if kept == len(events) {
		return kept, false
	}
	ended := false
	c.slots.mu.Lock()
	for i := kept; i < len(events); i++ {
		e := &events[i]
		if e.Token >= ownToken {
			if e.Token == nudgeToken {
				c.slots.attention.Add(-1)
				nudged = true
				continue
			}
			one := c.slots.find(e.Token)
			if one == nil {
				continue
			}
			if one.kind == slotConn {
				one.conn.wake(e.Events)
				continue
			}
			ended = true
			token, theirs := c.slots.finish(one, e)
			if !theirs {
				continue
			}
			e.Token = token
		}
		events[kept] = *e
		kept++
	}
	c.slots.mu.Unlock()
	if ended {
		signal(c.room)
	}
	return kept, nudged
}

// Serve waits, and gives what comes to handle, until the context ends or the poller is closed or
// shut down; it returns the context's error, or nil. Goroutines that wait for a File, a Conn or a
// Listener need somebody who waits: Serve, or Run, or the program's own loop.
func (p *Poller) Serve(ctx context.Context, handle func([]Event)) error {
	events := make([]Event, 256)
	for {
		n, err := p.Wait(ctx, events)
		switch {
		case err == ErrClosed || isShutdown(err):
			return nil
		case err != nil:
			return err
		case handle != nil:
			handle(events[:n])
		}
	}
}

// Run is Serve for a program whose goroutines do all the work: there are no events to handle.
//
//	go p.Run()
func (p *Poller) Run() error { return p.Serve(context.Background(), nil) }

func isShutdown(err error) bool {
	e, ok := err.(*Error)
	return ok && e.Status == ErrShutdown
}
