/* SPDX-License-Identifier: MIT */
/* A table that grows without ever moving: chunks of 64, 128, 256 ... entries. Entries are
 * found without a lock, and stay where they are until the table is freed. */
#ifndef EVP_SLOTS_H
#define EVP_SLOTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* For what is rare: kept out of the way of the instructions that every wait runs through; and for
 * what is in the way of every wait. */
#ifdef __GNUC__
#define EVP_COLD          __attribute__((noinline, cold))
#define EVP_ALWAYS_INLINE inline __attribute__((always_inline))
#else
#include <intrin.h>
#define EVP_COLD          __declspec(noinline)
#define EVP_ALWAYS_INLINE __forceinline
#endif

enum { EVP_CHUNK_SHIFT = 6, EVP_CHUNKS = 32 };

/* Entry i is in the chunk of the highest bit of i + 64, and chunk[b] is where that chunk would
 * start if it held every entry from i = -64 on: so finding one is a shift and an addition. */
struct evp_table {
  uint32_t entry_size;
  _Atomic uintptr_t chunk[EVP_CHUNKS];
  char *memory[EVP_CHUNKS]; /* what was allocated, for who looks for it: free, leak checkers */
};

static inline uint32_t evp_chunk_of(uint32_t index) {
#ifdef __GNUC__
  return (uint32_t)__builtin_clz(index + (1u << EVP_CHUNK_SHIFT)) ^ 31u;
#else
  unsigned long bit;
  _BitScanReverse(&bit, index + (1u << EVP_CHUNK_SHIFT));
  return bit;
#endif
}

static inline void *evp_entry(const struct evp_table *t, uint32_t index, uintptr_t chunk,
                              size_t size) {
  (void)t;
  return (void *)(chunk + (uintptr_t)(index + (1u << EVP_CHUNK_SHIFT)) * size);
}

/* Entry `index` (below 2^31 - 64), which the table is known to reach. */
static inline void *evp_table_known(const struct evp_table *t, uint32_t index, size_t size) {
  const uintptr_t chunk =
      atomic_load_explicit(&t->chunk[evp_chunk_of(index)], memory_order_acquire);
  return evp_entry(t, index, chunk, size);
}

/* ... or NULL if it does not reach that far. */
static inline void *evp_table_at(const struct evp_table *t, uint32_t index) {
  const uintptr_t chunk =
      atomic_load_explicit(&t->chunk[evp_chunk_of(index)], memory_order_acquire);
  return chunk ? evp_entry(t, index, chunk, t->entry_size) : NULL;
}

/* As evp_table_at(), and makes the table reach that far; new entries are zero. NULL: no memory. */
static inline void *evp_table_reach(struct evp_table *t, uint32_t index) {
  void *entry = evp_table_at(t, index);
  if (entry) return entry;
  const uint32_t c = evp_chunk_of(index);
  char *fresh = calloc((size_t)1 << c, t->entry_size);
  if (!fresh) return NULL;
  uintptr_t none = 0;
  const uintptr_t chunk = (uintptr_t)fresh - ((uintptr_t)t->entry_size << c);
  /* Two threads may get here at once: the second one's chunk is given back. */
  if (atomic_compare_exchange_strong(&t->chunk[c], &none, chunk))
    t->memory[c] = fresh;
  else
    free(fresh);
  return evp_table_at(t, index);
}

/* Is it the address of an entry? */
static inline int evp_table_has(const struct evp_table *t, const void *entry) {
  for (uint32_t c = 0; c < EVP_CHUNKS; c++) {
    const char *memory = t->memory[c];
    if (!memory || (const char *)entry < memory) continue;
    const size_t offset = (size_t)((const char *)entry - memory);
    if (offset < (size_t)t->entry_size << c) return offset % t->entry_size == 0;
  }
  return 0;
}

/* Entries that the table reaches: all of them are below this index. */
static inline uint32_t evp_table_end(const struct evp_table *t) {
  for (uint32_t c = EVP_CHUNKS; c > EVP_CHUNK_SHIFT; c--)
    if (atomic_load_explicit(&t->chunk[c - 1], memory_order_acquire))
      return (uint32_t)(((uint64_t)1 << c) - (1u << EVP_CHUNK_SHIFT));
  return 0;
}

static inline void evp_table_free(struct evp_table *t) {
  for (uint32_t c = 0; c < EVP_CHUNKS; c++) free(t->memory[c]);
}

#endif
