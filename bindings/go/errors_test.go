// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestEveryStatusIsAnErrorOfItsOwn(t *testing.T) {
	for status := Status(-1); status >= ErrOS; status-- {
		err := error(&Error{Op: "try", Status: status, OS: 5})
		for other := Status(-1); other >= ErrOS; other-- {
			if errors.Is(err, other) != (status == other) {
				t.Errorf("%d and %d", status, other)
			}
		}
		if !errors.Is(err, syscall.Errno(5)) {
			t.Errorf("%v does not carry the system's code", err)
		}
		text := status.Error()
		if text == "" || strings.Contains(text, "unknown") || !strings.Contains(err.Error(), text) {
			t.Errorf("%d is %q in %q", status, text, err)
		}
	}
	if !strings.Contains(Status(-33).Error(), "unknown") {
		t.Error("the list has become longer")
	}
}

func TestAFailureCarriesTheSystemsCode(t *testing.T) {
	p := open(t)
	_, err := p.OpenFile(filepath.Join(t.TempDir(), "none"))
	wants(t, err, ErrNotFound)
	wants(t, err, fs.ErrNotExist) // by way of the system's code
	var e *Error
	if !errors.As(err, &e) || e.OS == 0 {
		t.Fatalf("no code in %v", err)
	}
	// Many threads fail at once, each with a code of its own.
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	done := make(chan error)
	for i := 0; i < 8; i++ {
		path, wanted := file, fs.ErrExist
		if i%2 == 0 {
			path, wanted = file+"/none/below", fs.ErrNotExist
		}
		go func() {
			for j := 0; j < 500; j++ {
				_, err := p.OpenFile(path, ForWriting, Create, Exclusive)
				var e *Error
				if !errors.As(err, &e) || e.OS == 0 ||
					wanted == fs.ErrExist && !errors.Is(err, wanted) ||
					wanted != fs.ErrExist && errors.Is(err, fs.ErrExist) {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for i := 0; i < 8; i++ {
		must(t, <-done)
	}
}

func TestClosedIsWhatOthersCallClosed(t *testing.T) {
	wants(t, ErrClosed, net.ErrClosed)
	wants(t, ErrClosed, fs.ErrClosed)
	wants(t, ErrClosed, ErrClosed)
}

func TestAnEventsErrorHasItsCode(t *testing.T) {
	if err := (&Event{Result: 100}).Err(); err != nil {
		t.Fatal(err)
	}
	err := (&Event{Status: ErrIO, Result: 5}).Err()
	wants(t, err, ErrIO)
	wants(t, err, syscall.Errno(5))
	partial := (&Event{Status: ErrPartial, Result: 3}).Err().(*Error)
	if partial.OS != 0 {
		t.Fatal(partial)
	}
	wants(t, Result{Status: ErrFault, N: 14}.Err(), ErrFault)
}

func TestBadInputIsRefused(t *testing.T) {
	p := open(t)
	a, b, err := p.Pair()
	must(t, err)
	defer a.Close()
	defer b.Close()
	events := make([]Event, 1)
	buffer, err := p.Alloc(100)
	must(t, err)
	defer buffer.Free()
	file := somefile(t, p, 10)
	ctx := soon(t)
	const beyond = MaxToken + 1
	var none *Poller
	var noBuffer *Buffer
	var noFile *File
	var noSocket *Socket
	drop := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"events of length 0":    drop(p.Wait(ctx, nil)),
		"turn without events":   drop(p.Turn(ctx, nil, nil, events[:0])),
		"no context":            drop(p.Wait(nil, events)), //nolint:staticcheck
		"no poller":             none.Close(),
		"no poller, wait":       drop(none.Wait(ctx, events)),
		"a poller of nobody's":  (&Poller{}).Wake(),
		"no buffer":             noBuffer.Free(),
		"no file":               noFile.Close(),
		"no file, read":         drop(noFile.ReadAt(ctx, make([]byte, 1), 0)),
		"no socket":             noSocket.Close(),
		"no socket, send":       drop(noSocket.Send([]byte("x"))),
		"token, add":            p.Add(a.h, beyond, Readable, Level),
		"token, modify":         p.Modify(a.h, beyond, Readable, Level),
		"token, rearm":          p.Rearm(a.h, beyond, Readable),
		"token, remove":         p.Remove(a.h, beyond),
		"token, post":           p.Post(beyond, 0),
		"token, update":         drop(p.Update([]Change{{Token: beyond, Handle: a.h}})),
		"token, submit":         drop(p.Submit([]Op{{Token: beyond, Code: Sync, File: file.h}})),
		"token, list":           drop(p.SubmitList([]Op{{Code: Sync, File: file.h}}, beyond)),
		"token, wake":           drop(Open(Options{WakeToken: beyond})),
		"options twice":         drop(Open(Options{}, Options{})),
		"negative io limit":     drop(Open(Options{IOLimit: -1})),
		"unknown flag":          drop(Open(Options{Flags: 1 << 30})),
		"unknown interest":      p.Add(a.h, 1, 1<<20, Level),
		"unknown mode":          p.Add(a.h, 1, Readable, 9),
		"empty list":            drop(p.SubmitList(nil, 1)),
		"no results":            drop(p.ListTake(5, nil)),
		"cancel all by mistake": drop(p.Cancel(1)),
		"buffer of no bytes":    drop(p.Alloc(0)),
		"buffer of -1 bytes":    drop(p.Alloc(-1)),
		"alignment":             drop(p.AllocAligned(10, 3)),
		"negative offset":       drop(file.ReadBuffer(ctx, buffer, 0, 10, -1)),
		"negative offset, list": drop(file.ReadBlocks(ctx, buffer, 10, -1)),
		"blocks of no bytes":    drop(file.ReadBlocks(ctx, buffer, 0, 0)),
		"blocks of no buffer":   drop(file.ReadBlocks(ctx, nil, 10, 0)),
		"no buffer to read":     drop(file.ReadBuffer(ctx, nil, 0, 10, 0)),
		"behind the buffer":     drop(file.ReadBuffer(ctx, buffer, 91, 10, 0)),
		"before the buffer":     drop(file.ReadBuffer(ctx, buffer, -1, 10, 0)),
		"an overflow":           drop(file.ReadBuffer(ctx, buffer, 1, math.MaxInt, 0)),
		"a buffer to sync":      drop(p.Submit([]Op{{Code: Sync, File: file.h, Buffer: buffer}})),
		"vectored":              drop(p.Submit([]Op{{Code: 3, File: file.h, Buffer: buffer}})),
		"receive into nothing":  drop(a.Recv(nil)),
		"a name":                drop(p.Listen("localhost:1", 1)),
		"no port":               drop(p.Listen("127.0.0.1", 1)),
		"port 65536":            drop(p.Listen("127.0.0.1:65536", 1)),
		"zero byte in path":     drop(p.OpenFile("a\x00b")),
		"zero byte in address":  drop(p.Listen("127.0.0.1\x00:1", 1)),
		"open for nothing":      drop(p.OpenFile("x", 0)),
		"no connection":         drop(p.AddConn(nil, 1, Readable, Level)),
		"no os.File":            drop(p.AddFile(nil, 1, Readable, Level)),
		"no file to duplicate":  drop(p.FileFrom(nil)),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wants(t, p.Add(-1, 1, Readable, Level), ErrBadHandle)
	if n, err := a.Send(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := p.Update(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := p.Submit(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	if buffer.Users() != 0 {
		t.Error("a refused operation keeps its buffer")
	}
	if p.c.slots.operations() != 0 || p.c.slots.attention.Load() != 0 {
		t.Error("a refused operation keeps its slot")
	}
}

func TestFreedBuffersAreRefused(t *testing.T) {
	p := open(t)
	file := somefile(t, p, 10)
	buffer, err := p.Alloc(10)
	must(t, err)
	must(t, buffer.Free())
	wants(t, buffer.Free(), ErrClosed)
	_, err = file.ReadBuffer(soon(t), buffer, 0, 10, 0)
	wants(t, err, ErrInvalid)
	if buffer.Bytes() != nil {
		t.Fatal("the memory of a freed buffer")
	}
}

func TestAnotherMajorVersionIsRefused(t *testing.T) {
	if err := versionError(1<<16|5<<8, "x"); err != nil {
		t.Fatal(err)
	}
	for _, version := range []int64{2 << 16, 0, 3<<16 | 4<<8 | 5} {
		wants(t, versionError(version, "/usr/lib/libevpoll.so.2"), ErrVersion)
	}
	text := versionError(3<<16|4<<8|5, "/usr/lib/libevpoll.so.3").Error()
	for _, part := range []string{"3.4.5", "1.x", "/usr/lib/libevpoll.so.3"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %q", part, text)
		}
	}
	if Version() == "" {
		t.Fatal("no version")
	}
}

func TestFlagsHaveNames(t *testing.T) {
	for got, wanted := range map[string]string{
		(Readable | Woken | 1<<20).String():         "readable|woken|0x100000",
		Events(0).String():                          "0x0",
		(SingleWaiter | NoURing).String():           "single-waiter|no-uring",
		(ForReading | Direct).String():              "read|direct",
		(FeatureFileIO | FeatureAnyHandle).String(): "file-io|any-handle",
		Epoll.String() + Backend(9).String():        "epoll9",
		IOURing.String():                            "io_uring",
	} {
		if got != wanted {
			t.Errorf("%s, and not %s", got, wanted)
		}
	}
}

func TestContextsErrorsAreFound(t *testing.T) {
	p := open(t)
	events := make([]Event, 4)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := p.Wait(ctx, events)
	wants(t, err, context.Canceled)
	wants(t, err, ErrCancelled)
	late, stop := context.WithDeadline(context.Background(), time.Now().Add(time.Millisecond))
	defer stop()
	_, err = p.Wait(late, events)
	wants(t, err, context.DeadlineExceeded)
	if e := err.(*Error); !e.Timeout() {
		t.Error("not a timeout")
	}
}

// somefile is an open file of this size, of which byte i is i modulo 251.
func somefile(t testing.TB, p *Poller, size int) *File {
	t.Helper()
	f, err := p.OpenFile(somepath(t, size), ForReading, ForWriting)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// somepath is a file like somefile's.
func somepath(t testing.TB, size int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	bytes := make([]byte, size)
	for i := range bytes {
		bytes[i] = byte(i % 251)
	}
	must(t, os.WriteFile(path, bytes, 0o600))
	return path
}
