// SPDX-License-Identifier: MIT
// EVPOLL_OPF_INLINE: an operation ends in the call that submits it, which puts into `offset` what
// the event would carry, or by its event as any other; never both, and never neither. Which of them
// is the system's affair.
#include "contract.h"

#include <atomic>
#include <cstring>
#include <set>
#include <string>

namespace evp {
namespace {

class IoInline : public Contract {
protected:
  static evpoll_io Inline(uint32_t code, evpoll_handle h, uint64_t token, void *buffer,
                          uint64_t length, int64_t offset = 0) {
    evpoll_io io = MakeIo(code, h, token, buffer, length, offset);
    io.flags = EVPOLL_OPF_INLINE;
    io.op = 99;
    io.status = 4711;
    return io;
  }
  // Submits one, and returns the bytes moved, by whichever way they were told.
  int64_t Moved(evpoll_io io) {
    EXPECT_EQ(1, evpoll_submit(p, &io, 1));
    EXPECT_EQ(EVPOLL_OK, io.status);
    if (io.op == 0) {
      ExpectQuiet();
      return io.offset;
    }
    const evpoll_event e = WaitOne();
    EXPECT_EQ(io.op, e.op);
    EXPECT_EQ(io.token, e.token);
    EXPECT_EQ(EVPOLL_OK, e.status);
    return e.result;
  }

  File file{*this, "0123456789"};
  char buffer[64] = {};
};
INSTANTIATE_TEST_SUITE_P(On, IoInline, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoInline, ReadsTheBytesAtItsOffset) {
  EXPECT_EQ(4, Moved(Inline(EVPOLL_OP_READ, file.handle, 5, buffer, 4, 3)));
  EXPECT_STREQ("3456", buffer);
}

TEST_P(IoInline, TheEndOfTheFileIsShortAndThen0) {
  const struct { int64_t offset, bytes; } cases[] = {{0, 10}, {8, 2}, {10, 0}, {1 << 20, 0}};
  for (const auto &each : cases)
    EXPECT_EQ(each.bytes,
              Moved(Inline(EVPOLL_OP_READ, file.handle, 5, buffer, sizeof buffer, each.offset)))
        << each.offset;
}

// UndefinedBehaviorSanitizer looks on.
TEST_P(IoInline, NothingIsReadToNowhere) {
  EXPECT_EQ(0, Moved(Inline(EVPOLL_OP_READ, file.handle, 5, nullptr, 0)));
}

TEST_P(IoInline, ACloseEndsInTheCallOrByItsEventAndTheHandleIsGoneThen) {
  for (uint32_t flags :
       {uint32_t{EVPOLL_FILE_READ}, uint32_t{EVPOLL_FILE_READ | EVPOLL_FILE_WRITE}}) {
    TempFile other("0123456789");
    evpoll_handle h = -1;
    ASSERT_EQ(0, evpoll_file_open(other.path.c_str(), flags, 0, &h));
    ASSERT_EQ(0, evpoll_add(p, h, 7, 0, EVPOLL_OPERATIONS));
    EXPECT_EQ(4, Moved(Inline(EVPOLL_OP_READ, h, 5, buffer, 4, 3)));
    EXPECT_EQ(0, Moved(Inline(EVPOLL_OP_CLOSE, h, 6, nullptr, 0)));
    int64_t size = 0;
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_file_size(h, &size));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, h, 7));
    evpoll_io again = Inline(EVPOLL_OP_CLOSE, h, 6, nullptr, 0);
    EXPECT_EQ(0, evpoll_submit(p, &again, 1));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, again.status);
  }
}

TEST_P(IoInline, AHeldHandleIsNotClosedInTheCall) {
  TempFile other("0123456789");
  evpoll_handle h = -1;
  ASSERT_EQ(0, evpoll_file_open(other.path.c_str(), EVPOLL_FILE_READ, 0, &h));
  ASSERT_EQ(0, evpoll_add(p, h, 7, 0, EVPOLL_OPERATIONS));
  ASSERT_EQ(0, evpoll_hold(p, h, 7));
  evpoll_io io = Inline(EVPOLL_OP_CLOSE, h, 6, nullptr, 0);
  EXPECT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_NE(0u, io.op);
  ExpectQuiet();
  int64_t size = 0;
  EXPECT_EQ(0, evpoll_file_size(h, &size));
  EXPECT_EQ(0, evpoll_release(p, h));
  EXPECT_EQ(io.op, WaitOne().op);
}

