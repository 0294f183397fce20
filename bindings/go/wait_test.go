// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
)

func posts(t testing.TB, p *Poller, n int) {
	t.Helper()
	for i := 0; i < n; i++ {
		must(t, p.Post(uint64(i), int64(i)))
	}
}

// A wait is one call of C, whatever it returns, and one wait of the library's.
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
			posts(t, p, n)
			before, err := p.Stats()
			must(t, err)
			calls := runtime.NumCgoCall()
			got, err := wait(events)
			calls = runtime.NumCgoCall() - calls
			must(t, err)
			after, err := p.Stats()
			must(t, err)
			if got != n || calls != 1 || after.Waits-before.Waits != 1 {
				t.Errorf("%s: %d of %d events by %d calls and %d waits",
					name, got, n, calls, after.Waits-before.Waits)
			}
		}
	}
}

func TestBatchesAreOneNativeCall(t *testing.T) {
	p := open(t)
	file := somefile(t, p, 4096)
	buffer, err := p.Alloc(4096)
	must(t, err)
	defer buffer.Free()
	const n = 64
	changes, ops := make([]Change, n), make([]Op, n)
	for i := range changes {
		a, b, err := p.Pair()
		must(t, err)
		defer a.Close()
		defer b.Close()
		changes[i] = Change{Token: uint64(i), Handle: a.h, Action: ChangeAdd, Interest: Writable}
		ops[i] = Op{Token: 1000, File: file.h, Code: Read, Buffer: buffer, From: i * 64, Length: 64,
			Offset: int64(i) * 64}
	}
	events := make([]Event, 4*n)
	count := func(name string, call func() (int, error)) {
		t.Helper()
		before := runtime.NumCgoCall()
		got, err := call()
		if calls := runtime.NumCgoCall() - before; got < 1 || err != nil || calls != 1 {
			t.Errorf("%s: %d, %v, by %d calls", name, got, err, calls)
		}
	}
	count("update", func() (int, error) { return p.Update(changes) })
	count("submit", func() (int, error) { return p.Submit(ops) })
	count("turn", func() (int, error) {
		return p.Turn(context.Background(), changes, ops, events)
	})
	for p.c.slots.operations() > 0 {
		_, err := p.Wait(soon(t), events)
		must(t, err)
	}
	if buffer.Users() != 0 {
		t.Fatal("the buffer is still in use")
	}
}

