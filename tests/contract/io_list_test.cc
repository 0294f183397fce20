// SPDX-License-Identifier: MIT
// Lists: started all or not at all, one event for all entries, and the results to be taken once.
#include "contract.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace evp {
namespace {

class IoList : public Contract {
protected:
  evpoll_io Read(void *to, uint64_t length = 4, int64_t offset = 0) {
    return MakeIo(EVPOLL_OP_READ, file.handle, 1000, to, length, offset);
  }
  // n reads of four bytes; entry i reads the four bytes at 4 * i.
  std::vector<evpoll_io> Reads(size_t n) {
    buffer.assign(4 * n, '\0');
    std::vector<evpoll_io> ios;
    for (size_t i = 0; i < n; i++)
      ios.push_back(Read(&buffer[4 * i], 4, static_cast<int64_t>(4 * i)));
    return ios;
  }
  evpoll_io Unmapped() { // accepted, and fails when it is run
    evpoll_io io = Read(nullptr);
    io.buffer = 64;
    return io;
  }
  // Starts a list, which must be accepted; returns its id.
  uint64_t Start(std::vector<evpoll_io> ios, uint64_t token = 5) {
    uint64_t op = 0;
    const int32_t n = static_cast<int32_t>(ios.size());
    EXPECT_EQ(n, evpoll_submit_list(p, ios.data(), n, token, &op));
    EXPECT_NE(0u, op);
    return op;
  }
  int32_t Take(uint64_t op, std::vector<evpoll_result> &results) {
    return evpoll_list_take(p, op, results.data(), static_cast<int32_t>(results.size()));
  }
  void ExpectNothingStarted() {
    EXPECT_EQ(0u, Stats().io_submitted);
    ExpectQuiet();
  }

  const std::string content = [] {
    std::string s(4096, '\0');
    for (size_t i = 0; i < s.size(); i++) s[i] = static_cast<char>(i * 7 + i / 256);
    return s;
  }();
  std::string Got() const { return std::string(buffer.begin(), buffer.end()); }

  File file{*this, content};
  std::vector<char> buffer;
};
INSTANTIATE_TEST_SUITE_P(On, IoList, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoList, AllItsEntriesReportAsOneEvent) {
  const uint64_t op = Start(Reads(10), 77);
  const evpoll_event e = WaitOne();
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_IO_LIST), e.events);
  EXPECT_EQ(op, e.op);
  EXPECT_EQ(77u, e.token);
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(10, e.result);
  EXPECT_EQ(content.substr(0, 40), Got());
  ExpectQuiet();
}

TEST_P(IoList, EveryFieldOfItsEventIsWritten) {
  const uint64_t op = Start(Reads(3), 78);
  evpoll_event e;
  std::memset(&e, 0xff, sizeof e);
  ASSERT_EQ(1, evpoll_wait(p, &e, 1, kLong));
  EXPECT_EQ(78u, e.token);
  EXPECT_EQ(op, e.op);
  EXPECT_EQ(3, e.result);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_IO_LIST), e.events);
  EXPECT_EQ(EVPOLL_OK, e.status);
}

TEST_P(IoList, OneEntryIsAList) {
  const uint64_t op = Start(Reads(1));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_IO_LIST), e.events);
  EXPECT_EQ(op, e.op);
  EXPECT_EQ(1, e.result);
}

TEST_P(IoList, TokensComeBackWhole) {
  for (uint64_t token : {uint64_t{0}, uint64_t{1} << 63, ~uint64_t{0}}) {
    Start(Reads(2), token);
    EXPECT_EQ(token, WaitOne().token);
  }
}

TEST_P(IoList, ResultsAreThoseOfTheEntriesInOrder) {
  std::vector<evpoll_io> ios = Reads(6);
  for (size_t i = 0; i < 6; i++) ios[i].length = i % 4 + 1;
  ios[5].offset = 1 << 20; // the end of the file
  const uint64_t op = Start(ios);
  EXPECT_EQ(6, WaitOne().result);
  std::vector<evpoll_result> results(6);
  std::memset(results.data(), 0xff, 6 * sizeof results[0]);
  ASSERT_EQ(6, Take(op, results));
  for (size_t i = 0; i < 6; i++) {
    EXPECT_EQ(i == 5 ? 0 : static_cast<int64_t>(ios[i].length), results[i].result) << i;
    EXPECT_EQ(EVPOLL_OK, results[i].status);
    EXPECT_EQ(0u, results[i].reserved);
  }
}

