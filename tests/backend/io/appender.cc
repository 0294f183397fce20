// SPDX-License-Identifier: MIT
// Appends durable records by many threads, each as soon as its last one is acknowledged, and says
// so on the standard output: appender LOG OPEN-FLAGS THREADS RECORDS. For append_test.py, which
// kills it, and looks at its system calls.
#include <evpoll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Writer {
  std::string record;
  unsigned long number = 0;
};

void Check(bool good, const char *what, int32_t status) {
  if (good) return;
  std::fprintf(stderr, "%s: %s\n", what, evpoll_strerror(status));
  _exit(1);
}

evpoll_io Next(Writer &w, evpoll_handle log, uint64_t token) {
  w.record = "record " + std::to_string(token) + " " + std::to_string(w.number++) + " ";
  w.record += std::string(token * 37 % 300, '.') + "\n";
  evpoll_io io = {};
  io.code = EVPOLL_OP_APPEND;
  io.flags = EVPOLL_OPF_DURABLE;
  io.handle = log;
  io.token = token;
  io.buffer = EVPOLL_ADDR(w.record.data());
  io.length = w.record.size();
  return io;
}

} // namespace

int main(int count, char **arguments) {
  if (count != 5) return 2;
  evpoll_options options = {};
  options.struct_size = sizeof options;
  options.flags = static_cast<uint32_t>(std::strtoul(arguments[2], nullptr, 0));
  const auto threads = static_cast<size_t>(std::atoi(arguments[3]));
  const unsigned long most = std::strtoul(arguments[4], nullptr, 0);
  evpoll *p = nullptr;
  evpoll_handle log = -1;
  const uint32_t flags = EVPOLL_FILE_APPEND | EVPOLL_FILE_WRITE | EVPOLL_FILE_CREATE;
  int32_t status = evpoll_file_open(arguments[1], flags, 0, &log);
  Check(status == 0, "open", status);
  status = evpoll_open(&options, &p);
  Check(status == 0, "evpoll_open", status);
  status = evpoll_add(p, log, 1, 0, EVPOLL_OPERATIONS);
  Check(status == 0, "add", status);

  std::vector<Writer> writers(threads);
  for (size_t i = 0; i < threads; i++) {
    evpoll_io io = Next(writers[i], log, i);
    Check(evpoll_submit(p, &io, 1) == 1, "submit", io.status);
  }
  // Any thread takes whatever is reported, acknowledges it, and submits that writer's next.
  const auto serve = [&] {
    for (;;) {
      evpoll_event e;
      const int32_t n = evpoll_wait(p, &e, 1, EVPOLL_INFINITE);
      if (n == EVPOLL_ERR_SHUTDOWN) return;
      Check(n == 1 && e.status == 0, "append", n < 0 ? n : e.status);
      Writer &w = writers[e.token];
      const std::string said = "OK " + std::to_string(e.result) + " " + w.record;
      if (write(1, said.data(), said.size()) < 0) _exit(1);
      if (w.number == most) continue;
      evpoll_io io = Next(w, log, e.token);
      if (evpoll_submit(p, &io, 1) == 1) continue;
      Check(io.status == EVPOLL_ERR_SHUTDOWN, "submit", io.status);
    }
  };
  std::vector<std::thread> pool;
  for (int i = 0; i < 4; i++) pool.emplace_back(serve);
  char byte;
  while (read(0, &byte, 1) > 0) {
  }
  evpoll_shutdown(p);
  for (std::thread &each : pool) each.join();
  return evpoll_close(p, EVPOLL_INFINITE) == 0 && evpoll_file_close(log) == 0 ? 0 : 1;
}
