// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>The loop's registrations. Changes wait for the next turn, which applies them all at
/// once; a registration has at most one of them waiting.</summary>
sealed partial class LoopCore
{
    Registration?[] registrations = new Registration?[64];
    readonly Stack<int> freeRegistrations = new();
    int registrationsUsed;
    PollChange[] changes = GC.AllocateArray<PollChange>(64, pinned: true);
    Registration?[] changeOwners = new Registration?[64];
    int changeCount;

    /// <summary>Gives it a token, whose generation makes events of its slot's earlier owners known
    /// for what they are.</summary>
    public void Enter(Registration registration)
    {
        if (!freeRegistrations.TryPop(out int slot))
        {
            slot = registrationsUsed++;
            if (slot == registrations.Length) Array.Resize(ref registrations, slot * 2);
        }
        registrations[slot] = registration;
        registration.Token = (ulong)++generation << 32 | (uint)slot;
    }

    /// <summary>Ends it, before its handle is closed. A change that waits must go: the number may
    /// be another socket's when it is applied.</summary>
    public void Leave(Registration registration)
    {
        if (registration.Token == 0) return;
        if (registration.ChangeIndex >= 0) DropChange(registration.ChangeIndex);
        if (registration.Registered)
            Interop.Native.evpoll_remove(poller.Handle, registration.Handle, registration.Token);
        int slot = (int)(uint)registration.Token;
        registrations[slot] = null;
        freeRegistrations.Push(slot);
        registration.Registered = false;
        registration.Token = 0;
    }

    public void Change(Registration registration, ChangeAction action, PollEvents interest,
        PollMode mode)
    {
        if (registration.ChangeIndex >= 0)
        {
            // An addition looks at everything; the others add up.
            changes[registration.ChangeIndex].Interest |= interest;
            return;
        }
        if (changeCount == changes.Length)
        {
            PollChange[] more = GC.AllocateArray<PollChange>(changeCount * 2, pinned: true);
            changes.CopyTo(more, 0);
            changes = more;
            Array.Resize(ref changeOwners, changeCount * 2);
        }
        registration.ChangeIndex = changeCount;
        changeOwners[changeCount] = registration;
        changes[changeCount++] = new()
        {
            Token = registration.Token,
            Handle = registration.Handle,
            Action = action,
            Interest = interest,
            Mode = mode,
        };
    }

    void DropChange(int index)
    {
        changeOwners[index]!.ChangeIndex = -1;
        int last = --changeCount;
        changes[index] = changes[last];
        changeOwners[index] = changeOwners[last];
        changeOwners[last] = null;
        if (index != last) changeOwners[index]!.ChangeIndex = index;
    }

    void NoteChanges(int n)
    {
        changeCount = 0;
        for (int i = 0; i < n; i++)
        {
            Registration registration = changeOwners[i]!;
            changeOwners[i] = null;
            registration.ChangeIndex = -1;
        }
        // What fails may ask for another change, which takes the places of these.
        for (int i = 0; i < n; i++)
            if (changes[i].Status < 0) NoteFailed(changes[i]);
    }

    void NoteFailed(PollChange change)
    {
        if (Find(change.Token) is { } registration)
            registration.OnChangeFailed(change.Action, change.Status);
    }

    Registration? Find(ulong token)
    {
        int slot = (int)(uint)token;
        return slot < registrationsUsed && registrations[slot] is { } r && r.Token == token
            ? r : null;
    }

    void NoteReadiness(in PollEvent e) => Find(e.Token)?.OnEvents(e.Events);

    void FailWaiters(Exception error)
    {
        for (int i = 0; i < registrationsUsed; i++) registrations[i]?.Fail(error);
    }
}

/// <summary>Who waits for one direction of a handle.</summary>
interface IWaiter
{
    void OnReady(PollEvents bits);
    void Fail(Exception error);
}

/// <summary>A handle that the loop watches, with at most one waiter for each direction.</summary>
abstract class Registration(LoopCore core, long handle)
{
    /// <summary>What ends waiting in either direction.</summary>
    const PollEvents Ends = PollEvents.Error | PollEvents.WriteClosed;
    public const PollEvents ReadBits = PollEvents.Readable | PollEvents.ReadClosed | Ends;
    public const PollEvents WriteBits = PollEvents.Writable | Ends;

    public LoopCore Core { get; } = core;
    public long Handle { get; } = handle;
    public ulong Token;
    public int ChangeIndex = -1;
    public bool Registered;
    public IWaiter? Reader, Writer;

    public virtual void OnEvents(PollEvents bits)
    {
        if ((bits & ReadBits) != 0) Reader?.OnReady(bits);
        if ((bits & WriteBits) != 0) Writer?.OnReady(bits);
    }

    public virtual void OnChangeFailed(ChangeAction action, Status status)
    {
        if (action == ChangeAction.Add) Registered = false;
        Fail(EvpollException.Of(status, 0, "watch a handle"));
    }

    public void Fail(Exception error)
    {
        Reader?.Fail(error);
        Writer?.Fail(error);
    }
}
