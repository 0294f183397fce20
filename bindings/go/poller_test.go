// SPDX-License-Identifier: MIT

package evpoll

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// pair is two connected sockets that the test closes.
func pair(t testing.TB) (Handle, Handle) {
	t.Helper()
	a, b, err := SocketPair()
	must(t, err)
	t.Cleanup(func() { SocketClose(a); SocketClose(b) })
	return a, b
}

func send(t testing.TB, h Handle, text string) {
	t.Helper()
	if n, err := SocketSend(h, []byte(text)); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
}

func receive(t testing.TB, h Handle, text string) {
	t.Helper()
	b := make([]byte, 100)
	if n, err := SocketRecv(h, b); string(b[:n]) != text || err != nil {
		t.Fatalf("%q, %v", b[:n], err)
	}
}

// calls counts the native calls of f.
func calls(f func()) int64 {
	before := runtime.NumCgoCall()
	f()
	return runtime.NumCgoCall() - before
}

func TestAWaitIsOneNativeCall(t *testing.T) {
	p := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, wait := range map[string]func([]Event) (int, error){
		"background":  func(e []Event) (int, error) { return p.Wait(context.Background(), e) },
		"cancellable": func(e []Event) (int, error) { return p.Wait(ctx, e) },
		"time":        func(e []Event) (int, error) { return p.WaitFor(time.Hour, e) },
		"turn":        func(e []Event) (int, error) { return p.Turn(ctx, nil, nil, e) },
	} {
		for _, n := range []int{1, 64, 1024} {
			events := make([]Event, n)
			for i := range events {
				must(t, p.Post(uint64(i), 0))
			}
			if used := calls(func() {
				if got, err := wait(events); got != n || err != nil {
					t.Fatal(name, got, err)
				}
			}); used != 1 {
				t.Errorf("%s: %d events by %d calls", name, n, used)
			}
		}
	}
}

// A turn of 100 connections, each read and written, is one call.
func TestATurnOfManyIsOneNativeCall(t *testing.T) {
	p := open(t)
	const n = 100
	b, err := Alloc(n * 64)
	must(t, err)
	ios, changes, events := make([]IO, n), make([]Change, n), make([]Event, 2*n)
	for i := range ios {
		here, there := pair(t)
		changes[i] = Change{Token: uint64(i), Handle: here, Action: ChangeAdd, Mode: Operations}
		ios[i] = IO{Token: uint64(i), Handle: here, Code: Read}
		must(t, ios[i].Use(b, i*64, 64))
		send(t, there, "hello")
	}
	if used := calls(func() {
		if got, err := p.Turn(context.Background(), changes, ios, events); got != n || err != nil {
			t.Fatal(got, err)
		}
	}); used != 1 {
		t.Fatal(used, "calls")
	}
	for _, e := range events[:n] {
		b.Release()
		if e.Result != 5 || string(b.Bytes()[e.Token*64:][:5]) != "hello" {
			t.Fatal(e)
		}
	}
	must(t, b.Free())
}

