// SPDX-License-Identifier: MIT
// The bell: if something is queued and somebody sleeps, an edge of the bell is pending, or a thread
// inside wait has its last look still before it, or who queued it has still to ring. Who leaves
// with something queued rings.
//
// Steps are sequentially consistent, but for the stores that the protocol has to order: what a
// program writes before it calls wake, what a submitter has finished in place, and (if it were no
// exchange) the mark that a cell is busy. Those pass through a store buffer, which an atomic
// exchange of the same thread empties.
#ifndef EVP_TEST_BELL_H
#define EVP_TEST_BELL_H

#include "explore.h"

#include <ostream>

namespace bell {

using explore::require;

enum : uint8_t { WAKE = 1, POST = 2, IO = 4, SHUTDOWN = 8 }; // bits of `attention`

enum Mistake {
  NONE,
  LOOKS_BEFORE_RAISING, // wake: nothing if the bit is set, instead of an exchange
  NO_LOOK_AFTER_ENTERING,
  BELL_NOT_PASSED_ON,       // ... by who leaves with something queued
  LEAVES_FOR_GOOD_SILENTLY, // after shutdown
  RINGS_BEFORE_QUEUEING,    // post, and the pool
  SHUTDOWN_WITHOUT_LOCKS,
  ENTERS_BY_A_STORE,    // the cell's exchange is a plain store
  SLEEPS_AFTER_NOTHING, // without a look, having heard the bell on the way
  COMPLETES_SILENTLY,   // the pool relies on `attention`, which is set
  TIME_UP_SILENTLY,     // who heard the bell of a shutdown, and has no time left
  LOOKS_PAST_ITS_STORE, // who finished in place looks for sleepers before that can be seen
  DOES_AGAIN_SILENTLY,  // what the kernel gave up, as a wait that is about to look
  BELL_HAS_THE_PLACE,   // of a socket, which is not looked for again
};

enum Outer { NO_OUTER, LEVEL_OUTER, EDGE_OUTER }; // the poller's handle hangs in another loop

struct Scene {
  const char *name;
  uint8_t waiters; // 1: SINGLE_WAITER. Of two the first may stay in user code for ever.
  Outer outer;
  uint8_t posts, wakes, sockets, pool_ops, ring_ops, cancels, shutdowns;
  uint8_t cached = 0;          // operations that are finished in the call that submits them
  uint8_t given_up = 0;        // of the ring's, by the kernel: done again, in place
  uint8_t timeouts = 0;        // so many waits may end since their time is up, or without asking
  bool only_if_inside = false; // post and wake ring only if somebody is inside: one waiter may
  Mistake mistake = NONE;
  friend void PrintTo(const Scene &s, std::ostream *out) { *out << s.name; }
};

// Where a waiter is: from LEAVE on it has made its last look, from USER on it is not inside.
// clang-format off
enum At : uint8_t {
  LOOK, LOOK_AT_DONE, HEED, HEED_SOCKETS, HEED_AGAIN, HEED_RING, COLLECT, DO_AGAIN, PASS_ON, PASS_ON_DONE, PASS_ON_SHUTDOWN, RING,
  HAS_TIME, PASS_POSTS_LOCK, PASS_IO_LOCK, LAST_LOOK, LAST_LOOK_QUEUED, PAUSE, LEAVE, SLEEP, USER,
  OUTER_SLEEP, AWAY, OUT,
};
// clang-format on
enum : uint8_t { SOCKETS, COMPLETIONS, POSTS, WAKES, SOURCES }; // in turn; what a wait has got
enum : uint8_t { NOTHING = SOURCES, SAYS_SHUTDOWN };

struct Waiter {
  uint8_t at, busy, busy_late, got, turn, tried, shut;
  uint8_t heard, heeds, again; // the bell on the way; in heed_bell(); to be done again
};

struct Bell {
  uint8_t attention, edge, outer_edge, socket, turn;
  uint8_t posts_lock, posts; // posts_lock, io_lock: held by who queues
  uint8_t io_lock, in_flight, in_pool, running, done, done_late, in_kernel, cqes, answers, spoilt;
  uint8_t data, data_late, data_seen; // what is written before a wake
  uint8_t poster, waker, submitter, pool, kernel, canceller, stopper; // their next steps
  uint8_t posts_left, wakes_left, ops_left, cancels_left, sockets_left, to_give_up, timeouts_left;
  uint8_t accepted[SOURCES], delivered[SOURCES];
  Waiter w[2];
};

struct Model {
  Scene c;
  bool many() const { return c.waiters > 1; }
  bool is(Mistake m) const { return c.mistake == m; }

