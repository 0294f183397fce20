// SPDX-License-Identifier: MIT
using Evpoll;

namespace FileServer;

/// <summary>Whatever a connection awaits, the others go on; between two awaits nobody else runs. Who
/// makes no progress is sent away by the time limits of his own reads and writes.</summary>
sealed class Server(EventLoop loop, EvpollListener listener, string folder, int connections,
    int fileLimit, int idle) {
    const int MostRequest = 8 * 1024, Piece = 1 << 20, StopMilliseconds = 5000;

    readonly Dictionary<EvpollStream, bool> open = []; // true: between two requests
    readonly SemaphoreSlim places = new(connections), files = new(fileLimit);
    bool stopping;

    public long Accepted, Requests, Refused, Bytes;

    public async Task Run() {
        while (!stopping) {
            await places.WaitAsync();
            try {
                _ = Serve(await listener.AcceptAsync());
            } catch (EvpollException e) when (e.Status is Status.Limit or Status.NoMemory) {
                // Each connection needs a second descriptor for its file: take fewer from now on.
                for (int i = open.Count / 2; i > 0; i--) await places.WaitAsync();
                places.Release();
            } catch (ObjectDisposedException) { } // stopping
        } while (open.Count > 0) await loop.DelayAsync(TimeSpan.FromMilliseconds(10));
    }

    /// <summary>Responses that have begun are finished, unless it is said twice.</summary>
    public void Stop() {
        if (!stopping) Console.WriteLine("stopping; once more to stop at once");
        idle = Math.Min(idle, StopMilliseconds);
        foreach ((EvpollStream stream, bool between) in open.ToArray())
            if (stopping || between) stream.Dispose();
            else stream.ReadTimeout = stream.WriteTimeout = idle;
        stopping = true;
        listener.Dispose();
        if (places.CurrentCount == 0) places.Release();
    }

    async Task Serve(EvpollStream stream) {
        Accepted++;
        open[stream] = true;
        stream.ReadTimeout = stream.WriteTimeout = idle;
        try {
            await Talk(stream, new byte[MostRequest]);
        }
        // The client is gone, or was sent away, or its file became shorter than was promised:
        // cutting the connection is the only way left to tell.
        catch (Exception e) when (e is IOException or ObjectDisposedException or TimeoutException) { }
        finally {
            stream.Dispose();
            open.Remove(stream);
            places.Release();
        }
    }

    async Task Talk(EvpollStream stream, byte[] input) {
        for (int received = 0; ;) {
            int used = Request.Parse(input.AsSpan(0, received), out Request request);
            if (used == 0 && received < MostRequest) {
                int n = await stream.ReadAsync(input.AsMemory(received));
                if (n == 0) return;
                received += n;
                continue;
            }
            if (used == 0) request = Request.TooLong(input.AsSpan(0, used = received));
            // What is left is the next request of a client that does not wait for answers.
            input.AsSpan(used..received).CopyTo(input);
            received -= used;
            open[stream] = false;
            bool stays = await Respond(stream, request);
            open[stream] = true;
            if (!stays || stopping) break;
        }
        // Closing with unread bytes in the socket resets the connection, and the client may lose
        // the end of the response. So say that this was all, and read until the client has closed.
        await stream.ShutdownAsync();
        while (await stream.ReadAsync(input) > 0) { }
    }

    async Task<bool> Respond(EvpollStream stream, Request request) {
        int status = request.Status;
        bool stays = request.KeepAlive && !stopping;
        await using EvpollFile? file = status == 200 ? Open(request.Path, ref status) : null;
        long size = file == null ? 0 : await file.GetLengthAsync();
        Requests++;
        if (file == null) Refused++;
        byte[] head = Response.Head(status, request, size, stays);
        await stream.WriteAsync(head);
        Bytes += head.Length;
        for (long at = 0, n; at < size && !request.HeadOnly; at += n, Bytes += n) {
            await files.WaitAsync();
            try { n = await stream.SendFileAsync(file!, at, Math.Min(size - at, Piece)); }
            finally { files.Release(); }
            if (n == 0) throw new EndOfStreamException();
        }
        return stays;
    }

    EvpollFile? Open(string path, ref int status) {
        try {
            return loop.OpenFile(folder + "/" + path);
        } catch (EvpollException e) {
            status = e.Status switch {
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
