// SPDX-License-Identifier: MIT
// What every contract test shares: the ways to open a poller, named gates for what a platform does
// not have, and the few lines that make a test read as the behaviour it proves. Uses the public
// header only, so that every backend runs the same tests.
#pragma once

#include <evpoll.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "platform.h"

namespace evp {

// One way to open a poller; the whole suite runs with each.
struct Config {
  const char *name;
  uint32_t flags;
};
inline void PrintTo(const Config &c, std::ostream *os) { *os << c.name; }
inline bool SingleWaiter(const Config &c) { return c.flags & EVPOLL_OPEN_SINGLE_WAITER; }

// The configurations of this platform. EVPOLL_TEST_CONFIG=name restricts to one.
const std::vector<Config> &Configs();
// Those of them in which several threads may wait at once, and in which a second one is sent away.
std::vector<Config> ManyConfigs();
std::vector<Config> SingleConfigs();
std::string ConfigName(const ::testing::TestParamInfo<Config> &info);

// A test that needs what this platform lacks says so by name; the run ends with the matrix of
// gates. Use as: EVP_GATE(Has(EVPOLL_FEATURE_PRIORITY), "priority", "the platform has no OOB
// event").
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

constexpr uint32_t kModes[] = {EVPOLL_LEVEL, EVPOLL_EDGE, EVPOLL_ONESHOT};
constexpr uint32_t kBoth = EVPOLL_READABLE | EVPOLL_WRITABLE;

// Nanoseconds of a clock that only runs forwards.
int64_t Now();
// Whether everything takes long here: a sanitizer, or EVPOLL_TEST_SLOW=1 (valgrind).
bool Slow();
// How often to try what may go wrong rarely; a twentieth of it where everything takes long.
int Rounds(int n);

// The effort for one test that tries rarely failing things: so many rounds, but not more than about
// a second where the machine is busy.
class Effort {
public:
  explicit Effort(int rounds) : rounds_(Rounds(rounds)), end_(Now() + kSecond) {}
  bool Enough(int done) const { return done >= rounds_ || Now() > end_; }

private:
  const int rounds_;
  const int64_t end_;
};

// evpoll_wait() for something that must come. A wait that was left asleep looks once more when its
// time is up, and may then report what it should have reported at once, so the result alone does
// not tell: the test fails at its end if one of its waits took kLong.
int32_t LongWait(evpoll *p, evpoll_event *events_out, int32_t capacity);

// Yields until the condition holds; false when kLong has passed.
template <class Condition> bool Until(Condition condition) {
  for (const int64_t deadline = Now() + kLong; !condition(); std::this_thread::yield())
    if (Now() > deadline) return false;
  return true;
}

// A thread that is joined at the end of its scope, also when an assertion leaves it early.
class Thread {
public:
  Thread() = default;
  template <class Body> explicit Thread(Body body) : thread_(std::move(body)) {}
  Thread(Thread &&) = default;
  Thread &operator=(Thread &&other) {
    Join();
    thread_ = std::move(other.thread_);
    return *this;
  }
  ~Thread() { Join(); }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

private:
  std::thread thread_;
};

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
  explicit TempFile(const std::string &content = "",
                    uint32_t flags = EVPOLL_FILE_READ | EVPOLL_FILE_WRITE);
  ~TempFile();
  TempFile(const TempFile &) = delete;
  void Close();
};

