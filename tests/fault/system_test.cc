// SPDX-License-Identifier: MIT
// Every system call fails once, with each error that it may have: the documented status comes, no
// event is lost, nothing hangs, nothing leaks, and the poller works on.
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

struct Fault {
  const char *name;
  fault::Call call;
  int error;
  int32_t status; // the only failure that a caller may see; 0: none
};

// The configurations, each with each fault.
struct Case {
  Config config;
  Fault fault;
};
std::vector<Case> Cases(const std::vector<Fault> &faults) {
  std::vector<Case> cases;
  for (const Config &c : Configs())
    for (const Fault &f : faults) cases.push_back({c, f});
  return cases;
}
std::string CaseName(const ::testing::TestParamInfo<Case> &info) {
  return std::string(info.param.config.name) + "_" + info.param.fault.name;
}

class FaultCase : public ::testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    Warm();
    pieces = fault::LivePieces();
    descriptors = fault::OpenDescriptors();
  }
  void TearDown() override {
    Disarm();
    EXPECT_EQ(nullptr, p);
    EXPECT_EQ(pieces, fault::LivePieces()) << "memory was lost";
    EXPECT_EQ(descriptors, fault::OpenDescriptors()) << "descriptors were lost";
  }
  const Fault &TheFault() const { return GetParam().fault; }
  bool Pool() const { return GetParam().config.flags & EVPOLL_OPEN_NO_URING; }

  int32_t Open() {
    evpoll_options options = {};
    options.struct_size = sizeof options;
    options.flags = GetParam().config.flags;
    return evpoll_open(&options, &p);
  }
  void Close() {
    if (!p) return;
    ASSERT_EQ(0, evpoll_close(p, kLong));
    p = nullptr;
  }
  // What lives as long as the process is made by its first poller.
  void Warm() {
    ASSERT_EQ(0, Open());
    ASSERT_EQ(0, Serve(p, file.handle));
    evpoll_io io = Read(1);
    evpoll_event e;
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    ASSERT_EQ(1, evpoll_wait(p, &e, 1, kLong));
    Close();
  }
  evpoll_io Read(uint64_t token) {
    return MakeIo(EVPOLL_OP_READ, file.handle, token, &bytes[token % bytes.size()], 1);
  }
  // Fails unless the status is a success, or the one that the fault may cause.
  bool Allowed(int32_t status) {
    const bool allowed = status >= 0 || (TheFault().status && status == TheFault().status);
    EXPECT_TRUE(allowed) << evpoll_strerror(status) << ", os error " << evpoll_os_error();
    return status >= 0;
  }

  // A life of a poller, in which any call may fail: whatever was accepted must report, once.
  void Live() {
    struct Sockets {
      evpoll_handle a = -1, b = -1;
    } s;
    ASSERT_EQ(0, evpoll_socket_pair(&s.a, &s.b));
    ASSERT_EQ(1, evpoll_socket_send(s.b, "x", 1));
    size_t expected = 0;
    const bool added = Allowed(evpoll_add(p, s.a, 100, EVPOLL_READABLE, EVPOLL_ONESHOT));
    expected += added;
    expected += Allowed(evpoll_post(p, 101, 1));
    ASSERT_EQ(0, evpoll_wake(p));
    expected++;
    bool served = false;
    for (int tries = 0; tries < 9 && !served; tries++) served = Allowed(Serve(p, file.handle));
    ASSERT_TRUE(served);
    for (uint64_t i = 0; i < 3; i++) {
      evpoll_io ios[4];
      for (uint64_t k = 0; k < 4; k++) ios[k] = Read(4 * i + k);
      ios[3] = MakeIo(i % 2 ? EVPOLL_OP_FSYNC : EVPOLL_OP_FDATASYNC, file.handle, 4 * i + 3);
      const int32_t n = evpoll_submit(p, ios, 4);
      ASSERT_LE(0, n) << evpoll_strerror(n);
      int32_t accepted = 0;
      for (const evpoll_io &io : ios) accepted += Allowed(io.status);
      EXPECT_EQ(n, accepted);
      expected += static_cast<size_t>(n);
    }
    evpoll_io list[3] = {Read(50), Read(51), Read(52)};
    uint64_t op = 0;
    const bool listed = Allowed(evpoll_submit_list(p, list, 3, 102, &op));
    expected += listed;
    Collect(expected);
    if (listed) {
      evpoll_result results[3];
      EXPECT_EQ(3, evpoll_list_take(p, op, results, 3));
    }
    if (added) {
      const bool modified = Allowed(evpoll_modify(p, s.a, 100, EVPOLL_READABLE, EVPOLL_ONESHOT));
      if (modified) Collect(1);
      if (modified && Allowed(evpoll_rearm(p, s.a, 100, EVPOLL_READABLE))) Collect(1);
      EXPECT_EQ(0, evpoll_remove(p, s.a, 100));
    }
    EXPECT_EQ(0, evpoll_remove(p, file.handle, kServed));
    const int copy = dup(static_cast<int>(file.handle));
    if (Allowed(Serve(p, copy))) {
      evpoll_io closing = MakeIo(EVPOLL_OP_CLOSE, copy, 103);
      EXPECT_EQ(1, evpoll_submit(p, &closing, 1)) << "CLOSE is never refused";
      Collect(1);
      EXPECT_GT(0, fcntl(copy, F_GETFD));
    } else {
      close(copy);
    }
    evpoll_event e;
    EXPECT_EQ(0, evpoll_wait(p, &e, 1, 2 * kMillisecond)) << "token " << e.token;
    EXPECT_EQ(0, evpoll_socket_close(s.a));
    EXPECT_EQ(0, evpoll_socket_close(s.b));
  }
  void Collect(size_t expected) {
    evpoll_event events[5];
    size_t got = 0;
    while (got < expected) {
      const int32_t n = evpoll_wait(p, events, 5, 5 * kSecond);
      ASSERT_LT(0, n) << "of " << expected << " events only " << got << " came";
      got += static_cast<size_t>(n);
    }
    EXPECT_EQ(expected, got);
  }

  evpoll *p = nullptr;
  TempFile file{std::string(4096, 'f')};
  std::vector<char> bytes = std::vector<char>(4096);
  size_t pieces = 0, descriptors = 0;
};

