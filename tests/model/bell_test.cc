// SPDX-License-Identifier: MIT
// Every interleaving of who queues and who waits, in small programs; and that each mistake is
// found.
#include "bell.h"

#include <gtest/gtest.h>

namespace {

using namespace bell;

// clang-format off
//                      waiters, outer    posts wakes sockets pool ring cancels shutdowns, cached given_up timeouts
const Scene scenes[] = {
    {"Posts",               2, NO_OUTER,    3, 0, 1, 0, 0, 0, 0},
    {"Wakes",               2, NO_OUTER,    0, 2, 1, 0, 0, 0, 0},
    {"PostAndWake",         2, NO_OUTER,    1, 1, 1, 0, 0, 0, 0},
    {"Pool",                2, NO_OUTER,    0, 0, 0, 2, 0, 1, 0},
    {"PoolAndPost",         2, NO_OUTER,    1, 0, 0, 1, 0, 0, 0},
    {"Ring",                2, NO_OUTER,    0, 0, 0, 0, 2, 1, 0},
    {"PoolAndRing",         2, NO_OUTER,    0, 0, 0, 1, 1, 0, 0},
    {"ShutdownPosts",       2, NO_OUTER,    2, 0, 0, 0, 0, 0, 1},
    {"ShutdownWake",        2, NO_OUTER,    1, 1, 0, 0, 0, 0, 1},
    {"ShutdownPool",        2, NO_OUTER,    1, 0, 0, 1, 0, 0, 1},
    {"ShutdownRing",        2, NO_OUTER,    0, 0, 0, 0, 1, 1, 1},
    {"Single",              1, NO_OUTER,    2, 1, 1, 1, 0, 0, 0},
    {"SingleRing",          1, NO_OUTER,    1, 0, 1, 1, 1, 1, 0},
    {"SingleShutdown",      1, NO_OUTER,    2, 0, 1, 1, 0, 0, 1},
    {"Cached",              2, NO_OUTER,    0, 0, 1, 0, 0, 0, 0, 2},
    {"CachedAndPool",       2, NO_OUTER,    0, 0, 0, 1, 0, 0, 0, 1},
    {"GivenUp",             2, NO_OUTER,    0, 0, 0, 0, 2, 0, 0, 0, 1},
    {"Timeouts",            2, NO_OUTER,    1, 0, 1, 0, 0, 0, 0, 0, 0, 2},
    {"TimeoutsPool",        2, NO_OUTER,    0, 0, 0, 2, 0, 0, 0, 0, 0, 1},
    {"ShutdownCached",      2, NO_OUTER,    0, 0, 0, 0, 0, 0, 1, 1},
    {"ShutdownTimeouts",    2, NO_OUTER,    1, 0, 0, 0, 0, 0, 1, 0, 0, 2},
    {"SingleCached",        1, NO_OUTER,    1, 0, 1, 0, 1, 0, 0, 2},
    {"SingleGivenUp",       1, NO_OUTER,    1, 0, 1, 0, 2, 0, 0, 0, 1},
    {"SingleIfInside",      1, NO_OUTER,    2, 2, 1, 0, 0, 0, 0, 0, 0, 0, true},
    {"OuterLevel",          1, LEVEL_OUTER, 2, 1, 1, 1, 0, 0, 0},
    {"OuterLevelShutdown",  1, LEVEL_OUTER, 1, 1, 1, 1, 0, 1, 1},
    {"OuterLevelCached",    1, LEVEL_OUTER, 1, 0, 1, 0, 2, 0, 0, 2, 1},
    {"OuterEdge",           1, EDGE_OUTER,  2, 1, 1, 1, 0, 0, 0},
    {"OuterEdgeCached",     1, EDGE_OUTER,  1, 0, 1, 0, 2, 0, 0, 2, 1},
    {"OuterEdgeShutdown",   1, EDGE_OUTER,  1, 1, 1, 1, 0, 1, 1},
};
// clang-format on

struct Bells : ::testing::TestWithParam<Scene> {};

TEST_P(Bells, NothingQueuedIsSleptOn) {
  const explore::Result r = Model{GetParam()}.run();
  explore::report(GetParam().name, r);
  EXPECT_EQ("", r.counterexample);
}

INSTANTIATE_TEST_SUITE_P(On, Bells, ::testing::ValuesIn(scenes),
                         [](const auto &test) { return test.param.name; });

struct Broken {
  const char *name;
  Mistake mistake;
  const char *scene;
  friend void PrintTo(const Broken &b, std::ostream *out) { *out << b.name; }
};

const Broken mistakes[] = {
    {"LooksBeforeRaising", LOOKS_BEFORE_RAISING, "Wakes"},
    {"LooksBeforeRaisingSingle", LOOKS_BEFORE_RAISING, "SingleIfInside"},
    {"NoLookAfterEntering", NO_LOOK_AFTER_ENTERING, "Single"},
    {"BellNotPassedOn", BELL_NOT_PASSED_ON, "Posts"},
    {"BellNotPassedOnPool", BELL_NOT_PASSED_ON, "Pool"},
    {"BellNotPassedOnToOuter", BELL_NOT_PASSED_ON, "OuterLevel"},
    {"BellNotPassedOnAtShutdown", BELL_NOT_PASSED_ON, "ShutdownPosts"},
    {"LeavesForGoodSilently", LEAVES_FOR_GOOD_SILENTLY, "ShutdownPosts"},
    {"RingsBeforeQueueingPost", RINGS_BEFORE_QUEUEING, "Posts"},
    {"RingsBeforeQueueingPool", RINGS_BEFORE_QUEUEING, "PoolAndPost"},
    {"ShutdownWithoutLocksPost", SHUTDOWN_WITHOUT_LOCKS, "ShutdownPosts"},
    {"ShutdownWithoutLocksSubmit", SHUTDOWN_WITHOUT_LOCKS, "ShutdownRing"},
    {"EntersByAStore", ENTERS_BY_A_STORE, "SingleIfInside"},
    {"SleepsAfterNothing", SLEEPS_AFTER_NOTHING, "SingleRing"},
    {"CompletesSilently", COMPLETES_SILENTLY, "Pool"},
    {"TimeUpSilently", TIME_UP_SILENTLY, "ShutdownTimeouts"},
    {"LooksPastItsStore", LOOKS_PAST_ITS_STORE, "Cached"},
    {"LooksPastItsStoreSingle", LOOKS_PAST_ITS_STORE, "SingleCached"},
    {"DoesAgainSilently", DOES_AGAIN_SILENTLY, "GivenUp"},
    {"BellHasThePlace", BELL_HAS_THE_PLACE, "OuterEdge"},
};

struct BrokenBells : ::testing::TestWithParam<Broken> {};

TEST_P(BrokenBells, AreFound) {
  const Broken &b = GetParam();
  for (Scene c : scenes) {
    if (c.name != std::string(b.scene)) continue;
    c.mistake = b.mistake;
    const explore::Result r = Model{c}.run();
    explore::report(b.name, r);
    EXPECT_NE("", r.counterexample);
    return;
  }
  FAIL() << "there is no scene " << b.scene;
}

INSTANTIATE_TEST_SUITE_P(By, BrokenBells, ::testing::ValuesIn(mistakes),
                         [](const auto &test) { return test.param.name; });

} // namespace
