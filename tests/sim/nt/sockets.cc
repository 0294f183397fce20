// SPDX-License-Identifier: MIT
// The part of a random program that makes, uses and closes sockets, by Winsock's own calls.
#include "program.h"

#include "sim.h"

#include <cstring>

namespace {

constexpr size_t kMostEnds = 12;

SOCKET Make(int type) { return WSASocketW(AF_INET, type, 0, nullptr, 0, WSA_FLAG_OVERLAPPED); }

bool Unblock(SOCKET s) {
  u_long on = 1;
  return ioctlsocket(s, static_cast<LONG>(FIONBIO), &on) == 0;
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in name;
  std::memset(&name, 0, sizeof name);
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(port);
  return name;
}

sockaddr *Plain(sockaddr_in *name) { return reinterpret_cast<sockaddr *>(name); }

// INVALID_SOCKET when a call was made to fail.
SOCKET MakeBound(int type, sockaddr_in *name_out) {
  const SOCKET s = Make(type);
  if (s == INVALID_SOCKET) return s;
  *name_out = Loopback(0);
  int length = sizeof *name_out;
  if (Unblock(s) && bind(s, Plain(name_out), length) == 0 &&
      getsockname(s, Plain(name_out), &length) == 0)
    return s;
  closesocket(s);
  return INVALID_SOCKET;
}

} // namespace

// ---- making them --------------------------------------------------------------------------------

Program::End *Program::Track(SOCKET s, bool listener, bool datagram) {
  Trace("%s %lld",
        listener   ? "listener"
        : datagram ? "datagram"
                   : "stream",
        static_cast<long long>(s));
  End e = {};
  e.h = static_cast<evpoll_handle>(s);
  e.listener = listener;
  e.datagram = datagram;
  ends_.push_back(e);
  return &ends_.back();
}

void Program::MakePair() {
  if (ends_.size() >= kMostEnds) return;
  sockaddr_in name;
  const SOCKET l = MakeBound(SOCK_STREAM, &name);
  if (l == INVALID_SOCKET) return;
  u_long off = 0;
  SOCKET a = INVALID_SOCKET, b = INVALID_SOCKET;
  if (ioctlsocket(l, static_cast<LONG>(FIONBIO), &off) == 0 && listen(l, 1) == 0)
    a = Make(SOCK_STREAM);
  if (a != INVALID_SOCKET && connect(a, Plain(&name), sizeof name) == 0)
    b = accept(l, nullptr, nullptr);
  closesocket(l);
  if (b != INVALID_SOCKET && Unblock(a) && Unblock(b)) {
    Track(a, false, false);
    Track(b, false, false);
    return;
  }
  if (a != INVALID_SOCKET) closesocket(a);
  if (b != INVALID_SOCKET) closesocket(b);
}

void Program::MakeListener() {
  if (ends_.size() >= kMostEnds) return;
  sockaddr_in name;
  const SOCKET l = MakeBound(SOCK_STREAM, &name);
  if (l == INVALID_SOCKET) return;
  if (listen(l, 4) == 0)
    Track(l, true, false)->name = name;
  else
    closesocket(l);
}

void Program::MakeDatagram() {
  if (ends_.size() >= kMostEnds) return;
  sockaddr_in name;
  const SOCKET u = MakeBound(SOCK_DGRAM, &name);
  if (u != INVALID_SOCKET) Track(u, false, true)->name = name;
}

// To a listener, or to a port at which nobody is.
void Program::Connect() {
  sockaddr_in to = Loopback(static_cast<uint16_t>(1 + choices_.Below(100)));
  bool refused = true;
  for (const End &e : ends_)
    if (e.listener && choices_.Chance(2, 3)) to = e.name, refused = false;
  const SOCKET c = ends_.size() < kMostEnds ? Make(SOCK_STREAM) : INVALID_SOCKET;
  if (c == INVALID_SOCKET) return;
  if (Unblock(c) && (connect(c, Plain(&to), sizeof to) == 0 || WSAGetLastError() == WSAEWOULDBLOCK))
    Track(c, false, false)->refused = refused;
  else
    closesocket(c);
}

// Each refusal is told once by evpoll_socket_take_error(). On Wine, where SO_ERROR stays, that a
// second one came can be missed.
void Program::Reconnect() {
  enum { FAILED = 0x100 };
  End *e = Pick();
  if (!e || !e->refused || !(nt_truth(static_cast<uintptr_t>(e->h)) & FAILED)) return;
  int32_t error = 0;
  const int32_t status = evpoll_socket_take_error(e->h, &error);
  Trace("take error of %lld: %d", static_cast<long long>(e->h), error);
  if (nt_failed()) model_.faulty = true;
  Must(status == 0 || model_.faulty, "take_error failed", status);
  if (!nt_is_wine() && !model_.faulty) {
    Must(e->taken || error == EVPOLL_ERR_REFUSED, "a refusal was not told", error);
    Must(!e->taken || e->doubtful || error == 0, "a refusal was told twice", error);
  }
  e->taken = true;
  e->doubtful = false;
  if (!choices_.Chance(1, 2)) return;
  sockaddr_in to = Loopback(1);
  const int failed = connect(static_cast<SOCKET>(e->h), Plain(&to), sizeof to);
  e->taken = failed && WSAGetLastError() != WSAEWOULDBLOCK;
}

