// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"io"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A File is read and written at offsets by goroutines that wait without a thread. Somebody has to
// serve the poller: go p.Run(). It is closed by Close, or when the program has dropped it.
//
// When a context ends while an operation is in flight, the operation is asked to end, and the call
// returns when it has: until then the kernel may use the buffer. What was done is never hidden: an
// operation that finished all the same is a success.
type File struct {
	p    *Poller
	h    Handle
	gate gate
}

// OpenFile opens a file or block device, for reading unless flags say otherwise. The path is UTF-8.
// Opening waits for the file system.
func (p *Poller) OpenFile(path string, flags ...FileFlags) (*File, error) {
	if strings.IndexByte(path, 0) >= 0 {
		return nil, invalid("open file", "a zero byte in the path")
	}
	var all FileFlags
	for _, f := range flags {
		all |= f
	}
	if len(flags) == 0 {
		all = ForReading
	}
	c, err := p.enter()
	if err != nil {
		return nil, err
	}
	defer c.leave()
	var h Handle
	r := capi.File_open(path, uint32(all), unsafe.Pointer(&h))
	if err := failed("open file", r); err != nil {
		return nil, err
	}
	return p.newFile(h), nil
}

func (p *Poller) newFile(h Handle) *File {
	f := &File{p: p, h: h}
	runtime.SetFinalizer(f, func(f *File) { go f.Close() })
	return f
}

// Handle is the system's descriptor. It stays the File's.
func (f *File) Handle() Handle { return f.h }

// Close closes the file. Operations in flight go on and report: it is closed for the system when
// the last of them was delivered.
func (f *File) Close() error {
	if f == nil || f.p == nil {
		return invalid("close", "not made by OpenFile")
	}
	first, last := f.gate.close()
	if !first {
		return ErrClosed
	}
	runtime.SetFinalizer(f, nil)
	if last {
		return f.giveBack()
	}
	return nil
}

func (f *File) giveBack() error { return failed("close file", capi.File_close(int64(f.h))) }

func (f *File) enter() error {
	if f == nil || f.p == nil {
		return invalid("file", "not made by OpenFile")
	}
	if !f.gate.enter() {
		return ErrClosed
	}
	return nil
}

func (f *File) leave() {
	if f.gate.leave() {
		f.giveBack()
	}
}

// Size is the size in bytes.
func (f *File) Size() (int64, error) {
	if err := f.enter(); err != nil {
		return 0, err
	}
	defer f.leave()
	var size int64
	err := failed("size of file", capi.File_size(int64(f.h), unsafe.Pointer(&size)))
	return size, err
}

// ReadBuffer reads length bytes at offset into b, from its byte `from` on. It may return fewer: 0
// and io.EOF at the end of the file. The bytes are not copied.
func (f *File) ReadBuffer(ctx context.Context, b *Buffer, from, length int,
	offset int64) (int, error) {
	n, err := f.do(ctx, Op{Code: Read, Buffer: b, From: from, Length: length, Offset: offset})
	if err == nil && n == 0 && length > 0 {
		err = io.EOF
	}
	return n, err
}

// WriteBuffer writes length bytes of b at offset, from its byte `from` on. It may write fewer. The
// bytes are not copied.
func (f *File) WriteBuffer(ctx context.Context, b *Buffer, from, length int,
	offset int64) (int, error) {
	return f.do(ctx, Op{Code: Write, Buffer: b, From: from, Length: length, Offset: offset})
}

// ReadAt reads as io.ReaderAt does: all of b, or an error, io.EOF at the end of the file. The bytes
// are copied, since the kernel cannot be given memory of Go's; ReadBuffer needs no copy.
func (f *File) ReadAt(ctx context.Context, b []byte, offset int64) (int, error) {
	return f.copied(b, func(bounce *Buffer, done, most int) (int, error) {
		n, err := f.ReadBuffer(ctx, bounce, 0, most, offset+int64(done))
		copy(b[done:], bounce.Bytes()[:n])
		return n, err
	})
}

// WriteAt writes as io.WriterAt does: all of b, or an error. The bytes are copied; WriteBuffer
// needs no copy.
func (f *File) WriteAt(ctx context.Context, b []byte, offset int64) (int, error) {
	return f.copied(b, func(bounce *Buffer, done, most int) (int, error) {
		copy(bounce.Bytes(), b[done:done+most])
		n, err := f.WriteBuffer(ctx, bounce, 0, most, offset+int64(done))
		if err == nil && n == 0 {
			err = io.ErrShortWrite
		}
		return n, err
	})
}

const bounceSize = 64 * 1024

// bounces are buffers that nobody uses. They are few, and never given back.
var bounces struct {
	mu   sync.Mutex
	free []*Buffer
}

const bouncesKept = 64

func takeBounce() (*Buffer, error) {
	bounces.mu.Lock()
	defer bounces.mu.Unlock()
	if n := len(bounces.free); n > 0 {
		b := bounces.free[n-1]
		bounces.free = bounces.free[:n-1]
		return b, nil
	}
	return alloc(bounceSize, 0)
}

func giveBounce(b *Buffer) {
	bounces.mu.Lock()
	defer bounces.mu.Unlock()
	if len(bounces.free) < bouncesKept {
		bounces.free = append(bounces.free, b)
		return
	}
	b.Free()
}

func (f *File) copied(b []byte,
	step func(bounce *Buffer, done, most int) (int, error)) (int, error) {
	if err := f.enter(); err != nil {
		return 0, err
	}
	f.leave()
	if len(b) == 0 {
		return 0, nil
	}
	bounce, err := takeBounce()
	if err != nil {
		return 0, err
	}
	defer giveBounce(bounce)
	done := 0
	for done < len(b) {
		most := len(b) - done
		if most > bounceSize {
			most = bounceSize
		}
		n, err := step(bounce, done, most)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Sync makes the writes durable whose calls have returned.
func (f *File) Sync(ctx context.Context) error {
	_, err := f.do(ctx, Op{Code: Sync})
	return err
}

// DataSync is Sync without metadata that reading back does not need.
func (f *File) DataSync(ctx context.Context) error {
	_, err := f.do(ctx, Op{Code: DataSync})
	return err
}

// ReadBlocks reads the whole of b in blocks, which start at offset, as one list: one submission,
// one event. The results are those of the blocks; the error is ErrPartial if one of them failed.
// At the end of the file blocks are short.
func (f *File) ReadBlocks(ctx context.Context, b *Buffer, block int,
	offset int64) ([]Result, error) {
	return f.blocks(ctx, Read, b, block, offset)
}

// WriteBlocks writes the whole of b in blocks, as ReadBlocks reads it.
func (f *File) WriteBlocks(ctx context.Context, b *Buffer, block int,
	offset int64) ([]Result, error) {
	return f.blocks(ctx, Write, b, block, offset)
}

// At is the file as an io.ReaderAt and io.WriterAt, whose calls end with the context.
func (f *File) At(ctx context.Context) FileAt { return FileAt{f, ctx} }

// A FileAt is a File with a context.
type FileAt struct {
	f   *File
	ctx context.Context
}

var _ interface {
	io.ReaderAt
	io.WriterAt
} = FileAt{}

// ReadAt is File.ReadAt.
func (a FileAt) ReadAt(b []byte, offset int64) (int, error) { return a.f.ReadAt(a.ctx, b, offset) }

// WriteAt is File.WriteAt.
func (a FileAt) WriteAt(b []byte, offset int64) (int, error) {
	return a.f.WriteAt(a.ctx, b, offset)
}
