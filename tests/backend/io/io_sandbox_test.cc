// SPDX-License-Identifier: MIT
// io_uring is forbidden, as in many containers, by seccomp in a child process: the worker pool
// serves, and says why.
#include "contract.h"
#include "sandbox.h"

#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

namespace evp {
namespace {

struct Ban {
  const char *name;
  int call;
  int error;
};
const Ban kBans[] = {
    {"setup_EPERM", SYS_io_uring_setup, EPERM},   {"setup_ENOSYS", SYS_io_uring_setup, ENOSYS},
    {"setup_EACCES", SYS_io_uring_setup, EACCES}, {"setup_ENOMEM", SYS_io_uring_setup, ENOMEM},
    {"setup_EMFILE", SYS_io_uring_setup, EMFILE}, {"enter_EPERM", SYS_io_uring_enter, EPERM},
    {"enter_ENOSYS", SYS_io_uring_enter, ENOSYS},
};

class IoSandbox : public ::testing::TestWithParam<Ban> {
protected:
  void Forbidden(const std::function<void()> &body) {
    const bool ran = InSandbox({{GetParam().call, GetParam().error}}, body);
    EVP_GATE(ran, "seccomp", "no filter can be installed");
  }
  static evpoll *Open(uint32_t flags) {
    evpoll_options options = {};
    options.struct_size = sizeof options;
    options.flags = flags;
    evpoll *p = nullptr;
    EXPECT_EQ(0, evpoll_open(&options, &p));
    return p;
  }
  static struct evpoll_poller_info Info(evpoll *p) {
    struct evpoll_poller_info info = {};
    info.struct_size = sizeof info;
    EXPECT_EQ(0, evpoll_info(p, &info));
    return info;
  }
  static std::string Describe(evpoll *p) {
    char text[4096] = {};
    EXPECT_LT(0, evpoll_describe(p, text, sizeof text));
    return text;
  }
  // One read; its status, refused or run.
  static int32_t ReadOnce(evpoll *p, const TempFile &file) {
    char buffer[8];
    const int32_t added = Serve(p, file.handle);
    if (added < 0) return added;
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 1, buffer, sizeof buffer);
    if (evpoll_submit(p, &io, 1) != 1) return io.status;
    evpoll_event e = {};
    EXPECT_EQ(1, evpoll_wait(p, &e, 1, kLong));
    EXPECT_EQ(io.op, e.op);
    EXPECT_TRUE(e.status < 0 || (e.result == 7 && std::memcmp(buffer, "content", 7) == 0));
    return e.status;
  }
};
INSTANTIATE_TEST_SUITE_P(On, IoSandbox, ::testing::ValuesIn(kBans),
                         [](const auto &info) { return info.param.name; });

TEST_P(IoSandbox, ThePoolServesInstead) {
  for (const Config &config : Configs()) {
    SCOPED_TRACE(config.name);
    Forbidden([&] {
      TempFile file("content");
      evpoll *p = Open(config.flags);
      EXPECT_EQ(uint32_t{EVPOLL_ENGINE_POOL}, Info(p).io_engine) << "foretold";
      for (int i = 0; i < 20; i++) EXPECT_EQ(EVPOLL_OK, ReadOnce(p, file));
      EXPECT_EQ(uint32_t{EVPOLL_ENGINE_POOL}, Info(p).io_engine) << "found";
      EXPECT_EQ(static_cast<uint32_t>(EVPOLL_FEATURE_FILE_IO),
                Info(p).features & EVPOLL_FEATURE_FILE_IO);
      EXPECT_EQ(0, evpoll_close(p, kLong));
    });
  }
}

TEST_P(IoSandbox, DescribeSaysWhy) {
  Forbidden([] {
    TempFile file("content");
    evpoll *p = Open(0);
    const std::string reason = std::strerror(GetParam().error);
    EXPECT_NE(std::string::npos, Describe(p).find(reason)) << "before: " << Describe(p);
    EXPECT_EQ(EVPOLL_OK, ReadOnce(p, file));
    EXPECT_NE(std::string::npos, Describe(p).find(reason)) << "after: " << Describe(p);
    EXPECT_NE(std::string::npos, Describe(p).find("io_uring")) << Describe(p);
    EXPECT_EQ(0, evpoll_close(p, kLong));
  });
}

TEST_P(IoSandbox, NativeIoOnlyIsUnsupported) {
  Forbidden([] {
    TempFile file("content");
    evpoll *p = Open(EVPOLL_OPEN_NATIVE_IO_ONLY);
    EXPECT_EQ(0u, Info(p).features & (EVPOLL_FEATURE_FILE_IO | EVPOLL_FEATURE_NATIVE_IO));
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_ENGINE_NONE), Info(p).io_engine);
    // What may be had a moment later is not unsupported.
    const int32_t refusal = GetParam().error == ENOMEM   ? EVPOLL_ERR_NO_MEMORY
                            : GetParam().error == EMFILE ? EVPOLL_ERR_LIMIT
                                                         : EVPOLL_ERR_UNSUPPORTED;
    EXPECT_EQ(refusal, ReadOnce(p, file));
    EXPECT_EQ(refusal, ReadOnce(p, file)) << "again";
    char buffer[8];
    evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 1, buffer, 8);
    EXPECT_EQ(0, evpoll_submit(p, &io, 1));
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, io.status);
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_submit_list(p, &io, 1, 1, nullptr));
    EXPECT_EQ(0, evpoll_cancel_all(p));
    struct evpoll_poller_stats stats = {};
    stats.struct_size = sizeof stats;
    EXPECT_EQ(0, evpoll_stats(p, &stats));
    EXPECT_EQ(0u, stats.io_submitted);
    EXPECT_EQ(0u, stats.pool_threads);
    EXPECT_EQ(0, evpoll_close(p, kLong));
  });
}

