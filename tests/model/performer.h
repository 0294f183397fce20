// SPDX-License-Identifier: MIT
// The performer: who takes a direction of a stream makes its calls without a lock, and who comes
// meanwhile leaves a note. No operation is left queued that could be done, with nobody coming.
//
// One direction of one handle. A step is what nobody else sees the parts of: a section under
// p->io.lock, a system call, an edge that is taken from the kernel.
#ifndef EVP_TEST_PERFORMER_H
#define EVP_TEST_PERFORMER_H

#include "explore.h"

#include <ostream>

namespace performer {

using explore::require;

enum Mistake {
  NONE,
  NOTE_IGNORED,       // learn() does not look at `noted`
  NOTE_KEPT,          // `noted` is not cleared before the next call
  LETS_GO_LATER,      // the look for work, and letting go, are two sections
  NOBODY_LOOKS,       // who queues does not look whether it can be done
  SHORT_AT_AN_END,    // note_edge(): a short read says "no more" although an end was seen
  SHORT_ALWAYS,       // ... on what is not TCP: data of the peer's two writes comes in two reads
  TAKES_WHAT_RUNS,    // evp_stream_withdraw() takes out what a call is made for
  TAKES_WHAT_IS_OVER, // ... or what has finished
  OVERTAKES,          // claim_flow(): a try in the call, though others wait
  ASKS_OLD_BITS,      // ask_for(): what was to be asked when the lock was given back
  NEVER_ASKS,         // ask_kernel_for()
};

// What the peer does: sends twice; sends and ends by one edge; makes room twice.
enum Peer : uint8_t { SENDS, SENDS_AND_ENDS, SENDS_THEN_ENDS, MAKES_ROOM };

struct Scene {
  const char *name;
  Peer peer;
  bool in_call; // the second operation is tried in its call
  bool cancel;  // of the first
  bool tcp;     // a short call says something
  Mistake mistake = NONE;
  bool again = false; // the second submitter has one more, and the peer goes on once more
  friend void PrintTo(const Scene &s, std::ostream *out) { *out << s.name; }
};

enum : uint8_t { NEW, QUEUED, DONE, CANCELLED };
enum : uint8_t { NOTHING, SHORT, END, NOT_NOW }; // of a call
enum : uint8_t { IDLE, RUNS, CALLS, SETTLES, LETS_GO, ASKS, TRIES, LEARNS, HEARS, AWAY }; // Agent

struct Op {
  uint8_t at, performed, asked, events;
};

struct Agent {
  uint8_t at, op, result, bits;
};

struct State {
  // the kernel's
  uint8_t units, ended, edge, interest, peer_at, in_call;
  // evp_flow, evp_stream
  uint8_t ready, noted, busy, ends_short, asked, idle_edge, queued, queue[3];
  uint8_t canceller, more;
  Op op[3];
  Agent agent[4]; // two submitters, two waiters
};

struct Model {
  Scene c;
  bool is(Mistake m) const { return c.mistake == m; }
  bool writes() const { return c.peer == MAKES_ROOM; }

  // ---- the kernel ----

  static bool possible(const State &s) { return s.units || s.ended; }
  static void wake(State &s) { s.edge |= s.interest; }
  const char *peer(State &s) const {
    switch (s.peer_at++) {
    case 0:
      s.units++;
      if (c.peer == SENDS_AND_ENDS) s.ended = 1;
      return wake(s), writes() ? "the peer reads" : "the peer sends";
    case 1:
      if (c.peer == SENDS_AND_ENDS) break;
      if (c.peer == SENDS_THEN_ENDS)
        s.ended = 1;
      else
        s.units++;
      return wake(s), "the peer goes on";
    }
    return s.peer_at--, nullptr;
  }
  // One more room, at any time after the others.
  const char *peer_again(State &s) const {
    if (!c.again || s.peer_at != 2) return nullptr;
    s.peer_at++, s.units++;
    return wake(s), "the peer goes on once more";
  }
  uint8_t call(State &s) const {
    require(!s.in_call, "two threads make calls for one direction");
    if (!s.units) return s.ended ? END : NOT_NOW;
    /* What is not TCP may hand over one of the peer's pieces at a time. */
    s.units = c.tcp && !writes() ? 0 : static_cast<uint8_t>(s.units - 1);
    return SHORT;
  }

  // ---- flow.h and performer.c, lock held ----

  static bool has_work(const State &s) { return s.queued && s.ready; }
  static bool can_take(const State &s) { return !s.busy && has_work(s); }
  static bool awaited(const State &s) { return s.queued && !s.busy && !has_work(s); }

  static void append(State &s, uint8_t op) {
    s.queue[s.queued++] = op;
    s.op[op].at = QUEUED;
  }
  static void take_out(State &s, uint8_t op) { // flow_take()
    uint8_t at = 0;
    while (at < s.queued && s.queue[at] != op) at++;
    require(at < s.queued, "it is taken out of where it is not");
    for (s.queued--; at < s.queued; at++) s.queue[at] = s.queue[at + 1];
    s.queue[s.queued] = 0;
  }
  static void finish(State &s, uint8_t op, uint8_t how) {
    take_out(s, op);
    report(s, op, how);
  }
  static void report(State &s, uint8_t op, uint8_t how) {
    require(++s.op[op].events == 1, "an operation reports twice");
    s.op[op].at = how;
  }
  void learn(State &s, uint8_t result) const {
    const bool noted = s.noted && !is(NOTE_IGNORED);
    if (noted) return;
    const bool dry = result == SHORT && s.ends_short;
    if (result == NOT_NOW || dry) s.ready = 0;
  }
  void begin(State &s, Agent &a) const { // perform_one()
    a.op = s.queue[0];
    s.busy = s.op[a.op].performed = 1;
    if (!is(NOTE_KEPT)) s.noted = 0;
    a.at = CALLS;
  }
  // ask_kernel_for(): true if there is something to ask.
  bool must_ask(State &s, Agent &a) const {
    const bool missing = awaited(s) && !s.asked, too_much = s.idle_edge && s.asked && !awaited(s);
    if (!writes() || is(NEVER_ASKS) || (!missing && !too_much)) return false;
    s.asked = missing;
    s.idle_edge = 0;
    a.bits = s.asked;
    return a.at = ASKS, true;
  }
  void go_on(State &s, Agent &a, uint8_t end) const {
    if (can_take(s))
      begin(s, a);
    else if (!must_ask(s, a))
      a.at = end;
  }

