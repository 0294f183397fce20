// SPDX-License-Identifier: MIT

package evpoll

import "sync/atomic"

// A gate counts who is inside, and closes once. What is behind it may be given back when it is
// closed and nobody is inside: that moment comes exactly once.
type gate struct{ state atomic.Int64 }

const gateClosed = 1 << 62

// enter counts the caller in; false: the gate is closed.
func (g *gate) enter() bool {
	for {
		was := g.state.Load()
		if was&gateClosed != 0 {
			return false
		}
		if g.state.CompareAndSwap(was, was+1) {
			return true
		}
	}
}

// leave counts the caller out; last: the gate is closed and nobody is inside any more.
func (g *gate) leave() (last bool) { return g.state.Add(-1) == gateClosed }

func (g *gate) closed() bool { return g.state.Load()&gateClosed != 0 }

// inside is how many have entered and not left.
func (g *gate) inside() int { return int(g.state.Load() &^ gateClosed) }

// close closes it; first: nobody did before; last: and nobody is inside.
func (g *gate) close() (first, last bool) {
	for {
		was := g.state.Load()
		if was&gateClosed != 0 {
			return false, false
		}
		if g.state.CompareAndSwap(was, was|gateClosed) {
			return true, was == 0
		}
	}
}
