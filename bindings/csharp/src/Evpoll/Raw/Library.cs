// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>About the native library.</summary>
public static class Library {
    /// <summary>The version of the loaded library.</summary>
    public static Version Version => Version.Parse(VersionString);
    /// <summary>The version as the library writes it.</summary>
    public static string VersionString =>
        Marshal.PtrToStringUTF8(Native.evpoll_version_string()) ?? "";
    /// <summary>The system's own code of this thread's last call that failed.</summary>
    public static int OsError => Native.evpoll_os_error();
    /// <summary>The time by the library's clock, in nanoseconds: it starts somewhere, never runs
    /// backwards, and stands still while the machine is suspended.</summary>
    public static long Now => Native.evpoll_now();
    /// <summary>The file that was loaded.</summary>
    public static string Path => Native.evpoll_version() > 0 ? NativeLoader.Path! : "";
}
