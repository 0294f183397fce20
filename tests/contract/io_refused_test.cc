// SPDX-License-Identifier: MIT
// What submit refuses, with which reason, and what a refusal leaves behind: nothing.
#include "contract.h"

#include <cstring>
#include <limits>

namespace evp {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

class IoRefused : public Contract {
protected:
  // The reason for which one operation is refused; no operation may come of it.
  int32_t Refuse(evpoll_io io) {
    const evpoll_io before = io;
    const uint64_t submitted = Stats().io_submitted;
    io.op = 99;
    EXPECT_EQ(0, evpoll_submit(p, &io, 1));
    EXPECT_EQ(0u, io.op) << "a refused operation has no id";
    EXPECT_EQ(submitted, Stats().io_submitted);
    const int32_t status = io.status;
    io.op = before.op;
    io.status = before.status;
    EXPECT_EQ(0, std::memcmp(&before, &io, sizeof io)) << "only op and status are written";
    return status;
  }
  evpoll_io Read() {
    char *const own = buffer + 16 * (reads++ % 4); // no two in flight share one
    return MakeIo(EVPOLL_IO_READ, file.handle, 5, own, 16);
  }
  evpoll_io Vector(uint32_t code, uint64_t count) {
    return MakeIo(code, file.handle, 5, pieces.data(), count);
  }

  TempFile file{"content"};
  char buffer[64] = {};
  size_t reads = 0;
  std::vector<evpoll_iovec> pieces = std::vector<evpoll_iovec>(1025);
};
INSTANTIATE_TEST_SUITE_P(On, IoRefused, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoRefused, NullPollerIsInvalid) {
  evpoll_io io = Read();
  evpoll_result result;
  uint64_t op = 0;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_submit(nullptr, &io, 1));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_submit_list(nullptr, &io, 1, 1, &op));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_list_take(nullptr, 2, &result, 1));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_cancel(nullptr, EVPOLL_OP_ALL));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_cancel_handle(nullptr, file.handle));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_attach(nullptr, file.handle));
}

TEST_P(IoRefused, NullEntriesAreInvalid) {
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_submit(p, nullptr, 1));
  EXPECT_EQ(0, evpoll_os_error()) << "the system was not involved";
}

TEST_P(IoRefused, NegativeCountIsInvalid) {
  evpoll_io io = Read();
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_submit(p, &io, -1));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_submit(p, &io, std::numeric_limits<int32_t>::min()));
  ExpectQuiet();
}

TEST_P(IoRefused, Count0AcceptsNothing) {
  evpoll_io io = Read();
  io.status = 4711;
  EXPECT_EQ(0, evpoll_submit(p, &io, 0));
  EXPECT_EQ(4711, io.status);
  ExpectQuiet();
}

TEST_P(IoRefused, UnknownCodeIsInvalid) {
  for (uint32_t code : {0u, 7u, 8u, 0x101u, 0x80000001u, ~0u}) {
    evpoll_io io = Read();
    io.code = code;
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io)) << code;
  }
}

TEST_P(IoRefused, UnknownFlagIsInvalid) {
  for (uint32_t code = EVPOLL_IO_READ; code <= EVPOLL_IO_FDATASYNC; code++)
    for (uint32_t flags : {1u, 0x11u, 0x20u, 0x100u, 0x80000000u}) {
      evpoll_io io = MakeIo(code, file.handle, 5);
      if (code < EVPOLL_IO_FSYNC) {
        io.buffer = EVPOLL_ADDR(pieces.data());
        io.length = 1;
      }
      io.flags = flags;
      EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io)) << code << " " << flags;
    }
}

TEST_P(IoRefused, ReservedFieldMustBe0) {
  for (uint32_t reserved : {1u, 0x80000000u}) {
    evpoll_io io = Read();
    io.reserved = reserved;
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io));
  }
}

