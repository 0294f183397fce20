// SPDX-License-Identifier: MIT

//go:build !windows

package evpoll

import (
	"context"
	"os"
	"runtime"
	"testing"
	"time"
)

func sleeping(p *Poller) int { return int(p.asleep.Load()) }

// refused is a parker whose descriptor Go's network poller does not take.
func refused(t *testing.T) parker {
	if runtime.GOOS != "linux" {
		t.Skip("closed: gate refused-descriptor: kqueue takes regular files")
	}
	f, err := os.Create(t.TempDir() + "/file")
	must(t, err)
	raw, err := f.SyscallConn()
	must(t, err)
	return parker{f, raw}
}

func TestAWaitEndsThoughItCannotPark(t *testing.T) {
	p := open(t)
	p.once.Do(func() {
		p.parker = refused(t)
		go p.watch()
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	go func() {
		for looks := uint64(0); looks < 3; runtime.Gosched() { // two are before it sleeps
			now, err := p.Stats()
			if looks = now.Waits; err != nil {
				return
			}
		}
		p.Post(1, 2)
	}()
	var events [4]Event
	if n, err := p.Wait(ctx, events[:]); n != 1 || err != nil || events[0].Result != 2 {
		t.Fatal(n, err, events[0])
	}
	cancel()
	if n, err := p.WaitFor(time.Millisecond, events[:]); n != 0 || err != nil {
		t.Fatal(n, err)
	}
}

func TestALoopServesThoughItCannotPark(t *testing.T) {
	l := &Loop{&loop{ops: map[uint64]*op{}}}
	must(t, l.native.open(nil))
	l.park = refused(t)
	go l.run()
	a, b := connected(t, l, l)
	go func() {
		b.Read(make([]byte, 1))
		b.Write([]byte("y"))
	}()
	if _, err := a.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := a.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	must(t, l.Close())
}
