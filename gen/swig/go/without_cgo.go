// SPDX-License-Identifier: MIT

//go:build !cgo

// Package capi is evpoll's C interface. It needs cgo: set CGO_ENABLED=1, and install a C compiler
// (for another system, name its compiler in CC).
package capi

// The compiler stops here, and shows this name.
const _ = evpoll_needs_cgo_so_set_CGO_ENABLED_to_1_and_install_a_C_compiler_for_GOOS_and_GOARCH
