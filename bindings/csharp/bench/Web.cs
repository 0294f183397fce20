// SPDX-License-Identifier: MIT
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Evpoll.Bench;

/// <summary>Plain text from ASP.NET Core over n connections kept alive: over evpoll, and over Kestrel's
/// own transport. wrk asks; its own CPU time is not counted.</summary>
static partial class Web {
    readonly record struct Cost(double Requests, double Elapsed, double Cpu) {
        public double Each => Cpu / Requests;
        public double Rate => Requests / Elapsed * 1e9;
    }

    public static async Task Compare(int n) {
        await using WebApplication ours = await Start(evpoll: true), theirs = await Start(evpoll: false);
        var slices = new List<(Cost A, Cost B)>();
        for (int i = -2; i < 10; i++) { // the first ones let the compiler finish
            Cost a, b;
            if (i % 2 == 0) (a, b) = (await Measure(ours, n), await Measure(theirs, n));
            else (b, a) = (await Measure(theirs, n), await Measure(ours, n));
            if (i >= 0) slices.Add((a, b));
        }
        double Median(Func<(Cost A, Cost B), double> of) =>
            slices.Select(of).Order().ElementAt(slices.Count / 2);
        Console.WriteLine($"| plain text, Kestrel's own ({Median(s => s.A.Rate):F0} and " +
            $"{Median(s => s.B.Rate):F0} requests/s): per request | {n} | " +
            $"{Median(s => s.A.Each):F0} ns | {Median(s => s.B.Each):F0} ns | " +
            $"{Median(s => s.A.Each / s.B.Each):F2} | {Median(s => s.B.Rate / s.A.Rate):F2} |");
    }

    static async Task<WebApplication> Start(bool evpoll) {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        if (evpoll) builder.WebHost.UseEvpoll();
        WebApplication app = builder.Build();
        app.Run(c => c.Response.WriteAsync("Hello World!"));
        await app.StartAsync();
        return app;
    }

    [GeneratedRegex(@"(\d+) requests in ")]
    private static partial Regex Requests();

    static async Task<Cost> Measure(WebApplication app, int n) {
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long began = Stopwatch.GetTimestamp();
        using Process wrk = Process.Start(new ProcessStartInfo("wrk", ["-t1", $"-c{n}", "-d2s",
            app.Urls.Single()]) { RedirectStandardOutput = true })!;
        string said = await wrk.StandardOutput.ReadToEndAsync();
        double elapsed = Stopwatch.GetElapsedTime(began).TotalNanoseconds;
        double count = double.Parse(Requests().Match(said).Groups[1].Value,
            CultureInfo.InvariantCulture);
        if (said.Contains("Non-2xx") || said.Contains("Socket errors")) throw new IOException(said);
        return new(count, elapsed, (Environment.CpuUsage.TotalTime - cpu).TotalNanoseconds);
    }
}
