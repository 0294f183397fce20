// SPDX-License-Identifier: MIT

// Driver does what tests/bindings/README.md tells it to: the suite that all languages have in common
// drives package evpoll through it.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/evpoll/evpoll/bindings/go"
)

const lacks = `queue a second Read waits for the first, before anything is submitted
loop-thread the loop runs no code of the program's
stop-limit Close has a limit of its own
throw-post there are no callbacks
throw-timer there are no callbacks
throw-done there are no callbacks
throw-context there are no callbacks
throw-handler there are no callbacks
`

var (
	mu      sync.Mutex // guards what follows, and the output
	objects = map[string]any{}
	stopped = map[*evpoll.Loop]chan struct{}{}
	gates   = map[string]chan struct{}{}
	threads = map[string]chan func(){}
	pending = map[string]*ending{}
)

// An ending ends an operation: by its context, or, since a net.Conn knows none, by a deadline that is
// over.
type ending struct {
	mu        sync.Mutex // guards what follows
	end       func()     // from its begin to its end
	cancelled bool
}

// begin says how the operation is to be ended, and does so if it was cancelled before.
func (e *ending) begin(end func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.end = end; e.cancelled {
		end()
	}
}

func (e *ending) cancel() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cancelled = true; e.end != nil {
		e.end()
	}
}

// finish is for what has ended: nothing that comes later is to be cancelled. An error by a deadline that
// meant a cancel is one.
func (e *ending) finish(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.end = nil // it would keep what it is of
	if e.cancelled && errors.Is(err, os.ErrDeadlineExceeded) {
		return context.Canceled
	}
	return err
}

var past = time.Unix(1, 0)

func put[T any](name string, object T, of *evpoll.Loop, err error) error {
	if err == nil {
		mu.Lock()
		defer mu.Unlock()
		objects[name] = object
		if of != nil {
			places[name] = of
		}
	}
	return err
}

var places = map[string]*evpoll.Loop{} // the loop of each object

func get[T any](name string) (object T) {
	mu.Lock()
	defer mu.Unlock()
	object, ok := objects[name].(T)
	if !ok {
		panic(none{})
	}
	return object
}

type none struct{}

// outcome names an error.
func outcome(err error) string {
	var e *evpoll.Error
	var dns *net.DNSError
	switch {
	case err == nil:
		return "OK"
	case errors.Is(err, io.EOF):
		return "END"
	case errors.Is(err, net.ErrClosed):
		return "CLOSED"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "EXPIRED"
	case errors.Is(err, context.Canceled):
		return "CANCELLED"
	case errors.As(err, &dns):
		return "UNRESOLVED"
	case errors.As(err, &e) && -e.Status < evpoll.Status(len(statuses)):
		return statuses[-e.Status]
	}
	return "WRONG " + strings.ReplaceAll(err.Error(), " ", "_")
}

var statuses = strings.Fields(`OK INVALID BAD_HANDLE NO_MEMORY LIMIT NOT_FOUND STALE BUSY AGAIN
	WOULD_BLOCK TIMEOUT SHUTDOWN UNSUPPORTED VERSION EXPIRED FORKED CANCELLED PARTIAL IO NO_SPACE
	TOO_LARGE FAULT ACCESS EXISTS REFUSED RESET BROKEN_PIPE NOT_CONNECTED ADDRESS_IN_USE
	ADDRESS_UNAVAILABLE UNREACHABLE MESSAGE_SIZE OS`)

func say(err error, details ...any) string {
	text := outcome(err)
	if err == nil && len(details) > 0 {
		text += " " + strings.TrimSuffix(fmt.Sprintln(details...), "\n")
	}
	return text
}

func data(word string, round int) []byte {
	count := 1
	if n, text, ok := strings.Cut(word, "*"); ok {
		count, _ = strconv.Atoi(n)
		word = text
	}
	return []byte(strings.Repeat(strings.ReplaceAll(word, "$", fmt.Sprintf("%06d", round)), count))
}

