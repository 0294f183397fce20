// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Evpoll.Interop;

/// <summary>Owns a poller. A call in another thread holds a reference, so that closing waits for it
/// without blocking anybody; the last one out closes. That may be the finalizer's thread, which
/// must never wait: what the kernel still holds goes to the <see cref="Reaper"/>.</summary>
sealed class PollerHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    public PollerHandle(nint poller) : base(true) => SetHandle(poller);

    protected override bool ReleaseHandle()
    {
        if (evpoll_close(handle, 0) != 0) Reaper.Adopt(handle);
        return true;
    }

    // The generated one takes the SafeHandle, which is closed by now.
    [DllImport("evpoll", ExactSpelling = true)]
    internal static extern int evpoll_close(nint p, long timeout_ns);
}

/// <summary>Closes pollers of which the kernel has not given everything back, on a thread that
/// lives while there are any.</summary>
static class Reaper
{
    const long RoundNs = 50_000_000;
    static readonly object Gate = new();
    static readonly List<nint> Pollers = [];
    static bool running;

    /// <summary>How many are left.</summary>
    public static int Left
    {
        get { lock (Gate) return Pollers.Count; }
    }

    public static void Adopt(nint poller)
    {
        lock (Gate)
        {
            Pollers.Add(poller);
            if (running) return;
            running = true;
        }
        new Thread(Work, 256 * 1024) { IsBackground = true, Name = "evpoll reaper" }.Start();
    }

    static void Work()
    {
        for (int i = 0; ; i++)
        {
            nint poller;
            lock (Gate)
            {
                if (Pollers.Count == 0)
                {
                    running = false;
                    return;
                }
                poller = Pollers[i % Pollers.Count];
            }
            // Blocks until it is closed or the round is over: then it is the next one's turn.
            if (PollerHandle.evpoll_close(poller, RoundNs) == 0)
                lock (Gate)
                {
                    Pollers.Remove(poller);
                    Monitor.PulseAll(Gate);
                }
        }
    }

    public static void WaitFor(nint poller)
    {
        lock (Gate)
            while (Pollers.Contains(poller)) Monitor.Wait(Gate);
    }
}
