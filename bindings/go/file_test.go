// SPDX-License-Identifier: MIT

package evpoll

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// served is a poller that somebody serves, as go p.Run() does.
func served(t testing.TB, options ...Options) *Poller {
	t.Helper()
	p := open(t, options...)
	done := make(chan error)
	go func() { done <- p.Run() }()
	t.Cleanup(func() {
		p.Close()
		must(t, <-done)
	})
	return p
}

// engines are the ways in which files can be served here.
func engines(t *testing.T, test func(t *testing.T, options Options)) {
	all := map[string]OpenFlags{"any": 0, "pool": NoURing, "single": SingleWaiter}
	for name, flags := range all {
		t.Run(name, func(t *testing.T) { test(t, Options{Flags: flags}) })
	}
}

func pattern(n, from int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((from + i) % 251)
	}
	return b
}

func TestReadAtReads(t *testing.T) {
	engines(t, func(t *testing.T, options Options) {
		p := served(t, options)
		const size = 3*bounceSize + 17
		f := somefile(t, p, size)
		if got, err := f.Size(); got != size || err != nil {
			t.Fatal(got, err)
		}
		b := make([]byte, size)
		for _, at := range []struct{ from, n, want int }{
			{0, size, size}, {1, 100, 100}, {size - 5, 5, 5}, {size - 5, 10, 5}, {size, 1, 0},
			{size + 100, 1, 0}, {bounceSize - 1, bounceSize + 2, bounceSize + 2},
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
		all, err := io.ReadAll(io.NewSectionReader(f.At(soon(t)), 0, size))
		if err != nil || !bytes.Equal(all, pattern(size, 0)) {
			t.Fatal(len(all), err)
		}
	})
}

func TestWriteAtWrites(t *testing.T) {
	engines(t, func(t *testing.T, options Options) {
		p := served(t, options)
		path := filepath.Join(t.TempDir(), "new")
		f, err := p.OpenFile(path, ForWriting, Create, Exclusive)
		must(t, err)
		data := pattern(2*bounceSize+100, 5)
		n, err := f.At(soon(t)).WriteAt(data, 10)
		if n != len(data) || err != nil {
			t.Fatal(n, err)
		}
		must(t, f.DataSync(soon(t)))
		must(t, f.Sync(soon(t)))
		must(t, f.Close())
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got[10:], data) {
			t.Fatal(len(got), err)
		}
		_, err = p.OpenFile(path, ForWriting, Create, Exclusive)
		wants(t, err, ErrExists)
		f, err = p.OpenFile(path)
		must(t, err)
		_, err = f.WriteAt(soon(t), data, 0)
		if runtime.GOOS == "windows" {
			wants(t, err, ErrAccess)
		} else {
			wants(t, err, ErrBadHandle)
		}
		_, err = p.OpenFile(filepath.Dir(path))
		wants(t, err, ErrUnsupported)
	})
}

func TestBlocksAreOneList(t *testing.T) {
	engines(t, func(t *testing.T, options Options) {
		p := served(t, options)
		const block, n = 512, 100
		f := somefile(t, p, block*n-7)
		b, err := p.Alloc(block * n)
		must(t, err)
		defer b.Free()
		results, err := f.ReadBlocks(soon(t), b, block, 0)
		must(t, err)
		for i, r := range results {
			wanted := int64(block)
			if i == n-1 {
				wanted -= 7
			}
			if r.N != wanted || r.Err() != nil {
				t.Fatal(i, r)
			}
		}
		if len(results) != n || !bytes.Equal(b.Bytes()[:block*n-7], pattern(block*n-7, 0)) {
			t.Fatal("the bytes are others")
		}
		results, err = f.WriteBlocks(soon(t), b, 1000, 5)
		if err != nil || len(results) != 52 || results[51].N != 200 {
			t.Fatal(len(results), err)
		}
		readOnly, err := p.OpenFile(somepath(t, 10))
		must(t, err)
		if _, err = readOnly.WriteBlocks(soon(t), b, 1000, 0); err == nil {
			t.Fatal("a file that is open for reading was written")
		}
		if b.Users() != 0 || p.c.slots.operations() != 0 {
			t.Fatal("something is still in flight")
		}
	})
}

