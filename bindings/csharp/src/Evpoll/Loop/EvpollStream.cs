// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>A connection as a <see cref="Stream"/>, served by an <see cref="EventLoop"/>: what
/// reads and writes streams (SslStream, StreamReader, PipeReader, HttpClient) runs on it.
///
/// Any thread may use it. Reads are served in the order in which they were started, and so are
/// writes, each of which is whole. A read of no bytes waits until there is something to read. What
/// is pending holds the connection; dropped without that, or disposed, it is closed. Small pieces
/// are sent at once (<see cref="NoDelay"/>).</summary>
public sealed class EvpollStream : Stream {
    readonly LoopHandle handle;
    readonly IoAddress peer, own; // as accept has told them
    IPEndPoint? remote, local;
    TimeSpan? readLimit, writeLimit;
    ulong lastRead;

    internal EvpollStream(LoopHandle handle, IPEndPoint? remote, in IoAddress peer = default,
        in IoAddress own = default) {
        (this.handle, this.remote, this.peer, this.own) = (handle, remote, peer, own);
        if (remote != null || peer.Family is IoFamily.Ipv4 or IoFamily.Ipv6)
            Native.evpoll_socket_set_nodelay(handle.Number, 1); // nobody else can have closed it yet
    }

    LoopCore Core => handle.Loop.Core;

    Operation Take(IoCode code, TimeSpan? limit = null, long offset = 0, ulong length = 0,
        IoFlags flags = 0) => Core.Take().Of(handle, code, limit, null, offset, length, flags);
    /// <summary>Whose thread serves it.</summary>
    public EventLoop Loop => handle.Loop;
    /// <summary>The peer's address; null for AF_UNIX and pipes.</summary>
    public IPEndPoint? RemoteEndPoint => remote ??= peer.ToEndPoint();
    /// <summary>Its own address; null for AF_UNIX and pipes.</summary>
    public IPEndPoint? LocalEndPoint {
        get {
            if ((local ??= own.ToEndPoint()) != null) return local;
            using LoopHandle.Use use = handle.Hold();
            return local = IoAddress.OfSocket(handle.Number);
        }
    }

    /// <summary>Whether small pieces are sent at once, which is so until it is set; else they are
    /// gathered (TCP only).</summary>
    public bool NoDelay {
        set {
            using LoopHandle.Use use = handle.Hold();
            EvpollException.Check(
                Native.evpoll_socket_set_nodelay(handle.Number, value ? 1 : 0), "no delay");
        }
    }

    /// <inheritdoc/>
    /// <remarks>0 is the end. Fails with <see cref="TimeoutException"/> when
    /// <see cref="ReadTimeout"/> is over; given up, it has taken nothing.</remarks>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken ct = default) =>
        Read(buffer, readLimit, ct);
    /// <summary>Reads, with a limit of its own, counted from now.</summary>
    public ValueTask<int> ReadAsync(Memory<byte> buffer, TimeSpan limit,
        CancellationToken ct = default) => Read(buffer, limit, ct);

    ValueTask<int> Read(Memory<byte> buffer, TimeSpan? limit, CancellationToken ct) {
        Started started = buffer.IsEmpty
            ? Take(IoCode.Poll, limit, length: (ulong)PollEvents.Readable).Start(ct)
            : Take(IoCode.Read, limit).Start(buffer, ct);
        Volatile.Write(ref lastRead, started.Token);
        return started;
    }

