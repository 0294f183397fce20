// SPDX-License-Identifier: MIT
// Reads that the cache does not have, by threads that end: the kernel gives such reads up (EFAULT),
// and they are done all the same.
#include "contract.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>

namespace evp {
namespace {

class IoCold : public Contract {
protected:
  static constexpr uint64_t kBatch = 64, kPage = 4096, kPages = 1024;

  static std::string Content() {
    std::string text(kPages * kPage, ' ');
    for (size_t i = 0; i < text.size(); i++) text[i] = At(i);
    return text;
  }
  static char At(size_t place) { return static_cast<char>('a' + place / kPage % 23); }
  void MakeCold() {
    fdatasync(static_cast<int>(file.handle));
    posix_fadvise(static_cast<int>(file.handle), 0, 0, POSIX_FADV_DONTNEED);
  }
  // A batch by a thread that ends then.
  void SubmitAndEnd(uint64_t round) {
    MakeCold();
    Thread submitter([&] {
      evpoll_io ios[kBatch];
      for (uint64_t i = 0; i < kBatch; i++) {
        places[i] = (round * 131 + i * 37) % kPages * kPage;
        ios[i] = MakeIo(EVPOLL_OP_READ, file.handle, i, &bytes[i * kPage], kPage,
                        static_cast<int64_t>(places[i]));
      }
      EXPECT_EQ(static_cast<int32_t>(kBatch), evpoll_submit(p, ios, kBatch));
    });
  }
  void Check(const evpoll_event &e) {
    EXPECT_EQ(EVPOLL_OK, e.status) << evpoll_strerror(e.status) << " " << e.result;
    EXPECT_EQ(static_cast<int64_t>(kPage), e.result);
    EXPECT_EQ(std::string(kPage, At(places[e.token])), std::string(&bytes[e.token * kPage], kPage));
  }

  File file{*this, Content()};
  std::vector<char> bytes = std::vector<char>(kBatch * kPage);
  size_t places[kBatch] = {};
};
INSTANTIATE_TEST_SUITE_P(On, IoCold, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoCold, ReadsOfThreadsThatHaveEndedSucceed) {
  posix_fadvise(static_cast<int>(file.handle), 0, 0, POSIX_FADV_RANDOM);
  for (int round = 0; round < Rounds(62); round++) { // 4000 reads
    SubmitAndEnd(static_cast<uint64_t>(round));
    std::vector<int> seen(kBatch);
    for (const evpoll_event &e : WaitFor(kBatch)) {
      ASSERT_EQ(1, ++seen[e.token]);
      Check(e);
    }
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

TEST_P(IoCold, TheyAreCancelledOrSucceed) {
  posix_fadvise(static_cast<int>(file.handle), 0, 0, POSIX_FADV_RANDOM);
  for (int round = 0; round < Rounds(20); round++) {
    SubmitAndEnd(static_cast<uint64_t>(round));
    EXPECT_LE(0, evpoll_cancel_all(p));
    for (const evpoll_event &e : WaitFor(kBatch))
      if (e.status != EVPOLL_ERR_CANCELLED) Check(e);
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

EVP_CONTRACT_MANY(IoColdWaiters);

TEST_P(IoColdWaiters, OneOfManyGetsEach) {
  File file(*this, std::string(1 << 20, 'c'));
  std::vector<char> bytes(256 * 4096);
  std::atomic<int> good{0}, bad{0};
  std::vector<Thread> waiters;
  for (int i = 0; i < 4; i++)
    waiters.emplace_back([&] {
      evpoll_event events[8];
      for (int32_t n; (n = LongWait(p, events, 8)) > 0;)
        for (int32_t k = 0; k < n; k++) (events[k].status == 0 ? good : bad)++;
    });
  int expected = 0;
  for (int round = 0; round < Rounds(20); round++) {
    fdatasync(static_cast<int>(file.handle));
    posix_fadvise(static_cast<int>(file.handle), 0, 0, POSIX_FADV_DONTNEED);
    Thread submitter([&] {
      evpoll_io ios[256];
      for (uint64_t i = 0; i < 256; i++)
        ios[i] = MakeIo(EVPOLL_OP_READ, file.handle, i, &bytes[i * 4096], 4096,
                        static_cast<int64_t>(i * 4096));
      EXPECT_EQ(256, evpoll_submit(p, ios, 256));
    });
    submitter.Join();
    expected += 256;
    ASSERT_TRUE(Until([&] { return good + bad == expected; })) << good << " of " << expected;
  }
  EXPECT_EQ(0, bad);
  EXPECT_EQ(0, evpoll_shutdown(p));
}

} // namespace
} // namespace evp
