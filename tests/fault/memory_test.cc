// SPDX-License-Identifier: MIT
// Every allocation fails once: the call says NO_MEMORY, or does without; nothing is lost, and the
// poller works on.
#include "fault_test.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <memory>

namespace evp {
namespace {

using fault::Arm;
using fault::Disarm;
using fault::kAll;
using fault::kMemory;

class FaultMemory : public FaultTest {
protected:
  // As many entries as it takes to let every table grow.
  std::vector<evpoll_io> Reads(size_t n) {
    std::vector<evpoll_io> ios;
    for (uint64_t i = 0; i < n; i++) ios.push_back(Read(i));
    return ios;
  }
};
INSTANTIATE_TEST_SUITE_P(On, FaultMemory, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(FaultMemory, Open) {
  const int n = EachFailing([&](int nth) {
    Arm(kMemory, nth, ENOMEM);
    const int32_t status = TryOpen();
    const int failures = Disarm();
    EXPECT_EQ(failures ? EVPOLL_ERR_NO_MEMORY : 0, status);
    EXPECT_EQ(failures > 0, p == nullptr) << "the output is untouched by a failure";
    Close();
    ExpectNothingLeft();
    return failures;
  });
  EXPECT_LE(1, n);
}

TEST_P(FaultMemory, AddOfNewHandles) {
  Open();
  Pair pair;
  Send(pair.b, "x");
  int n = 0;
  // Numbers far apart, so that the table of registrations has to grow for each.
  for (int number : {70, 300, 1000}) {
    const int fd = fcntl(static_cast<int>(pair.a), F_DUPFD_CLOEXEC, number);
    ASSERT_LE(0, fd);
    n += EachFailing([&](int nth) {
      Arm(kMemory, nth, ENOMEM);
      const int32_t status = evpoll_add(p, fd, 5, EVPOLL_READABLE, EVPOLL_LEVEL);
      const int failures = Disarm();
      if (failures) {
        EXPECT_EQ(EVPOLL_ERR_NO_MEMORY, status);
        EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_modify(p, fd, 5, EVPOLL_READABLE, EVPOLL_LEVEL));
        EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, fd, 5));
        ExpectQuiet();
      } else {
        EXPECT_EQ(0, status);
        EXPECT_EQ(5u, WaitOne().token);
        EXPECT_EQ(0, evpoll_remove(p, fd, 5));
      }
      return failures;
    });
    close(fd);
  }
  EXPECT_LE(3, n);
  ExpectUsable();
}

TEST_P(FaultMemory, UpdateSaysForEachChange) {
  Open();
  Pair pair;
  const int fd = fcntl(static_cast<int>(pair.a), F_DUPFD_CLOEXEC, 2000);
  ASSERT_LE(0, fd);
  evpoll_change changes[2] = {};
  changes[0].handle = pair.a;
  changes[1].handle = fd;
  for (evpoll_change &c : changes) c.action = EVPOLL_CHANGE_ADD, c.interest = EVPOLL_READABLE;
  Arm(kMemory, 1, ENOMEM);
  EXPECT_EQ(1, evpoll_update(p, changes, 2));
  EXPECT_EQ(1, Disarm());
  EXPECT_EQ(0, changes[0].status);
  EXPECT_EQ(EVPOLL_ERR_NO_MEMORY, changes[1].status);
  close(fd);
  EXPECT_EQ(0, evpoll_remove(p, pair.a, 0));
  ExpectUsable();
}

TEST_P(FaultMemory, Post) {
  int refused = 0;
  const int n = EachFailing([&](int nth) {
    Open();
    std::vector<int64_t> sent;
    Arm(kMemory, nth, ENOMEM);
    for (int64_t value = 0; value < 500; value++) {
      const int32_t status = evpoll_post(p, 1, value);
      if (status == 0) sent.push_back(value);
      EXPECT_TRUE(status == 0 || status == EVPOLL_ERR_NO_MEMORY) << status;
      refused += status != 0;
    }
    const int failures = Disarm();
    EXPECT_EQ(500u - static_cast<size_t>(failures), sent.size());
    size_t next = 0;
    for (const evpoll_event &e : WaitFor(sent.size())) EXPECT_EQ(sent[next++], e.result);
    ExpectUsable();
    return failures;
  });
  EXPECT_LE(2, n) << "the queue has to be made, and to grow";
  EXPECT_EQ(n, refused);
}

TEST_P(FaultMemory, TheFirstFileMakesTheEngine) {
  const int n = EachFailing([&](int nth) {
    EXPECT_EQ(0, TryOpen());
    Arm(kMemory, nth, ENOMEM);
    const int32_t status = Serve(p, file.handle);
    const int failures = Disarm();
    EXPECT_TRUE(status == 0 || (failures && status == EVPOLL_ERR_NO_MEMORY)) << status;
    if (status < 0) {
      EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, file.handle, kServed));
      EXPECT_EQ(0, Serve(p, file.handle));
    }
    ExpectUsable();
    Close();
    ExpectNothingLeft();
    return failures;
  });
  EXPECT_LE(3, n) << "the engine, the registration, the tables";
}

