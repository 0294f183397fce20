// SPDX-License-Identifier: MIT
// The helpers: files, buffers and sockets. They need no poller, so nothing here is parameterised.
#include "contract.h"

#include <cstring>
#include <filesystem>
#include <functional>

namespace {

using namespace evp;

constexpr uint32_t kRead = EVPOLL_FILE_READ, kWrite = EVPOLL_FILE_WRITE;
constexpr evpoll_handle kUntouched = -77;
constexpr evpoll_handle kNoHandles[] = {-1, INT64_MIN, INT64_MAX};
// clang-format off
constexpr const char *kNoHosts[] = {
    "", "localhost", "127.0.0.1:80", " 127.0.0.1", "127.0.0.1 ", "1.2.3", "1.2.3.4.5", "256.0.0.1",
    "[::1]", "::1::", ":", "fe80::1%", "::1%no-such-interface", "::1%4294967296",
    "::ffff:127.0.0.1"};
// clang-format on

struct Socket {
  evpoll_handle h = -1;
  Socket() = default;
  ~Socket() { Close(); }
  Socket(const Socket &) = delete;
  void Close() {
    if (h >= 0) {
      EXPECT_EQ(0, evpoll_socket_close(h));
    }
    h = -1;
  }
};
struct Listener : Socket {
  int32_t port = 0;
  explicit Listener(const char *host = "127.0.0.1", int32_t backlog = 16) {
    EXPECT_EQ(0, evpoll_socket_tcp_listen(host, 0, backlog, &h));
    port = PortOf(h);
  }
};
struct Udp : Socket {
  int32_t port = 0;
  explicit Udp(const char *host = "127.0.0.1") {
    EXPECT_EQ(0, evpoll_socket_udp_bind(host, 0, &h));
    port = PortOf(h);
  }
};

std::string FreshName() {
  const TempFile removed;
  return removed.path;
}

// A path of its own, removed at the end; nothing is there at the beginning.
struct Path {
  std::string name;
  evpoll_handle h = -1;
  explicit Path(const std::string &suffix = "") : name(FreshName() + suffix) {}
  ~Path() {
    Close();
    std::error_code ignored;
    std::filesystem::remove(std::filesystem::u8path(name), ignored);
  }
  Path(const Path &) = delete;
  int32_t Open(uint32_t flags) { return evpoll_file_open(name.c_str(), flags, &h); }
  void Close() {
    if (h >= 0) {
      EXPECT_EQ(0, evpoll_file_close(h));
    }
    h = -1;
  }
};

// Waits until a socket has any of the bits and returns them.
uint32_t Await(evpoll_handle h, uint32_t interest) {
  evpoll *p = nullptr;
  evpoll_event event = {};
  EXPECT_EQ(0, evpoll_open(nullptr, &p));
  EXPECT_EQ(0, evpoll_add(p, h, 1, interest, EVPOLL_LEVEL));
  EXPECT_EQ(1, evpoll_wait(p, &event, 1, kLong));
  EXPECT_EQ(0, evpoll_remove(p, h, 1));
  EXPECT_EQ(0, evpoll_close(p, kLong));
  return event.events;
}

bool PairsAreUnixSockets() {
  struct evpoll_info info = {};
  info.struct_size = sizeof info;
  evpoll *p = nullptr;
  EXPECT_EQ(0, evpoll_open(nullptr, &p));
  EXPECT_EQ(0, evpoll_info(p, &info));
  EXPECT_EQ(0, evpoll_close(p, kLong));
  return info.backend != EVPOLL_BACKEND_AFD;
}
#define GATE_UNIX_SOCKETS() EVP_GATE(PairsAreUnixSockets(), "unix-pair", "pairs are TCP here")

bool HasIpv6() {
  Socket s;
  return evpoll_socket_udp_bind("::1", 0, &s.h) == 0;
}
#define GATE_IPV6() EVP_GATE(HasIpv6(), "ipv6", "no socket can be bound to ::1")

#define GATE_LIMIT(no_more)                                                                        \
  EVP_GATE((no_more).works, "descriptor-limit", "the process has no limit that can be lowered")

// The number of a socket that is no longer open.
evpoll_handle ClosedSocket() {
  Pair s;
  return s.a;
}

std::string Received(evpoll_handle h) {
  Await(h, EVPOLL_READABLE);
  return Drain(h);
}

/* ---- files ---- */

TEST(FileOpen, CreatesAFileWhereThereIsNone) {
  Path path;
  ASSERT_EQ(0, path.Open(kWrite | EVPOLL_FILE_CREATE));
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(path.h, &size));
  EXPECT_EQ(0, size);
  EXPECT_TRUE(std::filesystem::is_regular_file(path.name));
}

TEST(FileOpen, CreatesFilesThatTheirOwnerMayReadAndWrite) {
  Path path;
  ASSERT_EQ(0, path.Open(kRead | EVPOLL_FILE_CREATE));
  const auto owner = std::filesystem::perms::owner_read | std::filesystem::perms::owner_write;
  EXPECT_EQ(owner, std::filesystem::status(path.name).permissions() & owner);
}

TEST(FileOpen, KeepsWhatIsInAFileThatItNeedNotCreate) {
  TempFile file("abc");
  evpoll_handle again = -1;
  ASSERT_EQ(0, evpoll_file_open(file.path.c_str(), kRead | kWrite | EVPOLL_FILE_CREATE, &again));
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(again, &size));
  EXPECT_EQ(3, size);
  EXPECT_EQ(0, evpoll_file_close(again));
}

