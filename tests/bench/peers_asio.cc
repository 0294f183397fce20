// SPDX-License-Identifier: MIT
// Asio, which is C++: echo, accepts and timers, each by a context of one thread.
#define ASIO_STANDALONE
#include <asio.hpp>

#include <cstdio>
#include <deque>
#include <vector>

extern "C" {
#include "loops.h"
#include "slices.h"
const char *version_asio(void);
}

namespace {

using Tcp = asio::ip::tcp;

void Check(const std::error_code &error, const char *what) {
  if (!error) return;
  errno = error.value();
  die(what);
}

void Run(asio::io_context &context) {
  context.restart();
  context.run();
}

// ---- a read into a buffer of the connection's, and a write of what was read ---------------------

struct Peer {
  Tcp::socket socket;
  char *buffer;

  void Read() {
    socket.async_read_some(asio::buffer(buffer, ECHO_ROOM),
                           [this](std::error_code error, size_t n) {
                             if (error == asio::error::operation_aborted) return;
                             Check(error, "async_read_some");
                             Write(n);
                           });
  }
  void Write(size_t n) {
    asio::async_write(socket, asio::buffer(buffer, n), [this](std::error_code error, size_t sent) {
      Check(error, "async_write");
      echo_left -= static_cast<long>(sent);
      if (echo_left <= 0) static_cast<asio::io_context &>(socket.get_executor().context()).stop();
      Read();
    });
  }
};

struct Server {
  asio::io_context context{1};
  std::vector<char> buffers;
  std::deque<Peer> peers;
};

void *OpenServer(const stream_type *, const int *fds, int n) {
  Server *s = new Server;
  s->buffers.resize(static_cast<size_t>(n) * ECHO_STRIDE);
  for (int i = 0; i < n; i++) {
    s->peers.push_back({Tcp::socket(s->context, Tcp::v4(), fds[i]),
                        s->buffers.data() + static_cast<size_t>(i) * ECHO_STRIDE});
    s->peers.back().Read();
  }
  return s;
}

void RunServer(void *server) { Run(static_cast<Server *>(server)->context); }

void CloseServer(void *server) {
  Server *s = static_cast<Server *>(server);
  for (Peer &peer : s->peers) peer.socket.close();
  Run(s->context);
  delete s;
}

// ---- connections: a socket of Asio's is registered when it is accepted --------------------------

struct Acceptor {
  asio::io_context context{1};
  Tcp::acceptor listener;

  explicit Acceptor(int fd) : listener(context, Tcp::v4(), fd) { Accept(); }
  void Accept() {
    listener.async_accept([this](std::error_code error, Tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      Check(error, "async_accept");
      socket.close();
      if (--accept_left <= 0) context.stop();
      Accept();
    });
  }
};

void *OpenAcceptor(const accept_type *, int listener) { return new Acceptor(listener); }

void RunAcceptor(void *acceptor) { Run(static_cast<Acceptor *>(acceptor)->context); }

void CloseAcceptor(void *acceptor) {
  Acceptor *a = static_cast<Acceptor *>(acceptor);
  a->listener.close();
  Run(a->context);
  delete a;
}

// ---- timers: one that is cancelled calls its handler as well ------------------------------------

struct Timers {
  asio::io_context context{1};
  std::deque<asio::steady_timer> timers;
  int left = 0;

  void Take(int n) {
    left += n;
    if (left > 0) Run(context);
  }
};

void *OpenTimers(const timer_type *, int most) {
  Timers *t = new Timers;
  for (int i = 0; i < most; i++) t->timers.emplace_back(t->context);
  return t;
}

void AddTimers(void *timers, int first, int n, int least_ms, int most_ms) {
  Timers *t = static_cast<Timers *>(timers);
  const uint64_t range = static_cast<uint64_t>(most_ms - least_ms);
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::steady_clock::now());
  for (int i = first; i < first + n; i++) {
    const auto after =
        std::chrono::milliseconds(static_cast<uint64_t>(least_ms) + timer_random() % range);
    t->timers[static_cast<size_t>(i)].expires_at(now + after);
    t->timers[static_cast<size_t>(i)].async_wait([t](std::error_code) {
      if (--t->left == 0) t->context.stop();
    });
  }
}

void ExpireTimers(void *timers, int n) { static_cast<Timers *>(timers)->Take(n); }

void CancelTimers(void *timers, int first, int n) {
  Timers *t = static_cast<Timers *>(timers);
  for (int i = first; i < first + n; i++) t->timers[static_cast<size_t>(i)].cancel();
  t->Take(n);
}

void CloseTimers(void *timers) { delete static_cast<Timers *>(timers); }

} // namespace

extern "C" {
const struct stream_type stream_asio = {"Asio", 0, OpenServer, RunServer, CloseServer};
const struct accept_type accept_asio = {"Asio", 0, OpenAcceptor, RunAcceptor, CloseAcceptor};
const struct timer_type timer_asio = {"Asio",       0,          OpenTimers, AddTimers, CancelTimers,
                                      ExpireTimers, CloseTimers};

const char *version_asio(void) {
  static char text[16];
  snprintf(text, sizeof text, "%d.%d.%d", ASIO_VERSION / 100000, ASIO_VERSION / 100 % 1000,
           ASIO_VERSION % 100);
  return text;
}
}
