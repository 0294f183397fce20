// SPDX-License-Identifier: MIT
// One operation at a time: the right bytes, the right count, and every field of the event.
#include "contract.h"

#include <cstring>
#include <memory>
#include <set>

namespace evp {
namespace {

// Bytes that differ from position to position and from seed to seed.
std::string Pattern(size_t n, unsigned seed = 1) {
  std::string bytes(n, '\0');
  uint32_t x = seed * 2654435761u + 1;
  for (char &c : bytes) {
    x = x * 1664525u + 1013904223u;
    c = static_cast<char>(x >> 24);
  }
  return bytes;
}

evpoll_iovec Piece(void *address, uint64_t length) {
  evpoll_iovec piece = {};
  piece.address = EVPOLL_ADDR(address);
  piece.length = length;
  return piece;
}

EVP_CONTRACT(IoSingle);
EVP_CONTRACT(IoVector);

#define EVP_NEEDS_VECTORS()                                                                        \
  EVP_GATE(Has(EVPOLL_FEATURE_VECTORED_IO), "vectored io", "READV and WRITEV are not served here")

int64_t SizeOf(const TempFile &file) {
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(file.handle, &size));
  return size;
}

TEST_P(IoSingle, ReadReturnsTheBytesAtItsOffset) {
  const std::string content = Pattern(10000);
  File file(*this, content);
  char buffer[1000];
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, sizeof buffer, 4321));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(1000, e.result);
  EXPECT_EQ(content.substr(4321, 1000), std::string(buffer, sizeof buffer));
}

TEST_P(IoSingle, ReadTouchesNothingAroundItsBuffer) {
  File file(*this, std::string(100, 'f'));
  char buffer[48];
  std::memset(buffer, '.', sizeof buffer);
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer + 16, 16, 0));
  EXPECT_EQ(16, e.result);
  EXPECT_EQ(std::string(16, '.') + std::string(16, 'f') + std::string(16, '.'),
            std::string(buffer, sizeof buffer));
}

TEST_P(IoSingle, WritePutsTheBytesAtItsOffset) {
  std::string content = Pattern(10000, 1), change = Pattern(1000, 2), back(10000, '\0');
  File file(*this, content);
  const evpoll_event written =
      RunIo(MakeIo(EVPOLL_OP_WRITE, file.handle, 7, change.data(), change.size(), 4321));
  EXPECT_EQ(EVPOLL_OK, written.status);
  EXPECT_EQ(1000, written.result);
  EXPECT_EQ(10000, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 8, back.data(), back.size())).result);
  EXPECT_EQ(content.replace(4321, 1000, change), back);
}

TEST_P(IoSingle, WriteBehindTheEndFillsTheGapWithZeros) {
  File file(*this, "abc");
  char tail[] = "xyz", back[16];
  EXPECT_EQ(3, RunIo(MakeIo(EVPOLL_OP_WRITE, file.handle, 7, tail, 3, 10)).result);
  EXPECT_EQ(13, SizeOf(file));
  EXPECT_EQ(13, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 8, back, sizeof back)).result);
  EXPECT_EQ(std::string("abc\0\0\0\0\0\0\0xyz", 13), std::string(back, 13));
}

TEST_P(IoSingle, OffsetsBeyond32BitsAreHonoured) {
  File file(*this, "near");
  const int64_t far_away = (int64_t{1} << 32) + 123;
  char text[] = "far", back[8] = {};
  EXPECT_EQ(3, RunIo(MakeIo(EVPOLL_OP_WRITE, file.handle, 7, text, 3, far_away)).result);
  EXPECT_EQ(far_away + 3, SizeOf(file));
  EXPECT_EQ(3, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 8, back, 3, far_away)).result);
  EXPECT_STREQ("far", back);
  EXPECT_EQ(4, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 9, back, 4)).result);
  EXPECT_STREQ("near", back);
}

TEST_P(IoSingle, ReadAcrossTheEndIsShort) {
  const std::string content = Pattern(100);
  File file(*this, content);
  char buffer[64];
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, sizeof buffer, 90));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(10, e.result);
  EXPECT_EQ(content.substr(90), std::string(buffer, 10));
}

TEST_P(IoSingle, ReadAtTheEndIsStatus0AndResult0) {
  File file(*this, std::string(100, 'x'));
  char buffer[64];
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, sizeof buffer, 100));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(0, e.result);
}

TEST_P(IoSingle, ReadFarBehindTheEndIsStatus0AndResult0) {
  File file(*this, "short");
  char buffer[64];
  const evpoll_event e =
      RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, sizeof buffer, int64_t{1} << 33));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(0, e.result);
}

