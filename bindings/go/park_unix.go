// SPDX-License-Identifier: MIT

//go:build !windows

package evpoll

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A parker parks a goroutine in Go's own network poller until a poller of the library has something,
// so that waiting holds no thread.
type parker struct {
	file *os.File // a duplicate of the poller's handle
	raw  syscall.RawConn
}

func (k *parker) open(n *native) error {
	var h Handle
	own, failed := NoHandle, error(nil)
	r := capi.Poller_handle(n.enter(), unsafe.Pointer(&h))
	if int32(r) == 0 {
		own, failed = duplicate(uintptr(h), true) // while the poller is sure to have it
	}
	_, err := n.done("park", r)
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	syscall.SetNonblock(int(own), true) // os looks at it, and watches nothing else
	k.file = os.NewFile(uintptr(own), "evpoll")
	k.raw, err = k.file.SyscallConn()
	return err
}

// run calls look again and again, whenever there may be something, until it says that this is all.
// It is to look until there is nothing.
func (k *parker) run(look func() (all bool)) { k.raw.Read(func(uintptr) bool { return look() }) }

func (k *parker) close() { k.file.Close() } // perhaps of none

// A sleeper is what the Waits of a poller sleep on: one goroutine is parked, and leaves a word when
// there may be something. So a context costs a Wait nothing until it sleeps, and then no goroutine.
type sleeper struct {
	parker
	once   sync.Once
	why    error // there is no goroutine
	ready  chan struct{}
	lost   chan struct{} // closed: it is not parked any more
	asleep atomic.Int32  // or about to be
}

func (s *sleeper) init() { s.ready, s.lost = make(chan struct{}, 1), make(chan struct{}) }

func (s *sleeper) watch() {
	s.run(func() bool {
		signal(s.ready)
		return false
	})
	close(s.lost)
}

// close ends that; nobody starts it any more.
func (s *sleeper) close() {
	s.once.Do(func() { s.why = ErrClosed })
	s.parker.close()
}

// sleep waits until there is something.
func (c *core) sleep(ctx context.Context, t *turn) (n int, err error) {
	c.once.Do(func() {
		if c.why = c.parker.open(&c.native); c.why == nil {
			go c.watch()
		}
	})
	if c.why != nil {
		return 0, c.why
	}
	c.asleep.Add(1)
	for n == 0 && err == nil {
		if n, err = c.look(t, 0); n > 0 || err != nil {
			break
		}
		select {
		case <-c.ready:
		case <-ctx.Done():
			err = ended("wait", ctx)
		case <-c.dead:
			err = ErrClosed
		case <-c.lost: // Go's network poller has refused the handle: look again and again
			time.Sleep(10 * time.Millisecond)
		}
	}
	c.asleep.Add(-1)
	c.passOn()
	return n, err
}

// passOn is for who has found something: there may be more for others that sleep, and the poller's
// handle tells of what is new alone.
func (s *sleeper) passOn() {
	if s.asleep.Load() > 0 {
		signal(s.ready)
	}
}

// theirs is how many of the events are the program's.
func (c *core) theirs(events []Event, sleeps bool) int { return len(events) }
