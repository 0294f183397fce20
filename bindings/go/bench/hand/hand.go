// SPDX-License-Identifier: MIT

// Package hand is what somebody would write who calls the C library from Go by hand: the bench
// compares the binding with it.
package hand

/*
#cgo CFLAGS: -I${SRCDIR}/../../internal/capi
#include "evpoll.h"

// The library is linked in by the binding; cgo links each package for itself first.
#pragma weak evpoll_open
#pragma weak evpoll_close
#pragma weak evpoll_add
#pragma weak evpoll_wait
#pragma weak evpoll_submit
*/
import "C"

import (
	"errors"
	"unsafe"
)

// An Event is C's.
type Event = C.evpoll_event

// A Poller is C's pointer.
type Poller struct{ p *C.evpoll }

// Open opens a poller.
func Open() (Poller, error) {
	var p Poller
	if C.evpoll_open(nil, &p.p) < 0 {
		return p, errors.New("cannot open")
	}
	return p, nil
}

// Close closes it.
func (p Poller) Close() { C.evpoll_close(p.p, -1) }

// Add watches a handle.
func (p Poller) Add(h int64, token uint64, interest, mode uint32) error {
	if C.evpoll_add(p.p, C.evpoll_handle(h), C.uint64_t(token), C.uint32_t(interest),
		C.uint32_t(mode)) < 0 {
		return errors.New("cannot add")
	}
	return nil
}

// Wait waits.
func (p Poller) Wait(events []Event) int {
	return int(C.evpoll_wait(p.p, &events[0], C.int32_t(len(events)), -1))
}

// An IO is C's.
type IO = C.evpoll_io

// NewRead is a read.
func NewRead(handle int64, buffer unsafe.Pointer, length, offset int) IO {
	return IO{handle: C.evpoll_handle(handle), buffer: C.uint64_t(uintptr(buffer)),
		length: C.uint64_t(length), offset: C.int64_t(offset), code: C.EVPOLL_OP_READ}
}

// Submit starts operations.
func (p Poller) Submit(ios []IO) int {
	return int(C.evpoll_submit(p.p, &ios[0], C.int32_t(len(ios))))
}
