// SPDX-License-Identifier: MIT

package evpoll

import (
	"sync/atomic"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A Buffer is memory for file operations: aligned, outside of Go's heap, never moved. While an
// operation uses it, it is the kernel's, whatever the program does: a Buffer that is freed then is
// given back when the last operation has reported.
//
// A Buffer that the program drops without Free stays allocated: a slice of it may live on, and the
// collector cannot see that.
type Buffer struct {
	gate  gate // who uses it: operations, and calls
	start unsafe.Pointer
	size  int
}

// buffers counts those that were not given back.
var buffers atomic.Int64

// Alloc makes a buffer of this many bytes, zeroed, and aligned so that it suits Direct.
func (p *Poller) Alloc(size int) (*Buffer, error) { return p.AllocAligned(size, 0) }

// AllocAligned makes a buffer with an alignment: a power of two, at most 2097152; 0: 4096.
func (p *Poller) AllocAligned(size, alignment int) (*Buffer, error) {
	c, err := p.enter()
	if err != nil {
		return nil, err
	}
	defer c.leave()
	return alloc(size, alignment)
}

func alloc(size, alignment int) (*Buffer, error) {
	if size < 1 || alignment < 0 || alignment > 1<<30 {
		return nil, invalid("alloc", "size or alignment is out of range")
	}
	b := &Buffer{size: size}
	r := capi.Buffer_alloc(uint64(size), uint32(alignment), unsafe.Pointer(&b.start))
	if err := failed("alloc", r); err != nil {
		return nil, err
	}
	buffers.Add(1)
	return b, nil
}

// Free gives the buffer back, now or when the kernel has let go of it. Slices of Bytes must not be
// used any more.
func (b *Buffer) Free() error {
	if b == nil || b.start == nil {
		return invalid("free", "not made by Alloc")
	}
	first, last := b.gate.close()
	if !first {
		return ErrClosed
	}
	if last {
		b.giveBack()
	}
	return nil
}

// Len is the size in bytes.
func (b *Buffer) Len() int { return b.size }

// Bytes is the memory itself, nil when it was freed. While an operation writes it, what is in it is
// the kernel's business.
func (b *Buffer) Bytes() []byte {
	if b == nil || b.start == nil || !b.gate.enter() {
		return nil
	}
	defer b.release()
	return unsafe.Slice((*byte)(b.start), b.size)
}

// Users is how many operations have the buffer at the moment.
func (b *Buffer) Users() int { return b.gate.inside() }

func (b *Buffer) release() {
	if b.gate.leave() {
		b.giveBack()
	}
}

func (b *Buffer) releaseIf() {
	if b != nil {
		b.release()
	}
}

// giveBack runs once: the gate is closed, and nobody is inside.
func (b *Buffer) giveBack() {
	capi.Buffer_free(b.start)
	buffers.Add(-1)
}
