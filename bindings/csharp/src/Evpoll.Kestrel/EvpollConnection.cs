// SPDX-License-Identifier: MIT
namespace Evpoll.Kestrel;

/// <summary>A connection: two pipes, and a task for each. One receives, on the loop's thread, so that
/// what many connections ask for is one native call. One sends, behind who has flushed. Who is first to
/// end it (the application, by completing its output or by Abort; a failure) gives the reason, which is
/// what readers are told.</summary>
sealed class EvpollConnection : DefaultConnectionContext, IMemoryPoolFeature {
    const int First = 1024, Most = 65536; // bytes to receive at once
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
        var (received, sent) = transport.Pipes(stream.Loop);
        (input, output) = (new(received), new(sent));
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
            // Little memory lies with who sends nothing; who sends much gets more at once.
            byte[] first = GC.AllocateUninitializedArray<byte>(First, pinned: true);
            for (int size = First, n; ; size = n == size ? Math.Min(n * 2, Most) : First) {
                n = await stream.ReadAsync(size == First ? first : input.Writer.GetMemory(size)[..size]);
                if (n == 0) break;
                if (size == First) input.Writer.Write(first.AsSpan(0, n));
                else input.Writer.Advance(n);
                if (await input.Writer.FlushAsync() is { IsCompleted: true } or { IsCanceled: true }) break;
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
            for (ReadResult read = default; !read.IsCompleted && !read.IsCanceled;) {
                read = await output.Reader.ReadAsync().ConfigureAwait(false);
                for (ReadOnlySequence<byte> data = read.Buffer; !read.IsCanceled && !data.IsEmpty;)
                    data = data.Slice(await stream.SendAsync(data).ConfigureAwait(false));
                output.Reader.AdvanceTo(read.Buffer.End);
            }
        } catch (Exception e) { failure = Told(e); }
        End(failure);
        // That the connection ended is no error of who flushes: it says "completed".
        output.Reader.Complete(failure is IOException or ObjectDisposedException ? null : failure);
        input.Writer.CancelPendingFlush(); // Receive waits for room, perhaps
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
        await Task.WhenAll(sending, receiving).ConfigureAwait(false);
        closed.Dispose();
        await base.DisposeAsync().ConfigureAwait(false);
    }
}
