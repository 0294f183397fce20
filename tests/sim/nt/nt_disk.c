/* SPDX-License-Identifier: MIT */
/* Files: the Linux ones under the same names, read and written when the seed says so.
 *
 * Windows may do a cached read inside the call and says so by its result, with a packet all the
 * same (documented); Wine 8.0 does it inside the call too, and always says ERROR_IO_PENDING
 * (measured). An end of the file that is found inside the call is an error without a packet. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"

struct disk {
  struct nt_object o;
  int fd;
  DWORD access;
  bool unbuffered, character;
  int64_t position; /* of a synchronous handle */
};
enum { SECTOR = 512, WRITES = 1, AT_THE_END = -1 };
static const DWORD may_write = GENERIC_WRITE | FILE_WRITE_DATA;
static const DWORD may_append = GENERIC_WRITE | FILE_WRITE_DATA | FILE_APPEND_DATA;

DWORD nt_error_of_errno(int code) {
  switch (code) {
  case ENOENT: return ERROR_FILE_NOT_FOUND;
  case ENOTDIR: return ERROR_PATH_NOT_FOUND;
  case EACCES:
  case EPERM:
  case EISDIR:
  case EROFS: return ERROR_ACCESS_DENIED;
  case EEXIST: return ERROR_FILE_EXISTS;
  case ENOSPC: return ERROR_DISK_FULL;
  case EMFILE:
  case ENFILE: return ERROR_TOO_MANY_OPEN_FILES;
  case EFBIG: return ERROR_FILE_TOO_LARGE;
  case ENAMETOOLONG: return ERROR_FILENAME_EXCED_RANGE;
  case EFAULT: return ERROR_NOACCESS;
  case EINVAL: return ERROR_INVALID_PARAMETER;
  }
  return ERROR_IO_DEVICE;
}

static void free_disk(struct nt_object *o) { close(((struct disk *)o)->fd); }

/* A name of a device is the backend's own prefix: \\?\C:\... was a Linux path before. */
static int open_flags(DWORD access, DWORD disposition) {
  int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const bool reads = access & (GENERIC_READ | FILE_READ_DATA);
  const bool writes = access & may_append;
  flags |= reads && writes ? O_RDWR : writes ? O_WRONLY : O_RDONLY;
  switch (disposition) {
  case CREATE_NEW: return flags | O_CREAT | O_EXCL;
  case CREATE_ALWAYS: return flags | O_CREAT | O_TRUNC;
  case OPEN_ALWAYS: return flags | O_CREAT;
  case TRUNCATE_EXISTING: return flags | O_TRUNC;
  }
  return flags;
}

/* Who writes and shares that with nobody keeps other writers out, and is kept out by them. */
static bool shares(int fd, DWORD access, DWORD share) {
  const int lock = share & FILE_SHARE_WRITE ? LOCK_SH : LOCK_EX;
  return !(access & may_append) || flock(fd, lock | LOCK_NB) == 0;
}

struct nt_object *nt_disk_open(const char *name, DWORD access, DWORD share, DWORD disposition,
                               DWORD flags) {
  const bool existed =
      access != 0 && disposition == OPEN_ALWAYS && faccessat(AT_FDCWD, name, F_OK, 0) == 0;
  const int fd = open(name, open_flags(access, disposition), 0666);
  struct stat stat;
  if (fd < 0 || fstat(fd, &stat) < 0) {
    SetLastError(nt_error_of_errno(errno));
    return NULL;
  }
  if (S_ISDIR(stat.st_mode) && !(flags & FILE_FLAG_BACKUP_SEMANTICS)) {
    close(fd);
    SetLastError(ERROR_ACCESS_DENIED);
    return NULL;
  }
  if (!shares(fd, access, share)) {
    close(fd);
    SetLastError(ERROR_SHARING_VIOLATION);
    return NULL;
  }
  struct disk *d = nt_make(NT_DISK, sizeof *d);
  d->o.freed = free_disk;
  d->o.overlapped = flags & FILE_FLAG_OVERLAPPED;
  d->fd = fd;
  d->access = access;
  d->character = S_ISCHR(stat.st_mode);
  d->unbuffered = flags & FILE_FLAG_NO_BUFFERING;
  SetLastError(existed ? ERROR_ALREADY_EXISTS : 0);
  return &d->o;
}

/* ---- reading and writing ------------------------------------------------------------------ */

