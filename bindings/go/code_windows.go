// SPDX-License-Identifier: MIT

package evpoll

import "syscall"

const wouldBlockCode = syscall.Errno(10035) // WSAEWOULDBLOCK

func errno(code int64) syscall.Errno { return syscall.Errno(uint32(code)) }
