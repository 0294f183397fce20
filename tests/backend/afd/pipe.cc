// SPDX-License-Identifier: MIT
#include "pipe.h"

#include <atomic>

namespace evp {

NamedPipe::NamedPipe(bool connected) {
  static std::atomic<int> serial{0};
  name = "\\\\.\\pipe\\evpoll-test-" + std::to_string(GetCurrentProcessId()) + "-" +
         std::to_string(serial++);
  server = CreateNamedPipeA(name.c_str(), PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                            PIPE_TYPE_BYTE | PIPE_WAIT, 1, 4096, 4096, 0, nullptr);
  EXPECT_NE(INVALID_HANDLE_VALUE, server);
  if (connected) {
    EXPECT_TRUE(Connect());
  }
}

NamedPipe::~NamedPipe() {
  CloseClient();
  if (server != INVALID_HANDLE_VALUE) CloseHandle(server);
}

bool NamedPipe::Connect() {
  client = CreateFileA(name.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING,
                       FILE_FLAG_OVERLAPPED, nullptr);
  return client != INVALID_HANDLE_VALUE;
}

void NamedPipe::CloseClient() {
  if (client != INVALID_HANDLE_VALUE) CloseHandle(client);
  client = INVALID_HANDLE_VALUE;
}

} // namespace evp
