// SPDX-License-Identifier: MIT

// Bench compares the binding with hand-written cgo, and with what Go brings along: its own network
// poller and os.File. All in one process, in alternating slices; the README has its table.
package main

import (
	"context"
	"fmt"
	"math/rand"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go"
	"github.com/evpoll/evpoll/bindings/go/bench/hand"
)

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	p := must(evpoll.Open())
	fmt.Println("|", must(p.Describe()))
	check(p.Close())
	fmt.Println("| what | events | how | ns per event | ratio | of CPU |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, n := range []int{1, 64, 1024} {
		waits(n)
	}
	for _, n := range []int{1, 64, 1024} {
		sockets(n)
	}
	for _, n := range []int{1, 64, 1024} {
		files(n)
	}
}

// waits: n sockets that are ready all the time, and a wait that reports them.
func waits(n int) {
	p, h := must(evpoll.Open()), must(hand.Open())
	for i := 0; i < n; i++ {
		a, b, err := p.Pair()
		check(err)
		defer a.Close()
		defer b.Close()
		check(a.Watch(uint64(i), evpoll.Writable, evpoll.Level))
		check(h.Add(int64(b.Handle()), uint64(i), uint32(evpoll.Writable), uint32(evpoll.Level)))
	}
	ours, theirs := make([]evpoll.Event, n), make([]hand.Event, n)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	wait := func(ctx context.Context) func(int) {
		return func(times int) {
			for i := 0; i < times; i++ {
				if must(p.Wait(ctx, ours)) != n {
					panic("other events")
				}
			}
		}
	}
	compare("wait, all ready", n,
		variant{"hand-written cgo", func(times int) {
			for i := 0; i < times; i++ {
				if h.Wait(theirs) != n {
					panic("other events")
				}
			}
		}},
		variant{"Wait", wait(context.Background())},
		variant{"Wait, a context that can end", wait(ctx)})
	h.Close()
	check(p.Close())
}

// sockets: a byte comes in at each of n connections, and is received.
func sockets(n int) {
	p, q := must(evpoll.Open()), must(evpoll.Open())
	go q.Run()
	var raw, conns, nets senders
	evpollSockets := make([]*evpoll.Socket, n)
	var arrived sync.WaitGroup
	listener := must(q.ListenTCP("127.0.0.1:0"))
	netListener := must(net.Listen("tcp", "127.0.0.1:0"))
	defer netListener.Close()
	for i := 0; i < n; i++ {
		a := must(net.Dial("tcp", netListener.Addr().String()))
		b := must(netListener.Accept())
		s := must(p.AddConn(b, uint64(i), evpoll.Readable, evpoll.Level))
		b.Close() // the socket is a duplicate
		evpollSockets[i] = s
		must(a.(*net.TCPConn).SyscallConn()).Control(raw.add)
		defer a.Close()
		defer s.Close()

		there := must(net.Dial("tcp", netListener.Addr().String()))
		here := must(netListener.Accept())
		must(there.(*net.TCPConn).SyscallConn()).Control(nets.add)
		go drain(here.Read, &arrived)
		defer here.Close()
		defer there.Close()

		client := must(net.Dial("tcp", listener.Addr().String()))
		waiting := must(listener.AcceptTCP())
		must(client.(*net.TCPConn).SyscallConn()).Control(conns.add)
		go drain(waiting.Read, &arrived)
		defer waiting.Close()
		defer client.Close()
	}
	events, b := make([]evpoll.Event, n), make([]byte, 16)
	goroutines := func(s *senders) func(int) {
		return func(times int) {
			for i := 0; i < times; i++ {
				arrived.Add(n)
				s.send()
				arrived.Wait()
			}
		}
	}
	compare("receive a byte each", n,
		variant{"net.Conn, a goroutine each", goroutines(&nets)},
		variant{"Wait and Recv", func(times int) {
			for i := 0; i < times; i++ {
				raw.send()
				for left := n; left > 0; {
					got := must(p.Wait(context.Background(), events))
					for _, e := range events[:got] {
						must(evpollSockets[e.Token].Recv(b))
					}
					left -= got
				}
			}
		}},
		variant{"evpoll.Conn, a goroutine each", goroutines(&conns)})
	check(p.Close())
	check(q.Close())
}

func drain(read func([]byte) (int, error), arrived *sync.WaitGroup) {
	for b := make([]byte, 16); ; arrived.Done() {
		if n, err := read(b); n == 0 || err != nil {
			return
		}
	}
}

type senders []int

func (s *senders) add(fd uintptr) { *s = append(*s, int(fd)) }

func (s senders) send() {
	b := []byte{1}
	for _, fd := range s {
		if n, err := syscall.Write(fd, b); n != 1 {
			panic(err)
		}
	}
}

// files: n reads of 4 KiB each at random places of a file in the page cache.
func files(n int) {
	const block, blocks = 4096, 4096
	path := filepath.Join(must(os.MkdirTemp("", "evpoll-bench")), "file")
	defer os.RemoveAll(filepath.Dir(path))
	check(os.WriteFile(path, make([]byte, block*blocks), 0o600))
	file := must(os.Open(path))
	defer file.Close()
	p, q, h := must(evpoll.Open()), must(evpoll.Open()), must(hand.Open())
	go q.Run()
	ours, parked := must(p.OpenFile(path)), must(q.OpenFile(path))
	defer ours.Close()
	defer parked.Close()
	buffer := must(p.Alloc(n * block))
	places := rand.New(rand.NewSource(1)).Perm(blocks)
	ops, ios := make([]evpoll.Op, n), make([]hand.IO, n)
	events, theirs := make([]evpoll.Event, n), make([]hand.Event, n)
	at := func(i int) int64 { return int64(places[i%blocks]) * block }
	b := make([]byte, block)
	ctx := context.Background()
	compare("read 4 KiB, cached", n,
		variant{"hand-written cgo: submit, wait", func(times int) {
			for i := 0; i < times; i++ {
				for j := range ios {
					ios[j] = hand.NewRead(int64(ours.Handle()),
						unsafe.Pointer(&buffer.Bytes()[j*block]), block, int(at(i*n+j)))
				}
				if h.Submit(ios) != n {
					panic("not accepted")
				}
				for left := n; left > 0; {
					left -= h.Wait(theirs)
				}
			}
		}},
		variant{"Submit, Wait", func(times int) {
			for i := 0; i < times; i++ {
				for j := range ops {
					ops[j] = evpoll.Op{File: ours.Handle(), Code: evpoll.Read, Buffer: buffer,
						From: j * block, Length: block, Offset: at(i*n + j)}
				}
				must(p.Submit(ops))
				for left := n; left > 0; {
					left -= must(p.Wait(ctx, events))
				}
			}
		}},
		variant{"ReadBlocks", func(times int) {
			for i := 0; i < times; i++ {
				must(parked.ReadBlocks(ctx, buffer, block, at(i*n)%(block*(blocks-int64(n)))))
			}
		}},
		variant{"File.ReadAt", func(times int) {
			for i := 0; i < times*n; i++ {
				must(parked.ReadAt(ctx, b, at(i)))
			}
		}},
		variant{"os.File.ReadAt", func(times int) {
			for i := 0; i < times*n; i++ {
				must(file.ReadAt(b, at(i)))
			}
		}})
	h.Close()
	check(p.Close())
	check(q.Close())
	buffer.Free()
}