  // ---- evp_stream_run(), by whoever: `end` is where that thread goes on ----

  const char *run(State &s, Agent &a, uint8_t end) const {
    switch (a.at) {
    case RUNS: return go_on(s, a, end), "looks for work";
    case CALLS: a.result = call(s); return a.at = SETTLES, "makes a call";
    case SETTLES: { // settle()
      Op &op = s.op[a.op];
      op.performed = 0;
      learn(s, a.result);
      if (a.result != NOT_NOW || op.asked) finish(s, a.op, a.result == NOT_NOW ? CANCELLED : DONE);
      if (has_work(s)) return begin(s, a), "settles, and takes the next";
      if (is(LETS_GO_LATER)) return a.at = LETS_GO, "settles";
      s.busy = 0;
      return go_on(s, a, end), "settles, and lets go";
    }
    case LETS_GO: return s.busy = 0, a.at = end, "lets go";
    case ASKS:
      s.interest = is(ASKS_OLD_BITS) ? a.bits : s.asked;
      s.edge = s.interest && possible(s);
      return a.at = RUNS, "asks the kernel";
    }
    return nullptr;
  }

  const char *submit(State &s, uint8_t i) const {
    Agent &a = s.agent[i];
    const bool tries = c.in_call && i == 1;
    const uint8_t op = i == 1 && s.more ? 2 : i;
    switch (a.at) {
    case AWAY:
      if (!c.again || i != 1 || s.more) return nullptr;
      return s.more = 1, a.at = IDLE, "has one more";
    case IDLE:
      if (tries && !s.busy && s.ready && (!s.queued || is(OVERTAKES))) {
        require(!s.queued, "one overtakes another");
        s.busy = 1, s.noted = 0;
        return a.at = TRIES, "claims the direction";
      }
      append(s, op);
      return a.at = is(NOBODY_LOOKS) ? AWAY : RUNS, "queues it";
    case TRIES: a.result = call(s); return a.at = LEARNS, "makes the call itself";
    case LEARNS: // try_taken(), prepare_batch()
      learn(s, a.result);
      s.busy = 0;
      if (a.result == NOT_NOW)
        append(s, op);
      else
        report(s, op, DONE);
      return a.at = RUNS, "learns, and lets go";
    }
    return run(s, a, AWAY);
  }

  const char *wait(State &s, uint8_t i) const {
    Agent &a = s.agent[i];
    switch (a.at) {
    case IDLE:
      if (!s.edge) return nullptr;
      s.edge = 0;
      if (!possible(s)) return "the kernel finds nothing behind an edge";
      a.bits = s.ended;
      return a.at = HEARS, "takes an edge";
    case HEARS: // note_edge()
      if (a.bits && !is(SHORT_AT_AN_END)) s.ends_short = 0;
      if (writes() && !s.queued) s.idle_edge = 1;
      s.ready = s.noted = 1;
      return a.at = RUNS, "leaves a note";
    }
    return run(s, a, IDLE);
  }

  const char *cancel(State &s) const {
    Op &op = s.op[0];
    if (s.canceller || op.at == NEW) return nullptr;
    s.canceller = 1;
    op.asked = 1;
    const bool queued = op.at == QUEUED || is(TAKES_WHAT_IS_OVER);
    if (!queued || (op.performed && !is(TAKES_WHAT_RUNS))) return "asks it to end";
    return finish(s, 0, CANCELLED), "takes it out of the queue";
  }

  void check(const State &s, bool last) const {
    require(!last || !s.busy, "a direction is never given back");
    if (!last) return;
    for (const Op &op : s.op)
      require(op.at != QUEUED || !possible(s), "an operation waits for what is there, alone");
    require(!s.op[0].asked || s.op[0].at != QUEUED, "an operation that was to end waits on");
  }

  explore::Result explore_all() const {
    using Thread = explore::Thread<State>;
    std::vector<Thread> threads{
        {"peer", [this](State &s) { return peer(s); }},
        {"submitter", [this](State &s) { return submit(s, 0); }},
        {"another submitter", [this](State &s) { return submit(s, 1); }},
        {"waiter", [this](State &s) { return wait(s, 2); }},
        {"another waiter", [this](State &s) { return wait(s, 3); }},
    };
    threads.push_back({"peer", [this](State &s) { return peer_again(s); }});
    if (c.cancel) threads.push_back({"canceller", [this](State &s) { return cancel(s); }});
    State first{};
    first.ready = 1;
    first.ends_short = c.tcp || is(SHORT_ALWAYS);
    first.interest = !writes();
    return explore::Search<State>(threads, [this](const State &s, bool last) { check(s, last); })
        .run(first);
  }
};

} // namespace performer

#endif
