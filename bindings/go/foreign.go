// SPDX-License-Identifier: MIT

package evpoll

import (
	"net"
	"os"
	"syscall"
)

// AddConn watches a connection of package net. The Socket has a duplicate of its descriptor, which
// is closed with the Socket; the connection is closed with its own Close, in any order. Data that
// one of them reads is gone for the other.
func (p *Poller) AddConn(conn net.Conn, token uint64, interest Events, mode Mode) (*Socket, error) {
	has, ok := conn.(syscall.Conn)
	if !ok {
		return nil, invalid("add", "the connection has no descriptor")
	}
	return p.AddSyscallConn(has, token, interest, mode)
}

// AddSyscallConn is AddConn for whatever has a socket, a listener for one.
func (p *Poller) AddSyscallConn(conn syscall.Conn, token uint64, interest Events,
	mode Mode) (*Socket, error) {
	h, err := p.duplicate(conn, duplicateSocket)
	if err != nil {
		return nil, err
	}
	return p.watched(h, nil, token, interest, mode)
}

// AddFile watches what is open as a file and can be waited for: a pipe, a terminal, a device. It
// has a duplicate of the descriptor, as in AddConn. Recv and Send are for sockets alone: read and
// write such a file by its own methods.
func (p *Poller) AddFile(file *os.File, token uint64, interest Events, mode Mode) (*Socket, error) {
	if file == nil {
		return nil, invalid("add file", "no file")
	}
	h, err := p.duplicate(file, duplicateFile)
	if err != nil {
		return nil, err
	}
	return p.watched(h, nil, token, interest, mode)
}

// FileFrom is a regular file or a block device that is open already, for file operations. It has a
// duplicate of the descriptor, closed with the File.
func (p *Poller) FileFrom(file *os.File) (*File, error) {
	if file == nil {
		return nil, invalid("file", "no file")
	}
	h, err := p.duplicate(file, duplicateFile)
	if err != nil {
		return nil, err
	}
	f := p.newFile(h)
	if err := p.Attach(h); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// duplicate makes a descriptor of the binding's own. The one that the connection has is valid only
// while it is being looked at: it may be closed at any time, and its number be somebody else's.
func (p *Poller) duplicate(conn syscall.Conn, dup func(uintptr) (Handle, error)) (Handle, error) {
	if conn == nil {
		return NoHandle, invalid("add", "no connection")
	}
	c, err := p.enter()
	if err != nil {
		return NoHandle, err
	}
	defer c.leave()
	raw, err := conn.SyscallConn()
	if err != nil {
		return NoHandle, err
	}
	h, failed := NoHandle, error(nil)
	if err := raw.Control(func(fd uintptr) { h, failed = dup(fd) }); err != nil {
		return NoHandle, err
	}
	return h, failed
}
