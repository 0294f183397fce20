// SPDX-License-Identifier: MIT
using System.Net;
using System.Net.Sockets;
using static Evpoll.Tests.Support;

namespace Evpoll.Tests;

/// <summary>The raw layer: what C has, by numbers and tokens.</summary>
public sealed class PollerTest : IDisposable {
    readonly Poller poller = new();
    readonly PollEvent[] events = new PollEvent[64];
    readonly long first, second;

    public PollerTest() => (first, second) = RawSocket.Pair();

    public void Dispose() {
        poller.Dispose();
        RawSocket.Close(first);
        RawSocket.Close(second);
    }

    [Fact]
    public void Level_reports_while_it_is_true() {
        Assert.Equal(0, poller.Add(first, 5, Readable));
        Assert.Equal(1, poller.Add(first, 7, Readable)); // replaced it
        Assert.Equal(0, poller.Wait(events, 0));
        Assert.Equal(1, RawSocket.Send(second, "x"u8));
        for (int i = 0; i < 3; i++) {
            Assert.Equal(1, poller.Wait(events));
            Assert.Equal((7ul, Readable), (events[0].Token, events[0].Events));
        }
        Assert.Equal(1, RawSocket.Receive(first, new byte[8]));
        Assert.Equal(RawSocket.WouldBlock, RawSocket.Receive(first, new byte[8]));
        Assert.Equal(0, poller.Wait(events, 0));
        Assert.Equal(Status.Stale, StatusOf(() => poller.Remove(first, 5)));
        poller.Remove(first, 7);
        Assert.Equal(Status.NotFound, StatusOf(() => poller.Remove(first, 7)));
    }

    [Fact]
    public void Edge_reports_again_after_a_rearm() {
        poller.Add(first, 1, Readable, PollMode.Edge);
        byte[] buffer = new byte[8];
        for (int i = 0; i < 3; i++) {
            RawSocket.Send(second, "x"u8);
            Assert.Equal(1, poller.Wait(events));
            while (RawSocket.Receive(first, buffer) > 0) { }
            poller.Rearm(first, 1, Readable);
        }
        Assert.Equal(0, poller.Wait(events, 0));
    }

    [Fact]
    public void Oneshot_is_silent_until_a_rearm_or_a_modify() {
        poller.Add(first, 1, Writable, PollMode.Oneshot);
        Assert.Equal(1, poller.Wait(events));
        Assert.Equal(0, poller.Wait(events, 0));
        poller.Rearm(first, 1, Writable);
        Assert.Equal(1, poller.Wait(events));
        poller.Modify(first, 1, Writable, PollMode.Oneshot);
        Assert.Equal(1, poller.Wait(events));
    }

    [Fact]
    public void A_token_has_64_bits_and_a_posted_value_may_be_negative() {
        ulong token = ulong.MaxValue;
        poller.Add(first, token, Writable);
        poller.Wait(events);
        Assert.Equal(token, events[0].Token);
        poller.Remove(first, token);
        poller.Post(1ul << 63, long.MinValue);
        poller.Wait(events);
        Assert.Equal((1ul << 63, long.MinValue, PollEvents.Post),
            (events[0].Token, events[0].Result, events[0].Events));
    }

    [Fact]
    public void Wakes_are_one_event_with_the_token_that_was_chosen() {
        using var p = new Poller(PollerFlags.SingleWaiter, wakeToken: 99);
        p.Wake();
        p.Wake();
        Assert.Equal(1, p.Wait(events));
        Assert.Equal((99ul, PollEvents.Wake), (events[0].Token, events[0].Events));
        Assert.Equal(0, p.Wait(events, 0));
    }

    [Fact]
    public void Update_applies_all_and_says_of_each_how_it_went() {
        PollChange[] changes =
        [
            new() { Handle = first, Token = 1, Action = ChangeAction.Add, Interest = Writable },
            new() { Handle = -5, Token = 2, Action = ChangeAction.Add, Interest = Writable },
            new() { Handle = second, Token = 3, Action = ChangeAction.Add, Interest = Writable },
        ];
        Assert.Equal(2, poller.Update(changes));
        Assert.Equal([Status.Ok, Status.BadHandle, Status.Ok], changes.Select(c => c.Status));
        Assert.Equal(2, poller.Wait(events));
        Assert.Equal(0, poller.Update([]));
    }