func TestTheSteadyStateOfEventsCostsNoMemory(t *testing.T) {
	p := open(t)
	a, b := pair(t)
	must(t, p.Add(a, 7, Writable, Level)) // always true: each wait has an event
	here, there := pair(t)
	must(t, p.Add(here, 8, 0, Operations))
	buffer, err := Alloc(64)
	must(t, err)
	events, letter := make([]Event, 64), []byte("x")
	changes := []Change{{Token: 7, Handle: a, Action: ChangeModify, Interest: Writable}}
	ios := make([]IO, 1)
	for name, call := range map[string]func() error{
		"wait": func() error { _, err := p.Wait(context.Background(), events); return err },
		"turn": func() error {
			_, err := p.Turn(context.Background(), changes, nil, events)
			return err
		},
		"submit": func() error {
			ios[0] = IO{Token: 9, Handle: here, Code: Read, Flags: Inline}
			if err := ios[0].Use(buffer, 0, 64); err != nil {
				return err
			}
			SocketSend(there, letter)
			_, err := p.Submit(ios)
			for ios[0].Op != 0 && err == nil {
				var n int
				n, err = p.Wait(context.Background(), events)
				for i := range events[:n] {
					if events[i].Op == ios[0].Op {
						ios[0].Op = 0
					}
				}
			}
			buffer.Release()
			return err
		},
		"timer": func() error {
			ios[0] = IO{Token: 10, Handle: NoHandle, Code: Timer, Offset: int64(time.Hour)}
			if _, err := p.Submit(ios); err != nil {
				return err
			}
			_, err := p.CancelToken(NoHandle, 10)
			return err
		},
		"rearm": func() error { return p.Rearm(a, 7, Writable) },
		"post":  func() error { return p.Post(1, 1) },
		"send and receive": func() error {
			SocketSend(a, letter)
			_, err := SocketRecv(b, letter)
			return err
		},
		"would block": func() error {
			if _, err := SocketRecv(b, letter); !errors.Is(err, ErrWouldBlock) {
				return err
			}
			return nil
		},
	} {
		var failed error
		allocations := testing.AllocsPerRun(100, func() {
			if err := call(); err != nil {
				failed = err
			}
		})
		must(t, failed)
		if allocations != 0 && !raceDetector {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}

// A context of its own for each Wait costs what a context costs: no goroutine, and no memory.
func TestAFreshContextIsCheap(t *testing.T) {
	p := open(t)
	events := make([]Event, 4)
	if n, err := p.WaitFor(time.Microsecond, events); n != 0 || err != nil {
		t.Fatal(n, err) // from now on there is somebody who is parked
	}
	before := runtime.NumGoroutine()
	alone := testing.AllocsPerRun(200, func() {
		ctx, cancel := context.WithCancel(context.Background())
		ctx.Done()
		cancel()
	})
	waiting := testing.AllocsPerRun(200, func() {
		ctx, cancel := context.WithCancel(context.Background())
		p.Post(1, 1)
		if n, err := p.Wait(ctx, events); n != 1 || err != nil {
			t.Error(n, err)
		}
		cancel()
	})
	if waiting > alone && !raceDetector {
		t.Errorf("%v allocations, and %v of them are the context's", waiting, alone)
	}
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d goroutines, and there were %d", now, before)
	}
}

func TestTimeIsKept(t *testing.T) {
	p := open(t)
	for _, timeout := range []time.Duration{0, time.Microsecond, 20 * time.Millisecond} {
		began := time.Now()
		n, err := p.WaitFor(timeout, make([]Event, 4))
		if took := time.Since(began); n != 0 || err != nil || took < timeout {
			t.Errorf("%v: %d, %v after %v", timeout, n, err, took)
		}
	}
}

func TestAContextEndsItsOwnWaitsOnly(t *testing.T) {
	p := open(t)
	const n = 8
	ends, cancels := make([]chan error, n), make([]context.CancelFunc, n)
	for i := range ends {
		ctx, cancel := context.WithCancel(context.Background())
		end := make(chan error, 1)
		ends[i], cancels[i] = end, cancel
		go func() {
			_, err := p.Wait(ctx, make([]Event, 4))
			end <- err
		}()
	}
	for i := range ends {
		cancels[i]()
		wants(t, <-ends[i], context.Canceled)
		for _, other := range ends[i+1:] {
			select {
			case err := <-other:
				t.Fatal("another wait has ended:", err)
			default:
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := p.Wait(ctx, make([]Event, 4))
	wants(t, err, context.DeadlineExceeded)
	if e := err.(*Error); !e.Timeout() {
		t.Fatal("no timeout")
	}
}

// Many waiters whose contexts end at any time: each post comes to one of them, once.
func TestNoEventIsLostToAContext(t *testing.T) {
	p := open(t)
	const total = 3000
	var seen [total]atomic.Int32
	left, all := atomic.Int32{}, make(chan struct{})
	left.Store(total)
	var waiters sync.WaitGroup
	for i := 0; i < 4; i++ {
		waiters.Add(1)
		go func() {
			defer waiters.Done()
			events := make([]Event, 3)
			for {
				select {
				case <-all:
					return
				default:
				}
				ctx, cancel := context.WithCancel(context.Background())
				go cancel()
				n, err := p.Wait(ctx, events)
				cancel()
				if n == 0 && err == nil {
					t.Error("nothing, and no reason")
				}
				for _, e := range events[:n] {
					seen[e.Token].Add(1)
					if left.Add(-1) == 0 {
						close(all)
					}
				}
			}
		}()
	}
	for i := 0; i < total; i++ {
		must(t, p.Post(uint64(i), 0))
	}
	waiters.Wait()
	for i := range seen {
		if n := seen[i].Load(); n != 1 {
			t.Fatalf("post %d came %d times", i, n)
		}
	}
}

// With more events than fit into the array of the one that was woken, the others are woken as well.
func TestWhatDoesNotFitWakesAnother(t *testing.T) {
	p := open(t)
	const n = 4
	done := make(chan error)
	for i := 0; i < n; i++ {
		go func() {
			got, err := p.Wait(context.Background(), make([]Event, 1))
			if got != 1 && err == nil {
				err = errors.New("nothing")
			}
			done <- err
		}()
	}
	until(t, "all are asleep", func() bool { return sleeping(p) == n })
	for i := 0; i < n; i++ {
		must(t, p.Post(1, 1))
	}
	for i := 0; i < n; i++ {
		must(t, <-done)
	}
}

func TestModesReport(t *testing.T) {
	for _, flags := range []OpenFlags{0, SingleWaiter} {
		p := open(t, Options{Flags: flags})
		a, b := pair(t)
		must(t, p.Add(b, 5, Readable, Level))
		quiet(t, p)
		send(t, a, "x")
		for i := 0; i < 3; i++ {
			if e := one(t, p); e != (Event{Token: 5, Events: Readable}) {
				t.Fatal(e)
			}
		}
		must(t, p.Modify(b, 5, Readable, Oneshot))
		one(t, p)
		quiet(t, p)
		must(t, p.Rearm(b, 5, Readable))
		one(t, p)
		must(t, p.Add(b, 6, Readable, Edge))
		for i := 0; i < 3; i++ {
			if e := one(t, p); e.Token != 6 {
				t.Fatal(e)
			}
			receive(t, b, "x")
			_, err := SocketRecv(b, make([]byte, 1))
			wants(t, err, ErrWouldBlock)
			must(t, p.Rearm(b, 6, Readable))
			quiet(t, p)
			send(t, a, "x")
		}
		wants(t, p.Remove(b, 5), ErrStale)
		must(t, p.Remove(b, 6))
		quiet(t, p)
		wants(t, p.Remove(b, 6), ErrNotFound)
		changes := []Change{{Token: 1, Handle: a, Action: ChangeAdd, Interest: Writable},
			{Token: 2, Handle: a, Action: ChangeModify, Interest: Writable}}
		if n, err := p.Update(changes); n != 1 || err != nil || changes[1].Status != ErrStale {
			t.Fatal(n, err, changes)
		}
	}
}

func TestTCPWithEvents(t *testing.T) {
	p := open(t)
	l, err := SocketTCPListen("127.0.0.1", 0, 0)
	must(t, err)
	defer SocketClose(l)
	must(t, p.Add(l, 1, Readable, Level))
	_, err = SocketAccept(l)
	wants(t, err, ErrWouldBlock)
	at, err := SocketLocalAddress(l)
	must(t, err)
	c, err := SocketTCPConnect("127.0.0.1", int(at.Port()))
	must(t, err)
	defer SocketClose(c)
	must(t, p.Add(c, 2, Writable, Oneshot))
	s, connected := NoHandle, false
	events := make([]Event, 4)
	for s == NoHandle || !connected {
		n, err := p.Wait(soon(t), events)
		must(t, err)
		for _, e := range events[:n] {
			if e.Token == 1 && s == NoHandle {
				s, err = SocketAccept(l)
				must(t, err)
			} else if e.Token == 2 {
				pending, err := SocketTakeError(c)
				if pending != OK || err != nil {
					t.Fatal(pending, err)
				}
				connected = true
			}
		}
	}
	defer SocketClose(s)
	must(t, SocketSetNoDelay(c, 1))
	here, err := SocketLocalAddress(c)
	must(t, err)
	if there, err := SocketPeerAddress(s); here != there || err != nil {
		t.Fatal(here, there, err)
	}
	send(t, c, "hello")
	must(t, p.Remove(l, 1))
	must(t, p.Add(s, 3, Readable, Level))
	one(t, p)
	receive(t, s, "hello")
	must(t, SocketShutdown(c, Sending))
	if e := one(t, p); e.Events != Readable|ReadClosed {
		t.Fatal(e)
	}
	_, err = SocketSend(c, []byte("x"))
	wants(t, err, ErrBrokenPipe)
	_, err = SocketTCPListen("127.0.0.1", int(at.Port()), 0)
	wants(t, err, ErrAddressInUse)
}

func TestUDP(t *testing.T) {
	p := open(t)
	a, err := SocketUDPBind("127.0.0.1", 0)
	must(t, err)
	defer SocketClose(a)
	b, err := SocketUDPBind("127.0.0.1", 0)
	must(t, err)
	defer SocketClose(b)
	must(t, p.Add(b, 2, Readable, Level))
	to, err := SocketLocalAddress(b)
	must(t, err)
	from, err := SocketLocalAddress(a)
	must(t, err)
	n, err := SocketSendTo(a, []byte("hello"), to.Addr().String(), int(to.Port()))
	if n != 5 || err != nil {
		t.Fatal(n, err)
	}
	one(t, p)
	text := make([]byte, 10)
	n, sender, err := SocketRecvFrom(b, text)
	if string(text[:n]) != "hello" || sender != from || err != nil {
		t.Fatal(n, sender, err)
	}
	_, _, err = SocketRecvFrom(b, text)
	wants(t, err, ErrWouldBlock)
}

// What belongs to package net or os is watched by way of a duplicate: either may be closed first.
func TestDuplicatesAreWatched(t *testing.T) {
	p := open(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	server, err := l.Accept()
	must(t, err)
	s, err := Duplicate(server.(*net.TCPConn))
	must(t, err)
	must(t, p.Add(s, 2, Readable, Level))
	_, err = client.Write([]byte("hello"))
	must(t, err)
	one(t, p)
	receive(t, s, "hello")
	must(t, server.Close())
	send(t, s, "still here")
	b := make([]byte, 10)
	_, err = io.ReadFull(client, b)
	must(t, err)
	must(t, p.Remove(s, 2))
	must(t, SocketClose(s))
	if n, err := client.Read(b); n != 0 || err != io.EOF {
		t.Fatal(n, err)
	}
	client.Close()
	_, err = Duplicate(client.(*net.TCPConn))
	wants(t, err, net.ErrClosed)
	file, err := os.Open(somepath(t, 1))
	must(t, err)
	defer file.Close()
	f, err := Duplicate(file)
	must(t, err)
	defer FileClose(f)
	wants(t, p.Add(f, 4, Readable, Level), ErrUnsupported)
}

func TestOperationsReportOnce(t *testing.T) {
	p := open(t)
	path := somepath(t, 1000)
	h, err := FileOpen(path, ForReading, 0)
	must(t, err)
	b, err := Alloc(1000)
	must(t, err)
	read := IO{Token: 7, Handle: h, Code: Read}
	must(t, read.Use(b, 0, 1000))
	wants(t, read.Use(b, 1, 1000), ErrInvalid)
	ios := []IO{read}
	if n, err := p.Submit(ios); n != 0 || err != nil || ios[0].Status != ErrNotFound {
		t.Fatal(n, err, ios)
	}
	must(t, p.Add(h, 3, 0, Operations))
	if n, err := p.Submit(ios); n != 1 || err != nil || ios[0].Op == 0 {
		t.Fatal(n, err, ios)
	}
	must(t, b.Free()) // the kernel has it
	if e := one(t, p); e.Token != 7 || e.Result != 1000 || e.Events != IODone || e.Op != ios[0].Op {
		t.Fatal(e)
	}
	if got := unsafe.Slice((*byte)(b.start), b.size); !bytes.Equal(got, pattern(1000, 0)) {
		t.Fatal("other bytes")
	}
	b.Release()
	wants(t, read.Use(b, 0, 10), ErrInvalid)

	wants(t, p.Hold(h, 4), ErrStale)
	must(t, p.Hold(h, 3))
	wants(t, p.Remove(h, 3), ErrBusy)
	ios = []IO{{Token: 8, Handle: h, Code: Close}}
	if n, err := p.Submit(ios); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	quiet(t, p) // it was not closed while somebody held it
	must(t, p.Release(h))
	if e := one(t, p); e.Token != 8 || e.Status != OK || e.Events != IODone {
		t.Fatal(e)
	}

	timer := []IO{{Token: 9, Handle: NoHandle, Code: Timer, Offset: int64(time.Hour)}}
	if n, err := p.Submit(timer); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := p.Retime(NoHandle, 9, 0); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if e := one(t, p); e.Token != 9 || e.Status != OK {
		t.Fatal(e)
	}
	if n, err := p.Submit(timer); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := p.CancelToken(NoHandle, 9); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	e := one(t, p)
	wants(t, e.Err(), ErrCancelled)
	_, err = p.Cancel(e.Op)
	wants(t, err, ErrNotFound)
}

func TestALimitIsTold(t *testing.T) {
	p := open(t, Options{IOLimit: 1})
	ios := []IO{{Handle: NoHandle, Code: Timer, Offset: int64(time.Hour)},
		{Handle: NoHandle, Code: Timer, Offset: int64(time.Hour)}, {Handle: -1, Code: 99}}
	if n, err := p.Submit(ios); n != 1 || err != nil || ios[1].Status != ErrAgain ||
		ios[2].Status != ErrUnsupported {
		t.Fatal(n, err, ios)
	}
	events := make([]Event, 4)
	if n, err := p.Turn(soon(t), nil, ios[1:], events); n != 0 || err != nil { // does not block
		t.Fatal(n, err)
	}
	if n, err := p.CancelAll(); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	one(t, p)
}

func TestWakesAndPostsArrive(t *testing.T) {
	p := open(t, Options{WakeToken: 77})
	done := make(chan Event)
	go func() { done <- one(t, p) }()
	until(t, "it sleeps", func() bool { return sleeping(p) == 1 })
	must(t, p.Wake())
	if e := <-done; e != (Event{Token: 77, Events: Woken}) {
		t.Fatal(e)
	}
	must(t, p.Post(1<<63|5, -1<<63)) // all bits
	if e := one(t, p); e != (Event{Token: 1<<63 | 5, Result: -1 << 63, Events: Posted}) {
		t.Fatal(e)
	}
}

// The collector, and everybody else, goes on while somebody waits: also where one thread runs Go.
func TestAWaitHoldsUpNobody(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p := open(t)
	done := make(chan error)
	go func() {
		_, err := p.Wait(context.Background(), make([]Event, 4))
		done <- err
	}()
	until(t, "it sleeps", func() bool { return sleeping(p) == 1 })
	for i := 0; i < 5; i++ {
		runtime.GC()
	}
	must(t, p.Wake())
	must(t, <-done)
}

func TestThePollersHandleIsReadableWhenAWaitReturns(t *testing.T) {
	p := open(t)
	h, err := p.Handle()
	if errors.Is(err, ErrUnsupported) {
		t.Skip("gate poller-handle: not on this system")
	}
	must(t, err)
	outer := open(t)
	must(t, outer.Add(h, 4, Readable, Level))
	must(t, p.Post(1, 1))
	if e := one(t, outer); e.Token != 4 || e.Events&Readable == 0 {
		t.Fatal(e)
	}
	one(t, p)
	must(t, outer.Remove(h, 4))
}

func TestShutdownDeliversWhatIsInFlight(t *testing.T) {
	p := open(t)
	h, err := FileOpen(somepath(t, 1<<20), ForReading, 0)
	must(t, err)
	defer FileClose(h)
	must(t, p.Add(h, 3, 0, Operations))
	b, err := Alloc(1 << 20)
	must(t, err)
	ios := []IO{{Token: 3, Handle: h, Code: Read}}
	must(t, ios[0].Use(b, 0, 1<<20))
	_, err = p.Submit(ios)
	must(t, err)
	must(t, p.Shutdown())
	wants(t, p.Post(1, 1), ErrShutdown)
	if e := one(t, p); e.Token != 3 {
		t.Fatal(e)
	}
	b.Release()
	_, err = p.Wait(soon(t), make([]Event, 1))
	wants(t, err, ErrShutdown)
	must(t, p.Remove(h, 3))
}

func TestUseAfterCloseIsAnError(t *testing.T) {
	p := open(t)
	must(t, p.Close())
	events := make([]Event, 1)
	drop := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"close":    p.Close(),
		"wait":     drop(p.Wait(context.Background(), events)),
		"wait for": drop(p.WaitFor(0, events)),
		"turn":     drop(p.Turn(context.Background(), nil, make([]IO, 1), events)),
		"wake":     p.Wake(),
		"post":     p.Post(1, 1),
		"add":      p.Add(1, 1, Readable, Level),
		"remove":   p.Remove(1, 1),
		"update":   drop(p.Update(make([]Change, 1))),
		"submit":   drop(p.Submit(make([]IO, 1))),
		"cancel":   drop(p.CancelAll()),
		"hold":     p.Hold(1, 1),
		"stats":    drop(p.Stats()),
		"info":     drop(p.Info()),
		"describe": drop(p.Describe()),
		"handle":   drop(p.Handle()),
		"shutdown": p.Shutdown(),
	} {
		if err != ErrClosed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCloseSendsWaitersAway(t *testing.T) {
	p := open(t)
	const n = 8
	done := make(chan error, n)
	for i := 0; i < n; i++ {
		go func() {
			_, err := p.Wait(context.Background(), make([]Event, 4))
			done <- err
		}()
	}
	until(t, "all are asleep", func() bool { return sleeping(p) == n })
	must(t, p.Close())
	for i := 0; i < n; i++ {
		wants(t, <-done, ErrClosed)
	}
}

// Calls of all kinds run into the close of their poller, again and again.
func TestCloseRacesWithUse(t *testing.T) {
	for round := 0; round < 100; round++ {
		p := open(t)
		a, _ := pair(t)
		must(t, p.Add(a, 1, Writable, Level))
		ctx, cancel := context.WithCancel(context.Background())
		var users sync.WaitGroup
		for _, use := range []func() error{
			func() error { _, err := p.Wait(ctx, make([]Event, 2)); return err },
			func() error { _, err := p.WaitFor(time.Microsecond, make([]Event, 2)); return err },
			func() error { return p.Post(1, 1) },
			func() error { return p.Wake() },
			func() error { return p.Modify(a, 1, Readable|Writable, Level) },
			func() error { _, err := p.Stats(); return err },
		} {
			use := use
			users.Add(1)
			go func() {
				defer users.Done()
				for err := error(nil); err == nil; {
					if err = use(); err != nil && err != ErrClosed {
						t.Error(err)
					}
				}
			}()
		}
		for i := 0; i < round%7; i++ {
			runtime.Gosched()
		}
		must(t, p.Close())
		users.Wait()
		cancel()
	}
}

func TestDroppedPollersAreGivenBack(t *testing.T) {
	before := live.Load()
	for i := 0; i < 50; i++ {
		p, err := Open()
		must(t, err)
		_, err = p.WaitFor(time.Microsecond, make([]Event, 4)) // somebody is parked for it
		must(t, err)
	}
	collected(t, "pollers are given back", func() bool { return live.Load() <= before })
}

// While somebody waits the poller is in use, even if nothing else of the program knows it.
func TestAWaitKeepsItsPoller(t *testing.T) {
	done := make(chan int)
	inner := func() *core {
		p, err := Open()
		must(t, err)
		go func() {
			n, _ := p.WaitFor(patience, make([]Event, 4))
			done <- n
		}()
		until(t, "it sleeps", func() bool { return sleeping(p) == 1 })
		return p.core
	}()
	for i := 0; i < 10; i++ {
		runtime.GC()
	}
	if inner.ending.Load() {
		t.Fatal("it was collected while somebody waited")
	}
	must(t, (&Poller{inner}).Post(1, 1))
	if n := <-done; n != 1 {
		t.Fatal(n)
	}
}

func TestInfoTells(t *testing.T) {
	p := open(t, Options{IOLimit: 17, PoolThreads: 2, Flags: NoURing})
	i, err := p.Info()
	must(t, err)
	if i.IOLimit != 17 || i.PoolThreads != 2 || i.Flags&NoURing == 0 || i.Version>>16 != 1 ||
		i.Features&FeatureFileIO == 0 || i.IOLengthLimit == 0 {
		t.Fatalf("%+v", i)
	}
	if text, err := p.Describe(); err != nil || !bytes.Contains([]byte(text), []byte("files")) {
		t.Fatal(text, err)
	}
}
