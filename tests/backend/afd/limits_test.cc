// SPDX-License-Identifier: MIT
// What one call may take: bytes of a send, memory for a number.
#include "pipe.h"

namespace {

using namespace evp;

EVP_CONTRACT(AfdLimits);

// Windows itself takes a gigabyte in one call, if less than SO_SNDBUF is queued before.
TEST_P(AfdLimits, ASendIsTakenInPieces) {
  TcpPair s;
  const std::vector<char> large(size_t{64} << 20);
  const int32_t n = evpoll_socket_send(s.a, large.data(), large.size());
  EXPECT_GT(n, 0);
  EXPECT_LE(n, 1 << 20);
  const int32_t all = evpoll_socket_sendto(s.a, large.data(), large.size(), "127.0.0.1", 1);
  EXPECT_LE(all, 1 << 20);
}

// By looking at the address space: the counters of a process are not the same everywhere.
uint64_t Committed() {
  uint64_t bytes = 0;
  MEMORY_BASIC_INFORMATION part;
  for (char *at = nullptr; VirtualQuery(at, &part, sizeof part) != 0;
       at = static_cast<char *>(part.BaseAddress) + part.RegionSize)
    if (part.State == MEM_COMMIT) bytes += part.RegionSize;
  return bytes;
}

// Tables grow with the largest number; only what is open may make them.
TEST_P(AfdLimits, AWrongNumberTakesNoMemory) {
  const uint64_t before = Committed();
  ASSERT_NE(0u, before);
  for (evpoll_handle h : {0x7ffffffcLL, 0x7fffff01LL, 0x3fffffffLL, 0x7000001LL, 0x7000004LL})
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, h, 7, EVPOLL_READABLE, EVPOLL_LEVEL)) << h;
  EXPECT_LT(Committed(), before + (uint64_t{16} << 20));
}

} // namespace
