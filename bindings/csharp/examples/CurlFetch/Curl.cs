// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace CurlFetch;

/// <summary>As much of libcurl's multi interface as is needed here. Its setopt functions are variadic
/// in C; with one integer or pointer that is the same call on x64.</summary>
static unsafe partial class Curl {
    const string Name = "libcurl.so.4";

    public const int Url = 10002, WriteData = 10001, WriteFunction = 20011, Private = 10103,
        FailOnError = 45, NoSignal = 99;
    public const int SocketFunction = 20001, TimerFunction = 20004;
    public const int InfoPrivate = 0x100000 + 21;
    public const int PollIn = 1, PollOut = 2, PollRemove = 4;
    public const int SelectIn = 1, SelectOut = 2, SelectError = 4, SocketTimeout = -1;

    [StructLayout(LayoutKind.Sequential)]
    public struct Message {
        public int Kind; // 1: a transfer is over
        public nint Easy;
        public int Result;
    }

    [LibraryImport(Name)] public static partial int curl_global_init(long flags);
    [LibraryImport(Name)] public static partial nint curl_easy_init();
    [LibraryImport(Name)] public static partial void curl_easy_cleanup(nint easy);
    [LibraryImport(Name)] public static partial int curl_easy_setopt(nint easy, int o, nint value);
    [LibraryImport(Name)] public static partial int curl_easy_getinfo(nint easy, int i, out nint o);
    [LibraryImport(Name)] public static partial nint curl_easy_strerror(int code);
    [LibraryImport(Name)] public static partial nint curl_multi_init();
    [LibraryImport(Name)] public static partial int curl_multi_cleanup(nint multi);
    [LibraryImport(Name)] public static partial int curl_multi_setopt(nint multi, int o, nint value);
    [LibraryImport(Name)] public static partial int curl_multi_add_handle(nint multi, nint easy);
    [LibraryImport(Name)] public static partial int curl_multi_remove_handle(nint multi, nint easy);
    [LibraryImport(Name)] public static partial Message* curl_multi_info_read(nint multi, out int n);
    [LibraryImport(Name)]
    public static partial int curl_multi_socket_action(nint multi, int socket, int bits, out int n);
}
