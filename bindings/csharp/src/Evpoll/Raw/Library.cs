// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using Evpoll.Interop;

namespace Evpoll;

/// <summary>About the native library.</summary>
public static class Library
{
    /// <summary>The version of the loaded library.</summary>
    public static Version Version
    {
        get
        {
            int v = Native.evpoll_version();
            return new(v >> 16, v >> 8 & 0xff, v & 0xff);
        }
    }

    /// <summary>The version as the library writes it.</summary>
    public static string VersionString =>
        Marshal.PtrToStringUTF8(Native.evpoll_version_string()) ?? "";

    /// <summary>The system's own code of this thread's last call that failed.</summary>
    public static int OsError => Native.evpoll_os_error();

    /// <summary>The file that was loaded.</summary>
    public static string Path
    {
        get
        {
            Native.evpoll_version(); // loads it
            return NativeLoader.Path!;
        }
    }
}
