// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>A file, served by an <see cref="EventLoop"/>. Any thread may use it, and nothing here
/// blocks. Memory is lent until the end. Reads and writes have no order among each other: await one
/// before the next where that matters. A limit counts from the start; when it is over an operation is
/// asked to end, with <see cref="TimeoutException"/>. What is pending holds the file; dropped without
/// that, or disposed, it is closed.</summary>
public sealed class EvpollFile : IDisposable, IAsyncDisposable {
    internal EvpollFile(LoopHandle handle) => Handle = handle;
    internal LoopHandle Handle { get; }
    /// <summary>Whose thread serves it.</summary>
    public EventLoop Loop => Handle.Loop;

    Operation Take(IoCode code, long offset = 0, TimeSpan? limit = null, IoFlags flags = 0) =>
        Loop.Core.Take().Of(Handle, code, limit, null, offset, 0, flags);
    /// <summary>Reads from an offset on. Ends with the bytes, perhaps fewer than asked for; 0 at the
    /// end of the file.</summary>
    public ValueTask<int> ReadAsync(Memory<byte> buffer, long offset,
        CancellationToken ct = default, TimeSpan? limit = null) {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return Take(IoCode.Read, offset, limit).Start(buffer, ct);
    }

    /// <summary>Writes all of it at an offset. Durable, it ends when it is on the disk.</summary>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, long offset,
        CancellationToken ct = default, TimeSpan? limit = null, bool durable = false) {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return Take(IoCode.Write, offset, limit,
            durable ? IoFlags.All | IoFlags.Durable : IoFlags.All).Start(buffer, ct);
    }

    /// <summary>Appends a record of 1 byte or more, and ends with its place in the file when it is on
    /// the disk. Those that are appended at the same time share one write and one sync. For files
    /// opened with <see cref="FileFlags.Append"/>. Cancelled before its batch has begun it is not in
    /// the file. After a failed sync this record and all later ones fail, until the file is opened
    /// again.</summary>
    public ValueTask<long> AppendDurableAsync(ReadOnlyMemory<byte> record,
        CancellationToken ct = default) =>
        Take(IoCode.Append, flags: IoFlags.Durable).Start(record, ct);
    /// <summary>As <see cref="AppendDurableAsync"/>, without waiting for the disk.</summary>
    public ValueTask<long> AppendAsync(ReadOnlyMemory<byte> record,
        CancellationToken ct = default) => Take(IoCode.Append).Start(record, ct);
    /// <summary>Makes durable what was written and awaited before; dataOnly: without metadata that
    /// reading back does not need.</summary>
    public ValueTask SyncAsync(bool dataOnly = false, CancellationToken ct = default) =>
        Take(dataOnly ? IoCode.Fdatasync : IoCode.Fsync).Start(ct);
    /// <summary>Its size in bytes.</summary>
    public ValueTask<long> GetLengthAsync() => Take(IoCode.Size).Start();
    /// <summary>Cuts it to so many bytes, or grows it with zeros.</summary>
    public ValueTask SetLengthAsync(long length) => Take(IoCode.Truncate, length).Start();
    /// <summary>Closes the file, when what is pending has ended: it is asked to.</summary>
    public void Dispose() => Handle.Close();
    /// <summary>As <see cref="Dispose"/>; ends when it is closed, and fails if the system says that
    /// something is lost.</summary>
    public ValueTask DisposeAsync() => Handle.CloseAsync();
}
