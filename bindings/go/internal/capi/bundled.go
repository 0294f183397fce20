// SPDX-License-Identifier: MIT

//go:build cgo && !evpoll_system

package capi

// The library is compiled into the program, hidden from everything else in it.

/*
#cgo CFLAGS: -std=gnu11 -O2 -fvisibility=hidden
#cgo !windows LDFLAGS: -pthread
#cgo windows LDFLAGS: -lws2_32 -liphlpapi -lntdll
*/
import "C"

// Bundled tells whether the library is part of the program.
const Bundled = true
