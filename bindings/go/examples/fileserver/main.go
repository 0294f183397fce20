// SPDX-License-Identifier: MIT

// Fileserver is a static file server, and the first program to read about evpoll in Go. Each
// connection is a goroutine that reads and writes like any other; what waits is parked, and files go
// from the system's cache into the socket (respond, io.CopyN). What a request may be is in http.go.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/evpoll/evpoll/bindings/go"
)

const requestMax, chunk = 8 * 1024, 256 * 1024 // a client is to take a chunk in the time there is

type server struct {
	loop                               *evpoll.Loop
	listener                           *evpoll.Listener
	places, sending                    chan struct{} // room for as many connections, and files
	folder                             string
	idle                               atomic.Int64 // how long a connection may make no progress
	mu                                 sync.Mutex   // guards what follows
	stopping                           bool
	clients                            map[net.Conn]bool // true: between two requests, with nothing to lose
	all                                sync.WaitGroup
	requests, refused, accepted, bytes atomic.Int64
}

// accept serves until the listener is closed. Without descriptors there are fewer connections from now
// on, since each needs a second one for its file: the others wait in the backlog.
func (s *server) accept() {
	for {
		s.places <- struct{}{}
		c, err := s.listener.AcceptConn()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			s.mu.Lock()
			fewer := len(s.clients) / 2
			s.mu.Unlock()
			for ; fewer > 0; fewer-- {
				s.places <- struct{}{}
			}
			<-s.places
		default:
			s.accepted.Add(1)
			s.all.Add(1)
			go s.client(c)
		}
	}
}

// client is the life of a connection.
func (s *server) client(c *evpoll.Conn) {
	defer s.all.Done()
	s.serve(c)
	c.Close()
	s.mu.Lock()
	delete(s.clients, c)
	s.mu.Unlock()
	<-s.places
}

// between notes whether a client is between two requests; false: there is to be no next one.
func (s *server) between(c *evpoll.Conn, now bool) bool {
	c.SetReadDeadline(time.Now().Add(time.Duration(s.idle.Load())))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c] = now
	return !s.stopping
}

// serve answers requests until the client has no more.
func (s *server) serve(c *evpoll.Conn) {
	received, room := 0, make([]byte, requestMax)
	for keep := true; keep && s.between(c, true); {
		used, r := parse(room[:received])
		for used == 0 && received < requestMax {
			n, err := c.Read(room[received:])
			if err != nil {
				return
			}
			received += n
			used, r = parse(room[:received])
		}
		if used == 0 {
			used, r = received, tooLong(room)
		}
		received = copy(room, room[used:received]) // the next one of a client that does not wait
		keep = s.between(c, false) && r.keepAlive
		if s.respond(c, r, keep) != nil {
			return
		}
	}
	// Closing with unread bytes in the socket resets the connection, and the client may lose the
	// end of the response. So say that this was all, and read what comes until it has closed.
	c.CloseWrite()
	s.between(c, false)
	io.Copy(io.Discard, c)
}

// respond sends one response. An error says that the connection cannot go on: cutting it is the only
// way left to tell that a file became shorter than its head has promised.
func (s *server) respond(c *evpoll.Conn, r request, keep bool) error {
	var f *evpoll.File
	var size int64
	var err error
	if r.status == 200 {
		if f, err = s.loop.OpenFile(filepath.Join(s.folder, filepath.FromSlash(r.path))); err == nil {
			defer f.Close()
			size, err = f.Size()
		}
		var failed *evpoll.Error
		if r.status = 500; err == nil {
			r.status = 200
		} else if errors.As(err, &failed) && statuses[failed.Status] != 0 {
			r.status = statuses[failed.Status]
		}
	}
	s.requests.Add(1)
	text := ""
	if r.status != 200 {
		s.refused.Add(1)
		text = fmt.Sprintf("%d %s\n", r.status, reasons[r.status])
		size, f = int64(len(text)), nil
	}
	first := head(r, size, keep)
	if !r.headOnly {
		first = append(first, text...)
	}
	if err = s.send(c, bytes.NewReader(first), int64(len(first))); err != nil || f == nil || r.headOnly {
		return err
	}
	s.sending <- struct{}{}
	defer func() { <-s.sending }()
	return s.send(c, f.Section(0, size), size)
}

