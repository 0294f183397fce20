// SPDX-License-Identifier: MIT
// ALL: the whole length, or the end; DURABLE: on the disk. That parts are continued, and that the
// disk is asked, is shown in tests/fault.
#include "contract.h"

#include <string>
#include <thread>

namespace evp {
namespace {

constexpr uint32_t kWhole[] = {EVPOLL_OPF_ALL, EVPOLL_OPF_DURABLE,
                               EVPOLL_OPF_ALL | EVPOLL_OPF_DURABLE};

class IoWhole : public Contract {
protected:
  evpoll_io Whole(uint32_t code, char *data, uint64_t n, int64_t offset, uint32_t flags) {
    evpoll_io io = MakeIo(code, file.handle, 5, data, n, offset);
    io.flags = flags;
    return io;
  }
  evpoll_event Write(std::string &data, int64_t offset, uint32_t flags) {
    return RunIo(Whole(EVPOLL_OP_WRITE, data.data(), data.size(), offset, flags));
  }
  evpoll_event Read(std::string &data, int64_t offset) {
    return RunIo(Whole(EVPOLL_OP_READ, data.data(), data.size(), offset, EVPOLL_OPF_ALL));
  }

  File file{*this};
};
INSTANTIATE_TEST_SUITE_P(On, IoWhole, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoWhole, WritesAndReadsTheWholeLength) {
  std::string data(3 << 20, 'x'), back(data.size(), '.');
  for (size_t i = 0; i < data.size(); i += 4096) data[i] = static_cast<char>('a' + i / 4096 % 26);
  for (uint32_t flags : kWhole) {
    const evpoll_event e = Write(data, 100, flags);
    EXPECT_EQ(EVPOLL_OK, e.status);
    EXPECT_EQ(static_cast<int64_t>(data.size()), e.result);
    EXPECT_EQ(static_cast<int64_t>(data.size()), Read(back, 100).result);
    EXPECT_TRUE(data == back);
    back.assign(data.size(), '.');
  }
}

TEST_P(IoWhole, ReadingEndsAtTheEnd) {
  std::string data(10000, 'x'), back(30000, '.');
  ASSERT_EQ(10000, Write(data, 0, EVPOLL_OPF_ALL).result);
  const struct { int64_t offset, bytes; } cases[] = {{0, 10000}, {9999, 1}, {10000, 0}, {20000, 0}};
  for (const auto &each : cases) {
    const evpoll_event e = Read(back, each.offset);
    EXPECT_EQ(EVPOLL_OK, e.status);
    EXPECT_EQ(each.bytes, e.result) << each.offset;
  }
}

TEST_P(IoWhole, Length0IsWholeAtOnce) {
  std::string none;
  for (uint32_t flags : kWhole) EXPECT_EQ(0, Write(none, 0, flags).result);
  EXPECT_EQ(0, Read(none, 0).result);
}

TEST_P(IoWhole, AnErrorIsReportedAsSuch) {
  File reader(*this, "abc", EVPOLL_FILE_READ);
  char byte = 'x';
  for (uint32_t flags : kWhole) {
    evpoll_io io = MakeIo(EVPOLL_OP_WRITE, reader.handle, 5, &byte, 1);
    io.flags = flags;
    const evpoll_event e = RunIo(io);
    EXPECT_GT(0, e.status);
    EXPECT_NE(0, e.result);
  }
}

TEST_P(IoWhole, VectorsAreDurableToo) {
  EVP_GATE(Has(EVPOLL_FEATURE_VECTORED_IO), "vectored io", "READV and WRITEV are not served here");
  char abc[] = "abc", def[] = "def";
  evpoll_iovec pieces[2] = {};
  pieces[0].address = EVPOLL_ADDR(abc);
  pieces[1].address = EVPOLL_ADDR(def);
  pieces[0].length = pieces[1].length = 3;
  evpoll_io io = MakeIo(EVPOLL_OP_WRITEV, file.handle, 5, pieces, 2, 4);
  io.flags = EVPOLL_OPF_DURABLE;
  EXPECT_EQ(6, RunIo(io).result);
  std::string back(10, '.');
  EXPECT_EQ(10, Read(back, 0).result);
  EXPECT_EQ(std::string("\0\0\0\0abcdef", 10), back);
}

TEST_P(IoWhole, DirectReadsEndAtAnEndThatIsNotAligned) {
  std::string data(5000, 'd');
  ASSERT_EQ(5000, Write(data, 0, EVPOLL_OPF_ALL).result);
  evpoll_handle h = -1;
  const uint32_t flags = EVPOLL_FILE_READ | EVPOLL_FILE_DIRECT;
  const int32_t opened = evpoll_file_open(file.path.c_str(), flags, 0, &h);
  EVP_GATE(opened == 0, "direct", "the file system has no direct access");
  ASSERT_EQ(0, Serve(p, h));
  void *buffer = nullptr;
  ASSERT_EQ(0, evpoll_buffer_alloc(16384, 4096, &buffer));
  evpoll_io io = MakeIo(EVPOLL_OP_READ, h, 5, buffer, 16384);
  io.flags = EVPOLL_OPF_ALL;
  const evpoll_event e = RunIo(io);
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(5000, e.result);
  EXPECT_EQ(0, RunIo(MakeIo(EVPOLL_OP_CLOSE, h, 6)).result);
  EXPECT_EQ(0, evpoll_buffer_free(buffer));
}

TEST_P(IoWhole, ListsTakeTheFlags) {
  std::string data(100000, 'x');
  evpoll_io ios[3];
  for (int i = 0; i < 3; i++)
    ios[i] = Whole(EVPOLL_OP_WRITE, data.data(), data.size(), i * 100000, kWhole[i]);
  uint64_t list = 0;
  ASSERT_EQ(3, evpoll_submit_list(p, ios, 3, 9, &list));
  EXPECT_EQ(3, WaitOne().result);
  evpoll_result results[3];
  ASSERT_EQ(3, evpoll_list_take(p, list, results, 3));
  for (const evpoll_result &r : results) EXPECT_EQ(100000, r.result);
}

TEST_P(IoWhole, CancelledOnesReportTheBytes) {
  std::string data(1 << 20, 'x');
  std::vector<evpoll_io> ios;
  for (uint64_t i = 0; i < 64; i++)
    ios.push_back(Whole(EVPOLL_OP_WRITE, data.data(), data.size(),
                        static_cast<int64_t>(i * data.size()), kWhole[i % 3]));
  ASSERT_EQ(64, evpoll_submit(p, ios.data(), 64));
  EXPECT_LE(0, evpoll_cancel_handle(p, file.handle));
  for (const evpoll_event &e : WaitFor(64)) {
    EXPECT_TRUE(e.status == EVPOLL_OK || e.status == EVPOLL_ERR_CANCELLED);
    EXPECT_LE(0, e.result);
    EXPECT_EQ(e.status == EVPOLL_OK, e.result == static_cast<int64_t>(data.size()));
  }
}

} // namespace
} // namespace evp