void Program::Accept(End &l) {
  const SOCKET s = accept(static_cast<SOCKET>(l.h), nullptr, nullptr);
  if (s == INVALID_SOCKET && WSAGetLastError() == WSAEWOULDBLOCK)
    model_.Blocked(l.h, EVPOLL_READABLE);
  if (s != INVALID_SOCKET) Track(s, false, false); // not blocking, as the listener is not
}

// ---- using them ---------------------------------------------------------------------------------

void Program::Send() {
  End *e = Pick();
  if (!e || e->listener) return;
  static const char data[1024] = {};
  const SOCKET s = static_cast<SOCKET>(e->h);
  const int n = 1 + static_cast<int>(choices_.Below(4)) * 255;
  Trace("send %lld", static_cast<long long>(e->h));
  if (e->datagram) { // to itself
    sendto(s, data, n, 0, Plain(&e->name), sizeof e->name);
    return;
  }
  int sent = 0;
  for (int i = choices_.Chance(1, 3) ? 16 : 1; i > 0 && sent >= 0; i--) sent = send(s, data, n, 0);
  if (sent < 0 && WSAGetLastError() == WSAEWOULDBLOCK) model_.Blocked(e->h, EVPOLL_WRITABLE);
}

void Program::Receive() {
  End *e = Pick();
  if (!e) return;
  if (e->listener) return Accept(*e);
  char data[1024];
  int got = 1;
  Trace("receive %lld", static_cast<long long>(e->h));
  for (int i = choices_.Chance(1, 2) ? 64 : 1; i > 0 && got > 0; i--)
    got = recv(static_cast<SOCKET>(e->h), data, sizeof data, 0);
  if (got < 0 && WSAGetLastError() == WSAEWOULDBLOCK) model_.Blocked(e->h, EVPOLL_READABLE);
}

void Program::Shutdown() {
  End *e = Pick();
  if (e && !e->listener && !e->datagram) shutdown(static_cast<SOCKET>(e->h), SD_SEND);
}

// ---- closing them -------------------------------------------------------------------------------

// Without a remove it is harmless if a poll of the socket sees it (G8), and what the library is
// told by its own function always is. With several threads nobody knows what waits.
void Program::CloseSoon(size_t i, bool remove_first) {
  End e = ends_[i];
  const uintptr_t number = static_cast<uintptr_t>(e.h);
  const bool watched = !threaded_ && !e.shared && nt_polls(number, 0, NT_POLLS_WAITING) > 0;
  const bool by_library = e.token && !e.shared && choices_.Chance(1, 8);
  Trace("close %lld, token %llu, remove %d, watched %d, by the library %d",
        static_cast<long long>(e.h), static_cast<unsigned long long>(e.token), remove_first,
        watched, by_library);
  if (remove_first || !(watched || by_library)) RemoveOf(e);
  if (choices_.Chance(1, 4)) {
    const struct linger abortive = {1, 0};
    setsockopt(static_cast<SOCKET>(e.h), SOL_SOCKET, SO_LINGER,
               reinterpret_cast<const char *>(&abortive), sizeof abortive);
  }
  model_.Closed(e.h);
  if (by_library) {
    owners_.erase(e.h);
    evpoll_socket_close(e.h);
  } else {
    closesocket(static_cast<SOCKET>(e.h));
    // Something else may have come true first, and the poll have told of that.
    if (e.token && !nt_polls(number, 0, NT_POLLS_CLOSED)) RemoveOf(e);
  }
  ends_.erase(ends_.begin() + static_cast<std::ptrdiff_t>(i));
}

void Program::CloseOne() {
  if (!ends_.empty())
    CloseSoon(choices_.Below(static_cast<uint32_t>(ends_.size())), choices_.Chance(1, 2));
}

// What was registered is closed, and the next socket gets its number, or another one.
void Program::UseNumberAgain() {
  if (ends_.empty()) return;
  CloseSoon(choices_.Below(static_cast<uint32_t>(ends_.size())), false);
  const size_t before = ends_.size();
  MakeDatagram();
  if (ends_.size() > before) AddTo(ends_.back(), PickPoller());
}

// A socket goes on under another number: the contract asks for remove before the close (G5), and
// forbids to register both (G6), which may cost their events and nothing else.
void Program::Duplicate() {
  if (ends_.empty() || nt_is_layered()) return;
  const size_t i = choices_.Below(static_cast<uint32_t>(ends_.size()));
  HANDLE copy = nullptr;
  if (ends_.size() >= kMostEnds ||
      !DuplicateHandle(GetCurrentProcess(), reinterpret_cast<HANDLE>(ends_[i].h),
                       GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS))
    return;
  End e = ends_[i];
  e.h = reinterpret_cast<evpoll_handle>(copy);
  e.p = nullptr;
  e.token = 0;
  e.doubtful = true;
  e.shared = lawless_;
  Trace("duplicate %lld of %lld", static_cast<long long>(e.h), static_cast<long long>(ends_[i].h));
  if (lawless_) {
    ends_[i].shared = true;
    if (ends_[i].token) model_.registrations.at(ends_[i].token).shared = true;
  } else {
    CloseSoon(i, true);
  }
  ends_.push_back(e);
}
