// SPDX-License-Identifier: MIT
using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging;

namespace Evpoll.Kestrel;

/// <summary>A connection: two pipes, and a task for each. One receives, on the loop's thread, so that
/// what many connections ask for is one native call. One sends, in the thread that has flushed, or
/// in the pool if it had to wait.
///
/// Who is first to end it (the application, by completing its output or by Abort; a failure) gives
/// the reason, which is what readers are told.</summary>
sealed class EvpollConnection : DefaultConnectionContext, IMemoryPoolFeature {
    const int Least = 2048, Most = 65536; // bytes to receive, or to send from a copy, at once
    static long ids = DateTime.UtcNow.Ticks;

    readonly EvpollTransport transport;
    readonly EvpollStream stream;
    readonly Pipe input, output;
    readonly CancellationTokenSource closed = new();
    readonly Task receiving, sending;
    Exception? reason;

    public EvpollConnection(EvpollTransport transport, EvpollStream stream)
        : base(Interlocked.Increment(ref ids).ToString("X")) {
        (this.transport, this.stream) = (transport, stream);
        (input, output) = (new(transport.Input), new(transport.Output));
        Transport = new Ends(input.Reader, output.Writer);
        (LocalEndPoint, RemoteEndPoint) = (stream.LocalEndPoint, stream.RemoteEndPoint);
        ConnectionClosed = closed.Token;
        Features.Set<IMemoryPoolFeature>(this);
        sending = Send();
        receiving = stream.Loop.Run(Receive);
    }

    sealed record Ends(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    public MemoryPool<byte> MemoryPool => transport.Pool;

    async Task Receive() {
        Exception? failure = null;
        try {
            FlushResult flushed = default;
            for (int size = Least; !flushed.IsCompleted && !flushed.IsCanceled;) {
                // No memory lies with who sends nothing; who sends much gets more at once.
                if (size == Least) await stream.ReadAsync(Memory<byte>.Empty);
                Memory<byte> memory = input.Writer.GetMemory(size);
                int n = await stream.ReadAsync(memory);
                if (n == 0) break;
                size = n == memory.Length ? Math.Min(n * 2, Most) : Least;
                input.Writer.Advance(n);
                flushed = await input.Writer.FlushAsync();
            }
        } catch (Exception e) { failure = Told(e); }
        input.Writer.Complete(Volatile.Read(ref reason) ?? failure);
        // As Kestrel has it, the peer's end is enough, and it may still be answered.
        try { await closed.CancelAsync(); } // in the pool: what is registered is the application's
        catch (AggregateException e) { transport.Logger.LogError(e, "{Id}: closed", ConnectionId); }
    }

    async Task Send() {
        Exception? failure = null;
        try {
            ReadResult read = default;
            while (!read.IsCompleted && !read.IsCanceled) {
                read = await output.Reader.ReadAsync().ConfigureAwait(false);
                if (!read.IsCanceled) await Write(read.Buffer).ConfigureAwait(false);
                output.Reader.AdvanceTo(read.Buffer.End);
            }
        } catch (Exception e) { failure = Told(e); }
        End(failure);
        // That the connection ended is no error of who flushes: it says "completed".
        output.Reader.Complete(failure is IOException or ObjectDisposedException ? null : failure);
        input.Writer.CancelPendingFlush(); // Receive waits for room, perhaps
    }

    async ValueTask Write(ReadOnlySequence<byte> data) {
        if (data.IsSingleSegment) {
            await stream.WriteAsync(data.First).ConfigureAwait(false);
            return;
        }
        // A copy costs less than a call, and a packet, for each of many small pieces.
        byte[] copy = ArrayPool<byte>.Shared.Rent((int)Math.Min(data.Length, Most));
        try {
            for (int n; !data.IsEmpty; data = data.Slice(n)) {
                n = (int)Math.Min(data.Length, copy.Length);
                data.Slice(0, n).CopyTo(copy);
                await stream.WriteAsync(copy.AsMemory(0, n)).ConfigureAwait(false);
            }
        } finally { ArrayPool<byte>.Shared.Return(copy); }
    }

    Exception Told(Exception e) {
        transport.Logger.LogDebug(e, "{Id}: failed", ConnectionId);
        return e is EvpollException { Status: Status.Reset or Status.BrokenPipe }
            ? new ConnectionResetException(e.Message, e) : e;
    }

    /// <summary>The first time: behind what was sent if all is well, else with a reset.</summary>
    void End(Exception? why) {
        Exception told = why ?? new ConnectionAbortedException("the output was completed");
        if (Interlocked.CompareExchange(ref reason, told, null) != null) return;
        if (why == null) stream.Dispose();
        else stream.Abort();
    }

    public override void Abort(ConnectionAbortedException abortReason) {
        End(abortReason);
        output.Reader.CancelPendingRead(); // Send waits for the application, perhaps
    }

    /// <summary>Ends when both directions have; what was flushed is sent before.</summary>
    public override async ValueTask DisposeAsync() {
        input.Reader.Complete();
        output.Writer.Complete();
        await sending.ConfigureAwait(false);
        await receiving.ConfigureAwait(false);
        closed.Dispose();
        await base.DisposeAsync().ConfigureAwait(false);
    }
}