TEST_P(IoInline, SeesWhatWasWrittenBefore) {
  for (int i = 0; i < 100; i++) {
    char text[16];
    const int n = snprintf(text, sizeof text, "round %04d", i);
    EXPECT_EQ(
        n, RunIo(MakeIo(EVPOLL_OP_WRITE, file.handle, 1, text, static_cast<uint64_t>(n))).result);
    EXPECT_EQ(n, Moved(Inline(EVPOLL_OP_READ, file.handle, 5, buffer, sizeof buffer)));
    EXPECT_STREQ(text, buffer);
  }
}

TEST_P(IoInline, EveryCodeTakesTheFlag) {
  char text[] = "abc";
  EXPECT_EQ(3, Moved(Inline(EVPOLL_OP_WRITE, file.handle, 5, text, 3)));
  EXPECT_EQ(0, Moved(Inline(EVPOLL_OP_FSYNC, file.handle, 5, nullptr, 0)));
  EXPECT_EQ(0, Moved(Inline(EVPOLL_OP_FDATASYNC, file.handle, 5, nullptr, 0)));
  EXPECT_EQ(10, Moved(Inline(EVPOLL_OP_READ, file.handle, 5, buffer, sizeof buffer)));
  EXPECT_STREQ("abc3456789", buffer);
}

TEST_P(IoInline, EachOfManyIsToldOfOnce) {
  constexpr int32_t kMany = 600;
  std::string to(kMany, '\0');
  std::set<uint64_t> open; // operations whose event is to come
  for (int32_t i = 0; i < kMany; i += 6) {
    evpoll_io ios[6];
    for (int32_t k = 0; k < 6; k++) {
      ios[k] = Inline(EVPOLL_OP_READ, file.handle, static_cast<uint64_t>(i + k),
                      &to[static_cast<size_t>(i + k)], 1, (i + k) % 10);
      if (i % 4 == 0 && k == 3) ios[k].flags = 0;
    }
    ASSERT_EQ(6, evpoll_submit(p, ios, 6));
    for (const evpoll_io &io : ios) {
      EXPECT_EQ(EVPOLL_OK, io.status);
      if (io.op == 0) {
        EXPECT_EQ(static_cast<uint32_t>(EVPOLL_OPF_INLINE), io.flags);
        EXPECT_EQ(1, io.offset);
      } else {
        EXPECT_TRUE(open.insert(io.op).second);
      }
    }
  }
  while (!open.empty()) {
    const std::vector<evpoll_event> got = Wait();
    ASSERT_FALSE(got.empty());
    for (const evpoll_event &e : got) {
      EXPECT_EQ(1, e.result);
      ASSERT_EQ(1u, open.erase(e.op));
    }
  }
  for (int32_t i = 0; i < kMany; i++) EXPECT_EQ('0' + i % 10, to[static_cast<size_t>(i)]);
  ExpectQuiet();
  const struct evpoll_poller_stats s = Stats();
  EXPECT_EQ(static_cast<uint64_t>(kMany), s.io_submitted);
  EXPECT_EQ(static_cast<uint64_t>(kMany), s.io_completed);
  EXPECT_EQ(0u, s.io_in_flight);
}

TEST_P(IoInline, WhatIsRefusedIsRefusedAllTheSame) {
  evpoll_io ios[4];
  for (uint64_t i = 0; i < 4; i++)
    ios[i] = Inline(EVPOLL_OP_READ, file.handle, i, buffer + 16 * i, 16);
  ios[2].handle = -1;
  ASSERT_EQ(3, evpoll_submit(p, ios, 4));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, ios[2].status);
  EXPECT_EQ(0u, ios[2].op);
  size_t open = 0;
  for (const evpoll_io &io : ios) open += io.op != 0;
  WaitFor(open);

  evpoll_io io = Inline(EVPOLL_OP_READ, file.handle, 5, buffer, 16, -1);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_INVALID, io.status);
  io = Inline(EVPOLL_OP_READ, file.handle, 5, nullptr, 16);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_INVALID, io.status);
  ExpectQuiet();
}

