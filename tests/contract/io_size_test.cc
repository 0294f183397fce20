// SPDX-License-Identifier: MIT
// SIZE and TRUNCATE.
#include "contract.h"

#include <limits>
#include <string>

namespace evp {
namespace {

class IoSize : public Contract {
protected:
  evpoll_io Size(const TempFile &of, uint32_t flags = 0) {
    evpoll_io io = MakeIo(EVPOLL_OP_SIZE, of.handle, 5);
    io.flags = flags;
    return io;
  }
  evpoll_event Truncate(int64_t size) {
    return RunIo(MakeIo(EVPOLL_OP_TRUNCATE, file.handle, 6, nullptr, 0, size));
  }
  int32_t Refuse(evpoll_io io) {
    EXPECT_EQ(0, evpoll_submit(p, &io, 1));
    return io.status;
  }

  File file{*this, "0123456789"};
};
INSTANTIATE_TEST_SUITE_P(On, IoSize, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(IoSize, TellsTheBytes) {
  const evpoll_event e = RunIo(Size(file));
  EXPECT_EQ(EVPOLL_OK, e.status);
  EXPECT_EQ(10, e.result);
  File empty{*this};
  EXPECT_EQ(0, RunIo(Size(empty)).result);
}

TEST_P(IoSize, MayEndInTheCall) {
  evpoll_io io = Size(file, EVPOLL_OPF_INLINE);
  ASSERT_EQ(1, evpoll_submit(p, &io, 1));
  EXPECT_EQ(10, io.op ? WaitOne().result : io.offset);
  ExpectQuiet();
}

TEST_P(IoSize, SeesWhatWasWrittenAndCut) {
  char text[] = "xyz";
  EXPECT_EQ(3, RunIo(MakeIo(EVPOLL_OP_WRITE, file.handle, 7, text, 3, int64_t{1} << 33)).result);
  EXPECT_EQ((int64_t{1} << 33) + 3, RunIo(Size(file)).result);
  const evpoll_event cut = Truncate(4);
  EXPECT_EQ(EVPOLL_OK, cut.status);
  EXPECT_EQ(0, cut.result);
  EXPECT_EQ(4, RunIo(Size(file)).result);
}

TEST_P(IoSize, TruncateGrowsWithZeros) {
  EXPECT_EQ(EVPOLL_OK, Truncate(4).status);
  EXPECT_EQ(EVPOLL_OK, Truncate(6).status);
  char back[16];
  EXPECT_EQ(6, RunIo(MakeIo(EVPOLL_OP_READ, file.handle, 8, back, sizeof back)).result);
  EXPECT_EQ(std::string("0123\0\0", 6), std::string(back, 6));
}

TEST_P(IoSize, TruncateToMoreThanTheSystemHasFails) {
  const evpoll_event e = Truncate(std::numeric_limits<int64_t>::max());
  EXPECT_GT(0, e.status);
  EXPECT_EQ(10, RunIo(Size(file)).result);
}

TEST_P(IoSize, TruncateNeedsAFileThatIsOpenForWriting) {
  File reader(*this, "abc", EVPOLL_FILE_READ);
  EXPECT_GT(0, RunIo(MakeIo(EVPOLL_OP_TRUNCATE, reader.handle, 6, nullptr, 0, 1)).status);
  EXPECT_EQ(3, RunIo(Size(reader)).result);
}

TEST_P(IoSize, FieldsThatAreNotUsedMustBe0) {
  char byte = 0;
  for (uint32_t code : {EVPOLL_OP_SIZE, EVPOLL_OP_TRUNCATE}) {
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(MakeIo(code, file.handle, 5, &byte)));
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(MakeIo(code, file.handle, 5, nullptr, 1)));
    EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(MakeIo(code, file.handle, 5, nullptr, 0, -1)));
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, Refuse(MakeIo(code, -1, 5)));
    for (uint32_t flag = EVPOLL_OPF_NOWAIT; flag <= EVPOLL_OPF_MORE; flag <<= 1) {
      evpoll_io io = MakeIo(code, file.handle, 5);
      io.flags = flag;
      EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(io)) << flag;
    }
  }
  EXPECT_EQ(EVPOLL_ERR_INVALID, Refuse(MakeIo(EVPOLL_OP_SIZE, file.handle, 5, nullptr, 0, 1)));
  TempFile other;
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, Refuse(Size(other)));
}

TEST_P(IoSize, ListsTakeThem) {
  evpoll_io ios[] = {MakeIo(EVPOLL_OP_TRUNCATE, file.handle, 0, nullptr, 0, 10), Size(file)};
  uint64_t list = 0;
  ASSERT_EQ(2, evpoll_submit_list(p, ios, 2, 9, &list));
  EXPECT_EQ(2, WaitOne().result);
  evpoll_result results[2];
  ASSERT_EQ(2, evpoll_list_take(p, list, results, 2));
  EXPECT_EQ(0, results[0].result);
  /* In no order. */
  EXPECT_TRUE(results[1].result == 10 || results[1].result == 11) << results[1].result;
  EXPECT_EQ(10, RunIo(Size(file)).result);
}

} // namespace
} // namespace evp