TEST_P(IoList, AFailedEntryMakesItPartial) {
  std::vector<evpoll_io> ios = Reads(5);
  ios[1] = ios[3] = Unmapped();
  const uint64_t op = Start(ios);
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_ERR_PARTIAL, e.status);
  EXPECT_EQ(3, e.result);
  std::vector<evpoll_result> results(5);
  ASSERT_EQ(5, Take(op, results));
  for (size_t i = 0; i < 5; i++) {
    const bool failed = i == 1 || i == 3;
    EXPECT_EQ(failed ? EVPOLL_ERR_FAULT : EVPOLL_OK, results[i].status) << i;
    EXPECT_TRUE(failed ? results[i].result != 0 : results[i].result == 4) << results[i].result;
  }
}

TEST_P(IoList, AllEntriesFailedIsPartialWithResult0) {
  const uint64_t op = Start({Unmapped(), Unmapped()});
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_ERR_PARTIAL, e.status);
  EXPECT_EQ(0, e.result);
  std::vector<evpoll_result> results(2);
  EXPECT_EQ(2, Take(op, results));
}

TEST_P(IoList, AllCodesCanBeMixed) {
  EVP_GATE(Has(EVPOLL_FEATURE_VECTORED_IO), "vectored io", "READV and WRITEV are not served here");
  char text[] = "abcd", back[8] = {};
  evpoll_iovec pieces[2] = {};
  pieces[0].address = EVPOLL_ADDR(back);
  pieces[1].address = EVPOLL_ADDR(back + 4);
  pieces[0].length = pieces[1].length = 2;
  evpoll_iovec whole = {};
  whole.address = EVPOLL_ADDR(text);
  whole.length = 4;
  Start({MakeIo(EVPOLL_OP_WRITE, file.handle, 1, text, 4, 1000),
         MakeIo(EVPOLL_OP_WRITEV, file.handle, 2, &whole, 1, 2000),
         MakeIo(EVPOLL_OP_READV, file.handle, 3, pieces, 2, 4), Read(back + 6, 1, 8),
         MakeIo(EVPOLL_OP_FSYNC, file.handle, 5), MakeIo(EVPOLL_OP_FDATASYNC, file.handle, 6)});
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(6, e.result);
  EXPECT_EQ(content.substr(4, 2), std::string(back, 2));
  EXPECT_EQ(content.substr(6, 3), std::string(back + 4, 3));
  for (int64_t offset : {1000, 2000}) {
    EXPECT_EQ(4, RunIo(Read(back, 4, offset)).result);
    EXPECT_EQ("abcd", std::string(back, 4));
  }
}

TEST_P(IoList, EntriesAreTheCallersWhenItReturns) {
  std::vector<evpoll_io> ios = Reads(50);
  uint64_t op = 0;
  ASSERT_EQ(50, evpoll_submit_list(p, ios.data(), 50, 5, &op));
  std::memset(ios.data(), 0xff, 50 * sizeof ios[0]);
  ios.clear();
  ios.shrink_to_fit();
  EXPECT_EQ(50, WaitOne().result);
  EXPECT_EQ(content.substr(0, 200), Got());
}

TEST_P(IoList, OpOutMayBeNull) {
  std::vector<evpoll_io> ios = Reads(2);
  ASSERT_EQ(2, evpoll_submit_list(p, ios.data(), 2, 5, nullptr));
  const evpoll_event e = WaitOne();
  std::vector<evpoll_result> results(2);
  EXPECT_EQ(2, Take(e.op, results));
}

TEST_P(IoList, IdsDifferFromThoseOfSingleOperations) {
  std::map<uint64_t, int> seen;
  for (int i = 0; i < 100; i++) {
    Start(Reads(2));
    seen[WaitOne().op]++;
    char to[4];
    seen[RunIo(Read(to)).op]++;
  }
  EXPECT_EQ(200u, seen.size());
}

