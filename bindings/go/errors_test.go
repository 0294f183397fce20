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

// Many threads fail at once, each with a code of its own.
func TestAFailureCarriesTheSystemsCode(t *testing.T) {
	file := somepath(t, 0)
	done := make(chan error)
	for i := 0; i < 8; i++ {
		path, wanted := file, fs.ErrExist
		if i%2 == 0 {
			path, wanted = filepath.Join(filepath.Dir(file), "none", "below"), fs.ErrNotExist
		}
		go func() {
			for j := 0; j < 500; j++ {
				_, err := FileOpen(path, ForWriting|Create|Exclusive, 0)
				var e *Error
				if !errors.As(err, &e) || e.OS == 0 || !errors.Is(err, wanted) {
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

func TestErrorsAreWhatOthersCallThem(t *testing.T) {
	for _, err := range []error{ErrClosed, netError("read", nil, nil, ErrClosed)} {
		wants(t, err, net.ErrClosed)
		wants(t, err, fs.ErrClosed)
		wants(t, err, ErrClosed)
	}
	if text := netError("read", nil, nil, ErrClosed).Error(); !strings.Contains(text,
		"use of closed network connection") {
		t.Error(text)
	}
	for status, is := range map[Status][2]bool{ErrLimit: {false, true}, ErrNoMemory: {false, true},
		ErrTimeout: {true, true}, ErrExpired: {true, true}, ErrRefused: {false, false}} {
		e := &Error{Status: status}
		if e.Timeout() != is[0] || e.Temporary() != is[1] {
			t.Error(e, e.Timeout(), e.Temporary())
		}
	}
	wants(t, &Error{Status: ErrExpired}, os.ErrDeadlineExceeded)
	late, stop := context.WithDeadline(context.Background(), time.Now())
	defer stop()
	if err := ended("wait", late).(*Error); !err.Timeout() || !errors.Is(err, ErrCancelled) {
		t.Error(err)
	}
}

func TestAnEventsErrorHasItsCode(t *testing.T) {
	if err := (&Event{Result: 100}).Err(); err != nil {
		t.Fatal(err)
	}
	err := (&Event{Status: ErrIO, Result: 5}).Err()
	wants(t, err, ErrIO)
	wants(t, err, syscall.Errno(5))
	for _, status := range []Status{ErrPartial, ErrCancelled, ErrExpired} { // it is no code there
		if e := (&Event{Status: status, Result: 3}).Err().(*Error); e.OS != 0 {
			t.Error(e)
		}
	}
}

func TestBadInputIsRefused(t *testing.T) {
	p, l := open(t), serving(t)
	events := make([]Event, 1)
	buffer, err := Alloc(100)
	must(t, err)
	file := somefile(t, l, 10)
	ctx := soon(t)
	drop := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"events of length 0":   drop(p.Wait(ctx, nil)),
		"turn without events":  drop(p.Turn(ctx, nil, nil, events[:0])),
		"no context":           drop(p.Wait(nil, events)),                      //nolint:staticcheck
		"no context, read":     drop(file.ReadAt(nil, make([]byte, 1), 0)),     //nolint:staticcheck
		"no context, append":   drop(file.AppendDurable(nil, []byte("x"))),     //nolint:staticcheck
		"no context, dial":     drop(l.DialContext(nil, "tcp", "127.0.0.1:1")), //nolint:staticcheck
		"serve nobody":         listening(t, l).Serve(0, nil),
		"options twice":        drop(Open(Options{}, Options{})),
		"negative io limit":    drop(NewLoop(Options{IOLimit: -1})),
		"cancel of no id":      drop(p.Cancel(0)),
		"buffer of no bytes":   drop(Alloc(0)),
		"buffer of -1 bytes":   drop(Alloc(-1)),
		"negative offset":      drop(file.ReadBuffer(ctx, buffer, 0, 10, -1)),
		"no buffer to read":    drop(file.ReadBuffer(ctx, nil, 0, 10, 0)),
		"behind the buffer":    drop(file.ReadBuffer(ctx, buffer, 91, 10, 0)),
		"before the buffer":    drop(file.ReadBuffer(ctx, buffer, -1, 10, 0)),
		"an overflow":          drop(file.WriteBuffer(ctx, buffer, 1, math.MaxInt, 0)),
		"an empty record":      drop(file.Append(ctx, nil)),
		"receive into nothing": drop(SocketRecv(3, nil)),
		"a name":               drop(SocketTCPListen("localhost", 1, 0)),
		"port 65536":           drop(SocketTCPListen("127.0.0.1", 65536, 0)),
		"zero byte in path":    drop(l.OpenFile("a\x00b")),
		"open for nothing":     drop(l.OpenFile("x", 0)),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, _ := pair(t)
	for name, err := range map[string]error{
		"unknown flag":     drop(Open(Options{Flags: 1 << 30})),
		"unknown interest": p.Add(a, 1, 1<<20, Level),
		"unknown mode":     p.Add(a, 1, Readable, 9),
	} {
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wants(t, p.Add(a, 1, Readable, Operations), ErrInvalid)
	wants(t, p.Add(-1, 1, Readable, Level), ErrBadHandle)
	if n, err := SocketSend(a, nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := p.Update(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := p.Submit(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	must(t, buffer.Free())
}

func TestAnotherMajorVersionIsRefused(t *testing.T) {
	must(t, versionError(1<<16|5<<8))
	for _, version := range []int64{2 << 16, 0, 3<<16 | 4<<8 | 5} {
		wants(t, versionError(version), ErrVersion)
	}
	text := versionError(3<<16 | 4<<8 | 5).Error()
	for _, part := range []string{"3.4.5", "1.x"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %q", part, text)
		}
	}
	if Version() == "" || Now() < 0 {
		t.Fatal(Version(), Now())
	}
}
