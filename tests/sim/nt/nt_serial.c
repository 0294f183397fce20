/* SPDX-License-Identifier: MIT */
/* What was opened without FILE_FLAG_OVERLAPPED serves one call at a time: the kernel locks the file
 * object (FO_SYNCHRONOUS_IO) for reads, writes, queries and the last close alike, whichever handle
 * they come by, and waits for the lock without limit (documented: "File objects", "I/O manager"; so
 * GetFileType() hangs while somebody reads a console's pipe). Wine 8.0 has no such lock. */
#include "kernel.h"

static bool is_serial(const struct nt_object *o) {
  return (o->kind == NT_DISK || o->kind == NT_PIPE) && !o->overlapped && !nt_is_wine();
}

void nt_serial_enter(struct nt_object *o) {
  if (!is_serial(o)) return;
  nt_ref(o);
  while (o->occupied) nt_block(&o->occupied, -1);
  o->occupied = true;
}

void nt_serial_leave(struct nt_object *o) {
  if (!is_serial(o)) return;
  o->occupied = false;
  nt_wake_one(&o->occupied);
  nt_unref(o);
}
