// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>Brings awaits back to the loop's thread.</summary>
sealed class LoopContext(LoopCore core) : SynchronizationContext
{
    public LoopCore Core { get; } = core;

    public override void Post(SendOrPostCallback d, object? state) => Core.Enqueue(new(d, state));

    public override void Send(SendOrPostCallback d, object? state)
    {
        if (Core.OnLoop)
        {
            d(state);
            return;
        }
        var task = new Task(() => d(state));
        Core.Enqueue(static t => ((Task)t!).RunSynchronously(TaskScheduler.Default), task);
        task.GetAwaiter().GetResult();
    }

    public override SynchronizationContext CreateCopy() => this;
}

/// <summary>Something to do on the loop's thread: a callback with its state, or, with a version,
/// one that concerns an operation unless that is over.</summary>
readonly record struct Work(Delegate Callback, object? State, short Version = 0)
{
    public void Run()
    {
        switch (Callback)
        {
            case Action<object?> action: action(State); break;
            case SendOrPostCallback post: post(State); break;
            case Action<object?, short> versioned: versioned(State, Version); break;
        }
    }
}
