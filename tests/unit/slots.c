/* SPDX-License-Identifier: MIT */
/* slots.h is C11 with its atomics: what the C++ tests see of it. */
#include "core/slots.h"

#include "slots.t.h"

struct evp_table *slots_new(uint32_t entry_size) {
  struct evp_table *t = calloc(1, sizeof *t);
  t->entry_size = entry_size;
  return t;
}
void *slots_at(struct evp_table *t, uint32_t index) { return evp_table_at(t, index); }
void *slots_known(struct evp_table *t, uint32_t index) {
  return evp_table_known(t, index, t->entry_size);
}
void *slots_reach(struct evp_table *t, uint32_t index) { return evp_table_reach(t, index); }
uint32_t slots_end(struct evp_table *t) { return evp_table_end(t); }
void slots_free(struct evp_table *t) {
  evp_table_free(t);
  free(t);
}
