// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"strconv"
	"syscall"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A Status says how a call or an operation ended: 0, or one of the Err constants. The numbers are
// equal on every system, so programs decide by them. A Status below 0 is an error value itself, and
// what errors.Is compares with:
//
//	if errors.Is(err, evpoll.ErrWouldBlock) { ... }
type Status int32

// The statuses. The list is closed.
const (
	OK                    = Status(capi.EVPOLL_OK)
	ErrInvalid            = Status(capi.EVPOLL_ERR_INVALID)             // a bad argument
	ErrBadHandle          = Status(capi.EVPOLL_ERR_BAD_HANDLE)          // not an open handle
	ErrNoMemory           = Status(capi.EVPOLL_ERR_NO_MEMORY)           // out of memory
	ErrLimit              = Status(capi.EVPOLL_ERR_LIMIT)               // descriptors, watches, threads, list size
	ErrNotFound           = Status(capi.EVPOLL_ERR_NOT_FOUND)           // no such registration, operation or file
	ErrStale              = Status(capi.EVPOLL_ERR_STALE)               // registered with another token by now
	ErrBusy               = Status(capi.EVPOLL_ERR_BUSY)                // in use
	ErrAgain              = Status(capi.EVPOLL_ERR_AGAIN)               // Options.IOLimit reached
	ErrWouldBlock         = Status(capi.EVPOLL_ERR_WOULD_BLOCK)         // the socket is not ready
	ErrTimeout            = Status(capi.EVPOLL_ERR_TIMEOUT)             // the network ran out of time
	ErrShutdown           = Status(capi.EVPOLL_ERR_SHUTDOWN)            // shut down, and nothing left to deliver
	ErrUnsupported        = Status(capi.EVPOLL_ERR_UNSUPPORTED)         // not here, or not for this kind of handle
	ErrVersion            = Status(capi.EVPOLL_ERR_VERSION)             // the library is another version
	ErrThread             = Status(capi.EVPOLL_ERR_THREAD)              // a thread-bound poller, another thread
	ErrForked             = Status(capi.EVPOLL_ERR_FORKED)              // the poller is the parent process's
	ErrCancelled          = Status(capi.EVPOLL_ERR_CANCELLED)           // the operation was cancelled
	ErrPartial            = Status(capi.EVPOLL_ERR_PARTIAL)             // some operations of a list failed
	ErrIO                 = Status(capi.EVPOLL_ERR_IO)                  // the device reported an error
	ErrNoSpace            = Status(capi.EVPOLL_ERR_NO_SPACE)            // no space left on the device
	ErrTooLarge           = Status(capi.EVPOLL_ERR_TOO_LARGE)           // beyond the largest size of a file
	ErrFault              = Status(capi.EVPOLL_ERR_FAULT)               // a buffer is not mapped
	ErrAccess             = Status(capi.EVPOLL_ERR_ACCESS)              // permission denied
	ErrExists             = Status(capi.EVPOLL_ERR_EXISTS)              // the file exists already
	ErrRefused            = Status(capi.EVPOLL_ERR_REFUSED)             // the peer refused the connection
	ErrReset              = Status(capi.EVPOLL_ERR_RESET)               // the peer reset the connection
	ErrBrokenPipe         = Status(capi.EVPOLL_ERR_BROKEN_PIPE)         // the sending side is closed
	ErrNotConnected       = Status(capi.EVPOLL_ERR_NOT_CONNECTED)       // the socket is not connected
	ErrAddressInUse       = Status(capi.EVPOLL_ERR_ADDRESS_IN_USE)      // the address is taken
	ErrAddressUnavailable = Status(capi.EVPOLL_ERR_ADDRESS_UNAVAILABLE) // not an address of this machine
	ErrUnreachable        = Status(capi.EVPOLL_ERR_UNREACHABLE)         // no route to the peer
	ErrMessageSize        = Status(capi.EVPOLL_ERR_MESSAGE_SIZE)        // the datagram is of the wrong size
	ErrOS                 = Status(capi.EVPOLL_ERR_OS)                  // any other failure: see Error.OS
)

// Error is the status in English.
func (s Status) Error() string { return capi.Strerror(int64(s)) }

// String is the status in English, for logs.
func (s Status) String() string { return s.Error() }

// ErrClosed is what a call on a closed poller, file, socket or buffer gives. errors.Is finds
// net.ErrClosed and fs.ErrClosed in it too.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string { return "evpoll: use of what is closed" }
func (closedError) Is(target error) bool {
	return target == net.ErrClosed || target == fs.ErrClosed
}

// An Error is a failure: what was tried, the status, and the system's own code.
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
		text += " (system code " + strconv.Itoa(int(e.OS)) + ": " + e.OS.Error() + ")"
	}
	return text
}

// Is compares with a Status.
func (e *Error) Is(target error) bool {
	status, ok := target.(Status)
	return ok && status == e.Status
}

// Unwrap gives the context's error if that ended the call, else the system's code if there is one.
func (e *Error) Unwrap() error {
	switch {
	case e.cause != nil:
		return e.cause
	case e.OS != 0:
		return e.OS
	}
	return nil
}

// Timeout tells whether time ran out, as net.Error does.
func (e *Error) Timeout() bool {
	return e.Status == ErrTimeout || errors.Is(e.cause, context.DeadlineExceeded)
}

// statusOf is the lower half of what a call returned: a status below 0, or a count.
func statusOf(r int64) Status { return Status(int32(r)) }

// failed turns what a call returned into an error, or into nil where it is none.
func failed(op string, r int64) error {
	status := statusOf(r)
	if status >= 0 {
		return nil
	}
	return failure(op, status, syscall.Errno(uint32(uint64(r)>>32)))
}

// failure makes an error. What sockets say all the time costs no memory.
func failure(op string, status Status, code syscall.Errno) error {
	if status == ErrWouldBlock {
		return &wouldBlock
	}
	return &Error{Op: op, Status: status, OS: code}
}

var wouldBlock = Error{Op: "socket", Status: ErrWouldBlock, OS: wouldBlockCode}

func invalid(op, why string) error {
	return &Error{Op: op, Status: ErrInvalid, cause: errors.New(why)}
}
