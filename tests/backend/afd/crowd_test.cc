// SPDX-License-Identifier: MIT
// Very many sockets, and the handles of the AFD device that they take.
#include "pipe.h"

#include <cstdlib>
#include <cstring>
#include <set>

namespace {

using namespace evp;

EVP_CONTRACT(AfdCrowd);

struct Sockets {
  std::vector<evpoll_handle> all;
  std::vector<int32_t> ports;
  explicit Sockets(size_t n) {
    while (all.size() < n) {
      evpoll_handle h = -1;
      const int32_t status = evpoll_socket_udp_bind("127.0.0.1", 0, &h);
      if (status < 0) break;
      all.push_back(h);
      ports.push_back(PortOf(h));
    }
    EXPECT_EQ(n, all.size());
  }
  ~Sockets() {
    for (evpoll_handle h : all) evpoll_socket_close(h);
  }
};

// Ports are used again, and somebody else's datagram may still be on its way to the one before.
const std::string &Payload() {
  static const std::string payload = "<" + std::to_string(GetCurrentProcessId()) + ">";
  return payload;
}

void SendFrom(evpoll_handle from, int32_t port) {
  const std::string &payload = Payload();
  const int32_t n = static_cast<int32_t>(payload.size());
  ASSERT_EQ(n, evpoll_socket_sendto(from, payload.data(), payload.size(), "127.0.0.1", port));
}

// Receives what is there; how many of it are ours.
int TakeOurs(evpoll_handle h) {
  const std::string all = Drain(h);
  int n = 0;
  for (size_t at = all.find(Payload()); at != std::string::npos; at = all.find(Payload(), at + 1))
    n++;
  return n;
}

void ExpectNothingOfOurs(const std::vector<evpoll_event> &events, const Sockets &s) {
  for (const evpoll_event &e : events) {
    const std::string text = Drain(s.all[e.token]);
    EXPECT_NE("", text) << "reported, and nothing is there";
    EXPECT_EQ(std::string::npos, text.find(Payload()));
  }
}

// Ten thousand; under Wine, where each costs milliseconds of its server, enough to fill many
// groups.
TEST_P(AfdCrowd, VeryManyUnconnectedUdpSockets) {
  EVP_GATE(GetParam().flags == 0, "once", "one configuration is enough for what takes long");
  Sockets s(Slow() ? 2000 : 10000);
  for (size_t i = 0; i < s.all.size(); i++)
    ASSERT_EQ(0, evpoll_add(p, s.all[i], i, EVPOLL_READABLE, EVPOLL_LEVEL)) << i;
  ExpectNothingOfOurs(Wait(0), s);
  ExpectNothingOfOurs(Wait(2 * kMillisecond), s);
  std::set<uint64_t> expected, reported;
  for (size_t i = 0; i < s.all.size(); i += 101) {
    SendFrom(s.all[(i + 1) % s.all.size()], s.ports[i]);
    expected.insert(i);
  }
  ASSERT_TRUE(Until([&] {
    for (const evpoll_event &e : Wait(kLong, 64)) {
      if (TakeOurs(s.all[e.token])) reported.insert(e.token);
    }
    return reported.size() >= expected.size();
  }));
  EXPECT_EQ(expected, reported);
  ExpectNothingOfOurs(Wait(2 * kMillisecond), s);
  for (size_t i = 0; i < s.all.size(); i += 2) ASSERT_EQ(0, evpoll_remove(p, s.all[i], i));
  ExpectNothingOfOurs(Wait(2 * kMillisecond), s);
}

TEST_P(AfdCrowd, AThousandActiveLoseNoEvent) {
  constexpr size_t kSockets = 1000;
  constexpr int kRounds = 5;
  Sockets s(kSockets);
  for (size_t i = 0; i < kSockets; i++)
    ASSERT_EQ(0, evpoll_add(p, s.all[i], i, EVPOLL_READABLE, kModes[i % 3]));
  std::vector<int> received(kSockets);
  for (int round = 1; round <= kRounds; round++) {
    for (size_t i = 0; i < kSockets; i++) SendFrom(s.all[i], s.ports[(i + 7) % kSockets]);
    size_t left = kSockets;
    ASSERT_TRUE(Until([&] {
      for (const evpoll_event &e : Wait(kLong, round % 2 ? 100 : 7)) {
        const int n = TakeOurs(s.all[e.token]);
        received[e.token] += n;
        left -= static_cast<size_t>(n);
        if (e.token % 3) {
          EXPECT_EQ(0, evpoll_rearm(p, s.all[e.token], e.token, EVPOLL_READABLE));
        }
      }
      return left == 0;
    })) << left
        << " in round " << round;
    ASSERT_EQ(std::vector<int>(kSockets, round), received);
  }
  ExpectNothingOfOurs(Wait(2 * kMillisecond), s);
}

// Handles of the device, as evpoll_describe() tells.
size_t Handles(evpoll *p) {
  char text[512] = "";
  evpoll_describe(p, text, sizeof text);
  const char *by = std::strstr(text, "by ");
  return by ? static_cast<size_t>(std::atoi(by + 3)) : 999;
}

TEST_P(AfdCrowd, ShareHandlesOfTheDeviceAndGiveThemBack) {
  constexpr size_t kSockets = 320;
  Sockets s(kSockets);
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < kSockets; i++)
      ASSERT_EQ(0, evpoll_add(p, s.all[i], i, EVPOLL_READABLE, EVPOLL_LEVEL));
    ExpectQuiet();
    EXPECT_EQ(kSockets / 32, Handles(p));
    for (size_t i = 0; i < kSockets; i++) ASSERT_EQ(0, evpoll_remove(p, s.all[i], i));
    ExpectQuiet(); // takes the packets that hold the memory
    EXPECT_EQ(1u, Handles(p)) << "one is kept for the next socket";
  }
}

} // namespace
