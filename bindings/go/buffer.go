// SPDX-License-Identifier: MIT

package evpoll

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A Buffer is memory that operations may keep: aligned, outside of Go's heap, never moved. While it
// is lent, it is the kernel's: a Buffer that is freed then is given back with the last Release. One
// that the program drops is given back too, unless it is lent, so keep it as long as a slice of Bytes
// is used.
type Buffer struct {
	start unsafe.Pointer
	size  int
	mu    sync.Mutex
	users int
	freed bool
}

// buffers counts those that were not given back.
var buffers atomic.Int64

// Alloc makes a buffer of this many bytes, zeroed. From 4096 bytes on it is aligned as Direct wants it.
func Alloc(size int) (*Buffer, error) {
	if size < 1 {
		return nil, invalid("alloc", "no size")
	}
	b, alignment := &Buffer{size: size}, uint32(4096)
	if size < 4096 {
		alignment = 64
	}
	r := capi.Buffer_alloc(uint64(size), alignment, unsafe.Pointer(&b.start))
	if _, err := done("alloc", r); err != nil {
		return nil, err
	}
	buffers.Add(1)
	runtime.SetFinalizer(b, (*Buffer).Free) // what is lent stays
	return b, nil
}

// Free gives the buffer back, now or when the kernel has let go of it. Slices of Bytes must not be
// used any more.
func (b *Buffer) Free() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.freed {
		return ErrClosed
	}
	b.freed = true
	b.giveBack()
	return nil
}

// Len is the size in bytes.
func (b *Buffer) Len() int { return b.size }

// Bytes is the memory itself, nil when it was freed. While an operation writes it, what is in it is
// the kernel's business.
func (b *Buffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.freed {
		return nil
	}
	return unsafe.Slice((*byte)(b.start), b.size)
}

// has tells whether there is such a buffer, and so much of it.
func (b *Buffer) has(from, length int) bool {
	return b != nil && from >= 0 && length >= 0 && from <= b.size && length <= b.size-from
}

// at is an address as C's structs have it.
func (b *Buffer) at(from int) uint64 { return uint64(uintptr(b.start)) + uint64(from) }

// use lends the buffer, until Release; false: it was freed.
func (b *Buffer) use() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.freed {
		b.users++
	}
	return !b.freed
}

// Release ends what IO.Use has begun.
func (b *Buffer) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.users--; b.users < 0 {
		panic("evpoll: a buffer is released that was not lent")
	}
	b.giveBack()
}

// giveBack gives the memory back if it was freed and nobody has it. Locked.
func (b *Buffer) giveBack() {
	if b.freed && b.users == 0 {
		runtime.SetFinalizer(b, nil)
		capi.Buffer_free(b.start)
		buffers.Add(-1)
	}
}

// Buffers that nobody uses, by size from 64 bytes to 1 MiB: what of Go's memory goes by way of them.
// The collector takes those that are too many.
var bounces [15]sync.Pool

const largest = 64 << 14

// class is the place of those that have n bytes.
func class(n int) int { return bits.Len(uint(n-1)|63) - 6 }

// bounce gives out a buffer of n bytes or more, until giveBounce.
func bounce(n int) (*Buffer, error) {
	if n < 1 || n > largest {
		return Alloc(n)
	} else if b, ok := bounces[class(n)].Get().(*Buffer); ok {
		return b, nil
	}
	return Alloc(64 << class(n))
}

func giveBounce(b *Buffer) {
	if b.size > largest {
		b.Free()
	} else {
		bounces[class(b.size)].Put(b)
	}
}
