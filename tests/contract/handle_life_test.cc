// SPDX-License-Identifier: MIT
// Registrations and the life of their handles: closed while registered, numbers used again, and
// very many at once.
#include "contract.h"

#include <algorithm>
#include <cstdio>
#include <set>

namespace {

using namespace evp;

EVP_CONTRACT(HandleLife);

#define GATE_REUSE(reused)                                                                         \
  EVP_GATE((reused).found, "handle_reuse", "the system did not hand out the number again")

TEST_P(HandleLife, ClosingWithoutRemoveIsHarmless) {
  Pair other;
  ASSERT_EQ(0, evpoll_add(p, other.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (uint32_t mode : kModes)
    for (uint32_t interest : {EVPOLL_READABLE, EVPOLL_WRITABLE, 0}) {
      Pair s;
      Send(s.b, "x");
      // 1 is possible as well: the number was registered when the one before was closed.
      ASSERT_LE(0, evpoll_add(p, s.a, 2, static_cast<uint32_t>(interest), mode));
      s.CloseA();
      ExpectQuiet();
      s.CloseB();
      ExpectQuiet();
    }
  Send(other.b, "x");
  EXPECT_EQ(1u, WaitOne().token);
}

TEST_P(HandleLife, ClosingAfterAnEventIsHarmless) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    ASSERT_LE(0, evpoll_add(p, s.a, 2, EVPOLL_WRITABLE, mode));
    WaitOne();
    s.CloseA();
    ExpectQuiet();
  }
}

TEST_P(HandleLife, RemoveAfterCloseSucceedsOnce) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    const evpoll_handle closed = s.a;
    ASSERT_EQ(0, evpoll_add(p, closed, 7, EVPOLL_READABLE, mode));
    s.CloseA();
    EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_remove(p, closed, 8));
    EXPECT_EQ(0, evpoll_remove(p, closed, 7));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, closed, 7));
  }
}

TEST_P(HandleLife, ModifyAfterCloseEndsTheRegistration) {
  Pair s;
  const evpoll_handle closed = s.a;
  ASSERT_EQ(0, evpoll_add(p, closed, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  s.CloseA();
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_modify(p, closed, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_modify(p, closed, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, closed, 7));
}

TEST_P(HandleLife, AddAfterCloseIsRefusedAndEndsTheRegistration) {
  Pair s;
  const evpoll_handle closed = s.a;
  ASSERT_EQ(0, evpoll_add(p, closed, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  s.CloseA();
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, closed, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
  ExpectQuiet();
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_remove(p, closed, 8));
}

TEST_P(HandleLife, AReusedNumberIsANewRegistration) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    const evpoll_handle closed = s.a;
    ASSERT_EQ(0, evpoll_add(p, closed, 7, EVPOLL_READABLE, mode));
    s.CloseA();
    Reused again(closed);
    GATE_REUSE(again);
    // Not registered by its new owner: nothing is reported of it.
    Send(again.peer, "x");
    ExpectQuiet();
    EXPECT_LE(0, evpoll_add(p, again.handle, 8, EVPOLL_READABLE, mode));
    const evpoll_event e = WaitOne();
    EXPECT_EQ(8u, e.token);
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), e.events);
    EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_remove(p, again.handle, 7));
    EXPECT_EQ(0, evpoll_remove(p, again.handle, 8));
  }
}

TEST_P(HandleLife, AReusedNumberIsANewRegistrationAlsoWithTheSameToken) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    const evpoll_handle closed = s.a;
    Send(s.b, "x");
    ASSERT_EQ(0, evpoll_add(p, closed, 7, kBoth, mode));
    s.CloseA();
    Reused again(closed);
    GATE_REUSE(again);
    EXPECT_LE(0, evpoll_add(p, again.handle, 7, EVPOLL_READABLE, mode));
    ExpectQuiet();
    Send(again.peer, "x");
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_READABLE), WaitOne().events);
    EXPECT_EQ(0, evpoll_remove(p, again.handle, 7));
  }
}

TEST_P(HandleLife, ModifyOfAReusedNumberIsStale) {
  for (uint32_t mode : kModes) {
    SCOPED_TRACE(mode);
    Pair s;
    const evpoll_handle closed = s.a;
    ASSERT_EQ(0, evpoll_add(p, closed, 7, EVPOLL_READABLE, mode));
    s.CloseA();
    Reused again(closed);
    GATE_REUSE(again);
    Send(again.peer, "x");
    EXPECT_EQ(EVPOLL_ERR_STALE, evpoll_modify(p, again.handle, 7, EVPOLL_READABLE, mode));
    ExpectQuiet();
  }
}