TEST_P(IoRefused, NegativeOffsetIsInvalid) {
  for (int64_t offset : {int64_t{-1}, std::numeric_limits<int64_t>::min()})
    for (uint32_t code : {EVPOLL_IO_READ, EVPOLL_IO_WRITE}) {
      evpoll_io io = Read();
      io.code = code;
      io.offset = offset;
      EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io));
    }
}

TEST_P(IoRefused, NegativeOffsetOfAVectorIsInvalid) {
  EVP_GATE(Has(EVPOLL_FEATURE_VECTORED_IO), "vectored io", "READV and WRITEV are not served here");
  for (uint32_t code : {EVPOLL_IO_READV, EVPOLL_IO_WRITEV}) {
    evpoll_io io = Vector(code, 1);
    io.offset = -1;
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io));
  }
}

TEST_P(IoRefused, LengthBeyondInt64IsInvalid) {
  for (uint64_t length : {static_cast<uint64_t>(kMost) + 1, ~uint64_t{0}})
    for (uint32_t code : {EVPOLL_IO_READ, EVPOLL_IO_WRITE}) {
      evpoll_io io = Read();
      io.code = code;
      io.length = length;
      EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io));
    }
}

TEST_P(IoRefused, IovecCountsOutOfRangeAreInvalid) {
  EVP_GATE(Has(EVPOLL_FEATURE_VECTORED_IO), "vectored io", "READV and WRITEV are not served here");
  for (uint64_t count : {uint64_t{0}, uint64_t{1025}, (uint64_t{1} << 32) + 1, ~uint64_t{0}})
    for (uint32_t code : {EVPOLL_IO_READV, EVPOLL_IO_WRITEV})
      EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(Vector(code, count))) << count;
}

TEST_P(IoRefused, NullIovecArrayIsInvalid) {
  EVP_GATE(Has(EVPOLL_FEATURE_VECTORED_IO), "vectored io", "READV and WRITEV are not served here");
  for (uint32_t code : {EVPOLL_IO_READV, EVPOLL_IO_WRITEV})
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(MakeIo(code, file.handle, 5, nullptr, 1)));
}

TEST_P(IoRefused, PiecesThatSumToMoreThanInt64AreInvalid) {
  EVP_GATE(Has(EVPOLL_FEATURE_VECTORED_IO), "vectored io", "READV and WRITEV are not served here");
  pieces[0].address = pieces[1].address = EVPOLL_ADDR(buffer);
  pieces[0].length = static_cast<uint64_t>(kMost);
  pieces[1].length = 1;
  evpoll_io io = Vector(EVPOLL_IO_WRITEV, 2);
  // Refused before or by the kernel, which counts them itself.
  const int32_t status = evpoll_submit(p, &io, 1) == 1 ? WaitOne().status : io.status;
  EXPECT_EQ(EVPOLL_ERR_INVALID, status);
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(file.handle, &size));
  EXPECT_EQ(7, size);
}

TEST_P(IoRefused, FsyncTakesNeitherBufferNorLengthNorOffset) {
  for (uint32_t code : {EVPOLL_IO_FSYNC, EVPOLL_IO_FDATASYNC}) {
    evpoll_io io = MakeIo(code, file.handle, 5);
    io.buffer = EVPOLL_ADDR(buffer);
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io)) << "buffer";
    io.buffer = 0;
    io.length = 1;
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io)) << "length";
    io.length = 0;
    for (int64_t offset : {int64_t{1}, int64_t{-1}, kMost}) {
      io.offset = offset;
      EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io)) << "offset " << offset;
    }
  }
}

TEST_P(IoRefused, NullBufferWithALengthIsAnError) {
  evpoll_io io = MakeIo(EVPOLL_IO_READ, file.handle, 5, nullptr, 7);
  if (evpoll_submit(p, &io, 1) == 1)
    EXPECT_EQ(EVPOLL_ERR_FAULT, WaitOne().status);
  else
    EXPECT_EQ(EVPOLL_ERR_INVALID, io.status);
}