  static bool attend(Bell &s, uint8_t bit) {
    const bool was_clear = !(s.attention & bit);
    s.attention |= bit;
    return was_clear;
  }
  static void ring(Bell &s) { s.edge = s.outer_edge = 1; }
  static bool inside(const Bell &s) { return s.w[0].busy || s.w[1].busy; }
  const char *ring_waiter(Bell &s) const {
    if (c.only_if_inside && !inside(s)) return "sees nobody inside";
    return ring(s), "rings";
  }
  static bool has_completions(const Bell &s) {
    return s.in_flight && (s.done || s.cqes || s.answers || s.spoilt);
  }
  static bool has_queued(const Bell &s) {
    return (s.attention & (WAKE | POST)) || has_completions(s);
  }

  // ---- who queues ----

  const char *post(Bell &s) const { // evp_poller_post()
    switch (s.poster) {
    case 0:
      if (!s.posts_left || s.posts_lock) return nullptr;
      if (s.attention & SHUTDOWN) return s.posts_left = 0, "locks and is refused";
      if (is(RINGS_BEFORE_QUEUEING))
        return s.poster = attend(s, POST) ? 5 : 6, "raises POST before it locks";
      s.accepted[POSTS]++;
      return s.posts_lock = 1, s.poster = 1, "locks and is not shut down";
    case 1: return s.posts++, s.poster = 2, "queues";
    case 2: return s.poster = attend(s, POST) ? 3 : 4, "raises POST";
    case 3: return s.posts_lock = 0, s.poster = 7, "unlocks";
    case 4: return s.posts_lock = 0, s.posts_left--, s.poster = 0, "unlocks, POST was set";
    case 5: return ring(s), s.poster = 6, "rings early";
    case 6:
      if (s.posts_lock) return nullptr;
      s.accepted[POSTS]++, s.posts++;
      return s.posts_left--, s.poster = 0, "queues late";
    }
    return s.posts_left--, s.poster = 0, ring_waiter(s);
  }

  const char *wake(Bell &s) const { // evp_poller_wake()
    switch (s.waker) {
    case 0:
      if (!s.wakes_left) return nullptr;
      return s.data_late++, s.wakes_left--, s.waker = is(LOOKS_BEFORE_RAISING) ? 1 : 2, "writes";
    case 1:
      if (s.attention & WAKE) return s.waker = 0, "sees WAKE";
      return s.waker = 2, "sees no WAKE";
    case 2:
      s.data = s.data_late;
      if (!attend(s, WAKE)) return s.waker = 0, "WAKE was set";
      return s.accepted[WAKES]++, s.waker = 3, "raises WAKE";
    }
    return s.waker = 0, ring_waiter(s);
  }
  const char *wakers_store_buffer(Bell &s) const {
    if (s.data == s.data_late) return nullptr;
    return s.data = s.data_late, "is emptied";
  }

  const char *submit(Bell &s) const { // start_batch(), evp_io_start(), cached_finish()
    switch (s.submitter) {
    case 0:
      if (!s.ops_left || s.io_lock) return nullptr;
      if (s.attention & SHUTDOWN) return s.ops_left = 0, "locks and is refused";
      s.accepted[COMPLETIONS]++;
      return s.io_lock = 1, s.submitter = 1, "locks and is not shut down";
    case 1:
      if (s.in_flight++ == 0) attend(s, IO);
      return s.submitter = 2, "counts in";
    case 2: return s.io_lock = 0, s.submitter = 3, "unlocks";
    case 3:
      if (s.accepted[COMPLETIONS] <= c.cached) return s.submitter = 4, "reads in place";
      (s.accepted[COMPLETIONS] <= c.cached + c.pool_ops ? s.in_pool : s.in_kernel)++;
      return s.ops_left--, s.submitter = 0, "starts";
    case 4:
      if (s.io_lock) return nullptr;
      s.io_lock = s.done_late = 1; // the lock is given back by a store too
      return s.submitter = s.done ? 7 : 5, "locks, queues a completion, unlocks";
    case 5:
      if (!is(LOOKS_PAST_ITS_STORE)) submitters_store_buffer(s);
      return s.submitter = 6, "puts its stores before the look";
    case 6: // evp_is_watched()
      if (!inside(s) && !c.outer) return s.submitter = 7, "sees nobody inside";
      return ring(s), s.submitter = 7, "rings";
    }
    return s.ops_left--, s.submitter = 0, "has finished";
  }
  const char *submitters_store_buffer(Bell &s) const {
    if (!s.done_late) return nullptr;
    return s.done++, s.done_late = s.io_lock = 0, "is emptied";
  }

