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
    EXPECT_EQ(evpoll_os_error(), io.offset) << "the system's code";
    io.op = before.op;
    io.status = before.status;
    io.offset = before.offset;
    EXPECT_EQ(0, std::memcmp(&before, &io, sizeof io)) << "nothing else is written";
    return status;
  }
  evpoll_io Read() {
    char *const own = buffer + 16 * (reads++ % 4); // no two in flight share one
    return MakeIo(EVPOLL_OP_READ, file.handle, 5, own, 16);
  }
  evpoll_io Vector(uint32_t code, uint64_t count) {
    return MakeIo(code, file.handle, 5, pieces.data(), count);
  }

  File file{*this, "content"};
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
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_cancel_all(nullptr));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_cancel_handle(nullptr, file.handle));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_cancel_token(nullptr, file.handle, 5));
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

// A program asks a library by trying: what it does not know is found before any mistake.
TEST_P(IoRefused, UnknownCodesAreUnsupportedWhateverElseIsWrong) {
  for (uint32_t code : {0u, EVPOLL_OP_TIMER + 1u, 0x101u, 0x80000001u, ~0u}) {
    evpoll_io io = Read();
    io.code = code;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refuse(io)) << code;
    io.handle = -1;
    io.offset = -1;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refuse(io)) << code;
  }
}

TEST_P(IoRefused, UnknownFlagsAreUnsupportedWhateverElseIsWrong) {
  for (uint32_t code = EVPOLL_OP_READ; code <= EVPOLL_OP_CLOSE; code++)
    for (uint32_t flag = EVPOLL_OPF_MORE << 1; flag; flag <<= 1) {
      evpoll_io io = MakeIo(code, file.handle, 5, nullptr, 1, -1);
      // Known, and wrong for every one of these codes.
      io.flags = flag | EVPOLL_OPF_ABSOLUTE;
      EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refuse(io)) << code << " " << flag;
    }
}

// Those that fit are judged with the handle.
TEST_P(IoRefused, KnownFlagsOnTheWrongCodeAreInvalid) {
  const uint32_t read = EVPOLL_OPF_INLINE | EVPOLL_OPF_NOWAIT | EVPOLL_OPF_ALL,
                 write = read | EVPOLL_OPF_DURABLE | EVPOLL_OPF_MORE,
                 some = EVPOLL_OPF_INLINE | EVPOLL_OPF_NOWAIT, inl = EVPOLL_OPF_INLINE;
  const uint32_t fitting[] = {0, // by code, from 1
                              read,
                              write,
                              read & ~EVPOLL_OPF_ALL,
                              write & ~EVPOLL_OPF_ALL,
                              inl,
                              inl,
                              inl | EVPOLL_OPF_ABORT,
                              some,
                              some,
                              inl,
                              some,
                              some,
                              some | EVPOLL_OPF_MORE,
                              inl,
                              inl,
                              inl,
                              inl | EVPOLL_OPF_DURABLE,
                              inl | EVPOLL_OPF_ABSOLUTE};
  for (uint32_t code = EVPOLL_OP_READ; code < EVPOLL_OP_TIMER; code++)
    for (uint32_t flag = EVPOLL_OPF_INLINE; flag <= EVPOLL_OPF_MORE; flag <<= 1) {
      evpoll_io io = MakeIo(code, -1, 5);
      io.flags = flag;
      const int32_t status = Refuse(io);
      EXPECT_EQ(!(fitting[code] & flag), status == EVPOLL_ERR_INVALID) << code << " " << flag;
    }
}

TEST_P(IoRefused, WhatFilesDoNotServeIsUnsupported) {
  for (uint32_t code = EVPOLL_OP_POLL; code <= EVPOLL_OP_SHUTDOWN; code++)
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, Refuse(MakeIo(code, file.handle, 5))) << code;
}

TEST_P(IoRefused, ACloseHasNoTimeLimit) {
  evpoll_io io = MakeIo(EVPOLL_OP_CLOSE, file.handle, 5);
  io.timeout_ms = 1;
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io));
  EXPECT_EQ(0, evpoll_cancel_handle(p, file.handle)) << "it is registered still";
}

TEST_P(IoRefused, NegativeOffsetIsInvalid) {
  for (int64_t offset : {int64_t{-1}, std::numeric_limits<int64_t>::min()})
    for (uint32_t code : {EVPOLL_OP_READ, EVPOLL_OP_WRITE}) {
      evpoll_io io = Read();
      io.code = code;
      io.offset = offset;
      EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io));
    }
}

