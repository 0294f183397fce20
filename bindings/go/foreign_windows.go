// SPDX-License-Identifier: MIT

package evpoll

import (
	"syscall"
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
	const (
		fromProtocolInfo = ^uintptr(0) // FROM_PROTOCOL_INFO, -1
		overlapped       = 0x01        // WSA_FLAG_OVERLAPPED
		noInherit        = 0x80        // WSA_FLAG_NO_HANDLE_INHERIT
	)
	info := make([]uint32, protocolInfoLen/4)
	failed, _, err := duplicateCall.Call(s, uintptr(syscall.Getpid()),
		uintptr(unsafe.Pointer(&info[0])))
	if failed != 0 {
		return NoHandle, duplicateError(err)
	}
	minusOne := uintptr(uint32(fromProtocolInfo & 0xffffffff))
	copied, _, err := socketCall.Call(minusOne, minusOne, minusOne,
		uintptr(unsafe.Pointer(&info[0])), 0, overlapped|noInherit)
	if copied == ^uintptr(0) {
		return NoHandle, duplicateError(err)
	}
	return Handle(copied), nil
}

func duplicateFile(h uintptr) (Handle, error) {
	self, _ := syscall.GetCurrentProcess()
	var copied syscall.Handle
	err := syscall.DuplicateHandle(self, syscall.Handle(h), self, &copied, 0, false,
		syscall.DUPLICATE_SAME_ACCESS)
	if err != nil {
		return NoHandle, duplicateError(err)
	}
	return Handle(copied), nil
}

func duplicateError(err error) error {
	code, _ := err.(syscall.Errno)
	return &Error{Op: "duplicate", Status: ErrOS, OS: code}
}