  // evp_io_done(), the lock held: by the pool, or by who takes an operation out of its queue.
  static uint8_t keep(Bell &s) { return s.io_lock = 1, s.done++ == 0 ? 1 : 2; }
  const char *done(Bell &s, uint8_t &pc) const {
    if (pc == 1 && !is(RINGS_BEFORE_QUEUEING) && !is(COMPLETES_SILENTLY)) ring(s);
    return s.io_lock = 0, pc = 0, "rings if it was the first, and unlocks";
  }

  const char *pool(Bell &s) const { // work()
    if (s.pool == 1 || s.pool == 2) return done(s, s.pool);
    if (s.pool == 3) return ring(s), s.pool = 4, "rings early";
    if (!s.running) {
      if (!s.in_pool) return nullptr;
      return s.in_pool--, s.running = 1, "performs";
    }
    if (is(RINGS_BEFORE_QUEUEING) && s.pool == 0 && !s.done) return s.pool = 3, "is the first";
    if (s.io_lock) return nullptr;
    return s.running = 0, s.pool = keep(s), "queues a completion";
  }

  const char *kernel(Bell &s) const { // io_uring: each completion signals the eventfd
    if (s.kernel) return ring(s), s.kernel = 0, "rings";
    if (!s.in_kernel) return nullptr;
    s.in_kernel--, s.kernel = 1;
    if (s.to_give_up) return s.to_give_up--, s.spoilt++, "gives an operation up";
    return s.cqes++, "queues a completion";
  }

  const char *cancel(Bell &s) const { // evp_io_cancel(); io_uring answers to it as well
    if (s.canceller == 3) return ring(s), s.canceller = 0, "is answered: the kernel rings";
    if (s.canceller) return done(s, s.canceller);
    if (!s.cancels_left || s.io_lock || !(s.in_pool || s.in_kernel)) return nullptr;
    s.cancels_left--;
    if (s.in_pool) return s.in_pool--, s.canceller = keep(s), "queues it as CANCELLED";
    return s.answers++, s.canceller = 3, "asks";
  }

  const char *shut_down(Bell &s) const { // evp_poller_shutdown()
    if (s.stopper == 0) return nullptr;
    if (s.stopper == 1) return ring(s), s.stopper = 0, "rings";
    return attend(s, SHUTDOWN), s.stopper = 1, "raises SHUTDOWN";
  }

  const char *nature(Bell &s) const {
    if (!s.sockets_left || s.socket) return nullptr;
    return s.sockets_left--, s.accepted[SOCKETS]++, s.socket = s.outer_edge = 1, "becomes ready";
  }

  // ---- who waits ----