func shown(b []byte, err error) string {
	switch {
	case err != nil && (len(b) == 0 || err != io.EOF && err != io.ErrUnexpectedEOF):
		return outcome(err)
	case len(b) == 0:
		return "OK 0"
	case len(b) <= 32:
		return fmt.Sprintf("OK %d %s", len(b), b)
	}
	h := fnv.New32a()
	h.Write(b)
	return fmt.Sprintf("OK %d #%08x", len(b), h.Sum32())
}

// A command is one line, without its token and where.
type command struct {
	verb  string
	words []string
	limit time.Duration
	all   bool
	round int
	*ending
	of *ending // what a cancel in a round is of
}

func parse(words []string) (c command) {
	c.verb, c.ending = words[0], new(ending)
	for i := 1; i < len(words); i++ {
		switch {
		case words[i] == "limit":
			ms, _ := strconv.Atoi(words[i+1])
			c.limit = time.Duration(ms) * time.Millisecond
			i++
		case words[i] == "all":
			c.all = true
		case words[i] == "cancelled":
			c.cancelled = true
		default:
			c.words = append(c.words, words[i])
		}
	}
	return c
}

func (c command) context() (context.Context, context.CancelFunc) {
	if c.limit > 0 {
		return context.WithTimeout(context.Background(), c.limit)
	}
	return context.WithCancel(context.Background())
}

func (c command) until() (t time.Time) {
	if c.limit > 0 {
		t = time.Now().Add(c.limit)
	}
	return t
}

func (c command) number(i int) int64 { n, _ := strconv.ParseInt(c.words[i], 10, 64); return n }

// takesTime tells whether the command is an operation, which the thread does not wait for.
func (c command) takesTime() bool {
	return strings.Contains(" ended pending accept connect read write finish readat writeat append size "+
		"truncate sync repeat timer ", " "+c.verb+" ")
}

