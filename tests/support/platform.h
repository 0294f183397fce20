// SPDX-License-Identifier: MIT
// What tests need of the system below evpoll.h. One implementation for each family of systems:
// posix.cc, windows.cc. What a system does not have is said here by a result, and skipped by the
// test with a gate of its own.
#pragma once

#include <evpoll.h>

#include <string>

namespace evp {

// Sends one byte out of band.
void SendUrgent(evpoll_handle h);

// Would a receive not block? It is tried, and nothing taken.
bool HasData(evpoll_handle h);

// While one lives, the process can open nothing more.
class NoMoreDescriptors {
public:
  NoMoreDescriptors();
  ~NoMoreDescriptors();
  NoMoreDescriptors(const NoMoreDescriptors &) = delete;
  bool works = false; // false: there is no limit that can be lowered

private:
  uint64_t before_[2] = {};
};

// Makes a FIFO in the file system. False: none can be made.
bool MakeFifo(const std::string &path);

// Whether a process started now gets the handle: 1, 0, or -1 where that cannot be found out.
int Inherited(evpoll_handle h);

// Counts the signals of a write to a pipe that nobody reads, where there are such.
class PipeSignals {
public:
  PipeSignals();
  ~PipeSignals();
  PipeSignals(const PipeSignals &) = delete;
  int Count() const;

private:
  void (*before_)(int) = nullptr;
};

// A pipe that is not inherited, non-blocking; -1 where evpoll has no readiness of pipes.
struct Pipe {
  evpoll_handle read = -1, write = -1;
  Pipe();
  ~Pipe();
  Pipe(const Pipe &) = delete;
  void Write(const std::string &text);
  void CloseWrite();
};

// Another number of the same file, for EVPOLL's helpers to close; -1 where there is no such thing.
evpoll_handle Duplicate(evpoll_handle h);

// Lets a signal handler run in a thread, and counts how often it did, where there are signals.
class Interrupts {
public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts &) = delete;
  static uint64_t ThisThread();
  void Send(uint64_t thread);
  int Count() const;
  bool works = false;

private:
  void (*before_)(int) = nullptr;
};

// Sets a variable of this process's environment.
void SetVariable(const char *name, const std::string &value);

// Is this Windows by Wine, which differs in what the gates that ask this name?
bool RunsOnWine();

} // namespace evp