TEST_P(IoRefused, NegativeOffsetOfAVectorIsInvalid) {
  EVP_GATE(Has(EVPOLL_FEATURE_VECTORED_IO), "vectored io", "READV and WRITEV are not served here");
  for (uint32_t code : {EVPOLL_OP_READV, EVPOLL_OP_WRITEV}) {
    evpoll_io io = Vector(code, 1);
    io.offset = -1;
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io));
  }
}

TEST_P(IoRefused, LengthBeyondInt64IsInvalid) {
  for (uint64_t length : {static_cast<uint64_t>(kMost) + 1, ~uint64_t{0}})
    for (uint32_t code : {EVPOLL_OP_READ, EVPOLL_OP_WRITE}) {
      evpoll_io io = Read();
      io.code = code;
      io.length = length;
      EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io));
    }
}

TEST_P(IoRefused, IovecCountsOutOfRangeAreInvalid) {
  EVP_GATE(Has(EVPOLL_FEATURE_VECTORED_IO), "vectored io", "READV and WRITEV are not served here");
  for (uint64_t count : {uint64_t{0}, uint64_t{1025}, (uint64_t{1} << 32) + 1, ~uint64_t{0}})
    for (uint32_t code : {EVPOLL_OP_READV, EVPOLL_OP_WRITEV})
      EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(Vector(code, count))) << count;
}

TEST_P(IoRefused, NullIovecArrayIsInvalid) {
  EVP_GATE(Has(EVPOLL_FEATURE_VECTORED_IO), "vectored io", "READV and WRITEV are not served here");
  for (uint32_t code : {EVPOLL_OP_READV, EVPOLL_OP_WRITEV})
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(MakeIo(code, file.handle, 5, nullptr, 1)));
}

TEST_P(IoRefused, PiecesThatSumToMoreThanInt64AreInvalid) {
  EVP_GATE(Has(EVPOLL_FEATURE_VECTORED_IO), "vectored io", "READV and WRITEV are not served here");
  pieces[0].address = pieces[1].address = EVPOLL_ADDR(buffer);
  pieces[0].length = static_cast<uint64_t>(kMost);
  pieces[1].length = 1;
  evpoll_io io = Vector(EVPOLL_OP_WRITEV, 2);
  // Refused before or by the kernel, which counts them itself.
  const int32_t status = evpoll_submit(p, &io, 1) == 1 ? WaitOne().status : io.status;
  EXPECT_EQ(EVPOLL_ERR_INVALID, status);
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(file.handle, &size));
  EXPECT_EQ(7, size);
}

TEST_P(IoRefused, FsyncTakesNeitherBufferNorLengthNorOffset) {
  for (uint32_t code : {EVPOLL_OP_FSYNC, EVPOLL_OP_FDATASYNC}) {
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
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 5, nullptr, 7);
  if (evpoll_submit(p, &io, 1) == 1)
    EXPECT_EQ(EVPOLL_ERR_FAULT, WaitOne().status);
  else
    EXPECT_EQ(EVPOLL_ERR_INVALID, io.status);
}

TEST_P(IoRefused, EndBeyondTheLargestOffsetIsNoCrash) {
  // Systems differ in whether that is the end of the file, an error, or a write of the bytes that
  // fit (tmpfs); it ends once either way.
  for (uint32_t code : {EVPOLL_OP_READ, EVPOLL_OP_WRITE}) {
    evpoll_io io = Read();
    io.code = code;
    io.offset = kMost - 3;
    if (evpoll_submit(p, &io, 1) == 1) {
      const evpoll_event e = WaitOne();
      EXPECT_TRUE(e.status < 0 || e.result <= (code == EVPOLL_OP_READ ? 0 : 3)) << e.result;
    } else {
      EXPECT_GT(0, io.status);
    }
  }
  ExpectQuiet();
}

TEST_P(IoRefused, NegativeHandlesAreBad) {
  for (evpoll_handle handle :
       {evpoll_handle{-1}, evpoll_handle{-2}, std::numeric_limits<int64_t>::min()})
    for (uint32_t code : {EVPOLL_OP_READ, EVPOLL_OP_FSYNC, EVPOLL_OP_CLOSE}) {
      evpoll_io io = code == EVPOLL_OP_READ ? Read() : MakeIo(code, 0, 5);
      io.handle = handle;
      EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, Refuse(io)) << handle;
    }
}

