// SPDX-License-Identifier: MIT
// SEND_FILE: a part of a file goes out through a socket, in its turn among the writes.
#include "sockets.h"

#include <atomic>

namespace {

using namespace evp;

class SendFile : public Contract {
protected:
  void SetUp() override {
    Contract::SetUp();
    ASSERT_EQ(0, Serve(p, s.b));
  }
  evpoll_io Io(const File &file, int64_t offset, uint64_t length, uint64_t token = 1,
               uint32_t flags = 0) {
    evpoll_io io = MakeIo(EVPOLL_OP_SEND_FILE, s.b, token, nullptr, length, offset);
    io.buffer = static_cast<uint64_t>(file.handle);
    io.flags = flags;
    return io;
  }
  int32_t Refused(evpoll_io io) {
    EXPECT_EQ(0, evpoll_submit(p, &io, 1));
    EXPECT_EQ(0u, io.op);
    return io.status;
  }
  // What the peer gets, until so many bytes came.
  std::string Receive(size_t bytes) {
    std::string came;
    EXPECT_TRUE(Until([&] {
      came += Drain(s.a);
      return came.size() >= bytes;
    }));
    return came;
  }
  static std::string Content(size_t n) {
    std::string text(n, ' ');
    for (size_t i = 0; i < n; i++) text[i] = static_cast<char>('a' + i * 7 % 26 + i / 4096 % 3);
    return text;
  }
  TcpPair s;
};
INSTANTIATE_TEST_SUITE_P(On, SendFile, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(SendFile, SendsAPartOfIt) {
  const std::string text = Content(10000);
  File file(*this, text);
  const evpoll_event e = RunIo(Io(file, 100, 5000));
  EXPECT_EQ(0, e.status);
  EXPECT_EQ(5000, e.result);
  EXPECT_TRUE(text.substr(100, 5000) == Receive(5000));
}

TEST_P(SendFile, SendsWhatTheSocketHasNoRoomForAtOnce) {
  const std::string text = Content(5000000);
  File file(*this, text);
  evpoll_io io = Io(file, 0, text.size());
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  std::string came;
  Thread reader([&] { came = Receive(text.size()); });
  const evpoll_event e = WaitOne();
  EXPECT_EQ(0, e.status);
  EXPECT_EQ(static_cast<int64_t>(text.size()), e.result);
  reader.Join();
  EXPECT_TRUE(text == came);
}

TEST_P(SendFile, WhoHasItsEventMayRemoveBoth) {
  const int rounds = Rounds(500);
  for (int i = 0; i < rounds && !HasFailure(); i++) {
    File file(*this, "content");
    RunIo(Io(file, 0, 7));
    EXPECT_EQ(0, evpoll_remove(p, s.b, kServed)) << "in round " << i;
    EXPECT_EQ(0, evpoll_remove(p, file.handle, kServed)) << "in round " << i;
    file.Close();
    EXPECT_EQ("content", Receive(7));
    ASSERT_EQ(0, Serve(p, s.b));
  }
}

TEST_P(SendFile, EndsWhereTheFileEnds) {
  const std::string text = Content(300000);
  File file(*this, text);
  for (uint64_t length : {uint64_t{400000}, uint64_t{INT64_MAX}}) {
    evpoll_io io = Io(file, 200000, length);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    std::string came;
    Thread reader([&] { came = Receive(100000); });
    EXPECT_EQ(100000, WaitOne().result);
    reader.Join();
    EXPECT_TRUE(text.substr(200000) == came);
  }
  EXPECT_EQ(0, RunIo(Io(file, 300000, 5)).result);
  EXPECT_EQ(0, RunIo(Io(file, 0, 0)).result);
}

TEST_P(SendFile, KeepsItsTurnAmongTheWrites) {
  const std::string text = Content(1000000);
  File file(*this, text);
  std::string head = "head", tail = "tail";
  evpoll_io ios[] = {MakeIo(EVPOLL_OP_WRITE, s.b, 1, head.data(), 4), Io(file, 0, text.size(), 2),
                     MakeIo(EVPOLL_OP_WRITE, s.b, 3, tail.data(), 4),
                     MakeIo(EVPOLL_OP_SHUTDOWN, s.b, 4, nullptr, EVPOLL_SHUTDOWN_WRITE)};
  ASSERT_EQ(4, evpoll_submit(p, ios, 4));
  std::string came;
  Thread reader([&] { came = Receive(text.size() + 8); });
  const auto events = WaitFor(4);
  for (uint64_t i = 0; i < 4; i++) {
    EXPECT_EQ(i + 1, events[i].token);
    EXPECT_EQ(0, events[i].status);
  }
  reader.Join();
  EXPECT_TRUE(head + text + tail == came);
}

TEST_P(SendFile, ACancelledOneSaysWhatWent) {
  const std::string text = Content(20000000);
  File file(*this, text);
  evpoll_io io = Io(file, 0, text.size());
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  std::string came;
  EXPECT_TRUE(Until([&] { // no more than that: who reads as fast as it sends gets all
    char chunk[4096];
    ExpectQuiet();
    const int32_t n = evpoll_socket_recv(s.a, chunk, sizeof chunk);
    if (n > 0) came.append(chunk, static_cast<size_t>(n));
    return came.size() > 100000;
  }));
  EXPECT_EQ(1, evpoll_cancel(p, io.op));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, e.status);
  EXPECT_LE(static_cast<int64_t>(came.size()), e.result);
  came += Receive(static_cast<size_t>(e.result) - came.size());
  EXPECT_TRUE(came == text.substr(0, static_cast<size_t>(e.result)));
  std::string next = "next";
  EXPECT_EQ(4, RunIo(MakeIo(EVPOLL_OP_WRITE, s.b, 3, next.data(), 4)).result);
  EXPECT_EQ("next", Receive(4));
}

TEST_P(SendFile, APeerThatResetsEndsIt) {
  const std::string text = Content(20000000);
  File file(*this, text);
  evpoll_io io = Io(file, 0, text.size());
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  s.CloseA(); /* with bytes unread, and more to come */
  evpoll_event e = WaitOne();
  if (e.status == 0) e = RunIo(Io(file, 0, text.size()));
  EXPECT_TRUE(e.status == EVPOLL_ERR_RESET || e.status == EVPOLL_ERR_BROKEN_PIPE)
      << evpoll_strerror(e.status);
}

TEST_P(SendFile, TheFileIsInUseUntilItIsOver) {
  const std::string text = Content(20000000);
  File file(*this, text);
  evpoll_io io = Io(file, 0, text.size());
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_BUSY, evpoll_remove(p, file.handle, kServed));
  EXPECT_TRUE(Until([&] { return evpoll_remove(p, s.b, kServed) == 0; }));
  EXPECT_EQ(EVPOLL_ERR_CANCELLED, WaitOne().status);
  EXPECT_TRUE(Until([&] { return evpoll_remove(p, file.handle, kServed) != EVPOLL_ERR_BUSY; }));
  file.handle = -1;
}

TEST_P(SendFile, NeedsAFileThatIsServed) {
  const std::string text = Content(100);
  File file(*this, text);
  TempFile unknown(text);
  evpoll_io io = Io(file, 0, 10);
  io.buffer = static_cast<uint64_t>(unknown.handle);
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, Refused(io));
  for (int64_t none : {int64_t{-1}, INT64_MIN, INT64_MAX}) {
    io.buffer = static_cast<uint64_t>(none);
    EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, Refused(io));
  }
  io.buffer = static_cast<uint64_t>(s.b);
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refused(io));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(Io(file, -1, 10)));
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refused(Io(file, 0, uint64_t{1} << 63)));
  io = Io(file, 0, 10);
  io.handle = file.handle;
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refused(io));
}

} // namespace