TEST_P(HandleLife, RemoveBeforeAReuseLeavesNothingBehind) {
  Pair s;
  const evpoll_handle closed = s.a;
  ASSERT_EQ(0, evpoll_add(p, closed, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  ASSERT_EQ(0, evpoll_remove(p, closed, 7));
  s.CloseA();
  Reused again(closed);
  GATE_REUSE(again);
  EXPECT_EQ(0, evpoll_add(p, again.handle, 8, EVPOLL_READABLE, EVPOLL_LEVEL));
  Send(again.peer, "x");
  for (int i = 0; i < 3; i++) EXPECT_EQ(8u, WaitOne().token);
}

// A parked oneshot keeps state in user space; none of it may reach the number's next owner.
TEST_P(HandleLife, AParkedOneshotDoesNotSilenceTheNextOwner) {
  Pair s;
  const evpoll_handle closed = s.a;
  Send(s.b, "x");
  ASSERT_EQ(0, evpoll_add(p, closed, 7, EVPOLL_READABLE, EVPOLL_ONESHOT));
  WaitOne();
  ExpectQuiet();
  s.CloseA();
  Reused again(closed);
  GATE_REUSE(again);
  ASSERT_LE(0, evpoll_add(p, again.handle, 8, EVPOLL_READABLE, EVPOLL_ONESHOT));
  Send(again.peer, "x");
  EXPECT_EQ(8u, WaitOne().token);
  ExpectQuiet();
}

TEST_P(HandleLife, ManyGenerationsOfOneNumber) {
  for (int i = 0; i < Rounds(3000); i++) {
    Pair s;
    const uint32_t mode = kModes[i % 3];
    const uint64_t token = static_cast<uint64_t>(i);
    ASSERT_LE(0, evpoll_add(p, s.a, token, EVPOLL_READABLE, mode));
    Send(s.b, "x");
    ASSERT_EQ(token, WaitOne().token);
    if (i % 2) {
      ASSERT_EQ(0, evpoll_remove(p, s.a, token));
    }
  }
  ExpectQuiet();
}

TEST_P(HandleLife, TheSameSocketServesOnePollerAfterAnother) {
  Pair s;
  Send(s.b, "x");
  for (uint64_t token = 0; token < 20; token++) {
    ASSERT_EQ(0, evpoll_add(p, s.a, token, EVPOLL_READABLE, EVPOLL_ONESHOT));
    ASSERT_EQ(token, WaitOne().token);
    Open();
  }
}

// Ten thousand need as many descriptors, and half as many again: fewer where the limit is lower.
TEST_P(HandleLife, TenThousandRegistrations) {
  std::vector<evpoll_handle> handles;
  while (handles.size() < static_cast<size_t>(Rounds(10000))) {
    evpoll_handle a, b;
    const int32_t status = evpoll_socket_pair(&a, &b);
    if (status == EVPOLL_ERR_LIMIT) break;
    ASSERT_EQ(0, status);
    handles.push_back(a);
    handles.push_back(b);
  }
  const uint64_t n = handles.size();
  if (n < 10000) std::printf("[   NOTE   ] registered %d instead of 10000\n", static_cast<int>(n));
  ASSERT_GE(n, 100u);
  for (uint64_t i = 0; i < n; i++)
    ASSERT_EQ(0, evpoll_add(p, handles[i], i, EVPOLL_READABLE, EVPOLL_LEVEL)) << i;
  ExpectQuiet();

  std::set<uint64_t> expected, reported;
  for (uint64_t i = 0; i < n; i += 97) {
    Send(handles[i], "x");
    expected.insert(i ^ 1); // its peer
  }
  ASSERT_TRUE(Until([&] {
    for (const evpoll_event &e : Wait(kLong, 1024)) {
      reported.insert(e.token);
      if (e.token < n) Drain(handles[e.token]);
    }
    return reported.size() >= expected.size();
  }));
  EXPECT_EQ(expected, reported);
  ExpectQuiet();

  // Half of the pairs is removed, the other half only closed.
  for (uint64_t i = 0; i < n; i++)
    if (i / 2 % 2) {
      ASSERT_EQ(0, evpoll_remove(p, handles[i], i)) << i;
    }
  for (evpoll_handle h : handles) ASSERT_EQ(0, evpoll_socket_close(h));
  ExpectQuiet();
}

} // namespace
