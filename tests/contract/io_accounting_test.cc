// SPDX-License-Identifier: MIT
// Exactly one completion for each accepted operation, whatever else happens.
#include "contract.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <unordered_map>

namespace evp {
namespace {

constexpr size_t kSmallWrite = 512;

// A crowd of random operations on one file: who is in flight, what was asked of whom, and whether
// each event is allowed to be what it is.
class Crowd {
public:
  Crowd(evpoll *poller, const TempFile &file, unsigned seed)
      : p_(poller), file_(file.handle), random_(seed), vectors_(HasVectors()) {}

  size_t InFlight() const { return flying_.size(); }
  uint64_t Submitted() const { return submitted_; }

  void Submit(size_t most) {
    std::vector<evpoll_io> ios(1 + random_() % most);
    std::vector<std::unique_ptr<Operation>> made;
    for (evpoll_io &io : ios) made.push_back(Make(io));
    const int32_t n = evpoll_submit(p_, ios.data(), static_cast<int32_t>(ios.size()));
    ASSERT_LE(0, n);
    int32_t accepted = 0;
    for (size_t i = 0; i < ios.size(); i++) {
      ASSERT_EQ(ios[i].op ? EVPOLL_OK : EVPOLL_ERR_AGAIN, ios[i].status);
      if (ios[i].op == 0) continue;
      accepted++;
      made[i]->op = ios[i].op;
      ASSERT_TRUE(flying_.emplace(ios[i].token, std::move(made[i])).second);
      submitted_++;
    }
    ASSERT_EQ(n, accepted);
  }

  void Cancel() {
    const unsigned which = random_() % 8;
    if (which < 6) { // one of them, or one that is gone
      const uint64_t token = next_token_ - 1 - random_() % 64;
      auto found = flying_.find(token);
      const int32_t asked =
          evpoll_cancel(p_, found == flying_.end() ? last_op_ : found->second->op);
      if (found == flying_.end()) {
        ASSERT_TRUE(asked == EVPOLL_ERR_NOT_FOUND) << asked;
        return;
      }
      ASSERT_TRUE(asked == 1 || asked == EVPOLL_ERR_NOT_FOUND) << asked;
      found->second->asked = true;
      return;
    }
    const int32_t asked = which == 6 ? evpoll_cancel_all(p_) : evpoll_cancel_handle(p_, file_);
    ASSERT_LE(0, asked);
    ASSERT_GE(static_cast<int32_t>(flying_.size()), asked);
    for (auto &each : flying_) each.second->asked = true;
  }

  void Take(const evpoll_event &e) {
    ASSERT_EQ(static_cast<uint32_t>(EVPOLL_IO), e.events);
    auto found = flying_.find(e.token);
    ASSERT_NE(flying_.end(), found) << "token " << e.token << " twice, or never submitted";
    const Operation &o = *found->second;
    ASSERT_EQ(o.op, e.op);
    if (e.status == EVPOLL_ERR_CANCELLED) {
      ASSERT_TRUE(o.asked) << "cancelled, and nobody had asked for it";
    } else {
      ASSERT_EQ(EVPOLL_OK, e.status) << "system's code " << e.result;
      ASSERT_EQ(o.expected, e.result) << "code " << o.code;
      if (o.code == EVPOLL_OP_READ || o.code == EVPOLL_OP_READV) {
        ASSERT_EQ(std::string(o.buffer.size(), 'r'), o.buffer);
      }
    }
    last_op_ = e.op;
    flying_.erase(found);
  }

private:
  struct Operation {
    uint64_t op = 0;
    uint32_t code = 0;
    int64_t expected = 0;
    bool asked = false;
    std::string buffer;
    evpoll_iovec pieces[3] = {};
  };

  bool HasVectors() {
    struct evpoll_poller_info info = {};
    info.struct_size = sizeof info;
    EXPECT_EQ(0, evpoll_info(p_, &info));
    return info.features & EVPOLL_FEATURE_VECTORED_IO;
  }

  // The first half of the file is read, and full of 'r'; the second half is written.
  std::unique_ptr<Operation> Make(evpoll_io &io) {
    static constexpr uint32_t kCodes[] = {EVPOLL_OP_READ, EVPOLL_OP_WRITE, EVPOLL_OP_READV,
                                          EVPOLL_OP_WRITEV};
    auto o = std::make_unique<Operation>();
    o->code = random_() % 100 == 0 ? (random_() % 2 ? EVPOLL_OP_FSYNC : EVPOLL_OP_FDATASYNC)
                                   : kCodes[random_() % (vectors_ ? 4 : 2)];
    io = MakeIo(o->code, file_, next_token_++);
    if (o->code >= EVPOLL_OP_FSYNC) return o;
    const bool writes = o->code == EVPOLL_OP_WRITE || o->code == EVPOLL_OP_WRITEV;
    o->buffer.assign(random_() % kSmallWrite + 1, writes ? 'w' : '.');
    o->expected = static_cast<int64_t>(o->buffer.size());
    io.offset = static_cast<int64_t>((random_() % 64 + (writes ? 64 : 0)) * kSmallWrite);
    io.buffer = EVPOLL_ADDR(o->buffer.data());
    io.length = o->buffer.size();
    if (o->code == EVPOLL_OP_READV || o->code == EVPOLL_OP_WRITEV) {
      const uint64_t third = o->buffer.size() / 3;
      for (unsigned i = 0; i < 3; i++) {
        o->pieces[i].address = io.buffer + i * third;
        o->pieces[i].length = i < 2 ? third : io.length - 2 * third;
      }
      io.buffer = EVPOLL_ADDR(o->pieces);
      io.length = 3;
    }
    return o;
  }

