// SPDX-License-Identifier: MIT

// Fileserver is a static file server, and the first program to read about evpoll in Go. Each
// connection is a goroutine that reads and writes like any other; what waits is parked, and files go
// from the system's cache into the socket: server.go. What a request may be is in http.go, and what the
// program is told and tells here.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/evpoll/evpoll/bindings/go"
)

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
	engines := map[string]evpoll.OpenFlags{"native": evpoll.NativeIOOnly, "pool": evpoll.NoURing}
	loop, err := evpoll.NewLoop(evpoll.Options{Flags: engines[*engine]})
	check(err)
	info, err := loop.Info()
	check(err)
	if info.Features&evpoll.FeatureFileIO == 0 {
		check(errors.New("the kernel has no file operations for this engine; try --engine=auto"))
	}
	s := &server{loop: loop, folder: folder, idle: time.Duration(*idle) * time.Second,
		sending: make(chan struct{}, *files)}
	l, err := loop.Listen("tcp", net.JoinHostPort(*host, fmt.Sprint(*port)))
	check(err)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	fmt.Printf("listening on %s\n", l.Addr())
	go func() {
		<-signals
		fmt.Println("stopping; once more to stop at once")
		s.stop(false)
		l.Close()
		<-signals
		s.stop(true)
	}()
	check(l.Serve(*connections, s.serve))
	s.report(info)
	check(loop.Close())
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
	features := strings.ReplaceAll(info.Features.String(), "|", " ")
	for _, line := range append(strings.Split(strings.TrimSpace(text), "\n"), "features: "+features,
		fmt.Sprintf("%d waits, %d events, %.2f events per wait", stats.Waits, stats.Events,
			float64(stats.Events)/float64(stats.Waits)),
		fmt.Sprintf("%d connections, %d requests (%d refused), %d bytes sent", s.accepted.Load(),
			s.requests.Load(), s.refused.Load(), s.bytes.Load())) {
		fmt.Println("evpoll-serve:", line)
	}
}
