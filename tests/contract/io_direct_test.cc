// SPDX-License-Identifier: MIT
// EVPOLL_FILE_DIRECT: operations past the page cache, where the file system has them.
#include "contract.h"

#include <cstring>
#include <memory>

namespace evp {
namespace {

constexpr uint64_t kBlock = 4096;

struct FreeBuffer {
  void operator()(void *buffer) const { EXPECT_EQ(0, evpoll_buffer_free(buffer)); }
};
using Buffer = std::unique_ptr<void, FreeBuffer>;

class IoDirect : public Contract {
protected:
  void SetUp() override {
    Contract::SetUp();
    const int32_t status = OpenDirect();
    ASSERT_TRUE(status == 0 || status == EVPOLL_ERR_UNSUPPORTED) << status;
    EVP_GATE(status == 0, "direct io", "the file system of the working folder has none");
    ASSERT_EQ(0, Serve(p, direct));
  }
  void TearDown() override {
    Contract::TearDown();
    CloseDirect();
  }
  int32_t OpenDirect() {
    return evpoll_file_open(file.path.c_str(),
                            EVPOLL_FILE_READ | EVPOLL_FILE_WRITE | EVPOLL_FILE_DIRECT, 0, &direct);
  }
  void CloseDirect() {
    if (direct >= 0) {
      EXPECT_EQ(0, evpoll_file_close(direct));
    }
    direct = -1;
  }
  Buffer Allocate(uint64_t size) {
    void *buffer = nullptr;
    EXPECT_EQ(0, evpoll_buffer_alloc(size, 0, &buffer));
    return Buffer(buffer);
  }
  static char *Bytes(const Buffer &buffer) { return static_cast<char *>(buffer.get()); }