TEST(FileOpen, CutsTheFileWithTruncate) {
  TempFile file("abc", kWrite | EVPOLL_FILE_TRUNCATE);
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(file.handle, &size));
  EXPECT_EQ(0, size);
}

TEST(FileOpen, ExclusivelyCreatesAFileWhereThereIsNone) {
  Path path;
  EXPECT_EQ(0, path.Open(kWrite | EVPOLL_FILE_CREATE | EVPOLL_FILE_EXCLUSIVE));
}

TEST(FileOpen, ExclusivelyFailsWhereThereIsAFile) {
  TempFile file("abc");
  evpoll_handle h = kUntouched;
  const uint32_t flags = kWrite | EVPOLL_FILE_CREATE | EVPOLL_FILE_EXCLUSIVE;
  EXPECT_EQ(EVPOLL_ERR_EXISTS, evpoll_file_open(file.path.c_str(), flags, &h));
  EXPECT_NE(0, evpoll_os_error());
  EXPECT_EQ(kUntouched, h);
}

TEST(FileOpen, FindsNoFileWhereThereIsNone) {
  Path path;
  path.h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, path.Open(kRead));
  EXPECT_NE(0, evpoll_os_error());
  EXPECT_EQ(kUntouched, path.h);
}

TEST(FileOpen, FindsNothingInAFolderThatIsNotThere) {
  Path path("/file");
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, path.Open(kWrite | EVPOLL_FILE_CREATE));
}

TEST(FileOpen, FindsNothingInAFileTakenForAFolder) {
  TempFile file;
  evpoll_handle h = -1;
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_file_open((file.path + "/file").c_str(), kRead, &h));
}

TEST(FileOpen, TakesPathsAsUtf8) {
  Path path("-\xc3\xa4\xe2\x82\xac");
  ASSERT_EQ(0, path.Open(kWrite | EVPOLL_FILE_CREATE));
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::u8path(path.name)));
}

TEST(FileOpen, RefusesFolders) {
  for (uint32_t flags : {kRead, kWrite, kRead | kWrite, kWrite | EVPOLL_FILE_CREATE}) {
    evpoll_handle h = kUntouched;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_file_open(".", flags, &h)) << flags;
    EXPECT_EQ(kUntouched, h);
  }
}

TEST(FileOpen, RefusesFifosWithoutWaitingForTheOtherSide) {
  Path path;
  EVP_GATE(MakeFifo(path.name), "fifo", "no FIFO can be made in the working folder");
  for (uint32_t flags : {kRead, kWrite, kRead | kWrite})
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, path.Open(flags)) << flags;
}

TEST(FileOpen, RefusesCharacterDevices) {
  EVP_GATE(std::filesystem::is_character_file("/dev/null"), "dev-null", "there is no /dev/null");
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_file_open("/dev/null", kRead, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(FileOpen, RefusesFlagsThatMakeNoSense) {
  TempFile file("abc");
  for (uint32_t flags :
       {0u, 0x40u | kRead, 0x80000000u | kRead, uint32_t{EVPOLL_FILE_CREATE},
        uint32_t{EVPOLL_FILE_DIRECT}, kRead | EVPOLL_FILE_EXCLUSIVE, kRead | EVPOLL_FILE_TRUNCATE,
        kRead | EVPOLL_FILE_CREATE | EVPOLL_FILE_TRUNCATE, kWrite | EVPOLL_FILE_EXCLUSIVE}) {
    evpoll_handle h = kUntouched;
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_file_open(file.path.c_str(), flags, &h)) << flags;
    EXPECT_EQ(0, evpoll_os_error());
    EXPECT_EQ(kUntouched, h);
  }
}

TEST(FileOpen, RefusesNoPath) {
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_file_open(nullptr, kRead, &h));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_file_open("", kRead, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(FileOpen, RefusesNowhereToPutTheHandle) {
  Path path;
  const uint32_t flags = kWrite | EVPOLL_FILE_CREATE;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_file_open(path.name.c_str(), flags, nullptr));
  EXPECT_FALSE(std::filesystem::exists(path.name));
}

TEST(FileOpen, NeedsPermission) {
  TempFile file("abc");
  std::filesystem::permissions(file.path, std::filesystem::perms::none);
  std::FILE *f = std::fopen(file.path.c_str(), "rb");
  if (f) std::fclose(f);
  EVP_GATE(!f, "permissions", "this user may open every file");
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_ACCESS, evpoll_file_open(file.path.c_str(), kRead, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(FileOpen, OpensDirectlyOrSaysUnsupported) {
  TempFile file("abc");
  evpoll_handle h = kUntouched;
  const int32_t status =
      evpoll_file_open(file.path.c_str(), kRead | kWrite | EVPOLL_FILE_DIRECT, &h);
  EVP_GATE(status != EVPOLL_ERR_UNSUPPORTED, "direct-io", "the file system has none");
  ASSERT_EQ(0, status);
  EXPECT_EQ(0, evpoll_file_close(h));
}

TEST(FileOpen, MeetsTheLimitOfDescriptors) {
  Path path;
  NoMoreDescriptors no_more;
  GATE_LIMIT(no_more);
  path.h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_LIMIT, path.Open(kWrite | EVPOLL_FILE_CREATE));
  EXPECT_EQ(kUntouched, path.h);
}

TEST(FileSize, IsThatOfTheContent) {
  TempFile file("hello");
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(file.handle, &size));
  EXPECT_EQ(5, size);
}

TEST(FileSize, NeedsNoPermissionToRead) {
  TempFile file("hello", kWrite);
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(file.handle, &size));
  EXPECT_EQ(5, size);
}