  evpoll *p_;
  evpoll_handle file_;
  std::mt19937 random_;
  bool vectors_;
  uint64_t next_token_ = 1000, last_op_ = ~uint64_t{0}, submitted_ = 0;
  std::unordered_map<uint64_t, std::unique_ptr<Operation>> flying_;
};

class IoAccounting : public Contract {
protected:
  void ExpectStatsAddUp(uint64_t submitted) {
    const struct evpoll_poller_stats stats = Stats();
    EXPECT_EQ(submitted, stats.io_submitted);
    EXPECT_EQ(stats.io_submitted, stats.io_completed + stats.io_in_flight);
  }
  evpoll_io Read(uint64_t token) {
    char *const own = &buffers[16 * (reads++ % 4096)]; // no two in flight share one
    return MakeIo(EVPOLL_OP_READ, file.handle, token, own, 16);
  }

  File file{*this, std::string(64 * kSmallWrite, 'r') + std::string(65 * kSmallWrite, 'w')};
  std::vector<char> buffers = std::vector<char>(16 * 4096);
  size_t reads = 0;
};
INSTANTIATE_TEST_SUITE_P(On, IoAccounting, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoAccounting, RandomOperationsAllCompleteOnce) {
  Crowd crowd(p, file, 1);
  for (int round = 0; round < Rounds(1000); round++) {
    crowd.Submit(16);
    for (const evpoll_event &e : Wait(round % 3 ? 0 : kLong, 1 + round % 20)) crowd.Take(e);
    if (HasFailure()) break;
  }
  while (crowd.InFlight() && !HasFailure())
    for (const evpoll_event &e : Wait()) crowd.Take(e);
  ExpectQuiet();
  ExpectStatsAddUp(crowd.Submitted());
}

TEST_P(IoAccounting, RandomOperationsWithRandomCancelsAllCompleteOnce) {
  Crowd crowd(p, file, 2);
  std::mt19937 random(3);
  for (int round = 0; round < Rounds(2000) && !HasFailure(); round++) {
    crowd.Submit(32);
    for (unsigned i = random() % 4; i > 0; i--) crowd.Cancel();
    if (random() % 2)
      for (const evpoll_event &e : Wait(0, static_cast<int32_t>(random() % 40 + 1))) crowd.Take(e);
    while (crowd.InFlight() > 1000 && !HasFailure())
      for (const evpoll_event &e : Wait()) crowd.Take(e);
  }
  while (crowd.InFlight() && !HasFailure())
    for (const evpoll_event &e : Wait()) crowd.Take(e);
  ExpectQuiet();
  ExpectStatsAddUp(crowd.Submitted());
}

TEST_P(IoAccounting, RandomOperationsAtATightLimitAllCompleteOnce) {
  Open(0, 5);
  Crowd crowd(p, file, 4);
  for (int round = 0; round < Rounds(2000) && !HasFailure(); round++) {
    crowd.Submit(8);
    ASSERT_GE(5u, crowd.InFlight());
    if (round % 5 == 0) crowd.Cancel();
    for (const evpoll_event &e : Wait(kLong, 1 + round % 4)) crowd.Take(e);
  }
  while (crowd.InFlight() && !HasFailure())
    for (const evpoll_event &e : Wait()) crowd.Take(e);
  ExpectQuiet();
  ExpectStatsAddUp(crowd.Submitted());
}

TEST_P(IoAccounting, WaitsOfCapacity1GetAll) {
  std::vector<evpoll_io> ios;
  for (uint64_t i = 0; i < 1000; i++) ios.push_back(Read(i));
  ASSERT_EQ(1000, evpoll_submit(p, ios.data(), 1000));
  std::vector<int> seen(1000);
  for (const evpoll_event &e : WaitFor(1000, 1)) EXPECT_EQ(1, ++seen[e.token]);
  ExpectQuiet();
}

TEST_P(IoAccounting, WaitsWithTimeout0GetAll) {
  std::vector<evpoll_io> ios;
  for (uint64_t i = 0; i < 200; i++)
    ios.push_back(i % 20 ? Read(i) : MakeIo(EVPOLL_OP_FSYNC, file.handle, i));
  ASSERT_EQ(200, evpoll_submit(p, ios.data(), 200));
  size_t got = 0;
  EXPECT_TRUE(Until([&] { return (got += Wait(0, 7).size()) >= 200; })) << got;
  EXPECT_EQ(200u, got);
}

TEST_P(IoAccounting, WaitsWithShortTimeoutsGetAll) {
  std::vector<evpoll_io> ios;
  for (uint64_t i = 0; i < 200; i++)
    ios.push_back(i % 20 ? Read(i) : MakeIo(EVPOLL_OP_FSYNC, file.handle, i));
  ASSERT_EQ(200, evpoll_submit(p, ios.data(), 200));
  size_t got = 0;
  EXPECT_TRUE(Until([&] { return (got += Wait(1000, 7).size()) >= 200; })) << got;
  EXPECT_EQ(200u, got);
}

TEST_P(IoAccounting, AWaitThatTimedOutLosesNothing) {
  // The wait ends before there is anything to report; what comes then is for the next.
  for (int round = 0; round < 50; round++) {
    EXPECT_TRUE(Wait(1000).empty());
    evpoll_io io = MakeIo(EVPOLL_OP_FSYNC, file.handle, 7);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    std::vector<evpoll_event> events = Wait(1);
    if (events.empty()) events = Wait();
    ASSERT_EQ(1u, events.size());
    EXPECT_EQ(io.op, events[0].op);
  }
}

TEST_P(IoAccounting, SubmissionsBetweenPartialWaitsGetAll) {
  uint64_t next = 0;
  std::vector<int> seen(3000);
  for (size_t got = 0; got < seen.size() && !HasFailure();) {
    for (int i = 0; i < 5 && next < seen.size(); i++) {
      evpoll_io io = Read(next++);
      ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    }
    const std::vector<evpoll_event> events = Wait(kLong, 3);
    for (const evpoll_event &e : events) ASSERT_EQ(1, ++seen[e.token]);
    got += events.size();
  }
}

TEST_P(IoAccounting, AnFsyncCoversWritesReceivedBeforeAndReportsAfterThem) {
  std::vector<char> data(4096, 'w');
  for (int round = 0; round < 10; round++) {
    std::vector<evpoll_io> ios;
    for (uint64_t i = 0; i < 16; i++)
      ios.push_back(MakeIo(EVPOLL_OP_WRITE, file.handle, i, data.data(), data.size(),
                           static_cast<int64_t>(i * data.size())));
    ASSERT_EQ(16, evpoll_submit(p, ios.data(), 16));
    for (const evpoll_event &e : WaitFor(16)) EXPECT_EQ(4096, e.result);
    EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_FDATASYNC, file.handle, 99)).status);
  }
}