    /// <summary>Gives the read that was started last another end, from now; zero or less ends it.
    /// False when it is over already.</summary>
    public bool RetimeRead(TimeSpan fromNow) =>
        Core.Retime(handle.Number, Volatile.Read(ref lastRead), fromNow);
    /// <inheritdoc/>
    /// <remarks>Ends when the system has all of it; given up, or over <see cref="WriteTimeout"/>, how
    /// much went is not known, and the connection is good for nothing but to be closed.</remarks>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer,
        CancellationToken ct = default) => Write(buffer, writeLimit, ct);
    /// <summary>Writes all of it, with a limit of its own, counted from now.</summary>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, TimeSpan limit,
        CancellationToken ct = default) => Write(buffer, limit, ct);

    ValueTask Write(ReadOnlyMemory<byte> buffer, TimeSpan? limit, CancellationToken ct) {
        if (buffer.IsEmpty) return handle.IsClosing ? ValueTask.FromException(handle.Disposed())
            : ct.IsCancellationRequested ? ValueTask.FromCanceled(ct) : default;
        return Take(IoCode.Write, limit, flags: IoFlags.All).Start(buffer, ct);
    }

    /// <summary>Sends what there is room for of several pieces, in one call and without copying them.
    /// Ends with the bytes sent, 1 or more; else as a write.</summary>
    public ValueTask<long> SendAsync(in ReadOnlySequence<byte> data, CancellationToken ct = default) =>
        data.IsEmpty ? new ValueTask<long>(WriteAndCount(data.First, ct))
            : data.IsSingleSegment ? Take(IoCode.Write, writeLimit).Start(data.First, ct)
            : Take(IoCode.Writev, writeLimit).Start(data, ct);

    /// <summary>Sends count bytes of a file of the same loop, from an offset on, without their
    /// passing through here. Ends with the bytes sent: fewer where the file ends.</summary>
    public ValueTask<long> SendFileAsync(EvpollFile file, long offset, long count,
        CancellationToken ct = default) {
        ArgumentNullException.ThrowIfNull(file);
        if (file.Loop != Loop) throw new ArgumentException("a file of another loop", nameof(file));
        Operation operation = Take(IoCode.SendFile, writeLimit, offset, (ulong)count);
        (operation.File, operation.Request.Buffer) = (file.Handle, (ulong)file.Handle.Number);
        return operation.Start(ct);
    }

    /// <summary>Ends one direction, or both, when the writes before have; the peer sees the end
    /// behind them.</summary>
    public ValueTask ShutdownAsync(SocketShutdown how = SocketShutdown.Send) =>
        Take(IoCode.Shutdown, length: (ulong)how + 1).Start(); // Receive, Send, Both

    /// <summary>Closes the connection with a reset: the peer sees an error, and nothing lingers.
    /// </summary>
    public void Abort() => handle.Close(flags: IoFlags.Abort);
    /// <inheritdoc/>
    protected override void Dispose(bool disposing) {
        handle.Close();
        base.Dispose(disposing);
    }

    /// <summary>Closes the connection, and ends when the system has. What is pending fails.</summary>
    public override ValueTask DisposeAsync() => handle.CloseAsync();

    /// <summary>Milliseconds that a read may take, awaited or not; Timeout.Infinite at first.</summary>
    public override int ReadTimeout {
        get => (int)(readLimit?.TotalMilliseconds ?? Timeout.Infinite);
        set => readLimit = Limit(value);
    }

    /// <summary>Milliseconds that a write may take, awaited or not; Timeout.Infinite at first.
    /// </summary>
    public override int WriteTimeout {
        get => (int)(writeLimit?.TotalMilliseconds ?? Timeout.Infinite);
        set => writeLimit = Limit(value);
    }

    static TimeSpan? Limit(int milliseconds) {
        if (milliseconds == Timeout.Infinite) return null;
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(milliseconds);
        return TimeSpan.FromMilliseconds(milliseconds);
    }

    /// <inheritdoc/>
    /// <remarks>Blocks; refused on the loop's own thread.</remarks>
    public override int Read(byte[] buffer, int offset, int count) =>
        Block(ReadAsync(buffer, offset, count, default));
    /// <inheritdoc/>
    /// <remarks>Blocks; refused on the loop's own thread.</remarks>
    public override void Write(byte[] buffer, int offset, int count) {
        ValidateBufferArguments(buffer, offset, count);
        Block(WriteAndCount(buffer.AsMemory(offset, count), default));
    }

    async Task<long> WriteAndCount(ReadOnlyMemory<byte> buffer, CancellationToken ct) {
        await WriteAsync(buffer, ct).ConfigureAwait(false);
        return buffer.Length;
    }

    T Block<T>(Task<T> task) => Loop.IsCurrent ? throw LoopContext.Refusal()
        : task.GetAwaiter().GetResult();

#pragma warning disable CS1591 // as in Stream
    public override bool CanRead => !handle.IsClosing;
    public override bool CanWrite => !handle.IsClosing;
    public override bool CanSeek => false;
    public override bool CanTimeout => true;
    public override void Flush() { } // nothing is kept here
    public override long Length => throw new NotSupportedException();
    public override long Position { get => Length; set => Seek(value, SeekOrigin.Begin); }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken ct)
    {
        ValidateBufferArguments(buffer, offset, count);
        return ReadAsync(buffer.AsMemory(offset, count), ct).AsTask();
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken ct) {
        ValidateBufferArguments(buffer, offset, count);
        return WriteAsync(buffer.AsMemory(offset, count), ct).AsTask();
    }
}