TEST(FileSize, GoesBeyond32Bits) {
  TempFile file;
  std::error_code error;
  std::filesystem::resize_file(file.path, 5000000000u, error);
  EVP_GATE(!error, "large-files", "the file system holds no file of 5 GB");
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(file.handle, &size));
  EXPECT_EQ(5000000000, size);
}

TEST(FileSize, RefusesNowhereToPutIt) {
  TempFile file;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_file_size(file.handle, nullptr));
}

TEST(FileSize, RefusesSockets) {
  Pair s;
  int64_t size = -1;
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_file_size(s.a, &size));
}

TEST(FileSize, RefusesWhatIsNotOpen) {
  int64_t size = -1;
  for (evpoll_handle h : kNoHandles)
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_file_size(h, &size)) << h;
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_file_size(ClosedSocket(), &size));
}

TEST(FileClose, WorksOnce) {
  TempFile file;
  EXPECT_EQ(0, evpoll_file_close(file.handle));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_file_close(file.handle));
  file.handle = -1;
}

TEST(FileClose, RefusesWhatCannotBeAHandle) {
  for (evpoll_handle h : kNoHandles) {
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_file_close(h)) << h;
    EXPECT_EQ(0, evpoll_os_error());
  }
}

/* ---- buffers ---- */

TEST(Buffer, IsAlignedAsAsked) {
  for (uint32_t alignment = 1; alignment <= 2097152; alignment *= 2) {
    void *buffer = nullptr;
    ASSERT_EQ(0, evpoll_buffer_alloc(3, alignment, &buffer)) << alignment;
    EXPECT_EQ(0u, EVPOLL_ADDR(buffer) % alignment);
    EXPECT_EQ(0, evpoll_buffer_free(buffer));
  }
}

TEST(Buffer, IsAlignedTo4096ByDefault) {
  void *buffers[8];
  for (void *&buffer : buffers) {
    ASSERT_EQ(0, evpoll_buffer_alloc(100, 0, &buffer));
    EXPECT_EQ(0u, EVPOLL_ADDR(buffer) % 4096);
  }
  for (void *buffer : buffers) EXPECT_EQ(0, evpoll_buffer_free(buffer));
}

TEST(Buffer, IsZeroedAlsoWhereAnotherWasBefore) {
  for (int round = 0; round < 8; round++) {
    void *buffer = nullptr;
    ASSERT_EQ(0, evpoll_buffer_alloc(10000, 64, &buffer));
    EXPECT_EQ(std::string(10000, '\0'), std::string(static_cast<char *>(buffer), 10000));
    std::memset(buffer, 0xff, 10000);
    EXPECT_EQ(0, evpoll_buffer_free(buffer));
  }
}

TEST(Buffer, RefusesImpossibleAlignments) {
  for (uint32_t alignment : {3u, 4095u, 4097u, 6u, 2097151u, 4194304u, 0x80000000u, UINT32_MAX}) {
    void *buffer = this;
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_buffer_alloc(100, alignment, &buffer)) << alignment;
    EXPECT_EQ(this, buffer);
  }
}

TEST(Buffer, RefusesNoBytes) {
  void *buffer = this;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_buffer_alloc(0, 0, &buffer));
  EXPECT_EQ(this, buffer);
}

TEST(Buffer, RefusesNowhereToPutIt) {
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_buffer_alloc(100, 0, nullptr));
}

TEST(Buffer, OfMoreBytesThanThereAreIsOutOfMemory) {
  for (uint64_t size : {UINT64_MAX, uint64_t{1} << 63, UINT64_MAX - 4095}) {
    void *buffer = this;
    EXPECT_EQ(EVPOLL_ERR_NO_MEMORY, evpoll_buffer_alloc(size, 0, &buffer)) << size;
    EXPECT_EQ(this, buffer);
  }
}

TEST(Buffer, FreesNullAsWell) { EXPECT_EQ(0, evpoll_buffer_free(nullptr)); }

/* ---- sockets: what all functions have in common ---- */

struct Call {
  const char *name;
  std::function<int32_t(evpoll_handle)> run;
};
const std::vector<Call> &SocketCalls() {
  static char bytes[EVPOLL_ADDRESS_CAPACITY];
  static int32_t number;
  static evpoll_handle handle;
  static const std::vector<Call> calls = {
      {"accept", [](evpoll_handle h) { return evpoll_socket_accept(h, &handle); }},
      {"recv", [](evpoll_handle h) { return evpoll_socket_recv(h, bytes, 1); }},
      {"send", [](evpoll_handle h) { return evpoll_socket_send(h, bytes, 1); }},
      {"recvfrom",
       [](evpoll_handle h) { return evpoll_socket_recvfrom(h, bytes, 1, nullptr, 0, nullptr); }},
      {"sendto", [](evpoll_handle h) { return evpoll_socket_sendto(h, bytes, 1, "127.0.0.1", 9); }},
      {"shutdown", [](evpoll_handle h) { return evpoll_socket_shutdown(h, EVPOLL_SHUTDOWN_BOTH); }},
      {"take_error", [](evpoll_handle h) { return evpoll_socket_take_error(h, &number); }},
      {"local_address",
       [](evpoll_handle h) {
         return evpoll_socket_local_address(h, bytes, sizeof bytes, &number);
       }},
      {"peer_address",
       [](evpoll_handle h) { return evpoll_socket_peer_address(h, bytes, sizeof bytes, &number); }},
      {"set_nodelay", [](evpoll_handle h) { return evpoll_socket_set_nodelay(h, 1); }},
  };
  return calls;
}

TEST(SocketCalls, RefuseWhatCannotBeAHandle) {
  for (const Call &call : SocketCalls())
    for (evpoll_handle h : kNoHandles) {
      EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, call.run(h)) << call.name << " " << h;
      EXPECT_EQ(0, evpoll_os_error());
    }
}

