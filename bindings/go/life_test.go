// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

func TestUseAfterCloseIsAnError(t *testing.T) {
	p := open(t)
	file := somefile(t, p, 10)
	socket, other, err := p.Pair()
	must(t, err)
	must(t, other.Close())
	must(t, p.Close())
	events := make([]Event, 1)
	ctx := soon(t)
	drop := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"close":    p.Close(),
		"wait":     drop(p.Wait(ctx, events)),
		"wait for": drop(p.WaitFor(0, events)),
		"turn":     drop(p.Turn(ctx, nil, nil, events)),
		"wake":     p.Wake(),
		"post":     p.Post(1, 1),
		"add":      p.Add(socket.h, 1, Readable, Level),
		"modify":   p.Modify(socket.h, 1, Readable, Level),
		"rearm":    p.Rearm(socket.h, 1, Readable),
		"remove":   p.Remove(socket.h, 1),
		"update":   drop(p.Update(make([]Change, 1))),
		"submit":   drop(p.Submit([]Op{{Code: Sync, File: file.h}})),
		"list":     drop(p.SubmitList([]Op{{Code: Sync, File: file.h}}, 1)),
		"take":     drop(p.ListTake(1, make([]Result, 1))),
		"cancel":   drop(p.Cancel(5)),
		"all":      drop(p.CancelAll()),
		"handle":   drop(p.CancelHandle(file.h)),
		"attach":   p.Attach(file.h),
		"stats":    drop(p.Stats()),
		"info":     drop(p.Info()),
		"describe": drop(p.Describe()),
		"alloc":    drop(p.Alloc(1)),
		"open":     drop(p.OpenFile("x")),
		"listen":   drop(p.ListenTCP("127.0.0.1:0")),
		"pair":     func() error { _, _, err := p.Pair(); return err }(),
		"shutdown": p.Shutdown(ctx),
		"read":     drop(file.ReadAt(ctx, make([]byte, 1), 0)),
		"watch":    socket.Watch(1, Readable, Level),
	} {
		if err != ErrClosed {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, p.Run())
	must(t, socket.Close())
	must(t, file.Close())
	wants(t, socket.Close(), ErrClosed)
	wants(t, file.Close(), ErrClosed)
	_, err = socket.Recv(make([]byte, 1))
	wants(t, err, ErrClosed)
}

func TestCloseSendsWaitersAway(t *testing.T) {
	p := open(t)
	const n = 4
	done := make(chan error, 2*n)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := 0; i < n; i++ {
		go func() {
			_, err := p.Wait(context.Background(), make([]Event, 4))
			done <- err
		}()
		go func() {
			_, err := p.Wait(ctx, make([]Event, 4))
			done <- err
		}()
	}
	inWait(t, p, 2*n)
	must(t, p.Close())
	for i := 0; i < 2*n; i++ {
		wants(t, <-done, ErrClosed)
	}
}

// Calls of all kinds run into the close of their poller, again and again.
func TestCloseRacesWithUse(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for round := 0; round < rounds; round++ {
		p := open(t)
		a, b, err := p.Pair()
		must(t, err)
		must(t, a.Watch(1, Writable, Level))
		ctx, cancel := context.WithCancel(context.Background())
		var users sync.WaitGroup
		start := make(chan struct{})
		for _, use := range []func() error{
			func() error { _, err := p.Wait(ctx, make([]Event, 2)); return err },
			func() error { _, err := p.WaitFor(time.Microsecond, make([]Event, 2)); return err },
			func() error { return p.Post(1, 1) },
			func() error { return p.Wake() },
			func() error { return a.Modify(Readable|Writable, Level) },
			func() error { _, err := p.Stats(); return err },
		} {
			use := use
			users.Add(1)
			go func() {
				defer users.Done()
				<-start
				for err := error(nil); err == nil; {
					err = use()
					if err != nil && err != ErrClosed {
						t.Error(err)
					}
				}
			}()
		}
		close(start)
		for i := 0; i < round%7; i++ {
			runtime.Gosched()
		}
		must(t, p.Close())
		users.Wait()
		cancel()
		a.Close()
		b.Close()
	}
}