const std::vector<Fault> kOpenFaults = {
    {"epoll_create_EMFILE", fault::kEpollCreate, EMFILE, EVPOLL_ERR_LIMIT},
    {"epoll_create_ENFILE", fault::kEpollCreate, ENFILE, EVPOLL_ERR_LIMIT},
    {"epoll_create_ENOMEM", fault::kEpollCreate, ENOMEM, EVPOLL_ERR_NO_MEMORY},
    {"eventfd_EMFILE", fault::kEventfd, EMFILE, EVPOLL_ERR_LIMIT},
    {"eventfd_ENFILE", fault::kEventfd, ENFILE, EVPOLL_ERR_LIMIT},
    {"eventfd_ENOMEM", fault::kEventfd, ENOMEM, EVPOLL_ERR_NO_MEMORY},
    {"epoll_ctl_ENOMEM", fault::kEpollControl, ENOMEM, EVPOLL_ERR_NO_MEMORY},
    {"epoll_ctl_ENOSPC", fault::kEpollControl, ENOSPC, EVPOLL_ERR_LIMIT},
};
class FaultOpen : public FaultCase {};
INSTANTIATE_TEST_SUITE_P(On, FaultOpen, ::testing::ValuesIn(Cases(kOpenFaults)), CaseName);

TEST_P(FaultOpen, SaysWhyAndLeavesNothing) {
  const int n = EachFailing([&](int nth) {
    p = nullptr;
    Arm(TheFault().call, nth, TheFault().error);
    const int32_t status = Open();
    const int32_t os_code = evpoll_os_error();
    const int failures = Disarm();
    EXPECT_EQ(failures ? TheFault().status : 0, status);
    if (failures) {
      EXPECT_EQ(TheFault().error, os_code);
      EXPECT_EQ(nullptr, p);
      p = nullptr;
    }
    Close();
    EXPECT_EQ(descriptors, fault::OpenDescriptors());
    EXPECT_EQ(pieces, fault::LivePieces());
    return failures;
  });
  EXPECT_LE(1, n);
}

