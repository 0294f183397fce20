// SPDX-License-Identifier: MIT
namespace Evpoll;

unsafe partial struct IoAddress {
    /// <summary>As .NET has it: null where there is none, and for AF_UNIX.</summary>
    public readonly IPEndPoint? ToEndPoint() {
        fixed (byte* bytes = Bytes)
            return Family switch {
                IoFamily.Ipv4 => new(new IPAddress(new ReadOnlySpan<byte>(bytes, 4)), Port),
                IoFamily.Ipv6 => new(new IPAddress(new ReadOnlySpan<byte>(bytes, 16), Scope), Port),
                _ => null,
            };
    }

    /// <summary>A socket's own.</summary>
    internal static IPEndPoint? OfSocket(long socket) {
        Span<byte> host = stackalloc byte[Native.EVPOLL_ADDRESS_CAPACITY];
        EvpollException.Check(Native.evpoll_socket_local_address(socket, ref host[0], host.Length,
            out int port), "local address");
        int length = host.IndexOf((byte)0);
        return length == 0 ? null
            : new(IPAddress.Parse(Encoding.UTF8.GetString(host[..length])), port);
    }
}
