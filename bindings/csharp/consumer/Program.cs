// SPDX-License-Identifier: MIT
using System.Text;
using Evpoll;

string path = args.Length > 0 ? args[0] : "hello.txt";
await File.WriteAllTextAsync(path, "hello from a file\n");

using var loop = EventLoop.Start(); // own thread; awaits resume on it
string answer = await loop.Run(async () =>
{
    using var listener = TcpListener.Bind(loop, "127.0.0.1", 0);
    Task serving = Serve(listener);
    using TcpStream client =
        await TcpStream.ConnectAsync(loop, "127.0.0.1", listener.LocalEndPoint.Port);
    using IoBuffer buffer = loop.Rent(4096);
    var text = new StringBuilder();
    for (int n; (n = await client.ReadAsync(buffer)) > 0;)
        text.Append(Encoding.UTF8.GetString(buffer[..n].Span));
    await serving;
    return text.ToString();
});
await loop.ShutdownAsync(TimeSpan.FromSeconds(5));
Console.Write(answer);

// A socket and a file in one thread: both are awaited.
async Task Serve(TcpListener listener)
{
    if (await listener.AcceptAsync() is not { } connection) return;
    using (connection)
    using (LoopFile file = loop.OpenFile(path))
    using (IoBuffer buffer = loop.Rent(4096))
        for (int n, at = 0; (n = await file.ReadAsync(buffer, at)) > 0; at += n)
            await connection.WriteAllAsync(buffer[..n]);
}