const std::vector<Fault> kLifeFaults = {
    {"epoll_ctl_ENOMEM", fault::kEpollControl, ENOMEM, EVPOLL_ERR_NO_MEMORY},
    {"epoll_ctl_ENOSPC", fault::kEpollControl, ENOSPC, EVPOLL_ERR_LIMIT},
    {"epoll_wait_EINTR", fault::kEpollWait, EINTR, 0},
    {"io_uring_setup_EPERM", fault::kRingSetup, EPERM, 0},
    {"io_uring_setup_ENOSYS", fault::kRingSetup, ENOSYS, 0},
    {"io_uring_setup_EINVAL", fault::kRingSetup, EINVAL, 0},
    {"io_uring_setup_ENOMEM", fault::kRingSetup, ENOMEM, EVPOLL_ERR_NO_MEMORY},
    {"io_uring_setup_EMFILE", fault::kRingSetup, EMFILE, EVPOLL_ERR_LIMIT},
    {"io_uring_enter_EINTR", fault::kRingEnter, EINTR, 0},
    {"io_uring_enter_EAGAIN", fault::kRingEnter, EAGAIN, EVPOLL_ERR_NO_MEMORY},
    {"io_uring_enter_EBUSY", fault::kRingEnter, EBUSY, EVPOLL_ERR_NO_MEMORY},
    {"io_uring_submit_ENOMEM", fault::kRingSubmit, ENOMEM, EVPOLL_ERR_NO_MEMORY},
    {"io_uring_submit_EAGAIN", fault::kRingSubmit, EAGAIN, EVPOLL_ERR_NO_MEMORY},
    {"mmap_ENOMEM", fault::kMap, ENOMEM, EVPOLL_ERR_NO_MEMORY},
    {"mmap_EAGAIN", fault::kMap, EAGAIN, EVPOLL_ERR_NO_MEMORY},
    {"pthread_create_EAGAIN", fault::kThread, EAGAIN, EVPOLL_ERR_LIMIT},
    {"pthread_create_ENOMEM", fault::kThread, ENOMEM, EVPOLL_ERR_NO_MEMORY},
    {"memory_ENOMEM", fault::kMemory, ENOMEM, EVPOLL_ERR_NO_MEMORY},
};
class FaultLife : public FaultCase {};
INSTANTIATE_TEST_SUITE_P(On, FaultLife, ::testing::ValuesIn(Cases(kLifeFaults)), CaseName);

TEST_P(FaultLife, OneFailureAnywhere) {
  EachFailing([&](int nth) {
    if (Open() != 0) return 0;
    Arm(TheFault().call, nth, TheFault().error);
    Live();
    const int failures = Disarm();
    Live(); // and once more, with nothing in its way
    Close();
    return HasFailure() ? 0 : failures;
  });
}

TEST_P(FaultLife, ThreeFailuresInARow) {
  EachFailing([&](int nth) {
    if (Open() != 0) return 0;
    Arm(TheFault().call, nth, TheFault().error, 3);
    Live();
    const int failures = Disarm();
    Live();
    Close();
    return HasFailure() ? 0 : failures;
  });
}

TEST_P(FaultLife, CloseIsNotKeptFromClosing) {
  EachFailing([&](int nth) {
    if (Open() != 0) return 0;
    EXPECT_EQ(0, Serve(p, file.handle));
    evpoll_io ios[8];
    for (uint64_t i = 0; i < 8; i++) ios[i] = Read(i);
    EXPECT_EQ(8, evpoll_submit(p, ios, 8));
    Arm(TheFault().call, nth, TheFault().error);
    EXPECT_EQ(0, evpoll_close(p, 5 * kSecond));
    const int failures = Disarm();
    p = nullptr;
    return HasFailure() ? 0 : failures;
  });
}

TEST(FaultInjection, ReachesTheLibrary) {
  // If the library stopped making these calls by the C library, all of this would test nothing.
  for (fault::Call call : {fault::kMemory, fault::kEpollCreate, fault::kEpollControl,
                           fault::kEpollWait, fault::kEventfd}) {
    const uint64_t before = fault::Seen(call);
    evpoll *p = nullptr;
    ASSERT_EQ(0, evpoll_open(nullptr, &p));
    evpoll_event e;
    EXPECT_EQ(0, evpoll_wait(p, &e, 1, kMillisecond));
    EXPECT_EQ(0, evpoll_close(p, kLong));
    EXPECT_LT(before, fault::Seen(call)) << "call " << call;
  }
}

