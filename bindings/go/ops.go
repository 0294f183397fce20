// SPDX-License-Identifier: MIT

package evpoll

import (
	"runtime"
	"sync"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// Submit starts file operations. Each accepted one yields exactly one IODone event, and its buffer
// is the kernel's until a wait has returned that event. It returns how many were accepted, a prefix
// of ops. If that is not all of them, the error is why not, of the first that was refused: ErrAgain
// means that Options.IOLimit is reached, so submit the rest after a completion.
//
// An operation with Inline may be over when Submit returns, and says so in Done: a read of what is
// in the system's cache, where the system can tell.
func (p *Poller) Submit(ops []Op) (int, error) {
	c, err := p.enter()
	if err != nil {
		return 0, err
	}
	b := c.prepare(ops, false)
	r := int64(0)
	if b.n > 0 {
		r = capi.Submit(c.raw, unsafe.Pointer(&b.ios[0]), int64(b.n))
	}
	accepted := c.settle(b, ops, r)
	c.leave()
	runtime.KeepAlive(p)
	if accepted < len(ops) {
		if err := c.failed("submit", r); err != nil {
			return 0, err
		}
		return accepted, failure("submit", ops[accepted].Status, 0)
	}
	return accepted, nil
}

// SubmitList starts operations that report once, with one ListDone event, when all of them are
// done. It starts all or none: if one is refused, each refused one says why in Status. The tokens
// of the operations are not used. ListTake gets the outcomes.
func (p *Poller) SubmitList(ops []Op, token uint64) (OpID, error) {
	return p.submitList(ops, token, nil)
}

func (p *Poller) submitList(ops []Op, token uint64, waiter *parked) (OpID, error) {
	if token > MaxToken {
		return 0, badToken("submit list")
	}
	if len(ops) == 0 {
		return 0, invalid("submit list", "it is empty")
	}
	c, err := p.enter()
	if err != nil {
		return 0, err
	}
	defer runtime.KeepAlive(p)
	defer c.leave()
	b := c.prepare(ops, true)
	if b.n < len(ops) {
		c.settle(b, ops, int64(ErrAgain)) // all but the invalid one
		return 0, invalid("submit list", "an operation is invalid")
	}
	s := &c.slots
	s.mu.Lock()
	one, own := s.take(slotOperation)
	one.token, one.waiter = token, waiter
	one.buffers = make([]*Buffer, len(ops))
	for i := range ops {
		one.buffers[i] = ops[i].Buffer
	}
	s.mu.Unlock()
	var id OpID
	r := capi.Submit_list(c.raw, unsafe.Pointer(&b.ios[0]), int64(b.n), own, unsafe.Pointer(&id))
	for i := range ops {
		ops[i].ID, ops[i].Status = b.ios[i].op, b.ios[i].status
	}
	batches.Put(b)
	if err := c.failed("submit list", r); err != nil {
		s.mu.Lock()
		for i := range ops {
			ops[i].Buffer.releaseIf()
		}
		s.give(own)
		s.mu.Unlock()
		return 0, err
	}
	return id, nil
}

// ListTake takes the outcomes of a finished list and forgets it. results[i] is that of ops[i], so
// there have to be as many; it returns how many there are.
func (p *Poller) ListTake(list OpID, results []Result) (int, error) {
	if len(results) == 0 {
		return 0, invalid("take list", "no room for results")
	}
	c, err := p.enter()
	if err != nil {
		return 0, err
	}
	r := capi.List_take(c.raw, uint64(list), unsafe.Pointer(&results[0]), clip(len(results)))
	c.leave()
	runtime.KeepAlive(p)
	return max0(r), c.failed("take list", r)
}

// opAll is every operation, for the library.
const opAll = OpID(capi.EVPOLL_OP_ALL)

// Cancel asks for the end of an operation or a list, and returns how many operations it asked. The
// event still comes, and the buffer is the kernel's until then. ErrNotFound: it is over already.
func (p *Poller) Cancel(op OpID) (int, error) {
	if op == opAll {
		return 0, invalid("cancel", "not an operation: see CancelAll")
	}
	return p.cancel(op)
}

// CancelAll asks for the end of all operations.
func (p *Poller) CancelAll() (int, error) { return p.cancel(opAll) }

func (p *Poller) cancel(op OpID) (int, error) {
	c, err := p.enter()
	if err != nil {
		return 0, err
	}
	r := capi.Cancel(c.raw, uint64(op))
	c.leave()
	runtime.KeepAlive(p)
	return max0(r), c.failed("cancel", r)
}

// CancelHandle asks for the end of all operations on a handle.
func (p *Poller) CancelHandle(h Handle) (int, error) {
	c, err := p.enter()
	if err != nil {
		return 0, err
	}
	r := capi.Cancel_handle(c.raw, int64(h))
	c.leave()
	runtime.KeepAlive(p)
	return max0(r), c.failed("cancel", r)
}

// Attach prepares a handle for file operations, and says whether it can have them.
func (p *Poller) Attach(h Handle) error {
	c, err := p.enter()
	if err != nil {
		return err
	}
	r := capi.Attach(c.raw, int64(h))
	c.leave()
	runtime.KeepAlive(p)
	return c.failed("attach", r)
}

// ---- operations on their way to C -----------------------------------------------------------

// A batch is operations as C wants them. Batches are used again, so that submitting costs no
// memory.
type batch struct {
	ios []cIO
	n   int // the good ones: a prefix of the operations, or all of them in a list
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// prepare translates operations, enters their buffers, and gives each a slot (a list has one for
// all of them, made by the caller).
func (c *core) prepare(ops []Op, list bool) *batch {
	b := batches.Get().(*batch)
	if cap(b.ios) < len(ops) {
		b.ios = make([]cIO, len(ops))
	}
	b.ios, b.n = b.ios[:len(ops)], 0
	for i := range ops {
		ops[i].ID, ops[i].Status = 0, ErrAgain // not looked at
		ops[i].Done, ops[i].N = false, 0
	}
	for i := range ops {
		op := &ops[i]
		if op.Token > MaxToken && !list || op.Inline && list || !op.fits() ||
			op.Buffer != nil && !op.Buffer.gate.enter() {
			op.Status = ErrInvalid
			break
		}
		io := &b.ios[i]
		*io = cIO{handle: op.File, offset: op.Offset, length: uint64(op.Length), code: op.Code}
		if op.Inline {
			io.flags = uint32(capi.EVPOLL_IO_INLINE)
		}
		if op.Buffer != nil {
			io.buffer = uint64(uintptr(op.Buffer.start)) + uint64(op.From)
		}
		b.n++
	}
	if list || b.n == 0 {
		return b
	}
	s := &c.slots
	s.mu.Lock()
	for i := range ops[:b.n] {
		one, own := s.take(slotOperation)
		one.token, one.buffer, one.waiter = ops[i].Token, ops[i].Buffer, ops[i].waiter
		b.ios[i].token = own
	}
	s.mu.Unlock()
	return b
}

// fits tells whether the operation lies inside of its buffer, and has one if it needs one.
func (op *Op) fits() bool {
	if op.Code == Sync || op.Code == DataSync {
		return op.Buffer == nil && op.From == 0 && op.Length == 0
	}
	return op.Buffer != nil && (op.Code == Read || op.Code == Write) && op.From >= 0 &&
		op.Length >= 0 && op.From <= op.Buffer.size && op.Length <= op.Buffer.size-op.From
}

// settle copies back what the call said, and takes the slots and buffers of those back that no
// event comes for. r is what the call returned; it returns the number of those accepted.
func (c *core) settle(b *batch, ops []Op, r int64) int {
	accepted := max0(r)
	over := 0 // these ended inline
	for i := range ops[:b.n] {
		op := &ops[i]
		op.ID, op.Status = b.ios[i].op, b.ios[i].status
		if op.ID == 0 && i == over && i < accepted {
			op.Done, op.N, op.Status = true, int(op.Status), OK
			over++
		}
	}
	if over > 0 || accepted < b.n {
		s := &c.slots
		s.mu.Lock()
		for i := 0; i < b.n; i++ {
			if over <= i && i < accepted {
				continue
			}
			ops[i].Buffer.releaseIf()
			if b.ios[i].token != 0 {
				s.give(b.ios[i].token)
			}
			if int32(r) < 0 {
				ops[i].Status = statusOf(r)
			}
		}
		s.mu.Unlock()
	}
	batches.Put(b)
	return accepted
}

// nativeTurn is the call of Turn. Not complete: something has failed, was not accepted, or is over.
func (c *core) nativeTurn(t *turn) (r int64, complete bool) {
	b := c.prepare(t.ops, false)
	complete = b.n == len(t.ops) && goodTokens(t.changes)
	if !complete {
		t.nanoseconds = 0
	}
	var changes, ios unsafe.Pointer
	if len(t.changes) > 0 {
		changes = unsafe.Pointer(&t.changes[0])
	}
	if b.n > 0 {
		ios = unsafe.Pointer(&b.ios[0])
	}
	nchanges := clip(len(t.changes))
	if !goodTokens(t.changes) {
		nchanges = 0
		refuse(t.changes)
	}
	r = capi.Turn(c.raw, changes, nchanges, ios, int64(b.n),
		unsafe.Pointer(&t.events[0]), clip(len(t.events)), t.nanoseconds)
	accepted := b.n
	if int32(r) < 0 {
		accepted = 0
	} else {
		for i := 0; i < b.n; i++ {
			if b.ios[i].status < 0 {
				accepted = i
				break
			}
		}
	}
	for i := range t.changes {
		complete = complete && t.changes[i].Status >= 0
	}
	complete = complete && accepted == len(t.ops)
	if int32(r) < 0 {
		c.settle(b, t.ops, r)
	} else {
		c.settle(b, t.ops, int64(accepted))
	}
	return r, complete && !(len(t.ops) > 0 && t.ops[0].Done)
}
