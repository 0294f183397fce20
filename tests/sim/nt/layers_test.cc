// SPDX-License-Identifier: MIT
// Sockets of layered service providers, of each kind that was seen: whichever SIO_* names the base
// socket is found, and where none does the add says what the first answer was.
#include "sim.h"

#include <evpoll.h>

#include <winsock2.h>

#include <cstdio>

namespace {

struct Layer {
  nt_lsp lsp;
  uint32_t layers;
  const char *name;
  bool works;
  int code = WSAEFAULT; // what is told where it does not
};

void Expect(bool truth, const char *layer, const char *what, int status) {
  if (!truth) nt_violation("%s: %s (%d, code %d)", layer, what, status, evpoll_os_error());
}

void Try(const Layer &layer) {
  nt_options options = {};
  options.seed = 7;
  options.lsp = layer.lsp;
  options.layers = layer.layers;
  nt_boot(&options);
  evpoll *p = nullptr;
  evpoll_handle a = -1, b = -1;
  Expect(evpoll_open(nullptr, &p) == 0, layer.name, "open", 0);
  Expect(evpoll_socket_pair(&a, &b) == 0, layer.name, "pair", 0);
  const int32_t added = evpoll_add(p, a, 5, EVPOLL_READABLE, EVPOLL_LEVEL);
  Expect(added == 0 || !layer.works, layer.name, "add", added);
  if (layer.works) {
    evpoll_event event = {};
    evpoll_socket_send(b, "x", 1);
    const int32_t n = evpoll_wait(p, &event, 1, 1000000000);
    Expect(n == 1 && event.token == 5 && event.events == EVPOLL_READABLE, layer.name, "wait", n);
  } else {
    Expect(added == EVPOLL_ERR_UNSUPPORTED, layer.name, "add is refused", added);
    Expect(evpoll_os_error() == layer.code, layer.name, "the first answer is told", added);
  }
  evpoll_socket_close(a);
  evpoll_socket_close(b);
  Expect(evpoll_close(p, EVPOLL_INFINITE) == 0, layer.name, "close", 0);
  nt_halt();
  std::printf("%s: %s\n", layer.name, layer.works ? "served" : "refused");
}

} // namespace

int main() {
  static const Layer layers[] = {
      {NT_LSP_NONE, 0, "no layer", true},
      {NT_LSP_BASE, 1, "SIO_BASE_HANDLE", true},
      {NT_LSP_SELECT_ONLY, 1, "SIO_BSP_HANDLE_SELECT", true},
      {NT_LSP_POLL_ONLY, 1, "SIO_BSP_HANDLE_POLL", true},
      {NT_LSP_BSP_ONLY, 1, "SIO_BSP_HANDLE", true},
      {NT_LSP_BASE, 3, "SIO_BASE_HANDLE through three layers", true},
      {NT_LSP_BELOW, 3, "SIO_BASE_HANDLE, three times", true},
      {NT_LSP_SELECT_ONLY, 2, "SIO_BSP_HANDLE_SELECT, twice", true},
      {NT_LSP_POLL_ONLY, 2, "SIO_BSP_HANDLE_POLL, twice", true},
      {NT_LSP_BSP_ONLY, 2, "SIO_BSP_HANDLE, twice", true},
      {NT_LSP_BLOCKS_ALL, 1, "none of them", false},
      {NT_LSP_ITSELF, 1, "a handle that AFD does not know", false, WSAENOTSOCK},
  };
  for (const Layer &layer : layers) Try(layer);
}
