// SPDX-License-Identifier: MIT

package evpoll

func sleeping(p *Poller) int { return int(p.asleep.Load()) }
