// SPDX-License-Identifier: MIT
using System.Net.Sockets;
using Evpoll;
using TcpListener = Evpoll.TcpListener;

namespace FileServer;

/// <summary>A static file server: sockets by readiness and files by completion, in one thread. Each
/// connection is an async method; whatever it awaits, the others go on, and between two awaits
/// nobody else runs, so that nothing here needs a lock.
///
/// A connection has two chunks of 64 KiB: while one is being sent, the other is being read. No more
/// of a file is read than fits into them, so a slow reader holds up nobody and costs no
/// memory.</summary>
sealed class Server(EventLoop loop, TcpListener listener, Options options)
{
    const int Chunk = 64 * 1024, MostRequest = 8 * 1024, StopSeconds = 5;

    static long Now => Environment.TickCount64 / 1000;

    sealed class Connection(TcpStream stream)
    {
        public readonly TcpStream Stream = stream;
        public bool Between = true; // two requests: has nothing to lose
        public long Progress = Now;
    }

    readonly HashSet<Connection> open = [];
    readonly SemaphoreSlim places = new(options.Connections);
    int idleSeconds = options.IdleSeconds;
    bool stopping;

    public long Accepted, Requests, Refused, Bytes;

    public async Task Run()
    {
        using var idle = new Timer(_ => loop.Post(ExpireIdle), null, 1000, 1000);
        while (!stopping)
        {
            await places.WaitAsync();
            try
            {
                if (stopping || await listener.AcceptAsync() is not { } stream) break;
                _ = Serve(stream);
            }
            catch (EvpollException e) when (e.Status == Status.Limit)
            {
                // No descriptor is left, and each connection needs a second one for its file: take
                // fewer from now on. The others wait in the backlog.
                for (int i = open.Count / 2; i > 0; i--) await places.WaitAsync();
                if (open.Count < 2) await Task.Delay(1000);
                places.Release();
            }
        }
        while (open.Count > 0) await Task.Delay(10);
    }

    /// <summary>Responses that have begun are finished, unless it is said twice.</summary>
    public void Stop()
    {
        if (!stopping) Console.WriteLine("stopping; once more to stop at once");
        foreach (Connection c in open)
            if (stopping || c.Between) c.Stream.Dispose();
        stopping = true;
        listener.Dispose();
        if (places.CurrentCount == 0) places.Release();
        idleSeconds = Math.Min(idleSeconds, StopSeconds);
    }

    void ExpireIdle()
    {
        foreach (Connection c in open)
            if (Now - c.Progress >= idleSeconds) c.Stream.Dispose();
    }

    async Task Serve(TcpStream stream)
    {
        Accepted++;
        var c = new Connection(stream);
        open.Add(c);
        try
        {
            stream.SetNoDelay(true); // chunks are large: never hold back the last piece
            using IoBuffer chunks = loop.Rent(2 * Chunk), input = loop.Rent(MostRequest);
            await Talk(c, input, chunks[..Chunk], chunks[Chunk..]);
        }
        // The client is gone, or was sent away, or its file became shorter than was promised:
        // cutting the connection is the only way left to tell.
        catch (Exception e) when (e is EvpollException or ObjectDisposedException
                                      or EndOfStreamException) { }
        finally
        {
            stream.Dispose();
            open.Remove(c);
            places.Release();
        }
    }

    async Task Talk(Connection c, IoBuffer input, Memory<byte> first, Memory<byte> second)
    {
        for (int received = 0; ;)
        {
            int used = Request.Parse(input.Span[..received], out Request request);
            if (used == 0 && received < MostRequest)
            {
                int n = await c.Stream.ReadAsync(input[received..]);
                if (n == 0) return;
                received += n;
                continue;
            }
            if (used == 0) request = Request.TooLong(input.Span[..(used = received)]);
            // What is left is the next request of a client that does not wait for answers.
            input.Span[used..received].CopyTo(input.Span);
            received -= used;
            c.Between = false;
            bool stays = await Respond(c, request, first, second);
            c.Between = true;
            if (!stays || stopping) break;
        }
        // Closing with unread bytes in the socket resets the connection, and the client may lose
        // the end of the response. So say that this was all, and read until the client has closed.
        c.Stream.Shutdown(SocketShutdown.Send);
        while (await c.Stream.ReadAsync(input) > 0) { }
    }

    async Task<bool> Respond(Connection c, Request request, Memory<byte> chunk, Memory<byte> other)
    {
        int status = request.Status;
        using LoopFile? file = status == 200 ? Open(request.Path, ref status) : null;
        Requests++;
        bool stays = request.KeepAlive && !stopping;
        long size = file?.Length ?? 0, at = 0;
        if (file == null)
        {
            Refused++;
            string text = $"{status} {Response.Reason(status)}\n";
            int length = Response.Write(chunk.Span, status, "text/plain; charset=utf-8",
                text.Length, stays, request.HeadOnly ? "" : text);
            await Send(c, chunk[..length]);
            return stays;
        }
        int filled = Response.Write(chunk.Span, 200, Response.TypeOf(request.Path), size, stays);
        if (request.HeadOnly) size = 0;
        // The head goes in front of the first bytes, so that a small file leaves in one send.
        int next = (int)Math.Min(size, Chunk - filled);
        if (next > 0) await Fill(file, chunk.Slice(filled, next), at);
        for (filled += next, at += next; ; (chunk, other, filled) = (other, chunk, next))
        {
            next = (int)Math.Min(size - at, Chunk);
            Task reading = next > 0 ? Fill(file, other[..next], at) : Task.CompletedTask;
            at += next;
            await Send(c, chunk[..filled]);
            await reading;
            if (next == 0) return stays;
        }
    }

    async ValueTask Send(Connection c, Memory<byte> bytes)
    {
        await c.Stream.WriteAllAsync(bytes);
        Bytes += bytes.Length;
        c.Progress = Now;
    }

    /// <summary>Reads may come back short.</summary>
    static async Task Fill(LoopFile file, Memory<byte> into, long offset)
    {
        while (into.Length > 0)
        {
            int n = await file.ReadAsync(into, offset);
            if (n == 0) throw new EndOfStreamException();
            (into, offset) = (into[n..], offset + n);
        }
    }

    LoopFile? Open(string path, ref int status)
    {
        try
        {
            return loop.OpenFile(options.Folder + "/" + path);
        }
        catch (EvpollException e)
        {
            status = e.Status switch
            {
                // Nothing, or a folder, or no file in our sense.
                Status.NotFound or Status.Invalid or Status.Unsupported => 404,
                Status.Access => 403,
                Status.Limit or Status.NoMemory => 503,
                _ => 500,
            };
            return null;
        }
    }
}
