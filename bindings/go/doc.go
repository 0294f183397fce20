// SPDX-License-Identifier: MIT

// Package evpoll waits for everything in one kernel object: epoll and io_uring on Linux, AFD and an
// I/O completion port on Windows, kqueue and POSIX AIO on FreeBSD.
//
// Goroutines use Listen, Dial and OpenFile: a Conn is a net.Conn, a Listener a net.Listener, and what
// waits holds no thread. A program with a loop of its own opens a Poller, watches handles by Add,
// starts operations by Submit, and calls Wait: one call of C for each batch, and no memory.
//
// Everything may be called by several goroutines at once, Close included. What is dropped is closed,
// when nothing of it is pending. Errors carry a Status and the system's own code: use errors.Is, with
// a Status (ErrRefused), net.ErrClosed, os.ErrDeadlineExceeded, context.Canceled or os.ErrNotExist.
//
// The library is compiled into the program, by cgo; nothing else is needed. With the build tag
// evpoll_system the system's library is used instead, found by pkg-config.
package evpoll
