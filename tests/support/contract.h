// SPDX-License-Identifier: MIT
// What every contract test shares: the ways to open a poller, named gates for what a platform does
// not have, and the few lines that make a test read as the behaviour it proves. Uses the public
// header only, so that every backend runs the same tests.
#pragma once

#include <evpoll.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace evp {

// One way to open a poller; the whole suite runs with each.
struct Config {
  const char *name;
  uint32_t flags;
};
inline bool SingleWaiter(const Config &c) {
  return c.flags & (EVPOLL_OPEN_SINGLE_WAITER | EVPOLL_OPEN_THREAD_BOUND);
}
inline bool ThreadBound(const Config &c) { return c.flags & EVPOLL_OPEN_THREAD_BOUND; }

// The configurations of this platform. EVPOLL_TEST_CONFIG=name restricts to one.
const std::vector<Config> &Configs();
std::string ConfigName(const ::testing::TestParamInfo<Config> &info);

// A test that needs what this platform lacks says so by name; the run ends with the matrix of
// gates. Use as: EVP_GATE(Has(EVPOLL_FEATURE_PRIORITY), "priority", "the platform has no OOB event").
void NoteGate(const char *name, const char *reason, bool open);
#define EVP_GATE(condition, name, reason)                                                          \
  do {                                                                                             \
    const bool evp_gate_open = (condition);                                                        \
    ::evp::NoteGate(name, reason, evp_gate_open);                                                  \
    if (!evp_gate_open) GTEST_SKIP() << "gate " << name << ": " << reason;                         \
  } while (0)

constexpr int64_t kMillisecond = 1000000;
constexpr int64_t kSecond = 1000 * kMillisecond;
// Long enough for anything that must happen; a test that runs into it fails.
constexpr int64_t kLong = 20 * kSecond;

// A connected pair of non-blocking stream sockets, closed at the end.
struct Pair {
  evpoll_handle a = -1, b = -1;
  Pair();
  ~Pair();
  Pair(const Pair &) = delete;
  void CloseA();
  void CloseB();
};

// As Pair, but TCP over loopback on every platform (RST, OOB, half-close as TCP has them).
struct TcpPair {
  evpoll_handle a = -1, b = -1;
  TcpPair();
  ~TcpPair();
  TcpPair(const TcpPair &) = delete;
  void CloseA();
  void CloseB();
};

// A file of its own in the test's working folder, removed at the end.
struct TempFile {
  std::string path;
  evpoll_handle handle = -1;
  explicit TempFile(const std::string &content = "", uint32_t flags = EVPOLL_FILE_READ |
                                                                       EVPOLL_FILE_WRITE);
  ~TempFile();
  TempFile(const TempFile &) = delete;
};

// Sends all of text (small enough for the socket's buffer).
void Send(evpoll_handle h, const std::string &text);
// Receives until WOULD_BLOCK, EOF or an error; returns what came.
std::string Drain(evpoll_handle h);
// Sends until WOULD_BLOCK; returns the number of bytes.
int64_t Fill(evpoll_handle h);

evpoll_io MakeIo(uint32_t code, evpoll_handle h, uint64_t token, void *buffer = nullptr,
                 uint64_t length = 0, int64_t offset = 0);

class Contract : public ::testing::TestWithParam<Config> {
 protected:
  void SetUp() override { Open(); }
  void TearDown() override { Close(); }
  // Opens p (again) with this configuration, and what is given on top of it.
  void Open(uint32_t more_flags = 0, uint32_t io_limit = 0, uint64_t wake_token = 0);
  void Close();
  bool Has(uint32_t feature);
  uint32_t Backend();
  struct evpoll_stats Stats();

  // One wait; fails the test on a negative result.
  std::vector<evpoll_event> Wait(int64_t timeout_ns = kLong, int32_t capacity = 64);
  // Waits until n events came (or kLong passed: a failure).
  std::vector<evpoll_event> WaitFor(size_t n, int32_t capacity = 64);
  // The next event, which must be the only one.
  evpoll_event WaitOne();
  // Nothing may be reported now. Looks twice, so that what needs a second look is seen.
  void ExpectQuiet();
  // Submits one operation and returns its completion.
  evpoll_event RunIo(evpoll_io io);

  evpoll *p = nullptr;
};

#define EVP_CONTRACT(Suite)                                                                        \
  class Suite : public ::evp::Contract {};                                                         \
  INSTANTIATE_TEST_SUITE_P(On, Suite, ::testing::ValuesIn(::evp::Configs()), ::evp::ConfigName)

}  // namespace evp
