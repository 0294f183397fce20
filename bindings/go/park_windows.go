// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"sync/atomic"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A completion port has no place in Go's network poller: who waits blocks in the library, and holds
// a thread.
type parker struct{}

func (*parker) open(*native) error { return nil }

func (*parker) run(func() bool) {}

func (*parker) close() {}

// One Wait at a time sleeps; its context ends it by a post that nobody else gets to see.
type sleeper struct {
	turn   chan struct{}
	asleep atomic.Int32
}

const nudge = 1<<64 - 1 // the token of that post

func (s *sleeper) init() { s.turn = make(chan struct{}, 1) }

func (s *sleeper) passOn() {}

func (s *sleeper) close() {}

func (c *core) sleep(ctx context.Context, t *turn) (n int, err error) {
	c.asleep.Add(1)
	defer c.asleep.Add(-1)
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, ended("wait", ctx)
	case <-c.dead:
		return 0, ErrClosed
	}
	over := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
			c.done("nudge", capi.Post(c.enter(), nudge, -1))
		case <-over:
		}
	}()
	for n == 0 && err == nil && ctx.Err() == nil && !c.ending.Load() {
		n, err = c.look(t, -1)
	}
	close(over)
	<-c.turn
	switch {
	case c.ending.Load() && (n == 0 || t.events[0].Events == Woken):
		return 0, ErrClosed
	case n == 0 && err == nil:
		err = ended("wait", ctx)
	}
	return n, err
}

// theirs takes nudges out. One that was for somebody who sleeps is sent again.
func (c *core) theirs(events []Event, sleeps bool) (n int) {
	for _, e := range events {
		if e.Token != nudge || e.Events != Posted || e.Result != -1 {
			events[n] = e
			n++
		} else if !sleeps && len(c.turn) > 0 {
			c.done("nudge", capi.Post(c.enter(), nudge, -1))
		}
	}
	return n
}
