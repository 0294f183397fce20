// SPDX-License-Identifier: MIT
// Operations on the caller's own aiocb: evpoll_aio_*.
#include <utility>

#include "freebsd.h"

namespace {

using namespace evp;

EVP_CONTRACT(Foreign);

TEST_P(Foreign, IsAFeature) { EXPECT_TRUE(Has(EVPOLL_FEATURE_FOREIGN_AIO)); }

TEST_P(Foreign, OtherInterestsAreRefused) {
  evpoll_aio *aio = nullptr;
  for (uint32_t kind :
       {0u, (uint32_t)EVPOLL_READABLE, (uint32_t)EVPOLL_IO, (uint32_t)(EVPOLL_AIO | EVPOLL_LIO)})
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_aio_open(p, kind, 1, &aio));
  EXPECT_EQ(nullptr, aio);
}

TEST_P(Foreign, RegisterFillsASigeventAndNothingElse) {
  Request r(p, EVPOLL_AIO, 7);
  struct sigevent event;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_aio_register(r.aio, &event, sizeof event - 1));
  ASSERT_EQ(0, r.Register(&event));
  EXPECT_EQ(SIGEV_KEVENT, event.sigev_notify);
  EXPECT_EQ(EV_ONESHOT, event.sigev_notify_kevent_flags);
  EXPECT_EQ(0, evpoll_aio_deregister(r.aio));
}

TEST_P(Foreign, AnOperationIsReportedWithItsToken) {
  TempFile file("hello");
  Request r(p, EVPOLL_AIO, 7);
  char buffer[8] = {};
  struct aiocb cb = MakeAiocb(file.handle, buffer, 5, 0);
  EXPECT_EQ(0, r.Ready()) << "pending before it is submitted";
  ASSERT_EQ(0, r.Register(&cb.aio_sigevent));
  EXPECT_EQ(0, r.Ready());
  ASSERT_EQ(0, aio_read(&cb));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(7u, e.token);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_AIO), e.events);
  EXPECT_EQ(0, e.status);
  EXPECT_EQ(1, r.Ready());
  EXPECT_EQ(5, aio_return(&cb));
  EXPECT_STREQ("hello", buffer);
  ExpectNoSpin();
}

TEST_P(Foreign, AFailureHasItsStatus) {
  TempFile file("hello");
  Request r(p, EVPOLL_AIO, 7);
  struct aiocb cb = MakeAiocb(file.handle, reinterpret_cast<void *>(16), 5, 0);
  ASSERT_EQ(0, r.Register(&cb.aio_sigevent));
  ASSERT_EQ(0, aio_read(&cb));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_ERR_FAULT, e.status);
  EXPECT_EQ(EFAULT, e.result);
  EXPECT_EQ(-1, aio_return(&cb));
}

TEST_P(Foreign, AnEventThatWasNotReturnedYetIsNotRepeated) {
  TempFile file("hello");
  Request r(p, EVPOLL_AIO, 7);
  char buffer[8] = {};
  struct aiocb cb = MakeAiocb(file.handle, buffer, 5, 0);
  ASSERT_EQ(0, r.Register(&cb.aio_sigevent));
  ASSERT_EQ(0, aio_read(&cb));
  WaitOne();
  ExpectNoSpin();
  EXPECT_EQ(5, aio_return(&cb));
}

TEST_P(Foreign, TheSameStructureServesAgainOnceReadinessWasCleared) {
  TempFile file("hello");
  Request r(p, EVPOLL_AIO, 7);
  for (int i = 0; i < 50; i++) {
    char buffer[8] = {};
    struct aiocb cb = MakeAiocb(file.handle, buffer, 5, 0);
    ASSERT_EQ(0, r.Register(&cb.aio_sigevent));
    ASSERT_EQ(0, aio_read(&cb));
    EXPECT_EQ(7u, WaitOne().token);
    EXPECT_EQ(5, aio_return(&cb));
    struct sigevent event;
    EXPECT_EQ(EVPOLL_ERR_BUSY, r.Register(&event)) << "ready";
    r.Clear();
    EXPECT_EQ(0, r.Ready());
  }
}

