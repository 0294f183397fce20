// SPDX-License-Identifier: MIT

// Fileserver is a static file server, and the first program to read about evpoll in Go.
//
// Each connection is a goroutine that reads like any other: Read, ReadBuffer, Write. What waits is
// parked: one goroutine in one wait, p.Run(), hears of sockets that became ready and of file
// operations that finished, for all of them. See serve and respond.
//
// A connection has one buffer of 64 KiB, for the head and the bytes of a file, straight from the
// kernel and straight to it. Nothing more of a file is read before it was sent, so a slow reader
// holds up nobody and costs no memory.
package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evpoll/evpoll/bindings/go"
)

const (
	chunk       = 64 * 1024
	requestMax  = 8 * 1024
	stopSeconds = 5 // after Ctrl-C: how long a client may keep us waiting
)

type server struct {
	poller   *evpoll.Poller
	folder   string
	idle     atomic.Int64 // how long a connection may make no progress
	stopping atomic.Bool
	mu       sync.Mutex
	freed    *sync.Cond // a connection has ended, or the server has
	limit    int
	clients  map[*client]bool

	accepted, requests, refused, bytes atomic.Int64
}

type client struct {
	*evpoll.Conn
	asking bool // between two requests: it has nothing to lose. Guarded by server.mu
}

// accept serves until the listener is closed.
func (s *server) accept(l *evpoll.Listener, done *sync.WaitGroup) {
	for {
		s.mu.Lock()
		for len(s.clients) >= s.limit && !s.stopping.Load() {
			s.freed.Wait()
		}
		s.mu.Unlock()
		conn, err := l.AcceptTCP()
		if errors.Is(err, evpoll.ErrLimit) {
			s.fewer()
			continue
		} else if err != nil {
			return
		}
		c := &client{Conn: conn, asking: true}
		s.mu.Lock()
		s.clients[c] = true
		s.mu.Unlock()
		s.accepted.Add(1)
		conn.SetNoDelay(true) // chunks are large: never hold back the last piece
		done.Add(1)
		go func() {
			defer done.Done()
			s.serve(c)
			c.Close()
			s.mu.Lock()
			delete(s.clients, c)
			s.freed.Broadcast()
			s.mu.Unlock()
		}()
	}
}

// fewer is for when no descriptor is left, but each connection needs a second one for its file:
// half as many from now on. The others wait in the backlog.
func (s *server) fewer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if half := len(s.clients) / 2; half > 0 && half < s.limit {
		s.limit = half
	}
	if len(s.clients) == 0 {
		time.AfterFunc(time.Second, s.freed.Broadcast) // others may free what we lack
		s.freed.Wait()
	}
}

// serve answers requests until the client has no more.
func (s *server) serve(c *client) {
	buffer, err := s.poller.Alloc(chunk)
	if err != nil {
		return
	}
	defer buffer.Free()
	received, room := 0, make([]byte, requestMax)
	for s.ask(c, true) {
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
		// What is left is the next request of a client that does not wait for answers.
		received = copy(room, room[used:received])
		s.ask(c, false)
		if !s.respond(c, r, buffer) {
			return
		}
		if !r.keepAlive || s.stopping.Load() {
			break
		}
	}
	// Closing with unread bytes in the socket resets the connection, and the client may lose the
	// end of the response. So say that this was all, and read what comes until it has closed.
	c.CloseWrite()
	c.SetReadDeadline(s.until())
	for err := error(nil); err == nil; {
		_, err = c.Read(room)
	}
}

// ask notes whether the client is between two requests; false: there is to be no next one.
func (s *server) ask(c *client, asking bool) bool {
	c.SetReadDeadline(s.until())
	s.mu.Lock()
	defer s.mu.Unlock()
	c.asking = asking
	return !asking || !s.stopping.Load()
}

func (s *server) until() time.Time { return time.Now().Add(time.Duration(s.idle.Load())) }

// respond sends one response; false: the connection cannot go on.
func (s *server) respond(c *client, r request, buffer *evpoll.Buffer) bool {
	var file *evpoll.File
	var left int64
	if r.status == 200 {
		if file, left, r.status = s.open(r.path); file != nil {
			defer file.Close()
		}
	}
	s.requests.Add(1)
	text := ""
	if r.status != 200 {
		s.refused.Add(1)
		text = fmt.Sprintf("%d %s\n", r.status, reasons[r.status])
		left = int64(len(text))
	}
	bytes := buffer.Bytes()
	filled := copy(bytes, head(r, left, r.keepAlive && !s.stopping.Load()))
	if r.headOnly || r.status != 200 {
		left = 0
		if !r.headOnly {
			filled += copy(bytes[filled:], text)
		}
	}
	for offset := int64(0); ; filled = 0 {
		for left > 0 && filled < chunk { // reads may come back short
			most := chunk - filled
			if int64(most) > left {
				most = int(left)
			}
			n, err := file.ReadBuffer(context.Background(), buffer, filled, most, offset)
			if err != nil {
				// The disk failed, or the file became shorter than the head has promised.
				// Cutting the connection is the only way left to tell.
				return false
			}
			filled, offset, left = filled+n, offset+int64(n), left-int64(n)
		}
		c.SetWriteDeadline(s.until())
		n, err := c.Write(bytes[:filled])
		s.bytes.Add(int64(n))
		if err != nil {
			return false
		}
		if left == 0 {
			return true
		}
	}
}

// open opens what the request names; the status is that of the response.
func (s *server) open(path string) (*evpoll.File, int64, int) {
	file, err := s.poller.OpenFile(filepath.Join(s.folder, filepath.FromSlash(path)))
	if err == nil {
		size, err := file.Size()
		if err == nil {
			return file, size, 200
		}
		file.Close()
	}
	for _, known := range []struct {
		is     evpoll.Status
		status int
	}{
		{evpoll.ErrNotFound, 404}, {evpoll.ErrInvalid, 404}, {evpoll.ErrUnsupported, 404},
		{evpoll.ErrAccess, 403}, {evpoll.ErrLimit, 503}, {evpoll.ErrNoMemory, 503},
	} {
		if errors.Is(err, known.is) {
			return nil, 0, known.status
		}
	}
	return nil, 0, 500
}

// stop closes the connections between two requests, or all of them. What has begun is finished.
func (s *server) stop(all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping.Store(true)
	if s.idle.Load() > int64(stopSeconds*time.Second) {
		s.idle.Store(int64(stopSeconds * time.Second))
	}
	for c := range s.clients {
		if c.asking || all {
			c.Close()
		}
	}
	s.freed.Broadcast()
}