TEST(SocketCalls, RefuseWhatWasClosed) {
  for (const Call &call : SocketCalls()) {
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, call.run(ClosedSocket())) << call.name;
    EXPECT_NE(0, evpoll_os_error());
  }
}

TEST(SocketCalls, RefuseFiles) {
  TempFile file("abc");
  for (const Call &call : SocketCalls())
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, call.run(file.handle)) << call.name;
}

TEST(SocketCalls, RefuseWhatIsNoNumericAddress) {
  Udp udp;
  evpoll_handle h = kUntouched;
  for (const char *host : kNoHosts) {
    SCOPED_TRACE(host);
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_listen(host, 0, 0, &h));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_connect(host, 9, &h));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_udp_bind(host, 0, &h));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(udp.h, "x", 1, host, 9));
  }
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketCalls, RefuseAddressesOfAnyLength) {
  evpoll_handle h = kUntouched;
  for (size_t length : {40u, 63u, 64u, 65u, 5000u}) {
    const std::string zeros(length, '0');
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_udp_bind(zeros.c_str(), 0, &h)) << length;
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_udp_bind(("fe80::1%" + zeros + "x").c_str(), 0, &h))
        << length;
  }
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketCalls, RefuseNoAddress) {
  Udp udp;
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_listen(nullptr, 0, 0, &h));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_connect(nullptr, 9, &h));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_udp_bind(nullptr, 0, &h));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(udp.h, "x", 1, nullptr, 9));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketCalls, RefusePortsOutOfRange) {
  Udp udp;
  evpoll_handle h = kUntouched;
  for (int32_t port : {-1, 65536, INT32_MIN, INT32_MAX}) {
    SCOPED_TRACE(port);
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_listen("127.0.0.1", port, 0, &h));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_connect("127.0.0.1", port, &h));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_udp_bind("127.0.0.1", port, &h));
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(udp.h, "x", 1, "127.0.0.1", port));
  }
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_connect("127.0.0.1", 0, &h));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(udp.h, "x", 1, "127.0.0.1", 0));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketCalls, RefuseNowhereToPutTheHandle) {
  Listener listener;
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_listen("127.0.0.1", 0, 0, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_connect("127.0.0.1", listener.port, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_accept(listener.h, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_udp_bind("127.0.0.1", 0, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_pair(&h, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_pair(nullptr, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketCalls, MeetTheLimitOfDescriptors) {
  Listener listener;
  NoMoreDescriptors no_more;
  GATE_LIMIT(no_more);
  evpoll_handle h = kUntouched, other = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_LIMIT, evpoll_socket_tcp_listen("127.0.0.1", 0, 0, &h));
  EXPECT_EQ(EVPOLL_ERR_LIMIT, evpoll_socket_tcp_connect("127.0.0.1", listener.port, &h));
  EXPECT_EQ(EVPOLL_ERR_LIMIT, evpoll_socket_udp_bind("127.0.0.1", 0, &h));
  EXPECT_EQ(EVPOLL_ERR_LIMIT, evpoll_socket_pair(&h, &other));
  EXPECT_EQ(kUntouched, h);
  EXPECT_EQ(kUntouched, other);
}

TEST(SocketCalls, AndFilesMakeHandlesThatChildrenDoNotInherit) {
  Pair pair;
  EVP_GATE(Inherited(pair.a) >= 0, "proc-fd", "a child cannot look at its descriptors");
  TcpPair tcp;
  Listener listener;
  Udp udp;
  TempFile file;
  for (evpoll_handle h : {pair.a, pair.b, tcp.a, tcp.b, listener.h, udp.h, file.handle})
    EXPECT_EQ(0, Inherited(h)) << h;
}

/* ---- sockets: listen, connect, accept ---- */

TEST(SocketListen, OnPort0FindsOneThatIsFree) {
  Listener one, other;
  EXPECT_LT(0, one.port);
  EXPECT_NE(one.port, other.port);
}

TEST(SocketListen, TakesTheSystemsBacklogFor0) {
  Listener listener("127.0.0.1", 0);
  Socket clients[8];
  for (Socket &client : clients)
    ASSERT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", listener.port, &client.h));
  int32_t error = -1;
  for (Socket &client : clients) { // all are connected before one was accepted
    EXPECT_EQ(uint32_t{EVPOLL_WRITABLE}, Await(client.h, EVPOLL_WRITABLE));
    EXPECT_EQ(0, evpoll_socket_take_error(client.h, &error));
    EXPECT_EQ(0, error);
  }
}

TEST(SocketListen, RefusesANegativeBacklog) {
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_tcp_listen("127.0.0.1", 0, -1, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketListen, RefusesAPortThatIsTaken) {
  Listener listener;
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_ADDRESS_IN_USE, evpoll_socket_tcp_listen("127.0.0.1", listener.port, 0, &h));
  EXPECT_NE(0, evpoll_os_error());
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketListen, RefusesAnAddressOfAnotherMachine) {
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_ADDRESS_UNAVAILABLE, evpoll_socket_tcp_listen("192.0.2.1", 0, 0, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketListen, TakesThePortOfAFormerServerWithConnectionsThatLinger) {
  Socket client, server, again;
  int32_t port;
  {
    Listener listener;
    port = listener.port;
    ASSERT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", port, &client.h));
    Await(listener.h, EVPOLL_READABLE);
    ASSERT_EQ(0, evpoll_socket_accept(listener.h, &server.h));
    server.Close(); // first, so that TIME_WAIT is on this side
  }
  EXPECT_EQ("", Received(client.h));
  client.Close();
  EXPECT_EQ(0, evpoll_socket_tcp_listen("127.0.0.1", port, 0, &again.h));
}

TEST(SocketListen, ServesIpv6) {
  GATE_IPV6();
  Listener listener("::1");
  Socket client, server;
  ASSERT_LE(0, evpoll_socket_tcp_connect("::1", listener.port, &client.h));
  Await(listener.h, EVPOLL_READABLE);
  ASSERT_EQ(0, evpoll_socket_accept(listener.h, &server.h));
  Send(server.h, "six");
  EXPECT_EQ("six", Received(client.h));
}

TEST(SocketListen, LeavesIpv4ToOthersOnIpv6) {
  GATE_IPV6();
  Listener listener("::");
  Socket v4;
  EXPECT_EQ(0, evpoll_socket_tcp_listen("0.0.0.0", listener.port, 0, &v4.h));
}

TEST(SocketConnect, IsWritableAndWithoutErrorWhenItSucceeded) {
  Listener listener;
  Socket client;
  const int32_t status = evpoll_socket_tcp_connect("127.0.0.1", listener.port, &client.h);
  EXPECT_TRUE(status == 0 || status == EVPOLL_IN_PROGRESS) << status;
  EXPECT_EQ(uint32_t{EVPOLL_WRITABLE}, Await(client.h, EVPOLL_WRITABLE));
  int32_t error = -1;
  EXPECT_EQ(0, evpoll_socket_take_error(client.h, &error));
  EXPECT_EQ(0, error);
}

TEST(SocketConnect, TellsThatItWasRefusedNowOrOnce) {
  Socket client;
  const int32_t port = DeadPort();
  int32_t status = evpoll_socket_tcp_connect("127.0.0.1", port, &client.h);
  if (status == EVPOLL_IN_PROGRESS) {
    const uint32_t failed = EVPOLL_WRITABLE | EVPOLL_ERROR;
    EXPECT_EQ(failed, Await(client.h, EVPOLL_WRITABLE) & failed);
    ASSERT_EQ(0, evpoll_socket_take_error(client.h, &status));
  } else {
    EXPECT_EQ(-1, client.h); // nothing was opened
  }
  EXPECT_EQ(EVPOLL_ERR_REFUSED, status);
  EXPECT_NE(0, evpoll_os_error());
}

TEST(SocketAccept, DoesNotBlock) {
  Listener listener;
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_accept(listener.h, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketAccept, MakesSocketsThatDoNotBlock) {
  TcpPair s;
  char byte;
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(s.b, &byte, 1));
}

TEST(SocketAccept, LeavesTheConnectionWhereItIsWhenDescriptorsRunOut) {
  Listener listener;
  Socket client, server;
  ASSERT_LE(0, evpoll_socket_tcp_connect("127.0.0.1", listener.port, &client.h));
  Await(listener.h, EVPOLL_READABLE);
  {
    NoMoreDescriptors no_more;
    GATE_LIMIT(no_more);
    EXPECT_EQ(EVPOLL_ERR_LIMIT, evpoll_socket_accept(listener.h, &server.h));
    EXPECT_EQ(-1, server.h);
  }
  EXPECT_EQ(0, evpoll_socket_accept(listener.h, &server.h));
}

TEST(SocketAccept, RefusesSocketsThatDoNotListen) {
  TcpPair s;
  Udp udp;
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_accept(s.a, &h));
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_socket_accept(udp.h, &h));
  EXPECT_EQ(kUntouched, h);
}

/* ---- sockets: streams ---- */

TEST(SocketPair, CarriesBytesBothWays) {
  Pair s;
  Send(s.a, "there");
  Send(s.b, "back");
  EXPECT_EQ("there", Received(s.b));
  EXPECT_EQ("back", Received(s.a));
}

TEST(SocketPair, DoesNotBlock) {
  Pair s;
  char byte;
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(s.a, &byte, 1));
  EXPECT_NE(0, evpoll_os_error());
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(s.b, &byte, 1));
}

TEST(SocketRecv, GivesNoMoreThanAskedFor) {
  Pair s;
  Send(s.a, "abc");
  Await(s.b, EVPOLL_READABLE);
  char bytes[2] = {'-', '-'};
  EXPECT_EQ(1, evpoll_socket_recv(s.b, bytes, 1));
  EXPECT_EQ("a-", std::string(bytes, 2));
  EXPECT_EQ("bc", Drain(s.b));
}

TEST(SocketRecv, TakesLengthsBeyond32Bits) {
  Pair s;
  Send(s.a, "abc");
  Await(s.b, EVPOLL_READABLE);
  // Not on the stack: behind it there is no room for the 2 GiB that the system is told of.
  static char bytes[16] = "";
  const bool unlooked = PairsAreUnixSockets() && evpoll_socket_recv(s.b, bytes, 64 << 20) == 3;
  EVP_GATE(unlooked, "whole-buffer", "the system, or its emulator, looks at the whole buffer");
  Send(s.a, "abc");
  Await(s.b, EVPOLL_READABLE);
  EXPECT_EQ(3, evpoll_socket_recv(s.b, bytes, uint64_t{1} << 32)); // as 32 bits: no bytes at all
  EXPECT_STREQ("abc", bytes);
  Send(s.a, "def");
  Await(s.b, EVPOLL_READABLE);
  EXPECT_EQ(3, evpoll_socket_recv(s.b, bytes, UINT64_MAX));
  EXPECT_STREQ("def", bytes);
}

TEST(SocketRecv, IsZeroAtTheEndOfTheStream) {
  Pair s;
  Send(s.a, "last");
  s.CloseA();
  EXPECT_EQ("last", Received(s.b));
  char byte;
  Await(s.b, EVPOLL_READABLE);
  EXPECT_EQ(0, evpoll_socket_recv(s.b, &byte, 1));
}

TEST(SocketRecv, TellsThatThePeerReset) {
  EVP_GATE(!RunsOnWine(), "recv-after-reset", "Wine: recv gives 0 after a reset");
  TcpPair s;
  ResetB(s);
  char byte;
  Await(s.b, EVPOLL_READABLE);
  EXPECT_EQ(EVPOLL_ERR_RESET, evpoll_socket_recv(s.b, &byte, 1));
}

TEST(SocketRecv, RefusesSocketsWithoutAPeer) {
  Listener listener;
  char byte;
  EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, evpoll_socket_recv(listener.h, &byte, 1));
}

TEST(SocketRecv, RefusesABufferThatIsNotMapped) {
  Pair s;
  Send(s.a, "abc");
  Await(s.b, EVPOLL_READABLE);
  void *nowhere = reinterpret_cast<void *>(uintptr_t{8});
  EXPECT_EQ(EVPOLL_ERR_FAULT, evpoll_socket_recv(s.b, nowhere, 3));
}

TEST(SocketRecv, RefusesNoBuffer) {
  Pair s;
  char byte;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_recv(s.a, nullptr, 1));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_recv(s.a, &byte, 0));
}

