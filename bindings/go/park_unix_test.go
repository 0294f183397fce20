// SPDX-License-Identifier: MIT

//go:build !windows

package evpoll

func sleeping(p *Poller) int { return int(p.asleep.Load()) }