TEST_P(IoSandbox, ForbiddenWhileTheRingIsInUseNothingIsLost) {
  // A filter that comes late: what the ring had accepted reports, or is refused; nobody hangs.
  for (uint32_t flags : {0u, uint32_t{EVPOLL_OPEN_SINGLE_WAITER}}) {
    InChild([flags] {
      TempFile file("content");
      evpoll *p = Open(flags);
      EXPECT_EQ(EVPOLL_OK, ReadOnce(p, file));
      if (!Forbid({{GetParam().call, GetParam().error}})) return;
      for (int i = 0; i < 3; i++) {
        const int32_t status = ReadOnce(p, file);
        EXPECT_TRUE(status <= 0);
      }
      struct evpoll_poller_stats stats = {};
      stats.struct_size = sizeof stats;
      EXPECT_EQ(0, evpoll_stats(p, &stats));
      EXPECT_EQ(stats.io_submitted, stats.io_completed);
      EXPECT_EQ(0u, stats.io_in_flight);
      EXPECT_EQ(0, evpoll_close(p, kLong));
    });
  }
}

TEST(IoEngines, NoUringAndNativeOnlyIsNone) {
  evpoll_options options = {};
  options.struct_size = sizeof options;
  options.flags = EVPOLL_OPEN_NO_URING | EVPOLL_OPEN_NATIVE_IO_ONLY;
  evpoll *p = nullptr;
  ASSERT_EQ(0, evpoll_open(&options, &p));
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  EXPECT_EQ(0, evpoll_info(p, &info));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_ENGINE_NONE), info.io_engine);
  EXPECT_EQ(0u, info.features & EVPOLL_FEATURE_FILE_IO);
  TempFile file("content");
  char buffer[8];
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 1, buffer, 8);
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Serve(p, file.handle));
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, io.status);
  EXPECT_EQ(0, evpoll_close(p, kLong));
}

TEST(IoEngines, NoUringIsThePool) {
  evpoll_options options = {};
  options.struct_size = sizeof options;
  options.flags = EVPOLL_OPEN_NO_URING;
  evpoll *p = nullptr;
  ASSERT_EQ(0, evpoll_open(&options, &p));
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  EXPECT_EQ(0, evpoll_info(p, &info));
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_ENGINE_POOL), info.io_engine);
  EXPECT_EQ(0u, info.features & EVPOLL_FEATURE_NATIVE_IO);
  EXPECT_NE(0u, info.features & EVPOLL_FEATURE_FILE_IO);
  EXPECT_EQ(0, evpoll_close(p, kLong));
}

} // namespace
} // namespace evp
