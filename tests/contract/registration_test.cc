// SPDX-License-Identifier: MIT
// add, modify, rearm and remove: tokens, the upsert, and every way to get them wrong.
#include "contract.h"

namespace {

using namespace evp;

EVP_CONTRACT(Registration);

TEST_P(Registration, AddSaysWhetherItReplacedOne) {
  Pair s;
  EXPECT_EQ(0, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(1, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(1, evpoll_add(p, s.a, 2, EVPOLL_WRITABLE, EVPOLL_EDGE));
  EXPECT_EQ(0, evpoll_add(p, s.b, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(0, evpoll_remove(p, s.a, 2));
  EXPECT_EQ(0, evpoll_add(p, s.a, 3, EVPOLL_READABLE, EVPOLL_LEVEL));
}

TEST_P(Registration, AddChangesTokenInterestAndMode) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(1u, WaitOne().token);
  ASSERT_EQ(1, evpoll_add(p, s.a, 2, EVPOLL_WRITABLE, EVPOLL_ONESHOT));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(2u, e.token);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_WRITABLE), e.events);
  ExpectQuiet();
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_remove(p, s.a, 1));
  EXPECT_EQ(0, evpoll_remove(p, s.a, 2));
}

TEST_P(Registration, AnyTokenIsReturnedAsGiven) {
  for (uint64_t token : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 31, uint64_t{1} << 32,
                         uint64_t{1} << 63, UINT64_MAX}) {
    SCOPED_TRACE(token);
    Pair s;
    Send(s.b, "x");
    ASSERT_EQ(0, evpoll_add(p, s.a, token, EVPOLL_READABLE, EVPOLL_LEVEL));
    EXPECT_EQ(token, WaitOne().token);
    EXPECT_EQ(0, evpoll_modify(p, s.a, token, EVPOLL_READABLE, EVPOLL_ONESHOT));
    EXPECT_EQ(token, WaitOne().token);
    EXPECT_EQ(0, evpoll_rearm(p, s.a, token, EVPOLL_READABLE));
    EXPECT_EQ(token, WaitOne().token);
    EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_remove(p, s.a, token ^ uint64_t{1} << 63));
    EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_remove(p, s.a, token ^ 1));
    EXPECT_EQ(0, evpoll_remove(p, s.a, token));
  }
}

TEST_P(Registration, OneTokenMayServeManySockets) {
  Pair s, t;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  ASSERT_EQ(0, evpoll_add(p, t.a, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(s.b, "x");
  Send(t.b, "x");
  for (const evpoll_event &e : WaitFor(2)) EXPECT_EQ(7u, e.token);
  EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  EXPECT_EQ(0, evpoll_rearm(p, t.a, 7, EVPOLL_READABLE));
  EXPECT_EQ(7u, WaitOne().token);
}

TEST_P(Registration, RemoveEndsTheReports) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    Send(s.b, "x");
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, kBoth, mode));
    ASSERT_EQ(0, evpoll_remove(p, s.a, 7)); // with a report pending
    ExpectQuiet();
    s.CloseB();
    ExpectQuiet();
  }
}

TEST_P(Registration, RemoveLeavesTheOthers) {
  std::vector<Pair> pairs(10);
  for (uint64_t i = 0; i < pairs.size(); i++) {
    ASSERT_EQ(0, evpoll_add(p, pairs[i].a, i, EVPOLL_READABLE, EVPOLL_ONESHOT));
    Send(pairs[i].b, "x");
  }
  for (uint64_t i = 0; i < pairs.size(); i += 2) ASSERT_EQ(0, evpoll_remove(p, pairs[i].a, i));
  for (const evpoll_event &e : WaitFor(pairs.size() / 2)) EXPECT_EQ(1u, e.token % 2);
  ExpectQuiet();
}

TEST_P(Registration, RemoveAndAddWithAnotherTokenReportsOnlyThat) {
  Pair s;
  Send(s.b, "x");
  for (uint64_t token = 0; token < 50; token++) {
    ASSERT_EQ(0, evpoll_add(p, s.a, token, EVPOLL_READABLE, EVPOLL_LEVEL));
    EXPECT_EQ(token, WaitOne().token);
    ASSERT_EQ(0, evpoll_remove(p, s.a, token));
  }
  ExpectQuiet();
}

TEST_P(Registration, TheWrongTokenIsStaleAndChangesNothing) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_modify(p, s.a, 8, EVPOLL_WRITABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_rearm(p, s.a, 8, EVPOLL_READABLE));
  EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_remove(p, s.a, 8));
  EXPECT_EQ(0, evpoll_os_error());
  const evpoll_event e = WaitOne();
  EXPECT_EQ(7u, e.token);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), e.events);
}

TEST_P(Registration, WhatWasNeverAddedIsNotFound) {
  Pair s;
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_modify(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, s.a, 7));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, s.a, 0));
}

TEST_P(Registration, WhatWasRemovedIsNotFound) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_remove(p, s.a, 7));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_modify(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, s.a, 7));
}

