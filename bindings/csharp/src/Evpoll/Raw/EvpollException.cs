// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>A call of evpoll's, or an operation, failed. Programs decide by
/// <see cref="Status"/>: <c>catch (EvpollException e) when (e.Status == Status.NotFound)</c>.
/// </summary>
/// <param name="status">what happened</param>
/// <param name="osCode">the system's own code, 0 where it was not involved</param>
/// <param name="message">a text for logs</param>
public sealed class EvpollException(Status status, int osCode, string message) : IOException(message)
{
    /// <summary>What happened.</summary>
    public Status Status { get; } = status;
    /// <summary>The system's own code, for logs: errno on POSIX, <c>GetLastError()</c> or a WSA
    /// code on Windows; 0 where the system was not involved.</summary>
    public int OsCode { get; } = osCode;
    /// <summary>Names a status in English, for logs.</summary>
    public static string Describe(Status status) =>
        Marshal.PtrToStringUTF8(Native.evpoll_strerror((int)status)) ?? "";

    internal static EvpollException Of(Status status, long osCode, string what) => new(status,
        (int)osCode, $"{what}: {Describe(status)}" +
            (osCode == 0 ? "" : $" (system code {osCode})"));
    /// <summary>The code is the calling thread's: read it before anything else is called.</summary>
    internal static EvpollException OfCall(int status, string what) =>
        Of((Status)status, Native.evpoll_os_error(), what);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Check(int result, [CallerMemberName] string what = "") =>
        result < 0 ? throw OfCall(result, what) : result;
}
