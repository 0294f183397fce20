// SPDX-License-Identifier: MIT

//go:build !windows

package evpoll

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

func duplicateSocket(fd uintptr) (Handle, error) { return duplicateFile(fd) }

func duplicateFile(fd uintptr) (Handle, error) {
	copied, _, code := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 3)
	if code != 0 {
		return NoHandle, os.NewSyscallError("fcntl", code)
	}
	return Handle(copied), nil
}

// The options of TCP for the time until the first keepalive message, and between them.
var keepAliveOptions = map[string][2]int{
	"linux": {4, 5}, "freebsd": {0x100, 0x200}, "darwin": {0x10, 0x101},
}

// keepAlive has keepalive messages sent so often; 0: none.
func keepAlive(h Handle, every time.Duration) error {
	seconds, on := int((every+time.Second-1)/time.Second), 0
	if every > 0 {
		on = 1
	}
	err := syscall.SetsockoptInt(int(h), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, on)
	for _, option := range keepAliveOptions[runtime.GOOS] {
		if err == nil && every > 0 {
			err = syscall.SetsockoptInt(int(h), syscall.IPPROTO_TCP, option, seconds)
		}
	}
	return os.NewSyscallError("setsockopt", err)
}