// Sends all of text (small enough for the socket's buffer).
void Send(evpoll_handle h, const std::string &text);
// Receives until WOULD_BLOCK, EOF or an error; returns what came.
std::string Drain(evpoll_handle h);
// Sends until WOULD_BLOCK; returns the number of bytes.
int64_t Fill(evpoll_handle h);
// As Fill, until the peer's side is full as well, so that h stays unwritable.
void FillUp(evpoll_handle h);
// Lets s.a go away in the manner that resets s.b; the reset is there on return, or on its way where
// a socket belongs to one poller.
void ResetB(TcpPair &s);
// A port on 127.0.0.1 at which nobody listens.
int32_t DeadPort();
// The port that a socket is bound to.
int32_t PortOf(evpoll_handle h);
// Opens socket pairs until one end has the number of a handle that was closed; the pairs are
// kept until the end. found is false where the system hands out other numbers.
struct Reused {
  explicit Reused(evpoll_handle closed);
  ~Reused();
  Reused(const Reused &) = delete;
  bool found = false;
  evpoll_handle handle = -1, peer = -1;

private:
  std::vector<evpoll_handle> all_;
};

// The bits that are outside what an interest allows: must be 0 in every event.
uint32_t Excess(uint32_t events, uint32_t interest);

// Registers a handle for operations; the name of the registration is of no interest.
constexpr uint64_t kServed = 0x5e7ed;
int32_t Serve(evpoll *p, evpoll_handle h);

evpoll_io MakeIo(uint32_t code, evpoll_handle h, uint64_t token, void *buffer = nullptr,
                 uint64_t length = 0, int64_t offset = 0);

class Contract;

// A file that its test's poller serves: registered as long as both are there. A poller that the
// test opens again gets another handle of it, since some systems bind a handle to its first poller.
struct File : TempFile {
  explicit File(Contract &test, const std::string &content = "",
                uint32_t flags = EVPOLL_FILE_READ | EVPOLL_FILE_WRITE);
  ~File();

private:
  friend Contract;
  void Register();
  Contract &test_;
  const uint32_t flags_;
  bool was_served_ = false;
};

class Contract : public ::testing::TestWithParam<Config> {
protected:
  void SetUp() override;
  void TearDown() override;
  // Opens p (again) with this configuration, and what is given on top of it.
  void Open(uint32_t more_flags = 0, uint32_t io_limit = 0, uint64_t wake_token = 0);
  void Close();
  bool Has(uint32_t feature);
  uint32_t Backend();
  struct evpoll_poller_stats Stats();

  // One wait; fails the test on a negative result.
  std::vector<evpoll_event> Wait(int64_t timeout_ns = kLong, int32_t capacity = 64);
  // Waits until n events came (or kLong passed: a failure).
  std::vector<evpoll_event> WaitFor(size_t n, int32_t capacity = 64);
  // The next event, which must be the only one.
  evpoll_event WaitOne();
  // Waits until all the bits were reported for the token, split over events or not; every event
  // must be of this registration. Returns all bits that came.
  uint32_t Collect(uint64_t token, uint32_t bits, uint32_t interest);
  // Nothing may be reported now. Looks twice, so that what needs a second look is seen.
  void ExpectQuiet();
  // Nor may a waiter be woken for nothing, again and again.
  void ExpectNoSpin();
  // Submits one operation and returns its completion.
  evpoll_event RunIo(evpoll_io io);

  evpoll *p = nullptr;

private:
  friend File;
  std::vector<File *> files_;
};

#define EVP_CONTRACT(Suite)                                                                        \
  class Suite : public ::evp::Contract {};                                                         \
  INSTANTIATE_TEST_SUITE_P(On, Suite, ::testing::ValuesIn(::evp::Configs()), ::evp::ConfigName)

// The same over some of the configurations, for what the others forbid. EVPOLL_TEST_CONFIG may
// leave none of them.
#define EVP_CONTRACT_SOME(Suite, configs)                                                          \
  class Suite : public ::evp::Contract {};                                                         \
  GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Suite);                                            \
  INSTANTIATE_TEST_SUITE_P(On, Suite, ::testing::ValuesIn(configs), ::evp::ConfigName)
#define EVP_CONTRACT_MANY(Suite)   EVP_CONTRACT_SOME(Suite, ::evp::ManyConfigs())
#define EVP_CONTRACT_SINGLE(Suite) EVP_CONTRACT_SOME(Suite, ::evp::SingleConfigs())

} // namespace evp