    [Fact]
    public void A_turn_changes_submits_and_waits_in_one_call() {
        using var file = new TemporaryFile(Content(4096));
        long handle = RawFile.Open(file.Path, FileFlags.Read);
        Memory<byte> buffer = IoMemory.Allocate(4096, 8);
        PollChange[] changes =
        [
            new() { Handle = first, Token = 1, Action = ChangeAction.Add, Interest = Writable },
            new() { Handle = handle, Token = 5, Action = ChangeAction.Add,
                Mode = PollMode.Operations },
        ];
        IoRequest[] requests =
        [
            new() { Handle = handle, Token = 2, Buffer = IoMemory.Address(buffer), Length = 4096,
                Code = IoCode.Read },
        ];
        int n = poller.Turn(changes, requests, events);
        while (!events.AsSpan(0, n).ToArray().Any(e => e.Events == PollEvents.Io))
            n = poller.Wait(events);
        PollEvent done = events.Take(n).Single(e => e.Events == PollEvents.Io);
        Assert.Equal((2ul, 4096L, requests[0].Operation),
            (done.Token, done.Result, done.Operation));
        Assert.Equal(Content(4096), buffer.Span.ToArray());
        poller.Hold(handle, 5);
        Assert.Equal(4096, RawFile.Size(handle));
        Assert.Equal(Status.Busy, StatusOf(() => poller.Remove(handle, 5)));
        poller.Release(handle);
        poller.Remove(handle, 5);
        RawFile.Close(handle);
    }

    [Fact]
    public void Each_request_has_an_outcome_of_its_own() {
        using var file = new TemporaryFile();
        long handle = RawFile.Open(file.Path, FileFlags.Read | FileFlags.Write);
        poller.Add(handle, 5, PollEvents.None, PollMode.Operations);
        Memory<byte> buffer = IoMemory.Allocate(16, 8);
        "0123456789abcdef"u8.CopyTo(buffer.Span);
        var requests = new IoRequest[3];
        for (int i = 0; i < 3; i++)
            requests[i] = new() { Handle = handle, Buffer = IoMemory.Address(buffer), Length = 16,
                Offset = i * 16, Code = IoCode.Write, Token = (ulong)i };
        requests[1].Offset = -1;
        Assert.Equal(2, poller.Submit(requests));
        Assert.Equal([Status.Ok, Status.Invalid, Status.Ok], requests.Select(r => r.Status));
        Assert.Equal([true, false, true], requests.Select(r => r.Operation != 0));
        for (int left = 2; left > 0;)
            for (int n = poller.Wait(events); n > 0; n--, left--)
                Assert.Equal(16, events[n - 1].Result);
        requests[0] = new() { Handle = handle, Code = IoCode.Fsync };
        Assert.Equal(1, poller.Submit(requests.AsSpan(0, 1)));
        Assert.Equal(1, poller.Wait(events));
        Assert.Equal(0, poller.Cancel(requests[0].Operation)); // over already
        Assert.Equal(0, poller.CancelAll());
        Assert.Equal(0, poller.CancelHandle(handle));
        Assert.Equal(0, poller.CancelToken(handle, 1));
        requests[0] = new() { Handle = handle, Code = IoCode.Close, Token = 9 };
        Assert.Equal(1, poller.Submit(requests.AsSpan(0, 1)));
        Assert.Equal(1, poller.Wait(events));
        Assert.Equal((9ul, Status.Ok), (events[0].Token, events[0].Status));
        Assert.Equal(0, poller.Submit(requests.AsSpan(1, 2)));
        Assert.Equal([Status.NotFound, Status.NotFound], requests.Skip(1).Select(r => r.Status));
        Assert.Equal("0123456789abcdef", File.ReadAllText(file.Path)[..16]);
    }

    [Fact]
    public void An_operation_may_end_inline_and_then_has_no_event() {
        using var file = new TemporaryFile(Content(4096));
        long handle = RawFile.Open(file.Path, FileFlags.Read);
        poller.Add(handle, 5, PollEvents.None, PollMode.Operations);
        Memory<byte> buffer = IoMemory.Allocate(4096, 8);
        for (int i = 0; i < 100; i++) {
            buffer.Span.Clear();
            var request = new IoRequest { Handle = handle, Token = 2, Buffer = IoMemory.Address(buffer),
                Offset = 96, Length = 4096, Code = IoCode.Read, Flags = IoFlags.Inline };
            int n = 0;
            if (i % 2 == 0) Assert.Equal(1, poller.Submit(new(ref request)));
            else n = poller.Turn([], new(ref request), events); // does not block if it is over
            if (request.IsDone) Assert.Equal((4000L, 0), (request.Bytes, n));
            else {
                Assert.Equal(Status.Ok, request.Status);
                if (n == 0) n = poller.Wait(events);
                Assert.Equal((1, 4000L, request.Operation),
                    (n, events[0].Result, events[0].Operation));
            }
            Assert.Equal(Content(4096)[96..], buffer.Span[..4000].ToArray());
        }
        Assert.Equal(0, poller.Wait(events, 0));
        RawFile.Close(handle);
    }

    [Fact]
    public void A_list_reports_once_and_each_entry_has_its_result() {
        using var file = new TemporaryFile(Content(6000));
        long handle = RawFile.Open(file.Path, FileFlags.Read);
        poller.Add(handle, 5, PollEvents.None, PollMode.Operations);
        Memory<byte> buffer = IoMemory.Allocate(8192, 8);
        var requests = new IoRequest[2];
        for (int i = 0; i < 2; i++)
            requests[i] = new() { Handle = handle, Buffer = IoMemory.Address(buffer) + (ulong)i * 4096,
                Length = 4096, Offset = i * 4096, Code = IoCode.Read };
        poller.SubmitList(requests, 1ul << 63, out ulong list);
        Assert.Equal(1, poller.Wait(events));
        Assert.Equal((1ul << 63, list, 2L, PollEvents.IoList), (events[0].Token,
            events[0].Operation, events[0].Result, events[0].Events));
        var results = new IoResult[2];
        Assert.Equal(2, poller.TakeList(list, results));
        Assert.Equal([4096L, 1904L], results.Select(r => r.Result));
        Assert.Equal(Status.NotFound, StatusOf(() => poller.TakeList(list, results)));
        RawFile.Close(handle);
    }

