// SPDX-License-Identifier: MIT
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace Evpoll.Tests;

/// <summary>A copy of the binding in an AssemblyLoadContext, as plugins are.</summary>
public class LoadContextTest {
    sealed class Plugin(string? native) : AssemblyLoadContext("plugin") {
        public int Asked;

        protected override nint LoadUnmanagedDll(string name) {
            if (name == "evpoll") Asked++;
            return name == "evpoll" && native != null ? NativeLibrary.Load(native) : 0;
        }
    }

    static void Start(AssemblyLoadContext context, string binding) {
        Assembly assembly = context.LoadFromAssemblyPath(binding);
        Assert.NotSame(typeof(EventLoop).Assembly, assembly);
        Type type = assembly.GetType("Evpoll.EventLoop")!;
        try {
            ((IDisposable)type.GetMethod("Start")!.Invoke(null, [null])!).Dispose();
        } catch (TargetInvocationException e) {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(e.InnerException!);
        }
    }

    [Fact]
    public void The_contexts_own_LoadUnmanagedDll_is_asked() {
        var plugin = new Plugin(Library.Path);
        Start(plugin, typeof(EventLoop).Assembly.Location);
        Assert.InRange(plugin.Asked, 1, 2);
    }

    [Fact]
    public void Without_an_answer_it_is_found_beside_the_assembly() =>
        Start(new Plugin(null), typeof(EventLoop).Assembly.Location);
}
