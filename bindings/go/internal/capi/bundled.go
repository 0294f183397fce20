// SPDX-License-Identifier: MIT

//go:build cgo && !evpoll_system

package capi

// The library is compiled into the program, hidden from everything else in it.

/*
#cgo CFLAGS: -std=gnu11 -O2 -fvisibility=hidden
#cgo !windows CFLAGS: -D_GNU_SOURCE
#cgo 386 arm mips mipsle CFLAGS: -D_FILE_OFFSET_BITS=64
#cgo freebsd CFLAGS: -DEVP_KQUEUE_AIO=1
#cgo !windows LDFLAGS: -pthread
#cgo windows CFLAGS: -D_WIN32_WINNT=0x0A00 -DWIN32_LEAN_AND_MEAN
#cgo windows LDFLAGS: -lws2_32 -liphlpapi -lntdll
*/
import "C"

// Bundled tells whether the library is part of the program.
const Bundled = true
