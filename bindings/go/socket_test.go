// SPDX-License-Identifier: MIT

package evpoll

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
)

func pair(t testing.TB, p *Poller) (*Socket, *Socket) {
	t.Helper()
	a, b, err := p.Pair()
	must(t, err)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func send(t testing.TB, s *Socket, text string) {
	t.Helper()
	n, err := s.Send([]byte(text))
	if n != len(text) || err != nil {
		t.Fatal(n, err)
	}
}

func receive(t testing.TB, s *Socket, text string) {
	t.Helper()
	b := make([]byte, 100)
	n, err := s.Recv(b)
	if string(b[:n]) != text || err != nil {
		t.Fatalf("%q, %v", b[:n], err)
	}
}

func quiet(t testing.TB, p *Poller) {
	t.Helper()
	events := make([]Event, 4)
	if n, err := p.WaitFor(0, events); n != 0 || err != nil {
		t.Fatal(events[:n], err)
	}
}

func TestLevelReportsAgain(t *testing.T) {
	p := open(t)
	a, b := pair(t, p)
	must(t, b.Watch(5, Readable, Level))
	quiet(t, p)
	send(t, a, "x")
	for i := 0; i < 3; i++ {
		if e := one(t, p); e != (Event{Token: 5, Events: Readable}) {
			t.Fatal(e)
		}
	}
	receive(t, b, "x")
	quiet(t, p)
	must(t, b.Unwatch())
	send(t, a, "y")
	quiet(t, p)
}

func TestEdgeReportsWhatIsNew(t *testing.T) {
	p := open(t)
	a, b := pair(t, p)
	must(t, b.Watch(5, Readable, Edge))
	for i := 0; i < 3; i++ {
		send(t, a, "x")
		if e := one(t, p); e.Token != 5 || e.Events&Readable == 0 {
			t.Fatal(e)
		}
		receive(t, b, "x")
		_, err := b.Recv(make([]byte, 1))
		wants(t, err, ErrWouldBlock)
		must(t, b.Rearm(Readable))
		quiet(t, p)
	}
}

func TestOneshotReportsOnce(t *testing.T) {
	for _, flags := range []OpenFlags{0, SingleWaiter} {
		p := open(t, Options{Flags: flags})
		a, b := pair(t, p)
		must(t, b.Watch(5, Readable, Oneshot))
		send(t, a, "x")
		one(t, p)
		quiet(t, p)
		must(t, b.Rearm(Readable))
		one(t, p)
		quiet(t, p)
		must(t, b.Modify(Readable|Writable, Oneshot))
		if e := one(t, p); e.Events != Readable|Writable {
			t.Fatal(e)
		}
	}
}

func TestUpdateSaysHowEachEnded(t *testing.T) {
	p := open(t)
	a, b := pair(t, p)
	changes := []Change{
		{Token: 1, Handle: a.h, Action: ChangeAdd, Interest: Writable},
		{Token: 2, Handle: a.h, Action: ChangeModify, Interest: Writable},
		{Token: 3, Handle: b.h, Action: ChangeRemove},
		{Token: 1, Handle: a.h, Action: ChangeModify, Interest: Writable, Mode: Oneshot},
	}
	n, err := p.Update(changes)
	if n != 2 || err != nil || changes[1].Status != ErrStale || changes[2].Status != ErrNotFound ||
		changes[0].Status != OK || changes[3].Status != OK {
		t.Fatal(n, err, changes)
	}
	must(t, p.Remove(a.h, 1))
	wants(t, p.Remove(a.h, 1), ErrNotFound)
}

func TestATurnDoesAll(t *testing.T) {
	p := open(t)
	a, _ := pair(t, p)
	f := somefile(t, p, 10)
	b, err := p.Alloc(10)
	must(t, err)
	defer b.Free()
	seen := map[uint64]Event{}
	changes := []Change{{Token: 1, Handle: a.h, Action: ChangeAdd, Interest: Writable,
		Mode: Oneshot}}
	ops := []Op{{Token: 2, File: f.h, Code: Read, Buffer: b, Length: 10}}
	events := make([]Event, 4)
	for len(seen) < 2 {
		n, err := p.Turn(soon(t), changes, ops, events)
		must(t, err)
		if changes != nil && (changes[0].Status != OK || ops[0].Status != OK || ops[0].ID == 0) {
			t.Fatal(changes, ops)
		}
		for _, e := range events[:n] {
			seen[e.Token] = e
		}
		changes, ops = nil, nil
	}
	if seen[1].Events != Writable || seen[2].Events != IODone || seen[2].Result != 10 {
		t.Fatal(seen)
	}
}

func TestTCPWithEvents(t *testing.T) {
	p := open(t)
	l, err := p.Listen("127.0.0.1:0", 1)
	must(t, err)
	defer l.Close()
	_, err = l.Accept()
	wants(t, err, ErrWouldBlock)
	address, err := l.LocalAddr()
	must(t, err)
	c, err := p.Dial(address.String(), 2, Writable, Oneshot)
	must(t, err)
	defer c.Close()
	var s *Socket
	connected := false
	events := make([]Event, 4)
	for s == nil || !connected {
		n, err := p.Wait(soon(t), events)
		must(t, err)
		for _, e := range events[:n] {
			switch e.Token {
			case 1:
				if s == nil {
					s, err = l.Accept()
					must(t, err)
				}
			case 2:
				pending, err := c.TakeError()
				must(t, err)
				must(t, pending)
				connected = true
			}
		}
	}
	defer s.Close()
	must(t, c.SetNoDelay(true))
	here, err := c.LocalAddr()
	must(t, err)
	there, err := s.RemoteAddr()
	if here != there || err != nil {
		t.Fatal(here, there, err)
	}
	send(t, c, "hello")
	must(t, s.Watch(3, Readable, Level))
	must(t, p.Remove(l.h, 1))
	one(t, p)
	receive(t, s, "hello")
	must(t, c.CloseDirection(Sending))
	if e := one(t, p); e.Events != Readable|ReadClosed {
		t.Fatal(e)
	}
	receive(t, s, "")
	must(t, s.Unwatch())
	_, err = c.Send([]byte("x"))
	wants(t, err, ErrBrokenPipe)
	_, err = p.Listen(address.String(), 9)
	wants(t, err, ErrAddressInUse)
	if quickly, err := p.Dial("127.0.0.1:1", 4, Writable, Oneshot); err == nil {
		defer quickly.Close()
		one(t, p)
		err, asked := quickly.TakeError()
		must(t, asked)
		wants(t, err, ErrRefused)
		if e := err.(*Error); e.OS == 0 {
			t.Fatal("no code")
		}
	} else {
		wants(t, err, ErrRefused)
	}
}

func TestUDP(t *testing.T) {
	p := open(t)
	a, err := p.BindUDP("127.0.0.1:0", 1, Readable, Level)
	must(t, err)
	defer a.Close()
	b, err := p.BindUDP("127.0.0.1:0", 2, Readable, Level)
	must(t, err)
	defer b.Close()
	to, err := b.LocalAddr()
	must(t, err)
	from, err := a.LocalAddr()
	must(t, err)
	n, err := a.SendTo([]byte("hello"), to)
	if n != 5 || err != nil {
		t.Fatal(n, err)
	}
	if e := one(t, p); e.Token != 2 {
		t.Fatal(e)
	}
	bytes := make([]byte, 10)
	n, sender, err := b.RecvFrom(bytes)
	if string(bytes[:n]) != "hello" || sender != from || err != nil {
		t.Fatal(n, sender, err)
	}
	_, _, err = b.RecvFrom(bytes)
	wants(t, err, ErrWouldBlock)
	_, err = a.SendTo(nil, netip.AddrPort{})
	wants(t, err, ErrInvalid)
	_, _, err = a.RecvFrom(nil)
	wants(t, err, ErrInvalid)
}

// A connection of package net is watched by way of a duplicate: either may be closed first.
func TestConnectionsOfNetAreWatched(t *testing.T) {
	p := open(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	watched, err := p.AddSyscallConn(l.(*net.TCPListener), 1, Readable, Level)
	must(t, err)
	client, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	if e := one(t, p); e.Token != 1 {
		t.Fatal(e)
	}
	must(t, watched.Close())
	server, err := l.Accept()
	must(t, err)
	s, err := p.AddConn(server, 2, Readable, Level)
	must(t, err)
	_, err = client.Write([]byte("hello"))
	must(t, err)
	one(t, p)
	receive(t, s, "hello")
	must(t, server.Close())
	send(t, s, "still here")
	b := make([]byte, 10)
	_, err = io.ReadFull(client, b)
	must(t, err)
	must(t, s.Close())
	if n, err := client.Read(b); n != 0 || err != io.EOF {
		t.Fatal(n, err)
	}
	client.Close()
	_, err = p.AddConn(client, 3, Readable, Level)
	wants(t, err, net.ErrClosed)
	pipe, _ := net.Pipe()
	_, err = p.AddConn(pipe, 3, Readable, Level)
	wants(t, err, ErrInvalid)
}

func TestPipesOfOsAreWatched(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("gate any-handle: sockets only")
	}
	p := open(t)
	r, w, err := os.Pipe()
	must(t, err)
	defer w.Close()
	s, err := p.AddFile(r, 4, Readable, Level)
	must(t, err)
	quiet(t, p)
	_, err = w.Write([]byte("x"))
	must(t, err)
	one(t, p)
	must(t, r.Close())
	one(t, p)
	must(t, s.Close())
	quiet(t, p)
	_, err = w.Write([]byte("x")) // nobody can read it any more
	if err == nil {
		t.Fatal("a descriptor was left open")
	}
	file, err := os.Open(somepath(t, 1))
	must(t, err)
	defer file.Close()
	_, err = p.AddFile(file, 4, Readable, Level)
	wants(t, err, ErrUnsupported)
}

func TestInfoTells(t *testing.T) {
	p := open(t, Options{IOLimit: 17, PoolThreads: 2, Flags: NoURing})
	i, err := p.Info()
	must(t, err)
	if i.IOLimit != 17 || i.PoolThreads != 2 || i.Flags&NoURing == 0 || i.Version>>16 != 1 ||
		i.Features&FeatureFileIO == 0 || i.IOLengthLimit == 0 {
		t.Fatalf("%+v", i)
	}
	text, err := p.Describe()
	if err != nil || !bytes.Contains([]byte(text), []byte("files")) {
		t.Fatal(text, err)
	}
}
