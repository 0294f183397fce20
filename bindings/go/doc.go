// SPDX-License-Identifier: MIT

// Package evpoll is one wait for sockets that became ready and file operations that finished: one
// interface over epoll and io_uring on Linux, AFD and I/O completion ports on Windows, kqueue and
// POSIX AIO on FreeBSD.
//
// There are two ways to use it. A program that handles events opens a Poller, watches sockets by
// Add or Watch, starts file operations by Submit, and calls Wait in a loop: one call of C for each
// batch, and no memory. A program of goroutines uses Conn, Listener and File, whose calls wait
// without holding a thread, and has one goroutine that serves them: go p.Run(). Both may be mixed.
//
// # Ownership
//
// Data buffers of file operations are Buffers, since the kernel keeps their addresses and Go's
// memory is not for keeping. A Buffer is the kernel's until a wait has returned the event of its
// operation; Free in between is put off until then. Everything else given to a call is the
// program's again when the call returns. Sockets, files and connections are closed by Close, or
// when the program has dropped them.
//
// # Tokens
//
// A token is any number up to MaxToken: the larger ones are the binding's own.
//
// # Threads
//
// Everything may be called by several goroutines at once, Close included. With ThreadBound, one
// thread makes the calls: see runtime.LockOSThread. A goroutine that waits in Wait holds a thread
// of the operating system, as every call of C does; use a few of them, not thousands.
//
// # Errors
//
// Errors are of type *Error, and carry a Status and the system's own code. Use errors.Is with a
// Status (ErrWouldBlock), with ErrClosed, with context.Canceled, or with what package os knows
// (os.ErrNotExist).
//
// # Building
//
// The library is compiled into the program, by cgo; nothing else is needed. With the build tag
// evpoll_system the system's library is used instead, found by pkg-config.
package evpoll
