/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
struct evp_table;
struct evp_table *slots_new(uint32_t entry_size);
void *slots_at(struct evp_table *t, uint32_t index);
void *slots_known(struct evp_table *t, uint32_t index);
void *slots_reach(struct evp_table *t, uint32_t index);
uint32_t slots_end(struct evp_table *t);
void slots_free(struct evp_table *t);
#ifdef __cplusplus
}
#endif