// do does it, and says how it ended.
func (c command) do() (said string) {
	defer func() {
		if caught := recover(); caught != nil {
			if _, ok := caught.(none); !ok {
				panic(caught)
			}
			said = "NONE"
		}
	}()
	w := c.words
	ctx, cancel := c.context()
	defer cancel()
	defer c.finish(nil)
	c.begin(cancel)
	switch c.verb {
	case "loop":
		l, err := evpoll.NewLoop()
		mu.Lock()
		stopped[l] = make(chan struct{})
		mu.Unlock()
		return say(put(w[0], l, l, err))
	case "stop":
		l := get[*evpoll.Loop](w[0])
		err := l.Close()
		if err == nil {
			mu.Lock()
			close(stopped[l])
			mu.Unlock()
		} else if errors.Is(err, net.ErrClosed) {
			err = nil
		}
		return say(err)
	case "ended":
		mu.Lock()
		ended := stopped[objects[w[0]].(*evpoll.Loop)]
		mu.Unlock()
		<-ended
		return "OK"
	case "pending":
		l := get[*evpoll.Loop](w[0])
		for {
			s, err := l.Stats()
			if err != nil || int64(s.IOInFlight) >= c.number(1) {
				return say(err)
			}
			runtime.Gosched()
		}
	case "gate":
		<-gate(w[0])
		return ""
	case "listen":
		of := get[*evpoll.Loop](w[1])
		l, err := of.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return say(err)
		}
		return say(put(w[0], l, of, nil), l.Addr())
	case "accept":
		l := get[*evpoll.Listener](w[1])
		l.SetDeadline(c.until())
		c.begin(func() { l.SetDeadline(past) })
		s, err := l.AcceptConn()
		if err = c.finish(err); err != nil {
			return say(err)
		}
		return say(put(w[0], s, loopFor(w[1]), nil), s.RemoteAddr(), s.LocalAddr())
	case "connect":
		of := get[*evpoll.Loop](w[1])
		s, err := of.DialContext(ctx, "tcp", net.JoinHostPort(w[2], w[3]))
		if err != nil {
			return say(err)
		}
		return say(put(w[0], s.(*evpoll.Conn), of, nil))
	case "pair":
		here, there := get[*evpoll.Loop](w[2]), get[*evpoll.Loop](w[3])
		l, err := there.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return say(err)
		}
		defer l.Close()
		a, err := here.DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			return say(err)
		}
		b, err := l.AcceptConn()
		if err != nil {
			a.Close()
			return say(err)
		}
		put(w[0], a.(*evpoll.Conn), here, nil)
		return say(put(w[1], b, there, nil))
	case "read":
		s, b := get[*evpoll.Conn](w[0]), make([]byte, c.number(1))
		s.SetReadDeadline(c.until())
		c.begin(func() { s.SetReadDeadline(past) })
		read := s.Read
		if c.all {
			read = func(b []byte) (int, error) { return io.ReadFull(s, b) }
		}
		n, err := read(b)
		return shown(b[:n], c.finish(err))
	case "write":
		s, b := get[*evpoll.Conn](w[0]), data(w[1], c.round)
		s.SetWriteDeadline(c.until())
		c.begin(func() { s.SetWriteDeadline(past) })
		n, err := s.Write(b)
		return say(c.finish(err), n)
	case "timer":
		return say(get[*evpoll.Loop](w[0]).Sleep(ctx, time.Duration(c.number(1))*time.Millisecond))
	case "cancel":
		if c.of == nil {
			mu.Lock()
			c.of = pending[w[0]]
			mu.Unlock()
		}
		c.of.cancel()
		return "OK"
	case "finish":
		return say(get[*evpoll.Conn](w[0]).CloseWrite())
	case "same":
		s := get[*evpoll.Conn](w[0])
		if s.LocalAddr().String() == "" || s.RemoteAddr().String() == s.LocalAddr().String() {
			return "WRONG"
		}
		return "OK"
	case "nodelay":
		return say(get[*evpoll.Conn](w[0]).SetNoDelay(true))
	case "open":
		if len(w) == 1 {
			close(gate(w[0]))
			return "OK"
		}
		of := get[*evpoll.Loop](w[1])
		f, err := of.OpenFile(w[2], map[string]evpoll.FileFlags{
			"r": evpoll.ForReading,
			"w": evpoll.ForReading | evpoll.ForWriting | evpoll.Create | evpoll.Truncate,
			"a": evpoll.ForWriting | evpoll.ForAppending | evpoll.Create}[w[3]])
		return say(put(w[0], f, of, err))
	case "readat":
		f, b := get[*evpoll.File](w[0]), make([]byte, c.number(1))
		n, err := f.ReadAt(ctx, b, c.number(2))
		return shown(b[:n], err)
	case "writeat":
		n, err := get[*evpoll.File](w[0]).WriteAt(ctx, data(w[1], c.round), c.number(2))
		return say(err, n)
	case "append":
		at, err := get[*evpoll.File](w[0]).AppendDurable(ctx, data(w[1], c.round))
		return say(err, at)
	case "size":
		n, err := get[*evpoll.File](w[0]).Size()
		return say(err, n)
	case "truncate":
		return say(get[*evpoll.File](w[0]).Truncate(ctx, c.number(1)))
	case "sync":
		return say(get[*evpoll.File](w[0]).Sync(ctx))
	case "close":
		err := get[io.Closer](w[0]).Close()
		if errors.Is(err, net.ErrClosed) {
			err = nil // the second time
		}
		return say(err)
	case "drop":
		mu.Lock()
		defer mu.Unlock()
		for _, name := range w {
			if l, ok := objects[name].(*evpoll.Loop); ok {
				delete(stopped, l)
			}
			delete(objects, name)
			delete(places, name)
		}
		return "OK"
	case "collect":
		runtime.GC()
		runtime.GC()
		return "OK"
	case "quit":
		mu.Lock()
		all := objects
		objects = map[string]any{}
		mu.Unlock()
		for _, o := range all {
			o.(io.Closer).Close()
		}
		return "OK"
	}
	return "BAD " + c.verb
}

func loopFor(name string) *evpoll.Loop {
	mu.Lock()
	defer mu.Unlock()
	return places[name]
}

func gate(name string) chan struct{} {
	mu.Lock()
	defer mu.Unlock()
	if gates[name] == nil {
		gates[name] = make(chan struct{})
	}
	return gates[name]
}

