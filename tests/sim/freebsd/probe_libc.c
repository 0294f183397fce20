/* SPDX-License-Identifier: MIT */
/* For the probes: FreeBSD's C library beside AIO, and the machine that they ran on. Files of /tmp
 * are made in the working folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel.h"

enum { MILLISECOND = 1000000, DISK_BYTES = 1 << 20 };

__attribute__((constructor)) static void be_freebsd(void) {
  struct sim_options o = sim_get();
  o.freebsd_codes = true;
  o.delay_ns = MILLISECOND;
  sim_set(&o);
  open("/dev/null", O_RDONLY); /* that machine had one descriptor more */
}

int getosreldate(void);
int getosreldate(void) { return 1501000; }

int sysctlbyname(const char *name, void *old, size_t *old_length, const void *fresh, size_t length);
int sysctlbyname(const char *name, void *old, size_t *old_length, const void *fresh,
                 size_t length) {
  struct sim_options o = sim_get();
  const struct {
    const char *name;
    int value;
  } known[] = {
      {"vfs.aio.enable_unsafe", o.unsafe},
      {"vfs.aio.max_aio_queue_per_proc", o.queue_per_process},
      {"vfs.aio.max_aio_per_proc", 32},
      {"vfs.aio.max_aio_queue", o.queue_of_system},
      {"vfs.aio.max_aio_procs", 32},
      {"vfs.aio.target_aio_procs", 4},
      {"vfs.aio.max_buf_aio", o.buffers_per_process},
      {"kern.ipc.aio.max_procs", 32},
      {"p1003_1b.aio_listio_max", o.listio_max},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(name, known[i].name)) continue;
    if (old && *old_length >= sizeof(int)) memcpy(old, &known[i].value, sizeof(int));
    if (fresh && i == 0) {
      int value = 0;
      memcpy(&value, fresh, length < sizeof value ? length : sizeof value);
      o.unsafe = value;
      sim_set(&o);
    }
    return 0;
  }
  errno = ENOENT;
  return -1;
}

int sim_open(const char *path, int flags, ...);
int sim_open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = flags & O_CREAT ? (mode_t)va_arg(more, int) : 0;
  va_end(more);
  char here[256];
  if (strcmp(path, "/dev/vtbd0") == 0) { /* a disk: bytes that AIO serves */
    snprintf(here, sizeof here, "./probe-disk");
    const int fd = open(here, O_RDWR | O_CREAT, 0600);
    if (ftruncate(fd, DISK_BYTES) < 0) perror(here);
    return fd;
  }
  if (strncmp(path, "/tmp/", 5) == 0) {
    snprintf(here, sizeof here, "./probe-%s", path + 5);
    path = here;
  }
  return open(path, flags, mode);
}

int sim_shm_open(const char *name, int flags, mode_t mode);
int sim_shm_open(const char *name, int flags, mode_t mode) {
  (void)name, (void)flags, (void)mode;
  return memfd_create("shm", MFD_ALLOW_SEALING);
}
