// SPDX-License-Identifier: MIT
// Uses: a registration for OPERATIONS counts who will still name its number, so that no system call
// by number meets another open file.
//
// One number of the system; the files 1 (at first) and 2 (who gets the number next). A place of the
// table leads to the target. A step is what nobody else sees the parts of: an atomic operation on
// `uses`, a section under p->io.lock, a system call. A stripe that is held over several is
// `stripe`.
#ifndef EVP_TEST_USES_H
#define EVP_TEST_USES_H

#include "explore.h"

#include <ostream>

namespace uses {

using explore::require;

enum Mistake {
  NONE,
  USE_AFTER_THE_LOOK,   // evp_target_acquire(): look up, unlock, count
  USE_THOUGH_ENDED,     // evp_target_take() does not ask for ENDED
  REDO_WITHOUT_USE,     // what the kernel gave up goes to the pool as it is
  SYNC_WITHOUT_USE,     // what the kernel's threads look up late holds none
  CLOSES_ALTHOUGH_BUSY, // remove says 0 whatever is left
  CLOSE_AT_ONCE,        // the operation CLOSE does not wait for the last use
  ADD_OVER_DOES_NOT_ASK,
  FREED_WHILE_LINKED,   // operations have no reference
  FREED_WHILE_USED,     // the table lets go of what has ended, before its last use has gone
  DROPPED_IN_TWO_STEPS, // subtract, then look whether it was the last
  REPORTED_BEFORE_DROP, // serve_op()
  LOOKS_THEN_LETS_GO,   // end_and_look(): two sections
  CLOSE_LOOKS_LATER,    // evp_target_close(): `over` is read after `closing` was set
  CLOSE_REPORTS_FIRST,  // its event does not wait for those of what the kernel has
};

// Add over: the same file, then remove. Remove, then CLOSE if that was BUSY. Both at once.
enum Ending { REMOVE, CLOSE, ADD_OVER, REMOVE_THEN_CLOSE, REMOVE_AND_CLOSE };
// SYNC: a ring's, but the kernel's threads look the number up.
enum Way : uint8_t { NO_OP, RING, SYNC, POOL };

struct Scene {
  const char *name;
  Ending ending;
  Way ops[3]; // each by a submitter of its own
  Mistake mistake = NONE;
  friend void PrintTo(const Scene &s, std::ostream *out) { *out << s.name; }
};

enum : uint8_t {
  NEW,
  LOOKED_UP, // a mistake
  ACQUIRED,
  ENTERING,
  IN_KERNEL,
  ENDED_THERE, // a completion of the kernel's
  GIVEN_UP,
  QUEUED, // for the pool
  RUNNING,
  RAN,
  KEPT,     // finished, where a wait looks
  REPORTED, // its event was returned
  REFUSED,
};

// An agent that drops a use, or asks for ends, goes on when what that led to is done.
enum : uint8_t { GOES_ON, HAS_SUBTRACTED, IN_OVER };

struct Op {
  uint8_t at, block, submitter, own, asked, events; // submitter, own: uses
  uint8_t caller, worker, collector;                // GOES_ON, or IN_OVER for this operation's use
};

struct Block {
  uint8_t made, freed, file, uses, ended, refs, ops, over, closing, closed;
  uint8_t over_at; // evp_target_over(), which runs once
};

struct Ender {
  uint8_t at, block, last, was_over, goal, dropping, told;
};

struct Uses {
  uint8_t number; // the open file that it names; 0: none
  uint8_t slot;   // the target it leads to; 0: none
  uint8_t stripe; // held
  uint8_t close_at, close_block, opener, closes, close_events;
  Op op[3];
  Ender ender[2];
  Block block[4]; // 1: the first. 2: added over it. 3: the new file's
};

struct Model {
  Scene c;
  bool is(Mistake m) const { return c.mistake == m; }

  static Block &at(Uses &s, uint8_t block) {
    require(!s.block[block].freed, "a target is used after it was freed");
    return s.block[block];
  }
  static void by_number(Uses &s, uint8_t block) {
    require(s.number == at(s, block).file, "a system call by number meets another open file");
  }

  // ---- target.c ----

