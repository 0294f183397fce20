// SPDX-License-Identifier: MIT
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Evpoll.Interop;
using static Evpoll.Tests.Support;

namespace Evpoll.Tests;

/// <summary>What people do wrong, and what the collector does at the wrong moment.</summary>
public class SafetyTest {
    [Fact]
    public void Use_after_dispose_is_an_exception_and_disposing_twice_is_nothing() {
        var poller = new Poller();
        poller.Dispose();
        poller.Dispose();
        var events = new PollEvent[1];
        foreach (Action use in new Action[] {
            () => poller.Wait(events), () => poller.TryWait(events), () => poller.Wake(),
            () => poller.Post(1, 1), () => poller.Add(0, 1, Readable), () => poller.Shutdown(),
            () => poller.Modify(0, 1, Readable, PollMode.Edge), () => poller.Rearm(0, 1, Readable),
            () => poller.Remove(0, 1), () => poller.Update([]), () => poller.Submit([]),
            () => poller.Turn([], [], events), () => poller.SubmitList([], 1, out _),
            () => poller.TakeList(1, []), () => poller.Cancel(1), () => poller.CancelHandle(1),
            () => poller.CancelAll(), () => poller.CancelToken(1, 1), () => poller.Hold(1, 1),
            () => poller.Release(1), () => poller.GetDescriptor(), () => poller.GetStats(), () => poller.GetInfo(),
            () => poller.Describe(),
        }) Assert.Throws<ObjectDisposedException>(use);
    }