TEST_P(IoInline, WhatIsNotRegisteredIsNotReadInline) {
  Pair pair;
  for (int i = 0; i < 40; i++) {
    evpoll_io ios[2] = {Inline(EVPOLL_OP_READ, file.handle, 1, buffer, 16),
                        Inline(EVPOLL_OP_READ, pair.a, 2, buffer + 16, 16)};
    ASSERT_EQ(1, evpoll_submit(p, ios, 2));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, ios[1].status);
    WaitFor(ios[0].op != 0);
    EXPECT_EQ(0, evpoll_submit(p, ios + 1, 1));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, ios[1].status);
  }
  ExpectQuiet();
}

TEST_P(IoInline, AFileThatCannotBeReadSaysSoByItsEvent) {
  File sink(*this, "content", EVPOLL_FILE_WRITE);
  evpoll_io io = Inline(EVPOLL_OP_READ, sink.handle, 5, buffer, 16);
  if (evpoll_submit(p, &io, 1) == 1) {
    ASSERT_NE(0u, io.op);
    EXPECT_GT(0, WaitOne().status);
  } else {
    EXPECT_GT(0, io.status);
  }
  ExpectQuiet();
}

TEST_P(IoInline, ListsHaveNoSuchEntries) {
  evpoll_io io = Inline(EVPOLL_OP_READ, file.handle, 5, buffer, 16);
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_submit_list(p, &io, 1, 5, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, io.status);
  ExpectQuiet();
}

TEST_P(IoInline, ATurnThatEndsOneDoesNotBlock) {
  for (int i = 0; i < 50; i++) {
    evpoll_io io = Inline(EVPOLL_OP_READ, file.handle, 5, buffer, 4);
    evpoll_event events[4];
    const int32_t n = evpoll_turn(p, nullptr, 0, &io, 1, events, 4, EVPOLL_INFINITE);
    if (io.op == 0) {
      EXPECT_EQ(0, n);
      EXPECT_EQ(4, io.offset);
    } else {
      ASSERT_EQ(1, n);
      EXPECT_EQ(4, events[0].result);
    }
  }
  ExpectQuiet();
}

TEST_P(IoInline, AfterShutdownNothingIsRead) {
  EXPECT_EQ(4, Moved(Inline(EVPOLL_OP_READ, file.handle, 5, buffer, 4)));
  ASSERT_EQ(0, evpoll_shutdown(p));
  evpoll_io io = Inline(EVPOLL_OP_READ, file.handle, 5, buffer + 32, 4);
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, io.status);
  EXPECT_EQ(0u, io.op);
  EXPECT_EQ(0, buffer[32]);
}

EVP_CONTRACT(IoInlineThreads);

TEST_P(IoInlineThreads, ReadsOfManyThreadsAreEachToldOfOnce) {
  constexpr int kThreads = 4;
  const uint64_t each = static_cast<uint64_t>(Rounds(2000));
  File file(*this, "0123456789");
  std::atomic<uint64_t> by_call{0}, by_event{0}, wrong{0};
  std::vector<std::string> to(kThreads, std::string(each, '\0'));
  {
    std::vector<Thread> threads;
    for (int t = 0; t < kThreads; t++)
      threads.emplace_back([&, t] {
        for (uint64_t i = 0; i < each; i++) {
          evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 5, &to[static_cast<size_t>(t)][i], 1,
                                static_cast<int64_t>(i % 10));
          io.flags = EVPOLL_OPF_INLINE;
          while (evpoll_submit(p, &io, 1) != 1) // no room until others were delivered
            std::this_thread::yield();
          if (io.op == 0) {
            by_call++;
            wrong += io.status != 0 || io.offset != 1;
          }
        }
      });
    Thread waiter([&] {
      evpoll_event events[64];
      while (by_call + by_event < kThreads * each) {
        const int32_t n = evpoll_wait(p, events, 64, kMillisecond);
        if (n < 0) break;
        for (int32_t i = 0; i < n; i++) {
          by_event++;
          wrong += events[i].result != 1 || events[i].status != 0;
        }
      }
    });
  }
  EXPECT_EQ(kThreads * each, by_call + by_event);
  EXPECT_EQ(0u, wrong);
  for (const std::string &bytes : to)
    for (size_t i = 0; i < bytes.size(); i++) ASSERT_EQ('0' + static_cast<int>(i % 10), bytes[i]);
  const struct evpoll_poller_stats s = Stats();
  EXPECT_EQ(kThreads * each, s.io_submitted);
  EXPECT_EQ(kThreads * each, s.io_completed);
  EXPECT_EQ(0u, s.io_in_flight);
  ExpectQuiet();
}

} // namespace
} // namespace evp
