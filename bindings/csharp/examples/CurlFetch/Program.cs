// SPDX-License-Identifier: MIT
// curl-fetch FOLDER URL...: fetches all at once into files. libcurl owns the sockets and says what it
// wants to be told of them; the same wait tells when the files are written, and when libcurl's time
// is up. One thread, and nothing but Poller, the raw layer.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Evpoll;
using CurlFetch;

if (args.Length < 2) {
    Console.Error.WriteLine("usage: curl-fetch FOLDER URL...");
    return 2;
}
using var fetch = new Fetch(args[0], args[1..]);
fetch.Run();
Console.WriteLine($"{fetch.Written} files, {fetch.Bytes} bytes, {fetch.Failed} failed");
return fetch.Failed == 0 ? 0 : 1;

namespace CurlFetch {
    sealed class Transfer {
        public required string Url, Path;
        public nint UrlText;
        public readonly MemoryStream Body = new();
        public Memory<byte> Bytes; // pinned
        public SafeFileHandle? File;
        public int Done;
    }

    sealed unsafe class Fetch : IDisposable {
        static Fetch? current; // libcurl's callbacks are static
        readonly Poller poller = new(PollerFlags.SingleWaiter);
        readonly nint multi;
        readonly List<Transfer> transfers = [];
        readonly HashSet<ulong> watched = [];
        int busy; // transfers that are not over, and files that are being written
        long deadline = -1; // milliseconds, as libcurl wants it

        public int Written, Failed;
        public long Bytes;

        public Fetch(string folder, string[] urls) {
            current = this;
            Curl.curl_global_init(3);
            multi = Curl.curl_multi_init();
            Curl.curl_multi_setopt(multi, Curl.SocketFunction,
                (nint)(delegate* unmanaged<nint, int, int, nint, nint, int>)&OnSocket);
            Curl.curl_multi_setopt(multi, Curl.TimerFunction,
                (nint)(delegate* unmanaged<nint, long, nint, int>)&OnTimer);
            foreach (string url in urls) Add(url, Path.Combine(folder, Path.GetFileName(url)));
        }

        void Add(string url, string path) {
            nint easy = Curl.curl_easy_init();
            var transfer = new Transfer { Url = url, Path = path,
                UrlText = Marshal.StringToCoTaskMemUTF8(url) };
            Curl.curl_easy_setopt(easy, Curl.Url, transfer.UrlText);
            Curl.curl_easy_setopt(easy, Curl.WriteFunction,
                (nint)(delegate* unmanaged<byte*, nint, nint, nint, nint>)&OnData);
            Curl.curl_easy_setopt(easy, Curl.WriteData, transfers.Count);
            Curl.curl_easy_setopt(easy, Curl.Private, transfers.Count);
            Curl.curl_easy_setopt(easy, Curl.FailOnError, 1);
            Curl.curl_easy_setopt(easy, Curl.NoSignal, 1);
            transfers.Add(transfer);
            busy++;
            Curl.curl_multi_add_handle(multi, easy);
        }

        public void Run() {
            var events = new PollEvent[64];
            while (busy > 0) {
                long left = deadline < 0 ? -1 : Math.Max(0, deadline - Environment.TickCount64);
                int n = poller.Wait(events, left < 0 ? -1 : left * 1_000_000);
                for (int i = 0; i < n; i++) Dispatch(in events[i]);
                if (deadline >= 0 && Environment.TickCount64 >= deadline) {
                    deadline = -1; // libcurl sets another one, if it wants to
                    Curl.curl_multi_socket_action(multi, Curl.SocketTimeout, 0, out _);
                }
                TakeMessages();
            }
        }

        void Dispatch(in PollEvent e) {
            if ((e.Events & PollEvents.Io) != 0) {
                NoteWritten(transfers[(int)e.Token], in e);
                return;
            }
            if (!watched.Contains(e.Token)) return; // libcurl closed it, earlier in this array
            const PollEvents Reads = PollEvents.Readable | PollEvents.ReadClosed;
            int bits = ((e.Events & Reads) != 0 ? Curl.SelectIn : 0) |
                ((e.Events & PollEvents.Writable) != 0 ? Curl.SelectOut : 0) |
                ((e.Events & PollEvents.Error) != 0 ? Curl.SelectError : 0);
            Curl.curl_multi_socket_action(multi, (int)e.Token, bits, out _);
        }

