// SPDX-License-Identifier: MIT
// A random program over one poller: sockets that come, change, close and come again, operations on
// files and pipes, posts, wakes, cancels, and waits in between.
#pragma once

#include "choices.h"
#include "model.h"

#include <windows.h>

struct Counters {
  uint64_t programs = 0, steps = 0, events = 0, faults = 0, threaded = 0;
};

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
    uint64_t token; // of its registration, or 0
    bool listener, datagram;
    int32_t port;
  };

  void Open();
  void Close();
  void Step();
  // sockets
  void MakePair();
  void MakeListener();
  void MakeDatagram();
  void Connect();
  void Accept(End &l);
  void Add();
  void Modify();
  void Rearm();
  void Remove();
  void CloseOne();
  void CloseSoon(size_t i, bool remove_first);
  void Send();
  void Receive();
  void Shutdown();
  void Duplicate();
  // operations
  void Submit(evpoll_io &io, Operation op, uint64_t token);
  void SubmitFile();
  void SubmitList();
  void SubmitPipe();
  void Feed();
  void Cancel();
  // waiting
  void Wait(int32_t capacity, int64_t timeout_ns);
  void Settle();
  static DWORD WINAPI WaitInThread(void *program);

  End *Pick();
  uint32_t Interest();
  void Track(evpoll_handle h, bool listener, bool datagram, int32_t port);
  evpoll_io MakeIo(Operation &op, uint32_t code, evpoll_handle h, uint64_t token);

  Choices &choices_;
  const bool threaded_;
  Model model_;
  evpoll *p_ = nullptr;
  std::vector<End> ends_;
  std::vector<HANDLE> duplicates_;
  evpoll_handle file_ = -1;
  evpoll_handle pipe_ = -1;
  HANDLE pipe_client_ = nullptr;
  std::vector<HANDLE> threads_;
};