    [Fact]
    public void Bad_input_is_a_status_or_an_argument_exception_and_never_a_crash() {
        using var poller = new Poller();
        Assert.Equal(Status.Invalid, StatusOf(() => poller.Wait([])));
        Assert.Equal(Status.Invalid, StatusOf(() => poller.Turn([], [], [])));
        Assert.Equal(0, poller.Submit([]));
        Assert.Equal(Status.Invalid, StatusOf(() => poller.SubmitList([], 1, out _)));
        Assert.Equal(Status.Unsupported, StatusOf(() => poller.Add(0, 1, (PollEvents)0x8000)));
        Assert.Equal(Status.Unsupported, StatusOf(() => poller.Add(0, 1, Readable, (PollMode)9)));
        Assert.Equal(Status.Invalid, StatusOf(() =>
            poller.Add(0, 1, Readable, PollMode.Operations)));
        Assert.Equal(Status.BadHandle, StatusOf(() => poller.Add(-1, 1, Readable)));
        Assert.Equal(Status.Unsupported,
            StatusOf(() => new Poller((PollerFlags)64)));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Poller(ioLimit: -1));
        Assert.Equal(Status.Invalid, StatusOf(() => new Poller(ioLimit: int.MaxValue)));
        Assert.Equal(Status.Invalid, StatusOf(() => RawFile.Open("x", 0)));
        Assert.Throws<ArgumentNullException>(() => RawFile.Open(null!, FileFlags.Read));
        Assert.Throws<ArgumentNullException>(() => RawSocket.Listen(null!, 0));
        Assert.Equal(Status.Invalid, StatusOf(() => RawSocket.Listen("127.0.0.1", 70000)));
        Assert.Equal(Status.BadHandle, StatusOf(() => RawSocket.Close(-1)));
        Assert.Equal(Status.BadHandle, StatusOf(() => RawFile.Size(-1)));
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            RawSocket.Shutdown(0, (System.Net.Sockets.SocketShutdown)9));
        (long a, long b) = RawSocket.Pair();
        Assert.Equal(Status.Invalid, StatusOf(() => RawSocket.Receive(a, [])));
        Assert.Equal(0, RawSocket.Send(a, []));
        RawSocket.Close(a);
        RawSocket.Close(b);
    }

    [Fact]
    public void Disposing_ends_a_wait_in_another_thread() {
        for (int round = 0; round < 50; round++) {
            var poller = new Poller();
            using var began = new ManualResetEventSlim();
            Exception? seen = null;
            var waiter = new Thread(() => {
                began.Set();
                seen = Record.Exception(() => poller.Wait(new PollEvent[8]));
            });
            waiter.Start();
            began.Wait();
            poller.Dispose();
            Assert.True(waiter.Join(Deadline));
            Assert.IsType<ObjectDisposedException>(seen);
        }
        Until(() => PollerHandle.Closing == 0);
    }

    [Fact]
    public void Closing_and_using_race_for_300_rounds_without_a_crash() {
        for (int round = 0; round < 300; round++) {
            var poller = new Poller();
            using var start = new Barrier(3);
            Thread[] threads = [.. new Action[] {
                () => { poller.Wake(); poller.Wait(new PollEvent[8], 0); poller.GetStats(); },
                () => { poller.Post(1, 2); poller.Update([]); poller.Describe(); poller.Wake(); },
                poller.Dispose,
            }.Select(use => new Thread(() => {
                start.SignalAndWait();
                Exception? e = Record.Exception(use);
                Assert.True(e is null or ObjectDisposedException
                    or EvpollException { Status: Status.Shutdown }, e?.ToString());
            }))];
            foreach (Thread t in threads) t.Start();
            foreach (Thread t in threads) Assert.True(t.Join(Deadline));
        }
        Until(() => PollerHandle.Closing == 0);
    }

    [Fact]
    public void Collections_and_other_threads_go_on_during_a_wait() {
        using var poller = new Poller();
        var events = new PollEvent[64];
        int n = -1;
        var waiter = new Thread(() => n = poller.Wait(events));
        waiter.Start();
        for (int i = 0; i < 20; i++) {
            GC.Collect(2, GCCollectionMode.Forced, blocking: true, compacting: true);
            _ = new byte[100_000];
        }
        poller.Post(ulong.MaxValue, 77);
        Assert.True(waiter.Join(Deadline));
        Assert.Equal((1, ulong.MaxValue, 77L), (n, events[0].Token, events[0].Result));
    }

    [Fact]
    public void Dropped_pollers_with_operations_in_flight_are_closed() {
        using var file = new TemporaryFile(Content(1 << 20));
        int before = Directory.GetFiles("/proc/self/fd").Length;
        Memory<byte> memory = IoMemory.Allocate(1 << 20); // the raw layer's memory is the caller's affair
        long handle = RawFile.Open(file.Path, FileFlags.Read);
        for (int i = 0; i < 50; i++) Drop(handle, IoMemory.Address(memory));
        Until(() => Directory.GetFiles("/proc/self/fd").Length <= before + 1);
        Until(() => PollerHandle.Closing == 0);
        GC.KeepAlive(memory);
        RawFile.Close(handle);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Drop(long handle, ulong address) {
            var requests = new IoRequest[4];
            for (int i = 0; i < 4; i++)
                requests[i] = new() { Handle = handle, Buffer = address, Length = 1 << 20,
                    Code = IoCode.Read };
            var poller = new Poller();
            poller.Add(handle, 1, PollEvents.None, PollMode.Operations);
            Assert.Equal(4, poller.Submit(requests));
        }
    }

    [Fact]
    public void Aligned_memory_stays_where_it_is() {
        Memory<byte> memory = IoMemory.Allocate(10_000), other = IoMemory.Allocate(100, 64);
        ulong address = IoMemory.Address(memory);
        Assert.Equal((0ul, 0ul), (address % 4096, IoMemory.Address(other) % 64));
        Assert.Equal((10_000, 100), (memory.Length, other.Length));
        CollectAll();
        Assert.Equal(address, IoMemory.Address(memory));
        Assert.Throws<ArgumentOutOfRangeException>(() => IoMemory.Allocate(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => IoMemory.Allocate(1, 24));
    }

    [Fact]
    public void A_library_of_another_version_is_refused_with_path_and_both_versions() {
        string path = Path.Combine(Root, "build/csharp/native/libevpoll-other.so");
        var e = Assert.Throws<EvpollException>(() =>
            NativeLoader.CheckVersion(NativeLibrary.Load(path), path));
        Assert.Equal(Status.Version, e.Status);
        foreach (string part in new[] { path, "2.3.4", "1.0" }) Assert.Contains(part, e.Message);
        string foreign = OperatingSystem.IsLinux() ? "libc.so.6" : "kernel32.dll";
        Assert.Contains("no evpoll at all", Assert.Throws<EvpollException>(() =>
            NativeLoader.CheckVersion(NativeLibrary.Load(foreign), foreign)).Message);
    }
}
