// SPDX-License-Identifier: MIT

package evpoll

import (
	"net/netip"
	"runtime"
	"sync"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// A Socket is for programs that handle events: nothing of it blocks, and what is not ready yet is
// ErrWouldBlock. For goroutines that wait there are Conn and Listener. It is closed by Close, or
// when the program has dropped it.
type Socket struct {
	p    *Poller
	h    Handle
	gate gate

	mu      sync.Mutex
	token   uint64
	watched bool
}

func (p *Poller) newSocket(h Handle) *Socket {
	s := &Socket{p: p, h: h}
	runtime.SetFinalizer(s, func(s *Socket) { go s.Close() })
	return s
}

// Listen opens a listening TCP socket at a numeric address, "127.0.0.1:7000" or "[::1]:0", and
// watches it: Level events with this token say that Accept has something.
func (p *Poller) Listen(address string, token uint64) (*Socket, error) {
	host, port, err := split("listen", address)
	if err != nil {
		return nil, err
	}
	var h Handle
	err = failed("listen", capi.Socket_tcp_listen(host, port, 0, unsafe.Pointer(&h)))
	return p.watched(h, err, token, Readable, Level)
}

// Dial starts a TCP connection to a numeric address, and watches it. When the first Writable comes,
// TakeError tells how it ended.
func (p *Poller) Dial(address string, token uint64, interest Events, mode Mode) (*Socket, error) {
	host, port, err := split("dial", address)
	if err != nil {
		return nil, err
	}
	var h Handle
	err = failed("dial", capi.Socket_tcp_connect(host, port, unsafe.Pointer(&h)))
	return p.watched(h, err, token, interest, mode)
}

// BindUDP opens a UDP socket at a numeric address, and watches it.
func (p *Poller) BindUDP(address string, token uint64, interest Events,
	mode Mode) (*Socket, error) {
	host, port, err := split("bind", address)
	if err != nil {
		return nil, err
	}
	var h Handle
	err = failed("bind", capi.Socket_udp_bind(host, port, unsafe.Pointer(&h)))
	return p.watched(h, err, token, interest, mode)
}

func (p *Poller) watched(h Handle, err error, token uint64, interest Events,
	mode Mode) (*Socket, error) {
	if err != nil {
		return nil, err
	}
	s := p.newSocket(h)
	if err := s.Watch(token, interest, mode); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Pair opens two stream sockets that are connected with each other. Nothing watches them yet.
func (p *Poller) Pair() (*Socket, *Socket, error) {
	if _, err := p.enter(); err != nil {
		return nil, nil, err
	}
	defer p.c.leave()
	var ends [2]Handle
	r := capi.Socket_pair(unsafe.Pointer(&ends[0]), unsafe.Pointer(&ends[1]))
	if err := failed("pair", r); err != nil {
		return nil, nil, err
	}
	return p.newSocket(ends[0]), p.newSocket(ends[1]), nil
}

// enter counts the caller in: the handle is not closed, and nobody else's, until leave.
func (s *Socket) enter() error {
	if s == nil || s.p == nil {
		return invalid("socket", "not made by a Poller")
	}
	if !s.gate.enter() {
		return ErrClosed
	}
	return nil
}

func (s *Socket) leave() {
	if s.gate.leave() {
		s.giveBack()
	}
}

// Close removes the socket from its poller and closes it. Calls on other goroutines finish first.
func (s *Socket) Close() error {
	if s == nil || s.p == nil {
		return invalid("close", "not made by a Poller")
	}
	first, last := s.gate.close()
	if !first {
		return ErrClosed
	}
	runtime.SetFinalizer(s, nil)
	if last {
		return s.giveBack()
	}
	return nil
}

func (s *Socket) giveBack() error {
	if s.watched {
		s.p.remove(s.h, s.token)
	}
	return failed("close", capi.Socket_close(int64(s.h)))
}

// Handle is the system's descriptor. It stays the Socket's.
func (s *Socket) Handle() Handle { return s.h }

// Watch adds the socket to its poller, or replaces how it was watched.
func (s *Socket) Watch(token uint64, interest Events, mode Mode) error {
	return s.locked(func() error {
		err := s.p.Add(s.h, token, interest, mode)
		if err == nil {
			s.token, s.watched = token, true
		}
		return err
	})
}

// Modify changes how the socket is watched, and looks at its state afresh.
func (s *Socket) Modify(interest Events, mode Mode) error {
	return s.locked(func() error { return s.p.Modify(s.h, s.token, interest, mode) })
}

// Unwatch removes the socket from its poller.
func (s *Socket) Unwatch() error {
	return s.locked(func() error {
		s.watched = false
		return s.p.remove(s.h, s.token)
	})
}

func (s *Socket) locked(do func() error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	return do()
}

// Rearm arms the socket again: with Oneshot for one more event, with Edge after ErrWouldBlock.
func (s *Socket) Rearm(bits Events) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.p.Rearm(s.h, s.token, bits)
}

// Accept takes one connection. Nothing watches it yet.
func (s *Socket) Accept() (*Socket, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	var h Handle
	if err := failed("accept", capi.Socket_accept(int64(s.h), unsafe.Pointer(&h))); err != nil {
		return nil, err
	}
	return s.p.newSocket(h), nil
}

// Recv receives what is there. 0 and nil is the end of the stream, or an empty datagram.
func (s *Socket) Recv(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, invalid("receive", "no room")
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	r := capi.Socket_recv(int64(s.h), unsafe.Pointer(&b[0]), uint64(len(b)))
	s.leave()
	return max0(r), failed("receive", r)
}

// Send sends what fits.
func (s *Socket) Send(b []byte) (int, error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	r := capi.Socket_send(int64(s.h), first(b), uint64(len(b)))
	s.leave()
	return max0(r), failed("send", r)
}

// first is the address of the bytes, nil if there are none.
func first(b []byte) unsafe.Pointer {
	if len(b) == 0 {
		return nil
	}
	return unsafe.Pointer(&b[0])
}

// RecvFrom receives one datagram, and says where it came from.
func (s *Socket) RecvFrom(b []byte) (int, netip.AddrPort, error) {
	if len(b) == 0 {
		return 0, netip.AddrPort{}, invalid("receive", "no room")
	}
	if err := s.enter(); err != nil {
		return 0, netip.AddrPort{}, err
	}
	defer s.leave()
	host := make([]byte, capi.EVPOLL_ADDRESS_CAPACITY)
	var port int32
	r := capi.Socket_recvfrom(int64(s.h), unsafe.Pointer(&b[0]), uint64(len(b)),
		unsafe.Pointer(&host[0]), int64(len(host)), unsafe.Pointer(&port))
	if err := failed("receive", r); err != nil {
		return 0, netip.AddrPort{}, err
	}
	return max0(r), join(host, port), nil
}

// SendTo sends one datagram.
func (s *Socket) SendTo(b []byte, to netip.AddrPort) (int, error) {
	if !to.IsValid() {
		return 0, invalid("send", "no address")
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	r := capi.Socket_sendto(int64(s.h), first(b), uint64(len(b)),
		to.Addr().String(), int64(to.Port()))
	return max0(r), failed("send", r)
}

// CloseDirection ends one or both directions of the connection.
func (s *Socket) CloseDirection(how Direction) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return failed("shut down", capi.Socket_shutdown(int64(s.h), int64(how)))
}

// TakeError takes the error that is pending at the socket, nil if there is none: after Dial, how
// the connection ended. The second result says that it could not be asked.
func (s *Socket) TakeError() (pending, err error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	return takeError(s.h)
}

func takeError(h Handle) (pending, err error) {
	var status Status
	r := capi.Socket_take_error(int64(h), unsafe.Pointer(&status))
	if err := failed("take error", r); err != nil {
		return nil, err
	}
	if status < 0 {
		pending = failure("socket", status, errno(int64(uint32(uint64(r)>>32))))
	}
	return pending, nil
}

// LocalAddr is the socket's own address, invalid for AF_UNIX.
func (s *Socket) LocalAddr() (netip.AddrPort, error) {
	if err := s.enter(); err != nil {
		return netip.AddrPort{}, err
	}
	defer s.leave()
	return askAddress("local address", s.h, capi.Socket_local_address)
}

// RemoteAddr is the peer's address, invalid for AF_UNIX.
func (s *Socket) RemoteAddr() (netip.AddrPort, error) {
	if err := s.enter(); err != nil {
		return netip.AddrPort{}, err
	}
	defer s.leave()
	return askAddress("peer address", s.h, capi.Socket_peer_address)
}

// SetNoDelay sends small pieces at once, or gathers them.
func (s *Socket) SetNoDelay(on bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return failed("set no delay", capi.Socket_set_nodelay(int64(s.h), flag(on)))
}

func flag(on bool) int64 {
	if on {
		return 1
	}
	return 0
}