TEST_P(IoList, TakeBeforeItsEventIsBusy) {
  const uint64_t op = Start(Reads(2));
  std::vector<evpoll_result> results(2);
  EXPECT_EQ(EVPOLL_ERR_BUSY, Take(op, results));
  WaitOne();
  EXPECT_EQ(2, Take(op, results));
}

TEST_P(IoList, TakeWithTooLittleRoomKeepsTheList) {
  const uint64_t op = Start(Reads(3));
  WaitOne();
  std::vector<evpoll_result> results(3);
  for (int32_t n : {2, 0, -1})
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_list_take(p, op, results.data(), n)) << n;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_list_take(p, op, nullptr, 3));
  ASSERT_EQ(3, Take(op, results));
  for (const evpoll_result &r : results) EXPECT_EQ(4, r.result);
}

TEST_P(IoList, TakeWithMoreRoomWritesOnlyTheEntries) {
  const uint64_t op = Start(Reads(2));
  WaitOne();
  std::vector<evpoll_result> results(4);
  std::memset(results.data(), 0xab, 4 * sizeof results[0]);
  const evpoll_result untouched = results[3];
  EXPECT_EQ(2, Take(op, results));
  EXPECT_EQ(4, results[1].result);
  EXPECT_EQ(0, std::memcmp(&untouched, &results[2], sizeof untouched));
  EXPECT_EQ(0, std::memcmp(&untouched, &results[3], sizeof untouched));
}

TEST_P(IoList, TakingTwiceIsNotFound) {
  const uint64_t op = Start(Reads(2));
  WaitOne();
  std::vector<evpoll_result> results(2);
  EXPECT_EQ(2, Take(op, results));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, Take(op, results));
}

TEST_P(IoList, TakeOfWhatIsNoListIsNotFound) {
  char to[4];
  std::vector<evpoll_result> results(2);
  const uint64_t single = RunIo(Read(to)).op;
  for (uint64_t op : {uint64_t{0}, uint64_t{1}, single, single + 1, single + 100, ~uint64_t{0}})
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, Take(op, results)) << op;
}

TEST_P(IoList, TakeOfASingleOperationInFlightIsNotFound) {
  char to[4];
  evpoll_io io = Read(to);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  std::vector<evpoll_result> results(1);
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, Take(io.op, results));
  WaitOne();
}

TEST_P(IoList, FinishedListsAreKeptUntilTheyAreTaken) {
  std::vector<uint64_t> ops;
  for (int i = 0; i < 50; i++) {
    std::vector<evpoll_io> ios = Reads(3);
    ios[2].length = static_cast<uint64_t>(i % 4 + 1);
    ops.push_back(Start(ios));
    WaitOne();
  }
  std::vector<evpoll_result> results(3);
  for (size_t i = ops.size(); i-- > 0;) {
    ASSERT_EQ(3, Take(ops[i], results));
    EXPECT_EQ(static_cast<int64_t>(i % 4 + 1), results[2].result);
  }
}

TEST_P(IoList, UntakenListsTakeNoRoom) {
  Open(0, 4);
  std::vector<uint64_t> ops;
  for (int i = 0; i < 10; i++) {
    ops.push_back(Start(Reads(4)));
    WaitOne();
  }
  std::vector<evpoll_result> results(4);
  for (uint64_t op : ops) EXPECT_EQ(4, Take(op, results));
}

TEST_P(IoList, NoEntriesAreInvalid) {
  std::vector<evpoll_io> ios = Reads(1);
  uint64_t op = 4711;
  for (int32_t n : {0, -1})
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_submit_list(p, ios.data(), n, 5, &op));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_submit_list(p, nullptr, 1, 5, &op));
  ExpectNothingStarted();
}

TEST_P(IoList, MoreEntriesThanTheLimitIsLimit) {
  Open(0, 8);
  std::vector<evpoll_io> ios = Reads(9);
  EXPECT_EQ(EVPOLL_ERR_LIMIT, evpoll_submit_list(p, ios.data(), 9, 5, nullptr));
  ExpectNothingStarted();
}

