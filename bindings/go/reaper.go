// SPDX-License-Identifier: MIT

package evpoll

import "sync"

// The reaper closes what nobody else waits for: pollers whose operations outlive them. One
// goroutine for all of them, which ends when there are none. What is on its list is rooted here,
// and with it the buffers that the kernel may still write.
var reaper struct {
	mu   sync.Mutex
	list []*core
	runs bool
}

func reap(c *core) {
	reaper.mu.Lock()
	defer reaper.mu.Unlock()
	reaper.list = append(reaper.list, c)
	if !reaper.runs {
		reaper.runs = true
		go reapAll()
	}
}

func reapAll() {
	const pause = 20e6 // nanoseconds: how long one of them holds up the others
	for {
		reaper.mu.Lock()
		if len(reaper.list) == 0 {
			reaper.runs = false
			reaper.mu.Unlock()
			return
		}
		c := reaper.list[0]
		reaper.list = reaper.list[1:]
		reaper.mu.Unlock()
		if !c.free(pause) {
			reaper.mu.Lock()
			reaper.list = append(reaper.list, c)
			reaper.mu.Unlock()
		}
	}
}
