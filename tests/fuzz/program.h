// SPDX-License-Identifier: MIT
// The program of calls.h: its state, and what its parts need of each other.
#pragma once

#include "calls.h"
#include "model.h"

#include <map>
#include <set>

namespace calls {

constexpr size_t kSlots = 14, kSourceBytes = 300000;
constexpr int64_t kLong = 10'000'000'000;
inline CallsCounts counts;

class Program {
public:
  Program(const uint8_t *bytes, size_t n, const CallsSetup &setup) : c_(bytes, n), setup_(setup) {}
  void Run();

private:
  struct List {
    std::vector<OpPtr> ops;
    uint64_t token;
    bool told = false;
  };

  // program.cc
  void Open();
  void Step();
  void Cancel();
  void Hold();
  void Ask();
  void Nonsense();
  void Misuse();
  void Inject();
  void Post();
  void Shut();
  void MakeRoom(const ChannelPtr &channel);
  bool IsOwed(const Op &op);
  void Flow();
  void Settle();
  void ReadDirectly(const ChannelPtr &channel, const SlotPtr &reader);
  void Drain();
  void Close();

  // handles.cc
  SlotPtr &Any() { return slots_[c_.Below(kSlots)]; }
  evpoll_handle WrongNumber();
  const SlotPtr &Put(Kind kind, evpoll_handle h);
  void Make();
  void MakeOne();
  void MakePair();
  void MakeConnection();
  void MakePipe();
  void MakeFile(Kind kind);
  void Accepted(evpoll_handle h);
  void Add();
  void Serve(const SlotPtr &s);
  void Remove();
  bool End(const SlotPtr &s);
  void CloseSlot(const SlotPtr &s);
  void CloseNumber(const SlotPtr &s);
  void Spoil(const SlotPtr &s);
  void Update();
  void UseDirectly();

  // operations.cc
  OpPtr MakeOp();
  void Fill(const OpPtr &op, const SlotPtr &s);
  void FillStream(const OpPtr &op, const SlotPtr &s);
  void FillFile(const OpPtr &op, const SlotPtr &s);
  void FillMessage(const OpPtr &op, bool sends);
  void FillTimer(const OpPtr &op);
  void FillClose(const OpPtr &op);
  void GiveRoom(const OpPtr &op, bool writes, bool vectored);
  void Spill(const OpPtr &op);
  void Expect(const OpPtr &op);
  void Submit();
  int32_t SubmitAll(std::vector<evpoll_io> &ios);
  void Submitted(const OpPtr &op, const evpoll_io &io, size_t in_flight);
  void SubmitList();
  void Turn();
  void Retime();
  void AskToEnd(const std::shared_ptr<Registration> &r);

  // events.cc
  void Finish(const OpPtr &op, int32_t status, int64_t result);
  void FinishMoved(const OpPtr &op, int32_t status, int64_t moved);
  void CheckStatus(const OpPtr &op, int32_t status);
  void TakeList(const evpoll_event &e);
  void TakeReadiness(const evpoll_event &e);
  void Closed(const OpPtr &op, int32_t status);
  void Take(const evpoll_event &e);
  int32_t Wait(int64_t timeout_ns);
  void TakeAll(const std::vector<evpoll_event> &events, int32_t n, int32_t capacity);
  size_t InFlight() const;
  bool IsMissing(const OpPtr &op) const { return strange_ || op->strange; }

  Choices c_;
  CallsSetup setup_;
  evpoll *p_ = nullptr;
  uint32_t features_ = 0;
  uint64_t limit_ = 0;
  bool native_ = false, strange_ = false, shut_ = false, woken_ = false;
  uint64_t tokens_ = 100, content_ = 0;
  SlotPtr slots_[kSlots];
  std::map<uint64_t, OpPtr> ops_; // by id
  std::map<uint64_t, List> lists_;
  std::set<uint64_t> ids_;
  std::deque<std::pair<uint64_t, int64_t>> posts_;
  std::map<int32_t, SlotPtr> clients_; // by port: connected, and not accepted yet
  std::vector<std::pair<ChannelPtr, std::pair<SlotPtr, SlotPtr>>> channels_; // writer, reader
  std::vector<std::vector<char>> old_buffers_; // whoever writes there is late
  std::vector<evpoll_event> early_;
  std::vector<OpPtr> submitting_; // perhaps by another thread, just now
  SlotPtr focus_;                 // most operations of one submit are its
  bool deciding_ = false;
};

#define SAY(...)                                                                                   \
  do {                                                                                             \
    if (setup_.trace) std::printf(__VA_ARGS__), std::printf("\n");                                 \
  } while (0)

char SourceByte(size_t place);
const char *Path(Kind kind);
bool IsStatus(int32_t status);

} // namespace calls
