// SPDX-License-Identifier: MIT
using Evpoll.Interop;

namespace Evpoll;

/// <summary>Files as numbers, for <see cref="Poller.Submit"/>.</summary>
public static class RawFile
{
    /// <summary>Opens a file.</summary>
    /// <param name="path">what to open</param>
    /// <param name="flags">Read or Write or both, and the others</param>
    /// <returns>the handle, the caller's to close</returns>
    public static long Open(string path, FileFlags flags)
    {
        ArgumentNullException.ThrowIfNull(path);
        // The end of the text for the system: what comes behind it would be lost unseen.
        if (path.Contains('\0')) throw new ArgumentException("a path has no NUL", nameof(path));
        int status = Native.evpoll_file_open(path, (uint)flags, out long handle);
        if (status < 0) throw EvpollException.OfCall(status, $"open '{path}'");
        return handle;
    }

    /// <summary>The size of a file or block device in bytes.</summary>
    /// <param name="handle">an open file</param>
    /// <returns>bytes</returns>
    public static long Size(long handle)
    {
        EvpollException.Check(Native.evpoll_file_size(handle, out long size), "file size");
        return size;
    }

    /// <summary>Closes a file, when the last operation on it was delivered.</summary>
    /// <param name="handle">an open file</param>
    public static void Close(long handle) =>
        EvpollException.Check(Native.evpoll_file_close(handle), "file close");
}
