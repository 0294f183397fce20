// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A File is read and written at offsets by goroutines that wait without a thread. It is closed by
// Close, or when the program has dropped it.
//
// When a context ends while an operation is in flight, the operation is asked to end, and the call
// returns when it has: until then the kernel may use the buffer. What was done is never hidden: an
// operation that finished all the same is a success.
type File struct{ object }

// OpenFile opens a file or block device, on the default loop.
func OpenFile(path string, flags ...FileFlags) (*File, error) {
	l, err := Default()
	if err != nil {
		return nil, err
	}
	return l.OpenFile(path, flags...)
}

// OpenFile opens a file or block device, for reading unless flags say otherwise. The path is UTF-8.
// Opening waits for the file system.
func (l *Loop) OpenFile(path string, flags ...FileFlags) (*File, error) {
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
	h, err := FileOpen(path, all, 0)
	if err != nil {
		return nil, err
	}
	return adopt[File](l, h, FileClose)
}

// FileFrom is a regular file or a block device that is open already. It has a duplicate of the
// descriptor: either may be closed first.
func (l *Loop) FileFrom(file *os.File) (*File, error) {
	h, err := Duplicate(file)
	if err != nil {
		return nil, err
	}
	return adopt[File](l, h, FileClose)
}

// Duplicate makes a descriptor of the program's own of what a net.Conn, a net.Listener or an os.File
// has: either may be closed first, by SocketClose or FileClose. Data that is read by one of them is
// gone for the other.
func Duplicate(of syscall.Conn) (Handle, error) {
	raw, err := of.SyscallConn()
	if err != nil {
		return NoHandle, err
	}
	_, file := of.(*os.File)
	h, failed := NoHandle, error(nil)
	if err := raw.Control(func(fd uintptr) { h, failed = duplicate(fd, file) }); err != nil {
		return NoHandle, err
	}
	return h, failed
}

// duplicate makes a second descriptor; on Windows those of files and of sockets are made differently.
func duplicate(fd uintptr, file bool) (Handle, error) {
	made, kind := NoHandle, int64(0)
	if file {
		kind = 1
	}
	_, err := done("duplicate", capi.Go_duplicate(int64(fd), kind, unsafe.Pointer(&made)))
	return made, err
}

// Close closes the file. Operations in flight are asked to end: their calls return ErrClosed, or
// what they did. It is closed for the system when nobody uses it any more, perhaps a little later;
// what writing back may say then is not told, but by Sync before.
func (f *File) Close() error {
	runtime.SetFinalizer(f, nil)
	return f.close()
}

// Size is the size in bytes.
func (f *File) Size() (int64, error) { return f.do(context.Background(), IO{Code: Size}, nil, 0) }

// Truncate cuts the file to this many bytes, or makes it longer.
func (f *File) Truncate(ctx context.Context, size int64) error {
	_, err := f.do(ctx, IO{Code: SetSize, Offset: size}, nil, 0)
	return err
}

// Sync makes the writes durable whose calls have returned.
func (f *File) Sync(ctx context.Context) error {
	_, err := f.do(ctx, IO{Code: Sync}, nil, 0)
	return err
}

// DataSync is Sync without metadata that reading back does not need.
func (f *File) DataSync(ctx context.Context) error {
	_, err := f.do(ctx, IO{Code: DataSync}, nil, 0)
	return err
}

// ReadBuffer reads length bytes at offset into b, from its byte `from` on. It may return fewer: 0
// and io.EOF at the end of the file. The bytes are not copied.
func (f *File) ReadBuffer(ctx context.Context, b *Buffer, from, length int,
	offset int64) (int, error) {
	return f.move(ctx, Read, b, from, length, offset)
}

// WriteBuffer writes length bytes of b at offset, from its byte `from` on. It may write fewer. The
// bytes are not copied.
func (f *File) WriteBuffer(ctx context.Context, b *Buffer, from, length int,
	offset int64) (int, error) {
	return f.move(ctx, Write, b, from, length, offset)
}

func (f *File) move(ctx context.Context, code Code, b *Buffer, from, length int,
	offset int64) (int, error) {
	if !b.has(from, length) {
		return 0, invalid(code.String(), "not inside of a buffer")
	}
	n, err := f.do(ctx, IO{Code: code, Offset: offset, Length: uint64(length)}, b, from)
	if err == nil && n == 0 && length > 0 {
		err = io.EOF
		if code == Write {
			err = io.ErrShortWrite
		}
	}
	return int(n), err
}

// ReadAt reads as io.ReaderAt does: all of b, or an error, io.EOF at the end of the file. What the
// system has at hand goes straight into b; what a disk has to be waited for is copied, since the
// kernel cannot be given memory of Go's. ReadBuffer needs no copy.
func (f *File) ReadAt(ctx context.Context, b []byte, offset int64) (int, error) {
	done := 0
	if runtime.GOOS == "linux" && ctx != nil && ctx.Err() == nil {
		if done = f.cached(b, offset); done == len(b) {
			return done, nil
		}
	}
	n, err := copied(b[done:], func(through *Buffer, b []byte, at int) (int, error) {
		n, err := f.ReadBuffer(ctx, through, 0, len(b), offset+int64(done+at))
		copy(b, through.Bytes()[:n])
		return n, err
	})
	return done + n, err
}

