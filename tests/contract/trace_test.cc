// SPDX-License-Identifier: MIT
// EVPOLL_TRACE: what a poller did, as lines of a file.
#include "contract.h"

#include <fstream>
#include <regex>

namespace {

using namespace evp;

// Pollers that are opened meanwhile are traced into a file of the test's own.
class Trace : public Contract {
protected:
  void SetUp() override {
    Contract::SetUp();
    OpenTraced(out.path);
  }
  void OpenTraced(const std::string &path) {
    SetVariable("EVPOLL_TRACE", path);
    Open();
    SetVariable("EVPOLL_TRACE", "");
  }
  // Without the time and the thread, which each line begins with.
  std::vector<std::string> Lines() {
    const std::regex head("[0-9]+\\.[0-9]{9} [0-9a-f]+ (.*)");
    std::vector<std::string> lines;
    std::ifstream file(out.path);
    for (std::string line; std::getline(file, line);) {
      std::smatch parts;
      EXPECT_TRUE(std::regex_match(line, parts, head)) << line;
      lines.push_back(parts.size() > 1 ? parts[1].str() : line);
    }
    return lines;
  }
  // Are there lines that begin so, in this order?
  void ExpectInOrder(const std::vector<std::string> &beginnings) {
    const std::vector<std::string> lines = Lines();
    size_t found = 0;
    for (const std::string &line : lines)
      if (found < beginnings.size() && line.rfind(beginnings[found], 0) == 0) found++;
    std::string all;
    for (const std::string &line : lines) all += line + "\n";
    EXPECT_EQ(beginnings.size(), found)
        << (found < beginnings.size() ? beginnings[found] : "") << "\n"
        << all;
  }
  static std::string Of(evpoll_handle h) { return std::to_string(h); }

  TempFile out;
};
INSTANTIATE_TEST_SUITE_P(On, Trace, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(Trace, TellsOfCallsAndEvents) {
  Pair s;
  ASSERT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  ASSERT_EQ(0, evpoll_post(p, 5, 42));
  EXPECT_EQ(42, WaitOne().result);
  Send(s.b, "x");
  EXPECT_EQ(7u, WaitOne().token);
  EXPECT_EQ(0, evpoll_remove(p, s.a, 7));
  Close();
  ExpectInOrder({"open(flags ", "add(handle " + Of(s.a) + ", token 0x7, interest 0x1, mode 0) = 0",
                 "post(token 0x5, 42) = 0", "wait ...", "wait(events 0x",
                 "  event token 0x5, op 0, POST, result 42, status 0", "wait(events 0x",
                 "  event token 0x7, op 0, READABLE",
                 "remove(handle " + Of(s.a) + ", token 0x7) = 0", "close(timeout "});
}

TEST_P(Trace, TellsOfEachEntryAndWhatBecameOfIt) {
  File file(*this, "content");
  char to[8];
  evpoll_io ios[2] = {MakeIo(EVPOLL_OP_READ, file.handle, 1, to, 7),
                      MakeIo(EVPOLL_OP_READ, file.handle, 2, to, 7, -1)};
  evpoll_change change = {3, file.handle, EVPOLL_CHANGE_REMOVE, 0, 0, 0};
  ASSERT_EQ(1, evpoll_submit(p, ios, 2));
  EXPECT_EQ(7, WaitOne().result);
  evpoll_event e;
  ASSERT_EQ(0, evpoll_turn(p, &change, 1, nullptr, 0, &e, 1, 0));
  const std::string entry = "  READ handle " + Of(file.handle) + ", token 0x";
  ExpectInOrder({"submit(ios 0x", entry + "1, length 7, flags 0, limit 0 ms, offset 0: op 0x",
                 entry + "2, length 7, flags 0, limit 0 ms: -1 invalid argument",
                 "  event token 0x1, op 0x", "turn ...",
                 "turn(changes 1, ios 0, capacity 1, timeout 0 ns) = 0",
                 "  remove handle " + Of(file.handle) + ", token 0x3, 0, mode 0 = -6 registered"});
}

TEST_P(Trace, TellsOfWhatWasRefusedAndLeavesItsCodeAlone) {
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, -1, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  const int32_t code = evpoll_os_error();
  evpoll_event e;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_wait(p, &e, 0, 0));
  Pair s;
  EXPECT_EQ(0, evpoll_add(p, s.a, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_add(p, -1, 7, EVPOLL_READABLE, EVPOLL_LEVEL));
  EXPECT_EQ(code, evpoll_os_error());
  ExpectInOrder({"add(handle -1, token 0x7, interest 0x1, mode 0) = -2 not an open handle",
                 "wait(events 0x"});
}

TEST_P(Trace, OfTwoPollersHasWholeLines) {
  EVP_GATE(!RunsOnWine(), "appends of two handles", "Wine looks for the end, then writes there");
  evpoll *other = nullptr;
  SetVariable("EVPOLL_TRACE", out.path);
  ASSERT_EQ(0, evpoll_open(nullptr, &other));
  SetVariable("EVPOLL_TRACE", "");
  const int rounds = Rounds(500);
  Thread thread([&] {
    for (int i = 0; i < rounds; i++) EXPECT_EQ(0, evpoll_post(other, 1, i));
  });
  for (int i = 0; i < rounds; i++) EXPECT_EQ(0, evpoll_post(p, 1, i));
  thread.Join();
  EXPECT_EQ(0, evpoll_close(other, kLong));
  int posts = 0;
  for (const std::string &line : Lines()) posts += line.rfind("post(token 0x1, ", 0) == 0;
  EXPECT_EQ(2 * rounds, posts);
}

TEST_P(Trace, ThatCannotBeWrittenChangesNothing) {
  OpenTraced("there-is-no-such-folder/trace");
  ASSERT_EQ(0, evpoll_post(p, 5, 42));
  EXPECT_EQ(42, WaitOne().result);
}

} // namespace
