// SPDX-License-Identifier: MIT
// For libFuzzer: what a disk holds, to the log's recovery. The bytes are a program that writes a
// log and damages it; then they are taken for a log as they are.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "record.h"
}

#define MUST(condition)                                                                            \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      std::fprintf(stderr, "not true: %s\n", #condition);                                          \
      std::abort();                                                                                \
    }                                                                                              \
  } while (0)

struct Record {
  uint64_t number;
  std::string text;
  bool operator==(const Record &o) const { return number == o.number && text == o.text; }
};

// As recovery does: whole records from the start, whose numbers grow; memory ends with the bytes.
static size_t Recover(const std::string &log, std::vector<Record> *records_out) {
  const std::unique_ptr<char[]> room(new char[log.size() + 1]);
  std::memcpy(room.get() + 1, log.data(), log.size()); // up to the end of what is there
  const char *const bytes = room.get() + 1;
  size_t at = 0;
  for (;;) {
    uint64_t number = 0;
    const char *text = nullptr;
    size_t length = 0;
    const size_t n = record_read(bytes + at, log.size() - at, &number, &text, &length);
    if (n == 0) return at;
    if (!records_out->empty() && number <= records_out->back().number) return at;
    MUST(n <= log.size() - at && n <= RECORD_MAX);
    MUST(text >= bytes + at && text + length < bytes + at + n && bytes[at + n - 1] == '\n');
    MUST(!std::memchr(text, '\n', length));
    // What was read is what would have been written.
    std::vector<char> again(RECORD_OVERHEAD + length);
    MUST(record_write(again.data(), number, text, length) == n);
    MUST(!std::memcmp(again.data(), bytes + at, n));
    records_out->push_back({number, std::string(text, length)});
    at += n;
  }
}

static void Damage(std::string *log, uint8_t what, uint32_t a, uint8_t b) {
  if (log->empty()) return;
  const size_t at = a % log->size();
  switch (what % 5) {
  case 0: log->resize(at); break; // torn
  case 1: (*log)[at] = static_cast<char>((*log)[at] ^ (b ? b : 1)); break;
  case 2:
    std::memset(&(*log)[at], 0, std::min<size_t>(b, log->size() - at));
    break;                                                                       // never written
  case 3: log->insert(at, log->substr(log->size() - at < b ? 0 : at, b)); break; // elsewhere's
  case 4: log->erase(at, b); break;
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  std::vector<Record> found;
  Recover(std::string(reinterpret_cast<const char *>(bytes), n), &found);
  if (n < 8) return 0;
  uint64_t first;
  std::memcpy(&first, bytes, 8);
  if (first > UINT64_MAX - 1000) first = 1;
  bytes += 8, n -= 8;
  // Texts, each as long as its first byte says; then what is done to them.
  std::string log;
  std::vector<Record> records;
  std::vector<size_t> ends;
  while (n > 6 && records.size() < 20) {
    const size_t length = std::min<size_t>(bytes[0], n - 1);
    std::string text(reinterpret_cast<const char *>(bytes + 1), length);
    for (char &c : text)
      if (c == '\n') c = ' ';
    std::vector<char> room(RECORD_OVERHEAD + length);
    records.push_back({first + records.size(), text});
    log.append(room.data(), record_write(room.data(), records.back().number, text.data(), length));
    ends.push_back(log.size());
    bytes += 1 + length, n -= 1 + length;
  }
  found.clear();
  MUST(Recover(log, &found) == log.size() && found == records);
  const std::string whole = log;
  while (n > 5) {
    uint32_t place;
    std::memcpy(&place, bytes + 1, 4);
    Damage(&log, bytes[0], place, bytes[5]);
    bytes += 6, n -= 6;
  }
  // Whatever was damaged, all records before it are found, and nothing that was not written.
  size_t same = 0, intact = 0;
  while (same < log.size() && same < whole.size() && log[same] == whole[same]) same++;
  while (intact < ends.size() && ends[intact] <= same) intact++;
  found.clear();
  Recover(log, &found);
  MUST(found.size() >= intact);
  for (size_t i = 0; i < intact; i++) MUST(found[i] == records[i]);
  return 0;
}
