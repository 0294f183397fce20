// SPDX-License-Identifier: MIT

// Bench compares the binding with hand-written cgo, and with what Go brings along: package net,
// net/http and os.File. All in one process, in alternating slices; the README has its table.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
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
	fmt.Println("| what | at once | how | ns each | ratio | of CPU |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, n := range []int{1, 64, 1024} {
		waits(n)
	}
	for _, n := range []int{1, 64, 1024} {
		sockets(n)
	}
	for _, n := range []int{1, 64} {
		echoes(n)
	}
	serving(16)
	copying()
	for _, n := range []int{1, 64, 1024} {
		files(n)
	}
	appends(64)
}

// waits: n sockets that are ready all the time, and a wait that reports them.
func waits(n int) {
	p, h := must(evpoll.Open()), must(hand.Open())
	for i := 0; i < n; i++ {
		a, b, err := evpoll.SocketPair()
		check(err)
		defer evpoll.SocketClose(a)
		defer evpoll.SocketClose(b)
		check(p.Add(a, uint64(i), evpoll.Writable, evpoll.Level))
		check(h.Add(int64(b), uint64(i), uint32(evpoll.Writable), uint32(evpoll.Level)))
	}
	ours, theirs := make([]evpoll.Event, n), make([]hand.Event, n)
	wait := func(with func() (context.Context, context.CancelFunc)) func(int) {
		return func(times int) {
			for i := 0; i < times; i++ {
				ctx, cancel := with()
				if must(p.Wait(ctx, ours)) != n {
					panic("other events")
				}
				cancel()
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
		variant{"Wait", wait(func() (context.Context, context.CancelFunc) {
			return context.Background(), func() {}
		})},
		variant{"Wait, each with a context of its own", wait(func() (context.Context, context.CancelFunc) {
			return context.WithCancel(context.Background())
		})})
	h.Close()
	check(p.Close())
}

// listeners are package net's and ours.
func listeners() (net.Listener, *evpoll.Loop, *evpoll.Listener) {
	loop := must(evpoll.NewLoop())
	return must(net.Listen("tcp", "127.0.0.1:0")), loop, must(loop.Listen("tcp", "127.0.0.1:0"))
}

// sockets: a byte comes in at each of n connections, and is received.
func sockets(n int) {
	p := must(evpoll.Open())
	netListener, loop, listener := listeners()
	defer netListener.Close()
	var raw, conns, nets senders
	handles := make([]evpoll.Handle, n)
	var arrived sync.WaitGroup
	connect := func(l net.Listener, s *senders) net.Conn {
		there := must(net.Dial("tcp", l.Addr().String()))
		must(there.(*net.TCPConn).SyscallConn()).Control(s.add)
		s.keep = append(s.keep, there)
		return must(l.Accept())
	}
	for i := range handles {
		c := connect(netListener, &raw)
		handles[i] = must(evpoll.Duplicate(c.(*net.TCPConn)))
		c.Close()
		check(p.Add(handles[i], uint64(i), evpoll.Readable, evpoll.Level))
		go drain(connect(netListener, &nets).Read, &arrived)
		go drain(connect(listener, &conns).Read, &arrived)
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
		variant{"Wait and SocketRecv", func(times int) {
			for i := 0; i < times; i++ {
				raw.send()
				for left := n; left > 0; {
					got := must(p.Wait(context.Background(), events))
					for _, e := range events[:got] {
						must(evpoll.SocketRecv(handles[e.Token], b))
					}
					left -= got
				}
			}
		}},
		variant{"evpoll.Conn, a goroutine each", goroutines(&conns)})
	for _, s := range []*senders{&raw, &conns, &nets} {
		for _, c := range s.keep {
			c.Close()
		}
	}
	check(loop.Close())
	check(p.Close())
	for _, h := range handles {
		evpoll.SocketClose(h)
	}
}

func drain(read func([]byte) (int, error), arrived *sync.WaitGroup) {
	for b := make([]byte, 16); ; arrived.Done() {
		if n, err := read(b); n == 0 || err != nil {
			return
		}
	}
}

type senders struct {
	fds  []int
	keep []net.Conn
}

func (s *senders) add(fd uintptr) { s.fds = append(s.fds, int(fd)) }

func (s *senders) send() {
	b := []byte{1}
	for _, fd := range s.fds {
		if n, err := syscall.Write(fd, b); n != 1 {
			panic(err)
		}
	}
}

// echoes: n clients of package net, each with an echo of 64 bytes.
func echoes(n int) {
	netListener, loop, listener := listeners()
	variants := []variant{}
	for _, l := range []net.Listener{netListener, listener} {
		l := l
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					b := make([]byte, 4096)
					for n, err := c.Read(b); err == nil; n, err = c.Read(b) {
						c.Write(b[:n])
					}
					c.Close()
				}()
			}
		}()
		clients := make([]net.Conn, n)
		for i := range clients {
			clients[i] = must(net.Dial("tcp", l.Addr().String()))
			defer clients[i].Close()
		}
		name := map[bool]string{true: "net.Conn", false: "evpoll.Conn"}[l == netListener]
		variants = append(variants, variant{name, func(times int) {
			var all sync.WaitGroup
			for _, c := range clients {
				c := c
				all.Add(1)
				go func() {
					defer all.Done()
					b := make([]byte, 64)
					for i := 0; i < times; i++ {
						must(c.Write(b))
						must(io.ReadFull(c, b))
					}
				}()
			}
			all.Wait()
		}})
		defer l.Close()
	}
	compare("echo of 64 bytes, client and all", n, variants...)
	check(loop.Close())
}

