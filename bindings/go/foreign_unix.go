// SPDX-License-Identifier: MIT

//go:build !windows

package evpoll

import "syscall"

func duplicateSocket(fd uintptr) (Handle, error) { return duplicateFile(fd) }

func duplicateFile(fd uintptr) (Handle, error) {
	copied, _, code := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
	if code != 0 {
		return NoHandle, &Error{Op: "duplicate", Status: statusOfErrno(code), OS: code}
	}
	return Handle(copied), nil
}

func statusOfErrno(code syscall.Errno) Status {
	switch code {
	case syscall.EMFILE:
		return ErrLimit
	case syscall.EBADF:
		return ErrBadHandle
	}
	return ErrOS
}
