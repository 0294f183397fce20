// SPDX-License-Identifier: MIT
// evpoll-serve FOLDER [OPTION]...: a static file server. Each connection is an async method on the
// loop's thread, so that nothing here needs a lock; a file's bytes go from the kernel to the socket.
using System.Net;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Evpoll;
using FileServer;

string? folder = null, host = "127.0.0.1", engine = "auto";
int port = 0, connections = 400, fileLimit = int.MaxValue, idle = 30;
foreach (string argument in args)
    switch (argument.Split('=')) {
        case ["--host", var value]: host = value; break;
        case ["--port", var value]: port = int.Parse(value); break;
        case ["--connections", var value]: connections = int.Parse(value); break;
        case ["--io-limit", var value]: fileLimit = int.Parse(value); break;
        case ["--idle", var value]: idle = int.Parse(value); break;
        case ["--engine", ("auto" or "native" or "pool") and var value]: engine = value; break;
        case [var name] when folder == null && !name.StartsWith('-'): folder = name; break;
        default: return Usage();
    }
if (folder == null) return Usage();
try {
    await using var loop = EventLoop.Start(new() {
        Engine = engine == "pool" ? PollerFlags.NoUring : PollerFlags.None,
    });
    if (!loop.GetInfo().Features.HasFlag(engine == "native" ? PollerFeatures.NativeIo
            : PollerFeatures.FileIo))
        throw new EvpollException(Status.Unsupported, 0,
            "the kernel has no file operations for this engine; try --engine=auto");
    await using EvpollListener listener = loop.Listen(new(IPAddress.Parse(host), port));
    Console.WriteLine($"listening on {listener.LocalEndPoint}");
    var server = new Server(loop, listener, folder, connections, fileLimit, idle * 1000);
    void Stop(PosixSignalContext signal) {
        signal.Cancel = true;
        loop.Post(server.Stop);
    }
    using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
    using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
    await loop.Run(server.Run);

    PollerStats stats = loop.GetStats();
    foreach (string line in loop.Describe().TrimEnd().Split('\n').Concat(
    [
        "features: " + Regex.Replace($"{loop.GetInfo().Features}", "(?<=[a-z])[A-Z]", "-$0")
            .Replace(",", "").ToLowerInvariant(),
        $"{stats.Waits} waits, {stats.Events} events, " +
            $"{stats.Events / (double)Math.Max(1, stats.Waits):F2} events per wait",
        $"{server.Accepted} connections, {server.Requests} requests ({server.Refused} refused), " +
            $"{server.Bytes} bytes sent",
    ])) Console.WriteLine($"evpoll-serve: {line}");
    return 0;
} catch (Exception e) when (e is EvpollException or FormatException) {
    Console.Error.WriteLine(e.Message);
    return 1;
}

static int Usage() {
    Console.Error.WriteLine("""
        usage: evpoll-serve FOLDER [OPTION]...
          --host=ADDRESS --port=NUMBER     where to listen: 127.0.0.1 and a free port
          --engine=auto|native|pool        who serves files
          --connections=N                  most connections at a time (400)
          --io-limit=N                     most files that are being sent at a time
          --idle=SECONDS                   close connections without progress after this time (30)
        """);
    return 2;
}