// ---- the pool's own calls

const std::vector<Fault> kPoolFaults = {
    {"pread_EIO", fault::kPread, EIO, EVPOLL_ERR_IO},
    {"pread_EBUSY", fault::kPread, EBUSY, EVPOLL_ERR_BUSY},
    {"pread_EINTR", fault::kPread, EINTR, 0},
    {"pwrite_EIO", fault::kPwrite, EIO, EVPOLL_ERR_IO},
    {"pwrite_ENOSPC", fault::kPwrite, ENOSPC, EVPOLL_ERR_NO_SPACE},
    {"pwrite_EDQUOT", fault::kPwrite, EDQUOT, EVPOLL_ERR_NO_SPACE},
    {"pwrite_EFBIG", fault::kPwrite, EFBIG, EVPOLL_ERR_TOO_LARGE},
    {"pwrite_EINTR", fault::kPwrite, EINTR, 0},
    {"preadv_EIO", fault::kPreadv, EIO, EVPOLL_ERR_IO},
    {"preadv_EINTR", fault::kPreadv, EINTR, 0},
    {"pwritev_ENOSPC", fault::kPwritev, ENOSPC, EVPOLL_ERR_NO_SPACE},
    {"pwritev_EINTR", fault::kPwritev, EINTR, 0},
    {"fsync_EIO", fault::kFsync, EIO, EVPOLL_ERR_IO},
    {"fsync_ENOSPC", fault::kFsync, ENOSPC, EVPOLL_ERR_NO_SPACE},
    {"fsync_EINTR", fault::kFsync, EINTR, 0},
    {"fdatasync_EIO", fault::kFdatasync, EIO, EVPOLL_ERR_IO},
    {"fdatasync_EINTR", fault::kFdatasync, EINTR, 0},
};
std::vector<Case> PoolCases() {
  std::vector<Case> cases;
  for (const Case &c : Cases(kPoolFaults))
    if (c.config.flags & EVPOLL_OPEN_NO_URING) cases.push_back(c);
  return cases;
}
class FaultPool : public FaultCase {};
INSTANTIATE_TEST_SUITE_P(On, FaultPool, ::testing::ValuesIn(PoolCases()), CaseName);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FaultPool);

TEST_P(FaultPool, TheOperationThatMetItSaysSoAndNoOther) {
  ASSERT_EQ(0, Open());
  ASSERT_EQ(0, Serve(p, file.handle));
  evpoll_iovec piece = {EVPOLL_ADDR(bytes.data()), 8};
  const auto make = [&](uint64_t token) {
    switch (TheFault().call) {
    case fault::kPread: return MakeIo(EVPOLL_OP_READ, file.handle, token, bytes.data(), 8);
    case fault::kPwrite: return MakeIo(EVPOLL_OP_WRITE, file.handle, token, bytes.data(), 8);
    case fault::kPreadv: return MakeIo(EVPOLL_OP_READV, file.handle, token, &piece, 1);
    case fault::kPwritev: return MakeIo(EVPOLL_OP_WRITEV, file.handle, token, &piece, 1);
    case fault::kFsync: return MakeIo(EVPOLL_OP_FSYNC, file.handle, token);
    default: return MakeIo(EVPOLL_OP_FDATASYNC, file.handle, token);
    }
  };
  Arm(TheFault().call, 2, TheFault().error, 1);
  for (uint64_t i = 1; i <= 3; i++) {
    evpoll_io io = make(i);
    evpoll_event e;
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    ASSERT_EQ(1, evpoll_wait(p, &e, 1, kLong));
    EXPECT_EQ(i == 2 ? TheFault().status : 0, e.status) << "operation " << i;
    if (e.status < 0) {
      EXPECT_EQ(TheFault().error, e.result);
    } else {
      EXPECT_EQ(io.code < EVPOLL_OP_FSYNC ? 8 : 0, e.result);
    }
  }
  EXPECT_EQ(1, Disarm());
  Close();
}

} // namespace
} // namespace evp
