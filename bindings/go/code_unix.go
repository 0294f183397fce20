// SPDX-License-Identifier: MIT

//go:build !windows

package evpoll

import "syscall"

const wouldBlockCode = syscall.EAGAIN

func errno(code int64) syscall.Errno { return syscall.Errno(code) }