// Open or not, a file or not: nothing is found out about what was not added for operations.
TEST_P(IoRefused, WhatIsNotRegisteredForOperationsIsNotFound) {
  Pair known, unknown;
  TempFile other("other");
  evpoll_handle closed = -1;
  ASSERT_EQ(0, evpoll_file_open(file.path.c_str(), EVPOLL_FILE_READ, 0, &closed));
  ASSERT_EQ(0, evpoll_file_close(closed));
  ASSERT_EQ(0, evpoll_add(p, known.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  for (evpoll_handle handle :
       {known.a, unknown.a, other.handle, closed, kMost, file.handle + (int64_t{1} << 32),
        (int64_t{1} << 31) - 8, (int64_t{1} << 32) - 4})
    for (uint32_t code : {EVPOLL_OP_READ, EVPOLL_OP_WRITE, EVPOLL_OP_FSYNC, EVPOLL_OP_CLOSE}) {
      evpoll_io io = code < EVPOLL_OP_FSYNC ? Read() : MakeIo(code, 0, 5);
      io.code = code;
      io.handle = handle;
      EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, Refuse(io)) << handle << " " << code;
    }
  EXPECT_EQ(0, evpoll_remove(p, known.a, 7)) << "still registered";
  ExpectQuiet();
}

TEST_P(IoRefused, EachEntryHasItsOwnOutcome) {
  Pair pair;
  evpoll_io ios[6] = {Read(), Read(), Read(), Read(), Read(), Read()};
  for (unsigned i = 0; i < 6; i++) {
    ios[i].token = i;
    ios[i].op = 99;
    ios[i].status = 4711;
  }
  ios[0].offset = -1;
  ios[2].code = 1000;
  ios[4].handle = pair.a;
  ios[5].handle = -1;
  EXPECT_EQ(2, evpoll_submit(p, ios, 6));
  const int32_t expected[] = {EVPOLL_ERR_INVALID,     0,
                              EVPOLL_ERR_UNSUPPORTED, 0,
                              EVPOLL_ERR_NOT_FOUND,   EVPOLL_ERR_BAD_HANDLE};
  for (unsigned i = 0; i < 6; i++) {
    EXPECT_EQ(expected[i], ios[i].status) << i;
    EXPECT_EQ(expected[i] == 0, ios[i].op != 0) << i;
  }
  for (const evpoll_event &e : WaitFor(2)) {
    ASSERT_GT(6u, e.token);
    EXPECT_EQ(ios[e.token].op, e.op);
    EXPECT_EQ(7, e.result);
  }
  ExpectQuiet();
}

// In one call, over many batches of whatever size the library works in.
TEST_P(IoRefused, EachOfThousandsHasItsOwnOutcome) {
  File other(*this, "another");
  std::vector<evpoll_io> ios;
  std::vector<char> bytes(5000);
  for (uint64_t i = 0; i < 5000; i++)
    ios.push_back(MakeIo(EVPOLL_OP_READ, i % 3 ? file.handle : other.handle, i, &bytes[i], 1));
  const auto wrong = [](uint64_t i) { return i % 7 == 3; };
  for (uint64_t i = 0; i < 5000; i++)
    if (wrong(i)) ios[i].handle = -1;
  int32_t good = 0;
  for (uint64_t i = 0; i < 5000; i++) good += !wrong(i);
  ASSERT_EQ(good, evpoll_submit(p, ios.data(), 5000));
  std::vector<int> seen(5000);
  for (const evpoll_event &e : WaitFor(static_cast<size_t>(good), 512)) {
    ASSERT_GT(5000u, e.token);
    ASSERT_EQ(ios[e.token].op, e.op);
    ASSERT_EQ(1, ++seen[e.token]);
    ASSERT_EQ(e.token % 3 ? 'c' : 'a', bytes[e.token]);
  }
  for (uint64_t i = 0; i < 5000; i++)
    ASSERT_EQ(wrong(i) ? EVPOLL_ERR_BAD_HANDLE : EVPOLL_OK, ios[i].status) << i;
  ExpectQuiet();
}

TEST_P(IoRefused, AgainLeavesTheEntryAsItWas) {
  Open(0, 1);
  evpoll_io ios[2] = {Read(), Read()};
  ios[1].offset = 3;
  const evpoll_io before = ios[1];
  EXPECT_EQ(1, evpoll_submit(p, ios, 2));
  EXPECT_EQ(EVPOLL_ERR_AGAIN, ios[1].status);
  EXPECT_EQ(0u, ios[1].op);
  ios[1].status = 0;
  EXPECT_EQ(0, std::memcmp(&before, &ios[1], sizeof before));
  EXPECT_EQ(7, WaitOne().result);
  EXPECT_EQ(4, RunIo(ios[1]).result) << "from its own offset";
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
  io.handle = -1;
  EXPECT_EQ(0, evpoll_submit(p, &io, 1));
  io.handle = file.handle;
  EXPECT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(EVPOLL_OK, io.status);
  EXPECT_EQ(7, WaitOne().result);
}

TEST_P(IoRefused, DirectoriesCannotBeOpened) {
  evpoll_handle handle = 4711;
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_file_open(".", EVPOLL_FILE_READ, 0, &handle));
  EXPECT_EQ(4711, handle);
}

} // namespace
} // namespace evp