TEST(SocketSend, SaysWhenThereIsNoRoom) {
  Pair s;
  FillUp(s.a);
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_send(s.a, "x", 1));
}

TEST(SocketSend, OfNoBytesToAStreamDoesNothing) {
  Pair s;
  EXPECT_EQ(0, evpoll_socket_send(s.a, "", 0));
  char byte;
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(s.b, &byte, 1));
}

TEST(SocketSend, RefusesNoBuffer) {
  Pair s;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_send(s.a, nullptr, 1));
}

TEST(SocketSend, RefusesSocketsWithoutAPeer) {
  Udp udp;
  EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, evpoll_socket_send(udp.h, "x", 1));
}

TEST(SocketSend, FailsAfterItsSideWasShutDown) {
  Pair s;
  ASSERT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
  EXPECT_EQ(EVPOLL_ERR_BROKEN_PIPE, evpoll_socket_send(s.a, "x", 1));
}

// Sends until that fails, which it must.
int32_t SendUntilFailure(evpoll_handle h) {
  for (;;) {
    const int32_t n = evpoll_socket_send(h, "x", 1);
    if (n < 0 && n != EVPOLL_ERR_WOULD_BLOCK) return n;
    if (Await(h, EVPOLL_WRITABLE) == 0) return n; // a failure of its own
  }
}

