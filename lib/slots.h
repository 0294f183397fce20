/* SPDX-License-Identifier: MIT */
/* A table that grows without ever moving: chunks of 64, 128, 256 ... entries. Entries are
 * found without a lock, and stay where they are until the table is freed. */
#ifndef EVP_SLOTS_H
#define EVP_SLOTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { EVP_CHUNK_SHIFT = 6, EVP_CHUNKS = 32 - EVP_CHUNK_SHIFT };

struct evp_table {
  uint32_t entry_size;
  _Atomic(char *) chunk[EVP_CHUNKS];
};

/* Entry `index` (below 2^31) or NULL if the table does not reach that far. */
static inline void *evp_table_at(const struct evp_table *t, uint32_t index) {
  const uint32_t place = index + (1u << EVP_CHUNK_SHIFT);
  const uint32_t log2 = 31u - (uint32_t)__builtin_clz(place);
  char *chunk = atomic_load_explicit(&t->chunk[log2 - EVP_CHUNK_SHIFT], memory_order_acquire);
  if (!chunk) return NULL;
  return chunk + (size_t)(place - (1u << log2)) * t->entry_size;
}

/* As evp_table_at(), and makes the table reach that far; new entries are zero. NULL: no memory. */
static inline void *evp_table_reach(struct evp_table *t, uint32_t index) {
  void *entry = evp_table_at(t, index);
  if (entry) return entry;
  const uint32_t log2 = 31u - (uint32_t)__builtin_clz(index + (1u << EVP_CHUNK_SHIFT));
  char *fresh = calloc((size_t)1 << log2, t->entry_size);
  if (!fresh) return NULL;
  char *none = NULL;
  /* Two threads may get here at once: the second one's chunk is given back. */
  if (!atomic_compare_exchange_strong(&t->chunk[log2 - EVP_CHUNK_SHIFT], &none, fresh)) free(fresh);
  return evp_table_at(t, index);
}

/* Entries that the table reaches: all of them are below this index. */
static inline uint32_t evp_table_end(const struct evp_table *t) {
  for (uint32_t c = EVP_CHUNKS; c > 0; c--)
    if (atomic_load_explicit(&t->chunk[c - 1], memory_order_acquire))
      return (uint32_t)((((uint64_t)2 << (c - 1)) - 1) << EVP_CHUNK_SHIFT);
  return 0;
}

static inline void evp_table_free(struct evp_table *t) {
  for (uint32_t c = 0; c < EVP_CHUNKS; c++) free(atomic_load(&t->chunk[c]));
}

#endif
