// SPDX-License-Identifier: MIT

package evpoll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// engines are the ways in which files can be served here.
func engines(t *testing.T, test func(t *testing.T, options Options)) {
	all := map[string]OpenFlags{"any": 0, "pool": NoURing, "single": SingleWaiter}
	for name, flags := range all {
		t.Run(name, func(t *testing.T) { test(t, Options{Flags: flags}) })
	}
}

func TestReadAtReads(t *testing.T) {
	engines(t, func(t *testing.T, options Options) {
		l := serving(t, options)
		const size = 3<<20 + 17
		f := somefile(t, l, size)
		if got, err := f.Size(); got != size || err != nil {
			t.Fatal(got, err)
		}
		b := make([]byte, size)
		for _, at := range []struct{ from, n, want int }{
			{0, size, size}, {1, 100, 100}, {size - 5, 5, 5}, {size - 5, 10, 5}, {size, 1, 0},
			{size + 100, 1, 0}, {1<<20 - 1, 1<<20 + 2, 1<<20 + 2},
		} {
			n, err := f.ReadAt(soon(t), b[:at.n], int64(at.from))
			if n != at.want || (err == nil) != (n == at.n) || err != nil && err != io.EOF ||
				!bytes.Equal(b[:n], pattern(n, at.from)) {
				t.Fatalf("%+v: %d, %v", at, n, err)
			}
		}
		if n, err := f.ReadAt(soon(t), nil, 0); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		all, err := io.ReadAll(f.Section(1, size))
		if err != nil || !bytes.Equal(all, pattern(size-1, 1)) {
			t.Fatal(len(all), err)
		}
		through, err := Alloc(1000)
		must(t, err)
		n, err := f.ReadBuffer(soon(t), through, 100, 900, 7)
		if n != 900 || err != nil || !bytes.Equal(through.Bytes()[100:], pattern(900, 7)) {
			t.Fatal(n, err)
		}
		must(t, through.Free())
		_, err = f.ReadBuffer(soon(t), through, 0, 1, 0)
		wants(t, err, ErrInvalid)
	})
}

func TestWriteAtWrites(t *testing.T) {
	engines(t, func(t *testing.T, options Options) {
		l := serving(t, options)
		path := filepath.Join(t.TempDir(), "new")
		f, err := l.OpenFile(path, ForWriting, Create, Exclusive)
		must(t, err)
		data := pattern(2<<20+100, 5)
		n, err := f.WriteAt(soon(t), data, 10)
		if n != len(data) || err != nil {
			t.Fatal(n, err)
		}
		must(t, f.DataSync(soon(t)))
		must(t, f.Sync(soon(t)))
		must(t, f.Truncate(soon(t), 1<<20))
		if size, err := f.Size(); size != 1<<20 || err != nil {
			t.Fatal(size, err)
		}
		must(t, f.Close())
		wants(t, f.Close(), os.ErrClosed)
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got[10:], data[:1<<20-10]) {
			t.Fatal(len(got), err)
		}
		_, err = l.OpenFile(path, ForWriting, Create, Exclusive)
		wants(t, err, ErrExists)
		f, err = l.OpenFile(path)
		must(t, err)
		_, err = f.WriteAt(soon(t), data, 0)
		if runtime.GOOS == "windows" {
			wants(t, err, ErrAccess)
		} else {
			wants(t, err, ErrBadHandle)
		}
		must(t, f.Close())
		_, err = l.OpenFile(filepath.Dir(path))
		wants(t, err, ErrUnsupported)
	})
}

// Records of many goroutines: each is whole, at the place that it was told, and on the disk by then.
func TestAppendsAreGroupedAndWhole(t *testing.T) {
	engines(t, func(t *testing.T, options Options) {
		l := serving(t, options)
		path := filepath.Join(t.TempDir(), "log")
		f, err := l.OpenFile(path, ForWriting, ForAppending, Create)
		must(t, err)
		_, err = l.OpenFile(path, ForWriting, ForAppending)
		wants(t, err, ErrBusy)
		_, err = f.AppendDurable(soon(t), nil)
		wants(t, err, ErrInvalid)
		const writers, records = 16, 20
		var all sync.WaitGroup
		places := make([][]int64, writers)
		for w := 0; w < writers; w++ {
			w := w
			all.Add(1)
			go func() {
				defer all.Done()
				for i := 0; i < records; i++ {
					at, err := f.AppendDurable(soon(t), record(w, i))
					if err != nil {
						t.Error(err)
					}
					places[w] = append(places[w], at)
				}
			}()
		}
		all.Wait()
		long := pattern(3<<20, 9)
		at, err := f.AppendDurable(soon(t), long)
		must(t, err)
		got, err := os.ReadFile(path)
		must(t, err)
		for w := range places {
			for i, at := range places[w] {
				if r := record(w, i); !bytes.Equal(got[at:at+int64(len(r))], r) {
					t.Fatalf("record %d of %d is not at %d", i, w, at)
				}
				if i > 0 && at <= places[w][i-1] {
					t.Fatal("out of order")
				}
			}
		}
		if !bytes.Equal(got[at:], long) {
			t.Fatal("the long one")
		}
	})
}