// collected runs the collector until it is so.
func collected(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); {
		if time.Now().After(end) {
			t.Fatalf("%s are never given back", what)
		}
		runtime.GC()
		runtime.Gosched()
	}
}

func TestDroppedPollersAreGivenBack(t *testing.T) {
	before := live.Load()
	for i := 0; i < 50; i++ {
		p, err := Open()
		must(t, err)
		must(t, p.Post(1, 1))
		ctx, cancel := context.WithCancel(context.Background())
		_, err = p.Wait(ctx, make([]Event, 4)) // the watcher must not hold the poller
		must(t, err)
		defer cancel()
	}
	collected(t, "pollers", func() bool { return live.Load() <= before })
}

// While somebody waits the poller is in use, even if nothing else of the program knows it.
func TestAWaitKeepsItsPoller(t *testing.T) {
	done := make(chan int)
	var inner *core
	func() {
		p, err := Open()
		must(t, err)
		inner = p.c
		go func() {
			n, _ := p.WaitFor(patience, make([]Event, 4))
			done <- n
		}()
		inWait(t, p, 1)
	}()
	for i := 0; i < 10; i++ {
		runtime.GC()
	}
	if inner.gate.closed() {
		t.Fatal("it was collected while somebody waited")
	}
	capi.Post(inner.raw, 1, 1)
	if n := <-done; n != 1 {
		t.Fatal(n)
	}
}

func TestADroppedPollerKeepsBuffersUntilTheKernelLetsGo(t *testing.T) {
	before, pollers := buffers.Load(), live.Load()
	path := somepath(t, 1<<20)
	for i := 0; i < 20; i++ {
		p, err := Open()
		must(t, err)
		f, err := p.OpenFile(path)
		must(t, err)
		for j := 0; j < 8; j++ {
			b, err := p.Alloc(1 << 17)
			must(t, err)
			_, err = p.Submit([]Op{{Code: Read, File: f.h, Buffer: b, Length: 1 << 17,
				Offset: int64(j) << 17}})
			must(t, err)
			must(t, b.Free()) // the kernel has it
			if b.Users() != 1 {
				t.Fatal(b.Users())
			}
		}
	}
	collected(t, "pollers", func() bool { return live.Load() <= pollers })
	collected(t, "buffers", func() bool { return buffers.Load() <= before })
}

func TestABufferThatIsDroppedArrivesWhole(t *testing.T) {
	p := open(t)
	const n, size = 16, 1 << 16
	f := somefile(t, p, n*size)
	bytes := make([][]byte, n)
	for i := range bytes {
		b, err := p.Alloc(size)
		must(t, err)
		bytes[i] = b.Bytes()
		_, err = p.Submit([]Op{{Token: uint64(i), Code: Read, File: f.h, Buffer: b, Length: size,
			Offset: int64(i) * size}})
		must(t, err)
	}
	runtime.GC()
	runtime.GC()
	events := make([]Event, n)
	for left := n; left > 0; {
		got, err := p.Wait(soon(t), events)
		must(t, err)
		for _, e := range events[:got] {
			must(t, e.Err())
			if e.Result != size {
				t.Fatal(e)
			}
			for j, b := range bytes[e.Token] {
				if b != byte((int(e.Token)*size+j)%251) {
					t.Fatalf("byte %d of buffer %d", j, e.Token)
				}
			}
		}
		left -= got
	}
}

func TestFreeWaitsForTheKernel(t *testing.T) {
	p := open(t)
	f := somefile(t, p, 100)
	before := buffers.Load()
	b, err := p.Alloc(100)
	must(t, err)
	_, err = p.Submit([]Op{{Token: 3, Code: Read, File: f.h, Buffer: b, Length: 100}})
	must(t, err)
	must(t, b.Free())
	if buffers.Load() != before+1 {
		t.Fatal("the memory is gone, and the kernel writes there")
	}
	if e := one(t, p); e.Token != 3 || e.Result != 100 {
		t.Fatal(e)
	}
	if buffers.Load() != before {
		t.Fatal("the memory is still there")
	}
}