// serving: n clients of net/http, and http.Serve on both listeners.
func serving(n int) {
	netListener, loop, listener := listeners()
	variants := []variant{}
	for _, l := range []net.Listener{netListener, listener} {
		address := "http://" + l.Addr().String()
		go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "hello")
		}))
		client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}}
		name := map[bool]string{true: "net/http on net", false: "net/http on evpoll"}[l == netListener]
		variants = append(variants, variant{name, func(times int) {
			var all sync.WaitGroup
			for i := 0; i < n; i++ {
				all.Add(1)
				go func() {
					defer all.Done()
					for i := 0; i < times; i++ {
						answer := must(client.Get(address))
						must(io.Copy(io.Discard, answer.Body))
						answer.Body.Close()
					}
				}()
			}
			all.Wait()
		}})
		defer l.Close()
	}
	compare("request, client and all", n, variants...)
	check(loop.Close())
}

// copying: 16 MiB of a file to a client that throws it away.
func copying() {
	netListener, loop, listener := listeners()
	path := filepath.Join(must(os.MkdirTemp("", "evpoll-bench")), "file")
	defer os.RemoveAll(filepath.Dir(path))
	check(os.WriteFile(path, make([]byte, 16<<20), 0o600))
	variants := []variant{}
	for _, l := range []net.Listener{netListener, listener} {
		there := must(net.Dial("tcp", l.Addr().String()))
		here := must(l.Accept())
		name := map[bool]string{true: "net.Conn", false: "evpoll.Conn"}[l == netListener]
		variants = append(variants, variant{name, func(times int) {
			for i := 0; i < times; i++ {
				f := must(os.Open(path))
				go io.Copy(here, f)
				must(io.CopyN(io.Discard, there, 16<<20))
				f.Close()
			}
		}})
		defer there.Close()
	}
	compare("io.Copy of 16 MiB of an os.File", 1, variants...)
	netListener.Close()
	check(loop.Close())
}

// appends: n writers, each a record of 100 bytes that has to be on the disk.
func appends(n int) {
	folder := must(os.MkdirTemp(".", "evpoll-bench"))
	defer os.RemoveAll(folder)
	loop := must(evpoll.NewLoop())
	f := must(os.OpenFile(filepath.Join(folder, "os"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600))
	defer f.Close()
	ours := must(loop.OpenFile(filepath.Join(folder, "evpoll"), evpoll.ForWriting,
		evpoll.ForAppending, evpoll.Create))
	record := make([]byte, 100)
	writers := func(write func()) func(int) {
		return func(times int) {
			var all sync.WaitGroup
			for i := 0; i < n; i++ {
				all.Add(1)
				go func() {
					defer all.Done()
					for i := 0; i < times; i++ {
						write()
					}
				}()
			}
			all.Wait()
		}
	}
	compare("durable record of 100 bytes", n,
		variant{"os.File, Write and Sync", writers(func() { must(f.Write(record)); check(f.Sync()) })},
		variant{"AppendDurable", writers(func() {
			must(ours.AppendDurable(context.Background(), record))
		})})
	check(loop.Close())
}

// files: n reads of 4 KiB each at random places of a file in the page cache.
func files(n int) {
	const block, blocks = 4096, 4096
	path := filepath.Join(must(os.MkdirTemp("", "evpoll-bench")), "file")
	defer os.RemoveAll(filepath.Dir(path))
	check(os.WriteFile(path, make([]byte, block*blocks), 0o600))
	file := must(os.Open(path))
	defer file.Close()
	p, loop, h := must(evpoll.Open()), must(evpoll.NewLoop()), must(hand.Open())
	parked := must(loop.OpenFile(path))
	own := must(evpoll.Duplicate(file))
	check(p.Add(own, 1, 0, evpoll.Operations))
	check(h.Add(int64(file.Fd()), 1, 0, uint32(evpoll.Operations)))
	buffer := must(evpoll.Alloc(n * block))
	places := rand.New(rand.NewSource(1)).Perm(blocks)
	ops, ios := make([]evpoll.IO, n), make([]hand.IO, n)
	events, theirs := make([]evpoll.Event, n), make([]hand.Event, n)
	at := func(i int) int64 { return int64(places[i%blocks]) * block }
	b := make([]byte, block)
	ctx := context.Background()
	compare("read 4 KiB, cached", n,
		variant{"hand-written cgo: submit, wait", func(times int) {
			for i := 0; i < times; i++ {
				for j := range ios {
					ios[j] = hand.NewRead(int64(file.Fd()),
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
					ops[j] = evpoll.IO{Handle: own, Code: evpoll.Read, Offset: at(i*n + j)}
					check(ops[j].Use(buffer, j*block, block))
				}
				must(p.Submit(ops))
				for left := n; left > 0; {
					left -= must(p.Wait(ctx, events))
				}
				for range ops {
					buffer.Release()
				}
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
	check(loop.Close())
	check(evpoll.FileClose(own))
	buffer.Free()
}