func record(w, i int) []byte { return []byte(fmt.Sprintf("<%d:%d>", w, i)) }

func TestAContextEndsAnOperation(t *testing.T) {
	l := serving(t)
	f := somefile(t, l, 1<<20)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	b := make([]byte, 1<<20)
	for name, err := range map[string]error{
		"read":   func() error { _, err := f.ReadAt(ended, b, 0); return err }(),
		"write":  func() error { _, err := f.WriteAt(ended, b, 0); return err }(),
		"sync":   f.Sync(ended),
		"append": func() error { _, err := f.AppendDurable(ended, b); return err }(),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Error(name, err)
		}
	}
	wants(t, f.Sync(nil), ErrInvalid) //nolint:staticcheck
	// Contexts that end in the middle of operations: each ends once, and nothing is hidden.
	rounds := 2000
	if testing.Short() {
		rounds = 200
	}
	for i := 0; i < rounds; i++ {
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		n, err := f.WriteAt(ctx, b[:4096], 0)
		if err == nil && n != 4096 || err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(n, err)
		}
		cancel()
	}
}

func TestCloseEndsOperationsOnFiles(t *testing.T) {
	for name, end := range map[string]func(l *Loop, f *File) error{
		"file": func(l *Loop, f *File) error { return f.Close() },
		"loop": func(l *Loop, f *File) error { return l.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			l := serving(t)
			f := somefile(t, l, 1<<20)
			const n = 8
			done, begun := make(chan error), make(chan bool, n)
			for i := 0; i < n; i++ {
				go func() {
					for b, err := make([]byte, 1<<18), error(nil); ; {
						if _, err = f.WriteAt(context.Background(), b, 0); err != nil {
							done <- err
							return
						}
						select {
						case begun <- true:
						default:
						}
					}
				}()
			}
			<-begun
			must(t, end(l, f))
			for i := 0; i < n; i++ {
				wants(t, <-done, ErrClosed)
			}
		})
	}
}

func TestAClosedFileIsClosedForTheSystem(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("gate proc: no list of open descriptors")
	}
	path := somepath(t, 10)
	open := func() (n int) {
		all, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		for _, fd := range all {
			if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); to == path {
				n++
			}
		}
		return n
	}
	for _, end := range []string{"file", "loop", "nobody"} {
		l := serving(t)
		f, err := l.OpenFile(path)
		must(t, err)
		file, err := os.Open(path)
		must(t, err)
		g, err := l.FileFrom(file)
		must(t, err)
		must(t, file.Close()) // the other one has a descriptor of its own
		b := make([]byte, 10)
		if n, err := g.ReadAt(soon(t), b, 0); n != 10 || err != nil {
			t.Fatal(n, err)
		}
		if open() != 2 {
			t.Fatal(open(), "are open")
		}
		switch end {
		case "file":
			must(t, f.Close())
			must(t, g.Close())
		case "loop":
			must(t, l.Close())
		}
		f, g = nil, nil
		collected(t, "it is closed", func() bool { return open() == 0 })
	}
}

func TestAlignedBuffersSuitDirect(t *testing.T) {
	l := serving(t)
	f, err := l.OpenFile(somepath(t, 1<<16), ForReading, Direct)
	if errors.Is(err, ErrUnsupported) {
		t.Skip("gate direct: this file system has none")
	}
	must(t, err)
	b, err := Alloc(1 << 16)
	must(t, err)
	n, err := f.ReadBuffer(soon(t), b, 0, b.Len(), 0)
	if n != 1<<16 || err != nil || !bytes.Equal(b.Bytes(), pattern(1<<16, 0)) {
		t.Fatal(n, err)
	}
}

