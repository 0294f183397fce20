// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"errors"
	"testing"
	"time"
)

// open is a poller that the test closes.
func open(t testing.TB, options ...Options) *Poller {
	t.Helper()
	p, err := Open(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil && err != ErrClosed {
			t.Error(err)
		}
	})
	return p
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

func TestPostArrives(t *testing.T) {
	p := open(t)
	must(t, p.Post(MaxToken, -5))
	if e := one(t, p); e != (Event{Token: MaxToken, Result: -5, Events: Posted}) {
		t.Fatal(e)
	}
}
