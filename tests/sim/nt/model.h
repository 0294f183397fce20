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
  evpoll *poller;
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
  bool lost;            // another poller has taken the socket over
  bool shared;          // another handle of the socket is registered too: nothing is promised
};

struct Operation {
  uint64_t op;     // 0: not known yet
  uint64_t target; // the token of the handle's registration
  evpoll *poller;
  int which; // of the files; -1: a pipe, what comes out of which has no place
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
  void Added(uint64_t token, evpoll *p, evpoll_handle h, uint32_t interest, uint32_t mode);
  void NotAdded(uint64_t token); // after Added(): it failed, and what was there goes on
  void Modified(uint64_t token, uint32_t interest, uint32_t mode);
  void Rearmed(uint64_t token, uint32_t bits);
  // A change failed: what was before it goes on.
  void Unchanged(uint64_t token, Registration before);
  void Ended(uint64_t token);
  void Closed(evpoll_handle h);
  // The handle said WOULD_BLOCK: a rearm promises something from now on.
  void Blocked(evpoll_handle h, uint32_t bit) { blocked_[h] |= bit; }

  // The id is told later: the completion may overtake it.
  void Submitted(uint64_t token, Operation op);
  void Started(uint64_t token, uint64_t op);
  void NotStarted(uint64_t token) { operations_.erase(token); }
  void Cancelled(uint64_t op);
  void CancelledAll();
  // The registration for operations ends, and so does what was submitted by it.
  void EndedTarget(uint64_t target);
  bool Has(uint64_t target) const; // operations that were not reported
  // Whatever was registered under the number is so no more.
  void Replaced(evpoll *p, evpoll_handle h);
  void Posted(uint64_t token) { posts_.push_back(token); }
  void Woken() { wakes_++, wake_owed_ = true; }

  // One event of a wait that began at the given step.
  void Event(evpoll *p, const evpoll_event &e, uint64_t began);

  // After everything has settled and was waited for: nothing may be missing.
  void Forget();
  bool Owes() const;
  void CheckNothingOwed() const;
  // A registration that an event came for since Forget(), though nothing is true, or nullptr: of
  // level mode, or of a socket that is gone.
  const Registration *ToldUntrue() const;
  // The poller is closed: the buffers are the program's again.
  void Freed() { operations_.clear(); }

  std::map<uint64_t, Registration> registrations;
  const std::map<uint64_t, Operation> &operations() const { return operations_; }

private:
  void Readiness(evpoll *p, const evpoll_event &e, uint64_t began);
  void Completion(evpoll *p, const evpoll_event &e);
  void CloseCompletion(uint64_t token, const evpoll_event &e);
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
constexpr int kFiles = 2;
inline char PatternAt(int which, int64_t offset) {
  return static_cast<char>(offset * 31 + (offset >> 8) + 7 * which);
}