TEST_P(IoSingle, ReadOfAnEmptyFileIsStatus0AndResult0) {
  File file{*this};
  char buffer[64];
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, sizeof buffer));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(0, e.result);
}

TEST_P(IoSingle, ReadOfLength0ReadsNothing) {
  File file(*this, "content");
  char buffer[] = "kept";
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, 0));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(0, e.result);
  EXPECT_STREQ("kept", buffer);
}

TEST_P(IoSingle, WriteOfLength0LeavesTheFileAsItIs) {
  File file(*this, "content");
  char buffer[] = "x";
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_WRITE, file.handle, 7, buffer, 0, 1000));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(0, e.result);
  EXPECT_EQ(7, SizeOf(file));
}

TEST_P(IoSingle, OperationsDoNotMoveEachOther) {
  // Two operations on one handle with offsets of their own: no shared file position.
  const std::string content = Pattern(200);
  File file(*this, content);
  char buffer[50];
  for (int64_t offset : {150, 0, 150, 50}) {
    EXPECT_EQ(50, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 7, buffer, 50, offset)).result);
    EXPECT_EQ(content.substr(static_cast<size_t>(offset), 50), std::string(buffer, 50));
  }
}

TEST_P(IoSingle, EightMebibytesAreWrittenAndReadBack) {
  // Events may carry less than was asked for, so both directions go on where they stopped.
  std::string out = Pattern(8u << 20), in(out.size(), '\0');
  File file(*this);
  for (uint32_t code : {EVPOLL_OP_WRITE, EVPOLL_OP_READ}) {
    std::string &data = code == EVPOLL_OP_WRITE ? out : in;
    for (size_t done = 0; done < data.size();) {
      const evpoll_event e = RunIo(MakeIo(code, file.handle, 7, data.data() + done,
                                          data.size() - done, static_cast<int64_t>(done)));
      ASSERT_EQ(EVPOLL_OK, e.status);
      ASSERT_LT(0, e.result);
      done += static_cast<size_t>(e.result);
    }
  }
  EXPECT_TRUE(out == in);
}

TEST_P(IoSingle, ManyFilesAtOnceDoNotMixUp) {
  constexpr size_t kFiles = 50;
  std::vector<std::unique_ptr<File>> files;
  std::vector<std::string> buffers(kFiles, std::string(300, '\0'));
  for (unsigned i = 0; i < kFiles; i++) {
    files.push_back(std::make_unique<File>(*this, Pattern(300, i)));
    evpoll_io io = MakeIo(EVPOLL_OP_READ, files[i]->handle, i, buffers[i].data(), 300);
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  }
  for (const evpoll_event &e : WaitFor(kFiles)) {
    ASSERT_GT(kFiles, e.token);
    EXPECT_EQ(300, e.result);
    EXPECT_EQ(Pattern(300, static_cast<unsigned>(e.token)), buffers[e.token]);
  }
}

TEST_P(IoSingle, FsyncSucceedsWithResult0) {
  File file(*this, "content");
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_FSYNC, file.handle, 7));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(0, e.result);
}

TEST_P(IoSingle, FdatasyncSucceedsWithResult0) {
  File file(*this, "content");
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_FDATASYNC, file.handle, 7));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(0, e.result);
}

TEST_P(IoSingle, FsyncAfterACompletedWriteLeavesTheBytesThere) {
  File file{*this};
  std::string text = Pattern(5000), back(5000, '\0');
  for (uint32_t code : {EVPOLL_OP_FSYNC, EVPOLL_OP_FDATASYNC}) {
    EXPECT_EQ(5000, RunIo(MakeIo(EVPOLL_OP_WRITE, file.handle, 1, text.data(), 5000)).result);
    EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(code, file.handle, 2)).status);
    EXPECT_EQ(5000, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 3, back.data(), 5000)).result);
    EXPECT_EQ(text, back);
    text = Pattern(5000, code);
  }
}

TEST_P(IoSingle, TokensComeBackWhole) {
  File file(*this, "content");
  char buffer[8];
  for (uint64_t token : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 63, ~uint64_t{0},
                         uint64_t{0x8000000000000001}, uint64_t{0x0123456789abcdef}})
    EXPECT_EQ(token, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, token, buffer, 7)).token);
}

TEST_P(IoSingle, OperationIdsAreNeverReused) {
  File file(*this, "content");
  char buffer[8];
  std::set<uint64_t> seen;
  for (int round = 0; round < 1000; round++)
    ASSERT_TRUE(seen.insert(RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, buffer, 7)).op).second);
}

TEST_P(IoSingle, OperationIdsAreNever0) {
  File file(*this, "content");
  char buffer[8];
  for (int round = 0; round < 100; round++)
    ASSERT_NE(0u, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, buffer, 7)).op);
}