func TestDroppedSocketsAndFilesAreClosed(t *testing.T) {
	p := open(t)
	a, b, err := p.Pair()
	must(t, err)
	must(t, b.Watch(9, Readable, Level))
	defer b.Close()
	runtime.KeepAlive(a)
	a = nil
	ended := false
	collected(t, "sockets", func() bool {
		events := make([]Event, 4)
		n, err := p.WaitFor(0, events)
		must(t, err)
		ended = ended || n == 1 && events[0].Events&ReadClosed != 0
		return ended
	})
}

func TestShutdownDeliversWhatIsInFlight(t *testing.T) {
	p := open(t)
	f := somefile(t, p, 100)
	b, err := p.Alloc(100)
	must(t, err)
	defer b.Free()
	_, err = p.Submit([]Op{{Token: 3, Code: Read, File: f.h, Buffer: b, Length: 100}})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = p.Shutdown(ctx) // nobody waits, so nothing is delivered
	wants(t, err, context.Canceled)
	wants(t, err, ErrTimeout)
	wants(t, p.Post(1, 1), ErrShutdown)
	ops := []Op{{Code: Sync, File: f.h}, {Code: Read, File: f.h, Buffer: b, Length: 1}}
	_, err = p.Submit(ops)
	wants(t, err, ErrShutdown)
	if ops[0].Status != ErrShutdown || ops[1].Status != ErrShutdown || b.Users() != 1 {
		t.Fatal(ops, b.Users())
	}
	if e := one(t, p); e.Token != 3 {
		t.Fatal(e)
	}
	must(t, p.Shutdown(soon(t)))
	_, err = p.Wait(soon(t), make([]Event, 1))
	wants(t, err, ErrShutdown)
}

// An operation that never ends: the library says so for as long as the test wants. Neither Close
// nor a finalizer waits for it, other pollers are closed meanwhile, and the buffer is kept.
func TestAnOperationThatNeverEndsHoldsUpNobody(t *testing.T) {
	before, pollers := buffers.Load(), live.Load()
	path := somepath(t, 100)
	never := make(chan struct{})
	hung := func(drop bool) *Poller {
		p, err := Open()
		must(t, err)
		p.c.closing = func(raw unsafe.Pointer, nanoseconds int64) int64 {
			select {
			case <-never:
				return capi.Close(raw, nanoseconds)
			default:
				runtime.Gosched()
				return int64(ErrTimeout)
			}
		}
		f, err := p.OpenFile(path)
		must(t, err)
		b, err := p.Alloc(100)
		must(t, err)
		_, err = p.Submit([]Op{{Code: Read, File: f.h, Buffer: b, Length: 100}})
		must(t, err)
		must(t, b.Free())
		must(t, f.Close())
		if drop {
			return nil
		}
		return p
	}
	hung(true)
	must(t, hung(false).Close())
	for i := 0; i < 20; i++ {
		_, err := Open() // dropped, too
		must(t, err)
	}
	collected(t, "the other pollers", func() bool { return live.Load() <= pollers+2 })
	finalized := make(chan struct{})
	runtime.SetFinalizer(&struct{ a [4]int64 }{}, func(*struct{ a [4]int64 }) { close(finalized) })
	collected(t, "other objects", func() bool {
		select {
		case <-finalized:
			return true
		default:
			return false
		}
	})
	if live.Load() != pollers+2 || buffers.Load() != before+2 {
		t.Fatal("the kernel still writes there")
	}
	close(never)
	collected(t, "the hung pollers", func() bool { return live.Load() <= pollers })
	collected(t, "their buffers", func() bool { return buffers.Load() <= before })
}
