// SPDX-License-Identifier: MIT
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Evpoll.Interop;

namespace Evpoll.Tests;

/// <summary>Non-blocking sockets as numbers, for the raw poller.</summary>
static class RawSocket {
    /// <summary>What is returned where the socket is not ready.</summary>
    public const int WouldBlock = Native.EVPOLL_ERR_WOULD_BLOCK;

    /// <summary>Opens a listening TCP socket.</summary>
    public static long Listen(string host, int port, int backlog = 0) {
        ArgumentNullException.ThrowIfNull(host);
        Check(Native.evpoll_socket_tcp_listen(host, port, backlog, out long handle), "listen");
        return handle;
    }

    /// <summary>Starts a TCP connection.</summary>
    public static long Connect(string host, int port, out bool connected) {
        ArgumentNullException.ThrowIfNull(host);
        connected = Check(Native.evpoll_socket_tcp_connect(host, port, out long handle), "connect")
            != Native.EVPOLL_IN_PROGRESS;
        return handle;
    }

    /// <summary>Accepts one connection.</summary>
    public static bool Accept(long listener, out long handle) =>
        OrWouldBlock(Native.evpoll_socket_accept(listener, out handle), "accept") >= 0;

    /// <summary>Opens a UDP socket bound to an address.</summary>
    public static long BindUdp(string host, int port) {
        ArgumentNullException.ThrowIfNull(host);
        Check(Native.evpoll_socket_udp_bind(host, port, out long handle), "bind");
        return handle;
    }

    /// <summary>Opens two stream sockets that are connected with each other.</summary>
    public static (long First, long Second) Pair() {
        Check(Native.evpoll_socket_pair(out long first, out long second), "pair");
        return (first, second);
    }

    /// <summary>Receives what is there.</summary>
    public static int Receive(long handle, Span<byte> buffer) => OrWouldBlock(
        Native.evpoll_socket_recv(handle, ref MemoryMarshal.GetReference(buffer),
            (ulong)buffer.Length), "receive");

    /// <summary>Sends what fits.</summary>
    public static int Send(long handle, ReadOnlySpan<byte> buffer) => OrWouldBlock(
        Native.evpoll_socket_send(handle, ref MemoryMarshal.GetReference(buffer),
            (ulong)buffer.Length), "send");

    /// <summary>Receives one datagram.</summary>
    public static int ReceiveFrom(long handle, Span<byte> buffer, out IPEndPoint? from) {
        Span<byte> host = stackalloc byte[Native.EVPOLL_ADDRESS_CAPACITY];
        int n = OrWouldBlock(Native.evpoll_socket_recvfrom(handle,
            ref MemoryMarshal.GetReference(buffer), (ulong)buffer.Length, ref host[0], host.Length,
            out int port), "receive from");
        from = n < 0 ? null : EndPoint(host, port);
        return n;
    }

    /// <summary>Sends one datagram.</summary>
    public static int SendTo(long handle, ReadOnlySpan<byte> buffer, string host, int port) {
        ArgumentNullException.ThrowIfNull(host);
        return OrWouldBlock(Native.evpoll_socket_sendto(handle,
            ref MemoryMarshal.GetReference(buffer), (ulong)buffer.Length, host, port), "send to");
    }

    /// <summary>Ends one or both directions of a connection.</summary>
    public static void Shutdown(long handle, SocketShutdown how) => Check(
        Native.evpoll_socket_shutdown(handle, how switch {
            SocketShutdown.Receive => Native.EVPOLL_SHUTDOWN_READ,
            SocketShutdown.Send => Native.EVPOLL_SHUTDOWN_WRITE,
            SocketShutdown.Both => Native.EVPOLL_SHUTDOWN_BOTH,
            _ => throw new ArgumentOutOfRangeException(nameof(how)),
        }), "shutdown");

    /// <summary>Takes the error that is pending at a socket: it is reported once.</summary>
    public static Status TakeError(long handle) {
        Check(Native.evpoll_socket_take_error(handle, out int error), "take error");
        return (Status)error;
    }

    /// <summary>A socket's own address.</summary>
    public static IPEndPoint? LocalAddress(long handle) {
        Span<byte> host = stackalloc byte[Native.EVPOLL_ADDRESS_CAPACITY];
        Check(Native.evpoll_socket_local_address(handle, ref host[0], host.Length, out int port),
            "local address");
        return EndPoint(host, port);
    }

    /// <summary>The address of a socket's peer.</summary>
    public static IPEndPoint? PeerAddress(long handle) {
        Span<byte> host = stackalloc byte[Native.EVPOLL_ADDRESS_CAPACITY];
        Check(Native.evpoll_socket_peer_address(handle, ref host[0], host.Length, out int port),
            "peer address");
        return EndPoint(host, port);
    }

    /// <summary>Sends small pieces at once, or gathers them.</summary>
    public static void SetNoDelay(long handle, bool on) =>
        Check(Native.evpoll_socket_set_nodelay(handle, on ? 1 : 0), "no delay");

    /// <summary>Closes a socket. Remove it from its poller before where a duplicate may live on.
    /// </summary>
    public static void Close(long handle) =>
        Check(Native.evpoll_socket_close(handle), "close a socket");

    static int Check(int result, string what) => EvpollException.Check(result, what);

    static int OrWouldBlock(int result, string what) =>
        result == WouldBlock ? result : EvpollException.Check(result, what);

    static IPEndPoint? EndPoint(ReadOnlySpan<byte> host, int port) {
        int length = host.IndexOf((byte)0);
        if (length <= 0) return null;
        return new(IPAddress.Parse(Encoding.UTF8.GetString(host[..length])), port);
    }
}