  const std::string content = [] {
    std::string s(8 * kBlock + 100, '\0');
    for (size_t i = 0; i < s.size(); i++) s[i] = static_cast<char>(i * 31 + i / kBlock);
    return s;
  }();
  TempFile file{content};
  evpoll_handle direct = -1;
};
INSTANTIATE_TEST_SUITE_P(On, IoDirect, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoDirect, ReadReturnsTheBytes) {
  Buffer buffer = Allocate(2 * kBlock);
  const evpoll_event e =
      RunIo(MakeIo(EVPOLL_OP_READ, direct, 7, buffer.get(), 2 * kBlock, 3 * kBlock));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(static_cast<int64_t>(2 * kBlock), e.result);
  EXPECT_EQ(content.substr(3 * kBlock, 2 * kBlock), std::string(Bytes(buffer), 2 * kBlock));
}

TEST_P(IoDirect, WrittenBytesAreReadBack) {
  Buffer out = Allocate(kBlock), in = Allocate(kBlock);
  std::memset(out.get(), 'd', kBlock);
  EXPECT_EQ(static_cast<int64_t>(kBlock),
            RunIo(MakeIo(EVPOLL_OP_WRITE, direct, 7, out.get(), kBlock, kBlock)).result);
  EXPECT_EQ(EVPOLL_OK, RunIo(MakeIo(EVPOLL_OP_FDATASYNC, direct, 8)).status);
  EXPECT_EQ(static_cast<int64_t>(kBlock),
            RunIo(MakeIo(EVPOLL_OP_READ, direct, 9, in.get(), kBlock, kBlock)).result);
  EXPECT_EQ(0, std::memcmp(out.get(), in.get(), kBlock));
}

TEST_P(IoDirect, ReadAcrossTheEndIsShort) {
  Buffer buffer = Allocate(2 * kBlock);
  const evpoll_event e =
      RunIo(MakeIo(EVPOLL_OP_READ, direct, 7, buffer.get(), 2 * kBlock, 7 * kBlock));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(static_cast<int64_t>(kBlock + 100), e.result);
  EXPECT_EQ(content.substr(7 * kBlock), std::string(Bytes(buffer), kBlock + 100));
}

TEST_P(IoDirect, ReadBehindTheEndIsStatus0AndResult0) {
  Buffer buffer = Allocate(kBlock);
  const evpoll_event e =
      RunIo(MakeIo(EVPOLL_OP_READ, direct, 7, buffer.get(), kBlock, 16 * kBlock));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(0, e.result);
}

TEST_P(IoDirect, AMisalignedLengthIsInvalidOrServed) {
  // File systems differ in what they align; none may lose the operation or lie about the bytes.
  Buffer buffer = Allocate(kBlock);
  const evpoll_event e = RunIo(MakeIo(EVPOLL_OP_READ, direct, 7, buffer.get(), 100, 1));
  if (e.status == EVPOLL_OK) {
    EXPECT_EQ(100, e.result);
    EXPECT_EQ(content.substr(1, 100), std::string(Bytes(buffer), 100));
  } else {
    EXPECT_EQ(EVPOLL_ERR_INVALID, e.status);
    EXPECT_NE(0, e.result) << "the system's code";
  }
}

TEST_P(IoDirect, ManyAtOnceReturnTheirOwnBytes) {
  std::vector<Buffer> buffers;
  std::vector<evpoll_io> ios;
  for (uint64_t i = 0; i < 64; i++) {
    buffers.push_back(Allocate(kBlock));
    ios.push_back(MakeIo(EVPOLL_OP_READ, direct, i, buffers[i].get(), kBlock,
                         static_cast<int64_t>(i % 8 * kBlock)));
  }
  ASSERT_EQ(64, evpoll_submit(p, ios.data(), 64));
  for (const evpoll_event &e : WaitFor(64, 5)) {
    ASSERT_GT(64u, e.token);
    EXPECT_EQ(static_cast<int64_t>(kBlock), e.result);
    EXPECT_EQ(content.substr(e.token % 8 * kBlock, kBlock),
              std::string(Bytes(buffers[e.token]), kBlock));
  }
}

TEST_P(IoDirect, AListReportsOnce) {
  std::vector<Buffer> buffers;
  std::vector<evpoll_io> ios;
  for (uint64_t i = 0; i < 32; i++) {
    buffers.push_back(Allocate(kBlock));
    ios.push_back(MakeIo(EVPOLL_OP_READ, direct, i, buffers[i].get(), kBlock,
                         static_cast<int64_t>(i % 8 * kBlock)));
  }
  uint64_t op = 0;
  ASSERT_EQ(32, evpoll_submit_list(p, ios.data(), 32, 7, &op));
  const evpoll_event e = WaitOne();
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(32, e.result);
  for (uint64_t i = 0; i < 32; i++)
    EXPECT_EQ(content.substr(i % 8 * kBlock, kBlock), std::string(Bytes(buffers[i]), kBlock));
}

TEST_P(IoDirect, CancelledOrNotEachCompletesOnce) {
  Buffer out = Allocate(64 * kBlock);
  for (int round = 0; round < 20; round++) {
    std::vector<evpoll_io> ios;
    for (uint64_t i = 0; i < 32; i++)
      ios.push_back(MakeIo(EVPOLL_OP_WRITE, direct, i, out.get(), 64 * kBlock,
                           static_cast<int64_t>(i * 64 * kBlock)));
    ASSERT_EQ(32, evpoll_submit(p, ios.data(), 32));
    const int32_t asked = evpoll_cancel_all(p);
    EXPECT_TRUE(asked >= 0 && asked <= 32) << asked;
    std::vector<int> seen(32);
    for (const evpoll_event &e : WaitFor(32)) {
      EXPECT_EQ(1, ++seen[e.token]);
      EXPECT_TRUE(e.status == EVPOLL_ERR_CANCELLED || (e.status == 0 && e.result > 0)) << e.status;
    }
  }
}

TEST_P(IoDirect, CloseReturnsWithOperationsInFlight) {
  Buffer buffer = Allocate(64 * kBlock);
  for (int round = 0; round < 10; round++) {
    Open();
    CloseDirect(); // some systems bind a handle to its first poller
    ASSERT_EQ(0, OpenDirect());
    ASSERT_EQ(0, Serve(p, direct));
    std::vector<evpoll_io> ios;
    for (uint64_t i = 0; i < 32; i++)
      ios.push_back(MakeIo(EVPOLL_OP_WRITE, direct, i, buffer.get(), 64 * kBlock,
                           static_cast<int64_t>(i * 64 * kBlock)));
    ASSERT_EQ(32, evpoll_submit(p, ios.data(), 32));
    ASSERT_EQ(0, evpoll_close(p, kLong));
    p = nullptr;
  }
}

} // namespace
} // namespace evp