  const char *wait(Bell &s, Waiter &w) const { // evp_poller_wait(), of one event
    switch (w.at) {
    case OUTER_SLEEP:
      if (c.outer == LEVEL_OUTER ? !s.edge && !s.socket : !s.outer_edge) return nullptr;
      // From shutdown to the end the set stays readable, and the other loop turns, until this:
      if (w.shut && s.in_flight && !has_completions(s)) return nullptr;
      return s.outer_edge = 0, w.at = USER, "the poller's handle is readable";
    case USER:
      (is(ENTERS_BY_A_STORE) ? w.busy_late : w.busy) = 1;
      w.got = NOTHING;
      return w.at = is(NO_LOOK_AFTER_ENTERING) ? SLEEP : LOOK, "enters";
    case LOOK: // wait_long()
      if (s.attention & SHUTDOWN) return w.shut = 1, begin(s, w), "looks: SHUTDOWN";
      if (s.attention & (WAKE | POST)) return begin(s, w), "looks: something is queued";
      return w.at = s.attention & IO ? LOOK_AT_DONE : SLEEP, "looks: nothing is queued";
    case LOOK_AT_DONE:
      if (has_completions(s)) return begin(s, w), "looks: a completion";
      return w.at = SLEEP, "looks: no completion";
    case SLEEP:
      if (s.edge) return s.edge = 0, w.at = HEED, "hears the bell";
      if (!c.outer || s.socket) return nullptr; // a socket: hears()
      return w.at = LEAVE, "timeout 0";
    case HEED: // heed_bell()
      if (s.attention & SHUTDOWN) return w.at = after_heeding(s), "hears of the shutdown";
      return w.heeds = 1, begin(s, w), "heeds the bell";
    case HEED_SOCKETS: // look_at_sockets(): in one place, which the bell may take, and take again
      if (s.edge) return s.edge = 0, w.at = HEED_AGAIN, "hears the bell on the way";
      if (s.socket) s.socket = 0, w.got = SOCKETS;
      return w.at = w.got == NOTHING ? after_heeding(s) : PASS_ON, "looks at the sockets";
    case HEED_AGAIN:
      if (s.edge)
        s.edge = 0;
      else if (s.socket)
        s.socket = 0, w.got = SOCKETS;
      return w.at = HEED_RING, "looks at the sockets again";
    case HEED_RING: // it was not for this look
      ring(s);
      return w.at = w.got == NOTHING ? after_heeding(s) : PASS_ON, "gives the bell back";
    case HAS_TIME: return w.at = c.outer ? LEAVE : LOOK, "is the time up?"; // also time_is_up()
    case COLLECT: return collect(s, w);
    case DO_AGAIN: // evp_io_unlock(), cached_finish()
      if (s.io_lock) return nullptr;
      if (s.done++ == 0 && !is(DOES_AGAIN_SILENTLY)) ring(s);
      if (--w.again == 0) w.at = COLLECT;
      return "does again what was given up, and rings";
    case PASS_POSTS_LOCK: // wait_shut_down()
      return s.posts_lock ? nullptr : (w.at = PASS_IO_LOCK, "passes posts.lock");
    case PASS_IO_LOCK: return s.io_lock ? nullptr : (w.at = LAST_LOOK, "passes io.lock");
    case LAST_LOOK:
      if (s.in_flight) return not_yet(w), "operations are in flight";
      return w.at = LAST_LOOK_QUEUED, "is it the end?";
    case LAST_LOOK_QUEUED:
      if (has_queued(s)) return not_yet(w), "it is not the end";
      if (w.got == NOTHING) w.got = SAYS_SHUTDOWN;
      return w.at = is(LEAVES_FOR_GOOD_SILENTLY) ? LEAVE : RING, "it is the end";
    case PAUSE: // it looks again after a while: when there is something new
      return has_queued(s) || !s.in_flight ? (begin(s, w), "looks again") : nullptr;
    case PASS_ON: return pass_on(s, w);
    case PASS_ON_DONE:
      return w.at = has_completions(s) ? RING : PASS_ON_SHUTDOWN, "has it left completions?";
    case PASS_ON_SHUTDOWN:
      return w.at = s.attention & SHUTDOWN ? RING : LEAVE, "is everybody to leave?";
    case RING: return ring(s), w.at = w.got == NOTHING ? HAS_TIME : LEAVE, "rings for the next";
    case LEAVE: return leave(s, w);
    }
    return nullptr; // AWAY, OUT
  }

  static void begin(Bell &s, Waiter &w) {
    w.turn = s.turn;
    s.turn = static_cast<uint8_t>(s.turn + 1) % SOURCES;
    w.tried = w.heard = 0;
    w.busy |= w.busy_late; // the addition to turn is atomic
    w.busy_late = 0;
    w.at = COLLECT;
  }

  void not_yet(Waiter &w) const { w.at = w.got != NOTHING || c.outer ? LEAVE : PAUSE; }

