// SPDX-License-Identifier: MIT
// A contract test on a kernel that starts afresh, and that has nothing left at the end.
#pragma once

#include "../../backend/kqueue/freebsd.h"
#include "sim.h"

namespace evp {

class OnSim : public Contract {
protected:
  void SetUp() override {
    sim_reset();
    Contract::SetUp();
  }
  void TearDown() override {
    sim_hold(false);
    Contract::TearDown();
    EXPECT_EQ(0, sim_jobs()) << "not returned";
    EXPECT_EQ(0u, sim_wrong()) << "returned without being over";
    EXPECT_EQ(0u, sim_lost()) << "over, and nobody was told";
    EXPECT_EQ(0u, sim_repeating()) << "submitted to be reported until it is returned";
    EXPECT_EQ(0, sim_knotes());
    sim_reset();
  }
  template <class Change> void Tell(Change change) {
    struct sim_options o = sim_get();
    change(o);
    sim_set(&o);
  }
};

// Reads of one byte each, that know what they must find.
struct Reads {
  File file;
  std::vector<char> buffer;
  std::vector<evpoll_io> ios;
  std::vector<int> seen;
  Reads(Contract &test, size_t n) : file(test, Content(n)), buffer(n, '?'), seen(n) {
    for (size_t i = 0; i < n; i++)
      ios.push_back(MakeIo(EVPOLL_OP_READ, file.handle, i, &buffer[i], 1, static_cast<int64_t>(i)));
  }
  static std::string Content(size_t n) {
    std::string text(n, ' ');
    for (size_t i = 0; i < n; i++) text[i] = static_cast<char>('a' + i % 26);
    return text;
  }
  int32_t Submit(evpoll *p) {
    return evpoll_submit(p, ios.data(), static_cast<int32_t>(ios.size()));
  }
  void See(const evpoll_event &e) {
    ASSERT_LT(e.token, seen.size());
    EXPECT_EQ(1, ++seen[e.token]);
    if (e.status == 0) {
      EXPECT_EQ(static_cast<char>('a' + e.token % 26), buffer[e.token]);
    }
  }
};

} // namespace evp
