// SPDX-License-Identifier: MIT
// Opening a poller: options and their sizes, what a program can ask about the result, versions and
// the names of statuses.
#include "contract.h"

#include <atomic>
#include <cstring>
#include <set>
#include <string>

namespace {

using namespace evp;

// Options as a program would hold them that was compiled with a newer header.
struct LargeOptions {
  evpoll_options known = {};
  unsigned char tail[4200] = {};
  explicit LargeOptions(uint32_t struct_size) { known.struct_size = struct_size; }
  int32_t Open(evpoll **out) { return evpoll_open(&known, out); }
};

constexpr uint32_t kOptionsSize = sizeof(evpoll_options);

void CloseNow(evpoll *p) {
  ASSERT_NE(nullptr, p);
  EXPECT_EQ(0, evpoll_close(p, kLong));
}

struct evpoll_poller_info InfoOf(evpoll *p) {
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  EXPECT_EQ(0, evpoll_info(p, &info));
  return info;
}

TEST(OpenOptions, NullMeansDefaults) {
  evpoll *p = nullptr;
  ASSERT_EQ(0, evpoll_open(nullptr, &p));
  const struct evpoll_poller_info info = InfoOf(p);
  EXPECT_EQ(0u, info.open_flags);
  EXPECT_EQ(1048576u, info.io_limit);
  EXPECT_EQ(4u, info.pool_threads);
  CloseNow(p);
}

TEST(OpenOptions, TheShortestStructHoldsOnlyFlags) {
  // What lies behind the size that the caller named is not the library's to read.
  evpoll_options options;
  std::memset(&options, 0xEE, sizeof options);
  options.struct_size = 8;
  options.flags = EVPOLL_OPEN_SINGLE_WAITER;
  evpoll *p = nullptr;
  ASSERT_EQ(0, evpoll_open(&options, &p));
  const struct evpoll_poller_info info = InfoOf(p);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_OPEN_SINGLE_WAITER), info.open_flags);
  EXPECT_EQ(1048576u, info.io_limit);
  EXPECT_EQ(4u, info.pool_threads);
  evpoll_event event;
  ASSERT_EQ(0, evpoll_wake(p));
  ASSERT_EQ(1, LongWait(p, &event, 1));
  EXPECT_EQ(0u, event.token);
  CloseNow(p);
}

TEST(OpenOptions, AStructThatEndsBehindTheWakeTokenIsTaken) {
  evpoll_options options;
  std::memset(&options, 0xEE, sizeof options);
  options.struct_size = 16;
  options.flags = 0;
  options.wake_token = 77;
  evpoll *p = nullptr;
  ASSERT_EQ(0, evpoll_open(&options, &p));
  EXPECT_EQ(1048576u, InfoOf(p).io_limit);
  evpoll_event event;
  ASSERT_EQ(0, evpoll_wake(p));
  ASSERT_EQ(1, LongWait(p, &event, 1));
  EXPECT_EQ(77u, event.token);
  CloseNow(p);
}

TEST(OpenOptions, ALongerStructWithAZeroTailIsTaken) {
  for (uint32_t size : {kOptionsSize + 1, kOptionsSize + 8, 4096u}) {
    LargeOptions options(size);
    evpoll *p = nullptr;
    ASSERT_EQ(0, options.Open(&p)) << size;
    CloseNow(p);
  }
}

TEST(OpenOptions, ALongerStructThatUsesAnUnknownFieldNeedsANewerLibrary) {
  for (uint32_t size : {kOptionsSize + 1, kOptionsSize + 8, 4096u}) {
    LargeOptions options(size);
    options.tail[size - kOptionsSize - 1] = 1;
    evpoll *p = nullptr;
    EXPECT_EQ(EVPOLL_ERR_VERSION, options.Open(&p)) << size;
    EXPECT_EQ(nullptr, p);
  }
}

TEST(OpenOptions, BytesBehindALongerStructAreNotLookedAt) {
  LargeOptions options(kOptionsSize + 8);
  options.tail[8] = 1;
  evpoll *p = nullptr;
  ASSERT_EQ(0, options.Open(&p));
  CloseNow(p);
}

TEST(OpenOptions, ImpossibleStructSizesAreInvalid) {
  for (uint32_t size : {0u, 1u, 7u, 4097u, 0x80000000u, 0xFFFFFFFFu}) {
    LargeOptions options(size);
    evpoll *p = nullptr;
    EXPECT_EQ(EVPOLL_ERR_INVALID, options.Open(&p)) << size;
    EXPECT_EQ(nullptr, p);
  }
}