static NTSTATUS perform(const struct disk *d, bool write, void *buffer, DWORD length,
                        int64_t offset, ULONG_PTR *done) {
  *done = 0;
  if (nt_fault(write ? "disk write" : "disk read")) return NT_IO_DEVICE_ERROR;
  struct stat stat;
  if (write && (offset == AT_THE_END || !(d->access & may_write)))
    offset = fstat(d->fd, &stat) == 0 ? stat.st_size : 0;
  const ssize_t n =
      write ? pwrite(d->fd, buffer, length, offset) : pread(d->fd, buffer, length, offset);
  if (n < 0)
    return errno == ENOSPC || errno == EFBIG ? NT_DISK_FULL
           : errno == EINVAL                 ? NT_INVALID_PARAMETER
                                             : NT_IO_DEVICE_ERROR;
  *done = (ULONG_PTR)n;
  return !write && n == 0 && length > 0 ? NT_END_OF_FILE : NT_SUCCESS_STATUS;
}

static void perform_later(struct nt_object *o, void *argument) {
  struct nt_irp *irp = nt_irp_find((uint64_t)(uintptr_t)argument);
  if (!irp) return; /* cancelled */
  ULONG_PTR done;
  const NTSTATUS status =
      perform((struct disk *)o, irp->code == WRITES, irp->buffer, irp->length, irp->offset, &done);
  nt_irp_finish(irp, status, done, false);
}

static DWORD check(const struct disk *d, bool write, const void *buffer, DWORD length,
                   int64_t offset) {
  if (!(d->access & (write ? may_append : GENERIC_READ | FILE_READ_DATA)))
    return ERROR_ACCESS_DENIED;
  if (offset < 0 && !(write && offset == AT_THE_END)) return ERROR_INVALID_PARAMETER;
  if (d->unbuffered && ((uintptr_t)buffer % SECTOR || length % SECTOR || offset % SECTOR))
    return ERROR_INVALID_PARAMETER;
  return 0;
}

static DWORD do_synchronous(struct disk *d, bool write, void *buffer, DWORD length, LPDWORD done,
                            LPOVERLAPPED overlapped, int64_t offset) {
  ULONG_PTR n;
  if (nt_chance(1, 2)) nt_block(&d->position, nt_deadline(nt_random(20))); /* a disk takes time */
  const NTSTATUS status = perform(d, write, buffer, length, offset, &n);
  if (status == NT_SUCCESS_STATUS || status == NT_END_OF_FILE) d->position = offset + (int64_t)n;
  if (done) *done = (DWORD)n;
  if (overlapped) {
    overlapped->Internal = (ULONG)status;
    overlapped->InternalHigh = n;
  }
  /* Without an offset the end of the file is no error. */
  if (status == NT_END_OF_FILE && !overlapped) return 0;
  return status ? nt_error_of(status) : 0;
}

static DWORD do_at_once(struct disk *d, struct nt_irp *irp, LPDWORD done) {
  ULONG_PTR n;
  const NTSTATUS status =
      perform(d, irp->code == WRITES, irp->buffer, irp->length, irp->offset, &n);
  if (nt_is_wine()) {
    nt_irp_finish(irp, status, n, true);
    return ERROR_IO_PENDING;
  }
  if (done) *done = (DWORD)n;
  if (status < 0) { /* no packet */
    irp->context = NULL;
    nt_irp_finish(irp, status, n, true);
    return nt_error_of(status);
  }
  nt_irp_finish(irp, status, n, true);
  return 0;
}

static DWORD disk_io(struct nt_object *o, bool write, void *buffer, DWORD length, LPDWORD done,
                     LPOVERLAPPED overlapped) {
  struct disk *d = (struct disk *)o;
  const int64_t offset =
      overlapped ? (int64_t)((uint64_t)overlapped->OffsetHigh << 32 | overlapped->Offset)
                 : d->position;
  const DWORD refused = check(d, write, buffer, length, offset);
  if (refused) return refused;
  if (!o->overlapped) return do_synchronous(d, write, buffer, length, done, overlapped, offset);
  if (!overlapped) return ERROR_INVALID_PARAMETER;
  struct nt_irp *irp = nt_irp_overlapped(o, overlapped);
  irp->buffer = buffer;
  irp->length = length;
  irp->offset = offset;
  irp->code = write ? WRITES : 0;
  if (!nt_chance(2, 3)) return do_at_once(d, irp, done);
  irp->firm = nt_chance(1, 2);
  nt_later(perform_later, o, (void *)(uintptr_t)irp->serial);
  return ERROR_IO_PENDING;
}

