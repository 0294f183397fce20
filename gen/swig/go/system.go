// SPDX-License-Identifier: MIT

//go:build cgo && evpoll_system

package capi

// The library is the system's, found by pkg-config.

/*
#cgo pkg-config: evpoll
#cgo linux CFLAGS: -D_GNU_SOURCE -DEVP_GO_SYSTEM
#cgo linux LDFLAGS: -ldl
*/
import "C"

// Bundled tells whether the library is part of the program.
const Bundled = false