// Operations in flight keep their buffers, whatever the program drops or frees meanwhile.
func TestBuffersOutliveWhatIsInFlight(t *testing.T) {
	before, loops := buffers.Load(), live.Load()
	path := somepath(t, 1<<20)
	var readers sync.WaitGroup
	for i := 0; i < 10; i++ {
		l, err := NewLoop(Options{Flags: NoURing})
		must(t, err)
		f, err := l.OpenFile(path)
		must(t, err)
		for j := 0; j < 8; j++ {
			b, err := Alloc(1 << 17)
			must(t, err)
			bytesOf := b.Bytes()
			readers.Add(1)
			go func(j int) {
				defer readers.Done()
				n, err := f.ReadBuffer(context.Background(), b, 0, 1<<17, int64(j)<<17)
				if err == nil && (n != 1<<17 || !bytes.Equal(bytesOf, pattern(n, j<<17))) {
					t.Error("other bytes")
				}
				b.Free()
			}(j)
			runtime.GC()
		}
	}
	readers.Wait()
	collected(t, "loops end", func() bool { return live.Load() <= loops })
	collected(t, "buffers are given back", func() bool { return buffers.Load() <= before })
}

func TestBuffersAreGivenBack(t *testing.T) {
	collected(t, "others are gone", func() bool { return buffers.Load() < 1000 })
	before := buffers.Load()
	for i := 0; i < 100; i++ {
		b, err := Alloc(64)
		must(t, err)
		if i%2 == 0 {
			must(t, b.Free())
			wants(t, b.Free(), ErrClosed)
		}
	}
	collected(t, "dropped buffers are given back", func() bool { return buffers.Load() <= before })
	b, err := Alloc(10)
	must(t, err)
	io := IO{Code: Read}
	must(t, io.Use(b, 0, 10))
	must(t, b.Free())
	if b.Bytes() != nil || buffers.Load() < before {
		t.Fatal("freed while it is lent")
	}
	b.Release()
	defer func() {
		if recover() == nil {
			t.Error("released once too often")
		}
	}()
	b.Release()
}

func TestPipesAreServedByEvents(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("gate pipes: anonymous ones are not served")
	}
	p := open(t)
	r, w, err := os.Pipe()
	must(t, err)
	defer w.Close()
	h, err := Duplicate(r)
	must(t, err)
	must(t, r.Close())
	must(t, p.Add(h, 1, 0, Operations))
	b, err := Alloc(10)
	must(t, err)
	ios := []IO{{Token: 5, Handle: h, Code: Read, TimeoutMS: uint32(patience / time.Millisecond)}}
	must(t, ios[0].Use(b, 0, 10))
	if n, err := p.Submit(ios); n != 1 || err != nil || ios[0].Op == 0 {
		t.Fatal(n, err, ios)
	}
	_, err = w.Write([]byte("hello"))
	must(t, err)
	if e := one(t, p); e.Token != 5 || e.Result != 5 || string(b.Bytes()[:5]) != "hello" {
		t.Fatal(e)
	}
	b.Release()
	if again, err := Reopen(h); err == nil {
		must(t, FileClose(again))
	} else {
		wants(t, err, ErrUnsupported)
	}
	must(t, p.Remove(h, 1))
	must(t, FileClose(h))
}

// The system's code, or the place that was asked for, is no number of bytes.
func TestAFailureMovesNothing(t *testing.T) {
	l := serving(t)
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, pattern(8192, 0), 0o600))
	through, err := Alloc(64)
	must(t, err)
	defer through.Free()
	mine := make([]byte, 64)
	fails := func(n int, err error) {
		t.Helper()
		if n != 0 || err == nil || !bytes.Equal(mine, make([]byte, 64)) {
			t.Error(n, err, mine)
		}
	}
	for _, flags := range []FileFlags{ForReading, ForWriting} {
		f, err := l.OpenFile(path, flags)
		must(t, err)
		if flags == ForWriting {
			fails(f.ReadBuffer(soon(t), through, 0, 64, 4096))
			fails(f.ReadAt(soon(t), mine, 4096))
		} else {
			fails(f.WriteBuffer(soon(t), through, 0, 64, 4096))
			fails(f.WriteAt(soon(t), mine, 4096))
		}
		must(t, f.Close())
		fails(f.ReadBuffer(soon(t), through, 0, 64, 4096))
		fails(f.ReadAt(soon(t), mine, 4096))
		fails(f.WriteBuffer(soon(t), through, 0, 64, 4096))
		fails(f.WriteAt(soon(t), mine, 4096))
	}
}
