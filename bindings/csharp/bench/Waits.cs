// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Evpoll.Interop;

namespace Evpoll.Bench;

/// <summary>The raw layer's wait beside a P/Invoke as one would write it by hand: a bare pointer to
/// the poller, a bare pointer to a pinned array, nothing checked.</summary>
static class Waits {
    [DllImport("evpoll", ExactSpelling = true)]
    static extern unsafe int evpoll_wait(nint p, PollEvent* events, int capacity, long timeoutNs);

    static Waits() =>
        NativeLibrary.SetDllImportResolver(typeof(Waits).Assembly, NativeLoader.Resolve);

    public static async Task Compare(int n) {
        using var poller = new Poller();
        var sockets = new List<long>();
        for (int i = 0; i < (n + 1) / 2; i++) {
            EvpollException.Check(Native.evpoll_socket_pair(out long a, out long b));
            sockets.AddRange([a, b]);
        }
        for (int i = 0; i < n; i++) poller.Add(sockets[i], (ulong)i, PollEvents.Writable);
        PollEvent[] events = GC.AllocateArray<PollEvent>(1024, pinned: true);
        nint handle = poller.Handle.DangerousGetHandle();
        int rounds = Math.Max(20, 4000 / n);
        await Slices.Run("wait, by hand: per event", n, 200, (long)rounds * n,
            () => Ours(poller, events, n, rounds), () => ByHand(handle, events, n, rounds));
        foreach (long socket in sockets) Native.evpoll_socket_close(socket);
    }

    static Task Ours(Poller poller, PollEvent[] events, int n, int rounds) {
        for (int i = 0; i < rounds; i++)
            if (poller.Wait(events, 0) != n) throw new InvalidOperationException();
        return Task.CompletedTask;
    }

    static unsafe Task ByHand(nint poller, PollEvent[] events, int n, int rounds) {
        for (int i = 0; i < rounds; i++)
            fixed (PollEvent* at = events)
                if (evpoll_wait(poller, at, events.Length, 0) != n)
                    throw new InvalidOperationException();
        return Task.CompletedTask;
    }
}
