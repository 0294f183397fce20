// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evpoll/evpoll/bindings/go"
)

const requestMax, farewell = 8 * 1024, 5 * time.Second // how long a client that is to leave may idle

type server struct {
	loop                               *evpoll.Loop
	folder                             string
	idle                               time.Duration
	sending                            chan struct{} // room for as many files
	clients                            sync.Map      // *evpoll.Conn: is it between two requests?
	stopping                           atomic.Bool
	accepted, requests, refused, bytes atomic.Int64
}

// between notes whether a client is between two requests; false: there is to be no next one.
func (s *server) between(c *evpoll.Conn, now bool) bool {
	s.clients.Store(c, now)
	return !s.stopping.Load()
}

// serve answers requests until the client has no more.
func (s *server) serve(c *evpoll.Conn) {
	defer s.clients.Delete(c)
	s.accepted.Add(1)
	c.SetStallTimeout(s.idle)
	room := make([]byte, 0, requestMax)
	for keep := true; keep && s.between(c, true); {
		used, r := parse(room)
		for ; used == 0 && len(room) < requestMax; used, r = parse(room) {
			n, err := c.Read(room[len(room):requestMax])
			if err != nil {
				return
			}
			room = room[:len(room)+n]
		}
		if used == 0 {
			used, r = len(room), tooLong(room)
		}
		room = append(room[:0], room[used:]...) // the next one of a client that does not wait
		keep = s.between(c, false) && r.keepAlive
		if s.respond(c, r, keep) != nil {
			return
		}
	}
	// Closing with unread bytes in the socket resets the connection, and the client may lose the
	// end of the response. So say that this was all, and read what comes until it has closed.
	c.CloseWrite()
	c.SetStallTimeout(farewell)
	io.Copy(io.Discard, c)
}

// respond sends one response. An error says that the connection cannot go on: cutting it is the only
// way left to tell that a file became shorter than its head has promised.
func (s *server) respond(c *evpoll.Conn, r request, keep bool) (err error) {
	var f *evpoll.File
	var size int64
	if r.status == 200 {
		if f, err = s.loop.OpenFile(filepath.Join(s.folder, filepath.FromSlash(r.path))); err == nil {
			defer f.Close()
			size, err = f.Size()
		}
		r.status = status(err)
	}
	s.requests.Add(1)
	text := ""
	if r.status != 200 {
		s.refused.Add(1)
		text = fmt.Sprintf("%d %s\n", r.status, reasons[r.status])
		size = int64(len(text))
	}
	first := head(r, size, keep)
	if !r.headOnly {
		first = append(first, text...)
	}
	n, err := c.Write(first)
	s.bytes.Add(int64(n))
	if err == nil && r.status == 200 && !r.headOnly {
		s.sending <- struct{}{}
		size, err = io.CopyN(c, f.Section(0, size), size)
		<-s.sending
		s.bytes.Add(size)
	}
	return err
}

// status is the answer to who wants a file that was opened with this error.
func status(err error) int {
	var failed *evpoll.Error
	if err == nil {
		return 200
	} else if errors.As(err, &failed) && statuses[failed.Status] != 0 {
		return statuses[failed.Status]
	}
	return 500
}

var statuses = map[evpoll.Status]int{evpoll.ErrNotFound: 404, evpoll.ErrInvalid: 404,
	evpoll.ErrUnsupported: 404, evpoll.ErrAccess: 403, evpoll.ErrLimit: 503, evpoll.ErrNoMemory: 503}

// stop closes the connections between two requests, or all of them. What has begun is finished.
func (s *server) stop(all bool) {
	s.stopping.Store(true)
	s.clients.Range(func(c, between any) bool {
		if between.(bool) || all {
			c.(*evpoll.Conn).Close()
		} else if s.idle > farewell {
			c.(*evpoll.Conn).SetStallTimeout(farewell)
		}
		return true
	})
}