    [Fact]
    public void Stats_info_and_description_tell_of_this_poller() {
        poller.Wait(events, 0);
        poller.Wait(events, 0);
        Assert.Equal(2ul, poller.GetStats().Waits);
        PollerInfo info = poller.GetInfo();
        Assert.True(info.Features.HasFlag(PollerFeatures.FileIo));
        Assert.Equal(1048576u, info.IoLimit);
        Assert.Contains("\n", poller.Describe());
        using var pool = new Poller(PollerFlags.NoUring, poolThreads: 3);
        Assert.Equal((IoEngine.Pool, 3u), (pool.GetInfo().Engine, pool.GetInfo().PoolThreads));
    }

    [Fact]
    public void Sockets_listen_connect_and_tell_their_addresses() {
        long listener = RawSocket.Listen("127.0.0.1", 0);
        IPEndPoint at = RawSocket.LocalAddress(listener)!;
        long client = RawSocket.Connect("127.0.0.1", at.Port, out bool connected);
        poller.Add(client, 1, Writable);
        Assert.Equal(1, poller.Wait(events));
        Assert.Equal(Status.Ok, RawSocket.TakeError(client));
        Assert.True(RawSocket.Accept(listener, out long server));
        Assert.False(RawSocket.Accept(listener, out _));
        RawSocket.SetNoDelay(client, true);
        Assert.Equal(at, RawSocket.PeerAddress(client));
        Assert.Equal(RawSocket.LocalAddress(client), RawSocket.PeerAddress(server));
        Assert.Null(RawSocket.LocalAddress(first));
        RawSocket.Shutdown(client, SocketShutdown.Send);
        poller.Add(server, 2, Readable);
        poller.Remove(client, 1);
        Assert.Equal(1, poller.Wait(events));
        Assert.Equal(0, RawSocket.Receive(server, new byte[1]));
        foreach (long handle in new[] { client, server, listener }) RawSocket.Close(handle);
        _ = connected; // either is right
    }

    [Fact]
    public void Datagrams_say_where_they_came_from() {
        long a = RawSocket.BindUdp("127.0.0.1", 0), b = RawSocket.BindUdp("127.0.0.1", 0);
        IPEndPoint from = RawSocket.LocalAddress(a)!, to = RawSocket.LocalAddress(b)!;
        Assert.Equal(RawSocket.WouldBlock, RawSocket.ReceiveFrom(b, new byte[9], out var nobody));
        Assert.Null(nobody);
        Assert.Equal(5, RawSocket.SendTo(a, "hello"u8, "127.0.0.1", to.Port));
        poller.Add(b, 1, Readable);
        poller.Wait(events);
        Assert.Equal(5, RawSocket.ReceiveFrom(b, new byte[9], out IPEndPoint? sender));
        Assert.Equal(from, sender);
        RawSocket.Close(a);
        RawSocket.Close(b);
    }

    [Theory]
    [InlineData(PollerFlags.None)]
    [InlineData(PollerFlags.SingleWaiter)]
    public void Shutdown_ends_waits_with_its_status(PollerFlags flags) {
        using var p = new Poller(flags);
        p.Shutdown();
        Assert.Equal(Status.Shutdown, StatusOf(() => p.Wait(events)));
        Assert.Equal((int)Status.Shutdown, p.TryWait(events));
        Assert.Equal(Status.Shutdown, StatusOf(() => p.Add(first, 1, Readable)));
    }

    [Fact]
    public void The_pollers_descriptor_is_readable_when_a_wait_returns_something() {
        using var outer = new Poller();
        outer.Add(poller.GetDescriptor(), 4, Readable);
        poller.Post(1, 1);
        Assert.Equal(1, outer.Wait(events));
        Assert.Equal(4ul, events[0].Token);
        outer.Remove(poller.GetDescriptor(), 4);
        Assert.InRange(Library.Now, 1, long.MaxValue);
    }

    [Fact]
    public void A_failure_carries_status_code_and_text() {
        var e = Assert.Throws<EvpollException>(() => RawFile.Open("/no/such/file",
            FileFlags.Read));
        Assert.Equal((Status.NotFound, 2), (e.Status, e.OsCode));
        Assert.Equal(2, Library.OsError);
        Assert.Contains("/no/such/file", e.Message);
        Assert.Contains(EvpollException.Describe(Status.NotFound), e.Message);
        Assert.IsAssignableFrom<IOException>(e);
    }
}