TEST_P(IoSingle, EveryFieldOfTheEventIsWritten) {
  File file(*this, "content");
  char buffer[16];
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 77, buffer, sizeof buffer);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  evpoll_event e;
  std::memset(&e, 0xff, sizeof e);
  ASSERT_EQ(1, evpoll_wait(p, &e, 1, kLong));
  EXPECT_EQ(77u, e.token);
  EXPECT_EQ(io.op, e.op);
  EXPECT_EQ(7, e.result);
  EXPECT_EQ(static_cast<uint32_t>(EVPOLL_IO), e.events);
  EXPECT_EQ(EVPOLL_OK, e.status);
}

TEST_P(IoSingle, SubmitWritesOpAndStatusAndNothingElse) {
  File file(*this, "content");
  char buffer[16];
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 77, buffer, sizeof buffer, 3);
  io.op = 1234567;
  io.status = -1234567;
  const evpoll_io before = io;
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_OK, io.status);
  EXPECT_EQ(e.op, io.op);
  io.op = before.op;
  io.status = before.status;
  EXPECT_EQ(0, std::memcmp(&before, &io, sizeof io));
}

TEST_P(IoSingle, EntriesAreTheCallersWhenSubmitReturns) {
  const std::string content = Pattern(400);
  File file(*this, content);
  std::string buffers[4];
  evpoll_io ios[4];
  for (unsigned i = 0; i < 4; i++) {
    buffers[i].resize(100);
    ios[i] = MakeIo(EVPOLL_OP_READ, file.handle, i, buffers[i].data(), 100, i * 100);
  }
  ASSERT_EQ(4, evpoll_submit(p, ios, 4));
  std::memset(ios, 0xff, sizeof ios);
  for (const evpoll_event &e : WaitFor(4)) {
    ASSERT_GT(4u, e.token);
    EXPECT_EQ(100, e.result);
    EXPECT_EQ(content.substr(e.token * 100, 100), buffers[e.token]);
  }
}

TEST_P(IoSingle, ACompletionIsDeliveredOnce) {
  File file(*this, "content");
  char buffer[8];
  RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 1, buffer, 7));
  RunIo(MakeIo(EVPOLL_OP_FSYNC, file.handle, 1));
  ExpectQuiet();
}

TEST_P(IoSingle, ReadIntoUnmappedMemoryEndsWithFault) {
  File file(*this, Pattern(4096));
  evpoll_io io = MakeIo(EVPOLL_OP_READ, file.handle, 7, nullptr, 4096);
  io.buffer = 64;
  const evpoll_event e = RunIo(io);
  EXPECT_EQ(EVPOLL_ERR_FAULT, e.status);
  EXPECT_NE(0, e.result) << "the system's code";
}

TEST_P(IoSingle, WriteFromUnmappedMemoryEndsWithFault) {
  File file(*this, "content");
  evpoll_io io = MakeIo(EVPOLL_OP_WRITE, file.handle, 7, nullptr, 4096);
  io.buffer = 64;
  EXPECT_EQ(EVPOLL_ERR_FAULT, RunIo(io).status);
}

TEST_P(IoSingle, WriteToAHandleOpenForReadingFails) {
  File file(*this, "content", EVPOLL_FILE_READ);
  char text[] = "changed";
  evpoll_io io = MakeIo(EVPOLL_OP_WRITE, file.handle, 7, text, 7);
  // Systems that look at the handle's rights themselves may refuse what others let fail.
  int32_t status;
  if (evpoll_submit(p, &io, 1) == 1)
    status = WaitOne().status;
  else
    status = io.status;
  EXPECT_TRUE(status == EVPOLL_ERR_BAD_HANDLE || status == EVPOLL_ERR_ACCESS)
      << evpoll_strerror(status);
  char back[8] = {};
  EXPECT_EQ(7, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 8, back, 7)).result);
  EXPECT_STREQ("content", back);
}

TEST_P(IoVector, ReadvFillsItsPiecesInOrder) {
  EVP_NEEDS_VECTORS();
  const std::string content = Pattern(1000);
  File file(*this, content);
  std::string a(100, '\0'), b(1, '\0'), c(499, '\0');
  evpoll_iovec pieces[] = {Piece(a.data(), a.size()), Piece(b.data(), b.size()),
                           Piece(c.data(), c.size())};
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READV, file.handle, 7, pieces, 3, 50));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(600, e.result);
  EXPECT_EQ(content.substr(50, 600), a + b + c);
}