// send sends so many bytes, each chunk in the time there is.
func (s *server) send(c *evpoll.Conn, from io.Reader, length int64) error {
	for length > 0 {
		c.SetWriteDeadline(time.Now().Add(time.Duration(s.idle.Load())))
		n, err := io.Copy(c, io.LimitReader(from, chunk))
		s.bytes.Add(n)
		if length -= n; err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// statuses are those of files that cannot be had; 500 the others'.
var statuses = map[evpoll.Status]int{evpoll.ErrNotFound: 404, evpoll.ErrInvalid: 404,
	evpoll.ErrUnsupported: 404, evpoll.ErrAccess: 403, evpoll.ErrLimit: 503, evpoll.ErrNoMemory: 503}

// stop closes the connections between two requests, or all of them. What has begun is finished, in
// five seconds at most.
func (s *server) stop(all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	if s.idle.Load() > int64(5*time.Second) {
		s.idle.Store(int64(5 * time.Second))
	}
	for c, between := range s.clients {
		if between || all {
			c.Close()
		}
	}
}

func main() {
	host := flag.String("host", "127.0.0.1", "address to listen at")
	port := flag.Int("port", 0, "port; 0: one that is free")
	connections := flag.Int("connections", 400, "most connections at once")
	idle := flag.Int("idle", 30, "close connections without progress after this many seconds")
	files := flag.Int("io-limit", 1<<20, "most files that are sent at once")
	engine := flag.String("engine", "auto", "auto, native or pool: what serves file operations")
	flag.Parse()
	folder := flag.Arg(0)
	if folder != "" {
		flag.CommandLine.Parse(flag.Args()[1:]) // options may stand behind it
	}
	if folder == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "usage: evpoll-serve FOLDER [OPTION]...")
		flag.PrintDefaults()
		os.Exit(2)
	}
	s := &server{folder: folder, clients: map[net.Conn]bool{}}
	s.places, s.sending = make(chan struct{}, *connections), make(chan struct{}, *files)
	s.idle.Store(int64(time.Duration(*idle) * time.Second))
	engines := map[string]evpoll.OpenFlags{"native": evpoll.NativeIOOnly, "pool": evpoll.NoURing}
	var err error
	s.loop, err = evpoll.NewLoop(evpoll.Options{Flags: engines[*engine]})
	check(err)
	info, err := s.loop.Info()
	check(err)
	if info.Features&evpoll.FeatureFileIO == 0 {
		check(errors.New("the kernel has no file operations for this engine; try --engine=auto"))
	}
	s.listener, err = s.loop.Listen("tcp", net.JoinHostPort(*host, fmt.Sprint(*port)))
	check(err)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	fmt.Printf("listening on %s\n", s.listener.Addr())
	go func() {
		<-signals
		fmt.Println("stopping; once more to stop at once")
		s.listener.Close()
		s.stop(false)
		<-signals
		s.stop(true)
	}()
	s.accept()
	s.stop(false) // who was accepted in between
	s.all.Wait()
	s.report(info)
	check(s.loop.Close())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (s *server) report(info evpoll.Info) {
	text, _ := s.loop.Describe()
	stats, _ := s.loop.Stats()
	for _, line := range append(strings.Split(strings.TrimSpace(text), "\n"),
		"features: "+strings.ReplaceAll(info.Features.String(), "|", " "),
		fmt.Sprintf("%d waits, %d events, %.2f events per wait", stats.Waits, stats.Events,
			float64(stats.Events)/float64(stats.Waits)),
		fmt.Sprintf("%d connections, %d requests (%d refused), %d bytes sent", s.accepted.Load(),
			s.requests.Load(), s.refused.Load(), s.bytes.Load())) {
		fmt.Println("evpoll-serve:", line)
	}
}
