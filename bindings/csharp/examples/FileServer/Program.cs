// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Evpoll;
using FileServer;

if (Options.Parse(args) is not { } options)
{
    Console.Error.WriteLine("""
        usage: evpoll-serve FOLDER [OPTION]...
          --host=ADDRESS --port=NUMBER     where to listen: 127.0.0.1 and a free port
          --engine=auto|native|pool        who serves files
          --connections=N                  most connections at a time (400)
          --io-limit=N                     most file operations in flight
          --idle=SECONDS                   close connections without progress after this time (30)
        """);
    return 2;
}
try
{
    using var loop = EventLoop.Start(new() { Engine = options.Engine, IoLimit = options.IoLimit });
    if (!loop.GetInfo().Features.HasFlag(PollerFeatures.FileIo))
        throw new EvpollException(Status.Unsupported, 0,
            "the kernel has no file operations for this engine; try --engine=auto");
    using TcpListener listener = TcpListener.Bind(loop, options.Host, options.Port);
    Console.WriteLine($"listening on {listener.LocalEndPoint}");
    var server = new Server(loop, listener, options);
    void Stop(PosixSignalContext signal)
    {
        signal.Cancel = true;
        loop.Post(server.Stop);
    }
    using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
    using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
    await loop.Run(server.Run);

    PollerStats stats = loop.GetStats();
    // FileIo, NativeIo: file-io native-io
    string features = string.Concat($"{loop.GetInfo().Features}".Replace(", ", " ").Select((c, i) =>
        (char.IsUpper(c) && i > 0 ? "-" : "") + char.ToLower(c))).Replace(" -", " ");
    foreach (string line in loop.Describe().TrimEnd().Split('\n').Concat(
    [
        $"features: {features}",
        $"{stats.Waits} waits, {stats.Events} events, " +
            $"{stats.Events / (double)Math.Max(1, stats.Waits):F2} events per wait",
        $"{stats.IoCompleted} file operations, {stats.IoCancelled} of them cancelled",
        $"{server.Accepted} connections, {server.Requests} requests ({server.Refused} refused), " +
            $"{server.Bytes} bytes sent",
    ])) Console.WriteLine($"evpoll-serve: {line}");
    await loop.ShutdownAsync(TimeSpan.FromSeconds(5));
    return 0;
}
catch (EvpollException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