  // poller_collect(): one source a step. Who took the bell on the way and has got nothing looks
  // before it sleeps.
  const char *collect(Bell &s, Waiter &w) const {
    if (w.got == NOTHING && w.tried < SOURCES) return try_source(s, w);
    if (w.shut)
      w.at = is(SHUTDOWN_WITHOUT_LOCKS) ? LAST_LOOK : PASS_POSTS_LOCK;
    else if (w.got != NOTHING)
      w.at = PASS_ON;
    else if (w.heeds)
      w.at = is(BELL_HAS_THE_PLACE) ? after_heeding(s) : HEED_SOCKETS;
    else
      w.at = w.heard && !is(SLEEPS_AFTER_NOTHING) ? LOOK : SLEEP;
    w.heard = w.heeds = w.turn = w.tried = 0;
    return w.got == NOTHING ? "has found nothing" : "has one";
  }
  const char *try_source(Bell &s, Waiter &w) const {
    switch ((w.turn + w.tried) % SOURCES) {
    case SOCKETS:
      if (w.shut || w.heeds) break;
      if (s.edge) return s.edge = 0, w.heard = 1, "hears the bell on the way";
      if (s.socket) s.socket = 0, w.got = SOCKETS;
      break;
    case COMPLETIONS: // evp_io_collect()
      if (!has_completions(s)) break;
      if (s.io_lock) return nullptr;
      if (!s.done) w.again = s.spoilt, s.answers = s.spoilt = 0; // evp_io_redo()
      if (s.done || s.cqes) {
        (s.done ? s.done : s.cqes)--;
        if (--s.in_flight == 0) s.attention &= static_cast<uint8_t>(~IO);
        w.got = COMPLETIONS;
      }
      if (w.again) w.at = DO_AGAIN;
      break;
    case POSTS: // take_posts()
      if (!(s.attention & POST)) break;
      if (s.posts_lock) return nullptr;
      if (s.posts) s.posts--, w.got = POSTS;
      if (!s.posts) s.attention &= static_cast<uint8_t>(~POST);
      break;
    case WAKES: // take_wake()
      if (s.attention & WAKE) w.got = WAKES;
      s.attention &= static_cast<uint8_t>(~WAKE);
      break;
    }
    return w.tried++, "collects";
  }

  // heed_bell() has got nothing: what it heard may have been the shutdown's, which is everybody's.
  At after_heeding(const Bell &s) const {
    const bool all = (s.attention & SHUTDOWN) && (many() || c.outer) && !is(TIME_UP_SILENTLY);
    return all ? RING : HAS_TIME;
  }

  // pass_bell(), the one place. A single waiter looks before its next sleep, and nobody else
  // sleeps, but on the poller's handle.
  const char *pass_on(Bell &s, Waiter &w) const {
    if ((!many() && !c.outer) || is(BELL_NOT_PASSED_ON)) return w.at = LEAVE, "does not look back";
    if (s.attention & (WAKE | POST)) return w.at = RING, "leaves with something queued";
    return w.at = PASS_ON_DONE, "leaves no wake or post";
  }

  const char *leave(Bell &s, Waiter &w) const {
    if (w.got < SOURCES)
      require(++s.delivered[w.got] <= s.accepted[w.got], "something is delivered twice");
    if (w.got == WAKES && s.data_seen < s.data) s.data_seen = s.data;
    w.at = w.got == SAYS_SHUTDOWN ? OUT : USER;
    // Level: back to the other loop, each time. Edge: once a wait has returned 0.
    if (w.at == USER && c.outer && (c.outer == LEVEL_OUTER || w.got == NOTHING)) w.at = OUTER_SLEEP;
    const char *name = w.got == NOTHING         ? "leaves with nothing"
                       : w.got == SAYS_SHUTDOWN ? "leaves with SHUTDOWN"
                       : w.got == WAKES         ? "leaves with a wake, reads"
                                                : "leaves with an event";
    w.busy = w.busy_late = 0;
    w.got = NOTHING;
    return name;
  }

  // Asleep or collecting, one is given the socket; if its array had two places, the bell too.
  const char *hears(Bell &s, Waiter &w, bool and_bell) const {
    const bool collecting = w.at == COLLECT && w.got == NOTHING && !w.shut && !and_bell &&
                            !w.heeds && w.tried < SOURCES &&
                            (w.turn + w.tried) % SOURCES == SOCKETS;
    if (!s.socket || (and_bell && !s.edge) || (w.at != SLEEP && !collecting)) return nullptr;
    s.socket = 0, w.got = SOCKETS;
    w.heard = w.heeds = w.turn = w.tried = 0;
    if (and_bell) return s.edge = 0, w.at = PASS_ON, "a socket and the bell";
    return w.at = collecting ? PASS_ON : LEAVE, "a socket";
  }

  // Or a turn has something else to tell, and does not ask the kernel, whatever that has.
  const char *time_is_up(Bell &s, Waiter &w) const {
    if (!s.timeouts_left || (w.at != HAS_TIME && w.at != SLEEP)) return nullptr;
    return s.timeouts_left--, w.at = LEAVE, "has no time left";
  }

  const char *stay_away(Waiter &w) const {
    return many() && w.at == USER ? (w.at = AWAY, "stays in user code for ever") : nullptr;
  }
  const char *waiters_store_buffer(Waiter &w) const {
    return w.busy_late ? (w.busy = 1, w.busy_late = 0, "is emptied") : nullptr;
  }

  // ---- what must hold ----

