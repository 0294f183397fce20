// SPDX-License-Identifier: MIT
using System.Net;
using System.Text;
using Evpoll;

string path = args.Length > 0 ? args[0] : "hello.txt";

// A log: 100 records, each acknowledged when it is on the disk, few syncs.
await using var loop = EventLoop.Start();
await using (EvpollFile log = loop.OpenFile(path, FileFlags.Append | FileFlags.Create))
    await Task.WhenAll(Enumerable.Range(0, 100).Select(i =>
        log.AppendDurableAsync(Encoding.ASCII.GetBytes($"record {i:D2}\n")).AsTask()));

// A server that sends it to whoever connects, and a client.
await using EvpollListener listener = loop.Listen(new(IPAddress.Loopback, 0));
_ = Task.Run(async () => {
    await foreach (EvpollStream connection in listener.AcceptAllAsync())
        await using (connection)
        await using (EvpollFile file = loop.OpenFile(path))
            await connection.SendFileAsync(file, 0, await file.GetLengthAsync());
});
using var reader = new StreamReader(await loop.ConnectAsync(listener.LocalEndPoint));
string text = await reader.ReadToEndAsync();
Console.WriteLine($"{text.Split('\n').Length - 1} records, the first one is '{text.Split('\n')[0]}'");