TEST_P(IoRefused, EndBeyondTheLargestOffsetIsNoCrash) {
  // Systems differ in whether that is the end of the file or an error; it ends once either way.
  for (uint32_t code : {EVPOLL_IO_READ, EVPOLL_IO_WRITE}) {
    evpoll_io io = Read();
    io.code = code;
    io.offset = kMost - 3;
    if (evpoll_submit(p, &io, 1) == 1) {
      const evpoll_event e = WaitOne();
      EXPECT_TRUE(e.status < 0 || (code == EVPOLL_IO_READ && e.result == 0)) << e.result;
    } else {
      EXPECT_GT(0, io.status);
    }
  }
  ExpectQuiet();
}

TEST_P(IoRefused, NumbersThatAreNoHandleAreBadHandles) {
  for (evpoll_handle handle :
       {evpoll_handle{-1}, evpoll_handle{-2}, kMost, std::numeric_limits<int64_t>::min(),
        file.handle + (int64_t{1} << 32), (int64_t{1} << 31) - 8, (int64_t{1} << 32) - 4})
    for (uint32_t code : {EVPOLL_IO_READ, EVPOLL_IO_FSYNC}) {
      evpoll_io io = code == EVPOLL_IO_READ ? Read() : MakeIo(code, 0, 5);
      io.handle = handle;
      EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, Refuse(io)) << handle;
    }
}

TEST_P(IoRefused, ClosedHandleIsABadHandle) {
  // The engine may open descriptors of its own at the first operation: have that behind us.
  ASSERT_EQ(EVPOLL_OK, RunIo(Read()).status);
  evpoll_handle closed = -1;
  ASSERT_EQ(0, evpoll_file_open(file.path.c_str(), EVPOLL_FILE_READ, &closed));
  evpoll_io io = Read();
  io.handle = closed;
  ASSERT_EQ(EVPOLL_OK, RunIo(io).status);
  ASSERT_EQ(0, evpoll_file_close(closed));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, Refuse(io));
}

TEST_P(IoRefused, SocketsAreUnsupported) {
  Pair pair;
  evpoll_handle udp = -1, listener = -1;
  ASSERT_EQ(0, evpoll_socket_udp_bind("127.0.0.1", 0, &udp));
  ASSERT_EQ(0, evpoll_socket_tcp_listen("127.0.0.1", 0, 1, &listener));
  for (evpoll_handle handle : {pair.a, udp, listener})
    for (uint32_t code : {EVPOLL_IO_READ, EVPOLL_IO_WRITE, EVPOLL_IO_FSYNC}) {
      evpoll_io io = code == EVPOLL_IO_FSYNC ? MakeIo(code, 0, 5) : Read();
      io.code = code;
      io.handle = handle;
      EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refuse(io));
    }
  EXPECT_EQ(0, evpoll_socket_close(udp));
  EXPECT_EQ(0, evpoll_socket_close(listener));
}

TEST_P(IoRefused, ANumberThatWasAFileAndIsASocketNowIsUnsupported) {
  // Numbers of descriptors are used again: what was learnt of the old one must not be believed,
  // however often it was seen.
  for (int round = 0; round < 20; round++) {
    TempFile other("other");
    evpoll_io io = Read();
    io.handle = other.handle;
    for (int times = 0; times < 3 * round + 1; times++) ASSERT_EQ(EVPOLL_OK, RunIo(io).status);
    ASSERT_EQ(0, evpoll_file_close(other.handle));
    other.handle = -1;
    Pair pair;
    for (evpoll_handle handle : {pair.a, pair.b}) {
      io.handle = handle;
      ASSERT_EQ(EVPOLL_ERR_UNSUPPORTED, Refuse(io));
    }
  }
}