TEST_P(Foreign, AStaleTickClearsNothing) {
  TempFile file("hello");
  Request r(p, EVPOLL_AIO, 7);
  uint64_t old = 0, tick = 0;
  for (int i = 0; i < 2; i++) {
    char buffer[8];
    struct aiocb cb = MakeAiocb(file.handle, buffer, 5, 0);
    ASSERT_EQ(0, r.Register(&cb.aio_sigevent));
    ASSERT_EQ(0, aio_read(&cb));
    WaitOne();
    EXPECT_EQ(5, aio_return(&cb));
    EXPECT_EQ(1, evpoll_aio_poll_ready(r.aio, &tick));
    if (i == 0) {
      old = tick;
      EXPECT_EQ(1, evpoll_aio_clear_ready(r.aio, tick));
    }
  }
  EXPECT_EQ(0, evpoll_aio_clear_ready(r.aio, old));
  EXPECT_EQ(1, r.Ready());
  EXPECT_EQ(1, evpoll_aio_clear_ready(r.aio, tick));
}

TEST_P(Foreign, ArmedItCannotBeArmed) {
  Request r(p, EVPOLL_AIO, 7);
  struct sigevent event;
  ASSERT_EQ(0, r.Register(&event));
  EXPECT_EQ(EVPOLL_ERR_BUSY, r.Register(&event));
  EXPECT_EQ(0, evpoll_aio_deregister(r.aio));
}

// Whoever gets the request's place next is told nothing of what was in flight.
TEST_P(Foreign, ClosedWhileArmedItReportsNoMore) {
  TempFile file("hello");
  Request r(p, EVPOLL_AIO, 7);
  char buffer[8];
  struct aiocb cb = MakeAiocb(file.handle, buffer, 5, 0);
  ASSERT_EQ(0, r.Register(&cb.aio_sigevent));
  ASSERT_EQ(0, aio_read(&cb));
  EXPECT_EQ(0, evpoll_aio_close(std::exchange(r.aio, nullptr)));
  Request other(p, EVPOLL_AIO, 8);
  struct sigevent event;
  ASSERT_EQ(0, other.Register(&event));
  ASSERT_TRUE(Until([&] { return aio_error(&cb) != EINPROGRESS; }));
  ExpectQuiet();
  EXPECT_EQ(0, other.Ready());
  EXPECT_EQ(5, aio_return(&cb));
}

TEST_P(Foreign, ALateEventAfterDeregisterIsDropped) {
  TempFile file("hello");
  Request r(p, EVPOLL_AIO, 7);
  char buffer[8];
  struct aiocb cb = MakeAiocb(file.handle, buffer, 5, 0);
  ASSERT_EQ(0, r.Register(&cb.aio_sigevent));
  ASSERT_EQ(0, aio_read(&cb));
  ASSERT_EQ(0, evpoll_aio_deregister(r.aio));
  ASSERT_TRUE(Until([&] { return aio_error(&cb) != EINPROGRESS; }));
  struct aiocb next = MakeAiocb(file.handle, buffer, 3, 0);
  ASSERT_EQ(0, r.Register(&next.aio_sigevent)); // armed again: the old event must not make it ready
  ExpectQuiet();
  EXPECT_EQ(0, r.Ready());
  EXPECT_EQ(5, aio_return(&cb));
  ASSERT_EQ(0, aio_read(&next));
  WaitOne();
  EXPECT_EQ(3, aio_return(&next));
}

TEST_P(Foreign, AfterShutdownNothingIsPendingAndNothingBegins) {
  Request r(p, EVPOLL_AIO, 7);
  evpoll_shutdown(p);
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, r.Ready());
  struct sigevent event;
  EXPECT_EQ(EVPOLL_ERR_SHUTDOWN, r.Register(&event));
}

TEST_P(Foreign, AnOpenRequestKeepsThePollerOpen) {
  {
    Request r(p, EVPOLL_AIO, 7);
    EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_close(p, 0));
  }
  EXPECT_EQ(0, evpoll_close(p, kLong));
  p = nullptr;
}

EVP_CONTRACT(ForeignLists);

