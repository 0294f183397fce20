// SPDX-License-Identifier: MIT
// For libFuzzer: addresses as text, as the system's structs and as evpoll's, and what becomes of
// one when it goes from one form to the next.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

extern "C" {
#include "os/os_address.h"
}

#define MUST(condition)                                                                            \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      std::fprintf(stderr, "not true: %s\n", #condition);                                          \
      std::abort();                                                                                \
    }                                                                                              \
  } while (0)

// Into memory of its own, as small as is said.
static int32_t Format(const evp_address &a, int length, size_t capacity, std::string *out,
                      int32_t *port) {
  const std::unique_ptr<char[]> room(new char[capacity]);
  const int32_t status =
      evp_address_format(&a, length, room.get(), static_cast<int32_t>(capacity), port);
  if (status == 0) {
    MUST(std::memchr(room.get(), 0, capacity));
    *out = room.get();
  }
  return status;
}

// An address of the system's, of whatever bytes, makes a text that names it again.
static void CheckRound(const evp_address &a, int length, bool is_known) {
  std::string text, again;
  int32_t port = -1;
  if (Format(a, length, EVPOLL_ADDRESS_CAPACITY, &text, &port) < 0) {
    MUST(!is_known);
    return;
  }
  MUST(text.size() < EVPOLL_ADDRESS_CAPACITY && port >= 0 && port <= 65535);
  MUST(Format(a, length, text.size() + 1, &again, &port) == 0 && again == text);
  if (!text.empty()) MUST(Format(a, length, text.size(), &again, &port) == EVPOLL_ERR_INVALID);
  evpoll_address ours;
  evp_address_export(&a, length, &ours);
  MUST(ours.family <= EVPOLL_FAMILY_UNIX && ours.reserved == 0);
  if (text.empty()) return;
  MUST(ours.port == port);
  evp_address theirs;
  if (ours.port) {
    MUST(evp_address_import(&ours, &theirs) > 0);
    MUST(Format(theirs, length, EVPOLL_ADDRESS_CAPACITY, &again, &port) == 0 && again == text);
  } else {
    MUST(evp_address_import(&ours, &theirs) == EVPOLL_ERR_INVALID);
  }
  const int32_t parsed = evp_address_parse(text.c_str(), port, &theirs);
  const bool mapped = ours.family == EVPOLL_FAMILY_IPV6 &&
                      !std::memcmp(ours.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  MUST(mapped ? parsed == EVPOLL_ERR_INVALID : parsed > 0);
  if (mapped) return;
  evpoll_address back;
  evp_address_export(&theirs, parsed, &back);
  MUST(!std::memcmp(&back, &ours, sizeof back));
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  // As text; the memory ends where it does.
  const std::unique_ptr<char[]> host(new char[n + 1]);
  std::memcpy(host.get(), bytes, n);
  host[n] = 0;
  evp_address a;
  const int32_t length = evp_address_parse(host.get(), 4711, &a);
  MUST(length > 0 || (length < 0 && length >= EVPOLL_ERR_OS));
  if (length > 0) CheckRound(a, length, true);
  // As the system's.
  std::memset(&a, 0, sizeof a);
  std::memcpy(&a, bytes, n < sizeof a.v6 ? n : sizeof a.v6);
  static const sa_family_t families[] = {AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC};
  const bool known = n && bytes[0] % 5 < 4;
  if (known) a.any.sa_family = families[bytes[0] % 5];
  CheckRound(a, sizeof a.v6, known);
  CheckRound(a, 0, true);
  // As a program's.
  evpoll_address ours = {};
  std::memcpy(&ours, bytes, n < sizeof ours ? n : sizeof ours);
  if (n & 1) ours.reserved = 0;
  ours.family %= 5;
  const int32_t imported = evp_address_import(&ours, &a);
  MUST(imported < 0 ? imported >= EVPOLL_ERR_OS : ours.port && !ours.reserved);
  if (imported > 0) CheckRound(a, imported, true);
  return 0;
}
