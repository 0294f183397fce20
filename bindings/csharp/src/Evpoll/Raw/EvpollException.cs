// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Evpoll.Interop;

namespace Evpoll;

/// <summary>A call of evpoll's, or an operation, failed. Programs decide by
/// <see cref="Status"/>: <c>catch (EvpollException e) when (e.Status == Status.NotFound)</c>.
/// </summary>
public sealed class EvpollException : IOException
{
    /// <summary>Makes an exception with a message of its own.</summary>
    /// <param name="status">what happened</param>
    /// <param name="osCode">the system's own code, 0 where it was not involved</param>
    /// <param name="message">a text for logs</param>
    public EvpollException(Status status, int osCode, string message) : base(message)
    {
        Status = status;
        OsCode = osCode;
    }

    /// <summary>What happened.</summary>
    public Status Status { get; }

    /// <summary>The system's own code, for logs: errno on POSIX, <c>GetLastError()</c> or a WSA
    /// code on Windows; 0 where the system was not involved.</summary>
    public int OsCode { get; }

    /// <summary>Names a status in English, for logs.</summary>
    /// <param name="status">any number; unknown ones get "unknown status"</param>
    /// <returns>the library's text</returns>
    public static string Describe(Status status) =>
        Marshal.PtrToStringUTF8(Native.evpoll_strerror((int)status)) ?? "";

    internal static EvpollException Of(Status status, long osCode, string what)
    {
        string code = osCode == 0 ? "" : $" (system code {osCode})";
        return new(status, (int)osCode, $"{what}: {Describe(status)}{code}");
    }

    /// <summary>The code is the calling thread's: read it before anything else is called.</summary>
    internal static EvpollException OfCall(int status, string what) =>
        Of((Status)status, Native.evpoll_os_error(), what);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Check(int result, [CallerMemberName] string what = "")
    {
        if (result < 0) Throw(result, what);
        return result;
    }

    [DoesNotReturn]
    static void Throw(int status, string what) => throw OfCall(status, what);
}
