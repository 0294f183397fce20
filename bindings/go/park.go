// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"errors"
)

// do starts one operation and waits for it. What the system has at hand is read at once, and nobody
// is parked.
func (f *File) do(ctx context.Context, op Op) (int, error) {
	w := parkedPool.Get().(*parked)
	op.waiter, op.Inline = w, true
	err := f.start(ctx, func() error {
		op.File = f.h
		ops := [1]Op{op}
		_, err := f.p.Submit(ops[:])
		op = ops[0]
		return err
	})
	if err != nil || op.Done {
		parkedPool.Put(w)
		return op.N, err
	}
	e, err := f.p.await(ctx, w, op.ID)
	if err != nil {
		return 0, err
	}
	return int(e.Result), nil
}

// blocks starts a list and waits for it.
func (f *File) blocks(ctx context.Context, code Code, b *Buffer, block int,
	offset int64) ([]Result, error) {
	if b == nil || block < 1 || offset < 0 {
		return nil, invalid("blocks", "no buffer, or size or offset is out of range")
	}
	ops := make([]Op, (b.size+block-1)/block)
	for i := range ops {
		length := b.size - i*block
		if length > block {
			length = block
		}
		ops[i] = Op{Code: code, Buffer: b, From: i * block, Length: length,
			Offset: offset + int64(i)*int64(block)}
	}
	w := parkedPool.Get().(*parked)
	var id OpID
	err := f.start(ctx, func() (err error) {
		for i := range ops {
			ops[i].File = f.h
		}
		id, err = f.p.submitList(ops, 0, w)
		return err
	})
	if err != nil {
		parkedPool.Put(w)
		return nil, err
	}
	_, err = f.p.await(ctx, w, id)
	if err == ErrClosed {
		return nil, err
	}
	results := make([]Result, len(ops))
	if _, taken := f.p.ListTake(id, results); taken != nil {
		return nil, taken
	}
	return results, err
}

// start submits as soon as there is room. The file stays open for the system meanwhile, so that its
// number is nobody else's.
func (f *File) start(ctx context.Context, submit func() error) error {
	if ctx == nil {
		return invalid("file", "no context")
	}
	for {
		if ctx.Err() != nil {
			return ended("file", ctx)
		}
		if err := f.enter(); err != nil {
			return err
		}
		err := submit()
		f.leave()
		c := f.p.c
		if !errors.Is(err, ErrAgain) {
			signal(c.room) // perhaps there is room for one more who waits
			return err
		}
		select {
		case <-c.room:
		case <-c.dead:
			return ErrClosed
		case <-ctx.Done():
			return ended("file", ctx)
		}
	}
}

// await parks the goroutine until the event has come. The buffer is the program's again then, and
// not before: a context that ends only asks the kernel to hurry.
func (p *Poller) await(ctx context.Context, w *parked, id OpID) (Event, error) {
	asked := false
	select {
	case <-w.done:
	case <-ctx.Done():
		asked = true
		p.Cancel(id)
		<-w.done
	}
	e, err := w.event, w.err
	w.err = nil
	parkedPool.Put(w)
	switch {
	case err != nil:
		return e, err
	case asked && (e.Status == ErrCancelled || e.Status == ErrPartial):
		return e, ended("file", ctx)
	}
	return e, e.Err()
}