TEST_P(IoAccounting, StatsFollowEveryStep) {
  ExpectStatsAddUp(0);
  evpoll_io ios[10];
  for (uint64_t i = 0; i < 10; i++) ios[i] = Read(i);
  ASSERT_EQ(10, evpoll_submit(p, ios, 10));
  EXPECT_EQ(10u, Stats().io_in_flight);
  ExpectStatsAddUp(10);
  for (uint64_t left = 10; left-- > 0;) {
    ASSERT_EQ(1u, Wait(kLong, 1).size());
    EXPECT_EQ(left, Stats().io_in_flight);
    ExpectStatsAddUp(10);
  }
  EXPECT_EQ(10u, Stats().events);
  EXPECT_EQ(0u, Stats().io_cancelled);
}

TEST_P(IoAccounting, ManyPollersDoNotMixUpTheirOperations) {
  constexpr size_t kPollers = 8;
  std::vector<evpoll *> pollers(kPollers, nullptr);
  std::vector<std::unique_ptr<TempFile>> files;
  evpoll_options options = {};
  options.struct_size = sizeof options;
  options.flags = GetParam().flags;
  for (size_t i = 0; i < kPollers; i++) {
    ASSERT_EQ(0, evpoll_open(&options, &pollers[i]));
    files.push_back(std::make_unique<TempFile>("content"));
    ASSERT_EQ(0, Serve(pollers[i], files[i]->handle));
  }
  for (int round = 0; round < 20; round++) {
    for (size_t i = 0; i < kPollers; i++) {
      evpoll_io io = MakeIo(EVPOLL_OP_READ, files[i]->handle, i, &buffers[i], 1);
      ASSERT_EQ(1, evpoll_submit(pollers[i], &io, 1));
    }
    for (size_t i = kPollers; i-- > 0;) {
      evpoll_event e;
      ASSERT_EQ(1, evpoll_wait(pollers[i], &e, 1, kLong));
      EXPECT_EQ(i, e.token);
    }
  }
  for (evpoll *q : pollers) EXPECT_EQ(0, evpoll_close(q, kLong));
}

} // namespace
} // namespace evp
