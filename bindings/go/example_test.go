// SPDX-License-Identifier: MIT

package evpoll_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/evpoll/evpoll/bindings/go"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// A net.Listener and a net.Conn: whatever runs on those of package net runs on these.
func Example() {
	l, err := evpoll.Listen("tcp", "127.0.0.1:0")
	check(err)
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	client := http.Client{Transport: &http.Transport{DialContext: evpoll.DialContext}}
	answer, err := client.Get("http://" + l.Addr().String())
	check(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	fmt.Println(string(text), err)
	// Output: hello <nil>
}

// A loop of one's own ends with all that it serves.
func ExampleLoop() {
	loop, err := evpoll.NewLoop()
	check(err)
	defer loop.Close()
	l, err := loop.Listen("tcp", "localhost:0")
	check(err)
	go func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	c, err := loop.Dial("tcp", l.Addr().String())
	check(err)
	c.Write([]byte("echo"))
	c.(*evpoll.Conn).CloseWrite()
	text, err := io.ReadAll(c)
	fmt.Println(string(text), err)
	// Output: echo <nil>
}

// A server that has so many connections at once, none of which is idle for long, and ends with the last.
func ExampleListener_Serve() {
	l, err := evpoll.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		check(err)
		c.Write([]byte("echo"))
		c.(*net.TCPConn).CloseWrite()
		text, err := io.ReadAll(c)
		fmt.Println(string(text), err)
		l.Close()
		c.Close()
	}()
	check(l.Serve(1000, func(c *evpoll.Conn) {
		c.SetStallTimeout(30 * time.Second)
		io.Copy(c, c)
	}))
	// Output: echo <nil>
}

// Records of many goroutines share a write and a sync.
func ExampleFile_AppendDurable() {
	path := filepath.Join(os.TempDir(), "evpoll-example-log")
	defer os.Remove(path)
	f, err := evpoll.OpenFile(path, evpoll.ForWriting, evpoll.ForAppending, evpoll.Create,
		evpoll.Truncate)
	check(err)
	defer f.Close()
	for _, record := range []string{"one;", "two;"} {
		place, err := f.AppendDurable(context.Background(), []byte(record))
		fmt.Println(place, err) // it is on the disk
	}
	// Output:
	// 0 <nil>
	// 4 <nil>
}

// A loop of the program's own: a socket that becomes ready and a file that is read, in one wait.
func ExamplePoller() {
	p, err := evpoll.Open()
	check(err)
	defer p.Close()

	path := filepath.Join(os.TempDir(), "evpoll-example")
	os.WriteFile(path, []byte("from a file"), 0o600)
	defer os.Remove(path)
	file, err := evpoll.FileOpen(path, evpoll.ForReading, 0)
	check(err)
	here, there, err := evpoll.SocketPair()
	check(err)
	defer evpoll.SocketClose(here)
	defer evpoll.SocketClose(there)

	const socketToken, fileToken = 1, 2
	check(p.Add(here, socketToken, evpoll.Readable, evpoll.Level))
	check(p.Add(file, fileToken, 0, evpoll.Operations))
	evpoll.SocketSend(there, []byte("from a socket"))
	buffer, err := evpoll.Alloc(4096)
	check(err)
	read := []evpoll.IO{{Token: fileToken, Handle: file, Code: evpoll.Read}}
	check(read[0].Use(buffer, 0, buffer.Len())) // lent, until Release
	_, err = p.Submit(read)
	check(err)

	texts := map[uint64]string{}
	events := make([]evpoll.Event, 64)
	for len(texts) < 2 {
		n, err := p.Wait(context.Background(), events)
		check(err)
		for _, e := range events[:n] {
			switch e.Token {
			case socketToken: // it is ready: receive now
				b := make([]byte, 100)
				n, _ := evpoll.SocketRecv(here, b)
				texts[e.Token] = string(b[:n])
				check(p.Remove(here, socketToken))
			case fileToken: // it is done: the bytes are there
				texts[e.Token] = string(buffer.Bytes()[:e.Result])
				buffer.Release()
			}
		}
	}
	p.Submit([]evpoll.IO{{Handle: file, Code: evpoll.Close}})
	fmt.Println(texts[socketToken])
	fmt.Println(texts[fileToken])
	// Output:
	// from a socket
	// from a file
}

// Errors are told apart by errors.Is, and carry the system's own code.
func ExampleError() {
	_, err := evpoll.OpenFile("no such file")
	var failure *evpoll.Error
	fmt.Println(errors.Is(err, evpoll.ErrNotFound), errors.Is(err, os.ErrNotExist))
	fmt.Println(errors.As(err, &failure), failure.Op, failure.Status)
	// Output:
	// true true
	// true file open not found
}
