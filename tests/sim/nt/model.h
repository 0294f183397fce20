// SPDX-License-Identifier: MIT
// What must hold whatever the kernel does: the registrations, operations, posts and wakes of a
// program as its author sees them. Every event is checked against it when it comes, and nothing may
// be owed when everything has settled.
#pragma once

#include <evpoll.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

struct Registration {
  evpoll_handle handle;
  uint32_t interest, mode;
  uint32_t armed;    // ONESHOT: bits of the one event that may come. EDGE: bits that are owed
  bool open;         // the handle was not closed
  uint64_t ended_at; // 0: registered. Else the step at which the remove had returned
  uint32_t came;     // bits since the last Forget()
  // Interests until a change, and its step: waits that began no later may still tell of them.
  std::vector<std::pair<uint64_t, uint32_t>> past;
  uint32_t changes;     // late events that may come for changes
  bool changing, doubt; // a call is changing it; events came meanwhile
};

struct Operation {
  uint64_t op; // 0: not known yet
  uint32_t code;
  std::unique_ptr<char[]> buffer;
  int64_t offset;
  uint64_t length;
  bool cancelled; // asked for, or it was closed
  bool is_list;
  int32_t entries;
};

class Model {
public:
  // Faulty: a call of the system was made to fail, so that something may be owed for ever.
  bool faulty = false;
  uint64_t step = 1;
  bool many_waiters = false; // what comes to two of them may come in any order

  uint64_t NewToken() { return ++last_token_; }
  void Added(uint64_t token, evpoll_handle h, uint32_t interest, uint32_t mode);
  void NotAdded(uint64_t token); // after Added(): it failed, and what was there goes on
  void Modified(uint64_t token, uint32_t interest, uint32_t mode);
  void Rearmed(uint64_t token, uint32_t bits);
  void Ended(uint64_t token);
  void Closed(evpoll_handle h);
  // The handle said WOULD_BLOCK: a rearm promises something from now on.
  void Blocked(evpoll_handle h, uint32_t bit) { blocked_[h] |= bit; }

  // The id is told later: the completion may overtake it.
  void Submitted(uint64_t token, Operation op);
  void Started(uint64_t token, uint64_t op);
  void NotStarted(uint64_t token) { operations_.erase(token); }
  void Cancelled(uint64_t op);
  void Posted(uint64_t token) { posts_.push_back(token); }
  void Woken() { wakes_++, wake_owed_ = true; }

  // One event of a wait that began at the given step.
  void Event(evpoll *p, const evpoll_event &e, uint64_t began);

  // After everything has settled and was waited for: nothing may be missing.
  void Forget();
  bool Owes() const;
  void CheckNothingOwed() const;
  // A level registration that an event came for since Forget(), though it is not true; or nullptr.
  const Registration *ToldUntrue() const;
  // The poller is closed: the buffers are the program's again.
  void Freed() { operations_.clear(); }

  std::map<uint64_t, Registration> registrations;
  const std::map<uint64_t, Operation> &operations() const { return operations_; }

private:
  void Readiness(const evpoll_event &e, uint64_t began);
  void Completion(evpoll *p, const evpoll_event &e);
  void Post(const evpoll_event &e);
  uint32_t Owed(const Registration &r) const;

  uint64_t last_token_ = 0;
  std::map<uint64_t, Operation> operations_;
  std::map<evpoll_handle, uint32_t> blocked_;
  std::deque<uint64_t> posts_;
  uint32_t wakes_ = 0;
  bool wake_owed_ = false;
};

// The byte that a file has at an offset: writes write it, reads must find it.
inline char PatternAt(int64_t offset) { return static_cast<char>(offset * 31 + (offset >> 8)); }
