// SPDX-License-Identifier: MIT
// The model of calls.h: what was accepted, and what may come of it.
#pragma once

#include <evpoll.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#define MUST(condition, ...)                                                                       \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      std::fprintf(stderr, "%s:%d: not true: %s: ", __FILE__, __LINE__, #condition);               \
      std::fprintf(stderr, __VA_ARGS__);                                                           \
      std::fprintf(stderr, "\n");                                                                  \
      std::abort();                                                                                \
    }                                                                                              \
  } while (0)

// Zeros, when the bytes are used up.
class Choices {
public:
  Choices(const uint8_t *bytes, size_t n) : at_(bytes), end_(bytes + n) {}
  bool More() const { return at_ < end_; }
  uint32_t Byte() { return More() ? *at_++ : 0; }
  uint32_t Below(uint32_t n) { return Byte() % n; }
  bool OneIn(uint32_t n) { return Byte() % n == n - 1; }

private:
  const uint8_t *at_, *end_;
};

// One direction of a stream. Writes and reads stand in the order of their submission, in which they
// are performed; what one has moved is known when it has reported.
struct Moved {
  std::vector<char> bytes; // of a write all that it could move
  size_t n = 0;            // moved
  bool known = false;
  bool any = false; // its bytes are not known
};
struct Channel {
  std::deque<std::shared_ptr<Moved>> writes, reads;
  size_t at = 0;      // within the first write
  bool ended = false; // its writer may have shut it down
  bool shut = false;  // ... and has
  bool lossy = false; // an end was closed: what was on the way may be lost

  // What is known of both ends is the same bytes.
  void Compare() {
    while (!reads.empty() && reads.front()->known) {
      Moved &read = *reads.front();
      size_t done = read.bytes.size() - read.n; // n: not compared yet
      while (read.n && !writes.empty() && writes.front()->known) {
        Moved &write = *writes.front();
        if (at == write.n) {
          writes.pop_front();
          at = 0;
          continue;
        }
        const size_t n = read.n < write.n - at ? read.n : write.n - at;
        MUST(read.any || write.any || !std::memcmp(&read.bytes[done], &write.bytes[at], n),
             "other bytes than from byte %zu of a write of %zu", at, write.n);
        at += n, done += n, read.n -= n;
      }
      if (read.n) {
        MUST(!writes.empty(), "%zu bytes were read that nobody wrote", read.n);
        return;
      }
      reads.pop_front();
    }
  }
  bool IsQuiet() const {
    for (const auto &w : writes)
      if (!w->known) return false;
    for (const auto &r : reads)
      if (!r->known) return false;
    return true;
  }
  // Bytes that were written and not read.
  size_t OnTheWay() const {
    size_t n = 0;
    for (const auto &w : writes) n += w->n;
    return n - at;
  }
};
using ChannelPtr = std::shared_ptr<Channel>;

enum Kind {
  kNothing,
  kTcp,
  kUnix,
  kListener,
  kUdp,
  kPipeIn, // to read from
  kPipeOut,
  kFile,
  kAppend,
  kSource, // a file that is sent, never written
  kDevice  // /dev/null
};

// From an add for operations on; operations keep theirs.
struct Registration {
  int in_flight = 0;
  int listed = 0;    // of lists: these report with the others of theirs
  int sent_from = 0; // operations that send this file
  bool IsUsed() const { return in_flight || listed || sent_from; }
};

struct Slot {
  Kind kind = kNothing;
  evpoll_handle h = -1;
  enum Mode { kFree, kReadiness, kServed, kEnded, kClosing } mode = kFree;
  uint64_t token = 0;
  uint32_t interest = 0;
  int holds = 0;
  bool dirty = false; // shut down, or its peer went: errors may come
  std::shared_ptr<Registration> registration;
  ChannelPtr in, out;
  bool connects = false; // who waits behind a CONNECT shares its end
  int32_t port = 0;      // of a TCP client, to know it by
  int file = -1;
};
using SlotPtr = std::shared_ptr<Slot>;

struct Op {
  evpoll_io io = {};
  SlotPtr slot; // none: a timer
  std::shared_ptr<Registration> registration, source;
  std::vector<char> buffer;
  size_t room = 0; // bytes that it may move
  std::vector<evpoll_iovec> pieces;
  std::unique_ptr<evpoll_message> message;
  std::unique_ptr<evpoll_address[]> addresses;
  std::shared_ptr<Moved> write, read;
  bool wild = false, asked = false, strange = false, peeks = false;
  bool crowded = false;       // ended for want of room: with what it had moved
  int64_t due = INT64_MAX;    // of a timer, or its limit: not before
  int64_t latest = INT64_MAX; // ... and then, if it was retimed perhaps
};
using OpPtr = std::shared_ptr<Op>;
