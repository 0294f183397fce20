// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Evpoll.Interop;

namespace Evpoll;

/// <summary>A socket of ours, in edge mode: every operation tries first, and waits when it would
/// block. It is registered when that happens for the first time, so that a socket may be made in
/// any thread.</summary>
sealed class SocketState(LoopCore core, long handle, PollEvents interest)
    : Registration(core, handle)
{
    static readonly Action<object?> CloseIt = static s => ((SocketState)s!).CloseHere();
    int closed;

    public bool Closed => Volatile.Read(ref closed) != 0;

    public void Arm(PollEvents bit)
    {
        if (Registered)
        {
            Core.Change(this, ChangeAction.Rearm, bit, PollMode.Level);
            return;
        }
        Core.Enter(this);
        Registered = true;
        Core.Change(this, ChangeAction.Add, interest, PollMode.Edge);
    }

    public override void OnChangeFailed(ChangeAction action, Status status)
    {
        base.OnChangeFailed(action, status);
        if (action == ChangeAction.Add) Core.Leave(this);
    }

    /// <summary>From any thread, finalizers included: it blocks nobody.</summary>
    public void Close()
    {
        if (Interlocked.Exchange(ref closed, 1) != 0) return;
        if (Core.OnLoop) CloseHere();
        else Core.Enqueue(CloseIt, this);
    }

    void CloseHere()
    {
        Fail(new ObjectDisposedException("socket"));
        if (!Core.Over) Core.Leave(this);
        Native.evpoll_socket_close(Handle);
    }
}

/// <summary>One direction of a socket: an operation at a time, used again and again.</summary>
abstract class SocketOperation<T>(SocketState socket, PollEvents bit)
    : LoopSource<T>(socket.Core), IWaiter
{
    // Operations in a row that succeed at once, before other connections have their turn.
    const int FairShare = 64;
    static readonly Action<object?> StartIt = static o => ((SocketOperation<T>)o!).StartHere();
    static readonly Action<object?> RetryIt = static o => ((SocketOperation<T>)o!).OnReady(default);
    static readonly Action<object?, short> CancelIt = static (o, version) =>
    {
        var operation = (SocketOperation<T>)o!;
        if (operation.Version == version) operation.CancelHere();
    };
    static readonly Action<object?> CancelRequested = static o =>
    {
        var operation = (SocketOperation<T>)o!;
        if (operation.Core.OnLoop) operation.CancelHere();
        else operation.Core.Enqueue(new Work(CancelIt, operation, operation.Version));
    };

    CancellationToken cancel;
    CancellationTokenRegistration registration;
    int busy, streak;
    bool waiting;

    protected SocketState Socket { get; } = socket;

    /// <summary>Tries without waiting.</summary>
    /// <returns>a status below 0, or what <see cref="Result"/> is made of</returns>
    protected abstract int Attempt();

    /// <summary>False where it has to be tried once more: a part was done.</summary>
    protected abstract bool Result(int n, out T result);

    protected abstract string Name { get; }

    /// <summary>Before the operation's data are set: there is one at a time.</summary>
    protected void Claim()
    {
        ObjectDisposedException.ThrowIf(Socket.Closed, Name);
        Core.CheckOpen();
        if (Interlocked.Exchange(ref busy, 1) != 0)
            throw new InvalidOperationException($"another {Name} of this socket is not over");
    }

    protected ValueTask<T> Begin(CancellationToken ct)
    {
        short version = Version;
        if (!BeginHere(ct, out T result, out Exception? error)) return new(this, version);
        return error == null ? new(result) : ValueTask.FromException<T>(error);
    }

    /// <summary>False when the source itself will tell the end.</summary>
    protected bool BeginHere(CancellationToken ct, out T result, out Exception? error)
    {
        (result, error) = (default!, null);
        cancel = ct;
        if (!Core.OnLoop)
        {
            Core.Enqueue(StartIt, this);
            return false;
        }
        if (++streak < FairShare && Try(out result, out error))
        {
            Release();
            return true;
        }
        Wait();
        return false;
    }

    void StartHere()
    {
        if (Socket.Closed) End(new ObjectDisposedException(Name));
        else if (Core.Over) End(new ObjectDisposedException(nameof(EventLoop)));
        else if (Try(out T result, out Exception? error)) End(error, result);
        else Wait();
    }

    /// <summary>True when it is over, one way or the other.</summary>
    bool Try(out T result, out Exception? error)
    {
        (result, error) = (default!, null);
        try
        {
            for (; ; )
            {
                int n = Attempt();
                if (n == Native.EVPOLL_ERR_WOULD_BLOCK) return false;
                if (n < 0) error = EvpollException.OfCall(n, Name);
                if (n < 0 || Result(n, out result)) return true;
            }
        }
        catch (ObjectDisposedException e) // the buffer
        {
            error = e;
            return true;
        }
    }

    void Wait()
    {
        waiting = true;
        if (Core.Closing)
        {
            Fail(LoopCore.ShutdownError());
            return;
        }
        if (bit == PollEvents.Readable) Socket.Reader = this;
        else Socket.Writer = this;
        if (streak >= FairShare) Core.Enqueue(RetryIt, this);
        else Socket.Arm(bit);
        streak = 0;
        if (!cancel.CanBeCanceled) return;
        CancellationTokenRegistration made = cancel.UnsafeRegister(CancelRequested, this);
        if (waiting) registration = made;
    }

    public void OnReady(PollEvents bits)
    {
        if (!waiting) return;
        if (Try(out T result, out Exception? error)) End(error, result);
        else if (Core.Closing) Fail(LoopCore.ShutdownError());
        else Socket.Arm(bit);
    }

    public virtual void Fail(Exception error)
    {
        if (waiting) End(error);
    }

    void CancelHere()
    {
        if (waiting) End(new OperationCanceledException(cancel));
    }

    protected void End(Exception? error, T result = default!)
    {
        waiting = false;
        if (bit == PollEvents.Readable) Socket.Reader = null;
        else Socket.Writer = null;
        registration.Dispose();
        registration = default;
        if (error == null) Succeed(result);
        else SetFailed(error);
    }

    void Release()
    {
        cancel = default;
        Forget();
        Volatile.Write(ref busy, 0);
    }

    /// <summary>Lets go of buffers.</summary>
    protected virtual void Forget() { }

    protected override void Recycle() => Release();
}

