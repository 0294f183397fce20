// SPDX-License-Identifier: MIT
// APPEND: records in the order of their submission, each whole, each at the place that is reported.
#include "contract.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace evp {
namespace {

constexpr uint32_t kReads = EVPOLL_FILE_READ, kWrites = EVPOLL_FILE_WRITE,
                   kAppends = EVPOLL_FILE_APPEND | EVPOLL_FILE_READ | EVPOLL_FILE_WRITE;

class IoAppend : public Contract {
protected:
  void SetUp() override {
    Contract::SetUp();
    file.Close(); // on Windows nobody else may write
    ASSERT_EQ(0, evpoll_file_open(file.path.c_str(), kAppends, 0, &log));
    ASSERT_EQ(0, Serve(p, log));
  }
  void TearDown() override {
    if (log >= 0) {
      EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_CLOSE, log, 99)).status);
    }
    Contract::TearDown();
  }
  evpoll_io Append(const std::string &record, uint64_t token = 1, uint32_t flags = 0) {
    char *const data = const_cast<char *>(record.data());
    evpoll_io io = MakeIo(EVPOLL_OP_APPEND, log, token, data, record.size());
    io.flags = flags;
    return io;
  }
  int32_t Refuse(evpoll_io io) {
    EXPECT_EQ(0, evpoll_submit(p, &io, 1));
    return io.status;
  }
  std::string Content() {
    std::ifstream in(file.path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  // Record i of a writer: its length is another each time.
  static std::string Record(size_t writer, size_t i) {
    std::string r = std::to_string(writer) + ":" + std::to_string(i) + ":";
    return r + std::string((writer * 7 + i * 13) % 200, static_cast<char>('a' + writer % 26)) +
           "\n";
  }

  // Durable ones, so that most of them wait.
  std::vector<std::string> SubmitMany(std::vector<evpoll_io> *ios_out = nullptr) {
    std::vector<std::string> records;
    std::vector<evpoll_io> ios;
    for (size_t i = 0; i < 500; i++) records.push_back(Record(3, i));
    for (const std::string &r : records) ios.push_back(Append(r, ios.size(), EVPOLL_OPF_DURABLE));
    EXPECT_EQ(500, evpoll_submit(p, ios.data(), 500));
    if (ios_out) *ios_out = ios;
    return records;
  }
  // What is reported as written is in the file, and nothing else.
  void ExpectWritten(const std::vector<evpoll_event> &events,
                     const std::vector<std::string> &records) {
    std::map<int64_t, std::string> written;
    for (const evpoll_event &e : events) {
      if (e.status == EVPOLL_OK)
        written[e.result] = records[e.token];
      else
        EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
    }
    std::string expected = "head\n";
    for (const auto &[place, record] : written) {
      EXPECT_EQ(static_cast<int64_t>(expected.size()), place);
      expected += record;
    }
    EXPECT_TRUE(expected == Content());
  }

  TempFile file{"head\n"};
  evpoll_handle log = -1;
};
INSTANTIATE_TEST_SUITE_P(On, IoAppend, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoAppend, TellsThePlaceOfTheRecord) {
  for (uint32_t flags : {0u, EVPOLL_OPF_DURABLE + 0u}) {
    const std::string before = Content();
    const evpoll_event e = RunIo(Append("record\n", 7, flags));
    EXPECT_EQ(EVPOLL_OK, e.status);
    EXPECT_EQ(static_cast<int64_t>(before.size()), e.result);
    EXPECT_EQ(before + "record\n", Content());
  }
}

TEST_P(IoAppend, RecordsStandInTheOrderOfTheirSubmission) {
  // More than one call of the system takes.
  std::vector<std::string> records;
  std::vector<evpoll_io> ios;
  for (size_t i = 0; i < 3000; i++) records.push_back(Record(1, i));
  for (size_t i = 0; i < records.size(); i++)
    ios.push_back(Append(records[i], i, i % 100 ? 0 : EVPOLL_OPF_DURABLE));
  std::string expected = "head\n";
  std::vector<int64_t> places;
  for (const std::string &r : records) {
    places.push_back(static_cast<int64_t>(expected.size()));
    expected += r;
  }
  ASSERT_EQ(3000, evpoll_submit(p, ios.data(), 3000));
  for (const evpoll_event &e : WaitFor(3000)) {
    EXPECT_EQ(EVPOLL_OK, e.status);
    EXPECT_EQ(places[e.token], e.result) << e.token;
  }
  EXPECT_TRUE(expected == Content());
}

TEST_P(IoAppend, LargeRecordsAreWholeToo) {
  std::vector<std::string> records;
  for (size_t n : {100u, 3u << 20, 5u, 1u << 20, (1u << 20) - 1, 2u, 2u << 20})
    records.push_back(std::string(n, static_cast<char>('a' + records.size())));
  std::vector<evpoll_io> ios;
  std::string expected = "head\n";
  for (const std::string &r : records) {
    ios.push_back(Append(r, expected.size()));
    expected += r;
  }
  const auto n = static_cast<int32_t>(ios.size());
  ASSERT_EQ(n, evpoll_submit(p, ios.data(), n));
  for (const evpoll_event &e : WaitFor(ios.size())) {
    EXPECT_EQ(EVPOLL_OK, e.status);
    EXPECT_EQ(static_cast<int64_t>(e.token), e.result);
  }
  EXPECT_TRUE(expected == Content());
}

TEST_P(IoAppend, ListsTakeRecords) {
  const std::string one = "one\n", two = "two\n";
  std::vector<evpoll_io> ios = {Append(one), Append(two, 0, EVPOLL_OPF_DURABLE)};
  uint64_t list = 0;
  ASSERT_EQ(2, evpoll_submit_list(p, ios.data(), 2, 9, &list));
  EXPECT_EQ(2, WaitOne().result);
  evpoll_result results[2];
  ASSERT_EQ(2, evpoll_list_take(p, list, results, 2));
  EXPECT_EQ(5, results[0].result);
  EXPECT_EQ(9, results[1].result);
  EXPECT_EQ("head\none\ntwo\n", Content());
}

TEST_P(IoAppend, MayBeSubmittedInlineAndIsReportedOnce) {
  const std::string record = "record\n";
  evpoll_io io = Append(record, 7, EVPOLL_OPF_INLINE);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(5, io.op ? WaitOne().result : io.offset);
  ExpectQuiet();
}

TEST_P(IoAppend, SixtyFourWritersHaveExactPlaces) {
  constexpr size_t kWriters = 64;
  const size_t each = Slow() ? 20 : 200;
  std::vector<std::vector<std::string>> records(kWriters);
  for (size_t w = 0; w < kWriters; w++)
    for (size_t i = 0; i < each; i++) records[w].push_back(Record(w, i));
  std::vector<Thread> threads;
  for (size_t w = 0; w < kWriters; w++)
    threads.push_back(Thread([&, w] {
      for (size_t i = 0; i < each; i++) {
        const uint32_t flags = (w + i) % 16 ? 0 : EVPOLL_OPF_DURABLE;
        evpoll_io io = Append(records[w][i], w * each + i, flags);
        EXPECT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status);
      }
    }));
  std::map<int64_t, uint64_t> by_place;
  std::vector<int64_t> place_of(kWriters * each);
  for (const evpoll_event &e : WaitFor(kWriters * each)) {
    ASSERT_EQ(EVPOLL_OK, e.status);
    EXPECT_TRUE(by_place.emplace(e.result, e.token).second) << "two at " << e.result;
    place_of[e.token] = e.result;
  }
  // Nothing but whole records, one behind the other.
  const std::string content = Content();
  int64_t at = 5;
  for (const auto &[place, token] : by_place) {
    const std::string &record = records[token / each][token % each];
    ASSERT_EQ(at, place);
    ASSERT_EQ(record, content.substr(static_cast<size_t>(place), record.size()));
    at += static_cast<int64_t>(record.size());
  }
  EXPECT_EQ(at, static_cast<int64_t>(content.size()));
  // Those of a thread are in its order.
  for (size_t w = 0; w < kWriters; w++)
    EXPECT_TRUE(std::is_sorted(place_of.begin() + static_cast<std::ptrdiff_t>(w * each),
                               place_of.begin() + static_cast<std::ptrdiff_t>((w + 1) * each)));
}

