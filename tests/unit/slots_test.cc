// SPDX-License-Identifier: MIT
// The slot table: entries never move, no two share memory, and what was not reached is not there.
#include "slots.t.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

namespace {

struct Table : ::testing::Test {
  evp_table *t = slots_new(16);
  ~Table() override { slots_free(t); }
};

TEST_F(Table, ReachesNothingWhenNew) {
  EXPECT_EQ(0u, slots_end(t));
  for (uint32_t i : {0u, 1u, 63u, 64u, 1u << 20}) EXPECT_EQ(nullptr, slots_at(t, i));
}

TEST_F(Table, EntriesAreZeroAndStayWhereTheyAre) {
  char *first = static_cast<char *>(slots_reach(t, 5));
  for (int i = 0; i < 16; i++) EXPECT_EQ(0, first[i]);
  std::memset(first, 0x5a, 16);
  for (uint32_t i = 0; i < 100000; i++) ASSERT_NE(nullptr, slots_reach(t, i));
  EXPECT_EQ(first, slots_at(t, 5));
  EXPECT_EQ(first, slots_known(t, 5));
  EXPECT_EQ(0x5a, first[15]);
}

TEST_F(Table, NoTwoEntriesShareMemory) {
  std::set<char *> seen;
  for (uint32_t i = 0; i < 5000; i++) seen.insert(static_cast<char *>(slots_reach(t, i)));
  ASSERT_EQ(5000u, seen.size());
  const char *last = nullptr;
  for (char *entry : seen) {
    if (last) ASSERT_LE(last + 16, entry);
    last = entry;
  }
}

TEST_F(Table, AHighEntryDoesNotBringTheLowOnes) {
  ASSERT_NE(nullptr, slots_reach(t, 70000));
  EXPECT_LT(70000u, slots_end(t));
  EXPECT_EQ(nullptr, slots_at(t, 0));
  EXPECT_EQ(nullptr, slots_at(t, slots_end(t)));
  EXPECT_NE(nullptr, slots_at(t, slots_end(t) - 1));
}

TEST_F(Table, EveryChunkBorderIsInOneChunkOnly) {
  for (uint32_t border = 64; border < 1u << 20; border *= 2) {
    char *below = static_cast<char *>(slots_reach(t, border - 64 - (border > 64)));
    char *above = static_cast<char *>(slots_reach(t, border - 64 + (border == 64)));
    ASSERT_NE(below, above) << border;
    std::memset(below, 1, 16);
    std::memset(above, 2, 16);
    ASSERT_EQ(1, below[0]) << border;
  }
}

} // namespace
