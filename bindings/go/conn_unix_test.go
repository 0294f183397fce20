// SPDX-License-Identifier: MIT

//go:build !windows

package evpoll

import (
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// What package net sets is set: at both ends, on every system.
func TestConnectionsAreSetUpAsThoseOfNetAre(t *testing.T) {
	l := serving(t)
	a, b := connected(t, l, l)
	for _, c := range []*Conn{a, b} {
		raw, err := c.SyscallConn()
		must(t, err)
		must(t, raw.Control(func(fd uintptr) {
			noDelay, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY)
			keep, err2 := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
			idle, err3 := 15, error(nil)
			if runtime.GOOS == "linux" {
				idle, err3 = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, 4)
			}
			if noDelay == 0 || keep == 0 || idle != 15 || err != nil || err2 != nil || err3 != nil {
				t.Error(noDelay, keep, idle, err, err2, err3)
			}
		}))
	}
	must(t, a.SetNoDelay(false))
	raw, err := a.SyscallConn()
	must(t, err)
	for period, is := range map[time.Duration]int{time.Minute: 1, 0: 0, -5 * time.Second: 0} {
		must(t, a.SetKeepAlivePeriod(period))
		must(t, raw.Control(func(fd uintptr) {
			on, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
			if (on != 0) != (is != 0) || err != nil {
				t.Error(period, on, err)
			}
		}))
	}
	must(t, a.Close())
	wants(t, a.SetNoDelay(true), net.ErrClosed)
	wants(t, a.SetKeepAlivePeriod(0), net.ErrClosed)
}

// Without descriptors a server waits until there are some, and goes on: the error is Temporary.
func TestAServerOutlivesALackOfDescriptors(t *testing.T) {
	l := serving(t)
	listener := listening(t, l)
	c, err := net.Dial("tcp", listener.Addr().String())
	must(t, err)
	defer c.Close()
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	none := limit
	none.Cur = 3
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none))
	_, err = listener.Accept()
	for i := 0; i < 3 && err == nil; i++ {
		_, err = listener.Accept()
	}
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	wants(t, err, ErrLimit)
	wants(t, err, syscall.EMFILE)
	var temporary net.Error
	if !errors.As(err, &temporary) || !temporary.Temporary() { //nolint:staticcheck
		t.Fatal(err)
	}
	server, err := listener.Accept() // it stayed
	must(t, err)
	must(t, server.Close())
}

// Serve goes on without an error, and with whom it could not accept.
func TestServeOutlivesALackOfDescriptors(t *testing.T) {
	l := serving(t)
	listener := listening(t, l)
	c, err := net.Dial("tcp", listener.Addr().String())
	must(t, err)
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	none := limit
	none.Cur = 3
	before, err := l.Stats()
	must(t, err)
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none))
	served := make(chan error)
	go func() { served <- listener.Serve(10, func(c *Conn) { io.Copy(c, c) }) }()
	tries := func() bool {
		now, err := l.Stats()
		return err != nil || now.IOSubmitted > before.IOSubmitted+2
	}
	until(t, "it tries again", tries)
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	_, err = c.Write([]byte("x"))
	must(t, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	must(t, err)
	must(t, c.Close())
	must(t, listener.Close())
	must(t, <-served)
}
