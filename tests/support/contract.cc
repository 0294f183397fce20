// SPDX-License-Identifier: MIT
#include "contract.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <random>

namespace evp {
namespace {

struct Gate {
  std::string reason;
  bool open;
};
std::mutex gates_lock;
std::map<std::string, Gate> gates;

class GateMatrix : public ::testing::EmptyTestEventListener {
  void OnTestProgramEnd(const ::testing::UnitTest &) override {
    for (const auto &[name, gate] : gates)
      std::printf("[   GATE   ] %-24s %s%s\n", name.c_str(),
                  gate.open ? "open" : "closed: ", gate.open ? "" : gate.reason.c_str());
  }
};
const bool listening = [] {
  ::testing::UnitTest::GetInstance()->listeners().Append(new GateMatrix);
  return true;
}();

uint32_t BackendOfThisPlatform() {
  evpoll *p = nullptr;
  if (evpoll_open(nullptr, &p) != 0) return 0;
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  evpoll_info(p, &info);
  evpoll_close(p, EVPOLL_INFINITE);
  return info.backend;
}

std::atomic<int> overslept{0};

std::vector<Config> Chosen(bool (*choice)(const Config &)) {
  std::vector<Config> chosen;
  for (const Config &c : Configs())
    if (choice(c)) chosen.push_back(c);
  return chosen;
}

} // namespace

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool Slow() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  static const bool slow = [] {
    const char *value = std::getenv("EVPOLL_TEST_SLOW");
    return value && std::strcmp(value, "1") == 0;
  }();
  return slow;
#endif
}

int32_t LongWait(evpoll *p, evpoll_event *events_out, int32_t capacity) {
  const int64_t start = Now();
  const int32_t n = evpoll_wait(p, events_out, capacity, kLong);
  if (Now() - start >= kLong) overslept++;
  return n;
}

int Rounds(int n) { return !Slow() || n < 20 ? n : n / 20; }

void NoteGate(const char *name, const char *reason, bool open) {
  std::lock_guard<std::mutex> hold(gates_lock);
  gates[name] = Gate{reason, open};
}

const std::vector<Config> &Configs() {
  static const std::vector<Config> configs = [] {
    const uint32_t single = EVPOLL_OPEN_SINGLE_WAITER;
    std::vector<Config> all = {{"many", 0}, {"single", single}};
    if (BackendOfThisPlatform() == EVPOLL_BACKEND_EPOLL) {
      all.push_back({"many_pool", EVPOLL_OPEN_NO_URING});
      all.push_back({"single_pool", single | EVPOLL_OPEN_NO_URING});
    }
    // There the flag is the way to the pool too, and nothing else differs.
    if (BackendOfThisPlatform() == EVPOLL_BACKEND_AFD)
      all.push_back({"many_pool", EVPOLL_OPEN_NO_URING});
    const char *only = std::getenv("EVPOLL_TEST_CONFIG");
    if (!only) return all;
    std::vector<Config> chosen;
    for (const Config &c : all)
      if (std::strcmp(c.name, only) == 0) chosen.push_back(c);
    return chosen;
  }();
  return configs;
}

std::vector<Config> ManyConfigs() {
  return Chosen([](const Config &c) { return !SingleWaiter(c); });
}
std::vector<Config> SingleConfigs() { return Chosen(SingleWaiter); }

std::string ConfigName(const ::testing::TestParamInfo<Config> &info) { return info.param.name; }

Pair::Pair() { EXPECT_EQ(0, evpoll_socket_pair(&a, &b)); }
Pair::~Pair() {
  CloseA();
  CloseB();
}
void Pair::CloseA() {
  if (a >= 0) {
    EXPECT_EQ(0, evpoll_socket_close(a));
  }
  a = -1;
}
void Pair::CloseB() {
  if (b >= 0) {
    EXPECT_EQ(0, evpoll_socket_close(b));
  }
  b = -1;
}

