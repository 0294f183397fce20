// SPDX-License-Identifier: MIT
namespace Evpoll;

enum HandleKind { Socket, File, Foreign }
/// <summary>A handle that is registered for operations. It has the finalizer: what is pending holds
/// it, and dropped without that it is closed.
///
/// Operations name a handle by its number. Who is about to submit one, or has it in the loop's
/// queue, uses the handle until that is done, and whoever is the last after it was closed submits
/// the CLOSE: so no number is named that is somebody else's by now.</summary>
sealed class LoopHandle {
    const int Ending = 1 << 29, Ended = 1 << 30;
    readonly LoopCore core;
    readonly ulong token;
    readonly string name;
    readonly SafeHandle? foreign;
    int uses, ordered;
    Operation? closing; // who awaits the end
    IoFlags closeFlags = IoFlags.Inline;

    public LoopHandle(EventLoop loop, long number, HandleKind kind, string name,
        SafeHandle? foreign = null) {
        GC.SuppressFinalize(this); // nothing to close until it is registered
        (Loop, core, Number, Kind, this.name) = (loop, loop.Core, number, kind, name);
        token = core.Register(this);
        int n = Native.evpoll_add(core.Poller, number, token, 0, (uint)PollMode.Operations);
        if (n < 0) {
            EvpollException failure = EvpollException.OfCall(n, name);
            core.Unregister(token);
            throw failure;
        }
        this.foreign = foreign;
        GC.ReRegisterForFinalize(this);
    }

    ~LoopHandle() => Close();
    public EventLoop Loop { get; }
    public long Number { get; }
    public HandleKind Kind { get; }
    public bool IsClosing => Volatile.Read(ref uses) >= Ending;
    public ObjectDisposedException Disposed() => new(name);
    /// <summary>What stands in the order in which it was started.</summary>
    public static bool IsOrdered(IoCode code) => code is IoCode.Write or IoCode.Writev
        or IoCode.SendFile or IoCode.Shutdown or IoCode.Append;
    /// <summary>Whether the loop's queue has some of that.</summary>
    public bool Ordered => Volatile.Read(ref ordered) > 0;
    public void Order(int more) => Interlocked.Add(ref ordered, more);

    public bool Enter() {
        if (Interlocked.Increment(ref uses) < Ending) return true;
        Leave();
        return false;
    }

    public void Leave() {
        if (Interlocked.Decrement(ref uses) == Ending) End();
    }

    void End() {
        if (Interlocked.CompareExchange(ref uses, Ending | Ended, Ending) != Ending) return;
        core.Unregister(token);
        if (Kind != HandleKind.Foreign) {
            core.Close(this, closeFlags, closing);
            return;
        }
        // Not ours to close. That a thread looks whether it is ready does no harm.
        try { Native.evpoll_remove(core.Poller, Number, token); }
        catch (ObjectDisposedException) { } // the loop has ended
        foreign?.DangerousRelease();
    }

    /// <summary>From any thread, finalizers included: it blocks nobody. False when somebody else was
    /// faster.</summary>
    public bool Close(Operation? awaited = null, IoFlags flags = IoFlags.None) {
        if (Interlocked.CompareExchange(ref closing, awaited ?? core.Nobody, null) != null)
            return false;
        closeFlags |= flags;
        GC.SuppressFinalize(this);
        if (Interlocked.Add(ref uses, Ending) == Ending) End();
        else core.Wake(); // what it has submitted uses the handle until it comes back
        return true;
    }

    /// <summary>Ends when it is closed; throws what the system says to that.</summary>
    public ValueTask CloseAsync() {
        if (IsClosing) return default;
        Operation operation = core.Take().Of(null, IoCode.Close, null, this);
        Started started = new(operation, operation.Version, 0);
        if (!Close(operation)) operation.Outcome(0, 0);
        return started;
    }

    /// <summary>When there is no poller any more, that would know of it.</summary>
    public Status CloseByNumber() => (Status)(Kind == HandleKind.File
        ? Native.evpoll_file_close(Number) : Native.evpoll_socket_close(Number));
    /// <summary>For a call by the number, which meets this handle while it goes on.</summary>
    public Use Hold() {
        int n = Native.evpoll_hold(core.Poller, Number, token);
        if (n is Native.EVPOLL_ERR_NOT_FOUND or Native.EVPOLL_ERR_STALE) throw Disposed();
        EvpollException.Check(n, "hold");
        return new(core.Poller, Number);
    }

    public readonly struct Use(PollerHandle poller, long number) : IDisposable {
        public void Dispose() {
            try { Native.evpoll_release(poller, number); }
            catch (ObjectDisposedException) { } // the loop has ended, and its uses with it
        }
    }
}
