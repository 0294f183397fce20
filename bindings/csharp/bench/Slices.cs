// SPDX-License-Identifier: MIT
using System.Diagnostics;

namespace Evpoll.Bench;

static class Slices {
    readonly record struct Cost(double Elapsed, double Cpu);

    /// <summary>Runs both, `count` times, and prints what one of `each` pieces costs.</summary>
    public static async Task Run(string what, int n, int count, long each, Func<Task> ours,
        Func<Task> theirs) {
        var slices = new List<(Cost A, Cost B)>();
        for (int i = -count / 4; i < count; i++) // the first ones let the compiler finish
        {
            Cost a, b;
            if (i % 2 == 0) (a, b) = (await Measure(ours), await Measure(theirs));
            else (b, a) = (await Measure(theirs), await Measure(ours));
            if (i >= 0) slices.Add((a, b));
        }
        double Median(Func<(Cost A, Cost B), double> of) =>
            slices.Select(of).Order().ElementAt(slices.Count / 2);
        Console.WriteLine($"| {what} | {n} | {Median(s => s.A.Cpu) / each:F1} ns | " +
            $"{Median(s => s.B.Cpu) / each:F1} ns | {Median(s => s.A.Cpu / s.B.Cpu):F2} | " +
            $"{Median(s => s.A.Elapsed / s.B.Elapsed):F2} |");
    }

    static async Task<Cost> Measure(Func<Task> work) {
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long began = Stopwatch.GetTimestamp();
        await work();
        double elapsed = Stopwatch.GetElapsedTime(began).TotalNanoseconds;
        return new(elapsed, (Environment.CpuUsage.TotalTime - cpu).TotalNanoseconds);
    }
}
