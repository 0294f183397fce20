// SPDX-License-Identifier: MIT
// timeout_ms: an operation's own limit asks it to end, as a cancel does. What it then reports, and
// that it does so once. Those that can be held are in tests/backend/io.
#include "contract.h"

#include <limits>

namespace {

using namespace evp;

constexpr uint32_t kLongest = std::numeric_limits<uint32_t>::max();

class IoExpire : public Contract {
protected:
  evpoll_io Limited(uint32_t code, uint64_t token, uint32_t timeout_ms, uint64_t length = 0) {
    evpoll_io io = MakeIo(code, file.handle, token, length ? data.data() : nullptr, length);
    io.timeout_ms = timeout_ms;
    return io;
  }
  File file{*this, "content"};
  std::string data = std::string(1 << 20, 'd');
};
INSTANTIATE_TEST_SUITE_P(On, IoExpire, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoExpire, WhatIsDoneInTimeSaysWhatItDid) {
  for (uint32_t timeout : {1000u, 0x80000000u, kLongest}) {
    const evpoll_event e = RunIo(Limited(EVPOLL_OP_READ, 1, timeout, 7));
    EXPECT_EQ(EVPOLL_OK, e.status);
    EXPECT_EQ(7, e.result);
    EXPECT_EQ(EVPOLL_OK, RunIo(Limited(EVPOLL_OP_WRITE, 2, timeout, 7)).status);
    EXPECT_EQ(EVPOLL_OK, RunIo(Limited(EVPOLL_OP_FSYNC, 3, timeout)).status);
    ExpectQuiet();
  }
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_retime(p, file.handle, 1, 1))
      << "it has no limit any more";
}

TEST_P(IoExpire, ALimitThatIsOverWakesNobody) {
  for (uint64_t i = 0; i < 100; i++) RunIo(Limited(EVPOLL_OP_READ, i, 1, 7));
  EXPECT_EQ(0u, Wait(3 * kMillisecond).size());
  ExpectNoSpin();
}

TEST_P(IoExpire, WhatEndsWithItsLimitReportsOnce) {
  size_t expired = 0;
  for (int round = 0; round < Rounds(40); round++) {
    std::vector<evpoll_io> ios;
    for (uint64_t i = 0; i < 50; i++) {
      const bool sync = i % 5 == 4;
      ios.push_back(Limited(sync ? EVPOLL_OP_FSYNC : EVPOLL_OP_WRITE, i, 1 + i % 3,
                            sync ? 0 : data.size() / 4));
    }
    ASSERT_EQ(50, evpoll_submit(p, ios.data(), 50));
    std::vector<int> seen(50);
    for (const evpoll_event &e : WaitFor(50)) {
      seen[e.token]++;
      EXPECT_EQ(ios[e.token].op, e.op);
      if (e.status == EVPOLL_ERR_EXPIRED) {
        EXPECT_EQ(0, e.result);
        expired++;
      } else {
        EXPECT_EQ(EVPOLL_OK, e.status);
      }
    }
    EXPECT_EQ(std::vector<int>(50, 1), seen);
    ExpectQuiet();
  }
  EXPECT_EQ(0u, Stats().io_cancelled) << "nobody has asked";
  RecordProperty("expired", static_cast<int>(expired));
}

TEST_P(IoExpire, LimitsOfAListsEntriesAreTheirOwn) {
  evpoll_io ios[2] = {Limited(EVPOLL_OP_READ, 1, kLongest, 7), Limited(EVPOLL_OP_READ, 2, 0, 7)};
  ios[1].buffer += 7;
  ASSERT_EQ(2, evpoll_submit_list(p, ios, 2, 9, nullptr));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(2, e.result);
}

TEST_P(IoExpire, AHandleThatIsNotRegisteredHasNoLimits) {
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_retime(p, file.handle, 1, 0));
  Pair s;
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_retime(p, s.a, 1, 0));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_retime(p, -2, 1, 0));
}

} // namespace
