// SPDX-License-Identifier: MIT
// Every interleaving of who submits, who ends a registration and who gets its number next; and that
// each mistake is found.
#include "uses.h"

#include <gtest/gtest.h>

namespace {

using namespace uses;

const Scene scenes[] = {
    {"Remove", REMOVE, {RING, POOL, RING}},
    {"RemovePool", REMOVE, {POOL, POOL, RING}},
    {"RemoveSync", REMOVE, {RING, SYNC, POOL}},
    {"Close", CLOSE, {RING, POOL, NO_OP}},
    {"ClosePool", CLOSE, {POOL, POOL, NO_OP}},
    {"CloseSync", CLOSE, {SYNC, SYNC, NO_OP}},
    {"CloseUnused", CLOSE, {NO_OP, NO_OP, NO_OP}},
    {"AddOver", ADD_OVER, {RING, POOL, NO_OP}},
    {"AddOverSync", ADD_OVER, {SYNC, SYNC, NO_OP}},
    {"RemoveThenClose", REMOVE_THEN_CLOSE, {RING, POOL, NO_OP}},
    {"RemoveThenCloseSync", REMOVE_THEN_CLOSE, {SYNC, POOL, NO_OP}},
    {"RemoveAndClose", REMOVE_AND_CLOSE, {POOL, RING, NO_OP}},
    {"RemoveAndCloseSync", REMOVE_AND_CLOSE, {SYNC, NO_OP, NO_OP}},
};

struct Registrations : ::testing::TestWithParam<Scene> {};

TEST_P(Registrations, NameNoOtherFile) {
  const explore::Result r = Model{GetParam()}.run();
  explore::report(GetParam().name, r);
  EXPECT_EQ("", r.counterexample);
}

INSTANTIATE_TEST_SUITE_P(By, Registrations, ::testing::ValuesIn(scenes),
                         [](const auto &test) { return test.param.name; });

const Scene mistakes[] = {
    {"UseAfterTheLook", REMOVE, {RING}, USE_AFTER_THE_LOOK},
    {"UseAfterTheLookClose", CLOSE, {RING}, USE_AFTER_THE_LOOK},
    {"UseThoughEnded", REMOVE, {RING}, USE_THOUGH_ENDED},
    {"UseThoughEndedClose", CLOSE, {RING}, USE_THOUGH_ENDED},
    {"RedoWithoutUse", REMOVE, {RING}, REDO_WITHOUT_USE},
    {"RedoWithoutUseClose", CLOSE, {RING}, REDO_WITHOUT_USE},
    {"SyncWithoutUse", REMOVE, {SYNC}, SYNC_WITHOUT_USE},
    {"ClosesAlthoughBusy", REMOVE, {RING}, CLOSES_ALTHOUGH_BUSY},
    {"CloseAtOnce", CLOSE, {RING}, CLOSE_AT_ONCE},
    {"AddOverDoesNotAsk", ADD_OVER, {RING}, ADD_OVER_DOES_NOT_ASK},
    {"FreedWhileLinked", REMOVE, {RING}, FREED_WHILE_LINKED},
    {"FreedWhileUsed", REMOVE, {RING}, FREED_WHILE_USED},
    {"DroppedInTwoSteps", REMOVE, {RING, RING}, DROPPED_IN_TWO_STEPS},
    {"ReportedBeforeDrop", REMOVE, {POOL}, REPORTED_BEFORE_DROP},
    {"LooksThenLetsGo", REMOVE_AND_CLOSE, {}, LOOKS_THEN_LETS_GO},
    {"CloseLooksLater", REMOVE_THEN_CLOSE, {POOL}, CLOSE_LOOKS_LATER},
    {"CloseReportsFirst", CLOSE, {RING}, CLOSE_REPORTS_FIRST},
};

struct BrokenRegistrations : ::testing::TestWithParam<Scene> {};

TEST_P(BrokenRegistrations, AreFound) {
  const explore::Result r = Model{GetParam()}.run();
  explore::report(GetParam().name, r);
  EXPECT_NE("", r.counterexample);
}

INSTANTIATE_TEST_SUITE_P(By, BrokenRegistrations, ::testing::ValuesIn(mistakes),
                         [](const auto &test) { return test.param.name; });

} // namespace
