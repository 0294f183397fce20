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
enum { SECTOR = 512, WRITES = 1 };

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
  const bool writes = access & (GENERIC_WRITE | FILE_WRITE_DATA);
  flags |= reads && writes ? O_RDWR : writes ? O_WRONLY : O_RDONLY;
  switch (disposition) {
  case CREATE_NEW: return flags | O_CREAT | O_EXCL;
  case CREATE_ALWAYS: return flags | O_CREAT | O_TRUNC;
  case OPEN_ALWAYS: return flags | O_CREAT;
  case TRUNCATE_EXISTING: return flags | O_TRUNC;
  }
  return flags;
}

struct nt_object *nt_disk_open(const char *name, DWORD access, DWORD disposition, DWORD flags) {
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
  if (!(d->access & (write ? GENERIC_WRITE | FILE_WRITE_DATA : GENERIC_READ | FILE_READ_DATA)))
    return ERROR_ACCESS_DENIED;
  if (offset < 0) return ERROR_INVALID_PARAMETER;
  if (d->unbuffered && ((uintptr_t)buffer % SECTOR || length % SECTOR || offset % SECTOR))
    return ERROR_INVALID_PARAMETER;
  return 0;
}

static DWORD do_synchronous(struct disk *d, bool write, void *buffer, DWORD length, LPDWORD done,
                            LPOVERLAPPED overlapped, int64_t offset) {
  ULONG_PTR n;
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

DWORD nt_disk_io(struct nt_object *o, bool write, void *buffer, DWORD length, LPDWORD done,
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

DWORD nt_disk_type(const struct nt_object *o) {
  return ((const struct disk *)o)->character ? FILE_TYPE_CHAR : FILE_TYPE_DISK;
}

/* ---- the rest ----------------------------------------------------------------------------- */

static struct disk *disk_of(HANDLE h) {
  struct disk *d = (struct disk *)nt_lookup_kind(h, NT_DISK);
  if (!d) SetLastError(nt_lookup(h) ? ERROR_INVALID_FUNCTION : ERROR_INVALID_HANDLE);
  return d;
}

#define LEAVE(ok) return nt_leave(), (ok)

BOOL WINAPI FlushFileBuffers(HANDLE file) {
  NT_CALL("FlushFileBuffers", ERROR_IO_DEVICE, FALSE);
  struct disk *d = disk_of(file);
  if (!d) LEAVE(FALSE);
  if (!(d->access & (GENERIC_WRITE | FILE_WRITE_DATA))) NT_REFUSE(ERROR_ACCESS_DENIED, FALSE);
  LEAVE(TRUE); /* nobody will pull the plug of the simulator */
}

static bool look(const struct disk *d, struct stat *out) {
  if (fstat(d->fd, out) == 0) return true;
  SetLastError(ERROR_IO_DEVICE);
  return false;
}

BOOL WINAPI GetFileSizeEx(HANDLE file, PLARGE_INTEGER size) {
  NT_CALL("GetFileSizeEx", ERROR_IO_DEVICE, FALSE);
  struct disk *d = disk_of(file);
  struct stat stat;
  if (!d || !look(d, &stat)) LEAVE(FALSE);
  size->QuadPart = stat.st_size;
  LEAVE(TRUE);
}

BOOL WINAPI GetFileInformationByHandleEx(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, LPVOID out,
                                         DWORD size) {
  NT_CALL("GetFileInformationByHandleEx", ERROR_IO_DEVICE, FALSE);
  struct disk *d = disk_of(file);
  struct stat stat;
  if (!d || !look(d, &stat)) LEAVE(FALSE);
  if (what != FileStandardInfo || size < sizeof(FILE_STANDARD_INFO))
    NT_REFUSE(ERROR_INVALID_PARAMETER, FALSE);
  FILE_STANDARD_INFO *info = out;
  memset(info, 0, sizeof *info);
  info->EndOfFile.QuadPart = stat.st_size;
  info->NumberOfLinks = (DWORD)stat.st_nlink;
  info->Directory = S_ISDIR(stat.st_mode);
  LEAVE(TRUE);
}

BOOL WINAPI SetFileInformationByHandle(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, LPVOID in,
                                       DWORD size) {
  NT_CALL("SetFileInformationByHandle", ERROR_IO_DEVICE, FALSE);
  struct disk *d = disk_of(file);
  if (!d) LEAVE(FALSE);
  if (what != FileEndOfFileInfo || size < sizeof(FILE_END_OF_FILE_INFO))
    NT_REFUSE(ERROR_INVALID_PARAMETER, FALSE);
  if (ftruncate(d->fd, ((FILE_END_OF_FILE_INFO *)in)->EndOfFile.QuadPart) < 0)
    NT_REFUSE(nt_error_of_errno(errno), FALSE);
  LEAVE(TRUE);
}