TEST_P(IoVector, WritevGathersItsPiecesInOrder) {
  EVP_NEEDS_VECTORS();
  File file(*this, "0123456789");
  char a[] = "AB", b[] = "C", c[] = "DEF", back[11] = {};
  evpoll_iovec pieces[] = {Piece(a, 2), Piece(b, 1), Piece(c, 3)};
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_WRITEV, file.handle, 7, pieces, 3, 2));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(6, e.result);
  EXPECT_EQ(10, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 8, back, 10)).result);
  EXPECT_STREQ("01ABCDEF89", back);
}

TEST_P(IoVector, ReadvAcrossTheEndIsShort) {
  EVP_NEEDS_VECTORS();
  File file(*this, "0123456789");
  char a[4] = {'.', '.', '.', '.'}, b[4] = {'.', '.', '.', '.'};
  evpoll_iovec pieces[] = {Piece(a, 4), Piece(b, 4)};
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READV, file.handle, 7, pieces, 2, 5));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(5, e.result);
  EXPECT_EQ("56789...", std::string(a, 4) + std::string(b, 4));
}

TEST_P(IoVector, ReadvAtTheEndIsStatus0AndResult0) {
  EVP_NEEDS_VECTORS();
  File file(*this, "0123456789");
  char a[4];
  evpoll_iovec piece = Piece(a, 4);
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READV, file.handle, 7, &piece, 1, 10));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(0, e.result);
}

TEST_P(IoVector, PiecesOfLength0AreSkipped) {
  EVP_NEEDS_VECTORS();
  File file(*this, "0123456789");
  char a[2], b[3];
  evpoll_iovec pieces[] = {Piece(nullptr, 0), Piece(a, 2), Piece(a, 0), Piece(b, 3),
                           Piece(nullptr, 0)};
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READV, file.handle, 7, pieces, 5));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(5, e.result);
  EXPECT_EQ("01234", std::string(a, 2) + std::string(b, 3));
}

TEST_P(IoVector, AllPiecesEmptyMoveNothing) {
  EVP_NEEDS_VECTORS();
  File file(*this, "0123456789");
  evpoll_iovec pieces[2] = {};
  for (uint32_t code : {EVPOLL_OP_READV, EVPOLL_OP_WRITEV}) {
    const evpoll_event e = RunIo(MakeIo(code, file.handle, 7, pieces, 2));
    EXPECT_EQ(EVPOLL_OK, e.status);
    EXPECT_EQ(0, e.result);
  }
}

TEST_P(IoVector, OneThousandAndTwentyFourPiecesAreServed) {
  EVP_NEEDS_VECTORS();
  std::string content = Pattern(3 * 1024), back(3 * 1024, '\0');
  File file(*this);
  for (uint32_t code : {EVPOLL_OP_WRITEV, EVPOLL_OP_READV}) {
    std::string &data = code == EVPOLL_OP_WRITEV ? content : back;
    std::vector<evpoll_iovec> pieces;
    for (size_t i = 0; i < 1024; i++) pieces.push_back(Piece(data.data() + 3 * i, 3));
    EXPECT_EQ(3 * 1024, RunIo(MakeIo(code, file.handle, 7, pieces.data(), 1024)).result);
  }
  EXPECT_EQ(content, back);
}

TEST_P(IoVector, IovecArraysAreTheCallersWhenSubmitReturns) {
  EVP_NEEDS_VECTORS();
  const std::string content = Pattern(64 * 20);
  File file(*this, content);
  std::string back(content.size(), '\0');
  std::vector<evpoll_iovec> pieces(2);
  for (size_t i = 0; i < 64; i++) {
    char *to = back.data() + 20 * i;
    pieces[0] = Piece(to, 5);
    pieces[1] = Piece(to + 5, 15);
    evpoll_io io =
        MakeIo(EVPOLL_OP_READV, file.handle, i, pieces.data(), 2, static_cast<int64_t>(20 * i));
    ASSERT_EQ(1, evpoll_submit(p, &io, 1));
    std::memset(pieces.data(), 0, 2 * sizeof pieces[0]);
  }
  pieces.clear();
  pieces.shrink_to_fit(); // an address sanitizer sees a late look at it
  for (const evpoll_event &e : WaitFor(64)) EXPECT_EQ(20, e.result) << evpoll_strerror(e.status);
  EXPECT_EQ(content, back);
}

TEST_P(IoVector, APieceInUnmappedMemoryEndsWithFaultOrShort) {
  EVP_NEEDS_VECTORS();
  File file(*this, Pattern(4096));
  char first[100];
  evpoll_iovec pieces[2] = {Piece(first, sizeof first), {}};
  pieces[1].address = 64;
  pieces[1].length = 100;
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READV, file.handle, 7, pieces, 2));
  if (e.status == EVPOLL_OK)
    EXPECT_EQ(100, e.result);
  else
    EXPECT_EQ(EVPOLL_ERR_FAULT, e.status);
}

} // namespace
} // namespace evp