TEST_P(FaultMemory, TheFirstOperation) {
  EachFailing([&](int nth) {
    Open();
    evpoll_io io = Read(1);
    Arm(kMemory, nth, ENOMEM);
    const int32_t accepted = evpoll_submit(p, &io, 1);
    const int failures = Disarm();
    if (accepted == 1) {
      EXPECT_EQ(1, WaitOne().result);
    } else {
      EXPECT_EQ(EVPOLL_ERR_NO_MEMORY, io.status);
      EXPECT_EQ(0u, io.op);
      EXPECT_EQ(0u, Stats().io_submitted);
    }
    ExpectUsable();
    Close();
    ExpectNothingLeft();
    return failures;
  });
}

TEST_P(FaultMemory, OfMoreThanEverBeforeEachEntryHasItsOutcome) {
  const int n = EachFailing([&](int nth) {
    Open();
    std::vector<evpoll_io> ios = Reads(1000);
    Arm(kMemory, nth, ENOMEM);
    const int32_t accepted = evpoll_submit(p, ios.data(), 1000);
    const int failures = Disarm();
    int32_t count = 0;
    for (const evpoll_io &io : ios) {
      count += io.op != 0;
      EXPECT_EQ(io.op ? EVPOLL_OK : EVPOLL_ERR_NO_MEMORY, io.status) << "entry " << io.token;
    }
    EXPECT_EQ(accepted, count);
    std::vector<int> seen(1000);
    for (const evpoll_event &e : WaitFor(static_cast<size_t>(count))) {
      EXPECT_EQ(1, e.result);
      EXPECT_EQ(ios[e.token].op, e.op);
      EXPECT_EQ(1, ++seen[e.token]);
    }
    ExpectUsable();
    return failures;
  });
  EXPECT_LE(1, n);
}

TEST_P(FaultMemory, AVectoredOperationNeedsItsIovecs) {
  Open();
  ExpectUsable();
  evpoll_iovec piece = {EVPOLL_ADDR(bytes.data()), 100};
  for (uint32_t code : {EVPOLL_OP_READV, EVPOLL_OP_WRITEV}) {
    evpoll_io ios[3];
    for (evpoll_io &io : ios) io = MakeIo(code, file.handle, 1, &piece, 1);
    const int n = EachFailing([&](int nth) {
      Arm(kMemory, nth, ENOMEM);
      const int32_t accepted = evpoll_submit(p, ios, 3);
      const int failures = Disarm();
      // Behind the iovecs a thread may be wanted; without one those that are there serve.
      EXPECT_EQ(nth <= 3 ? 2 : 3, accepted);
      for (int i = 0; i < 3; i++)
        EXPECT_EQ(i == nth - 1 ? EVPOLL_ERR_NO_MEMORY : EVPOLL_OK, ios[i].status) << i;
      for (const evpoll_event &e : WaitFor(static_cast<size_t>(accepted))) EXPECT_EQ(100, e.result);
      return failures;
    });
    EXPECT_LE(3, n);
  }
  ExpectUsable();
}

TEST_P(FaultMemory, AListStartsWholeOrNotAtAll) {
  evpoll_iovec piece = {EVPOLL_ADDR(bytes.data()), 100};
  const int n = EachFailing([&](int nth) {
    Open();
    std::vector<evpoll_io> ios = Reads(200);
    ios[150] = MakeIo(EVPOLL_OP_READV, file.handle, 1, &piece, 1);
    uint64_t op = 0;
    Arm(kMemory, nth, ENOMEM);
    const int32_t status = evpoll_submit_list(p, ios.data(), 200, 7, &op);
    const int failures = Disarm();
    if (status == 200) {
      const evpoll_event e = WaitOne();
      std::vector<evpoll_result> results(200);
      EXPECT_EQ(200, evpoll_list_take(p, op, results.data(), 200));
      // What could not be started once all was accepted has failed for itself.
      EXPECT_TRUE(e.result == 200 || (failures && e.status == EVPOLL_ERR_PARTIAL)) << e.result;
      for (const evpoll_result &r : results)
        EXPECT_TRUE(r.status == 0 || (failures && r.status == EVPOLL_ERR_NO_MEMORY)) << r.status;
    } else {
      EXPECT_EQ(EVPOLL_ERR_NO_MEMORY, status);
      EXPECT_EQ(0u, Stats().io_submitted);
      EXPECT_EQ(0u, op);
      ExpectQuiet();
    }
    ExpectUsable();
    Close();
    ExpectNothingLeft();
    return failures;
  });
  EXPECT_LE(4, n) << "results, the list, the operations, the iovecs";
}

