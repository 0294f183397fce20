// SPDX-License-Identifier: MIT

package evpoll

// A Handle is what the system calls a descriptor: an fd, a SOCKET or a HANDLE.
type Handle int64

// NoHandle is nobody's.
const NoHandle Handle = -1

// An OpID names an operation or a list; none is used twice in a poller.
type OpID uint64

// MaxToken is the largest token. The ones above it are the binding's own.
const MaxToken = 1<<63 - 1

// An Event is what happened. Its layout is the library's, so that a wait writes it in place.
type Event struct {
	Token  uint64 // as given at registration, submission or post
	Op     OpID   // 0 for readiness, else the operation or list
	Result int64  // bytes, list entries that succeeded, the posted value, or the system's code
	Events Events // Readable and so on
	Status Status // OK, or how an operation failed
}

// Err is nil, or the Error of an operation that failed.
func (e *Event) Err() error {
	if e.Status >= 0 {
		return nil
	}
	failed := &Error{Op: "operation", Status: e.Status}
	if e.Status != ErrPartial {
		failed.OS = errno(e.Result)
	}
	return failed
}

// A Change is one change of a registration, for Update. Its layout is the library's.
type Change struct {
	Token    uint64 // returned in events; at most MaxToken
	Handle   Handle // what is to be watched
	Action   Action // ChangeAdd and so on
	Interest Events // Readable, Writable, Priority; 0 for none, and for ChangeRemove
	Mode     Mode   // Level, Edge or Oneshot; 0 for ChangeRearm and ChangeRemove
	Status   Status // out: how it ended
}

// An Op is one file operation, for Submit.
type Op struct {
	Token  uint64  // returned in the event; at most MaxToken
	File   Handle  // a regular file or block device
	Code   Code    // Read, Write, Sync or DataSync
	Offset int64   // bytes from the start of the file
	Buffer *Buffer // of the data; nil for Sync and DataSync
	From   int     // where the data starts in Buffer
	Length int     // bytes
	Inline bool    // it may end inside of the call; not in a list
	ID     OpID    // out: names the operation
	Status Status  // out: OK when accepted, else why not
	Done   bool    // out: it has ended inside of the call, and no event comes
	N      int     // out: bytes moved, where Done
	waiter *parked // the goroutine that waits for it
}

// A Result is the outcome of one entry of a list. Its layout is the library's.
type Result struct {
	N      int64  // bytes moved, or the system's code where Status < 0
	Status Status // OK or how it failed
	_      uint32
}

// Err is nil, or the Error of the entry.
func (r Result) Err() error {
	if r.Status >= 0 {
		return nil
	}
	return &Error{Op: "operation", Status: r.Status, OS: errno(r.N)}
}

// Options say how to open a poller.
type Options struct {
	Flags       OpenFlags // SingleWaiter and so on
	WakeToken   uint64    // token of Woken events; at most MaxToken
	IOLimit     int       // most operations in flight, 1 to 1048576; 0: 4096
	PoolThreads int       // most threads of the worker pool, 1 to 256; 0: 4
}

// Stats are counters since Open. The layout is the library's.
type Stats struct {
	size            uint32
	PoolThreads     uint32 // worker threads alive now
	Waits           uint64 // calls that got to wait
	Events          uint64 // events delivered
	Wakes           uint64 // Woken events delivered
	Posts           uint64 // Posted events delivered
	SpuriousReturns uint64 // times the kernel woke a waiter that found nothing to deliver
	Rearms          uint64 // successful Rearm
	StaleHits       uint64 // kernel events dropped since their registration had ended
	SetRebuilds     uint64 // times the kernel's set was rebuilt to get rid of stale hits
	IOSubmitted     uint64 // operations accepted
	IOCompleted     uint64 // operations finished
	IOCancelled     uint64 // ... of them cancelled
	IOInFlight      uint64 // operations accepted and not yet delivered
}

// Info tells what a poller is made of. The layout is the library's.
type Info struct {
	size          uint32
	Version       uint32 // major*65536 + minor*256 + patch of the library
	Features      Features
	Backend       Backend
	Engine        Engine // in use, or what the first operation would use
	Flags         OpenFlags
	IOLimit       uint32 // most operations in flight, and most entries in one list
	PoolThreads   uint32 // most threads of the worker pool
	IOLengthLimit uint64 // bytes one operation moves at most
}

// The C structs that only the binding sees.
type cOptions struct {
	size        uint32
	flags       OpenFlags
	wakeToken   uint64
	ioLimit     uint32
	poolThreads uint32
}

type cIO struct {
	token    uint64
	handle   Handle
	offset   int64
	buffer   uint64
	length   uint64
	op       OpID
	code     Code
	flags    uint32
	status   Status
	reserved uint32
}
