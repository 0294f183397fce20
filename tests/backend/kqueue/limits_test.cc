// SPDX-License-Identifier: MIT
// The system's limits on asynchronous operations, which count those of the whole process until they
// were returned: evpoll's users do not see them.
#include <algorithm>
#include <string>

#include "freebsd.h"

namespace {

using namespace evp;

EVP_CONTRACT(AioLimits);

TEST_P(AioLimits, TheEngineIsTheKernels) {
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  ASSERT_EQ(0, evpoll_info(p, &info));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_BACKEND_KQUEUE), info.backend);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_ENGINE_AIO), info.io_engine);
  EXPECT_TRUE(info.features & EVPOLL_FEATURE_NATIVE_IO);
}

// More operations than the process may have: each comes, once, with the right bytes.
struct Crowd {
  File file;
  std::vector<char> buffer;
  std::vector<evpoll_io> ios;
  std::vector<int> seen;
  Crowd(Contract &test, size_t n) : file(test, Content(n)), buffer(n), seen(n) {
    for (size_t i = 0; i < n; i++)
      ios.push_back(MakeIo(EVPOLL_OP_READ, file.handle, i, &buffer[i], 1, static_cast<int64_t>(i)));
  }
  static std::string Content(size_t n) {
    std::string text(n, ' ');
    for (size_t i = 0; i < n; i++) text[i] = static_cast<char>('a' + i % 26);
    return text;
  }
  void See(const evpoll_event &e) {
    ASSERT_LT(e.token, seen.size());
    EXPECT_EQ(1, ++seen[e.token]);
  }
  void Check() {
    EXPECT_EQ(Content(buffer.size()), std::string(buffer.begin(), buffer.end()));
    for (int times : seen) EXPECT_EQ(1, times);
  }
};

TEST_P(AioLimits, MoreThanTheLimitAreServed) {
  Crowd crowd(*this, 1000);
  ASSERT_EQ(1000, evpoll_submit(p, crowd.ios.data(), 1000));
  for (const evpoll_event &e : WaitFor(1000)) crowd.See(e);
  crowd.Check();
}

TEST_P(AioLimits, AListMayBeLongerThanTheLimit) {
  Crowd crowd(*this, 700);
  uint64_t op;
  ASSERT_EQ(700, evpoll_submit_list(p, crowd.ios.data(), 700, 5, &op));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(0, e.status);
  EXPECT_EQ(700, e.result);
  std::vector<evpoll_result> results(700);
  EXPECT_EQ(700, evpoll_list_take(p, op, results.data(), 700));
  std::fill(crowd.seen.begin(), crowd.seen.end(), 1);
  crowd.Check();
}

TEST_P(AioLimits, TwoPollersShareTheLimit) {
  Crowd one(*this, 600), two(*this, 600);
  evpoll *other = nullptr;
  ASSERT_EQ(0, evpoll_open(nullptr, &other));
  ASSERT_EQ(0, Serve(other, two.file.handle));
  ASSERT_EQ(600, evpoll_submit(p, one.ios.data(), 600));
  ASSERT_EQ(600, evpoll_submit(other, two.ios.data(), 600));
  std::vector<evpoll_event> events(64);
  for (int left = 600; left > 0;) {
    const int32_t n = LongWait(other, events.data(), 64);
    ASSERT_LT(0, n);
    for (int32_t i = 0; i < n; i++) two.See(events[i]);
    left -= n;
  }
  for (const evpoll_event &e : WaitFor(600)) one.See(e);
  one.Check();
  two.Check();
  EXPECT_EQ(0, evpoll_close(other, kLong));
}

TEST_P(AioLimits, QueuedOperationsCanBeCancelled) {
  Crowd crowd(*this, 1000);
  ASSERT_EQ(1000, evpoll_submit(p, crowd.ios.data(), 1000));
  EXPECT_GE(evpoll_cancel_all(p), 0);
  for (const evpoll_event &e : WaitFor(1000)) {
    crowd.See(e);
    EXPECT_TRUE(e.status == 0 || e.status == EVPOLL_ERR_CANCELLED) << e.status;
  }
}

// Takes all the room that a process has, with operations of its own that it does not return.
struct Outsiders {
  TempFile file{"x"};
  std::vector<struct aiocb> cbs = std::vector<struct aiocb>(4096);
  std::vector<char> bytes = std::vector<char>(4096);
  size_t n = 0;
  Outsiders() {
    for (; n < cbs.size(); n++) {
      cbs[n] = MakeAiocb(file.handle, &bytes[n], 1, 0);
      if (aio_read(&cbs[n]) < 0) break;
    }
  }
  ~Outsiders() {
    for (size_t i = 0; i < n; i++) EXPECT_EQ(1, Finish(&cbs[i]));
  }
};

TEST_P(AioLimits, WithoutAnyRoomThePoolServes) {
  Outsiders outsiders;
  Crowd crowd(*this, 100);
  ASSERT_EQ(100, evpoll_submit(p, crowd.ios.data(), 100));
  for (const evpoll_event &e : WaitFor(100)) crowd.See(e);
  crowd.Check();
}

TEST_P(AioLimits, WithoutAnyRoomOrAPoolTheLimitIsNamed) {
  Open(EVPOLL_OPEN_NATIVE_IO_ONLY);
  Crowd crowd(*this, 1);
  {
    Outsiders outsiders;
    EXPECT_EQ(0, evpoll_submit(p, crowd.ios.data(), 1));
    EXPECT_EQ(EVPOLL_ERR_LIMIT, crowd.ios[0].status);
    EXPECT_EQ(EAGAIN, crowd.ios[0].offset);
    crowd.ios[0].offset = 0;
  }
  ASSERT_EQ(1, evpoll_submit(p, crowd.ios.data(), 1));
  crowd.See(WaitOne());
}

// Operations wait while others take the room that ours have left.
TEST_P(AioLimits, RoomThatOthersTookMeanwhileIsWaitedFor) {
  for (uint32_t flags : {0u, (uint32_t)EVPOLL_OPEN_NATIVE_IO_ONLY}) {
    Open(flags);
    Crowd crowd(*this, 600);
    ASSERT_EQ(600, evpoll_submit(p, crowd.ios.data(), 600));
    for (const evpoll_event &e : WaitFor(10, 1)) crowd.See(e);
    {
      Outsiders outsiders;
      for (const evpoll_event &e : WaitFor(200, 1)) crowd.See(e);
    }
    for (const evpoll_event &e : WaitFor(390)) crowd.See(e);
    crowd.Check();
  }
}

} // namespace
