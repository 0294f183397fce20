// SPDX-License-Identifier: MIT
#include "contract.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

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
      std::printf("[   GATE   ] %-24s %s%s\n", name.c_str(), gate.open ? "open" : "closed: ",
                  gate.open ? "" : gate.reason.c_str());
  }
};
const bool listening = [] {
  ::testing::UnitTest::GetInstance()->listeners().Append(new GateMatrix);
  return true;
}();

uint32_t BackendOfThisPlatform() {
  evpoll *p = nullptr;
  if (evpoll_open(nullptr, &p) != 0) return 0;
  struct evpoll_info info = {};
  info.struct_size = sizeof info;
  evpoll_info(p, &info);
  evpoll_close(p, EVPOLL_INFINITE);
  return info.backend;
}

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void NoteGate(const char *name, const char *reason, bool open) {
  std::lock_guard<std::mutex> hold(gates_lock);
  gates[name] = Gate{reason, open};
}

const std::vector<Config> &Configs() {
  static const std::vector<Config> configs = [] {
    const uint32_t single = EVPOLL_OPEN_SINGLE_WAITER, bound = EVPOLL_OPEN_THREAD_BOUND;
    std::vector<Config> all = {{"many", 0}, {"single", single}, {"bound", bound}};
    if (BackendOfThisPlatform() == EVPOLL_BACKEND_EPOLL) {
      all.push_back({"many_pool", EVPOLL_OPEN_NO_URING});
      all.push_back({"single_pool", single | EVPOLL_OPEN_NO_URING});
      all.push_back({"bound_pool", bound | EVPOLL_OPEN_NO_URING});
    }
    const char *only = std::getenv("EVPOLL_TEST_CONFIG");
    if (!only) return all;
    std::vector<Config> chosen;
    for (const Config &c : all)
      if (std::strcmp(c.name, only) == 0) chosen.push_back(c);
    return chosen;
  }();
  return configs;
}

std::string ConfigName(const ::testing::TestParamInfo<Config> &info) { return info.param.name; }

Pair::Pair() { EXPECT_EQ(0, evpoll_socket_pair(&a, &b)); }
Pair::~Pair() {
  CloseA();
  CloseB();
}
void Pair::CloseA() {
  if (a >= 0) EXPECT_EQ(0, evpoll_socket_close(a));
  a = -1;
}
void Pair::CloseB() {
  if (b >= 0) EXPECT_EQ(0, evpoll_socket_close(b));
  b = -1;
}

TcpPair::TcpPair() {
  evpoll_handle listener = -1;
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = 0;
  EXPECT_EQ(0, evpoll_socket_tcp_listen("127.0.0.1", 0, 1, &listener));
  EXPECT_EQ(0, evpoll_socket_local_address(listener, host, sizeof host, &port));
  EXPECT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", port, &a));
  evpoll *p = nullptr;  // the connection is there when both ends say so
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
  if (a >= 0) EXPECT_EQ(0, evpoll_socket_close(a));
  a = -1;
}
void TcpPair::CloseB() {
  if (b >= 0) EXPECT_EQ(0, evpoll_socket_close(b));
  b = -1;
}

TempFile::TempFile(const std::string &content, uint32_t flags) {
  static std::atomic<unsigned> serial{0};
  // The address of a static differs between processes that run side by side, and so does the time.
  path = "evpoll-test-" + std::to_string(Now()) + "-" + std::to_string(serial++);
  std::FILE *f = std::fopen(path.c_str(), "wb");
  EXPECT_NE(nullptr, f) << path;
  if (!f) return;
  EXPECT_EQ(content.size(), std::fwrite(content.data(), 1, content.size(), f));
  EXPECT_EQ(0, std::fclose(f));
  EXPECT_EQ(0, evpoll_file_open(path.c_str(), flags, &handle)) << path;
}
TempFile::~TempFile() {
  if (handle >= 0) EXPECT_EQ(0, evpoll_file_close(handle));
  std::remove(path.c_str());
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

int64_t Fill(evpoll_handle h) {
  const std::string chunk(65536, 'x');
  int64_t total = 0;
  for (int32_t n; (n = evpoll_socket_send(h, chunk.data(), chunk.size())) > 0;) total += n;
  return total;
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

void Contract::Open(uint32_t more_flags, uint32_t io_limit, uint64_t wake_token) {
  if (p) Close();
  evpoll_options options = {};
  options.struct_size = sizeof options;
  options.flags = GetParam().flags | more_flags;
  options.io_limit = io_limit;
  options.wake_token = wake_token;
  ASSERT_EQ(0, evpoll_open(&options, &p));
}

void Contract::Close() {
  if (p) EXPECT_EQ(0, evpoll_close(p, kLong));
  p = nullptr;
}

bool Contract::Has(uint32_t feature) {
  struct evpoll_info info = {};
  info.struct_size = sizeof info;
  EXPECT_EQ(0, evpoll_info(p, &info));
  return (info.features & feature) != 0;
}

uint32_t Contract::Backend() {
  struct evpoll_info info = {};
  info.struct_size = sizeof info;
  EXPECT_EQ(0, evpoll_info(p, &info));
  return info.backend;
}

struct evpoll_stats Contract::Stats() {
  struct evpoll_stats stats = {};
  stats.struct_size = sizeof stats;
  EXPECT_EQ(0, evpoll_stats(p, &stats));
  return stats;
}

std::vector<evpoll_event> Contract::Wait(int64_t timeout_ns, int32_t capacity) {
  std::vector<evpoll_event> events(static_cast<size_t>(capacity));
  const int32_t n = evpoll_wait(p, events.data(), capacity, timeout_ns);
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

void Contract::ExpectQuiet() {
  for (int look = 0; look < 2; look++)
    for (const evpoll_event &e : Wait(look * 2 * kMillisecond))
      ADD_FAILURE() << "unexpected event: token " << e.token << " events 0x" << std::hex << e.events
                    << " op " << e.op << " status " << std::dec << e.status;
}

evpoll_event Contract::RunIo(evpoll_io io) {
  EXPECT_EQ(1, evpoll_submit(p, &io, 1)) << evpoll_strerror(io.status);
  const evpoll_event e = WaitOne();
  EXPECT_EQ(io.op, e.op);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_IO), e.events);
  return e;
}

}  // namespace evp