  static void make(Uses &s, uint8_t block, uint8_t file) { // make_target(), publish_target()
    Block &b = s.block[block];
    b.made = b.refs = 1; // the table's
    b.file = file;
    s.slot = block;
  }
  static void unref(Uses &s, uint8_t block) { // evp_target_unref()
    require(at(s, block).refs > 0, "a reference is given back twice");
    if (--s.block[block].refs == 0) s.block[block].freed = 1;
  }
  bool take(Uses &s, uint8_t block) const { // evp_target_take()
    if (at(s, block).ended && !is(USE_THOUGH_ENDED)) return false;
    return s.block[block].uses++, true;
  }
  void link(Uses &s, Op &op) const { // evp_target_link()
    at(s, op.block).ops++;
    if (!is(FREED_WHILE_LINKED)) s.block[op.block].refs++;
  }
  void unlink(Uses &s, Op &op) const { // evp_target_unlink()
    Block &b = at(s, op.block);
    if (--b.ops == 0 && b.closed) s.close_at = CLOSE_KEPT;
    if (!is(FREED_WHILE_LINKED)) unref(s, op.block);
  }

  // evp_target_drop(), evp_target_drop_later(): who takes the last use of what has ended is unique.
  // agent: where it goes on when evp_target_over() is through.
  void drop(Uses &s, uint8_t block, uint8_t &agent) const {
    Block &b = at(s, block);
    require(b.uses > 0, "a use is dropped twice");
    b.uses--;
    if (is(DROPPED_IN_TWO_STEPS))
      agent = HAS_SUBTRACTED;
    else if (b.ended && b.uses == 0)
      b.over_at = 1, agent = IN_OVER;
  }
  // One step of what a drop led to. nullptr: the agent waits for a lock.
  const char *go_on(Uses &s, uint8_t block, uint8_t &agent) const {
    if (agent == HAS_SUBTRACTED) {
      const bool last = at(s, block).ended && s.block[block].uses == 0;
      if (last) require(s.block[block].over_at == 0, "the last use is gone twice");
      if (last) s.block[block].over_at = 1;
      return agent = last ? IN_OVER : GOES_ON, "looks whether it was the last use";
    }
    const char *name = over(s, block);
    if (s.block[block].over_at == OVER) agent = GOES_ON;
    return name;
  }

  // ---- ending.c ----

  enum : uint8_t { FORGETS = 2, CLOSES, OVER };                               // Block::over_at
  enum : uint8_t { CLOSE_GIVEN = 1, CLOSE_DONE, CLOSE_KEPT, CLOSE_REPORTED }; // Uses::close_at

  const char *over(Uses &s, uint8_t block) const { // evp_target_over()
    switch (s.block[block].over_at) {
    case 1:
      at(s, block).over = 1;
      s.block[block].over_at = s.block[block].closing ? FORGETS : OVER;
      return "the last use is gone";
    case FORGETS: return close_handle(s, block) ? "closes: forgets the target" : nullptr;
    }
    return nullptr;
  }
  // The rest of close_handle() is another thread's: the pool's.
  bool close_handle(Uses &s, uint8_t block) const {
    if (s.stripe) return false;
    forget(s, block);
    require(s.close_at == 0, "a handle is closed twice");
    s.close_at = CLOSE_GIVEN, s.close_block = block;
    s.block[block].over_at = OVER;
    return true;
  }
  void forget(Uses &s, uint8_t block) const { // evp_target_clear() and the table's reference
    at(s, block);
    if (s.slot == block) s.slot = 0, unref(s, block);
  }

  enum : uint8_t {
    ENDS,
    ENDS_TARGET,
    LETS_GO,
    WINDS_UP,
    WINDS_UP_OVER,
    CLOSES_WHAT_IS_OVER,
    LOOKS,
    CLEARS, // a mistake
    CALL_ENDS,
    BUSY,
    TOLD_0,
    THROUGH,
  };