TEST(SocketSend, ToAPeerThatIsGoneFailsWithoutASignal) {
  PipeSignals signals;
  Pair local;
  TcpPair tcp;
  local.CloseB();
  tcp.CloseB();
  for (evpoll_handle h : {local.a, tcp.a})
    for (int again = 0; again < 2; again++) {
      const int32_t status = SendUntilFailure(h);
      EXPECT_TRUE(status == EVPOLL_ERR_BROKEN_PIPE || status == EVPOLL_ERR_RESET) << status;
    }
  EXPECT_EQ(0, signals.Count());
}

TEST(SocketShutdown, OfWritingIsTheEndOfThePeersStream) {
  TcpPair s;
  Send(s.a, "last");
  EXPECT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_WRITE));
  EXPECT_EQ("last", Received(s.b));
  char byte;
  Await(s.b, EVPOLL_READABLE);
  EXPECT_EQ(0, evpoll_socket_recv(s.b, &byte, 1));
  Send(s.b, "still"); // the other direction goes on
  EXPECT_EQ("still", Received(s.a));
}

TEST(SocketShutdown, OfReadingLeavesWriting) {
  TcpPair s;
  EXPECT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_READ));
  Send(s.a, "still");
  EXPECT_EQ("still", Received(s.b));
}

TEST(SocketShutdown, OfBothEndsBoth) {
  TcpPair s;
  EXPECT_EQ(0, evpoll_socket_shutdown(s.a, EVPOLL_SHUTDOWN_BOTH));
  EXPECT_EQ(EVPOLL_ERR_BROKEN_PIPE, evpoll_socket_send(s.a, "x", 1));
  EXPECT_EQ("", Received(s.b));
}

TEST(SocketShutdown, RefusesOtherDirections) {
  Pair s;
  for (int32_t how : {0, 4, -1, INT32_MIN, INT32_MAX})
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_shutdown(s.a, how)) << how;
}

TEST(SocketShutdown, RefusesSocketsWithoutAPeer) {
  Udp udp;
  EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, evpoll_socket_shutdown(udp.h, EVPOLL_SHUTDOWN_BOTH));
}

TEST(SocketTakeError, IsZeroWhereThereIsNone) {
  Pair s;
  int32_t error = -1;
  EXPECT_EQ(0, evpoll_socket_take_error(s.a, &error));
  EXPECT_EQ(0, error);
}

TEST(SocketTakeError, GivesAnErrorOnce) {
  TcpPair s;
  ResetB(s);
  Await(s.b, EVPOLL_READABLE);
  int32_t error = 0;
  EXPECT_EQ(0, evpoll_socket_take_error(s.b, &error));
  EXPECT_EQ(EVPOLL_ERR_RESET, error);
  EXPECT_NE(0, evpoll_os_error());
  EXPECT_EQ(0, evpoll_socket_take_error(s.b, &error));
  EXPECT_EQ(0, error);
  EXPECT_EQ(0, evpoll_os_error());
}

