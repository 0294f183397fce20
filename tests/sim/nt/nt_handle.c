/* SPDX-License-Identifier: MIT */
/* Objects and the numbers that name them. Numbers are multiples of 4 and used again soon, as
 * Windows does: what remembers a closed handle will meet a stranger. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

static struct nt_object **table;
static uint32_t *idle; /* free numbers, the last one is used first */
static uint32_t used, idle_count, capacity, open_count;

static void grow(void) {
  capacity = capacity ? capacity * 2 : 64;
  table = realloc(table, capacity * sizeof *table);
  idle = realloc(idle, capacity * sizeof *idle);
  if (!table || !idle) abort();
}

void nt_handles_start(void) { used = idle_count = open_count = 0; }

void nt_handles_stop(void) {
  for (uint32_t i = 0; i < used; i++)
    if (table[i]) nt_violation("handle %u (kind %d) was never closed", (i + 1) * 4, table[i]->kind);
  free(table);
  free(idle);
  table = NULL;
  idle = NULL;
  capacity = used = idle_count = 0;
}

uint32_t nt_handles(void) { return open_count; }

void *nt_make(enum nt_kind kind, size_t size) {
  struct nt_object *o = calloc(1, size);
  if (!o) abort();
  o->kind = kind;
  o->refs = 1; /* the maker's */
  return o;
}

struct nt_object *nt_ref(struct nt_object *o) {
  o->refs++;
  return o;
}

void nt_unref(struct nt_object *o) {
  if (--o->refs) return;
  if (o->freed) o->freed(o);
  if (o->port) nt_unref(o->port);
  free(o);
}

static uint32_t take_number(void) {
  if (idle_count == 0) {
    if (used == capacity) grow();
    return used++;
  }
  /* Mostly the last one that was closed, sometimes another. */
  if (nt_random(nt_seed() ? 8 : 2) == 0) {
    const uint32_t i = nt_random(idle_count);
    const uint32_t number = idle[i];
    idle[i] = idle[--idle_count];
    return number;
  }
  return idle[--idle_count];
}

HANDLE nt_handle(struct nt_object *o) {
  const uint32_t limit = nt_settings()->handle_limit;
  if (limit && open_count >= limit) return NULL;
  const uint32_t i = take_number();
  table[i] = nt_ref(o);
  o->handles++;
  open_count++;
  return (HANDLE)(uintptr_t)((i + 1) * 4);
}

/* The low two bits are the user's. */
static uint32_t index_of(HANDLE h) {
  const uintptr_t number = (uintptr_t)h >> 2;
  return number == 0 || number > used ? UINT32_MAX : (uint32_t)number - 1;
}

struct nt_object *nt_lookup(HANDLE h) {
  const uint32_t i = index_of(h);
  return i == UINT32_MAX ? NULL : table[i];
}

struct nt_object *nt_lookup_kind(HANDLE h, enum nt_kind kind) {
  struct nt_object *o = nt_lookup(h);
  return o && o->kind == kind ? o : NULL;
}

bool nt_close(HANDLE h) {
  struct nt_object *o = nt_lookup(h);
  if (!o) return false;
  const uint32_t i = index_of(h);
  table[i] = NULL;
  if (idle_count == capacity) abort();
  idle[idle_count++] = i;
  open_count--;
  if (--o->handles == 0 && o->closed) o->closed(o);
  nt_unref(o);
  return true;
}

/* Closing is not made to fail: nobody could do anything about it. */
BOOL WINAPI CloseHandle(HANDLE h) {
  nt_enter();
  if (!nt_close(h)) NT_REFUSE(ERROR_INVALID_HANDLE, FALSE);
  nt_leave();
  return TRUE;
}

BOOL WINAPI DuplicateHandle(HANDLE from, HANDLE h, HANDLE to, LPHANDLE out, DWORD access,
                            BOOL inherit, DWORD options) {
  (void)from, (void)to, (void)access, (void)inherit;
  NT_CALL("DuplicateHandle", ERROR_NO_SYSTEM_RESOURCES, FALSE);
  struct nt_object *o = nt_lookup(h);
  if (!o) NT_REFUSE(ERROR_INVALID_HANDLE, FALSE);
  HANDLE copy = nt_handle(o);
  if (!copy) NT_REFUSE(ERROR_NO_SYSTEM_RESOURCES, FALSE);
  if (options & DUPLICATE_CLOSE_SOURCE) nt_close(h);
  *out = copy;
  nt_leave();
  return TRUE;
}

BOOL WINAPI GetHandleInformation(HANDLE h, LPDWORD flags) {
  NT_CALL("GetHandleInformation", ERROR_INVALID_HANDLE, FALSE);
  const struct nt_object *o = nt_lookup(h);
  if (!o) NT_REFUSE(ERROR_INVALID_HANDLE, FALSE);
  *flags = o->inherit ? HANDLE_FLAG_INHERIT : 0; /* of the object: no test has two handles */
  nt_leave();
  return TRUE;
}

BOOL WINAPI SetHandleInformation(HANDLE h, DWORD mask, DWORD flags) {
  NT_CALL("SetHandleInformation", ERROR_INVALID_HANDLE, FALSE);
  struct nt_object *o = nt_lookup(h);
  if (!o) NT_REFUSE(ERROR_INVALID_HANDLE, FALSE);
  if (mask & HANDLE_FLAG_INHERIT) o->inherit = flags & HANDLE_FLAG_INHERIT;
  nt_leave();
  return TRUE;
}
