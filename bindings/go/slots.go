// SPDX-License-Identifier: MIT

package evpoll

import (
	"sync"
	"sync/atomic"
)

// What the binding has to know when an event comes: whose token it really is, which buffers are
// free again, which goroutine waits. An event finds it by its token, not by the operation's id,
// since it may come before Submit knows the id. A token of the binding's own is
//
//	bit 63: always 1     bits 62 to 32: generation     bits 31 to 0: the slot's number
//
// and a generation ends with what its slot was used for, so that late events find nobody.
type slot struct {
	generation uint32
	kind       slotKind
	next       int32   // of the free ones
	token      uint64  // the program's
	buffer     *Buffer // of one operation
	buffers    []*Buffer
	waiter     *parked // the goroutine that waits; nil: the program's own operation
	conn       *ready  // the connection that waits
}

type slotKind uint8

const (
	slotFree slotKind = iota
	slotOperation
	slotConn
)

const (
	ownToken     = 1 << 63
	nudgeToken   = ownToken | 1<<32 - 1 // a post that makes one wait look up
	generations  = 1<<31 - 1
	noSlot       = int32(-1)
	slotsAtFirst = 16
)

type slots struct {
	// How many slots and nudges events may come for: 0 means that what a wait returns is the
	// program's, all of it. Raised before the call that may make an event.
	attention atomic.Int64

	mu     sync.Mutex
	all    []slot
	free   int32
	inUse  int // operations
	ended  error
	idle   chan struct{} // closed when shut down and no operation is left
	closed bool          // shut down
}

func (s *slots) init() {
	s.free = noSlot
	s.all = make([]slot, 0, slotsAtFirst)
	s.idle = make(chan struct{})
}

// take gives out a slot and its token. Locked by the caller.
func (s *slots) take(kind slotKind) (*slot, uint64) {
	i := s.free
	if i == noSlot {
		i = int32(len(s.all))
		s.all = append(s.all, slot{})
	} else {
		s.free = s.all[i].next
	}
	one := &s.all[i]
	one.kind = kind
	s.attention.Add(1)
	if kind == slotOperation {
		s.inUse++
	}
	return one, ownToken | uint64(one.generation)<<32 | uint64(i)
}

// find gives the slot of a token, nil if it is used for something else by now. Locked.
func (s *slots) find(token uint64) *slot {
	i := uint32(token)
	if int(i) >= len(s.all) {
		return nil
	}
	one := &s.all[i]
	if one.kind == slotFree || uint64(one.generation) != token>>32&generations {
		return nil
	}
	return one
}

// give takes a slot back. Locked.
func (s *slots) give(token uint64) {
	i := int32(uint32(token))
	one := &s.all[i]
	if one.kind == slotOperation {
		s.inUse--
		s.tellIdle()
	}
	s.attention.Add(-1)
	*one = slot{generation: (one.generation + 1) & generations, next: s.free}
	s.free = i
}

func (s *slots) tellIdle() {
	if s.closed && s.inUse == 0 {
		select {
		case <-s.idle:
		default:
			close(s.idle)
		}
	}
}

// finish ends an operation: its buffers are free, and whoever waits gets the event. Locked.
// It returns the program's token, and whether the event is the program's.
func (s *slots) finish(one *slot, e *Event) (token uint64, theirs bool) {
	if one.buffer != nil {
		one.buffer.release()
	}
	for _, b := range one.buffers {
		if b != nil {
			b.release()
		}
	}
	token, waiter := one.token, one.waiter
	if waiter != nil {
		waiter.event = *e
		waiter.done <- struct{}{}
	}
	s.give(e.Token)
	return token, waiter == nil
}

// operations is how many are in flight.
func (s *slots) operations() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inUse
}

// shutdown tells connections that no readiness will come any more. The channel says when no
// operation is in flight.
func (s *slots) shutdown() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.tellIdle()
	for i := range s.all {
		if s.all[i].kind == slotConn {
			s.all[i].conn.end(ErrShutdown)
		}
	}
	return s.idle
}

// end releases everything: the poller is gone.
func (s *slots) end(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.closed = why, true
	for i := range s.all {
		one := &s.all[i]
		switch one.kind {
		case slotOperation:
			if one.waiter != nil {
				one.waiter.err = why
			}
			token := ownToken | uint64(one.generation)<<32 | uint64(i)
			s.finish(one, &Event{Token: token, Status: ErrCancelled})
		case slotConn:
			one.conn.end(why)
		}
	}
	s.tellIdle()
}

// A parked goroutine waits for the event of its operation.
type parked struct {
	done  chan struct{}
	event Event
	err   error // instead of an event
}

var parkedPool = sync.Pool{New: func() any { return &parked{done: make(chan struct{}, 1)} }}
