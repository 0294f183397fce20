// SPDX-License-Identifier: MIT
// Each line compares two ways to do the same work, in slices that alternate in one process. Printed
// are the medians of the slices' CPU times, of their ratios, and of the ratios of elapsed time, which
// on a busy machine favours who has more threads.
using Evpoll.Bench;

Console.WriteLine("| what | n | evpoll, CPU | the other, CPU | CPU ratio | elapsed ratio |");
Console.WriteLine("|---|---|---|---|---|---|");
string part = args.FirstOrDefault() ?? "";
foreach ((string name, Func<int, Task> compare) in new (string, Func<int, Task>)[]
    { ("waits", Waits.Compare), ("sockets", Sockets.Compare), ("files", Files.Compare),
        ("web", Web.Compare) })
    if (part is "" || part == name)
        foreach (int n in new[] { 1, 64, 1024 }) await compare(n);
if (part is "" or "appends")
    foreach (int n in new[] { 1, 64 }) await Appends.Compare(n);
