// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Evpoll.Kestrel.Tests;

/// <summary>The limit of descriptors of this process (Linux): for a while there is none left.</summary>
static partial class Descriptors {
    const int Descriptor = 7; // RLIMIT_NOFILE

    [StructLayout(LayoutKind.Sequential)]
    struct Limits {
        public ulong Soft, Hard;
    }

    [LibraryImport("libc")] private static partial int getrlimit(int what, out Limits limits);
    [LibraryImport("libc")] private static partial int setrlimit(int what, in Limits limits);

    public static void Limit(out ulong before) {
        Assert.Equal(0, getrlimit(Descriptor, out Limits limits));
        before = limits.Soft;
        limits.Soft = 3; // those that are open stay open
        Assert.Equal(0, setrlimit(Descriptor, in limits));
    }

    public static void Restore(ulong before) {
        Assert.Equal(0, getrlimit(Descriptor, out Limits limits));
        limits.Soft = before;
        Assert.Equal(0, setrlimit(Descriptor, in limits));
    }
}
