// SPDX-License-Identifier: MIT
namespace Evpoll.Interop;

/// <summary>Owns a poller. A call in another thread holds a reference, so that closing waits for it
/// without blocking anybody; the last one out closes. That may be the finalizer's thread, which
/// must never wait: what the kernel still holds is waited for by a thread of its own.</summary>
sealed class PollerHandle : SafeHandleZeroOrMinusOneIsInvalid {
    static int closing;
    readonly ManualResetEventSlim closed = new();
    public PollerHandle(nint poller) : base(true) => SetHandle(poller);
    /// <summary>Pollers of which the kernel has not given everything back.</summary>
    public static int Closing => Volatile.Read(ref closing);
    /// <summary>Blocks until it has, after Dispose.</summary>
    public void WaitUntilClosed() => closed.Wait();

    protected override bool ReleaseHandle() {
        nint poller = handle;
        if (evpoll_close(poller, 0) == 0) {
            closed.Set();
            return true;
        }
        Interlocked.Increment(ref closing);
        new Thread(() => {
            evpoll_close(poller, -1);
            Interlocked.Decrement(ref closing);
            closed.Set();
        }, 256 * 1024) { IsBackground = true, Name = "evpoll close" }.UnsafeStart();
        return true;
    }

    // The generated one takes the SafeHandle, which is closed by now.
    [DllImport(NativeLoader.Name, ExactSpelling = true)]
    static extern int evpoll_close(nint p, long timeout_ns);
}