DWORD nt_disk_io(struct nt_object *o, bool write, void *buffer, DWORD length, LPDWORD done,
                 LPOVERLAPPED overlapped) {
  nt_serial_enter(o);
  const DWORD code = disk_io(o, write, buffer, length, done, overlapped);
  nt_serial_leave(o);
  return code;
}

DWORD nt_disk_access(const struct nt_object *o) {
  const DWORD access = ((const struct disk *)o)->access;
  return access & GENERIC_WRITE ? access | FILE_GENERIC_WRITE : access;
}

DWORD nt_disk_type(const struct nt_object *o) {
  return ((const struct disk *)o)->character ? FILE_TYPE_CHAR : FILE_TYPE_DISK;
}

/* ---- the rest ----------------------------------------------------------------------------- */

/* The file is the caller's until it leaves. */
static struct disk *enter_disk(HANDLE h) {
  struct disk *d = (struct disk *)nt_lookup_kind(h, NT_DISK);
  if (d)
    nt_serial_enter(&d->o);
  else
    SetLastError(nt_lookup(h) ? ERROR_INVALID_FUNCTION : ERROR_INVALID_HANDLE);
  return d;
}

/* code 0: success. */
static BOOL leave_disk(struct disk *d, DWORD code) {
  nt_serial_leave(&d->o);
  if (code) SetLastError(code);
  nt_leave();
  return code == 0;
}

static BOOL leave(void) {
  nt_leave();
  return FALSE;
}

BOOL WINAPI FlushFileBuffers(HANDLE file) {
  NT_CALL("FlushFileBuffers", ERROR_IO_DEVICE, FALSE);
  struct nt_object *pipe = nt_lookup_kind(file, NT_PIPE);
  if (pipe) {
    const DWORD code = nt_pipe_flush(pipe);
    if (code) NT_REFUSE(code, FALSE);
    nt_leave();
    return TRUE;
  }
  struct disk *d = enter_disk(file);
  if (!d) return leave();
  /* Nobody will pull the plug of the simulator. */
  return leave_disk(d, d->access & may_append ? 0 : ERROR_ACCESS_DENIED);
}

BOOL WINAPI GetFileSizeEx(HANDLE file, PLARGE_INTEGER size) {
  NT_CALL("GetFileSizeEx", ERROR_IO_DEVICE, FALSE);
  struct disk *d = enter_disk(file);
  if (!d) return leave();
  struct stat stat;
  if (fstat(d->fd, &stat) != 0) return leave_disk(d, ERROR_IO_DEVICE);
  size->QuadPart = stat.st_size;
  return leave_disk(d, 0);
}

BOOL WINAPI GetFileInformationByHandleEx(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, LPVOID out,
                                         DWORD size) {
  NT_CALL("GetFileInformationByHandleEx", ERROR_IO_DEVICE, FALSE);
  struct disk *d = enter_disk(file);
  if (!d) return leave();
  struct stat stat;
  if (fstat(d->fd, &stat) != 0) return leave_disk(d, ERROR_IO_DEVICE);
  if (what != FileStandardInfo || size < sizeof(FILE_STANDARD_INFO))
    return leave_disk(d, ERROR_INVALID_PARAMETER);
  FILE_STANDARD_INFO *info = out;
  memset(info, 0, sizeof *info);
  info->EndOfFile.QuadPart = stat.st_size;
  info->NumberOfLinks = (DWORD)stat.st_nlink;
  info->Directory = S_ISDIR(stat.st_mode);
  return leave_disk(d, 0);
}

BOOL WINAPI SetFileInformationByHandle(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, LPVOID in,
                                       DWORD size) {
  NT_CALL("SetFileInformationByHandle", ERROR_IO_DEVICE, FALSE);
  struct disk *d = enter_disk(file);
  if (!d) return leave();
  if (what != FileEndOfFileInfo || size < sizeof(FILE_END_OF_FILE_INFO))
    return leave_disk(d, ERROR_INVALID_PARAMETER);
  if (!(d->access & may_write)) return leave_disk(d, ERROR_ACCESS_DENIED);
  const int failed = ftruncate(d->fd, ((FILE_END_OF_FILE_INFO *)in)->EndOfFile.QuadPart);
  return leave_disk(d, failed ? nt_error_of_errno(errno) : 0);
}