TEST_P(IoList, AsManyEntriesAsTheLimitAreServed) {
  for (uint32_t limit : {1u, 8u, 1000u}) {
    Open(0, limit);
    const uint64_t op = Start(Reads(limit));
    EXPECT_EQ(static_cast<int64_t>(limit), WaitOne().result);
    std::vector<evpoll_result> results(limit);
    EXPECT_EQ(static_cast<int32_t>(limit), Take(op, results));
  }
}

TEST_P(IoList, WithoutRoomForAllOfItNothingIsStarted) {
  Open(0, 8);
  char to[4];
  evpoll_io single = Read(to);
  ASSERT_EQ(1, evpoll_submit(p, &single, 1));
  std::vector<evpoll_io> ios = Reads(8);
  EXPECT_EQ(EVPOLL_ERR_AGAIN, evpoll_submit_list(p, ios.data(), 8, 5, nullptr));
  EXPECT_EQ(1u, Stats().io_submitted);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_IO), WaitOne().events);
  ExpectQuiet();
  Start(ios);
  EXPECT_EQ(8, WaitOne().result);
}

TEST_P(IoList, ItsEntriesCountAgainstTheLimitUntilItsEvent) {
  Open(0, 8);
  Start(Reads(7));
  char to[4];
  evpoll_io singles[2] = {Read(to), Read(to)};
  EXPECT_EQ(1, evpoll_submit(p, singles, 2));
  EXPECT_EQ(EVPOLL_ERR_AGAIN, singles[1].status);
  WaitFor(2);
  Start(Reads(8));
  EXPECT_EQ(8, WaitOne().result);
}

TEST_P(IoList, EachRefusedEntrySaysWhyAndNothingIsStarted) {
  Pair pair;
  std::vector<evpoll_io> ios = Reads(6);
  ios[1].code = 99;
  ios[3].handle = -1;
  ios[5].handle = pair.a;
  EXPECT_GT(0, evpoll_submit_list(p, ios.data(), 6, 5, nullptr));
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, ios[1].status);
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, ios[3].status);
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, ios[5].status);
  ExpectNothingStarted();
  EXPECT_EQ(std::string(buffer.size(), '\0'), Got()) << "an entry was run";
}

TEST_P(IoList, OneRefusedEntryAtAnyPlaceStopsAll) {
  for (size_t bad = 0; bad < 4; bad++) {
    std::vector<evpoll_io> ios = Reads(4);
    ios[bad].offset = -1;
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_submit_list(p, ios.data(), 4, 5, nullptr));
    EXPECT_EQ(EVPOLL_ERR_INVALID, ios[bad].status);
  }
  ExpectNothingStarted();
}

TEST_P(IoList, EntriesAreCheckedAsThoseOfSubmit) {
  std::vector<evpoll_io> wrong = Reads(6);
  wrong[0].flags = EVPOLL_OPF_ABORT;
  wrong[1].offset = -1;
  wrong[2].length = uint64_t{1} << 63;
  wrong[3].code = EVPOLL_OP_FSYNC;
  wrong[4].code = 0;
  wrong[5].code = EVPOLL_OP_CLOSE;
  wrong[5].timeout_ms = 1;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_submit_list(p, wrong.data(), 6, 5, nullptr));
  for (size_t i = 0; i < 6; i++)
    EXPECT_EQ(i != 4 ? EVPOLL_ERR_INVALID : EVPOLL_ERR_UNSUPPORTED, wrong[i].status) << i;
  ExpectNothingStarted();
}