TEST(SocketTakeError, RefusesNowhereToPutIt) {
  Pair s;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_take_error(s.a, nullptr));
}

/* ---- sockets: datagrams ---- */

// Receives one datagram; from is "host port".
int32_t ReceiveFrom(evpoll_handle h, std::string &bytes, std::string &from) {
  char host[EVPOLL_ADDRESS_CAPACITY] = "?";
  int32_t port = -1;
  Await(h, EVPOLL_READABLE);
  const int32_t n = evpoll_socket_recvfrom(h, bytes.data(), bytes.size(), host, sizeof host, &port);
  from = host + std::string(" ") + std::to_string(port);
  return n;
}

void ExpectDatagramsOver(const char *host) {
  Udp one(host), other(host);
  EXPECT_EQ(5, evpoll_socket_sendto(one.h, "hello", 5, host, other.port));
  std::string bytes(16, '-'), from;
  EXPECT_EQ(5, ReceiveFrom(other.h, bytes, from));
  EXPECT_EQ("hello-", bytes.substr(0, 6));
  EXPECT_EQ(host + std::string(" ") + std::to_string(one.port), from);
}

TEST(SocketDatagram, ComesWithItsSendersAddress) { ExpectDatagramsOver("127.0.0.1"); }

TEST(SocketDatagram, ComesWithItsSendersIpv6Address) {
  GATE_IPV6();
  ExpectDatagramsOver("::1");
}

TEST(SocketDatagram, MayBeEmpty) {
  Udp udp;
  EXPECT_EQ(0, evpoll_socket_sendto(udp.h, nullptr, 0, "127.0.0.1", udp.port));
  std::string bytes(16, '-'), from;
  EXPECT_EQ(0, ReceiveFrom(udp.h, bytes, from));
  EXPECT_EQ("127.0.0.1 " + std::to_string(udp.port), from);
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(udp.h, bytes.data(), bytes.size()));
}

TEST(SocketDatagram, LosesWhatIsTooLong) {
  Udp udp;
  ASSERT_EQ(5, evpoll_socket_sendto(udp.h, "hello", 5, "127.0.0.1", udp.port));
  std::string bytes(2, '-'), from;
  EXPECT_EQ(2, ReceiveFrom(udp.h, bytes, from));
  EXPECT_EQ("he", bytes);
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(udp.h, bytes.data(), bytes.size()));
}

TEST(SocketDatagram, IsReceivedAlsoWhenNobodyAsksWhereItCameFrom) {
  Udp udp;
  char bytes[16], host[16] = "unasked";
  for (char *host_out : {static_cast<char *>(nullptr), host}) {
    ASSERT_EQ(5, evpoll_socket_sendto(udp.h, "hello", 5, "127.0.0.1", udp.port));
    Await(udp.h, EVPOLL_READABLE);
    EXPECT_EQ(5, evpoll_socket_recvfrom(udp.h, bytes, sizeof bytes, host_out, 0, nullptr));
  }
  EXPECT_STREQ("unasked", host);
}

TEST(SocketDatagram, IsLostWhenItsSendersAddressDoesNotFit) {
  Udp udp;
  ASSERT_EQ(5, evpoll_socket_sendto(udp.h, "hello", 5, "127.0.0.1", udp.port));
  Await(udp.h, EVPOLL_READABLE);
  char bytes[16], host[9] = "";
  int32_t port;
  EXPECT_EQ(EVPOLL_ERR_INVALID,
            evpoll_socket_recvfrom(udp.h, bytes, sizeof bytes, host, sizeof host, &port));
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(udp.h, bytes, sizeof bytes));
}

TEST(SocketDatagram, IsNotLostByArgumentsThatMakeNoSense) {
  Udp udp;
  ASSERT_EQ(5, evpoll_socket_sendto(udp.h, "hello", 5, "127.0.0.1", udp.port));
  Await(udp.h, EVPOLL_READABLE);
  char bytes[16], host[16];
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_recvfrom(udp.h, nullptr, 16, host, 16, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_recvfrom(udp.h, bytes, 0, host, 16, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_recvfrom(udp.h, bytes, 16, nullptr, 16, nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_recvfrom(udp.h, bytes, 16, host, -1, nullptr));
  EXPECT_EQ(5, evpoll_socket_recvfrom(udp.h, bytes, 16, host, 16, nullptr));
}

TEST(SocketDatagram, OfTooManyBytesIsRefusedByTheNetwork) {
  Udp udp;
  const std::string bytes(65535, 'x'); // more than IPv4 can carry with its headers
  EXPECT_EQ(EVPOLL_ERR_MESSAGE_SIZE,
            evpoll_socket_sendto(udp.h, bytes.data(), bytes.size(), "127.0.0.1", udp.port));
}

TEST(SocketDatagram, OfMoreThan65535BytesIsInvalid) {
  Udp udp;
  const std::string bytes(65536, 'x');
  EXPECT_EQ(EVPOLL_ERR_INVALID,
            evpoll_socket_sendto(udp.h, bytes.data(), bytes.size(), "127.0.0.1", udp.port));
  EXPECT_EQ(EVPOLL_ERR_INVALID,
            evpoll_socket_sendto(udp.h, bytes.data(), UINT64_MAX, "127.0.0.1", udp.port));
}

TEST(SocketDatagram, NeedsABuffer) {
  Udp udp;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(udp.h, nullptr, 1, "127.0.0.1", udp.port));
}

TEST(SocketDatagram, GoesOnlyToAddressesOfTheSocketsFamily) {
  GATE_IPV6();
  Udp v4("127.0.0.1"), v6("::1");
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(v4.h, "x", 1, "::1", v6.port));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_sendto(v6.h, "x", 1, "127.0.0.1", v4.port));
}