TEST_P(IoAppend, WhatIsCancelledIsNotInTheFileAndWhatIsReportedIs) {
  std::vector<evpoll_io> ios;
  const std::vector<std::string> records = SubmitMany(&ios);
  for (size_t i = 1; i < ios.size(); i += 2) evpoll_cancel(p, ios[ios.size() - i].op);
  EXPECT_LE(0, evpoll_cancel_handle(p, log));
  ExpectWritten(WaitFor(records.size()), records);
}

TEST_P(IoAppend, RemoveReportsWhatIsQueued) {
  const std::vector<std::string> records = SubmitMany();
  const int32_t removed = evpoll_remove(p, log, kServed);
  EXPECT_TRUE(removed == 0 || removed == EVPOLL_ERR_BUSY) << removed;
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, Refuse(Append(records[0])));
  ExpectWritten(WaitFor(records.size()), records);
  EXPECT_NE(EVPOLL_ERR_BUSY, evpoll_remove(p, log, kServed));
  EXPECT_EQ(0, evpoll_file_close(log));
  log = -1;
}

TEST_P(IoAppend, CloseReportsWhatIsQueuedAndIsTheLast) {
  const std::vector<std::string> records = SubmitMany();
  evpoll_io close = MakeIo(EVPOLL_OP_CLOSE, log, 1000);
  EXPECT_EQ(1, evpoll_submit(p, &close, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, Refuse(Append(records[0])));
  std::vector<evpoll_event> events = WaitFor(records.size() + 1);
  EXPECT_EQ(1000u, events.back().token);
  events.pop_back();
  ExpectWritten(events, records);
  log = -1;
}

TEST_P(IoAppend, ShutdownDeliversThem) {
  std::vector<std::string> records;
  std::vector<evpoll_io> ios;
  for (size_t i = 0; i < 100; i++) records.push_back(Record(1, i));
  for (size_t i = 0; i < records.size(); i++) ios.push_back(Append(records[i], i));
  ASSERT_EQ(100, evpoll_submit(p, ios.data(), 100));
  ASSERT_EQ(0, evpoll_shutdown(p));
  size_t n = 0;
  evpoll_event events[16];
  for (int32_t got; (got = evpoll_wait(p, events, 16, kLong)) >= 0; n += static_cast<size_t>(got))
    for (int32_t i = 0; i < got; i++) EXPECT_EQ(EVPOLL_OK, events[i].status);
  EXPECT_EQ(100u, n);
  std::string expected = "head\n";
  for (const std::string &r : records) expected += r;
  EXPECT_EQ(expected, Content());
  Open();
  EXPECT_EQ(0, evpoll_file_close(log));
  log = -1;
}

TEST_P(IoAppend, ClosingThePollerEndsWhatIsQueued) {
  std::vector<std::string> records(1000, "a record\n");
  std::vector<evpoll_io> ios;
  for (const std::string &r : records) ios.push_back(Append(r, 1, EVPOLL_OPF_DURABLE));
  ASSERT_EQ(1000, evpoll_submit(p, ios.data(), 1000));
  Close();
  EXPECT_EQ(0u, (Content().size() - 5) % records[0].size()) << "whole records only";
  Open();
  EXPECT_EQ(0, evpoll_file_close(log));
  log = -1;
}

TEST_P(IoAppend, IsForFilesThatWereOpenedForIt) {
  File other(*this, "abc");
  char text[] = "xyz";
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refuse(MakeIo(EVPOLL_OP_APPEND, other.handle, 5, text, 3)));
  evpoll_io list = MakeIo(EVPOLL_OP_APPEND, other.handle, 5, text, 3);
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_submit_list(p, &list, 1, 9, nullptr));
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refuse(MakeIo(EVPOLL_OP_WRITE, log, 5, text, 3)));
  if (Has(EVPOLL_FEATURE_VECTORED_IO)) {
    evpoll_iovec piece = {};
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refuse(MakeIo(EVPOLL_OP_WRITEV, log, 5, &piece, 1)));
  }
  EXPECT_EQ(5, RunIo(MakeIo(EVPOLL_OP_SIZE, log, 5)).result);
  char back[16];
  EXPECT_EQ(5, RunIo(MakeIo(EVPOLL_OP_READ, log, 5, back, sizeof back)).result);
  EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_FSYNC, log, 5)).status);
}

