// SPDX-License-Identifier: MIT
// A random program over a few pollers: sockets that come, change, close and come again, operations
// on files and pipes, posts, wakes, cancels, and waits in between. Sockets are made, used and
// closed by Winsock's own calls, of which the library hears nothing.
#pragma once

#include "choices.h"
#include "model.h"

#include <winsock2.h>

#include <ws2tcpip.h>

#include <windows.h>

#include <map>
#include <set>
#include <vector>

struct Counters {
  uint64_t programs = 0, steps = 0, events = 0, faults = 0, threaded = 0;
};

constexpr int64_t kMillisecond = 1000000;

// Each file has the bytes that are its own.
void CheckFiles();

void Must(bool truth, const char *what, int status = 0);

// With EVPOLL_SIM_TRACE each step says on stderr what it does.
void Trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

class Program {
public:
  Program(Choices &choices, bool threaded);
  ~Program();
  void Run(int steps);
  Counters counters;

private:
  struct End {
    evpoll_handle h;
    bool listener, datagram;
    sockaddr_in name;      // of a listener or a datagram socket
    evpoll *p = nullptr;   // that has it
    uint64_t token = 0;    // of its registration, or 0
    bool refused = false;  // connected to where nobody is
    bool taken = false;    // ... and its error was told
    bool doubtful = false; // ... or may be told again
    bool shared = false;   // there is another handle of it
  };
  struct Waiter {
    Program *program;
    evpoll *p;
  };

  // What operations are submitted on: a file, or a pipe.
  struct Served {
    evpoll_handle h;
    int which;               // of the files; -1: a pipe
    bool synchronous;        // opened without FILE_FLAG_OVERLAPPED
    bool skips;              // FILE_SKIP_COMPLETION_PORT_ON_SUCCESS
    bool stuck;              // bound to a port for good
    evpoll *p = nullptr;     // that has it
    uint64_t target = 0;     // the token of its registration
    HANDLE client = nullptr; // the pipe's other end
  };

  evpoll *Open();
  void Close();
  void Step();
  // sockets: sockets.cc
  void MakePair();
  void MakeListener();
  void MakeDatagram();
  void Connect();
  void Reconnect();
  void Accept(End &l);
  void CloseOne();
  void CloseSoon(size_t i, bool remove_first);
  void Send();
  void Receive();
  void Shutdown();
  void Duplicate();
  End *Track(SOCKET s, bool listener, bool datagram);
  // registrations
  void Add();
  void AddTo(End &e, evpoll *p);
  void Modify();
  void Rearm();
  void Remove();
  void RemoveOf(End &e);
  void Contend();
  void UseNumberAgain();
  bool MayBeRefused(const End &e, evpoll *p, bool *must_out) const;
  // operations
  void OpenFile();
  void OpenPipe();
  void AddServed(Served &s, evpoll *p);
  void Unserve(Served &s);
  void CloseServed(size_t i);
  void ChangeServed();
  void Submit();
  void SubmitList();
  void Feed();
  void Cancel();
  void CancelAll();
  // waiting
  void Wait(evpoll *p, int32_t capacity, int64_t timeout_ns);
  void WaitForAll(int64_t timeout_ns);
  void Settle();
  static DWORD WINAPI WaitInThread(void *waiter);

  End *Pick();
  Served *PickServed();
  evpoll *PickPoller();
  uint32_t Interest();
  evpoll_io MakeIo(Operation &op, uint32_t code, const Served &s, uint64_t token);

  Choices &choices_;
  const bool threaded_;
  const bool lawless_; // both handles of a socket are registered, which the contract forbids
  Model model_;
  std::vector<evpoll *> pollers_;
  std::set<evpoll *> pooled_; // the pool does everything, which cannot give up a read of a pipe
  evpoll *p_ = nullptr;       // the first of them: posts and wakes are its
  std::vector<End> ends_;
  // Who may poll a number, as far as is known: G6.
  struct Owner {
    uint64_t token;
    uint64_t since; // its polls come after this request
  };
  std::map<evpoll_handle, Owner> owners_;
  std::vector<Served> served_;
  int pipes_ = 0;
  std::vector<Waiter> waiters_;
  std::vector<HANDLE> threads_;
};
