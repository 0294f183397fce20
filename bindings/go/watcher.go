// SPDX-License-Identifier: MIT

package evpoll

import (
	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A watcher makes the waits of one context end when it ends. It is one goroutine for a context, not
// for a wait: who waits with the same context again finds it there.
//
// When the context ends, the watcher posts a nudge, and whoever gets it looks up. If that is a
// stranger with another context, it asks for another nudge and stays out of the way until the right
// ones have got theirs. Nudges are posts, and not wakes, since those would melt into the program's.
type watcher struct {
	done   <-chan struct{} // the context's
	stop   chan struct{}   // nobody needs the watcher any more
	again  chan struct{}   // somebody left, or a stranger got the nudge
	gone   chan struct{}   // closed when it has ended, and nobody is inside
	inside int             // guarded by core.mu, as what follows
	fired  bool
}

// join counts a wait in.
func (c *core) join(done <-chan struct{}) *watcher {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.watchers {
		if w.done == done {
			w.inside++
			return w
		}
	}
	w := &watcher{
		done:   done,
		stop:   make(chan struct{}),
		again:  make(chan struct{}, 1),
		gone:   make(chan struct{}),
		inside: 1,
	}
	c.watchers = append(c.watchers, w)
	go c.watch(w)
	return w
}

// part counts a wait out. One watcher that nobody needs is kept: the next wait has its context,
// as a rule.
func (c *core) part(w *watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.inside--
	if w.fired {
		signal(w.again)
		return
	}
	if w.inside > 0 || len(c.watchers) == 1 {
		return
	}
	for _, other := range c.watchers {
		if other != w && other.inside == 0 && !other.fired {
			c.forget(other)
			close(other.stop)
			return
		}
	}
}

// forget takes a watcher off the list. Locked.
func (c *core) forget(w *watcher) {
	for i, other := range c.watchers {
		if other == w {
			c.watchers = append(c.watchers[:i], c.watchers[i+1:]...)
			return
		}
	}
}

func (c *core) watch(w *watcher) {
	select {
	case <-w.done:
	case <-w.stop:
		return
	case <-c.dead: // Close sends the waits away
		return
	}
	for {
		c.mu.Lock()
		w.fired = true
		if w.inside == 0 {
			c.forget(w)
			close(w.gone)
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		c.nudge()
		select {
		case <-w.again:
		case <-c.dead:
			return
		}
	}
}

// nudge makes one wait look up.
func (c *core) nudge() {
	if !c.gate.enter() {
		return
	}
	c.slots.attention.Add(1)
	if statusOf(capi.Post(c.raw, nudgeToken, 0)) < 0 {
		// Shut down, or out of memory: a wake always works, and the program gets to see it.
		c.slots.attention.Add(-1)
		capi.Wake(c.raw)
	}
	c.leave()
}

// passOn is for who leaves with a nudge, which may have been somebody else's.
func (c *core) passOn(own *watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.watchers {
		if w != own && w.fired {
			signal(w.again)
		}
	}
}

// makeWay lets others go whose context has ended: the caller may have got their nudge.
// Two that made way for each other would wait for ever, so whose own context ends goes first.
func (c *core) makeWay(own *watcher) {
	var ended <-chan struct{}
	if own != nil {
		ended = own.done
	}
	for {
		var ending *watcher
		c.mu.Lock()
		for _, w := range c.watchers {
			if w != own && w.fired && w.inside > 0 {
				ending = w
			}
		}
		c.mu.Unlock()
		if ending == nil {
			return
		}
		signal(ending.again)
		select {
		case <-ending.gone:
		case <-ended:
			return
		case <-c.dead:
			return
		}
	}
}
