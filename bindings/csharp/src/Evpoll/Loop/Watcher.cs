// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Evpoll;

/// <summary>Waits for a descriptor that belongs to somebody else: a .NET socket, a pipe, a native
/// library's. One wait for each direction at a time. It neither reads nor closes; dispose it before
/// the descriptor is closed. A SafeHandle is held until then; the handle of a .NET socket is kept
/// from its finalizer, and a socket that is disposed nevertheless just is not reported any more.
/// </summary>
public sealed class Watcher : IDisposable
{
    readonly EventLoop loop;
    readonly WatcherState state;

    internal Watcher(EventLoop loop, long descriptor, SafeHandle? owner)
    {
        this.loop = loop;
        state = new(loop.Core, descriptor, owner);
    }

    /// <summary>A dropped watcher lets go of the descriptor.</summary>
    ~Watcher() => state?.Close(); // null where the constructor has thrown

    /// <summary>The watcher's loop.</summary>
    public EventLoop Loop => loop;

    /// <summary>Waits until receive or accept would not block.</summary>
    /// <param name="ct">gives up</param>
    /// <returns>what the system said</returns>
    public ValueTask<PollEvents> WaitReadableAsync(CancellationToken ct = default) =>
        ct.IsCancellationRequested ? ValueTask.FromCanceled<PollEvents>(ct) : state.Read.Begin(ct);

    /// <summary>Waits until send would not block, or connect has ended.</summary>
    /// <param name="ct">gives up</param>
    /// <returns>what the system said</returns>
    public ValueTask<PollEvents> WaitWritableAsync(CancellationToken ct = default) =>
        ct.IsCancellationRequested ? ValueTask.FromCanceled<PollEvents>(ct) : state.Write.Begin(ct);

    /// <summary>Stops watching. What waits fails.</summary>
    public void Dispose()
    {
        state.Close();
        GC.SuppressFinalize(this);
    }
}

/// <summary>A foreign handle, in oneshot mode: what others read of it is not seen here, so each
/// wait has to look at its state afresh.</summary>
sealed class WatcherState : Registration
{
    static readonly Action<object?> CloseIt = static s => ((WatcherState)s!).CloseHere();
    readonly SafeHandle? owner;
    readonly bool held;
    PollEvents interest;
    int closed;

    public WatcherState(LoopCore core, long handle, SafeHandle? owner) : base(core, handle)
    {
        // Disposing a Socket spins until nobody holds its handle, in whatever thread that is: of
        // those only the object is kept, so that no finalizer closes it.
        if (owner is not SafeSocketHandle) owner?.DangerousAddRef(ref held);
        ObjectDisposedException.ThrowIf(owner is { IsClosed: true }, owner!);
        this.owner = owner;
        Read = new(this, PollEvents.Readable);
        Write = new(this, PollEvents.Writable);
    }

    public ReadinessOperation Read { get; }
    public ReadinessOperation Write { get; }
    public bool Closed => Volatile.Read(ref closed) != 0;

    PollEvents Waiting => (Reader != null ? PollEvents.Readable : 0) |
        (Writer != null ? PollEvents.Writable : 0);

    public void Arm()
    {
        PollEvents wanted = Waiting;
        if (Token == 0) Core.Enter(this);
        if (Registered && (wanted & ~interest) == 0)
        {
            Core.Change(this, ChangeAction.Rearm, wanted, PollMode.Level);
            return;
        }
        // Replaces what there was, also of a descriptor that had the number before.
        Registered = true;
        interest = wanted;
        Core.Change(this, ChangeAction.Add, wanted, PollMode.Oneshot);
    }

    public override void OnEvents(PollEvents bits)
    {
        base.OnEvents(bits);
        if (Token != 0 && Waiting != 0) Arm(); // one direction was served, and both are silent now
    }

    public override void OnChangeFailed(ChangeAction action, Status status)
    {
        Registered = false;
        if (action == ChangeAction.Rearm && Waiting != 0) Arm(); // by an addition, now
        else base.OnChangeFailed(action, status);
    }

    public void Close()
    {
        if (Interlocked.Exchange(ref closed, 1) != 0) return;
        if (Core.OnLoop) CloseHere();
        else Core.Enqueue(CloseIt, this);
    }

    void CloseHere()
    {
        Fail(new ObjectDisposedException(nameof(Watcher)));
        if (!Core.Over) Core.Leave(this);
        if (held) owner!.DangerousRelease();
    }
}

/// <summary>A wait for one direction, used again and again.</summary>
sealed class ReadinessOperation(WatcherState watcher, PollEvents bit)
    : LoopSource<PollEvents>(watcher.Core), IWaiter
{
    static readonly Action<object?> StartIt = static o => ((ReadinessOperation)o!).StartHere();
    static readonly Action<object?, short> CancelIt = static (o, version) =>
    {
        var operation = (ReadinessOperation)o!;
        if (operation.Version == version) operation.CancelHere();
    };
    static readonly Action<object?> CancelRequested = static o =>
    {
        var operation = (ReadinessOperation)o!;
        if (operation.Core.OnLoop) operation.CancelHere();
        else operation.Core.Enqueue(new Work(CancelIt, operation, operation.Version));
    };

    CancellationToken cancel;
    CancellationTokenRegistration registration;
    int busy;
    bool waiting;

    public ValueTask<PollEvents> Begin(CancellationToken ct)
    {
        ObjectDisposedException.ThrowIf(watcher.Closed, typeof(Watcher));
        Core.CheckOpen();
        if (Interlocked.Exchange(ref busy, 1) != 0)
            throw new InvalidOperationException("another wait for this direction is not over");
        cancel = ct;
        short version = Version;
        if (Core.OnLoop) StartHere();
        else Core.Enqueue(StartIt, this);
        return new(this, version);
    }

    void StartHere()
    {
        waiting = true;
        if (watcher.Closed) Fail(new ObjectDisposedException(nameof(Watcher)));
        else if (Core.Over) Fail(new ObjectDisposedException(nameof(EventLoop)));
        else if (Core.Closing) Fail(LoopCore.ShutdownError());
        if (!waiting) return;
        if (bit == PollEvents.Readable) watcher.Reader = this;
        else watcher.Writer = this;
        watcher.Arm();
        if (!cancel.CanBeCanceled) return;
        CancellationTokenRegistration made = cancel.UnsafeRegister(CancelRequested, this);
        if (waiting) registration = made;
    }

    public void OnReady(PollEvents bits)
    {
        if (waiting) End(null, bits);
    }

    public void Fail(Exception error)
    {
        if (waiting) End(error, default);
    }

    void CancelHere()
    {
        if (waiting) End(new OperationCanceledException(cancel), default);
    }

    void End(Exception? error, PollEvents bits)
    {
        waiting = false;
        if (bit == PollEvents.Readable) watcher.Reader = null;
        else watcher.Writer = null;
        registration.Dispose();
        registration = default;
        if (error == null) Succeed(bits);
        else SetFailed(error);
    }

    protected override void Recycle()
    {
        cancel = default;
        Volatile.Write(ref busy, 0);
    }
}
