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
	OK = Status(capi.EVPOLL_OK)
	// ErrInvalid: a bad argument.
	ErrInvalid = Status(capi.EVPOLL_ERR_INVALID)
	// ErrBadHandle: not an open handle.
	ErrBadHandle = Status(capi.EVPOLL_ERR_BAD_HANDLE)
	// ErrNoMemory: out of memory.
	ErrNoMemory = Status(capi.EVPOLL_ERR_NO_MEMORY)
	// ErrLimit: descriptors, watches, threads, list size.
	ErrLimit = Status(capi.EVPOLL_ERR_LIMIT)
	// ErrNotFound: no such registration, operation or file.
	ErrNotFound = Status(capi.EVPOLL_ERR_NOT_FOUND)
	// ErrStale: registered with another token by now.
	ErrStale = Status(capi.EVPOLL_ERR_STALE)
	// ErrBusy: in use.
	ErrBusy = Status(capi.EVPOLL_ERR_BUSY)
	// ErrAgain: Options.IOLimit reached.
	ErrAgain = Status(capi.EVPOLL_ERR_AGAIN)
	// ErrWouldBlock: the socket is not ready.
	ErrWouldBlock = Status(capi.EVPOLL_ERR_WOULD_BLOCK)
	// ErrTimeout: the network ran out of time.
	ErrTimeout = Status(capi.EVPOLL_ERR_TIMEOUT)
	// ErrShutdown: shut down, and nothing left to deliver.
	ErrShutdown = Status(capi.EVPOLL_ERR_SHUTDOWN)
	// ErrUnsupported: not here, or not for this kind of handle.
	ErrUnsupported = Status(capi.EVPOLL_ERR_UNSUPPORTED)
	// ErrVersion: the library is another version.
	ErrVersion = Status(capi.EVPOLL_ERR_VERSION)
	// ErrThread: a thread-bound poller, another thread.
	ErrThread = Status(capi.EVPOLL_ERR_THREAD)
	// ErrForked: the poller is the parent process's.
	ErrForked = Status(capi.EVPOLL_ERR_FORKED)
	// ErrCancelled: the operation was cancelled.
	ErrCancelled = Status(capi.EVPOLL_ERR_CANCELLED)
	// ErrPartial: some operations of a list failed.
	ErrPartial = Status(capi.EVPOLL_ERR_PARTIAL)
	// ErrIO: the device reported an error.
	ErrIO = Status(capi.EVPOLL_ERR_IO)
	// ErrNoSpace: no space left on the device.
	ErrNoSpace = Status(capi.EVPOLL_ERR_NO_SPACE)
	// ErrTooLarge: beyond the largest size of a file.
	ErrTooLarge = Status(capi.EVPOLL_ERR_TOO_LARGE)
	// ErrFault: a buffer is not mapped.
	ErrFault = Status(capi.EVPOLL_ERR_FAULT)
	// ErrAccess: permission denied.
	ErrAccess = Status(capi.EVPOLL_ERR_ACCESS)
	// ErrExists: the file exists already.
	ErrExists = Status(capi.EVPOLL_ERR_EXISTS)
	// ErrRefused: the peer refused the connection.
	ErrRefused = Status(capi.EVPOLL_ERR_REFUSED)
	// ErrReset: the peer reset the connection.
	ErrReset = Status(capi.EVPOLL_ERR_RESET)
	// ErrBrokenPipe: the sending side is closed.
	ErrBrokenPipe = Status(capi.EVPOLL_ERR_BROKEN_PIPE)
	// ErrNotConnected: the socket is not connected.
	ErrNotConnected = Status(capi.EVPOLL_ERR_NOT_CONNECTED)
	// ErrAddressInUse: the address is taken.
	ErrAddressInUse = Status(capi.EVPOLL_ERR_ADDRESS_IN_USE)
	// ErrAddressUnavailable: not an address of this machine.
	ErrAddressUnavailable = Status(capi.EVPOLL_ERR_ADDRESS_UNAVAILABLE)
	// ErrUnreachable: no route to the peer.
	ErrUnreachable = Status(capi.EVPOLL_ERR_UNREACHABLE)
	// ErrMessageSize: the datagram is of the wrong size.
	ErrMessageSize = Status(capi.EVPOLL_ERR_MESSAGE_SIZE)
	// ErrOS: any other failure: see Error.OS.
	ErrOS = Status(capi.EVPOLL_ERR_OS)
)

// Error is the status in English.
func (s Status) Error() string {
	if s == ErrVersion { // perhaps of the library that would be asked
		return "another version"
	}
	return capi.Strerror(int64(s))
}

// String is the status in English, for logs.
func (s Status) String() string { return s.Error() }

// ErrClosed is what a call on a closed poller, file, socket or buffer gives. errors.Is finds
// net.ErrClosed and fs.ErrClosed in it too.
var ErrClosed error = closedError{}

type closedError struct{}

// Error says what ErrClosed is.
func (closedError) Error() string { return "evpoll: use of what is closed" }

// Is finds what the standard library calls closed.
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