  // end_and_look(), evp_target_close()
  const char *end(Uses &s, Ender &e) const {
    const bool close = e.goal == CLOSE;
    if (e.dropping) return go_on(s, e.block, e.dropping);
    switch (e.at) {
    case ENDS:
      if (s.stripe) return nullptr;
      e.block = s.slot;
      if (!e.block || s.block[e.block].file != 1) // by the token, which is another's
        return e.told = 1, e.at = THROUGH, "finds no target: NOT_FOUND";
      if (close && at(s, e.block).closing) return e.told = 1, e.at = THROUGH, "it closes already";
      s.stripe = 1;
      e.was_over = at(s, e.block).over;
      s.block[e.block].refs++; // this call's
      if (close) s.block[e.block].refs++, s.block[e.block].closing = 1;
      return e.at = ENDS_TARGET, close ? "evp_target_close(): locks" : "end_and_look(): locks";
    case ENDS_TARGET: // a fetch_or
      if (is(CLOSE_LOOKS_LATER)) e.was_over = s.block[e.block].over;
      e.last = !at(s, e.block).ended && s.block[e.block].uses == 0;
      s.block[e.block].ended = 1;
      return e.at = LETS_GO, "sets ENDED";
    case LETS_GO: return s.stripe = 0, e.at = WINDS_UP, "unlocks";
    case WINDS_UP: // evp_io_cancel_target(): the kernel's answer comes when it likes
      for (Op &op : s.op) {
        if (op.block != e.block || op.at == NEW || op.at >= KEPT) continue;
        op.asked = op.at > ACQUIRED;
        if (op.at != QUEUED) continue;
        op.at = KEPT; // evp_io_keep()
        if (op.own) op.own = 0, drop(s, e.block, e.dropping);
      }
      return e.at = WINDS_UP_OVER, "asks for ends; what waits for the pool is CANCELLED";
    case WINDS_UP_OVER:
      e.at = close ? CLOSES_WHAT_IS_OVER : LOOKS;
      if (e.last || (close && is(CLOSE_AT_ONCE)))
        require(s.block[e.block].over_at == 0, "the last use is gone twice"),
            s.block[e.block].over_at = 1, e.dropping = IN_OVER;
      return "is no use left?";
    case CLOSES_WHAT_IS_OVER:
      if (e.was_over && !close_handle(s, e.block)) return nullptr;
      return e.at = CALL_ENDS, "closes, if it was over before";
    case LOOKS: {
      if (s.stripe) return nullptr;
      if (is(FREED_WHILE_USED)) forget(s, e.block);
      const Block &b = at(s, e.block);
      const bool busy = (!b.over && !does_not_ask(e.block)) || b.closing;
      if (busy) return unref(s, e.block), check_reason(s, e), e.at = BUSY, "BUSY";
      if (is(LOOKS_THEN_LETS_GO)) return e.at = CLEARS, "sees no use";
      return tell(s, e);
    }
    case CLEARS: return s.stripe ? nullptr : tell(s, e);
    case CALL_ENDS: return unref(s, e.block), e.told = 1, e.at = THROUGH, "CLOSE was accepted";
    case BUSY: // it is asked again when that makes sense
      if (c.ending == REMOVE_THEN_CLOSE) return e.goal = CLOSE, e.at = ENDS, "BUSY: so CLOSE";
      if (s.slot == e.block && (!at(s, e.block).over || s.block[e.block].closing)) return nullptr;
      return e.at = ENDS, "asks again";
    case TOLD_0:
      require(s.number == 1, "the caller closes another file");
      return s.number = 0, e.at = THROUGH, "was told 0, and closes";
    }
    return nullptr;
  }
  bool does_not_ask(uint8_t block) const {
    return is(CLOSES_ALTHOUGH_BUSY) || (is(ADD_OVER_DOES_NOT_ASK) && block == 1);
  }
  const char *tell(Uses &s, Ender &e) const {
    const bool cleared = s.slot == e.block;
    forget(s, e.block);
    unref(s, e.block);
    if (!cleared && !is(LOOKS_THEN_LETS_GO)) return e.at = ENDS, "somebody else was told";
    if (c.ending == ADD_OVER && e.block == 1)
      return make(s, 2, 1), e.at = ENDS, "adds over it, and will remove that";
    return e.at = TOLD_0, "0";
  }
  // That the caller knows of: an event that has not come, a call that has not returned.
  void check_reason(const Uses &s, const Ender &e) const {
    bool has_reason = s.block[e.block].closing;
    for (const Op &op : s.op)
      has_reason |=
          op.block == e.block && (!op.events || op.submitter || op.caller || op.collector);
    require(has_reason, "BUSY, and each operation has reported and no call runs");
  }

