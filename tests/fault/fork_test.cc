// SPDX-License-Identifier: MIT
// fork() at the worst of moments, by another thread say: the library has just given memory back.
// The child, which closes its copy of the poller, must not find it there.
#include "fault_test.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

namespace evp {
namespace {

evpoll *forked;
std::atomic<int> forks{0}, bad{0};
size_t wrong_before; // in this process, by tests before

void Fork() {
  forks++;
  const pid_t child = fork();
  if (child == 0) {
    fault::AfterFree(nullptr);
    evpoll_close(forked, 0);
    _exit(static_cast<int>(fault::WrongFrees() - wrong_before));
  }
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) bad++;
}

class FaultFork : public FaultTest {
protected:
  void SetUp() override {
    FaultTest::SetUp();
    Open();
    forked = p;
    forks = bad = 0;
    wrong_before = fault::WrongFrees();
  }
  void TearDown() override {
    fault::AfterFree(nullptr);
    EXPECT_EQ(0, bad) << "children gave back what they did not have";
    FaultTest::TearDown();
  }
};
INSTANTIATE_TEST_SUITE_P(On, FaultFork, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(FaultFork, ResultsOfAListThatAreTaken) {
  for (int round = 0; round < 3; round++) {
    evpoll_io ios[] = {Read(1), Read(2)};
    evpoll_result results[2];
    uint64_t op = 0;
    fault::AfterFree(Fork);
    ASSERT_EQ(2, evpoll_submit_list(p, ios, 2, 7, &op));
    WaitOne();
    ASSERT_EQ(2, evpoll_list_take(p, op, results, 2));
    fault::AfterFree(nullptr);
    EXPECT_LE(2 * (round + 1), forks);
  }
}

TEST_P(FaultFork, IovecsOfAnOperationThatIsOver) {
  evpoll_iovec piece = {EVPOLL_ADDR(bytes.data()), 100};
  fault::AfterFree(Fork);
  for (uint32_t code : {EVPOLL_OP_READV, EVPOLL_OP_WRITEV})
    RunIo(MakeIo(code, file.handle, 1, &piece, 1));
  EXPECT_LE(2, forks);
}

TEST_P(FaultFork, TheQueueOfPostsThatGrows) {
  fault::AfterFree(Fork);
  for (int i = 0; i < 300; i++) ASSERT_EQ(0, evpoll_post(p, 1, i));
  WaitFor(300);
  EXPECT_LE(2, forks);
}

TEST_P(FaultFork, AHandleThatIsRemovedOrClosed) {
  const int removed = dup(static_cast<int>(file.handle)), closed = dup(removed);
  ASSERT_EQ(0, Serve(p, removed));
  ASSERT_EQ(0, Serve(p, closed));
  fault::AfterFree(Fork);
  EXPECT_EQ(0, evpoll_remove(p, removed, kServed));
  RunIo(MakeIo(EVPOLL_OP_CLOSE, closed, 1));
  EXPECT_LE(2, forks);
  close(removed);
}

} // namespace
} // namespace evp