TEST(OpenOptions, UnknownFlagsAreUnsupportedAndLeaveTheOutputAlone) {
  const uint32_t known = EVPOLL_OPEN_SINGLE_WAITER | EVPOLL_OPEN_INTERRUPTIBLE |
                         EVPOLL_OPEN_NO_URING | EVPOLL_OPEN_NATIVE_IO_ONLY;
  for (int bit = 0; bit < 32; bit++) {
    const uint32_t flag = 1u << bit;
    if (flag & known) continue;
    LargeOptions options(kOptionsSize);
    options.known.flags = flag;
    evpoll *const untouched = reinterpret_cast<evpoll *>(&options);
    evpoll *p = untouched;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, options.Open(&p)) << "bit " << bit;
    EXPECT_EQ(untouched, p);
  }
}

TEST(OpenOptions, LimitsOutOfRangeAreInvalid) {
  evpoll *p = nullptr;
  LargeOptions operations(kOptionsSize), threads(kOptionsSize);
  operations.known.io_limit = 4194305;
  EXPECT_EQ(EVPOLL_ERR_INVALID, operations.Open(&p));
  threads.known.pool_threads = 257;
  EXPECT_EQ(EVPOLL_ERR_INVALID, threads.Open(&p));
  EXPECT_EQ(nullptr, p);
}

TEST(OpenOptions, LimitsAtTheirEndsAreTaken) {
  for (uint32_t io_limit : {1u, 4194304u})
    for (uint32_t pool_threads : {1u, 256u}) {
      LargeOptions options(kOptionsSize);
      options.known.io_limit = io_limit;
      options.known.pool_threads = pool_threads;
      evpoll *p = nullptr;
      ASSERT_EQ(0, options.Open(&p));
      EXPECT_EQ(io_limit, InfoOf(p).io_limit);
      EXPECT_EQ(pool_threads, InfoOf(p).pool_threads);
      CloseNow(p);
    }
}

TEST(OpenOptions, NowhereToPutThePollerIsInvalid) {
  LargeOptions options(kOptionsSize);
  EXPECT_EQ(EVPOLL_ERR_INVALID, options.Open(nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_open(nullptr, nullptr));
}

TEST(OpenOptions, OptionsAreCopied) {
  evpoll *p = nullptr;
  {
    LargeOptions options(kOptionsSize);
    options.known.wake_token = 5;
    ASSERT_EQ(0, options.Open(&p));
    std::memset(static_cast<void *>(&options.known), 0xEE, sizeof options.known);
  }
  evpoll_event event;
  ASSERT_EQ(0, evpoll_wake(p));
  ASSERT_EQ(1, LongWait(p, &event, 1));
  EXPECT_EQ(5u, event.token);
  CloseNow(p);
}

TEST(OpenOptions, NothingServesFilesWhenBothEnginesAreForbidden) {
  LargeOptions options(kOptionsSize);
  options.known.flags = EVPOLL_OPEN_NO_URING | EVPOLL_OPEN_NATIVE_IO_ONLY;
  evpoll *p = nullptr;
  ASSERT_EQ(0, options.Open(&p));
  const struct evpoll_poller_info info = InfoOf(p);
  if (info.backend == EVPOLL_BACKEND_EPOLL) {
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_ENGINE_NONE), info.io_engine);
    EXPECT_EQ(0u, info.features & EVPOLL_FEATURE_FILE_IO);
  } else { // the first flag is Linux' alone
    EXPECT_NE(static_cast<uint32_t>(EVPOLL_ENGINE_POOL), info.io_engine);
  }
  CloseNow(p);
}

TEST(OpenOptions, ManyPollersLiveSideBySide) {
  std::vector<evpoll *> pollers(64, nullptr);
  for (evpoll *&p : pollers) ASSERT_EQ(0, evpoll_open(nullptr, &p));
  for (size_t i = 0; i < pollers.size(); i++) ASSERT_EQ(0, evpoll_post(pollers[i], i, 0));
  for (size_t i = 0; i < pollers.size(); i++) {
    evpoll_event events[4];
    ASSERT_EQ(1, evpoll_wait(pollers[i], events, 4, kLong));
    EXPECT_EQ(i, events[0].token);
  }
  for (evpoll *p : pollers) CloseNow(p);
}

EVP_CONTRACT(Info);

TEST_P(Info, TellsTheFlagsInForce) {
  const uint32_t flags = InfoOf(p).open_flags;
  EXPECT_EQ(GetParam().flags, flags & GetParam().flags);
  EXPECT_EQ(SingleWaiter(GetParam()), (flags & EVPOLL_OPEN_SINGLE_WAITER) != 0);
}

