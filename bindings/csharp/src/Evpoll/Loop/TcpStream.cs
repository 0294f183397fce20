// SPDX-License-Identifier: MIT
using System.Net;
using System.Net.Sockets;

namespace Evpoll;

/// <summary>A TCP connection on an <see cref="EventLoop"/>: one read and one write at a time.
/// </summary>
public sealed class TcpStream : IDisposable
{
    readonly EventLoop loop; // keeps it running while somebody holds the stream
    readonly SocketState socket;
    readonly ReceiveOperation receive;
    readonly SendOperation send;

    internal TcpStream(EventLoop loop, long handle)
    {
        this.loop = loop;
        socket = new(loop.Core, handle, PollEvents.Readable | PollEvents.Writable);
        receive = new(socket);
        send = new(socket);
    }

    /// <summary>A dropped stream is closed.</summary>
    ~TcpStream() => socket.Close();

    /// <summary>Connects.</summary>
    /// <param name="loop">whose thread waits</param>
    /// <param name="host">a numeric address; names are not looked up</param>
    /// <param name="port">1 to 65535</param>
    /// <param name="ct">gives up</param>
    /// <returns>the connection</returns>
    public static async ValueTask<TcpStream> ConnectAsync(EventLoop loop, string host, int port,
        CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(loop);
        ct.ThrowIfCancellationRequested();
        loop.Core.CheckOpen();
        long handle = RawSocket.Connect(host, port, out bool connected);
        var stream = new TcpStream(loop, handle);
        if (connected) return stream;
        try
        {
            await stream.send.Connect(ct).ConfigureAwait(false);
            return stream;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>The stream's loop.</summary>
    public EventLoop Loop => loop;

    /// <summary>One's own address; null where sockets of this kind have none.</summary>
    public IPEndPoint? LocalEndPoint => RawSocket.LocalAddress(Handle);

    /// <summary>The peer's address; null where sockets of this kind have none.</summary>
    public IPEndPoint? RemoteEndPoint => RawSocket.PeerAddress(Handle);

    /// <summary>Reads what is there, or waits until something is.</summary>
    /// <param name="buffer">where to write; not empty, since 0 is the end of the stream</param>
    /// <param name="ct">gives up</param>
    /// <returns>bytes; 0 at the end of the stream</returns>
    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken ct = default)
    {
        if (buffer.IsEmpty) throw new ArgumentException("no room", nameof(buffer));
        return ct.IsCancellationRequested ? ValueTask.FromCanceled<int>(ct)
            : receive.Begin(buffer, ct);
    }

    /// <summary>Writes what fits, or waits until something does.</summary>
    /// <param name="buffer">the bytes</param>
    /// <param name="ct">gives up</param>
    /// <returns>bytes</returns>
    public ValueTask<int> WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken ct = default) =>
        ct.IsCancellationRequested ? ValueTask.FromCanceled<int>(ct) : send.Begin(buffer, ct);

    /// <summary>Writes everything.</summary>
    /// <param name="buffer">the bytes</param>
    /// <param name="ct">gives up; how much was written is not known then</param>
    /// <returns>ends when the system has all of it</returns>
    public ValueTask WriteAllAsync(ReadOnlyMemory<byte> buffer, CancellationToken ct = default)
    {
        if (ct.IsCancellationRequested) return ValueTask.FromCanceled(ct);
        if (buffer.IsEmpty) return default;
        return send.BeginAll(buffer, ct);
    }

    /// <summary>Ends one or both directions; the peer sees the end of what was written.</summary>
    /// <param name="how">which</param>
    public void Shutdown(SocketShutdown how) => RawSocket.Shutdown(Handle, how);

    /// <summary>Sends small pieces at once, or gathers them.</summary>
    /// <param name="on">at once</param>
    public void SetNoDelay(bool on) => RawSocket.SetNoDelay(Handle, on);

    /// <summary>Closes the connection. What waits for it fails.</summary>
    public void Dispose()
    {
        socket.Close();
        GC.SuppressFinalize(this);
    }

    long Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(socket.Closed, this);
            return socket.Handle;
        }
    }
}

/// <summary>Accepts TCP connections on an <see cref="EventLoop"/>.</summary>
public sealed class TcpListener : IDisposable
{
    readonly SocketState socket;
    readonly AcceptOperation accept;

    TcpListener(EventLoop loop, long handle)
    {
        Loop = loop;
        socket = new(loop.Core, handle, PollEvents.Readable);
        accept = new(this, socket);
    }

    /// <summary>A dropped listener is closed.</summary>
    ~TcpListener() => socket.Close();

    /// <summary>Listens.</summary>
    /// <param name="loop">whose thread waits</param>
    /// <param name="host">a numeric address; names are not looked up</param>
    /// <param name="port">0: one that is free, see <see cref="LocalEndPoint"/></param>
    /// <param name="backlog">connections that may wait for accept; 0: the system's most</param>
    /// <returns>the listener</returns>
    public static TcpListener Bind(EventLoop loop, string host, int port, int backlog = 0)
    {
        ArgumentNullException.ThrowIfNull(loop);
        loop.Core.CheckOpen();
        return new(loop, RawSocket.Listen(host, port, backlog));
    }

    /// <summary>The listener's loop.</summary>
    public EventLoop Loop { get; }

    /// <summary>Where it listens.</summary>
    public IPEndPoint LocalEndPoint
    {
        get
        {
            ObjectDisposedException.ThrowIf(socket.Closed, this);
            return RawSocket.LocalAddress(socket.Handle)!;
        }
    }

    /// <summary>Waits for a connection.</summary>
    /// <param name="ct">gives up</param>
    /// <returns>null when the listener was disposed, or its loop shut down, during the
    /// wait</returns>
    public ValueTask<TcpStream?> AcceptAsync(CancellationToken ct = default) =>
        ct.IsCancellationRequested ? ValueTask.FromCanceled<TcpStream?>(ct)
            : accept.BeginAccept(ct);

    /// <summary>Stops listening.</summary>
    public void Dispose()
    {
        socket.Close();
        GC.SuppressFinalize(this);
    }
}
