// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// Error is the status in English: a Status below 0 is an error value itself, and what errors.Is
// compares with:
//
//	if errors.Is(err, evpoll.ErrWouldBlock) { ... }
func (s Status) Error() string {
	if s == ErrVersion { // perhaps of the library that would be asked
		return "another version"
	}
	return capi.Strerror(int64(s))
}

// String is the status in English, for logs.
func (s Status) String() string { return s.Error() }

// ErrClosed is what a call on a closed loop, poller, file, connection or buffer gives. errors.Is
// finds net.ErrClosed and fs.ErrClosed in it too.
var ErrClosed error = closedError{}

type closedError struct{}

// Error has the words that programs look for in errors of package net.
func (closedError) Error() string { return "use of closed network connection, file or loop" }

// Is finds what the standard library calls closed.
func (closedError) Is(target error) bool { return target == net.ErrClosed || target == fs.ErrClosed }

// An Error is a failure: what was tried, the status, and the system's own code. It is a net.Error.
type Error struct {
	Op     string        // "wait", "open file", ...
	Status Status        // how it ended; below 0
	OS     syscall.Errno // the system's code; 0 where the system was not involved
	cause  error         // the context's error, or what the binding itself found wrong
}

// Error says all of it in one line.
func (e *Error) Error() string {
	text := "evpoll: " + e.Op + ": " + e.Status.Error()
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	if e.OS != 0 {
		text += fmt.Sprintf(" (system code %d: %v)", int(e.OS), e.OS)
	}
	return text
}

// Is compares with a Status. An operation's own limit is os.ErrDeadlineExceeded too.
func (e *Error) Is(target error) bool {
	return target == e.Status || target == os.ErrDeadlineExceeded && e.Status == ErrExpired
}

// Unwrap gives the context's error if that ended the call, else the system's code if there is one.
func (e *Error) Unwrap() error {
	if e.cause == nil && e.OS != 0 {
		return e.OS
	}
	return e.cause
}

// Timeout tells whether time ran out, as net.Error does.
func (e *Error) Timeout() bool {
	return e.Status == ErrTimeout || e.Status == ErrExpired ||
		errors.Is(e.cause, context.DeadlineExceeded)
}

// Temporary tells whether the same call may succeed later: net/http waits a little then, and goes
// on accepting.
func (e *Error) Temporary() bool {
	return e.Status == ErrLimit || e.Status == ErrNoMemory || e.Status == ErrAgain ||
		e.Status == ErrWouldBlock || e.Timeout()
}

// Err is nil, or the Error of an operation that failed.
func (e *Event) Err() error { return outcome("operation", e.Status, e.Result) }

// moved is how much was done: of what has failed the result is the system's code.
func (e *Event) moved() int64 {
	if e.Status < 0 && e.Status != ErrCancelled && e.Status != ErrExpired {
		return 0
	}
	return e.Result
}

// done says what a call has returned: a count, or a status below 0 with the system's code above it.
func done(op string, r int64) (int, error) {
	if n := int32(r); n >= 0 {
		return int(n), nil
	}
	return 0, outcome(op, Status(int32(r)), int64(uint64(r)>>32))
}

// outcome makes an error of a status and the system's code, nil if it is none. What sockets say all
// the time costs no memory.
func outcome(op string, status Status, code int64) error {
	switch status {
	case ErrWouldBlock:
		return &wouldBlock
	case ErrPartial, ErrCancelled, ErrExpired:
		code = 0 // it is how much was done
	}
	if status >= 0 {
		return nil
	}
	return &Error{Op: op, Status: status, OS: syscall.Errno(uint32(code))}
}

var wouldBlock = Error{Op: "socket", Status: ErrWouldBlock, OS: syscall.EAGAIN}

func invalid(op, why string) error {
	return &Error{Op: op, Status: ErrInvalid, cause: errors.New(why)}
}

// ended is the error of a call that its context ended.
func ended(op string, ctx context.Context) error {
	return &Error{Op: op, Status: ErrCancelled, cause: ctx.Err()}
}

// is tells whether an error of the library says this.
func is(err error, status Status) bool {
	e, ok := err.(*Error)
	return ok && e.Status == status
}

// names are those of the bits, for logs.
func names(bits uint32, all ...string) string {
	var has []string
	for i, name := range all {
		if bits&(1<<i) != 0 && name != "" {
			has = append(has, name)
			bits &^= 1 << i
		}
	}
	if bits != 0 || len(has) == 0 {
		has = append(has, fmt.Sprintf("%#x", bits))
	}
	return strings.Join(has, "|")
}

func nth(i int, all ...string) string {
	if i < 0 || i >= len(all) || all[i] == "" {
		return fmt.Sprint(i)
	}
	return all[i]
}
