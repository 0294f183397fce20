// SPDX-License-Identifier: MIT

// Package nettest tries whether a Conn is a net.Conn, by the tests that the Go project has for that.
// It is a module of its own, so that the binding needs nothing but Go.
package nettest

import (
	"net"
	"testing"

	"github.com/evpoll/evpoll/bindings/go"
	"golang.org/x/net/nettest"
)

func TestConn(t *testing.T) {
	nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
		loop, err := evpoll.NewLoop()
		if err != nil {
			return nil, nil, nil, err
		}
		l, err := loop.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, nil, err
		}
		if a, err = loop.Dial("tcp", l.Addr().String()); err != nil {
			return nil, nil, nil, err
		}
		if b, err = l.Accept(); err != nil {
			return nil, nil, nil, err
		}
		return a, b, func() {
			a.Close()
			b.Close()
			l.Close()
			loop.Close()
		}, nil
	})
}