TEST_P(IoAppend, RefusesWhatIsNoRecord) {
  char text[] = "xyz";
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(MakeIo(EVPOLL_OP_APPEND, log, 5, text, 3, 1)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(MakeIo(EVPOLL_OP_APPEND, log, 5, text, 3, -1)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(MakeIo(EVPOLL_OP_APPEND, log, 5, text, 0)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(MakeIo(EVPOLL_OP_APPEND, log, 5, nullptr, 3)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(MakeIo(EVPOLL_OP_APPEND, log, 5, text, uint64_t{1} << 63)));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, Refuse(MakeIo(EVPOLL_OP_APPEND, -1, 5, text, 3)));
  for (uint32_t flag :
       {EVPOLL_OPF_NOWAIT, EVPOLL_OPF_ALL, EVPOLL_OPF_ABSOLUTE, EVPOLL_OPF_ABORT, EVPOLL_OPF_MORE})
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(Append("xyz", 5, flag))) << flag;
  EXPECT_EQ("head\n", Content());
}

TEST_P(IoAppend, ARecordInUnmappedMemoryHarmsNoOther) {
  std::vector<std::string> records;
  std::vector<evpoll_io> ios;
  std::string whole = Content();
  for (size_t i = 0; i < 40; i++) records.push_back(Record(5, i));
  for (size_t i = 0; i < records.size(); i++) {
    ios.push_back(Append(records[i], i));
    if (i % 7 == 3)
      ios.back().buffer = 64;
    else
      whole += records[i];
  }
  ASSERT_EQ(40, evpoll_submit(p, ios.data(), 40));
  for (const evpoll_event &e : WaitFor(40)) {
    const bool is_bad = e.token % 7 == 3;
    EXPECT_EQ(is_bad ? EVPOLL_ERR_FAULT : EVPOLL_OK, e.status) << e.token;
    if (!is_bad) {
      EXPECT_EQ(records[e.token],
                Content().substr(static_cast<size_t>(e.result), records[e.token].size()));
    }
  }
  EXPECT_EQ(whole, Content());
}

TEST_P(IoAppend, ASecondOpenerIsBusy) {
  evpoll_handle second = -1;
  for (uint32_t more : {0u, uint32_t{EVPOLL_FILE_TRUNCATE}}) {
    const uint32_t flags = kAppends | more;
    EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_file_open(file.path.c_str(), flags, 0, &second)) << more;
    EXPECT_EQ(-1, second);
  }
  EXPECT_EQ("head\n", Content()) << "it was not cut";
  EXPECT_EQ(0, evpoll_file_open(file.path.c_str(), kReads, 0, &second)) << "readers may";
  EXPECT_EQ(0, evpoll_file_close(second));
  EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_CLOSE, log, 99)).status);
  ASSERT_EQ(0, evpoll_file_open(file.path.c_str(), kAppends | EVPOLL_FILE_TRUNCATE, 0, &log));
  ASSERT_EQ(0, Serve(p, log));
  EXPECT_EQ(0, RunIo(Append("first\n")).result);
  EXPECT_EQ("first\n", Content());
}

TEST_P(IoAppend, ANewDurableLogIsThere) {
  const std::string name = file.path + ".new";
  evpoll_handle h = -1;
  const uint32_t flags = EVPOLL_FILE_APPEND | kWrites | EVPOLL_FILE_CREATE | EVPOLL_FILE_DURABLE;
  ASSERT_EQ(0, evpoll_file_open(name.c_str(), flags, 0600, &h));
  ASSERT_EQ(0, Serve(p, h));
  const std::string record = "first\n";
  evpoll_io io = Append(record, 1, EVPOLL_OPF_DURABLE);
  io.handle = h;
  EXPECT_EQ(0, RunIo(io).result);
  EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_CLOSE, h, 2)).status);
  EXPECT_EQ(0, std::remove(name.c_str()));
}

} // namespace
} // namespace evp
