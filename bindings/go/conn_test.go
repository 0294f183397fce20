// SPDX-License-Identifier: MIT

package evpoll

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// connected is a connection with itself.
func connected(t testing.TB, p *Poller) (*Conn, *Conn) {
	t.Helper()
	l, err := p.ListenTCP("127.0.0.1:0")
	must(t, err)
	defer l.Close()
	a, err := p.DialTCP(soon(t), l.Addr().String())
	must(t, err)
	b, err := l.AcceptTCP()
	must(t, err)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestConnectionsCarryBytes(t *testing.T) {
	for _, flags := range []OpenFlags{0, SingleWaiter} {
		p := served(t, Options{Flags: flags})
		a, b := connected(t, p)
		if a.LocalAddr().String() != b.RemoteAddr().String() {
			t.Fatal(a.LocalAddr(), b.RemoteAddr())
		}
		must(t, a.SetNoDelay(true))
		data := pattern(5<<20, 3) // more than the system buffers
		done := make(chan error)
		go func() {
			_, err := a.Write(data)
			a.CloseWrite()
			done <- err
		}()
		got, err := io.ReadAll(b)
		must(t, err)
		must(t, <-done)
		if !bytes.Equal(got, data) {
			t.Fatal("other bytes")
		}
		if n, err := b.Read(nil); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		must(t, a.Close())
		must(t, b.Close())
		if got := p.c.slots.attention.Load(); got != 0 {
			t.Fatal(got, "slots are left")
		}
	}
}

func TestManyConnectionsEcho(t *testing.T) {
	p := served(t)
	l, err := p.ListenTCP("127.0.0.1:0")
	must(t, err)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	var clients sync.WaitGroup
	for i := 0; i < 50; i++ {
		i := i
		clients.Add(1)
		go func() {
			defer clients.Done()
			c, err := net.Dial("tcp", l.Addr().String()) // a client of package net
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for j := 0; j < 20; j++ {
				sent, got := pattern(1000+j, i), make([]byte, 1000+j)
				if _, err := c.Write(sent); err != nil {
					t.Error(err)
				}
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(sent, got) {
					t.Error(err)
				}
			}
		}()
	}
	clients.Wait()
	must(t, l.Close())
}

func TestDeadlinesEndReadsAndWrites(t *testing.T) {
	p := served(t)
	a, b := connected(t, p)
	must(t, a.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
	_, err := a.Read(make([]byte, 1))
	wants(t, err, os.ErrDeadlineExceeded)
	_, err = a.Read(make([]byte, 1))
	wants(t, err, os.ErrDeadlineExceeded)
	must(t, a.SetWriteDeadline(time.Now().Add(5*time.Millisecond)))
	n, err := a.Write(make([]byte, 64<<20))
	wants(t, err, os.ErrDeadlineExceeded)
	if n == 64<<20 {
		t.Fatal(n)
	}
	must(t, a.SetDeadline(time.Time{}))
	_, err = b.Write([]byte("x"))
	must(t, err)
	_, err = a.Read(make([]byte, 1))
	must(t, err)
	must(t, a.SetDeadline(time.Now()))
	_, err = a.Read(make([]byte, 1))
	wants(t, err, os.ErrDeadlineExceeded)
}

// rearmed waits until so many calls have found that they would block.
func rearmed(t *testing.T, p *Poller, n uint64) {
	t.Helper()
	for {
		s, err := p.Stats()
		must(t, err)
		if s.Rearms >= n {
			return
		}
		runtime.Gosched()
	}
}

func rearms(t *testing.T, p *Poller) uint64 {
	t.Helper()
	s, err := p.Stats()
	must(t, err)
	return s.Rearms
}

func TestCloseEndsReadsWritesAndAccepts(t *testing.T) {
	p := served(t)
	a, _ := connected(t, p)
	l, err := p.ListenTCP("127.0.0.1:0")
	must(t, err)
	done, before := make(chan error), rearms(t, p)
	go func() { _, err := a.Read(make([]byte, 1)); done <- err }()
	go func() { _, err := l.Accept(); done <- err }()
	rearmed(t, p, before+2)
	go func() { _, err := a.Write(make([]byte, 64<<20)); done <- err }()
	rearmed(t, p, before+3)
	must(t, a.Close())
	must(t, l.Close())
	for i := 0; i < 3; i++ {
		wants(t, <-done, ErrClosed)
	}
	wants(t, a.Close(), ErrClosed)
	if a.LocalAddr() != nil || l.Addr() != nil {
		t.Fatal("an address of what is closed")
	}
}

// A poller that is shut down or closed reports nothing any more: who waits must be told.
func TestTheEndOfThePollerEndsConnections(t *testing.T) {
	for name, end := range map[string]func(p *Poller) error{
		"shutdown": func(p *Poller) error { return p.Shutdown(context.Background()) },
		"close":    func(p *Poller) error { return p.Close() },
	} {
		p := served(t)
		a, _ := connected(t, p)
		done, before := make(chan error), rearms(t, p)
		go func() { _, err := a.Read(make([]byte, 1)); done <- err }()
		rearmed(t, p, before+1)
		must(t, end(p))
		if err := <-done; err == nil {
			t.Error(name, "ended a read without an error")
		}
		must(t, a.Close())
	}
}

func TestDialFails(t *testing.T) {
	p := served(t)
	l, err := p.ListenTCP("127.0.0.1:0")
	must(t, err)
	address := l.Addr().String()
	must(t, l.Close())
	_, err = p.DialTCP(soon(t), address)
	wants(t, err, ErrRefused)
	_, err = p.DialTCP(soon(t), "nobody:1")
	wants(t, err, ErrInvalid)
}
