// SPDX-License-Identifier: MIT
namespace Evpoll.Interop;

/// <summary>Finds the native library as .NET does, the assembly's own AssemblyLoadContext included,
/// and refuses one of another version. Both refusals say what a person needs to mend it.</summary>
static class NativeLoader {
    /// <summary>The name in the P/Invokes.</summary>
    public const string Name = "evpoll";
    /// <summary>Names the file to load, instead of any search.</summary>
    public const string Variable = "EVPOLL_LIBRARY";
    static readonly Assembly Ours = typeof(NativeLoader).Assembly;
    static nint library;
    static string FileName => OperatingSystem.IsWindows() ? "evpoll.dll" : "libevpoll.so";
    /// <summary>Where the loaded library was found.</summary>
    public static string? Path { get; private set; }

#pragma warning disable CA2255 // the one place that runs before any P/Invoke, whoever comes first
    [ModuleInitializer]
    internal static void Install() {
        NativeLibrary.SetDllImportResolver(Ours, Resolve);
        // Asked last, when the host's folders and LoadUnmanagedDll have had nothing.
        if (AssemblyLoadContext.GetLoadContext(Ours) is { } context)
            context.ResolvingUnmanagedDll += (assembly, name) =>
                name == Name && assembly == Ours && library == 0 ? Missing() : 0;
    }
#pragma warning restore CA2255

    internal static nint Resolve(string name, Assembly assembly, DllImportSearchPath? search) {
        if (name != Name) return 0;
        nint found = Volatile.Read(ref library);
        if (found != 0) return found;
        string? file = Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(file)) {
            if (!NativeLibrary.TryLoad(Name, Ours, search, out found)) return 0;
            file = Process.GetCurrentProcess().Modules.Cast<ProcessModule>()
                .FirstOrDefault(m => m.ModuleName.StartsWith(FileName))?.FileName;
        } else if (!NativeLibrary.TryLoad(file, out found)) throw NotFound(file, "");
        Path = file ?? FileName;
        CheckVersion(found, Path);
        Volatile.Write(ref library, found); // several may come here, and get the same one
        return found;
    }

    /// <summary>An installed library has its version in its name.</summary>
    static nint Missing() => NativeLibrary.TryLoad("libevpoll.so.1", out nint found) ? found
        : throw NotFound(FileName, $" beside {AppContext.BaseDirectory}, in the folders of its packages (" +
            $"{AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES")}) or by the system's search. This is " +
            $"{RuntimeInformation.RuntimeIdentifier}; the package has what lies in its runtimes folder");

    static DllNotFoundException NotFound(string file, string where) => new(
        $"evpoll's native library was not found: {file}{where}. {Variable} may name the file.");

    internal static unsafe void CheckVersion(nint handle, string path) {
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
}