TEST_P(Registration, UnknownInterestBitsAreUnsupportedAndThoseOfEventsInvalid) {
  Pair s, registered;
  const uint32_t of_events = EVPOLL_WRITE_CLOSED | EVPOLL_ERROR | EVPOLL_IO | EVPOLL_IO_LIST |
                             EVPOLL_AIO | EVPOLL_LIO | EVPOLL_WAKE | EVPOLL_POST;
  ASSERT_EQ(0, evpoll_add(p, registered.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (int bit = 4; bit < 32; bit++) {
    const uint32_t interest = EVPOLL_READABLE | 1u << bit;
    const int32_t why = of_events & 1u << bit ? EVPOLL_ERR_INVALID : EVPOLL_ERR_UNSUPPORTED;
    EXPECT_EQ(why, evpoll_add(p, s.a, 7, interest, EVPOLL_LEVEL)) << bit;
    EXPECT_EQ(why, evpoll_add(p, registered.a, 8, interest, EVPOLL_LEVEL)) << bit;
    EXPECT_EQ(why, evpoll_modify(p, registered.a, 7, interest, EVPOLL_LEVEL)) << bit;
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_rearm(p, registered.a, 7, interest)) << bit;
  }
  EXPECT_EQ(0, evpoll_os_error());
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, s.a, 7));
  EXPECT_EQ(0, evpoll_remove(p, registered.a, 7));
}

TEST_P(Registration, UnknownModesAreUnsupported) {
  Pair s;
  for (uint32_t mode : {4u, 5u, 0x80000000u, 0xFFFFFFFFu}) {
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_add(p, s.a, 7, EVPOLL_READABLE, mode)) << mode;
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, s.a, 7));
  }
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (uint32_t mode : {4u, 5u, 0x80000000u, 0xFFFFFFFFu})
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_modify(p, s.a, 7, EVPOLL_READABLE, mode)) << mode;
}

TEST_P(Registration, AFailedAddLeavesTheRegistrationAsItWas) {
  Pair s;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_add(p, s.a, 8, EVPOLL_ERROR, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_add(p, s.a, 8, EVPOLL_WRITABLE, 9));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(7u, e.token);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), e.events);
  EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
}

TEST_P(Registration, RearmNeedsBitsOfTheInterest) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, mode));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_rearm(p, s.a, 7, 0));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_rearm(p, s.a, 7, EVPOLL_WRITABLE));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_rearm(p, s.a, 7, kBoth));
    EXPECT_EQ(0, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
    ASSERT_EQ(0, evpoll_modify(p, s.a, 7, 0, mode));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_rearm(p, s.a, 7, EVPOLL_READABLE));
    EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  }
}

TEST_P(Registration, NegativeHandlesAreBad) {
  for (evpoll_handle h : {evpoll_handle{-1}, evpoll_handle{-2}, INT64_MIN}) {
    SCOPED_TRACE(h);
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, h, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, h, 7, 0, EVPOLL_LEVEL));
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_modify(p, h, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_rearm(p, h, 7, EVPOLL_READABLE));
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_remove(p, h, 7));
  }
}

TEST_P(Registration, HandlesThatNoSystemHandsOutAreRefused) {
  for (evpoll_handle h : {INT64_MAX, INT64_MAX - 1, int64_t{1} << 62, int64_t{1} << 31,
                          (int64_t{1} << 31) - 1, (int64_t{1} << 32) - 4}) {
    SCOPED_TRACE(h);
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, h, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, h, 7, 0, EVPOLL_LEVEL));
    // Nothing can be registered there: either answer is true.
    for (int32_t status : {evpoll_modify(p, h, 7, EVPOLL_READABLE, EVPOLL_LEVEL),
                           evpoll_rearm(p, h, 7, EVPOLL_READABLE), evpoll_remove(p, h, 7)})
      EXPECT_TRUE(status == EVPOLL_ERR_BAD_HANDLE || status == EVPOLL_ERR_NOT_FOUND) << status;
  }
}

TEST_P(Registration, HandlesAreNotCutToThirtyTwoBits) {
  Pair s;
  const evpoll_handle far = s.a + (int64_t{1} << 32);
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, far, 7, EVPOLL_WRITABLE, EVPOLL_LEVEL));
  ExpectQuiet();
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_GT(0, evpoll_remove(p, far, 7));
  EXPECT_GT(0, evpoll_modify(p, far, 7, EVPOLL_WRITABLE, EVPOLL_LEVEL));
  ExpectQuiet();
  EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
}

TEST_P(Registration, ClosedHandlesAreBad) {
  Pair s;
  const evpoll_handle closed = s.a;
  s.CloseA();
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, closed, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, closed, 7, 0, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, closed, 7));
}

TEST_P(Registration, RegularFilesHaveNoReadiness) {
  TempFile file("content");
  for (uint32_t mode : kModes) {
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_add(p, file.handle, 7, EVPOLL_READABLE, mode));
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_add(p, file.handle, 7, EVPOLL_WRITABLE, mode));
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_add(p, file.handle, 7, 0, mode));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, file.handle, 7));
  }
  ExpectQuiet();
}

TEST_P(Registration, NullPollersAreInvalid) {
  Pair s;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_add(nullptr, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_modify(nullptr, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_rearm(nullptr, s.a, 7, EVPOLL_READABLE));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_remove(nullptr, s.a, 7));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_update(nullptr, nullptr, 0));
}

} // namespace
