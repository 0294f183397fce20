// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/evpoll/evpoll/bindings/go"
)

// The command line, Ctrl-C and the report. What serves is in server.go.

func main() {
	host := flag.String("host", "127.0.0.1", "address to listen at")
	port := flag.Uint("port", 0, "port; 0: one that is free")
	connections := flag.Int("connections", 400, "most connections at once")
	idle := flag.Int("idle", 30, "close connections without progress after this many seconds")
	limit := flag.Int("io-limit", 0, "most file operations in flight; 0: the library's default")
	engine := flag.String("engine", "auto", "auto, native or pool: what serves file operations")
	folder := arguments()
	s := &server{folder: folder, limit: *connections, clients: map[*client]bool{}}
	s.freed = sync.NewCond(&s.mu)
	s.idle.Store(int64(time.Duration(*idle) * time.Second))
	engines := map[string]evpoll.OpenFlags{"native": evpoll.NativeIOOnly, "pool": evpoll.NoURing}
	var err error
	s.poller, err = evpoll.Open(evpoll.Options{
		Flags: evpoll.SingleWaiter | engines[*engine], IOLimit: *limit})
	check(err)
	info, err := s.poller.Info()
	check(err)
	if info.Features&evpoll.FeatureFileIO == 0 {
		check(errors.New("the kernel has no file operations for this engine; try --engine=auto"))
	}
	go s.poller.Run()
	address := fmt.Sprintf("%s:%d", *host, *port)
	if strings.Contains(*host, ":") {
		address = fmt.Sprintf("[%s]:%d", *host, *port)
	}
	listener, err := s.poller.ListenTCP(address)
	check(err)

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	fmt.Printf("listening on %s\n", listener.Addr())
	var clients sync.WaitGroup
	accepting := make(chan struct{})
	go func() {
		s.accept(listener, &clients)
		close(accepting)
	}()
	<-signals
	fmt.Println("stopping; once more to stop at once")
	listener.Close()
	s.stop(false)
	<-accepting
	go func() {
		<-signals
		s.stop(true)
	}()
	s.stop(false) // who was accepted in between
	clients.Wait()
	s.report()
	check(s.poller.Close())
}

// arguments parses the command line: options may stand behind the folder.
func arguments() string {
	var options, folders []string
	for _, a := range os.Args[1:] {
		if strings.HasPrefix(a, "-") {
			options = append(options, a)
		} else {
			folders = append(folders, a)
		}
	}
	flag.CommandLine.Parse(options)
	if len(folders) != 1 {
		fmt.Fprintln(os.Stderr, "usage: evpoll-serve FOLDER [OPTION]...")
		flag.PrintDefaults()
		os.Exit(2)
	}
	return folders[0]
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (s *server) report() {
	text, _ := s.poller.Describe()
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		fmt.Println("evpoll-serve:", line)
	}
	info, _ := s.poller.Info()
	stats, _ := s.poller.Stats()
	fmt.Println("evpoll-serve: features:", strings.ReplaceAll(info.Features.String(), "|", " "))
	fmt.Printf("evpoll-serve: %d waits, %d events, %.2f events per wait\n",
		stats.Waits, stats.Events, float64(stats.Events)/float64(stats.Waits))
	fmt.Printf("evpoll-serve: %d file operations, %d of them cancelled\n",
		stats.IOCompleted, stats.IOCancelled)
	fmt.Printf("evpoll-serve: %d connections, %d requests (%d refused), %d bytes sent\n",
		s.accepted.Load(), s.requests.Load(), s.refused.Load(), s.bytes.Load())
}