// cached reads what the system can give at once. Whoever goes on says what is wrong.
func (f *File) cached(b []byte, offset int64) int {
	o := f.l.take()
	defer f.l.give(o)
	o.io = IO{Code: Read, Flags: NoWait, Offset: offset, Length: uint64(clip(len(b)))}
	if f.start(o, first(b), 0) != nil {
		return 0
	}
	return int(o.io.Offset)
}

// WriteAt writes as io.WriterAt does: all of b, or an error. The bytes are copied; WriteBuffer
// needs no copy.
func (f *File) WriteAt(ctx context.Context, b []byte, offset int64) (int, error) {
	return copied(b, func(through *Buffer, b []byte, at int) (int, error) {
		copy(through.Bytes(), b)
		return f.WriteBuffer(ctx, through, 0, len(b), offset+int64(at))
	})
}

// copied does a part after the other of b by way of a buffer.
func copied(b []byte, step func(through *Buffer, b []byte, at int) (int, error)) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	through, err := bounce(least(len(b), largest))
	if err != nil {
		return 0, err
	}
	defer giveBounce(through)
	for at := 0; ; {
		n, err := step(through, b[at:at+least(len(b)-at, through.size)], at)
		if at += n; err != nil || at == len(b) {
			return at, err
		}
	}
}

// AppendDurable adds a record to a file that was opened ForWriting | ForAppending, and returns its
// place when it is on the disk. Records stand in the order of the calls, each whole; those of many
// goroutines share a write and a sync. After a sync that failed every call fails until the file is
// opened again.
func (f *File) AppendDurable(ctx context.Context, record []byte) (int64, error) {
	return f.append(ctx, record, Durable)
}

// Append is AppendDurable that does not wait for the disk.
func (f *File) Append(ctx context.Context, record []byte) (int64, error) {
	return f.append(ctx, record, 0)
}

func (f *File) append(ctx context.Context, record []byte, flags OpFlags) (int64, error) {
	b, err := bounce(len(record))
	if err != nil {
		return 0, err
	}
	defer giveBounce(b)
	copy(b.Bytes(), record)
	return f.do(ctx, IO{Code: Append, Flags: flags, Length: uint64(len(record))}, b, 0)
}

// Section is length bytes of the file from offset on, to be read or sent: io.Copy(conn,
// f.Section(0, size)) sends them from the system's cache.
func (f *File) Section(offset, length int64) *Section {
	return &Section{io.NewSectionReader(reader{f}, offset, length), f, offset}
}

// A Section is a part of a File, to read and to seek in.
type Section struct {
	*io.SectionReader
	f     *File
	start int64
}

// A reader is a File as an io.ReaderAt.
type reader struct{ f *File }

// ReadAt is File.ReadAt.
func (r reader) ReadAt(b []byte, offset int64) (int, error) {
	return r.f.ReadAt(context.Background(), b, offset)
}

// sendFileFrom is from where on it pays to register an os.File for being sent.
const sendFileFrom = 16 << 10

// sendFile sends what r has of a file, if it is one; what is left is to be copied.
func (c *Conn) sendFile(r io.Reader) (sent int64, err error) {
	c.out.busy.Lock()
	defer c.out.busy.Unlock()
	most := int64(math.MaxInt64)
	if limited, ok := r.(*io.LimitedReader); ok {
		r, most = limited.R, limited.N
		defer func() { limited.N -= sent }()
	}
	section, _ := r.(*Section)
	file, _ := r.(*os.File)
	if section == nil && file == nil {
		return 0, nil
	}
	from := r.(io.Seeker)
	at, failed := from.Seek(0, io.SeekCurrent)
	if failed != nil {
		return 0, nil
	}
	var f *File
	start := int64(0)
	if section != nil {
		f, start, most = section.f, section.start, least(most, section.Size()-at)
	} else if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		if most = least(most, info.Size()-at); most >= sendFileFrom {
			if f, failed = c.loop.FileFrom(file); failed == nil {
				defer f.Close()
			}
		}
	}
	if f == nil || f.l != c.l {
		return 0, nil
	}
	sent, err = c.send(f, start+at, most)
	if _, failed = from.Seek(at+sent, io.SeekStart); err == nil {
		err = failed
	}
	return sent, err
}

// send sends length bytes of a file, or what it has of them.
func (c *Conn) send(f *File, at, length int64) (sent int64, err error) {
	for n := int64(1); sent < length && n > 0 && err == nil; sent += n {
		err = f.hold(func(h Handle) (err error) {
			n, err = c.until(&c.out, IO{Code: SendFile, Flags: Inline, Offset: at + sent,
				buffer: uint64(h), Length: uint64(clip(length - sent))}, nil, 0)
			return err
		})
		if is(err, ErrUnsupported) {
			return sent, nil
		}
	}
	return sent, err
}
