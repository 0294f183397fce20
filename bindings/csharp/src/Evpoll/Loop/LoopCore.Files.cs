// SPDX-License-Identifier: MIT
namespace Evpoll;

/// <summary>The loop's operations. They wait in a list until a turn submits them, all at once; what
/// the poller has no room for stays in the list until a completion has made some.</summary>
sealed partial class LoopCore
{
    const int MostRequests = 256; // of one turn
    readonly IoRequest[] requests = GC.AllocateArray<IoRequest>(MostRequests, pinned: true);
    readonly Stack<FileOperation> spare = new();
    IoOperation?[] operations = new IoOperation?[64];
    readonly Stack<int> freeSlots = new();
    int slotsUsed;
    uint generation;
    IoOperation? firstPending, lastPending;
    int inFlight; // pending and submitted
    int submitted;
    bool full; // the poller said so, and nothing was completed since

    /// <summary>From any thread: operations are used again and again.</summary>
    public FileOperation RentOperation()
    {
        lock (spare)
            if (spare.TryPop(out FileOperation? operation)) return operation;
        return new(this);
    }

    public void Return(FileOperation operation)
    {
        lock (spare) spare.Push(operation);
    }

    public void Start(IoOperation operation)
    {
        if (closing || over)
        {
            operation.Finish(over
                ? new ObjectDisposedException(nameof(EventLoop)) : ShutdownError());
            return;
        }
        if (!freeSlots.TryPop(out int slot))
        {
            slot = slotsUsed++;
            if (slot == operations.Length) Array.Resize(ref operations, slot * 2);
        }
        operations[slot] = operation;
        operation.Token = (ulong)++generation << 32 | (uint)slot;
        inFlight++;
        operation.Previous = lastPending;
        if (lastPending == null) firstPending = operation;
        else lastPending.Next = operation;
        lastPending = operation;
        operation.State = IoState.Pending;
    }

    public void Cancel(IoOperation operation)
    {
        if (operation.State == IoState.Pending) End(operation, operation.CancelledError());
        else if (operation.State == IoState.Submitted) poller.Cancel(operation.Id);
    }

    void CancelAll()
    {
        foreach (IoOperation? operation in operations.AsSpan(0, slotsUsed))
            if (operation != null) Cancel(operation);
    }

    public List<string> DescribeOperations()
    {
        var names = new List<string>();
        foreach (IoOperation? operation in operations.AsSpan(0, slotsUsed))
            if (operation != null) names.Add(operation.ToString()!);
        return names;
    }

    void FailOperations(Exception e)
    {
        foreach (IoOperation? operation in operations.AsSpan(0, slotsUsed))
            if (operation != null) End(operation, e);
    }

    void Unlink(IoOperation operation)
    {
        if (operation.Previous == null) firstPending = operation.Next;
        else operation.Previous.Next = operation.Next;
        if (operation.Next == null) lastPending = operation.Previous;
        else operation.Next.Previous = operation.Previous;
        operation.Next = operation.Previous = null;
    }

    /// <summary>Forgets an operation, and gives back what it held before it says so.</summary>
    void End(IoOperation operation, Exception? error)
    {
        if (operation.State == IoState.Pending) Unlink(operation);
        else submitted--;
        int slot = (int)(uint)operation.Token;
        operations[slot] = null;
        freeSlots.Push(slot);
        inFlight--;
        operation.State = IoState.Idle;
        operation.Finish(error);
    }

    // ---- submission

    int FillRequests()
    {
        while (!full && firstPending is ListOperation list) SubmitList(list);
        if (full) return 0;
        int n = 0;
        for (IoOperation? o = firstPending; o is FileOperation && n < MostRequests; o = o.Next)
            ((FileOperation)o).Fill(ref requests[n++]);
        return n;
    }

    bool HasMoreToSubmit(int filled)
    {
        if (full) return false;
        IoOperation? operation = firstPending;
        for (int i = 0; i < filled; i++) operation = operation!.Next;
        return operation != null;
    }

    void NoteRequests(int n)
    {
        for (int i = 0; i < n; i++)
        {
            ref readonly IoRequest request = ref requests[i];
            if (request.Status < 0)
            {
                // Those behind it were not looked at.
                Refuse(firstPending!, request.Status);
                return;
            }
            NoteSubmitted(firstPending!, request.Operation);
        }
    }

    void NoteSubmitted(IoOperation operation, ulong id)
    {
        Unlink(operation);
        operation.State = IoState.Submitted;
        operation.Id = id;
        submitted++;
    }

    void Refuse(IoOperation operation, Status status)
    {
        // With nothing under way no completion would ever make room.
        if (status == Status.Again && submitted > 0) full = true;
        else End(operation, EvpollException.Of(status, 0, operation.ToString()!));
    }

    void SubmitList(ListOperation list)
    {
        int n = list.Fill();
        int status = Interop.Native.evpoll_submit_list(poller.Handle, ref list.Requests[0], n,
            list.Token, out ulong id);
        if (status >= 0)
        {
            NoteSubmitted(list, id);
            return;
        }
        // The list says Invalid where an entry does, and the entry may say more.
        if (status == (int)Status.Invalid)
            for (int i = 0; i < n; i++)
                if (list.Requests[i].Status < 0) status = (int)list.Requests[i].Status;
        Refuse(list, (Status)status);
    }

    void NoteCompletion(in PollEvent e)
    {
        full = false;
        int slot = (int)(uint)e.Token;
        if (slot >= slotsUsed || operations[slot] is not { } operation) return;
        if (operation.Token == e.Token) End(operation, operation.Take(in e));
    }
}
