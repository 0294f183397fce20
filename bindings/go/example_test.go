// SPDX-License-Identifier: MIT

package evpoll_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/evpoll/evpoll/bindings/go"
)

// One socket and one file in one loop.
func Example() {
	p, err := evpoll.Open()
	if err != nil {
		panic(err)
	}
	defer p.Close()

	path := filepath.Join(os.TempDir(), "evpoll-example")
	os.WriteFile(path, []byte("from a file"), 0o600)
	defer os.Remove(path)
	file, err := p.OpenFile(path)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	buffer, err := p.Alloc(4096)
	if err != nil {
		panic(err)
	}
	defer buffer.Free()
	here, there, err := p.Pair()
	if err != nil {
		panic(err)
	}
	defer here.Close()
	defer there.Close()

	const socketToken, fileToken = 1, 2
	here.Watch(socketToken, evpoll.Readable, evpoll.Level)
	there.Send([]byte("from a socket"))
	p.Submit([]evpoll.Op{{Token: fileToken, File: file.Handle(), Code: evpoll.Read,
		Buffer: buffer, Length: buffer.Len()}})

	texts := map[uint64]string{}
	events := make([]evpoll.Event, 64)
	for len(texts) < 2 {
		n, err := p.Wait(context.Background(), events)
		if err != nil {
			panic(err)
		}
		for _, e := range events[:n] {
			switch e.Token {
			case socketToken: // it is ready: receive now
				b := make([]byte, 100)
				n, _ := here.Recv(b)
				texts[e.Token] = string(b[:n])
				here.Unwatch()
			case fileToken: // it is done: the bytes are there
				texts[e.Token] = string(buffer.Bytes()[:e.Result])
			}
		}
	}
	fmt.Println(texts[socketToken])
	fmt.Println(texts[fileToken])
	// Output:
	// from a socket
	// from a file
}

// Goroutines that wait without a thread: one loop serves all of them.
func ExamplePoller_Run() {
	p, err := evpoll.Open()
	if err != nil {
		panic(err)
	}
	defer p.Close()
	go p.Run()

	listener, err := p.ListenTCP("127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.Copy(conn, conn)
	}()

	conn, err := p.DialTCP(context.Background(), listener.Addr().String())
	if err != nil {
		panic(err)
	}
	conn.Write([]byte("echo"))
	conn.CloseWrite()
	text, err := io.ReadAll(conn)
	fmt.Println(string(text), err)
	// Output: echo <nil>
}

// A list of reads is one call and one event.
func ExampleFile_ReadBlocks() {
	p, err := evpoll.Open()
	if err != nil {
		panic(err)
	}
	defer p.Close()
	go p.Run()

	path := filepath.Join(os.TempDir(), "evpoll-blocks")
	os.WriteFile(path, make([]byte, 10000), 0o600)
	defer os.Remove(path)
	file, err := p.OpenFile(path)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	buffer, err := p.Alloc(4 * 4096)
	if err != nil {
		panic(err)
	}
	defer buffer.Free()
	results, err := file.ReadBlocks(context.Background(), buffer, 4096, 0)
	for _, r := range results {
		fmt.Print(r.N, " ")
	}
	fmt.Println(err)
	// Output: 4096 4096 1808 0 <nil>
}

// Errors are told apart by errors.Is, and carry the system's own code.
func ExampleError() {
	p, err := evpoll.Open()
	if err != nil {
		panic(err)
	}
	defer p.Close()
	_, err = p.OpenFile("no such file")
	var failure *evpoll.Error
	fmt.Println(errors.Is(err, evpoll.ErrNotFound), errors.Is(err, os.ErrNotExist))
	fmt.Println(errors.As(err, &failure), failure.Op, failure.Status)
	// Output:
	// true true
	// true open file not found
}