  void check(const Bell &s, bool last) const {
    bool asleep = false, will_look = false, outside = true;
    for (int i = 0; i < c.waiters; i++) {
      const uint8_t at = s.w[i].at;
      asleep |= (at == SLEEP && !c.outer) || at == OUTER_SLEEP;
      will_look |= at < LEAVE || (at == SLEEP && c.outer);
      outside &= at >= USER;
    }
    const bool will_ring = s.poster || s.waker == 3 || s.pool || s.kernel || s.canceller ||
                           s.stopper == 1 || s.submitter == 5 || s.submitter == 6;
    const bool queued = has_queued(s) || (many() && (s.attention & SHUTDOWN));
    const bool edge = c.outer == EDGE_OUTER ? s.outer_edge : s.edge;
    require(!queued || !asleep || edge || will_look || will_ring,
            "something is queued, somebody sleeps, and nobody will tell");
    if (c.outer == LEVEL_OUTER)
      require(
          !has_queued(s) || !outside || s.edge || s.socket || will_ring,
          "the poller's handle is not readable, and a wait with timeout 0 would return something");
    if (last) check_last(s);
  }

  void check_last(const Bell &s) const {
    require(!s.poster && !s.waker && !s.submitter && !s.posts_left && !s.ops_left, "a deadlock");
    require(s.delivered[POSTS] == s.accepted[POSTS], "an accepted post is never delivered");
    require(s.delivered[COMPLETIONS] == s.accepted[COMPLETIONS], "an operation is never delivered");
    for (int i = 0; i < c.waiters; i++) {
      const uint8_t at = s.w[i].at;
      if (s.attention & SHUTDOWN)
        require(at == OUT || at == AWAY, "a waiter does not leave after shutdown");
      else
        require(at == SLEEP || at == OUTER_SLEEP || at == AWAY, "a waiter hangs");
    }
    if (s.attention & SHUTDOWN) return; // sockets and wakes are nobody's then
    require(s.delivered[SOCKETS] == s.accepted[SOCKETS], "a socket is never delivered");
    require(s.delivered[WAKES] == s.accepted[WAKES], "a wake is never delivered");
    require(s.data_seen == s.data, "what was written before a wake is never seen");
  }

  explore::Result run() const {
    using Thread = explore::Thread<Bell>;
    std::vector<Thread> threads{
        {"poster", [this](Bell &s) { return post(s); }},
        {"waker", [this](Bell &s) { return wake(s); }},
        {"waker's store buffer", [this](Bell &s) { return wakers_store_buffer(s); }},
        {"submitter", [this](Bell &s) { return submit(s); }},
        {"submitter's store buffer", [this](Bell &s) { return submitters_store_buffer(s); }},
        {"pool", [this](Bell &s) { return pool(s); }},
        {"kernel", [this](Bell &s) { return kernel(s); }},
        {"canceller", [this](Bell &s) { return cancel(s); }},
        {"shutdown", [this](Bell &s) { return shut_down(s); }},
        {"socket", [this](Bell &s) { return nature(s); }},
        {"A", [this](Bell &s) { return stay_away(s.w[0]); }},
    };
    for (int i = 0; i < c.waiters; i++) {
      const std::string name = i == 0 ? "A" : "B";
      threads.push_back({name, [=](Bell &s) { return wait(s, s.w[i]); }});
      threads.push_back({name, [=](Bell &s) { return hears(s, s.w[i], false); }});
      threads.push_back({name, [=](Bell &s) { return hears(s, s.w[i], true); }});
      threads.push_back({name, [=](Bell &s) { return time_is_up(s, s.w[i]); }});
      threads.push_back(
          {name + "'s store buffer", [=](Bell &s) { return waiters_store_buffer(s.w[i]); }});
    }
    Bell first{};
    first.posts_left = c.posts;
    first.wakes_left = c.wakes;
    first.ops_left = static_cast<uint8_t>(c.pool_ops + c.ring_ops + c.cached);
    first.cancels_left = c.cancels;
    first.sockets_left = c.sockets;
    first.to_give_up = c.given_up;
    first.timeouts_left = c.timeouts;
    first.stopper = c.shutdowns ? 2 : 0;
    for (Waiter &w : first.w) w = {c.outer ? OUTER_SLEEP : USER, 0, 0, NOTHING, 0, 0, 0, 0, 0, 0};
    return explore::Search<Bell>(threads, [this](const Bell &s, bool last) { check(s, last); })
        .run(first);
  }
};

} // namespace bell

#endif