struct List {
  std::vector<char> buffer = std::vector<char>(64);
  std::vector<struct aiocb> cbs;
  std::vector<struct aiocb *> list;
  List(evpoll_handle h, size_t n) : cbs(n), list(n) {
    for (size_t i = 0; i < n; i++) {
      cbs[i] = MakeAiocb(h, &buffer[i], 1, static_cast<off_t>(i));
      list[i] = &cbs[i];
    }
  }
  int Submit(struct sigevent *event) {
    return lio_listio(LIO_NOWAIT, list.data(), static_cast<int>(list.size()), event);
  }
  void ReturnAll() {
    for (struct aiocb &cb : cbs) EXPECT_EQ(1, aio_return(&cb));
  }
};

TEST_P(ForeignLists, AreReportedOnceThoughNoEntryWasReturnedYet) {
  TempFile file(std::string(64, 'x'));
  Request r(p, EVPOLL_LIO, 9);
  List list(file.handle, 3);
  struct sigevent event;
  ASSERT_EQ(0, r.Register(&event));
  ASSERT_EQ(0, list.Submit(&event));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(9u, e.token);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_LIO), e.events);
  ExpectNoSpin();
  list.ReturnAll();
  ExpectQuiet();
}

TEST_P(ForeignLists, TheSameArrayServesAgain) {
  TempFile file(std::string(64, 'x'));
  Request r(p, EVPOLL_LIO, 9);
  List list(file.handle, 3);
  for (int i = 0; i < 50; i++) {
    struct sigevent event;
    ASSERT_EQ(0, r.Register(&event));
    ASSERT_EQ(0, list.Submit(&event));
    ASSERT_EQ(9u, WaitOne().token);
    list.ReturnAll();
    r.Clear();
  }
}

TEST_P(ForeignLists, WhatWasRefusedIsSubmittedAgain) {
  TempFile file(std::string(64, 'x'));
  Request r(p, EVPOLL_LIO, 9);
  List list(file.handle, 4);
  list.cbs[1].aio_fildes = list.cbs[3].aio_fildes = 12345;
  struct sigevent event;
  ASSERT_EQ(0, r.Register(&event));
  ASSERT_EQ(-1, list.Submit(&event));
  EXPECT_EQ(9u, WaitOne().token) << "what was accepted is over";
  for (int i : {0, 2}) EXPECT_EQ(1, aio_return(&list.cbs[i]));
  for (int i : {1, 3}) EXPECT_EQ(EBADF, aio_error(&list.cbs[i]));
  r.Clear();

  struct aiocb *rest[] = {&list.cbs[1], &list.cbs[3]};
  for (struct aiocb *cb : rest) cb->aio_fildes = static_cast<int>(file.handle);
  ASSERT_EQ(0, r.Register(&event));
  ASSERT_EQ(0, lio_listio(LIO_NOWAIT, rest, 2, &event));
  EXPECT_EQ(9u, WaitOne().token);
  for (struct aiocb *cb : rest) EXPECT_EQ(1, aio_return(cb));
}

TEST_P(ForeignLists, WithoutAnAcceptedEntryHaveNoEvent) {
  TempFile file("x");
  Request r(p, EVPOLL_LIO, 9);
  List list(12345, 2);
  struct sigevent event;
  ASSERT_EQ(0, r.Register(&event));
  EXPECT_EQ(-1, list.Submit(&event));
  ExpectQuiet();
  EXPECT_EQ(0, r.Ready());
  EXPECT_EQ(0, evpoll_aio_deregister(r.aio));
}

TEST_P(ForeignLists, ThatWereDeregisteredDoNotSpin) {
  TempFile file(std::string(64, 'x'));
  Request r(p, EVPOLL_LIO, 9);
  List list(file.handle, 3);
  struct sigevent event;
  ASSERT_EQ(0, r.Register(&event));
  ASSERT_EQ(0, list.Submit(&event));
  ASSERT_EQ(0, evpoll_aio_deregister(r.aio));
  for (struct aiocb &cb : list.cbs)
    ASSERT_TRUE(Until([&] { return aio_error(&cb) != EINPROGRESS; }));
  ExpectNoSpin();
  list.ReturnAll();
}

} // namespace