TEST_P(FaultMemory, WhatEndsThingsNeedsNone) {
  // With no memory at all: waits, cancels, results, questions, shutdown and close.
  Open();
  ExpectUsable();
  Pair pair;
  ASSERT_EQ(0, evpoll_add(p, pair.a, 5, EVPOLL_READABLE, EVPOLL_ONESHOT));
  ASSERT_EQ(0, evpoll_post(p, 6, 1));
  std::vector<evpoll_io> ios = Reads(10), list = Reads(4);
  uint64_t op = 0;
  ASSERT_EQ(10, evpoll_submit(p, ios.data(), 10));
  ASSERT_EQ(4, evpoll_submit_list(p, list.data(), 4, 7, &op));
  Send(pair.b, "x");

  Arm(kMemory, 1, ENOMEM, kAll);
  evpoll_event events[8];
  size_t got = 0;
  for (int32_t n; got < 13 && (n = evpoll_wait(p, events, 8, kLong)) > 0;)
    got += static_cast<size_t>(n);
  evpoll_result results[4];
  const int32_t taken = evpoll_list_take(p, op, results, 4);
  const int32_t again = evpoll_rearm(p, pair.a, 5, EVPOLL_READABLE);
  const int32_t changed = evpoll_modify(p, pair.a, 5, EVPOLL_WRITABLE, EVPOLL_LEVEL);
  const int32_t removed = evpoll_remove(p, pair.a, 5);
  const int32_t woken = evpoll_wake(p);
  const int32_t none = evpoll_cancel_all(p);
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  const int32_t asked = evpoll_info(p, &info);
  const int32_t described = evpoll_describe(p, nullptr, 0);
  const int32_t shut = evpoll_shutdown(p);
  const int32_t closed = evpoll_close(p, kLong);
  Disarm();

  EXPECT_EQ(13u, got);
  EXPECT_EQ(4, taken);
  EXPECT_EQ(0, again);
  EXPECT_EQ(0, changed);
  EXPECT_EQ(0, removed);
  EXPECT_EQ(0, woken);
  EXPECT_EQ(0, none);
  EXPECT_EQ(0, asked);
  EXPECT_LT(0, described);
  EXPECT_EQ(0, shut);
  ASSERT_EQ(0, closed);
  p = nullptr;
}

TEST_P(FaultMemory, CloseWithOperationsInFlightNeedsNone) {
  for (int round = 0; round < 5; round++) {
    Open();
    std::vector<evpoll_io> ios = Reads(100);
    ASSERT_EQ(100, evpoll_submit(p, ios.data(), 100));
    Arm(kMemory, 1, ENOMEM, kAll);
    const int32_t closed = evpoll_close(p, kLong);
    Disarm();
    ASSERT_EQ(0, closed);
    p = nullptr;
    ExpectNothingLeft();
  }
}

TEST_P(FaultMemory, InfoAndDescribeBeforeTheFirstOperation) {
  // They try what the first file would use.
  const int n = EachFailing([&](int nth) {
    EXPECT_EQ(0, TryOpen());
    struct evpoll_poller_info info = {};
    info.struct_size = sizeof info;
    Arm(kMemory, nth, ENOMEM);
    EXPECT_EQ(0, evpoll_info(p, &info));
    EXPECT_LT(0, evpoll_describe(p, nullptr, 0));
    const int failures = Disarm();
    EXPECT_NE(0u, info.features & EVPOLL_FEATURE_FILE_IO);
    EXPECT_EQ(0, Serve(p, file.handle));
    ExpectUsable();
    Close();
    ExpectNothingLeft();
    return failures;
  });
  EXPECT_LE(0, n);
}

TEST_P(FaultMemory, CloseOfAHandleWithOperationsInFlightNeedsNone) {
  for (bool busy : {true, false}) {
    Open();
    const int other = dup(static_cast<int>(file.handle));
    ASSERT_EQ(0, Serve(p, other));
    std::vector<evpoll_io> ios = Reads(20);
    for (evpoll_io &io : ios) io.handle = other;
    const size_t n = busy ? 20 : 0;
    ASSERT_EQ(static_cast<int32_t>(n), evpoll_submit(p, ios.data(), static_cast<int32_t>(n)));
    evpoll_io closing = MakeIo(EVPOLL_OP_CLOSE, other, 50);
    Arm(kMemory, 1, ENOMEM, kAll);
    EXPECT_EQ(1, evpoll_submit(p, &closing, 1));
    evpoll_event events[21];
    size_t got = 0;
    for (int32_t k; got < n + 1 &&
                    (k = evpoll_wait(p, events + got, static_cast<int32_t>(21 - got), kLong)) > 0;)
      got += static_cast<size_t>(k);
    Disarm();
    ASSERT_EQ(n + 1, got);
    EXPECT_EQ(50u, events[n].token) << "the handle's last event";
    EXPECT_EQ(EVPOLL_OK, events[n].status);
    EXPECT_GT(0, fcntl(other, F_GETFD));
    Close();
    ExpectNothingLeft();
  }
}

TEST_P(FaultMemory, BufferAlloc) {
  void *buffer = nullptr;
  Arm(kMemory, 1, ENOMEM);
  const int32_t status = evpoll_buffer_alloc(4096, 0, &buffer);
  EXPECT_EQ(1, Disarm());
  EXPECT_EQ(EVPOLL_ERR_NO_MEMORY, status);
  EXPECT_EQ(nullptr, buffer);
}

} // namespace
} // namespace evp