func TestListsAreTaken(t *testing.T) {
	p := open(t)
	f := somefile(t, p, 1000)
	b, err := p.Alloc(1000)
	must(t, err)
	defer b.Free()
	ops := []Op{
		{File: f.h, Code: Read, Buffer: b, Length: 600},
		{File: f.h, Code: Read, Buffer: b, From: 600, Length: 400, Offset: 600},
	}
	id, err := p.SubmitList(ops, 42)
	must(t, err)
	_, err = p.ListTake(id, make([]Result, 2))
	wants(t, err, ErrBusy)
	e := one(t, p)
	if e.Token != 42 || e.Op != id || e.Events != ListDone || e.Result != 2 || b.Users() != 0 {
		t.Fatal(e, b.Users())
	}
	results := make([]Result, 2)
	n, err := p.ListTake(id, results)
	if n != 2 || err != nil || results[0].N != 600 || results[1].N != 400 {
		t.Fatal(n, err, results)
	}
	_, err = p.ListTake(id, results)
	wants(t, err, ErrNotFound)
	ops[1].Length = 401
	_, err = p.SubmitList(ops, 42)
	wants(t, err, ErrInvalid)
	if ops[1].Status != ErrInvalid || b.Users() != 0 {
		t.Fatal(ops[1].Status, b.Users())
	}
	ops[1].Length, ops[1].File = 400, -1
	_, err = p.SubmitList(ops, 42)
	wants(t, err, ErrBadHandle)
	if ops[1].Status != ErrBadHandle || b.Users() != 0 || p.c.slots.operations() != 0 {
		t.Fatal(ops[1].Status, b.Users())
	}
}

func TestAnOperationMayEndInline(t *testing.T) {
	p := open(t)
	f := somefile(t, p, 100)
	b, err := p.Alloc(100)
	must(t, err)
	defer b.Free()
	atOnce := 0
	for i := 0; i < 100; i++ {
		ops := []Op{{Token: 7, File: f.h, Code: Read, Buffer: b, Length: 60, Offset: 50, Inline: true}}
		if i%2 == 0 {
			n, err := p.Submit(ops)
			if n != 1 || err != nil || ops[0].Status != OK {
				t.Fatal(n, err, ops)
			}
			if !ops[0].Done {
				one(t, p)
			}
		} else {
			events := make([]Event, 4)
			n, err := p.Turn(soon(t), nil, ops, events) // does not block if it is over
			if err != nil || ops[0].Status != OK || ops[0].Done == (n == 1) {
				t.Fatal(n, err, ops)
			}
		}
		if ops[0].Done {
			atOnce++
			if ops[0].N != 50 || ops[0].ID != 0 {
				t.Fatal(ops)
			}
		}
		if b.Users() != 0 || p.c.slots.operations() != 0 {
			t.Fatal("something is still in flight")
		}
	}
	// Where the system can tell, nobody is parked for what it has at hand.
	if atOnce == 100 {
		before, err := p.Stats()
		must(t, err)
		text := make([]byte, 100)
		for i := 0; i < 100; i++ {
			if n, err := f.ReadAt(soon(t), text, 0); n != 100 || err != nil {
				t.Fatal(n, err)
			}
		}
		after, err := p.Stats()
		must(t, err)
		if after.IOSubmitted != before.IOSubmitted+100 || after.Events != before.Events {
			t.Fatal(before, after)
		}
	}
	list := []Op{{File: f.h, Code: Read, Buffer: b, Length: 60, Inline: true}}
	_, err = p.SubmitList(list, 1)
	wants(t, err, ErrInvalid)
}

func TestAPrefixIsAccepted(t *testing.T) {
	p := open(t, Options{IOLimit: 2})
	f := somefile(t, p, 100)
	b, err := p.Alloc(100)
	must(t, err)
	defer b.Free()
	good := Op{Token: 7, File: f.h, Code: Read, Buffer: b, Length: 100}
	bad := good
	bad.Length = 101
	ops := []Op{good, bad, good}
	n, err := p.Submit(ops)
	if n != 1 || ops[0].Status != OK || ops[1].Status != ErrInvalid || ops[2].Status != ErrAgain {
		t.Fatal(n, ops)
	}
	wants(t, err, ErrInvalid)
	ops = []Op{good, good}
	n, err = p.Submit(ops) // the limit is 2, and one is in flight
	if n != 1 || ops[1].Status != ErrAgain {
		t.Fatal(n, ops)
	}
	wants(t, err, ErrAgain)
	bad = good
	bad.File = -1
	events := make([]Event, 4)
	for left := 2; left > 0; {
		n, err := p.Wait(soon(t), events)
		must(t, err)
		left -= n
	}
	ops = []Op{bad}
	n, err = p.Turn(soon(t), nil, ops, events) // does not block
	if n != 0 || err != nil || ops[0].Status != ErrBadHandle {
		t.Fatal(n, err, ops)
	}
	changes := []Change{{Token: MaxToken + 1, Action: ChangeAdd}, {Token: 1, Action: ChangeAdd}}
	n, err = p.Turn(soon(t), changes, nil, events)
	if n != 0 || err != nil || changes[0].Status != ErrInvalid || changes[1].Status != ErrAgain {
		t.Fatal(n, err, changes)
	}
	if b.Users() != 0 || p.c.slots.operations() != 0 {
		t.Fatal("something is still in flight")
	}
}

