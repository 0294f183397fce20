// SPDX-License-Identifier: MIT

package evpoll

import (
	"os"
	"syscall"
	"time"
	"unsafe"
)

var (
	winsock         = syscall.NewLazyDLL("ws2_32.dll")
	duplicateCall   = winsock.NewProc("WSADuplicateSocketW")
	socketCall      = winsock.NewProc("WSASocketW")
	protocolInfoLen = 628 // sizeof(WSAPROTOCOL_INFOW)
)

// duplicateSocket makes a second socket of the same connection. DuplicateHandle would leave Winsock
// in the dark about it.
func duplicateSocket(s uintptr) (Handle, error) {
	const flags = 0x01 | 0x80 // WSA_FLAG_OVERLAPPED, WSA_FLAG_NO_HANDLE_INHERIT
	info := make([]uint32, protocolInfoLen/4)
	failed, _, err := duplicateCall.Call(s, uintptr(syscall.Getpid()),
		uintptr(unsafe.Pointer(&info[0])))
	if failed != 0 {
		return NoHandle, os.NewSyscallError("WSADuplicateSocket", err)
	}
	given := uintptr(1<<32 - 1) // FROM_PROTOCOL_INFO
	copied, _, err := socketCall.Call(given, given, given, uintptr(unsafe.Pointer(&info[0])), 0, flags)
	if copied == ^uintptr(0) {
		return NoHandle, os.NewSyscallError("WSASocket", err)
	}
	return Handle(copied), nil
}

func duplicateFile(h uintptr) (Handle, error) {
	self, _ := syscall.GetCurrentProcess()
	var copied syscall.Handle
	err := syscall.DuplicateHandle(self, syscall.Handle(h), self, &copied, 0, false,
		syscall.DUPLICATE_SAME_ACCESS)
	return Handle(copied), os.NewSyscallError("DuplicateHandle", err)
}

// keepAlive has keepalive messages sent so often; 0: none.
func keepAlive(h Handle, every time.Duration) error {
	ms := uint32((every + time.Millisecond - 1) / time.Millisecond)
	values := syscall.TCPKeepalive{Time: ms, Interval: ms}
	if every > 0 {
		values.OnOff = 1
	}
	var got uint32
	err := syscall.WSAIoctl(syscall.Handle(h), syscall.SIO_KEEPALIVE_VALS,
		(*byte)(unsafe.Pointer(&values)), uint32(unsafe.Sizeof(values)), nil, 0, &got, nil, 0)
	return os.NewSyscallError("WSAIoctl", err)
}