// start makes a goroutine of an operation, and goes on when it has been started: submitted, or over.
// Which loop it is of, its last word that names an object tells.
func (c command) start(ended func(said string)) {
	var of *evpoll.Loop
	for i := len(c.words) - 1; i >= 0 && c.verb != "pending" && c.verb != "ended"; i-- {
		if of = loopFor(c.words[i]); of != nil {
			break
		}
	}
	done := make(chan struct{})
	var before evpoll.Stats
	if of != nil {
		before, _ = of.Stats()
	}
	go func() {
		said := c.do()
		ended(said)
		close(done)
	}()
	for of != nil {
		select {
		case <-done:
			return
		default:
		}
		if now, err := of.Stats(); err != nil || now.IOSubmitted > before.IOSubmitted {
			return
		}
		runtime.Gosched()
	}
}

// run does what one line says on this thread.
func (c command) run(thread string, ended func(said string)) {
	switch {
	case c.verb == "repeat":
		c.repeat(thread, ended)
	case c.takesTime():
		c.start(ended)
	case c.verb == "gate":
		ended("OK")
		c.do()
	default:
		ended(c.do())
	}
}

// on has a thread do something, in order.
func on(thread string, f func()) {
	mu.Lock()
	q := threads[thread]
	if q == nil {
		q = make(chan func(), 1000)
		threads[thread] = q
		go func() {
			for f := range q {
				f()
			}
		}()
	}
	mu.Unlock()
	q <- f
}

type slot struct {
	together bool
	where    string
	command  command
	counts   map[string]int
}

func (c command) repeat(thread string, ended func(said string)) {
	rounds, _ := strconv.Atoi(c.words[0])
	var slots []*slot
	var words []string
	for i, word := range append(c.words[1:], ":") {
		if (word == ":" || word == "&") && i > 0 {
			slots[len(slots)-1].where, slots[len(slots)-1].command = words[0], parse(words[1:])
			words = nil
		}
		if word != ":" && word != "&" {
			words = append(words, word)
		} else if i < len(c.words)-1 {
			slots = append(slots, &slot{together: word == "&", counts: map[string]int{}})
		}
	}
	var counting sync.Mutex
	for round := 0; round < rounds; round++ {
		var all sync.WaitGroup
		for _, s := range slots {
			s.command.ending = new(ending)
		}
		for _, s := range slots {
			s := s
			if !s.together {
				all.Wait()
			}
			all.Add(1)
			one := s.command
			one.round = round
			if one.verb == "cancel" {
				i, _ := strconv.Atoi(one.words[0][1:])
				one.of = slots[i-1].command.ending
			}
			over := func(said string) {
				if one.verb == "accept" || one.verb == "listen" {
					said, _, _ = strings.Cut(said, " ")
				}
				counting.Lock()
				s.counts[strings.ReplaceAll(said, " ", "_")]++
				counting.Unlock()
				all.Done()
			}
			if s.where == "-" || s.where == thread {
				one.run(thread, over)
			} else {
				on(s.where, func() { one.run(s.where, over) })
			}
		}
		all.Wait()
	}
	said := "OK"
	for i, s := range slots {
		var counts []string
		for outcome, n := range s.counts {
			counts = append(counts, fmt.Sprintf("%s=%d", outcome, n))
		}
		sort.Strings(counts)
		said += fmt.Sprintf(" %d:%s", i+1, strings.Join(counts, ","))
	}
	ended(said)
}

func main() {
	if os.Args[len(os.Args)-1] == "--features" {
		fmt.Print(lacks)
		return
	}
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(make([]byte, 1<<20), 1<<20)
	for input.Scan() {
		words := strings.Fields(input.Text())
		token, where := words[0], words[1]
		c := parse(words[2:])
		mu.Lock()
		pending[token] = c.ending
		mu.Unlock()
		if c.verb == "repeat" {
			c.words = words[3:] // options are its slots'
		}
		answer := func(said string) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Println(token, said)
			if c.verb == "quit" {
				os.Exit(0)
			}
		}
		if where == "-" {
			c.run(where, answer)
		} else {
			on(where, func() { c.run(where, answer) })
		}
	}
}