TEST_P(IoRefused, ANumberThatWasASocketAndIsAFileNowIsServed) {
  for (int round = 0; round < 20; round++) {
    evpoll_io io = Read();
    {
      Pair pair;
      io.handle = pair.a;
      ASSERT_EQ(EVPOLL_ERR_UNSUPPORTED, Refuse(io));
    }
    TempFile first("first"), second("second");
    for (evpoll_handle handle : {first.handle, second.handle}) {
      io.handle = handle;
      ASSERT_EQ(EVPOLL_OK, RunIo(io).status);
    }
  }
}

TEST_P(IoRefused, TheFirstRefusedHasTheReasonAndThoseBehindItAgain) {
  evpoll_io ios[5] = {Read(), Read(), Read(), Read(), Read()};
  for (unsigned i = 0; i < 5; i++) {
    ios[i].token = i;
    ios[i].op = 99;
    ios[i].status = 4711;
  }
  ios[2].code = 1000;
  ios[4].handle = -1;
  EXPECT_EQ(2, evpoll_submit(p, ios, 5));
  EXPECT_EQ(EVPOLL_OK, ios[0].status);
  EXPECT_EQ(EVPOLL_OK, ios[1].status);
  EXPECT_EQ(EVPOLL_ERR_INVALID, ios[2].status);
  EXPECT_EQ(EVPOLL_ERR_AGAIN, ios[3].status);
  EXPECT_EQ(EVPOLL_ERR_AGAIN, ios[4].status);
  for (unsigned i = 0; i < 5; i++) EXPECT_EQ(i < 2, ios[i].op != 0) << i;
  for (const evpoll_event &e : WaitFor(2)) {
    ASSERT_GT(2u, e.token);
    EXPECT_EQ(ios[e.token].op, e.op);
  }
  ExpectQuiet();
}

TEST_P(IoRefused, WhenTheFirstIsRefusedNothingIsAccepted) {
  evpoll_io ios[3] = {Read(), Read(), Read()};
  ios[0].handle = -1;
  EXPECT_EQ(0, evpoll_submit(p, ios, 3));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, ios[0].status);
  EXPECT_EQ(EVPOLL_ERR_AGAIN, ios[1].status);
  EXPECT_EQ(EVPOLL_ERR_AGAIN, ios[2].status);
  ExpectQuiet();
}

TEST_P(IoRefused, RefusalsTakeNoRoom) {
  Open(0, 2);
  evpoll_io bad = Read();
  bad.handle = -1;
  for (int i = 0; i < 100; i++) EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, Refuse(bad));
  evpoll_io good[2] = {Read(), Read()};
  EXPECT_EQ(2, evpoll_submit(p, good, 2));
  WaitFor(2);
}

TEST_P(IoRefused, TheSameEntryCanBeSubmittedAgainWhenRepaired) {
  evpoll_io io = Read();
  io.flags = 1;
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  io.flags = 0;
  EXPECT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_OK, io.status);
  EXPECT_EQ(7, WaitOne().result);
}

TEST_P(IoRefused, DirectoriesCannotBeOpened) {
  evpoll_handle handle = 4711;
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_file_open(".", EVPOLL_FILE_READ, &handle));
  EXPECT_EQ(4711, handle);
}

TEST_P(IoRefused, AttachTakesAFileAgainAndAgain) {
  EXPECT_EQ(0, evpoll_attach(p, file.handle));
  EXPECT_EQ(0, evpoll_attach(p, file.handle));
  EXPECT_EQ(7, RunIo(Read()).result);
  EXPECT_EQ(0, evpoll_attach(p, file.handle));
}

TEST_P(IoRefused, AttachOfASocketIsUnsupported) {
  EVP_GATE(Backend() != EVPOLL_BACKEND_AFD, "attach-files-only",
           "sockets are bound as well, for the caller's own operations");
  Pair pair;
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_attach(p, pair.a));
}

TEST_P(IoRefused, AttachOfANumberThatIsNoHandleIsABadHandle) {
  for (evpoll_handle handle : {evpoll_handle{-1}, kMost, file.handle + (int64_t{1} << 32)})
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_attach(p, handle)) << handle;
}

} // namespace
} // namespace evp
