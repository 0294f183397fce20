// SPDX-License-Identifier: MIT
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Evpoll.Interop;

/// <summary>Finds the native library, and refuses one of another version. Both refusals say what a
/// person needs to mend it: the files that were looked for, or the path and both versions.
/// </summary>
static class NativeLoader
{
    /// <summary>The name in the P/Invokes.</summary>
    public const string Name = "evpoll";
    /// <summary>Names the file to load, instead of any search.</summary>
    public const string Variable = "EVPOLL_LIBRARY";
    static readonly object Gate = new();
    static nint library;

    /// <summary>Where the loaded library was found.</summary>
    public static string? Path { get; private set; }

#pragma warning disable CA2255 // the one place that runs before any P/Invoke, whoever comes first
    [ModuleInitializer]
    internal static void Install() =>
        NativeLibrary.SetDllImportResolver(typeof(NativeLoader).Assembly, Resolve);
#pragma warning restore CA2255

    internal static nint Resolve(string name, Assembly assembly, DllImportSearchPath? search)
    {
        if (name != Name) return 0;
        lock (Gate)
        {
            if (library != 0) return library;
            (nint found, string path) = Find(Candidates(), LoadBySystem);
            CheckVersion(found, path);
            Path = path;
            return library = found;
        }
    }

    static string FileName => OperatingSystem.IsWindows() ? "evpoll.dll" : "libevpoll.so";

    /// <summary>Files to try, in order.</summary>
    static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
        {
            yield return named;
            yield break;
        }
        var folders = new List<string> { AppContext.BaseDirectory };
        // Where the host found the natives of packages.
        if (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") is string host)
            folders.AddRange(host.Split(System.IO.Path.PathSeparator,
                StringSplitOptions.RemoveEmptyEntries));
        foreach (string folder in folders.Distinct())
        {
            yield return System.IO.Path.Combine(folder, "runtimes", RuntimeId, "native", FileName);
            yield return System.IO.Path.Combine(folder, FileName);
        }
    }

    /// <summary>The portable runtime id. Distributions may build the runtime under their own, but
    /// which C library it is shows in what the process has loaded.</summary>
    internal static string RuntimeId
    {
        get
        {
            string architecture =
                RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
            if (OperatingSystem.IsWindows()) return "win-" + architecture;
            if (!OperatingSystem.IsLinux()) return RuntimeInformation.RuntimeIdentifier;
            return (MappedPath("/ld-musl-") != null ? "linux-musl-" : "linux-") + architecture;
        }
    }

    /// <summary>The system's own search: an installed library, or one that the program has loaded.
    /// </summary>
    static (nint, string)? LoadBySystem(List<string> tried)
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 }) return null;
        foreach (string name in OperatingSystem.IsWindows()
                     ? new[] { "evpoll.dll" } : new[] { "libevpoll.so.1", "libevpoll.so" })
        {
            tried.Add(name + " (the system's search)");
            if (NativeLibrary.TryLoad(name, out nint handle))
                return (handle, MappedPath("libevpoll") ?? name);
        }
        return null;
    }

    internal static (nint, string) Find(IEnumerable<string> candidates,
        Func<List<string>, (nint, string)?> otherwise)
    {
        var tried = new List<string>();
        foreach (string path in candidates)
        {
            tried.Add(path);
            if (!File.Exists(path)) continue;
            if (NativeLibrary.TryLoad(path, out nint handle)) return (handle, path);
            tried[^1] += " (is there, and could not be loaded)";
        }
        return otherwise(tried) ?? throw new DllNotFoundException(
            "evpoll's native library was not found. Looked for, in this order:\n  " +
            string.Join("\n  ", tried) + $"\n{Variable} may name it.");
    }

    internal static unsafe void CheckVersion(nint handle, string path)
    {
        int version = 0;
        if (NativeLibrary.TryGetExport(handle, "evpoll_version", out nint entry))
            version = ((delegate* unmanaged<int>)entry)();
        const int Major = Native.EVPOLL_VERSION_MAJOR, Minor = Native.EVPOLL_VERSION_MINOR;
        if (version >> 16 == Major && (version >> 8 & 0xff) >= Minor) return;
        NativeLibrary.Free(handle);
        string found = version == 0 ? "no evpoll at all"
            : $"version {version >> 16}.{version >> 8 & 0xff}.{version & 0xff}";
        throw new EvpollException(Status.Version, 0, $"{path} is {found}, and this binding " +
            $"needs {Major}.{Minor} or a later {Major}.x");
    }

    /// <summary>The file of the process's memory map that has this in its path.</summary>
    static string? MappedPath(string part)
    {
        if (!OperatingSystem.IsLinux()) return null;
        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            int slash = line.IndexOf('/');
            if (slash >= 0 && line.AsSpan(slash).Contains(part, StringComparison.Ordinal))
                return line[slash..];
        }
        return null;
    }
}
