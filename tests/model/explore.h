// SPDX-License-Identifier: MIT
// Tries every interleaving of small atomic steps.
//
// A state is a trivially copyable struct without padding (uint8_t does). A thread is a function
// that makes its next step in a state and names it, or says nullptr, the state untouched, if it
// cannot now: it waits for a lock, sleeps, or has ended. What may go either way is two threads. A
// step that must not happen throws by require(); check() does so for a state that must not be, and
// is told which states are the last of their runs.
//
// The search goes breadth first, so that the counterexample is one of the shortest. A run that
// never ends is a counterexample too.
#ifndef EVP_TEST_EXPLORE_H
#define EVP_TEST_EXPLORE_H

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <vector>

namespace explore {

struct Violation {
  const char *what;
};

inline void require(bool holds, const char *what) {
  if (!holds) throw Violation{what};
}

template <class State> struct Thread {
  std::string name;
  std::function<const char *(State &)> step;
};

struct Result {
  size_t states = 0, steps = 0;
  std::string counterexample; // empty: what was required holds everywhere
};

inline void report(const std::string &name, const Result &r) {
  std::printf("[  STATES  ] %s: %zu states, %zu steps\n%s", name.c_str(), r.states, r.steps,
              r.counterexample.c_str());
}

template <class State> class Search {
  static_assert(std::is_trivially_copyable_v<State>);
  static_assert(std::has_unique_object_representations_v<State>, "equal states are equal bytes");

public:
  using Check = std::function<void(const State &, bool last)>;

  Search(std::vector<Thread<State>> of_threads, Check of_states)
      : threads(std::move(of_threads)), check(std::move(of_states)) {}

  Result run(const State &first) {
    see(first, 0);
    for (uint32_t at = 0; at < states.size() && result.counterexample.empty(); at++) expand(at);
    if (result.counterexample.empty()) look_for_endless_run();
    result.states = states.size();
    result.steps = reached.size();
    return result;
  }

private:
  void expand(uint32_t at) {
    from.push_back(reached.size());
    size_t t = 0;
    try {
      for (; t < threads.size(); t++) {
        State next = states[at];
        if (threads[t].step(next)) reached.push_back(see(next, at));
      }
      check(states[at], reached.size() == from.back());
    } catch (const Violation &v) {
      result.counterexample = tell(at) + (t < threads.size() ? threads[t].name + ": then\n" : "") +
                              "  => " + v.what + "\n";
    }
  }

  uint32_t see(const State &s, uint32_t parent) {
    states.push_back(s);
    const auto [place, is_new] = seen.insert(static_cast<uint32_t>(states.size() - 1));
    if (is_new)
      parents.push_back(parent);
    else
      states.pop_back();
    return *place;
  }

  std::string tell(uint32_t at) const {
    std::string path;
    for (; at != 0; at = parents[at]) path = step_between(parents[at], at) + path;
    return path;
  }
  std::string step_between(uint32_t a, uint32_t b) const { // made once more, for its name
    for (const Thread<State> &t : threads) {
      State next = states[a];
      const char *name = t.step(next);
      if (name && equal(next, states[b])) return t.name + ": " + name + "\n";
    }
    return "";
  }

  // Takes away, again and again, states that nothing leads to. What remains is led to by a circle.
  void look_for_endless_run() {
    std::vector<uint32_t> ways(states.size(), 0), free{0};
    for (uint32_t to : reached) ways[to]++;
    from.push_back(reached.size());
    size_t taken = 0;
    if (ways[0]) free.clear();
    for (; !free.empty(); taken++) {
      const uint32_t at = free.back();
      free.pop_back();
      for (size_t i = from[at]; i < from[at + 1]; i++)
        if (--ways[reached[i]] == 0) free.push_back(reached[i]);
    }
    if (taken == states.size()) return;
    std::vector<uint32_t> before(states.size(), 0); // a state that is left, and leads to this one
    std::vector<bool> met(states.size(), false);
    uint32_t at = 0;
    for (uint32_t i = 0; i < states.size(); i++)
      for (size_t k = from[i]; ways[i] && k < from[i + 1]; k++) before[at = reached[k]] = i;
    for (; !met[at]; at = before[at]) met[at] = true;
    std::string circle;
    for (uint32_t to = at, end = at; circle.empty() || to != end; to = before[to])
      circle = step_between(before[to], to) + circle;
    result.counterexample = tell(at) + "  => a run that never ends goes on with\n" + circle;
  }

  static bool equal(const State &a, const State &b) { return !std::memcmp(&a, &b, sizeof a); }
  struct Hash {
    const std::vector<State> *states;
    size_t operator()(uint32_t i) const {
      return std::hash<std::string_view>()(
          {reinterpret_cast<const char *>(&(*states)[i]), sizeof(State)});
    }
  };
  struct Equal {
    const std::vector<State> *states;
    bool operator()(uint32_t a, uint32_t b) const { return equal((*states)[a], (*states)[b]); }
  };

  const std::vector<Thread<State>> threads;
  const Check check;
  Result result;
  std::vector<State> states;     // each once, in the order of discovery
  std::vector<uint32_t> parents; // of each state
  std::vector<size_t> from;      // where a state's part begins in:
  std::vector<uint32_t> reached; // the states that its steps lead to
  std::unordered_set<uint32_t, Hash, Equal> seen{1024, Hash{&states}, Equal{&states}};
};

} // namespace explore

#endif