TEST(SocketBind, RefusesAPortThatIsTaken) {
  Udp udp;
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_ADDRESS_IN_USE, evpoll_socket_udp_bind("127.0.0.1", udp.port, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketBind, RefusesAnAddressOfAnotherMachine) {
  EVP_GATE(!RunsOnWine(), "foreign-address", "Wine binds to addresses of other machines");
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_ADDRESS_UNAVAILABLE, evpoll_socket_udp_bind("192.0.2.1", 0, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(SocketBind, DoesNotBlock) {
  Udp udp;
  char byte;
  EXPECT_EQ(EVPOLL_ERR_WOULD_BLOCK, evpoll_socket_recv(udp.h, &byte, 1));
}

/* ---- sockets: addresses, options, close ---- */

TEST(SocketAddress, OfOneEndIsThePeersOfTheOther) {
  TcpPair s;
  char local[EVPOLL_ADDRESS_CAPACITY], peer[EVPOLL_ADDRESS_CAPACITY];
  int32_t local_port = -1, peer_port = -2;
  EXPECT_EQ(0, evpoll_socket_local_address(s.a, local, sizeof local, &local_port));
  EXPECT_EQ(0, evpoll_socket_peer_address(s.b, peer, sizeof peer, &peer_port));
  EXPECT_STREQ("127.0.0.1", local);
  EXPECT_STREQ("127.0.0.1", peer);
  EXPECT_EQ(local_port, peer_port);
}

TEST(SocketAddress, OfIpv6IsText) {
  GATE_IPV6();
  Udp udp("::1");
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = -1;
  EXPECT_EQ(0, evpoll_socket_local_address(udp.h, host, sizeof host, &port));
  EXPECT_STREQ("::1", host);
  EXPECT_LT(0, port);
}

TEST(SocketAddress, OfUnixSocketsIsEmpty) {
  GATE_UNIX_SOCKETS();
  Pair s;
  char local[EVPOLL_ADDRESS_CAPACITY] = "?", peer[EVPOLL_ADDRESS_CAPACITY] = "?";
  int32_t local_port = -1, peer_port = -1;
  EXPECT_EQ(0, evpoll_socket_local_address(s.a, local, sizeof local, &local_port));
  EXPECT_EQ(0, evpoll_socket_peer_address(s.a, peer, sizeof peer, &peer_port));
  EXPECT_STREQ("", local);
  EXPECT_STREQ("", peer);
  EXPECT_EQ(0, local_port);
  EXPECT_EQ(0, peer_port);
}

TEST(SocketAddress, FillsItsRoomToTheLastByteAndNoFurther) {
  TcpPair s;
  char host[11] = "??????????";
  int32_t port = -1;
  EXPECT_EQ(0, evpoll_socket_local_address(s.a, host, 10, &port));
  EXPECT_STREQ("127.0.0.1", host);
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_local_address(s.a, host, 9, &port));
  EXPECT_EQ(0, evpoll_os_error());
  EXPECT_EQ(0, evpoll_socket_peer_address(s.a, host, 10, &port));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_peer_address(s.a, host, 9, &port));
}

TEST(SocketAddress, NeedsRoomForHostAndPort) {
  TcpPair s;
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = -1;
  for (const auto ask : {evpoll_socket_local_address, evpoll_socket_peer_address}) {
    EXPECT_EQ(EVPOLL_ERR_INVALID, ask(s.a, nullptr, sizeof host, &port));
    EXPECT_EQ(EVPOLL_ERR_INVALID, ask(s.a, nullptr, 0, &port));
    EXPECT_EQ(EVPOLL_ERR_INVALID, ask(s.a, host, 0, &port));
    EXPECT_EQ(EVPOLL_ERR_INVALID, ask(s.a, host, -1, &port));
    EXPECT_EQ(EVPOLL_ERR_INVALID, ask(s.a, host, sizeof host, nullptr));
  }
}

TEST(SocketAddress, OfThePeerNeedsAPeer) {
  Udp udp;
  char host[EVPOLL_ADDRESS_CAPACITY];
  int32_t port = -1;
  EXPECT_EQ(EVPOLL_ERR_NOT_CONNECTED, evpoll_socket_peer_address(udp.h, host, sizeof host, &port));
}

TEST(SocketNodelay, GoesOnAndOff) {
  TcpPair s;
  EXPECT_EQ(0, evpoll_socket_set_nodelay(s.a, 1));
  EXPECT_EQ(0, evpoll_socket_set_nodelay(s.a, 0));
}

TEST(SocketNodelay, RefusesOtherValues) {
  TcpPair s;
  for (int32_t on : {2, -1, INT32_MIN, INT32_MAX})
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_socket_set_nodelay(s.a, on)) << on;
}

TEST(SocketNodelay, IsForTcpOnly) {
  Udp udp;
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_socket_set_nodelay(udp.h, 1));
}

TEST(SocketNodelay, IsNotForUnixSockets) {
  GATE_UNIX_SOCKETS();
  Pair s;
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_socket_set_nodelay(s.a, 1));
}

TEST(SocketClose, WorksOnce) {
  Pair s;
  EXPECT_EQ(0, evpoll_socket_close(s.a));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_socket_close(s.a));
  s.a = -1;
}

TEST(SocketClose, RefusesWhatCannotBeAHandle) {
  for (evpoll_handle h : kNoHandles) {
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_socket_close(h)) << h;
    EXPECT_EQ(0, evpoll_os_error());
  }
}

} // namespace
