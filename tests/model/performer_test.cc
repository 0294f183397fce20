// SPDX-License-Identifier: MIT
// Every interleaving of who submits to a stream, who waits, who cancels and the peer; and that each
// mistake is found.
#include "performer.h"

#include <gtest/gtest.h>

namespace {

using namespace performer;

const Scene scenes[] = {
    {"Reads", SENDS, false, false, false},
    {"ReadsTcp", SENDS, false, false, true},
    {"ReadsInTheCall", SENDS, true, false, true},
    {"ReadsCancelled", SENDS, true, true, true},
    {"ReadsAndEnd", SENDS_AND_ENDS, true, false, true},
    {"ReadsAndEndCancelled", SENDS_AND_ENDS, false, true, true},
    {"ReadsThenEnd", SENDS_THEN_ENDS, true, true, true},
    {"Writes", MAKES_ROOM, false, false, false},
    {"WritesInTheCall", MAKES_ROOM, true, false, false},
    {"WritesAgain", MAKES_ROOM, false, false, false, NONE, true},
    {"WritesCancelled", MAKES_ROOM, true, true, false},
};

struct Performers : ::testing::TestWithParam<Scene> {};

TEST_P(Performers, LeaveNothingBehind) {
  const explore::Result r = Model{GetParam()}.explore_all();
  explore::report(GetParam().name, r);
  EXPECT_EQ("", r.counterexample);
}

INSTANTIATE_TEST_SUITE_P(By, Performers, ::testing::ValuesIn(scenes),
                         [](const auto &test) { return test.param.name; });

const Scene mistakes[] = {
    {"NoteIgnored", SENDS, false, false, false, NOTE_IGNORED},
    {"NoteIgnoredTcp", SENDS, false, false, true, NOTE_IGNORED},
    {"NoteIgnoredInTheCall", SENDS, true, false, true, NOTE_IGNORED},
    {"NoteIgnoredWrites", MAKES_ROOM, false, false, false, NOTE_IGNORED},
    {"NoteKept", SENDS, true, false, false, NOTE_KEPT},
    {"LetsGoLater", SENDS, false, false, false, LETS_GO_LATER},
    {"NobodyLooks", SENDS, false, false, false, NOBODY_LOOKS},
    {"ShortAtAnEnd", SENDS_AND_ENDS, false, false, true, SHORT_AT_AN_END},
    {"ShortAlways", SENDS, false, false, false, SHORT_ALWAYS},
    {"TakesWhatRuns", SENDS, false, true, false, TAKES_WHAT_RUNS},
    {"TakesWhatIsOver", SENDS, false, true, false, TAKES_WHAT_IS_OVER},
    {"Overtakes", SENDS, true, false, false, OVERTAKES},
    {"AsksOldBits", MAKES_ROOM, false, false, false, ASKS_OLD_BITS, true},
    {"NeverAsks", MAKES_ROOM, false, false, false, NEVER_ASKS},
};

struct BrokenPerformers : ::testing::TestWithParam<Scene> {};

TEST_P(BrokenPerformers, AreFound) {
  const explore::Result r = Model{GetParam()}.explore_all();
  explore::report(GetParam().name, r);
  EXPECT_NE("", r.counterexample);
}

INSTANTIATE_TEST_SUITE_P(By, BrokenPerformers, ::testing::ValuesIn(mistakes),
                         [](const auto &test) { return test.param.name; });

} // namespace
