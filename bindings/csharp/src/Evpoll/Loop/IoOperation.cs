// SPDX-License-Identifier: MIT
using System.Buffers;

namespace Evpoll;

enum IoState { Idle, Pending, Submitted }

/// <summary>A file operation or a list of them, from the call to its completion. Meanwhile it holds
/// the file and the pinned buffer.</summary>
abstract class IoOperation(LoopCore core) : LoopSource<int>(core)
{
    static readonly Action<object?> StartIt = static o => ((IoOperation)o!).StartHere();
    static readonly Action<object?, short> CancelIt = static (o, version) =>
    {
        var operation = (IoOperation)o!;
        // Not if it was over before the request came here.
        if (operation.Version == version && !operation.Core.Over) operation.Core.Cancel(operation);
    };
    static readonly Action<object?> CancelRequested = static o =>
    {
        var operation = (IoOperation)o!;
        if (operation.Core.OnLoop) operation.Core.Cancel(operation);
        else operation.Core.Enqueue(new Work(CancelIt, operation, operation.Version));
    };

    MemoryHandle pin;
    CancellationToken cancel;
    CancellationTokenRegistration registration;

    public ulong Token, Id;
    public IoState State;
    public IoOperation? Next, Previous;
    protected LoopFile? File;
    protected int Length, Value;
    protected long Offset;

    public void Prepare(LoopFile file, Memory<byte> buffer, long offset, CancellationToken ct)
    {
        pin = buffer.Pin(); // throws where the buffer was disposed
        (File, Length, Offset, cancel) = (file, buffer.Length, offset, ct);
    }

    protected unsafe ulong Address => (ulong)pin.Pointer;

    public ValueTask<int> Begin()
    {
        short version = Version;
        if (Core.OnLoop) StartHere();
        else Core.Enqueue(StartIt, this);
        return new(this, version);
    }

    void StartHere()
    {
        Core.Start(this);
        // May come at once: in here, if it was requested already.
        if (State != IoState.Idle && cancel.CanBeCanceled)
        {
            CancellationTokenRegistration made = cancel.UnsafeRegister(CancelRequested, this);
            if (State != IoState.Idle) registration = made;
        }
    }

    /// <summary>Takes the outcome off the event: null, or why it failed.</summary>
    public abstract Exception? Take(in PollEvent e);

    public Exception CancelledError() => cancel.IsCancellationRequested
        ? new OperationCanceledException(cancel) : new OperationCanceledException();

    protected Exception Failure(Status status, long osCode) => status == Status.Cancelled
        ? CancelledError() : EvpollException.Of(status, osCode, ToString()!);

    public void Finish(Exception? error)
    {
        registration.Dispose(); // waits for a request that is being made, which only enqueues
        registration = default;
        cancel = default;
        pin.Dispose();
        pin = default;
        LoopFile file = File!;
        File = null;
        if (error == null) Succeed(Value);
        else SetFailed(error);
        file.Leave();
    }
}

/// <summary>One operation.</summary>
sealed class FileOperation(LoopCore core) : IoOperation(core)
{
    public IoCode Code;

    public void Fill(ref IoRequest request) => request = new()
    {
        Token = Token,
        Handle = File!.Handle,
        Offset = Offset,
        Buffer = Address,
        Length = (ulong)Length,
        Code = Code,
    };

    public override Exception? Take(in PollEvent e)
    {
        Value = (int)e.Result;
        return e.Status < 0 ? Failure(e.Status, e.Result) : null;
    }

    protected override void Recycle() => Core.Return(this);

    public override string ToString() => Code is IoCode.Fsync or IoCode.Fdatasync
        ? $"{Code} of {File}" : $"{Code} of {Length} bytes at {Offset} of {File}";
}

/// <summary>A list of operations of one file, each on the next block of one buffer.</summary>
sealed class ListOperation(LoopCore core, IoCode code, int blockSize, Memory<IoResult> results)
    : IoOperation(core)
{
    public IoRequest[] Requests = [];

    public int Fill()
    {
        int n = (Length + blockSize - 1) / blockSize;
        if (Requests.Length < n) Requests = new IoRequest[n];
        for (int i = 0; i < n; i++)
        {
            int at = i * blockSize;
            Requests[i] = new()
            {
                Handle = File!.Handle,
                Offset = Offset + at,
                Buffer = Address + (ulong)at,
                Length = (ulong)Math.Min(blockSize, Length - at),
                Code = code,
            };
        }
        return n;
    }

    public override Exception? Take(in PollEvent e)
    {
        Value = (int)e.Result;
        try
        {
            Core.Poller.TakeList(e.Operation, results.Span);
        }
        catch (EvpollException failure)
        {
            return failure;
        }
        // Some failed: their results say how. None may have been let through but for a cancel.
        if (e.Status == Status.Partial && e.Result == 0 && AllCancelled()) return CancelledError();
        return e.Status is < 0 and not Status.Partial ? Failure(e.Status, e.Result) : null;
    }

    bool AllCancelled()
    {
        foreach (ref readonly IoResult result in results.Span[..Requests.Length])
            if (result.Status != Status.Cancelled) return false;
        return true;
    }

    protected override void Recycle() { }

    public override string ToString() =>
        $"{code} of {Length} bytes in blocks of {blockSize} at {Offset} of {File}";
}
