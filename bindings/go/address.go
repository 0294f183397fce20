// SPDX-License-Identifier: MIT

package evpoll

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// split takes "host:port" apart. The host is numeric: nothing is looked up. Without a host it is
// every IPv4 address of this machine.
func split(op, address string) (host string, port int64, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, &Error{Op: op, Status: ErrInvalid, cause: err}
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, &Error{Op: op, Status: ErrInvalid, cause: err}
	}
	if strings.IndexByte(host, 0) >= 0 {
		return "", 0, invalid(op, "a zero byte in the address")
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return host, int64(number), nil
}

// join makes an address of what C wrote.
func join(host []byte, port int32) netip.AddrPort {
	address, err := netip.ParseAddr(cut(host))
	if err != nil { // AF_UNIX
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(address, uint16(port))
}

type addressCall func(h int64, host unsafe.Pointer, capacity int64, port unsafe.Pointer) int64

func askAddress(op string, h Handle, call addressCall) (netip.AddrPort, error) {
	host := make([]byte, capi.EVPOLL_ADDRESS_CAPACITY)
	var port int32
	r := call(int64(h), unsafe.Pointer(&host[0]), int64(len(host)), unsafe.Pointer(&port))
	if err := failed(op, r); err != nil {
		return netip.AddrPort{}, err
	}
	return join(host, port), nil
}