func TestAWaitCostsNoMemory(t *testing.T) {
	p := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a, b, err := p.Pair()
	must(t, err)
	defer a.Close()
	defer b.Close()
	must(t, a.Watch(7, Writable, Level)) // always true: each wait has an event
	file := somefile(t, p, 4096)
	buffer, err := p.Alloc(4096)
	must(t, err)
	defer buffer.Free()
	events, changes := make([]Event, 64), []Change{{
		Token: 7, Handle: a.h, Action: ChangeModify, Interest: Writable, Mode: Level}}
	letter, forever := []byte("x"), context.Background()
	ops := []Op{{Token: 1, File: file.h, Code: Read, Buffer: buffer, Length: 4096}}
	for name, call := range map[string]func() error{
		"wait":              func() error { _, err := p.Wait(forever, events); return err },
		"wait with context": func() error { _, err := p.Wait(ctx, events); return err },
		"wait for":          func() error { _, err := p.WaitFor(time.Hour, events); return err },
		"turn": func() error {
			_, err := p.Turn(ctx, changes, ops, events)
			return err
		},
		"submit": func() error {
			_, err := p.Submit(ops)
			for err == nil && p.c.slots.operations() > 0 {
				_, err = p.Wait(ctx, events)
			}
			return err
		},
		"update": func() error { _, err := p.Update(changes); return err },
		"rearm":  func() error { return p.Rearm(a.h, 7, Writable) },
		"post":   func() error { return p.Post(1, 1) },
		"wake":   func() error { return p.Wake() },
		"send and receive": func() error {
			if _, err := a.Send(letter); err != nil {
				return err
			}
			_, err := b.Recv(letter)
			return err
		},
		"would block": func() error {
			if _, err := a.Recv(letter); err != &wouldBlock {
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
	for p.c.slots.operations() > 0 {
		_, err := p.Wait(ctx, events)
		must(t, err)
	}
}

func TestTimeIsKept(t *testing.T) {
	p := open(t)
	events := make([]Event, 4)
	for _, timeout := range []time.Duration{0, time.Microsecond, 20 * time.Millisecond} {
		began := time.Now()
		n, err := p.WaitFor(timeout, events)
		if took := time.Since(began); n != 0 || err != nil || took < timeout {
			t.Errorf("%v: %d, %v after %v", timeout, n, err, took)
		}
	}
}

// inWait waits until so many goroutines are inside a wait of the library's.
func inWait(t *testing.T, p *Poller, n uint64) {
	t.Helper()
	for {
		s, err := p.Stats()
		must(t, err)
		if s.Waits >= n {
			return
		}
		runtime.Gosched()
	}
}

func TestAContextEndsAWait(t *testing.T) {
	for _, flags := range []OpenFlags{0, SingleWaiter} {
		p := open(t, Options{Flags: flags})
		for round := uint64(1); round <= 20; round++ {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error)
			go func() {
				_, err := p.Wait(ctx, make([]Event, 4))
				done <- err
			}()
			inWait(t, p, round)
			cancel()
			wants(t, <-done, context.Canceled)
		}
		if n, err := p.WaitFor(0, make([]Event, 4)); n != 0 || err != nil {
			t.Fatalf("%d, %v: the contexts left something behind", n, err)
		}
		if p.c.slots.attention.Load() != 0 {
			t.Fatal("a nudge is still expected")
		}
	}
}

func TestADeadlineEndsAWait(t *testing.T) {
	p := open(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := p.Wait(ctx, make([]Event, 4))
	wants(t, err, context.DeadlineExceeded)
}

// Many waiters, each with a context of its own, end one by one; the others go on.
func TestAContextEndsItsOwnWaitsOnly(t *testing.T) {
	p := open(t)
	const n = 8
	type end struct {
		i   int
		err error
	}
	ends := make(chan end)
	var cancels []context.CancelFunc
	for i := 0; i < n; i++ {
		i := i
		ctx, cancel := context.WithCancel(context.Background())
		cancels = append(cancels, cancel)
		go func() {
			_, err := p.Wait(ctx, make([]Event, 4))
			ends <- end{i, err}
		}()
	}
	inWait(t, p, n)
	for i := n - 1; i >= 0; i-- {
		cancels[i]()
		e := <-ends
		if e.i != i {
			t.Fatalf("the wait of context %d ended for %d", e.i, i)
		}
		wants(t, e.err, context.Canceled)
	}
}

// Events are never lost to a context, nor is a wake: each post is seen once.
func TestAContextLosesNoEvents(t *testing.T) {
	p := open(t)
	const total = 3000
	seen := make([]int, total)
	var mu sync.Mutex
	left := total
	all := make(chan struct{})
	var waiters sync.WaitGroup
	for i := 0; i < 3; i++ {
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
				mu.Lock()
				for _, e := range events[:n] {
					if e.Events != Posted {
						t.Error(e)
						continue
					}
					seen[e.Token]++
					if left--; left == 0 {
						close(all)
					}
				}
				mu.Unlock()
			}
		}()
	}
	posts(t, p, total)
	waiters.Wait()
	for i, times := range seen {
		if times != 1 {
			t.Fatalf("post %d came %d times", i, times)
		}
	}
	if got := p.c.slots.attention.Load(); got < 0 {
		t.Fatal(got)
	}
}

// Who gets an event and another's nudge at once leaves with the event, and passes the nudge on.
func TestANudgeIsPassedOn(t *testing.T) {
	p := open(t)
	c := p.c
	ctx, cancel := context.WithCancel(context.Background())
	w := c.join(ctx.Done()) // as a wait that has not got to sleep yet
	cancel()
	nudges := func(n int64) {
		t.Helper()
		for end := time.Now().Add(patience); c.slots.attention.Load() != n; runtime.Gosched() {
			if time.Now().After(end) {
				t.Fatalf("%d nudges, and not %d", c.slots.attention.Load(), n)
			}
		}
	}
	nudges(1)
	must(t, p.Post(5, 5))
	if e := one(t, p); e.Token != 5 {
		t.Fatal(e)
	}
	nudges(1)
	c.part(w)
	select {
	case <-w.gone:
	case <-time.After(patience):
		t.Fatal("the watcher has not ended")
	}
	quiet(t, p)
	nudges(0)
}

// An event that comes late, for what its slot was used for before, finds nobody.
func TestALateEventFindsNobody(t *testing.T) {
	p := served(t)
	a, b := connected(t, p)
	late := a.s.token
	must(t, a.Close())
	must(t, b.Close())
	f := somefile(t, p, 10)
	s := &p.c.slots
	s.mu.Lock()
	one, token := s.take(slotOperation)
	again, other := s.take(slotOperation)
	s.mu.Unlock()
	if uint32(token) != uint32(late) && uint32(other) != uint32(late) {
		t.Fatal("the slot is not used again")
	}
	events := []Event{{Token: late, Events: Readable}}
	if n, _ := p.c.sift(events); n != 0 {
		t.Fatal(events)
	}
	if one.kind != slotOperation || again.kind != slotOperation || s.operations() != 2 {
		t.Fatal("a late event ended an operation")
	}
	s.mu.Lock()
	s.give(token)
	s.give(other)
	s.mu.Unlock()
	_, err := f.ReadAt(soon(t), make([]byte, 10), 0)
	must(t, err)
}

func TestAContextWithoutEndMakesNoGoroutine(t *testing.T) {
	p := open(t)
	before := runtime.NumGoroutine()
	for i := 0; i < 100; i++ {
		must(t, p.Post(1, 1))
		_, err := p.Wait(context.Background(), make([]Event, 4))
		must(t, err)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Fatalf("%d goroutines, and there were %d", after, before)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := 0; i < 100; i++ {
		must(t, p.Post(1, 1))
		_, err := p.Wait(ctx, make([]Event, 4))
		must(t, err)
	}
	if after := runtime.NumGoroutine(); after > before+1 {
		t.Fatalf("%d goroutines, and there were %d", after, before)
	}
}

func TestWakesArrive(t *testing.T) {
	p := open(t, Options{WakeToken: 77})
	done := make(chan Event)
	go func() { done <- one(t, p) }()
	inWait(t, p, 1)
	must(t, p.Wake())
	if e := <-done; e != (Event{Token: 77, Events: Woken}) {
		t.Fatal(e)
	}
}

// The collector, and everybody else, goes on while somebody waits: also where one thread runs Go.
func TestABlockedWaitHoldsUpNobody(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p := open(t)
	done := make(chan error)
	go func() {
		_, err := p.Wait(context.Background(), make([]Event, 4))
		done <- err
	}()
	inWait(t, p, 1)
	for i := 0; i < 5; i++ {
		runtime.GC()
	}
	must(t, p.Wake())
	must(t, <-done)
}

func TestAThreadBoundPollerKnowsItsThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := open(t, Options{Flags: ThreadBound})
	must(t, p.Post(1, 1))
	one(t, p)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // not the test's thread, which is taken
		defer runtime.UnlockOSThread()
		_, err := p.WaitFor(0, make([]Event, 1))
		done <- err
	}()
	wants(t, <-done, ErrThread)
}
