// SPDX-License-Identifier: MIT
// What the tests of the AFD backend share: handles that are not evpoll's own.
#pragma once

#include "contract.h"

#include <winsock2.h>

#include <windows.h>

namespace evp {

inline evpoll_handle HandleOf(HANDLE h) {
  return static_cast<evpoll_handle>(reinterpret_cast<intptr_t>(h));
}
inline HANDLE NativeOf(evpoll_handle h) { return reinterpret_cast<HANDLE>(h); }

// A named pipe's two ends, both for overlapped operations, closed at the end.
struct NamedPipe {
  std::string name;
  HANDLE server = INVALID_HANDLE_VALUE, client = INVALID_HANDLE_VALUE;
  explicit NamedPipe(bool connected = true);
  ~NamedPipe();
  NamedPipe(const NamedPipe &) = delete;
  bool Connect();
  void CloseClient();
};

// A handle that is closed at the end.
struct Native {
  HANDLE h;
  explicit Native(HANDLE handle) : h(handle) {}
  ~Native() { Close(); }
  Native(const Native &) = delete;
  void Close() {
    if (h != INVALID_HANDLE_VALUE && h) CloseHandle(h);
    h = INVALID_HANDLE_VALUE;
  }
};

} // namespace evp
