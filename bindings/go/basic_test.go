// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// open is a poller that the test closes.
func open(t testing.TB, options ...Options) *Poller {
	t.Helper()
	p, err := Open(options...)
	must(t, err)
	t.Cleanup(func() { closed(t, p.Close()) })
	return p
}

// serving is a loop that the test closes.
func serving(t testing.TB, options ...Options) *Loop {
	t.Helper()
	l, err := NewLoop(options...)
	must(t, err)
	t.Cleanup(func() { closed(t, l.Close()) })
	return l
}

func closed(t testing.TB, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// patience turns a hang into a failure.
const patience = 60 * time.Second

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t testing.TB, err, wanted error) {
	t.Helper()
	if !errors.Is(err, wanted) {
		t.Fatalf("got %v, and wanted %v", err, wanted)
	}
}

// one waits for one event.
func one(t testing.TB, p *Poller) Event {
	t.Helper()
	events := make([]Event, 8)
	n, err := p.Wait(soon(t), events)
	must(t, err)
	if n != 1 {
		t.Fatalf("%d events, and wanted one: %v", n, events[:n])
	}
	return events[0]
}

func quiet(t testing.TB, p *Poller) {
	t.Helper()
	events := make([]Event, 4)
	if n, err := p.WaitFor(0, events); n != 0 || err != nil {
		t.Fatal(events[:n], err)
	}
}

// until yields to others until it is so.
func until(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// collected runs the collector until it is so.
func collected(t testing.TB, what string, so func() bool) {
	t.Helper()
	until(t, what, func() bool {
		runtime.GC()
		return so()
	})
}

// inFlight waits until a loop's poller has so many operations.
func inFlight(t testing.TB, l interface{ Stats() (Stats, error) }, n uint64) {
	t.Helper()
	until(t, "operations in flight", func() bool {
		s, err := l.Stats()
		must(t, err)
		return s.IOInFlight >= n
	})
}

func pattern(n, from int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((from + i) % 251)
	}
	return b
}

// somepath is a file of this size, of which byte i is i modulo 251.
func somepath(t testing.TB, size int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, pattern(size, 0), 0o600))
	return path
}

// somefile is such a file, open.
func somefile(t testing.TB, l *Loop, size int) *File {
	t.Helper()
	f, err := l.OpenFile(somepath(t, size), ForReading, ForWriting)
	must(t, err)
	t.Cleanup(func() { closed(t, f.Close()) })
	return f
}