TEST_P(IoList, SeveralListsAndSingleOperationsReportEachOnItsOwn) {
  struct List {
    std::vector<char> to; // in use until the event
    size_t entries;
  };
  constexpr size_t kLists = 20;
  std::map<uint64_t, List> lists;
  std::string single_to(kLists * 4, '\0');
  for (size_t i = 0; i < kLists; i++) {
    std::vector<evpoll_io> ios = Reads(i + 1);
    const uint64_t op = Start(ios, i);
    lists[op] = List{std::move(buffer), i + 1};
    evpoll_io io = Read(&single_to[4 * i], 4, static_cast<int64_t>(4 * i));
    io.token = 100 + i;
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  }
  size_t singles = 0;
  for (const evpoll_event &e : WaitFor(2 * kLists, 7)) {
    if (e.events == EVPOLL_IO) {
      EXPECT_LE(100u, e.token);
      EXPECT_EQ(4, e.result);
      singles++;
      continue;
    }
    ASSERT_EQ(1u, lists.count(e.op));
    EXPECT_EQ(e.token + 1, lists[e.op].entries);
    EXPECT_EQ(static_cast<int64_t>(e.token + 1), e.result);
    std::vector<evpoll_result> results(kLists);
    EXPECT_EQ(static_cast<int32_t>(e.token + 1), Take(e.op, results));
    lists.erase(e.op);
  }
  EXPECT_EQ(kLists, singles);
  EXPECT_TRUE(lists.empty());
  EXPECT_EQ(content.substr(0, single_to.size()), single_to);
}

TEST_P(IoList, CancelledItStillReportsOnceAndEveryEntryHasItsResult) {
  std::string data(16 * 65536, 'w');
  for (int round = 0; round < 10; round++) {
    std::vector<evpoll_io> ios;
    for (int i = 0; i < 16; i++)
      ios.push_back(MakeIo(EVPOLL_OP_WRITE, file.handle, 1, data.data(), 65536, 65536 * i));
    const uint64_t op = Start(ios);
    const int32_t asked = evpoll_cancel(p, op);
    EXPECT_TRUE(asked == EVPOLL_ERR_NOT_FOUND || (asked >= 0 && asked <= 16)) << asked;
    const evpoll_event e = WaitOne();
    EXPECT_EQ(op, e.op);
    std::vector<evpoll_result> results(16);
    ASSERT_EQ(16, Take(op, results));
    int64_t good = 0;
    for (const evpoll_result &r : results) {
      EXPECT_TRUE(r.status == EVPOLL_OK || r.status == EVPOLL_ERR_CANCELLED) << r.status;
      good += r.status == EVPOLL_OK;
    }
    EXPECT_EQ(good, e.result);
    EXPECT_EQ(good == 16 ? EVPOLL_OK : EVPOLL_ERR_PARTIAL, e.status);
  }
}

TEST_P(IoList, CancelOfADeliveredListIsNotFound) {
  const uint64_t op = Start(Reads(2));
  WaitOne();
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, op));
  std::vector<evpoll_result> results(2);
  EXPECT_EQ(2, Take(op, results));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_cancel(p, op));
}

TEST_P(IoList, CancelOfItsHandleReachesItsEntries) {
  // Whether in time or not: the list reports once, and those that were stopped say so.
  std::vector<evpoll_io> ios;
  for (int i = 0; i < 32; i++) ios.push_back(MakeIo(EVPOLL_OP_FSYNC, file.handle, 1));
  const uint64_t op = Start(ios);
  EXPECT_LE(0, evpoll_cancel_handle(p, file.handle));
  const evpoll_event e = WaitOne();
  std::vector<evpoll_result> results(32);
  ASSERT_EQ(32, Take(op, results));
  EXPECT_EQ(e.result, std::count_if(results.begin(), results.end(),
                                    [](const evpoll_result &r) { return r.status == 0; }));
}

TEST_P(IoList, StatsCountItsEntriesAsOperations) {
  Start(Reads(10));
  EXPECT_EQ(10u, Stats().io_submitted);
  EXPECT_EQ(10u, Stats().io_in_flight);
  WaitOne();
  EXPECT_EQ(10u, Stats().io_completed);
  EXPECT_EQ(0u, Stats().io_in_flight);
}

TEST_P(IoList, AfterShutdownItsResultsCanStillBeTaken) {
  const uint64_t op = Start(Reads(4));
  ASSERT_EQ(0, evpoll_shutdown(p));
  EXPECT_EQ(4, WaitOne().result);
  std::vector<evpoll_result> results(4);
  EXPECT_EQ(4, Take(op, results));
}

TEST_P(IoList, CloseDropsListsThatWereNotTaken) {
  Start(Reads(4));
  WaitOne();
  Start(Reads(4));
  Close(); // leaks are the address sanitizer's to find
}

} // namespace
} // namespace evp