        [UnmanagedCallersOnly]
        static int OnSocket(nint easy, int socket, int what, nint data, nint socketData) {
            ulong token = (ulong)socket;
            if (what == Curl.PollRemove) {
                if (current!.watched.Remove(token)) current.poller.Remove(socket, token);
                return 0;
            }
            PollEvents interest = ((what & Curl.PollIn) != 0 ? PollEvents.Readable : 0) |
                ((what & Curl.PollOut) != 0 ? PollEvents.Writable : 0);
            try {
                current!.poller.Add(socket, token, interest); // or replaces what was watched of it
                current.watched.Add(token);
                return 0;
            } catch (EvpollException) {
                return -1; // libcurl ends the transfer; no exception may pass through it
            }
        }

        [UnmanagedCallersOnly]
        static int OnTimer(nint multi, long milliseconds, nint data) {
            current!.deadline = milliseconds < 0 ? -1 : Environment.TickCount64 + milliseconds;
            return 0;
        }

        [UnmanagedCallersOnly]
        static nint OnData(byte* bytes, nint size, nint count, nint index) {
            current!.transfers[(int)index].Body.Write(new(bytes, (int)(size * count)));
            return size * count;
        }

        void TakeMessages() {
            while (Curl.curl_multi_info_read(multi, out _) is var message && message != null) {
                if (message->Kind != 1) continue;
                (nint easy, int result) = (message->Easy, message->Result);
                Curl.curl_easy_getinfo(easy, Curl.InfoPrivate, out nint index);
                Curl.curl_multi_remove_handle(multi, easy);
                Curl.curl_easy_cleanup(easy);
                Transfer transfer = transfers[(int)index];
                Marshal.FreeCoTaskMem(transfer.UrlText);
                if (result == 0) BeginWriting(transfer, (ulong)index);
                else GiveUp(transfer, Marshal.PtrToStringUTF8(Curl.curl_easy_strerror(result))!);
            }
        }

        void BeginWriting(Transfer transfer, ulong token) {
            transfer.File = File.OpenHandle(transfer.Path, FileMode.Create, FileAccess.Write);
            poller.Add(Number(transfer), 0, PollEvents.None, PollMode.Operations);
            int length = (int)transfer.Body.Length;
            transfer.Bytes = IoMemory.Allocate(Math.Max(1, length), 8);
            transfer.Body.GetBuffer().AsSpan(0, length).CopyTo(transfer.Bytes.Span);
            Submit(transfer, token);
        }

        static long Number(Transfer transfer) => transfer.File!.DangerousGetHandle();

        void Submit(Transfer transfer, ulong token) {
            var request = new IoRequest {
                Token = token,
                Handle = Number(transfer),
                Code = IoCode.Write,
                Buffer = IoMemory.Address(transfer.Bytes) + (ulong)transfer.Done,
                Length = (ulong)(transfer.Body.Length - transfer.Done),
                Offset = transfer.Done,
            };
            if (poller.Submit(new Span<IoRequest>(ref request)) == 0)
                GiveUp(transfer, $"{request.Status}");
        }

        void NoteWritten(Transfer transfer, in PollEvent e) {
            transfer.Done += e.Status < 0 ? 0 : (int)e.Result;
            if (e.Status < 0) GiveUp(transfer, $"{e.Status}");
            else if (transfer.Done < transfer.Body.Length) Submit(transfer, e.Token); // came short
            else {
                Written++;
                Bytes += transfer.Done;
                Close(transfer);
            }
        }

        void GiveUp(Transfer transfer, string why) {
            Console.Error.WriteLine($"{transfer.Url}: {why}");
            Failed++;
            Close(transfer);
        }

        void Close(Transfer transfer) {
            if (transfer.File != null) {
                poller.Remove(Number(transfer), 0);
                transfer.File.Dispose();
            }
            busy--;
        }

        public void Dispose() {
            Curl.curl_multi_cleanup(multi); // closes its sockets, and tells of it
            poller.Dispose();
        }
    }
}