// More goroutines read than operations may be in flight: they wait for room. The reads are longer
// than what the system does at once.
func TestTheLimitIsWaitedFor(t *testing.T) {
	const size = 200 << 10
	p := served(t, Options{IOLimit: 2})
	f := somefile(t, p, size+3300)
	var readers sync.WaitGroup
	for i := 0; i < 32; i++ {
		i := i
		readers.Add(1)
		go func() {
			defer readers.Done()
			b, err := p.Alloc(size)
			if err != nil {
				t.Error(err)
				return
			}
			defer b.Free()
			for j := 0; j < 5; j++ {
				n, err := f.ReadBuffer(soon(t), b, 0, size, int64(i*100+j))
				if n != size || err != nil || !bytes.Equal(b.Bytes(), pattern(size, i*100+j)) {
					t.Error(n, err)
				}
			}
		}()
	}
	readers.Wait()
}

// The program's own loop serves goroutines too, and does not see their operations.
func TestAnyLoopServesGoroutines(t *testing.T) {
	p := open(t)
	f := somefile(t, p, 100)
	done := make(chan error)
	go func() {
		_, err := f.WriteAt(context.Background(), make([]byte, 100), 0)
		p.Post(5, 5)
		done <- err
	}()
	if e := one(t, p); e.Token != 5 || e.Events != Posted {
		t.Fatal(e)
	}
	must(t, <-done)
}

func TestAContextEndsAnOperation(t *testing.T) {
	p := open(t) // nobody serves it yet
	f := somefile(t, p, 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := f.WriteAt(ctx, make([]byte, 100), 0)
		done <- err
	}()
	for p.c.slots.operations() == 0 {
		runtime.Gosched()
	}
	cancel()
	select {
	case err := <-done:
		t.Fatalf("%v: before the kernel has let go", err)
	default:
	}
	go p.Run()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	_, err := f.WriteAt(ctx, make([]byte, 100), 0)
	wants(t, err, context.Canceled)
}

func TestCloseEndsWhatGoroutinesWaitFor(t *testing.T) {
	p := open(t) // nobody serves it
	f := somefile(t, p, 100)
	const n = 8
	done := make(chan error)
	for i := 0; i < n; i++ {
		go func() {
			_, err := f.WriteAt(context.Background(), make([]byte, 100), 0)
			done <- err
		}()
	}
	for p.c.slots.operations() < n {
		runtime.Gosched()
	}
	must(t, p.Close())
	for i := 0; i < n; i++ {
		wants(t, <-done, ErrClosed)
	}
}

func TestCancelFindsNothingToCancel(t *testing.T) {
	p := open(t)
	f := somefile(t, p, 10)
	_, err := p.Cancel(1 << 40)
	wants(t, err, ErrNotFound)
	if n, err := p.CancelAll(); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := p.CancelHandle(f.h); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	must(t, p.Attach(f.h))
}

func TestAFileOfOsIsServed(t *testing.T) {
	p := served(t)
	file, err := os.Open(somepath(t, 1000))
	must(t, err)
	f, err := p.FileFrom(file)
	must(t, err)
	must(t, file.Close()) // the other one has a descriptor of its own
	b := make([]byte, 1000)
	n, err := f.ReadAt(soon(t), b, 0)
	if n != 1000 || err != nil || !bytes.Equal(b, pattern(1000, 0)) {
		t.Fatal(n, err)
	}
	must(t, f.Close())
	if _, err = p.FileFrom(file); err == nil {
		t.Fatal("a file that was closed")
	}
}

func TestAlignedBuffersSuitDirect(t *testing.T) {
	p := served(t)
	path := somepath(t, 1<<16)
	f, err := p.OpenFile(path, ForReading, Direct)
	if errors.Is(err, ErrUnsupported) {
		t.Skip("gate direct: this file system has none")
	}
	must(t, err)
	b, err := p.Alloc(1 << 16)
	must(t, err)
	defer b.Free()
	n, err := f.ReadBuffer(soon(t), b, 0, b.Len(), 0)
	if n != 1<<16 || err != nil || !bytes.Equal(b.Bytes(), pattern(1<<16, 0)) {
		t.Fatal(n, err)
	}
}
