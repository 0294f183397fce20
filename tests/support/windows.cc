// SPDX-License-Identifier: MIT
#include "platform.h"

#include <gtest/gtest.h>
#include <winsock2.h>

#include <windows.h>

namespace evp {

void SendUrgent(evpoll_handle h) { EXPECT_EQ(1, send(static_cast<SOCKET>(h), "!", 1, MSG_OOB)); }

bool HasData(evpoll_handle h) {
  char byte;
  return recv(static_cast<SOCKET>(h), &byte, 1, MSG_PEEK) >= 0 ||
         WSAGetLastError() != WSAEWOULDBLOCK;
}

NoMoreDescriptors::NoMoreDescriptors() { (void)before_; } // a process has no such limit
NoMoreDescriptors::~NoMoreDescriptors() = default;

bool MakeFifo(const std::string &) { return false; }

// What CreateProcess() goes by.
int Inherited(evpoll_handle h) {
  DWORD flags = 0;
  if (!GetHandleInformation(reinterpret_cast<HANDLE>(h), &flags)) return -1;
  return (flags & HANDLE_FLAG_INHERIT) != 0;
}

PipeSignals::PipeSignals() { (void)before_; }
PipeSignals::~PipeSignals() = default;
int PipeSignals::Count() const { return 0; }

Pipe::Pipe() = default;
Pipe::~Pipe() = default;
void Pipe::Write(const std::string &) {}
void Pipe::CloseWrite() {}
evpoll_handle Duplicate(evpoll_handle) { return -1; }

Interrupts::Interrupts() { (void)before_; }
Interrupts::~Interrupts() = default;
uint64_t Interrupts::ThisThread() { return 0; }
void Interrupts::Send(uint64_t) {}
int Interrupts::Count() const { return 0; }

void SetVariable(const char *name, const std::string &value) {
  SetEnvironmentVariableA(name, value.c_str());
}

bool RunsOnWine() {
  return GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != nullptr;
}

} // namespace evp