TEST_P(Info, TellsWhatThePollerIsMadeOf) {
  const struct evpoll_poller_info info = InfoOf(p);
  EXPECT_EQ(static_cast<uint32_t>(evpoll_version()), info.version);
  EXPECT_GE(info.backend, static_cast<uint32_t>(EVPOLL_BACKEND_EPOLL));
  EXPECT_LE(info.backend, static_cast<uint32_t>(EVPOLL_BACKEND_AFD));
  EXPECT_LE(info.io_engine, static_cast<uint32_t>(EVPOLL_ENGINE_IOCP));
  EXPECT_EQ(0u, info.features & ~0x7Fu) << "a feature that the header does not have";
  const bool files = (info.features & EVPOLL_FEATURE_FILE_IO) != 0;
  EXPECT_EQ(files, info.io_engine != EVPOLL_ENGINE_NONE);
  EXPECT_EQ((info.features & EVPOLL_FEATURE_NATIVE_IO) != 0,
            files && info.io_engine != EVPOLL_ENGINE_POOL);
  if (files) {
    EXPECT_GT(info.io_length_limit, 0u);
  }
}

TEST_P(Info, TellsThePoolWhereUringIsForbidden) {
  if (!(GetParam().flags & EVPOLL_OPEN_NO_URING)) {
    EXPECT_NE(static_cast<uint32_t>(EVPOLL_ENGINE_NONE), InfoOf(p).io_engine);
  } else {
    EXPECT_EQ(static_cast<uint32_t>(EVPOLL_ENGINE_POOL), InfoOf(p).io_engine);
  }
}

TEST_P(Info, FillsAShortStructAndNothingBehindIt) {
  alignas(8) unsigned char bytes[sizeof(struct evpoll_poller_info)];
  for (uint32_t size : {8u, 12u, 13u, 36u}) {
    std::memset(bytes, 0xA5, sizeof bytes);
    struct evpoll_poller_info *info = reinterpret_cast<struct evpoll_poller_info *>(bytes);
    info->struct_size = size;
    ASSERT_EQ(0, evpoll_info(p, info)) << size;
    EXPECT_EQ(static_cast<uint32_t>(evpoll_version()), info->version);
    for (size_t i = size; i < sizeof bytes; i++) ASSERT_EQ(0xA5, bytes[i]) << size << " " << i;
  }
}

TEST_P(Info, FillsALongStructWithZerosWhereItKnowsNothing) {
  alignas(8) unsigned char bytes[4096 + 8];
  for (uint32_t size : {static_cast<uint32_t>(sizeof(struct evpoll_poller_info)) + 1, 4096u}) {
    std::memset(bytes, 0xA5, sizeof bytes);
    struct evpoll_poller_info *info = reinterpret_cast<struct evpoll_poller_info *>(bytes);
    info->struct_size = size;
    ASSERT_EQ(0, evpoll_info(p, info)) << size;
    EXPECT_EQ(InfoOf(p).io_length_limit, info->io_length_limit);
    for (size_t i = sizeof(struct evpoll_poller_info); i < size; i++) ASSERT_EQ(0, bytes[i]) << i;
    for (size_t i = size; i < sizeof bytes; i++) ASSERT_EQ(0xA5, bytes[i]) << i;
  }
}

TEST_P(Info, ImpossibleArgumentsAreInvalid) {
  alignas(8) unsigned char bytes[5000] = {};
  struct evpoll_poller_info *info = reinterpret_cast<struct evpoll_poller_info *>(bytes);
  for (uint32_t size : {0u, 7u, 4097u, 0xFFFFFFFFu}) {
    info->struct_size = size;
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_info(p, info)) << size;
    EXPECT_EQ(0u, info->version);
  }
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_info(p, nullptr));
  info->struct_size = sizeof *info;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_info(nullptr, info));
}

EVP_CONTRACT(Describe);

TEST_P(Describe, WritesTheWholeTextWhenItFits) {
  const int32_t length = evpoll_describe(p, nullptr, 0);
  ASSERT_GT(length, 0);
  std::string text(static_cast<size_t>(length) + 1, '?');
  EXPECT_EQ(length, evpoll_describe(p, &text[0], length + 1));
  EXPECT_EQ('\0', text[static_cast<size_t>(length)]);
  EXPECT_EQ(static_cast<size_t>(length), std::strlen(text.c_str()));
}

TEST_P(Describe, CutsTheTextAndEndsItWithAZero) {
  const int32_t length = evpoll_describe(p, nullptr, 0);
  ASSERT_GT(length, 1);
  std::string whole(static_cast<size_t>(length) + 1, '?');
  ASSERT_EQ(length, evpoll_describe(p, &whole[0], length + 1));
  for (int32_t capacity : {1, 2, length / 2, length}) {
    std::string text(static_cast<size_t>(length) + 2, '?');
    EXPECT_EQ(length, evpoll_describe(p, &text[0], capacity)) << capacity;
    EXPECT_EQ(whole.substr(0, static_cast<size_t>(capacity) - 1), std::string(text.c_str()));
    EXPECT_EQ('?', text[static_cast<size_t>(capacity)]) << "written behind the capacity";
  }
}