TcpPair::TcpPair() {
  evpoll_handle listener = -1;
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = 0;
  EXPECT_EQ(0, evpoll_socket_tcp_listen("127.0.0.1", 0, 1, &listener));
  EXPECT_EQ(0, evpoll_socket_local_address(listener, host, sizeof host, &port));
  EXPECT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", port, &a));
  evpoll *p = nullptr; // the connection is there when both ends say so
  EXPECT_EQ(0, evpoll_open(nullptr, &p));
  evpoll_event event;
  EXPECT_EQ(0, evpoll_add(p, listener, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(1, evpoll_wait(p, &event, 1, kLong));
  EXPECT_EQ(0, evpoll_socket_accept(listener, &b));
  EXPECT_EQ(0, evpoll_remove(p, listener, 1));
  EXPECT_EQ(0, evpoll_add(p, a, 2, EVPOLL_WRITABLE, EVPOLL_LEVEL));
  EXPECT_EQ(1, evpoll_wait(p, &event, 1, kLong));
  EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
  EXPECT_EQ(0, evpoll_socket_close(listener));
}
TcpPair::~TcpPair() {
  CloseA();
  CloseB();
}
void TcpPair::CloseA() {
  if (a >= 0) {
    EXPECT_EQ(0, evpoll_socket_close(a));
  }
  a = -1;
}
void TcpPair::CloseB() {
  if (b >= 0) {
    EXPECT_EQ(0, evpoll_socket_close(b));
  }
  b = -1;
}

TempFile::TempFile(const std::string &content, uint32_t flags) {
  static std::atomic<unsigned> serial{0};
  // Processes that run the same tests side by side are at the same file at the same time.
  static const unsigned run = std::random_device()();
  path = "evpoll-test-" + std::to_string(run) + "-" + std::to_string(Now()) + "-" +
         std::to_string(serial++);
  std::FILE *f = std::fopen(path.c_str(), "wb");
  EXPECT_NE(nullptr, f) << path;
  if (!f) return;
  EXPECT_EQ(content.size(), std::fwrite(content.data(), 1, content.size(), f));
  EXPECT_EQ(0, std::fclose(f));
  EXPECT_EQ(0, evpoll_file_open(path.c_str(), flags, 0, &handle)) << path;
}
TempFile::~TempFile() {
  Close();
  std::remove(path.c_str());
}
void TempFile::Close() {
  if (handle >= 0) {
    EXPECT_EQ(0, evpoll_file_close(handle));
  }
  handle = -1;
}

void Send(evpoll_handle h, const std::string &text) {
  ASSERT_EQ(static_cast<int32_t>(text.size()), evpoll_socket_send(h, text.data(), text.size()));
}

std::string Drain(evpoll_handle h) {
  std::string all;
  char chunk[4096];
  for (int32_t n; (n = evpoll_socket_recv(h, chunk, sizeof chunk)) > 0;)
    all.append(chunk, static_cast<size_t>(n));
  return all;
}

// In pieces that become small: where a large one has no room, a few bytes may have.
int64_t Fill(evpoll_handle h) {
  const std::string chunk(65536, 'x');
  int64_t total = 0;
  for (size_t size = chunk.size(); size; size /= 16)
    for (int32_t n; (n = evpoll_socket_send(h, chunk.data(), size)) > 0;) total += n;
  return total;
}

void FillUp(evpoll_handle h) {
  // TCP moves bytes to the other side for a while, and there is room again behind each of them: an
  // acknowledgement may be held back for 40 ms, and a closed window is asked about after 200 ms. h
  // may be registered, so it is not watched here but tried until nothing has fitted for longer than
  // that. Without a port it is no TCP.
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = 0;
  const bool tcp = evpoll_socket_local_address(h, host, sizeof host, &port) == 0;
  for (int full = 0; full <= (tcp ? 50 : 0);) {
    full = Fill(h) == 0 ? full + 1 : 0;
    if (tcp) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void ResetB(TcpPair &s) {
  evpoll *p = nullptr;
  ASSERT_EQ(0, evpoll_open(nullptr, &p));
  ASSERT_EQ(0, evpoll_add(p, s.a, 1, EVPOLL_READABLE, EVPOLL_LEVEL));
  // Where b is full (WOULD_BLOCK), there are unread bytes at a already.
  const int32_t sent = evpoll_socket_send(s.b, "x", 1);
  EXPECT_TRUE(sent == 1 || sent == EVPOLL_ERR_WOULD_BLOCK) << sent;
  evpoll_event event;
  EXPECT_EQ(1, evpoll_wait(p, &event, 1, kLong));
  EXPECT_EQ(0, evpoll_remove(p, s.a, 1));
  s.CloseA(); // with a byte unread: Linux and Windows reset the connection
  // The BSDs end it in order, and answer with a reset what is sent then, which takes a while.
  if (BackendOfThisPlatform() == EVPOLL_BACKEND_KQUEUE) {
    evpoll_socket_send(s.b, "y", 1);
    EXPECT_EQ(0, evpoll_add(p, s.b, 2, EVPOLL_READABLE, EVPOLL_LEVEL));
    EXPECT_TRUE(Until([&] {
      return evpoll_wait(p, &event, 1, kLong) == 1 &&
             (event.events & (EVPOLL_ERROR | EVPOLL_WRITE_CLOSED));
    }));
    EXPECT_EQ(0, evpoll_remove(p, s.b, 2));
  }
  EXPECT_EQ(0, evpoll_close(p, EVPOLL_INFINITE));
}

int32_t PortOf(evpoll_handle h) {
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = 0;
  EXPECT_EQ(0, evpoll_socket_local_address(h, host, sizeof host, &port));
  return port;
}

int32_t DeadPort() {
  evpoll_handle listener = -1;
  EXPECT_EQ(0, evpoll_socket_tcp_listen("127.0.0.1", 0, 1, &listener));
  const int32_t port = PortOf(listener);
  EXPECT_EQ(0, evpoll_socket_close(listener));
  return port;
}

Reused::Reused(evpoll_handle closed) {
  for (int tries = 0; tries < 64 && !found; tries++) {
    evpoll_handle first = -1, second = -1;
    if (evpoll_socket_pair(&first, &second) != 0) return;
    all_.push_back(first);
    all_.push_back(second);
    found = first == closed || second == closed;
    handle = first == closed ? first : second;
    peer = first == closed ? second : first;
  }
}
Reused::~Reused() {
  for (evpoll_handle h : all_) EXPECT_EQ(0, evpoll_socket_close(h));
}

uint32_t Excess(uint32_t events, uint32_t interest) {
  uint32_t allowed = interest;
  if (interest) allowed |= EVPOLL_WRITE_CLOSED | EVPOLL_ERROR;
  if (interest & EVPOLL_READABLE) allowed |= EVPOLL_READ_CLOSED;
  return events & ~allowed;
}

evpoll_io MakeIo(uint32_t code, evpoll_handle h, uint64_t token, void *buffer, uint64_t length,
                 int64_t offset) {
  evpoll_io io = {};
  io.token = token;
  io.handle = h;
  io.offset = offset;
  io.buffer = EVPOLL_ADDR(buffer);
  io.length = length;
  io.code = code;
  return io;
}

int32_t Serve(evpoll *p, evpoll_handle h) {
  return evpoll_add(p, h, kServed, 0, EVPOLL_OPERATIONS);
}

File::File(Contract &test, const std::string &content, uint32_t flags)
    : TempFile(content, flags), test_(test), flags_(flags) {
  test_.files_.push_back(this);
  if (test_.p) Register();
}
File::~File() {
  test_.files_.erase(std::find(test_.files_.begin(), test_.files_.end(), this));
  if (!test_.p || handle < 0) return;
  int32_t status = 0; // operations that nobody waited for use the handle for a while
  EXPECT_TRUE(
      Until([&] { return (status = evpoll_remove(test_.p, handle, kServed)) != EVPOLL_ERR_BUSY; }));
  EXPECT_EQ(0, status);
}
void File::Register() {
  const uint32_t once = EVPOLL_FILE_CREATE | EVPOLL_FILE_EXCLUSIVE | EVPOLL_FILE_TRUNCATE;
  if (was_served_) {
    Close();
    EXPECT_EQ(0, evpoll_file_open(path.c_str(), flags_ & ~once, 0, &handle)) << path;
  }
  was_served_ = true;
  EXPECT_EQ(0, Serve(test_.p, handle));
}

void Contract::SetUp() {
  overslept = 0;
  Open();
}

void Contract::TearDown() {
  Close();
  EXPECT_EQ(0, overslept) << "waits that had to be ended by their timeout";
}

void Contract::Open(uint32_t more_flags, uint32_t io_limit, uint64_t wake_token) {
  if (p) Close();
  evpoll_options options = {};
  options.struct_size = sizeof options;
  options.flags = GetParam().flags | more_flags;
  options.io_limit = io_limit;
  options.wake_token = wake_token;
  ASSERT_EQ(0, evpoll_open(&options, &p));
  for (File *file : files_) file->Register();
}

void Contract::Close() {
  if (p) {
    EXPECT_EQ(0, evpoll_close(p, kLong));
  }
  p = nullptr;
}

bool Contract::Has(uint32_t feature) {
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  EXPECT_EQ(0, evpoll_info(p, &info));
  return (info.features & feature) != 0;
}

uint32_t Contract::Backend() {
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  EXPECT_EQ(0, evpoll_info(p, &info));
  return info.backend;
}

struct evpoll_poller_stats Contract::Stats() {
  struct evpoll_poller_stats stats = {};
  stats.struct_size = sizeof stats;
  EXPECT_EQ(0, evpoll_stats(p, &stats));
  return stats;
}

std::vector<evpoll_event> Contract::Wait(int64_t timeout_ns, int32_t capacity) {
  std::vector<evpoll_event> events(static_cast<size_t>(capacity));
  const int64_t start = Now();
  const int32_t n = evpoll_wait(p, events.data(), capacity, timeout_ns);
  if (Now() - start >= kLong) overslept++;
  EXPECT_LE(0, n) << evpoll_strerror(n);
  events.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return events;
}

std::vector<evpoll_event> Contract::WaitFor(size_t n, int32_t capacity) {
  std::vector<evpoll_event> all;
  const int64_t deadline = Now() + kLong;
  while (all.size() < n && Now() < deadline && !HasFailure())
    for (const evpoll_event &e : Wait(deadline - Now(), capacity)) all.push_back(e);
  EXPECT_EQ(n, all.size());
  return all;
}

evpoll_event Contract::WaitOne() {
  const std::vector<evpoll_event> events = Wait();
  EXPECT_EQ(1u, events.size());
  return events.empty() ? evpoll_event{} : events[0];
}

uint32_t Contract::Collect(uint64_t token, uint32_t bits, uint32_t interest) {
  uint32_t seen = 0;
  const int64_t deadline = Now() + kLong;
  while ((seen & bits) != bits && Now() < deadline && !HasFailure())
    for (const evpoll_event &e : Wait(deadline - Now())) {
      EXPECT_EQ(token, e.token);
      EXPECT_EQ(0u, e.op);
      EXPECT_EQ(0u, Excess(e.events, interest)) << std::hex << e.events;
      seen |= e.events;
    }
  EXPECT_EQ(bits, seen & bits) << "of the bits 0x" << std::hex << bits << " only 0x" << seen;
  return seen;
}

void Contract::ExpectQuiet() {
  for (int look = 0; look < 2; look++)
    for (const evpoll_event &e : Wait(look * 2 * kMillisecond))
      ADD_FAILURE() << "unexpected event: token " << e.token << " events 0x" << std::hex << e.events
                    << " op " << e.op << " status " << std::dec << e.status;
}

void Contract::ExpectNoSpin() {
  ExpectQuiet();
  const uint64_t before = Stats().spurious_returns;
  EXPECT_EQ(0u, Wait(5 * kMillisecond).size());
  // Linux interrupts a sleep now and then without a signal; a spin is thousands.
  EXPECT_LE(Stats().spurious_returns - before, 20u) << "woken for nothing";
}

evpoll_event Contract::RunIo(evpoll_io io) {
  EXPECT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status);
  const evpoll_event e = WaitOne();
  EXPECT_EQ(io.op, e.op);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_IO), e.events);
  return e;
}

} // namespace evp