sealed class ReceiveOperation(SocketState socket)
    : SocketOperation<int>(socket, PollEvents.Readable)
{
    Memory<byte> buffer;

    protected override string Name => "read";

    public ValueTask<int> Begin(Memory<byte> into, CancellationToken ct)
    {
        Claim();
        buffer = into;
        return Begin(ct);
    }

    protected override int Attempt()
    {
        Span<byte> span = buffer.Span;
        return Native.evpoll_socket_recv(Socket.Handle, ref MemoryMarshal.GetReference(span),
            (ulong)span.Length);
    }

    protected override bool Result(int n, out int result)
    {
        result = n;
        return true;
    }

    protected override void Forget() => buffer = default;
}

sealed class SendOperation(SocketState socket) : SocketOperation<int>(socket, PollEvents.Writable)
{
    ReadOnlyMemory<byte> buffer;
    int sent;
    bool whole, connecting;

    protected override string Name => connecting ? "connect" : "write";

    public ValueTask<int> Begin(ReadOnlyMemory<byte> from, CancellationToken ct)
    {
        Claim();
        (buffer, sent, whole) = (from, 0, false);
        return Begin(ct);
    }

    public ValueTask BeginAll(ReadOnlyMemory<byte> from, CancellationToken ct)
    {
        Claim();
        (buffer, sent, whole) = (from, 0, true);
        short version = Version;
        if (!BeginHere(ct, out _, out Exception? error)) return new(this, version);
        return error == null ? default : ValueTask.FromException(error);
    }

    public ValueTask<int> Connect(CancellationToken ct)
    {
        Claim();
        connecting = true;
        return Begin(ct);
    }

    protected override int Attempt()
    {
        if (connecting) return AttemptConnect();
        ReadOnlySpan<byte> span = buffer.Span[sent..];
        return Native.evpoll_socket_send(Socket.Handle, ref MemoryMarshal.GetReference(span),
            (ulong)span.Length);
    }

    int AttemptConnect()
    {
        // Only an event says that it is over; before the first one there is no error either.
        if (!Socket.Registered) return Native.EVPOLL_ERR_WOULD_BLOCK;
        int status = Native.evpoll_socket_take_error(Socket.Handle, out int error);
        return status < 0 ? status : error;
    }

    protected override bool Result(int n, out int result)
    {
        sent += n;
        result = sent;
        return !whole || sent == buffer.Length;
    }

    protected override void Forget() => (buffer, connecting) = (default, false);
}

sealed class AcceptOperation(TcpListener owner, SocketState socket)
    : SocketOperation<TcpStream?>(socket, PollEvents.Readable)
{
    long accepted;

    protected override string Name => "accept";

    public ValueTask<TcpStream?> BeginAccept(CancellationToken ct)
    {
        Claim();
        return Begin(ct);
    }

    protected override int Attempt() =>
        Native.evpoll_socket_accept(Socket.Handle, out accepted);

    protected override bool Result(int n, out TcpStream? result)
    {
        result = new(owner.Loop, accepted);
        return true;
    }

    /// <summary>A listener that is closed has no more connections, which is no failure.</summary>
    public override void Fail(Exception error)
    {
        if (error is ObjectDisposedException or EvpollException { Status: Status.Shutdown })
            error = null!;
        base.Fail(error);
    }
}