TEST_P(Describe, ImpossibleArgumentsAreInvalid) {
  char text[16] = "untouched";
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_describe(p, nullptr, 16));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_describe(p, text, -1));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_describe(p, text, INT32_MIN));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_describe(nullptr, text, 16));
  EXPECT_STREQ("untouched", text);
}

TEST(Time, NeverRunsBackwards) {
  int64_t last = evpoll_now();
  for (int i = 0; i < 10000; i++) {
    const int64_t now = evpoll_now();
    ASSERT_LE(last, now);
    last = now;
  }
}

TEST(Time, NeverRunsBackwardsFromThreadToThread) {
  std::atomic<int64_t> latest{evpoll_now()};
  std::vector<Thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([&] {
      for (int i = 0; i < 10000; i++) {
        const int64_t seen = latest;
        const int64_t now = evpoll_now();
        ASSERT_LE(seen, now);
        latest = now;
      }
    });
}

TEST(Time, IsCountedInNanoseconds) {
  evpoll *p = nullptr;
  ASSERT_EQ(0, evpoll_open(nullptr, &p));
  evpoll_event event;
  const int64_t start = evpoll_now();
  EXPECT_EQ(0, evpoll_wait(p, &event, 1, 20 * kMillisecond));
  EXPECT_LE(20 * kMillisecond, evpoll_now() - start);
  CloseNow(p);
}

TEST(Version, IsThatOfTheHeaderOrNewer) {
  EXPECT_GE(evpoll_version(), EVPOLL_VERSION);
  EXPECT_EQ(EVPOLL_VERSION_MAJOR, evpoll_version() >> 16);
}

TEST(Version, TextAndNumberAgree) {
  const int32_t v = evpoll_version();
  EXPECT_EQ(std::to_string(v >> 16) + "." + std::to_string(v >> 8 & 0xFF) + "." +
                std::to_string(v & 0xFF),
            evpoll_version_string());
}

TEST(Strerror, NamesEachStatusDifferently) {
  std::set<std::string> texts;
  for (int32_t status = EVPOLL_ERR_OS; status <= 0; status++) {
    const char *text = evpoll_strerror(status);
    ASSERT_NE(nullptr, text) << status;
    EXPECT_STRNE("", text) << status;
    EXPECT_STRNE("unknown status", text) << status;
    EXPECT_TRUE(texts.insert(text).second) << status << " has another's text: " << text;
  }
  EXPECT_EQ(33u, texts.size());
}

TEST(Strerror, NamesUnknownNumbersAsSuch) {
  EXPECT_STREQ("unknown status", evpoll_strerror(EVPOLL_ERR_OS - 1));
  EXPECT_STREQ("unknown status", evpoll_strerror(INT32_MIN));
}

TEST(Strerror, NamesCountsLikeSuccess) {
  ASSERT_NE(nullptr, evpoll_strerror(1));
  EXPECT_STRNE("unknown status", evpoll_strerror(1));
  EXPECT_STRNE("unknown status", evpoll_strerror(INT32_MAX));
}

EVP_CONTRACT(OsError);

// Makes a call fail in the system: the number is not open (any more).
int32_t FailInTheSystem(evpoll *p) {
  Pair s;
  const evpoll_handle closed = s.a;
  s.CloseA();
  return evpoll_add(p, closed, 1, EVPOLL_READABLE, EVPOLL_LEVEL);
}

TEST_P(OsError, HoldsTheSystemsCodeOfAFailure) {
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, FailInTheSystem(p));
  EXPECT_NE(0, evpoll_os_error());
}

TEST_P(OsError, IsZeroAfterACheckOfOurOwnFailed) {
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, FailInTheSystem(p));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_wait(p, nullptr, 1, 0));
  EXPECT_EQ(0, evpoll_os_error());
}

TEST_P(OsError, IsLeftByCallsThatSucceed) {
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, FailInTheSystem(p));
  const int32_t code = evpoll_os_error();
  EXPECT_EQ(0, evpoll_wake(p));
  EXPECT_EQ(1u, Wait().size());
  ExpectQuiet();
  EXPECT_EQ(code, evpoll_os_error());
}

TEST_P(OsError, IsLeftByWhatRunsInSignalHandlers) {
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, FailInTheSystem(p));
  const int32_t code = evpoll_os_error();
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_wake(nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_shutdown(nullptr));
  EXPECT_EQ(code, evpoll_os_error());
}

TEST_P(OsError, IsEachThreadsOwn) {
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, FailInTheSystem(p));
  int32_t others = -1;
  Thread([&] { others = evpoll_os_error(); }).Join();
  EXPECT_EQ(0, others);
  EXPECT_NE(0, evpoll_os_error());
}

} // namespace
