// SPDX-License-Identifier: MIT

package evpoll

import (
	"runtime"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// Add watches a handle, or replaces what was watched of it. The handle stays the program's: keep
// what it belongs to alive, since a finalizer of an os.File or a net.Conn would close it. AddConn
// and AddFile take care of that.
func (p *Poller) Add(h Handle, token uint64, interest Events, mode Mode) error {
	if token > MaxToken {
		return badToken("add")
	}
	return p.add(h, token, interest, mode)
}

func (p *Poller) add(h Handle, token uint64, interest Events, mode Mode) error {
	c, err := p.enter()
	if err != nil {
		return err
	}
	r := capi.Add(c.raw, int64(h), token, uint32(interest), uint32(mode))
	c.leave()
	runtime.KeepAlive(p)
	return c.failed("add", r)
}

// Modify changes interest and mode of a registration, and looks at its state afresh.
func (p *Poller) Modify(h Handle, token uint64, interest Events, mode Mode) error {
	if token > MaxToken {
		return badToken("modify")
	}
	c, err := p.enter()
	if err != nil {
		return err
	}
	r := capi.Modify(c.raw, int64(h), token, uint32(interest), uint32(mode))
	c.leave()
	runtime.KeepAlive(p)
	return c.failed("modify", r)
}

// Rearm arms a registration again: with Oneshot for one more event, with Edge after ErrWouldBlock.
func (p *Poller) Rearm(h Handle, token uint64, bits Events) error {
	if token > MaxToken {
		return badToken("rearm")
	}
	return p.rearm(h, token, bits)
}

func (p *Poller) rearm(h Handle, token uint64, bits Events) error {
	c, err := p.enter()
	if err != nil {
		return err
	}
	r := capi.Rearm(c.raw, int64(h), token, uint32(bits))
	c.leave()
	runtime.KeepAlive(p)
	return c.failed("rearm", r)
}

// Remove stops watching a handle. Waits that start later never return the token for it.
func (p *Poller) Remove(h Handle, token uint64) error {
	if token > MaxToken {
		return badToken("remove")
	}
	return p.remove(h, token)
}

func (p *Poller) remove(h Handle, token uint64) error {
	c, err := p.enter()
	if err != nil {
		return err
	}
	r := capi.Remove(c.raw, int64(h), token)
	c.leave()
	runtime.KeepAlive(p)
	return c.failed("remove", r)
}

// Update applies many changes in one call, in order. One that fails does not stop the others: each
// has its own Status. It returns how many succeeded. A token above MaxToken refuses all of them.
func (p *Poller) Update(changes []Change) (int, error) {
	if len(changes) == 0 {
		return 0, nil
	}
	if !goodTokens(changes) {
		refuse(changes)
		return 0, badToken("update")
	}
	c, err := p.enter()
	if err != nil {
		return 0, err
	}
	r := capi.Update(c.raw, unsafe.Pointer(&changes[0]), clip(len(changes)))
	c.leave()
	runtime.KeepAlive(p)
	return max0(r), c.failed("update", r)
}

func goodTokens(changes []Change) bool {
	for i := range changes {
		if changes[i].Token > MaxToken {
			return false
		}
	}
	return true
}

// refuse says in each change why none was applied.
func refuse(changes []Change) {
	for i := range changes {
		changes[i].Status = ErrAgain
		if changes[i].Token > MaxToken {
			changes[i].Status = ErrInvalid
		}
	}
}
