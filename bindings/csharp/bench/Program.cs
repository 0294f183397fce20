// SPDX-License-Identifier: MIT
// Each line compares two ways to do the same work, in slices that alternate in one process; what is
// printed is the median of the slices' times, and the median of their ratios.
using System.Diagnostics;
using Evpoll.Bench;

Console.WriteLine("| what | n | evpoll | the other | evpoll / other |");
Console.WriteLine("|---|---|---|---|---|");
foreach (int n in new[] { 1, 64, 1024 }) Waits.Compare(n);
foreach (int n in new[] { 1, 64, 1024 }) await Sockets.Compare(n);
foreach (int n in new[] { 1, 64, 1024 }) await Files.Compare(n);

namespace Evpoll.Bench
{
    static class Slices
    {
        public static void Print(string what, int n, long each, List<(double A, double B)> slices)
        {
            double Median(IEnumerable<double> values) => values.Order().ElementAt(slices.Count / 2);
            Console.WriteLine($"| {what} | {n} | " +
                $"{Median(slices.Select(s => s.A)) / each:F1} ns | " +
                $"{Median(slices.Select(s => s.B)) / each:F1} ns | " +
                $"{Median(slices.Select(s => s.A / s.B)):F2} |");
        }

        public static void Run(string what, int n, int count, long each, Action a, Action b)
        {
            var slices = new List<(double, double)>();
            for (int i = -count / 4; i < count; i++) // the first ones let the compiler finish
            {
                (double, double) slice = i % 2 == 0 ? (Time(a), Time(b)) : Swap(Time(b), Time(a));
                if (i >= 0) slices.Add(slice);
            }
            Print(what, n, each, slices);
        }

        public static async Task Run(string what, int n, int count, long each, Func<Task> a,
            Func<Task> b)
        {
            var slices = new List<(double, double)>();
            for (int i = -count / 4; i < count; i++)
            {
                (double, double) slice = i % 2 == 0 ? (await Time(a), await Time(b))
                    : Swap(await Time(b), await Time(a));
                if (i >= 0) slices.Add(slice);
            }
            Print(what, n, each, slices);
        }

        static (double, double) Swap(double b, double a) => (a, b);

        static double Time(Action work)
        {
            long began = Stopwatch.GetTimestamp();
            work();
            return Stopwatch.GetElapsedTime(began).TotalNanoseconds;
        }

        static async Task<double> Time(Func<Task> work)
        {
            long began = Stopwatch.GetTimestamp();
            await work();
            return Stopwatch.GetElapsedTime(began).TotalNanoseconds;
        }
    }
}