  // The pool closes, and CLOSE's event comes.
  const char *closer(Uses &s) const {
    const uint8_t block = s.close_block;
    switch (s.close_at) {
    case CLOSE_GIVEN:
      by_number(s, block);
      require(++s.closes == 1, "close() is called twice");
      return s.number = 0, s.close_at = CLOSE_DONE, "the pool calls close()";
    case CLOSE_DONE: // evp_io_done_locked()
      if (at(s, block).ops == 0 || is(CLOSE_REPORTS_FIRST))
        return s.close_at = CLOSE_KEPT, "keeps CLOSE";
      if (s.block[block].closed) return nullptr; // unlink() goes on
      return s.block[block].closed = 1, "leaves CLOSE to the last operation";
    case CLOSE_KEPT:
      for (const Op &op : s.op)
        require(op.block != block || op.at == LOOKED_UP || op.at == ACQUIRED || op.at >= REPORTED,
                "CLOSE's event is not the last");
      require(++s.close_events == 1, "CLOSE reports twice");
      return unref(s, block), s.close_at = CLOSE_REPORTED, "reports CLOSE";
    }
    return nullptr;
  }

  // ---- submit.c, uring.c, workers.c ----

  const char *submit(Uses &s, Op &op, Way way) const {
    if (op.caller) return go_on(s, op.block, op.caller);
    switch (op.at) {
    case NEW: // evp_target_acquire()
      if (s.stripe) return nullptr;
      op.block = s.slot;
      if (op.block && is(USE_AFTER_THE_LOOK)) return op.at = LOOKED_UP, "looks the target up";
      if (!op.block || !take(s, op.block)) return op.block = 0, op.at = REFUSED, "finds no target";
      return op.submitter = 1, op.at = ACQUIRED, "evp_target_acquire()";
    case LOOKED_UP:
      at(s, op.block).uses++;
      return op.submitter = 1, op.at = ACQUIRED, "takes a use";
    case ACQUIRED: // admit(), evp_op_prepare()
      if (at(s, op.block).ended && !is(USE_THOUGH_ENDED) && !is(USE_AFTER_THE_LOOK))
        return op.events = 1, op.at = REFUSED, "it has ended meanwhile";
      link(s, op);
      if (way == POOL || (way == SYNC && !is(SYNC_WITHOUT_USE)))
        op.own = 1, s.block[op.block].uses++; // evp_target_share()
      return op.at = ENTERING, "evp_op_prepare()";
    case ENTERING:
      if (way == POOL) return op.at = QUEUED, "evp_pool_give()";
      if (op.asked) return keep(s, op), "it was asked to end before it began";
      by_number(s, op.block);
      return op.at = IN_KERNEL, "enters the kernel by number";
    }
    if (!op.submitter) return nullptr;
    op.submitter = 0;
    return drop(s, op.block, op.caller), "evp_target_drop()";
  }
  // The caller's own use is still there, so that this one is not the last.
  void keep(Uses &s, Op &op) const {
    if (op.own) op.own = 0, drop(s, op.block, op.caller);
    op.at = KEPT;
  }

  // The kernel has the open file, not the number, but for syncs; it ends the operation or gives it
  // up.
  const char *kernel_ends(Uses &s, Op &op, Way way) const {
    if (op.at != IN_KERNEL) return nullptr;
    if (way == SYNC) by_number(s, op.block);
    return op.at = ENDED_THERE, "ends an operation";
  }
  const char *kernel_gives_up(Op &op) const {
    return op.at == IN_KERNEL ? (op.at = GIVEN_UP, "gives an operation up") : nullptr;
  }

