// SPDX-License-Identifier: MIT
using Evpoll.Interop;
using Microsoft.Win32.SafeHandles;

namespace Evpoll;

/// <summary>A file whose operations complete on an <see cref="EventLoop"/>. Operations may be
/// started from any thread, and many at a time; they have no order among each other. A buffer
/// belongs to the kernel until the await is over, also after a cancel.</summary>
public sealed class LoopFile : IDisposable
{
    const int Disposed = 1 << 30;
    readonly EventLoop loop;
    readonly string name;
    readonly SafeFileHandle? foreign;
    int state; // operations, and Disposed

    internal LoopFile(EventLoop loop, string path, FileFlags flags)
    {
        GC.SuppressFinalize(this); // there is nothing to close until the file is open
        (this.loop, name) = (loop, $"'{path}'");
        Handle = RawFile.Open(path, flags);
        GC.ReRegisterForFinalize(this);
    }

    internal LoopFile(EventLoop loop, SafeFileHandle handle)
    {
        GC.SuppressFinalize(this);
        bool held = false;
        handle.DangerousAddRef(ref held);
        (this.loop, foreign, Handle) = (loop, handle, handle.DangerousGetHandle());
        name = $"handle {Handle}";
        GC.ReRegisterForFinalize(this);
    }

    /// <summary>Operations hold the file, so nothing is in flight here.</summary>
    ~LoopFile() => Close();

    internal long Handle { get; }

    /// <summary>Bytes.</summary>
    public long Length
    {
        get
        {
            Enter();
            try { return RawFile.Size(Handle); }
            finally { Leave(); }
        }
    }

    /// <summary>Reads at an offset.</summary>
    /// <param name="buffer">where to write</param>
    /// <param name="offset">bytes from the start of the file</param>
    /// <param name="ct">asks the kernel to give up; the await ends when it has let go</param>
    /// <returns>bytes, fewer than asked for is possible; 0 at the end of the file</returns>
    public ValueTask<int> ReadAsync(Memory<byte> buffer, long offset,
        CancellationToken ct = default) => Begin(IoCode.Read, buffer, offset, ct);

    /// <summary>Writes at an offset.</summary>
    /// <param name="buffer">the bytes, left alone until the await is over</param>
    /// <param name="offset">bytes from the start of the file</param>
    /// <param name="ct">as for <see cref="ReadAsync"/></param>
    /// <returns>bytes, fewer than asked for is possible</returns>
    public ValueTask<int> WriteAsync(ReadOnlyMemory<byte> buffer, long offset,
        CancellationToken ct = default) => Begin(IoCode.Write,
            System.Runtime.InteropServices.MemoryMarshal.AsMemory(buffer), offset, ct);

    /// <summary>Makes the writes durable that were awaited before.</summary>
    /// <param name="dataOnly">without metadata that reading back does not need</param>
    /// <param name="ct">as for <see cref="ReadAsync"/></param>
    /// <returns>ends when they are</returns>
    public ValueTask FlushAsync(bool dataOnly = false, CancellationToken ct = default)
    {
        if (ct.IsCancellationRequested) return ValueTask.FromCanceled(ct);
        FileOperation operation = Take(dataOnly ? IoCode.Fdatasync : IoCode.Fsync, default, 0, ct);
        short version = operation.Version;
        operation.Begin();
        return new(operation, version);
    }

    /// <summary>Reads many blocks by one list: one submission, and one event when all are done.
    /// </summary>
    /// <param name="buffer">where to write, block after block; the last one may be shorter</param>
    /// <param name="blockSize">bytes of a block</param>
    /// <param name="offset">where in the file the first block begins</param>
    /// <param name="results">at least one for each block: what became of it</param>
    /// <param name="ct">as for <see cref="ReadAsync"/></param>
    /// <returns>how many blocks succeeded; not more than the loop's IoLimit are possible</returns>
    public ValueTask<int> ReadBlocksAsync(Memory<byte> buffer, int blockSize, long offset,
        Memory<IoResult> results, CancellationToken ct = default) =>
        BeginList(IoCode.Read, buffer, blockSize, offset, results, ct);

    /// <summary>Writes many blocks by one list.</summary>
    /// <param name="buffer">the bytes, block after block; the last one may be shorter</param>
    /// <param name="blockSize">bytes of a block</param>
    /// <param name="offset">where in the file the first block begins</param>
    /// <param name="results">at least one for each block: what became of it</param>
    /// <param name="ct">as for <see cref="ReadAsync"/></param>
    /// <returns>how many blocks succeeded</returns>
    public ValueTask<int> WriteBlocksAsync(ReadOnlyMemory<byte> buffer, int blockSize, long offset,
        Memory<IoResult> results, CancellationToken ct = default) =>
        BeginList(IoCode.Write, System.Runtime.InteropServices.MemoryMarshal.AsMemory(buffer),
            blockSize, offset, results, ct);

    /// <summary>Closes the file when the operations in flight have completed. A handle that was the
    /// caller's stays open.</summary>
    public void Dispose()
    {
        int before = Interlocked.Or(ref state, Disposed);
        if (before == 0) Close();
    }

    ValueTask<int> Begin(IoCode code, Memory<byte> buffer, long offset, CancellationToken ct) =>
        ct.IsCancellationRequested ? ValueTask.FromCanceled<int>(ct)
            : Take(code, buffer, offset, ct).Begin();

    FileOperation Take(IoCode code, Memory<byte> buffer, long offset, CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        loop.Core.CheckOpen();
        Enter();
        FileOperation operation = loop.Core.RentOperation();
        try
        {
            operation.Code = code;
            operation.Prepare(this, buffer, offset, ct);
            return operation;
        }
        catch
        {
            loop.Core.Return(operation);
            Leave();
            throw;
        }
    }

    ValueTask<int> BeginList(IoCode code, Memory<byte> buffer, int blockSize, long offset,
        Memory<IoResult> results, CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blockSize);
        if (buffer.IsEmpty) throw new ArgumentException("no block", nameof(buffer));
        if ((buffer.Length + (long)blockSize - 1) / blockSize > results.Length)
            throw new ArgumentException("fewer results than blocks", nameof(results));
        if (ct.IsCancellationRequested) return ValueTask.FromCanceled<int>(ct);
        loop.Core.CheckOpen();
        Enter();
        try
        {
            var operation = new ListOperation(loop.Core, code, blockSize, results);
            operation.Prepare(this, buffer, offset, ct);
            return operation.Begin();
        }
        catch
        {
            Leave();
            throw;
        }
    }

    void Enter()
    {
        for (int seen = Volatile.Read(ref state); ;)
        {
            ObjectDisposedException.ThrowIf((seen & Disposed) != 0, this);
            int before = Interlocked.CompareExchange(ref state, seen + 1, seen);
            if (before == seen) return;
            seen = before;
        }
    }

    internal void Leave()
    {
        if (Interlocked.Decrement(ref state) == Disposed) Close();
    }

    void Close()
    {
        GC.SuppressFinalize(this);
        if (foreign != null) foreign.DangerousRelease();
        else Native.evpoll_file_close(Handle);
    }

    /// <summary>Names the file in messages.</summary>
    /// <returns>its path</returns>
    public override string ToString() => name;
}
