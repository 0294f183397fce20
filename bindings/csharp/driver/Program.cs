// SPDX-License-Identifier: MIT
// The driver in C# of the languages' common suite; tests/bindings/README.md says what it is told and
// what it answers. Objects are held by the table of names alone: what an operation holds, the binding
// holds. Nothing is optimised later on, so that no local lives longer than it is used.
using Driver;

if (args is ["--features"]) return 0; // nothing lacks
ThreadPool.SetMinThreads(32, 8); // some callbacks block, as they are told to
var driver = new Told();
for (string? line; (line = Console.In.ReadLine()) != null;) {
    string[] words = line.Split(' ');
    driver.Tell(words[0], words[1], words[2..], answer => driver.Say($"{words[0]} {answer}"));
}
Environment.Exit(0); // at once: nothing is closed
return 0;
