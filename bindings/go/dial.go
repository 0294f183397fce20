// SPDX-License-Identifier: MIT

package evpoll

import (
	"context"
	"net"
	"net/netip"
	"strings"
)

// Listen listens at an address of this machine, on the default loop.
func Listen(network, address string) (*Listener, error) {
	l, err := Default()
	if err != nil {
		return nil, err
	}
	return l.Listen(network, address)
}

// Listen listens at an address: "127.0.0.1:7000", "localhost:http", "[::1]:0", ":7000". The network
// is "tcp", "tcp4" or "tcp6". Without a host it is every IPv4 address of this machine, or with "tcp6"
// every IPv6 address.
func (l *Loop) Listen(network, address string) (*Listener, error) {
	all, err := resolve(context.Background(), network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	h, err := SocketTCPListen(all[0].Addr().String(), int(all[0].Port()), 0)
	if err == nil {
		likeNet(h) // for connections to inherit
		var a *Listener
		if a, err = adopt[Listener](l, h, SocketClose); err == nil {
			if err = a.locate(); err == nil {
				return a, nil
			}
		}
	}
	return nil, netError("listen", nil, net.TCPAddrFromAddrPort(all[0]), err)
}

// locate asks for the own address.
func (o *object) locate() error {
	return o.hold(func(h Handle) error {
		own, err := SocketLocalAddress(h)
		o.local = *net.TCPAddrFromAddrPort(own)
		return err
	})
}

// Dial connects to an address, on the default loop.
func Dial(network, address string) (net.Conn, error) {
	return DialContext(context.Background(), network, address)
}

// DialContext connects to an address, on the default loop. It suits http.Transport.
func DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	l, err := Default()
	if err != nil {
		return nil, err
	}
	return l.DialContext(ctx, network, address)
}

// Dial connects to an address: "example.org:http". The network is "tcp", "tcp4" or "tcp6".
func (l *Loop) Dial(network, address string) (net.Conn, error) {
	return l.DialContext(context.Background(), network, address)
}

// DialContext is Dial until the context ends. Names are resolved by package net; the addresses are
// tried one after the other. The connection is a *Conn.
func (l *Loop) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if ctx == nil {
		return nil, invalid("dial", "no context")
	}
	all, err := resolve(ctx, network, address)
	var at net.Addr
	for i := 0; i < len(all) && ctx.Err() == nil; i++ {
		var c *Conn
		at = net.TCPAddrFromAddrPort(all[i])
		if c, err = l.connect(ctx, all[i]); err == nil {
			return c, nil
		}
	}
	if ctx.Err() != nil {
		err = ended("dial", ctx)
	}
	return nil, netError("dial", nil, at, err)
}

func (l *Loop) connect(ctx context.Context, to netip.AddrPort) (*Conn, error) {
	h, err := SocketTCPConnect(to.Addr().String(), int(to.Port()))
	if err != nil {
		return nil, err
	}
	likeNet(h)
	c, err := adopt[Conn](l, h, SocketClose)
	if err != nil {
		return nil, err
	}
	c.remote = *net.TCPAddrFromAddrPort(to)
	if _, err = c.do(ctx, IO{Code: Connect}, nil, 0); err == nil {
		err = c.locate()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// resolve finds the addresses of "host:port": names by package net's resolver.
func resolve(ctx context.Context, network, hostport string) ([]netip.AddrPort, error) {
	family := strings.TrimPrefix(network, "tcp")
	if family == network || family != "" && family != "4" && family != "6" {
		return nil, net.UnknownNetworkError(network)
	}
	host, service, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, err
	}
	ips := []netip.Addr{netip.IPv4Unspecified()}
	if host == "" && family == "6" {
		ips[0] = netip.IPv6Unspecified()
	} else if host != "" {
		if ips, err = net.DefaultResolver.LookupNetIP(ctx, "ip"+family, host); err != nil {
			return nil, err
		}
	}
	var all []netip.AddrPort
	for _, ip := range ips {
		all = append(all, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	return all, nil
}
