// SPDX-License-Identifier: MIT

package evpoll

import (
	"strconv"
	"strings"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// Events are the bits of an Event. The first three are interests as well.
type Events uint32

// The bits of an Event.
const (
	// Readable: read or accept would not block.
	Readable = Events(capi.EVPOLL_READABLE)
	// Writable: send would not block, or connect has ended.
	Writable = Events(capi.EVPOLL_WRITABLE)
	// Priority: out-of-band data.
	Priority = Events(capi.EVPOLL_PRIORITY)
	// ReadClosed: the peer sent its last byte.
	ReadClosed = Events(capi.EVPOLL_READ_CLOSED)
	// WriteClosed: nothing can be sent any more.
	WriteClosed = Events(capi.EVPOLL_WRITE_CLOSED)
	// ErrorEvent: an error is pending; reported with any interest.
	ErrorEvent = Events(capi.EVPOLL_ERROR)
	// IODone: an operation finished.
	IODone = Events(capi.EVPOLL_IO)
	// ListDone: all operations of a list finished.
	ListDone = Events(capi.EVPOLL_IO_LIST)
	// Woken: Wake was called.
	Woken = Events(capi.EVPOLL_WAKE)
	// Posted: Post was called.
	Posted = Events(capi.EVPOLL_POST)
)

// String names the bits.
func (e Events) String() string {
	return names(uint32(e), "readable", "writable", "priority", "read-closed", "write-closed",
		"error", "", "", "io-done", "list-done", "aio", "lio", "woken", "posted")
}

// A Mode says how often a registration reports.
type Mode uint32

// The modes of a registration.
const (
	// Level: by every wait while it is true.
	Level = Mode(capi.EVPOLL_LEVEL)
	// Edge: when it becomes true; Rearm after ErrWouldBlock.
	Edge = Mode(capi.EVPOLL_EDGE)
	// Oneshot: once, then silence until Rearm or Modify.
	Oneshot = Mode(capi.EVPOLL_ONESHOT)
)

// An Action is what a Change does.
type Action uint32

// The actions of a Change.
const (
	// ChangeAdd: as Add.
	ChangeAdd = Action(capi.EVPOLL_CHANGE_ADD)
	// ChangeModify: as Modify.
	ChangeModify = Action(capi.EVPOLL_CHANGE_MODIFY)
	// ChangeRearm: as Rearm; Interest holds the bits.
	ChangeRearm = Action(capi.EVPOLL_CHANGE_REARM)
	// ChangeRemove: as Remove.
	ChangeRemove = Action(capi.EVPOLL_CHANGE_REMOVE)
)

// A Code is what an operation does.
type Code uint32

// The codes of an operation.
const (
	// Read: into the buffer.
	Read = Code(capi.EVPOLL_IO_READ)
	// Write: from the buffer.
	Write = Code(capi.EVPOLL_IO_WRITE)
	// Sync: make completed writes durable.
	Sync = Code(capi.EVPOLL_IO_FSYNC)
	// DataSync: without metadata that reading back does not need.
	DataSync = Code(capi.EVPOLL_IO_FDATASYNC)
)

// OpenFlags are options of a poller.
type OpenFlags uint32

// The flags of Options.
const (
	// SingleWaiter: never two waits at once.
	SingleWaiter = OpenFlags(capi.EVPOLL_OPEN_SINGLE_WAITER)
	// ThreadBound: one thread: see runtime.LockOSThread.
	ThreadBound = OpenFlags(capi.EVPOLL_OPEN_THREAD_BOUND)
	// NoURing: Linux: file operations by the worker pool.
	NoURing = OpenFlags(capi.EVPOLL_OPEN_NO_URING)
	// NativeIOOnly: no worker pool.
	NativeIOOnly = OpenFlags(capi.EVPOLL_OPEN_NATIVE_IO_ONLY)
)

// String names the flags.
func (f OpenFlags) String() string {
	return names(uint32(f), "single-waiter", "thread-bound", "no-uring", "native-io-only")
}

// FileFlags say how to open a file.
type FileFlags uint32

// The flags of OpenFile.
const (
	ForReading FileFlags = FileFlags(capi.EVPOLL_FILE_READ)
	ForWriting           = FileFlags(capi.EVPOLL_FILE_WRITE)
	// Create: make the file where there is none.
	Create = FileFlags(capi.EVPOLL_FILE_CREATE)
	// Exclusive: with Create: fail where there is one.
	Exclusive = FileFlags(capi.EVPOLL_FILE_EXCLUSIVE)
	// Truncate: with ForWriting: cut it to 0 bytes.
	Truncate = FileFlags(capi.EVPOLL_FILE_TRUNCATE)
	// Direct: past the page cache; all is aligned.
	Direct = FileFlags(capi.EVPOLL_FILE_DIRECT)
)

// String names the flags.
func (f FileFlags) String() string {
	return names(uint32(f), "read", "write", "create", "exclusive", "truncate", "direct")
}

// Features tell what a poller can do.
type Features uint32

// The features in Info.
const (
	// FeaturePriority: Priority can be an interest.
	FeaturePriority = Features(capi.EVPOLL_FEATURE_PRIORITY)
	// FeatureFileIO: Submit serves files.
	FeatureFileIO = Features(capi.EVPOLL_FEATURE_FILE_IO)
	// FeatureNativeIO: ... by the kernel.
	FeatureNativeIO = Features(capi.EVPOLL_FEATURE_NATIVE_IO)
	// FeatureVectoredIO: for C programs.
	FeatureVectoredIO = Features(capi.EVPOLL_FEATURE_VECTORED_IO)
	// FeaturePipeIO: Submit serves named pipes.
	FeaturePipeIO = Features(capi.EVPOLL_FEATURE_PIPE_IO)
	// FeatureForeignAIO: for C programs.
	FeatureForeignAIO = Features(capi.EVPOLL_FEATURE_FOREIGN_AIO)
	// FeatureAnyHandle: Add takes pipes and devices.
	FeatureAnyHandle = Features(capi.EVPOLL_FEATURE_ANY_HANDLE)
)

// String names the features.
func (f Features) String() string {
	return names(uint32(f), "priority", "file-io", "native-io", "vectored-io", "pipe-io",
		"foreign-aio", "any-handle")
}

// A Backend is what a poller sleeps on.
type Backend uint32

// The backends in Info.
const (
	Epoll  = Backend(capi.EVPOLL_BACKEND_EPOLL)
	Kqueue = Backend(capi.EVPOLL_BACKEND_KQUEUE)
	AFD    = Backend(capi.EVPOLL_BACKEND_AFD)
)

// String names the backend.
func (b Backend) String() string { return nth(int(b), "", "epoll", "kqueue", "AFD") }

// An Engine is what serves file operations.
type Engine uint32

// The engines in Info.
const (
	NoEngine = Engine(capi.EVPOLL_ENGINE_NONE)
	Pool     = Engine(capi.EVPOLL_ENGINE_POOL)
	IOURing  = Engine(capi.EVPOLL_ENGINE_IO_URING)
	AIO      = Engine(capi.EVPOLL_ENGINE_AIO)
	IOCP     = Engine(capi.EVPOLL_ENGINE_IOCP)
)

// String names the engine.
func (e Engine) String() string {
	return nth(int(e), "none", "worker pool", "io_uring", "POSIX AIO", "IOCP")
}

// A Direction of a connection, for CloseDirection.
type Direction int32

// The directions of a connection.
const (
	Receiving = Direction(capi.EVPOLL_SHUTDOWN_READ)
	Sending   = Direction(capi.EVPOLL_SHUTDOWN_WRITE)
	Both      = Direction(capi.EVPOLL_SHUTDOWN_BOTH)
)

func names(bits uint32, all ...string) string {
	var has []string
	for i, name := range all {
		if bits&(1<<i) != 0 && name != "" {
			has = append(has, name)
			bits &^= 1 << i
		}
	}
	if bits != 0 || len(has) == 0 {
		has = append(has, "0x"+strconv.FormatUint(uint64(bits), 16))
	}
	return strings.Join(has, "|")
}

func nth(i int, all ...string) string {
	if i >= 0 && i < len(all) && all[i] != "" {
		return all[i]
	}
	return strconv.Itoa(i)
}
