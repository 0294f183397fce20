// SPDX-License-Identifier: MIT
using Evpoll.Interop;

namespace Evpoll.Tests;

/// <summary>Files as numbers, for <see cref="Poller.Submit"/>.</summary>
static class RawFile {
    /// <summary>Opens a file. Blocks as long as the file system takes.</summary>
    public static long Open(string path, FileFlags flags, uint permissions = 0) {
        ArgumentNullException.ThrowIfNull(path);
        // The end of the text for the system: what comes behind it would be lost unseen.
        if (path.Contains('\0')) throw new ArgumentException("a path has no NUL", nameof(path));
        int status = Native.evpoll_file_open(path, (uint)flags, permissions, out long handle);
        if (status < 0) throw EvpollException.OfCall(status, $"open '{path}'");
        return handle;
    }

    /// <summary>The size of a file or block device in bytes.</summary>
    public static long Size(long handle) {
        EvpollException.Check(Native.evpoll_file_size(handle, out long size), "file size");
        return size;
    }

    /// <summary>Opens a terminal or pipe once more, with a description of its own, non-blocking; the
    /// new handle is the caller's to close.</summary>
    public static long Reopen(long handle) {
        EvpollException.Check(Native.evpoll_reopen(handle, out long again), "reopen");
        return again;
    }

    /// <summary>Closes a file. One that was added for operations is removed before, or closed by
    /// <see cref="IoCode.Close"/> instead.</summary>
    public static void Close(long handle) =>
        EvpollException.Check(Native.evpoll_file_close(handle), "file close");
}