  // evp_io_collect()
  const char *collect(Uses &s, Op &op) const {
    if (op.collector) return go_on(s, op.block, op.collector);
    switch (op.at) {
    case GIVEN_UP: // evp_io_redo(): once
      if (op.asked) return report(s, op), "what was given up was asked to end";
      if (is(REDO_WITHOUT_USE)) return at(s, op.block), op.asked = 1, op.at = QUEUED, "redoes it";
      if (!op.own && !take(s, op.block)) return report(s, op), "takes no use of what has ended";
      return op.own = 1, op.at = QUEUED, "takes a use and gives it to the pool";
    case ENDED_THERE:
    case KEPT: return report(s, op), "reports an operation";
    }
    return nullptr;
  }
  void report(Uses &s, Op &op) const { // evp_io_complete(), evp_op_free()
    op.at = REPORTED;
    require(++op.events == 1, "an operation reports twice");
    if (op.own) op.own = 0, drop(s, op.block, op.collector);
    unlink(s, op);
  }

  const char *pool(Uses &s, Op &op) const { // serve_op()
    if (op.worker) return go_on(s, op.block, op.worker);
    switch (op.at) {
    case QUEUED: return op.at = RUNNING, "takes an operation";
    case RUNNING:
      if (!op.asked || is(REDO_WITHOUT_USE)) by_number(s, op.block);
      return op.at = RAN, "makes the system call by number";
    case RAN:
      if (op.own && !is(REPORTED_BEFORE_DROP)) {
        op.own = 0;
        return drop(s, op.block, op.worker), "evp_target_drop()";
      }
      if (!op.own) return op.at = KEPT, "evp_io_done()";
      if (!op.events) return op.events = 1, "an event that comes too early";
      op.own = op.events = 0;
      drop(s, op.block, op.worker);
      return "drops the use too late";
    }
    return nullptr;
  }

  // Somebody gets the number for another file, and adds it.
  const char *open(Uses &s) const {
    switch (s.opener) {
    case 0: return s.number ? nullptr : (s.number = 2, s.opener = 1, "open() gets the number");
    case 1:
      if (s.stripe) return nullptr;
      require(s.slot == 0, "the number was closed, and its place is taken");
      return make(s, 3, 2), s.opener = 2, "adds it";
    }
    return nullptr;
  }

  // ---- what must hold ----

  void check(const Uses &s, bool last) const {
    if (!last) return;
    for (const Op &op : s.op)
      require(op.at == NEW || op.at == REFUSED || op.events == 1, "an operation never reports");
    require(s.opener == 2 && s.slot == 3, "the number is never free again");
    for (uint8_t b = 1; b < 3; b++)
      require(!s.block[b].made || s.block[b].freed, "a target is never freed");
    require(s.block[3].uses == 0 && s.block[3].refs == 1, "a use is never dropped");
    require(s.close_at == 0 || (s.closes == 1 && s.close_events == 1), "CLOSE never reports");
    if (c.ending == CLOSE) require(s.closes == 1, "CLOSE never closes");
  }

  explore::Result run() const {
    using Thread = explore::Thread<Uses>;
    std::vector<Thread> threads{
        {"ender", [this](Uses &s) { return end(s, s.ender[0]); }},
        {"another ender", [this](Uses &s) { return end(s, s.ender[1]); }},
        {"closer", [this](Uses &s) { return closer(s); }},
        {"opener", [this](Uses &s) { return open(s); }},
    };
    for (int i = 0; i < 3; i++) {
      const Way way = c.ops[i];
      const std::string n = " " + std::to_string(i);
      if (way == NO_OP) continue;
      threads.push_back({"submitter" + n, [=](Uses &s) { return submit(s, s.op[i], way); }});
      threads.push_back({"kernel" + n, [=](Uses &s) { return kernel_ends(s, s.op[i], way); }});
      threads.push_back({"kernel" + n, [=](Uses &s) { return kernel_gives_up(s.op[i]); }});
      threads.push_back({"collector" + n, [=](Uses &s) { return collect(s, s.op[i]); }});
      threads.push_back({"pool" + n, [=](Uses &s) { return pool(s, s.op[i]); }});
    }
    Uses first{};
    first.number = 1;
    first.ender[0].goal = c.ending == CLOSE ? CLOSE : REMOVE;
    first.ender[1].goal = CLOSE;
    if (c.ending != REMOVE_AND_CLOSE) first.ender[1].at = THROUGH;
    make(first, 1, 1);
    return explore::Search<Uses>(threads, [this](const Uses &s, bool last) { check(s, last); })
        .run(first);
  }
};

} // namespace uses

#endif
