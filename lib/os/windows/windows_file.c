/* SPDX-License-Identifier: MIT */
/* Files and buffers on Windows. A handle is a HANDLE. The helpers' files are opened for overlapped
 * operations, shared with everybody, as on POSIX, and not inherited. */
#include "os/os_file.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <winsock2.h>

#include <windows.h>

#include <winioctl.h>

#include "os/os.h"
#include "os/windows/windows_os.h"
#include "core/status.h"

enum { LONGEST_PATH = 32767, SHORT_PATH = 240 };

static int32_t windows_file_fail_last(void) {
  const int os_code = (int)GetLastError();
  return os_code ? evp_fail_os(os_code) : evp_fail(EVPOLL_ERR_OS); /* never a success */
}

/* ---- paths -------------------------------------------------------------------------------- */

static bool has_prefix(const WCHAR *path) {
  return path[0] == '\\' && path[1] == '\\' && (path[2] == '?' || path[2] == '.') &&
         path[3] == '\\';
}

/* What a full path needs in front of it to be longer than MAX_PATH: a server's loses its own two
 * backslashes for it. */
static const char *prefix_for(const WCHAR **full) {
  if (has_prefix(*full)) return "";
  if ((*full)[0] != '\\' || (*full)[1] != '\\') return "\\\\?\\";
  *full += 2;
  return "\\\\?\\UNC\\";
}

/* Paths beyond MAX_PATH need the prefix that switches off the parsing of paths, so that is done
 * before. A relative one counts with its folder. Frees what it is given. */
static WCHAR *lengthen(WCHAR *path) {
  if (has_prefix(path)) return path;
  const DWORD size = GetFullPathNameW(path, 0, NULL, NULL);
  if (size <= SHORT_PATH || size > LONGEST_PATH) return path;
  WCHAR *full = malloc(size * sizeof *full);
  WCHAR *named = malloc((size + sizeof "\\\\?\\UNC\\") * sizeof *named);
  const DWORD n = full && named ? GetFullPathNameW(path, size, full, NULL) : 0;
  if (n == 0 || n >= size) { /* no memory, or the folder was changed: the system will say */
    free(full);
    free(named);
    return path;
  }
  const WCHAR *rest = full;
  size_t length = 0;
  for (const char *c = prefix_for(&rest); *c; c++) named[length++] = (WCHAR)*c;
  memcpy(named + length, rest, (n + 1 - (size_t)(rest - full)) * sizeof *named);
  free(full);
  free(path);
  return named;
}

/* UTF-8 to UTF-16. */
static int32_t widen(const char *text, WCHAR **out) {
  const int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
  if (n <= 0) return windows_file_fail_last();
  if (n > LONGEST_PATH) return evp_fail_as(EVPOLL_ERR_INVALID, ERROR_FILENAME_EXCED_RANGE);
  WCHAR *path = malloc((size_t)n * sizeof *path);
  if (!path) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, path, n);
  *out = lengthen(path);
  return 0;
}

/* ---- kinds -------------------------------------------------------------------------------- */

/* Regular files, volumes, and pipes that are not blocking: a read from a synchronous pipe cannot be
 * given up. */
static int32_t windows_file_look(evpoll_handle handle, DWORD *type_out) {
  if (!evp_windows_is_handle(handle)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  HANDLE file = evp_windows_handle(handle);
  SetLastError(0);
  *type_out = GetFileType(file);
  if (*type_out == FILE_TYPE_UNKNOWN && GetLastError() == ERROR_INVALID_HANDLE) {
    /* Not open, or something that is no file, as an event. */
    DWORD flags;
    if (!GetHandleInformation(file, &flags)) return windows_file_fail_last();
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  }
  if (*type_out == FILE_TYPE_DISK) {
    FILE_STANDARD_INFO info;
    if (GetFileInformationByHandleEx(file, FileStandardInfo, &info, sizeof info) && info.Directory)
      return evp_fail(EVPOLL_ERR_UNSUPPORTED);
    return 0;
  }
  /* It takes sockets for pipes. */
  if (*type_out != FILE_TYPE_PIPE || evp_windows_is_socket(handle))
    return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  bool synchronous;
  const int unknown = evp_windows_is_synchronous(file, &synchronous);
  if (unknown) return evp_fail_os(unknown);
  return synchronous ? evp_fail(EVPOLL_ERR_UNSUPPORTED) : 0;
}

/* Windows finishes overlapped reads of what is in its cache at once by itself. */
int32_t evp_file_look(evpoll_handle h, struct evp_file_kind *out) {
  DWORD type;
  *out = (struct evp_file_kind){.appends = false};
  const int32_t status = windows_file_look(h, &type);
  if (status < 0 || type != FILE_TYPE_DISK) return status;
  HANDLE file = evp_windows_handle(h);
  int unknown = evp_windows_is_synchronous(file, &out->waits);
  if (!unknown) unknown = evp_windows_only_appends(file, &out->appends);
  return unknown ? evp_fail_os(unknown) : 0;
}

/* ---- open, size, close -------------------------------------------------------------------- */

static DWORD disposition_of(uint32_t flags) {
  if (flags & EVPOLL_FILE_EXCLUSIVE) return CREATE_NEW;
  if (flags & EVPOLL_FILE_CREATE) return OPEN_ALWAYS; /* cut below: CREATE_ALWAYS changes more */
  return OPEN_EXISTING;
}

static int32_t windows_file_refuse_open(DWORD os_code, const WCHAR *path, uint32_t flags) {
  const bool denied = os_code == ERROR_ACCESS_DENIED;
  if (denied || os_code == ERROR_INVALID_NAME || os_code == ERROR_PATH_NOT_FOUND) {
    const DWORD attributes = GetFileAttributesW(path);
    if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY))
      return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, (int)os_code);
  }
  if (os_code == ERROR_INVALID_PARAMETER && (flags & EVPOLL_FILE_DIRECT))
    return evp_fail_as(EVPOLL_ERR_UNSUPPORTED, (int)os_code);
  return evp_fail_os((int)os_code);
}

/* A handle that only appends may not cut. */
static int32_t cut_first(const char *path, uint32_t flags) {
  evpoll_handle cut;
  const int32_t status = evp_file_open(path, flags & ~(uint32_t)EVPOLL_FILE_APPEND, 0, &cut);
  return status < 0 ? status : evp_file_close(cut);
}

int32_t evp_file_open(const char *path, uint32_t flags, uint32_t permissions,
                      evpoll_handle *handle_out) {
  if ((flags & EVPOLL_FILE_APPEND) && (flags & EVPOLL_FILE_TRUNCATE)) {
    const int32_t cut = cut_first(path, flags);
    if (cut < 0) return cut;
    flags &= ~(uint32_t)(EVPOLL_FILE_TRUNCATE | EVPOLL_FILE_EXCLUSIVE);
  }
  (void)permissions;
  const bool appends = flags & EVPOLL_FILE_APPEND;
  WCHAR *wide = NULL;
  int32_t status = widen(path, &wide);
  if (status < 0) return status;
  const DWORD access = (flags & EVPOLL_FILE_READ ? GENERIC_READ : 0u) |
                       (appends                     ? FILE_GENERIC_WRITE & ~(DWORD)FILE_WRITE_DATA
                        : flags & EVPOLL_FILE_WRITE ? GENERIC_WRITE
                                                    : 0u);
  /* The last two: a pipe's server must not act in our name. */
  const DWORD attributes = FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OVERLAPPED |
                           (flags & EVPOLL_FILE_DIRECT ? FILE_FLAG_NO_BUFFERING : 0u) |
                           SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
  /* Who appends is the only one who writes. */
  const DWORD share = FILE_SHARE_READ | FILE_SHARE_DELETE | (appends ? 0u : FILE_SHARE_WRITE);
  HANDLE file = CreateFileW(wide, access, share, NULL, disposition_of(flags), attributes, NULL);
  if (file == INVALID_HANDLE_VALUE) {
    status = windows_file_refuse_open(GetLastError(), wide, flags);
    free(wide);
    return status;
  }
  free(wide);

  const evpoll_handle handle = (evpoll_handle)(intptr_t)file;
  DWORD type;
  status = windows_file_look(handle, &type);
  if (status == 0 && type != FILE_TYPE_DISK) status = evp_fail(EVPOLL_ERR_UNSUPPORTED);
  if (status == 0 && (flags & EVPOLL_FILE_TRUNCATE)) {
    FILE_END_OF_FILE_INFO end = {.EndOfFile = {.QuadPart = 0}};
    if (!SetFileInformationByHandle(file, FileEndOfFileInfo, &end, sizeof end))
      status = windows_file_fail_last();
  }
  if (status == 0 && (flags & EVPOLL_FILE_DURABLE) && !FlushFileBuffers(file))
    status = windows_file_fail_last(); /* NTFS writes its log up to there, the name with it */
  if (status < 0) {
    CloseHandle(file);
    return status;
  }
  *handle_out = handle;
  return 0;
}

int32_t evp_file_reopen(evpoll_handle handle, evpoll_handle *handle_out) {
  (void)handle_out;
  const int os_code = evp_handle_check(handle);
  return os_code ? evp_fail_os(os_code) : evp_fail(EVPOLL_ERR_UNSUPPORTED);
}

static int32_t measure_volume(HANDLE volume, int64_t *bytes_out) {
  HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (!event) return windows_file_fail_last();
  OVERLAPPED o = {.hEvent = (HANDLE)((uintptr_t)event | 1)}; /* no packet to a port */
  GET_LENGTH_INFORMATION length;
  DWORD n;
  BOOL ok = DeviceIoControl(volume, IOCTL_DISK_GET_LENGTH_INFO, NULL, 0, &length, sizeof length,
                            NULL, &o);
  if (ok || GetLastError() == ERROR_IO_PENDING) ok = GetOverlappedResult(volume, &o, &n, TRUE);
  const int32_t status = ok ? 0 : windows_file_fail_last();
  CloseHandle(event);
  if (ok) *bytes_out = length.Length.QuadPart;
  return status;
}

int32_t evp_file_size(evpoll_handle handle, int64_t *size_out) {
  DWORD type;
  const int32_t status = windows_file_look(handle, &type);
  if (status < 0) return status;
  if (type != FILE_TYPE_DISK) return evp_fail(EVPOLL_ERR_UNSUPPORTED);
  LARGE_INTEGER size;
  if (GetFileSizeEx(evp_windows_handle(handle), &size)) {
    *size_out = size.QuadPart;
    return 0;
  }
  return measure_volume(evp_windows_handle(handle), size_out);
}

int32_t evp_file_close(evpoll_handle handle) {
  if (!evp_windows_is_handle(handle)) return evp_fail(EVPOLL_ERR_BAD_HANDLE);
  return CloseHandle(evp_windows_handle(handle)) ? 0 : windows_file_fail_last();
}

/* ---- buffers ------------------------------------------------------------------------------ */

/* Where the memory starts is kept before the buffer. */
int32_t evp_buffer_alloc(uint64_t size, uint32_t alignment, void **buffer_out) {
  const uintptr_t least = alignment < sizeof(void *) ? sizeof(void *) : alignment;
  const uint64_t extra = least + sizeof(void *);
  if (size > (uint64_t)PTRDIFF_MAX - extra) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  char *memory = malloc((size_t)(size + extra));
  if (!memory) return evp_fail(EVPOLL_ERR_NO_MEMORY);
  const uintptr_t start = ((uintptr_t)memory + sizeof(void *) + least - 1) & ~(least - 1);
  memcpy((void *)(start - sizeof(void *)), &memory, sizeof memory);
  memset((void *)start, 0, (size_t)size); /* also maps it: not inside the first operation */
  *buffer_out = (void *)start;
  return 0;
}

void evp_buffer_free(void *buffer) {
  if (!buffer) return;
  void *memory;
  memcpy(&memory, (char *)buffer - sizeof memory, sizeof memory);
  free(memory);
}

/* ---- a log -------------------------------------------------------------------------------- */

evpoll_handle evp_log_open(void) {
  WCHAR path[MAX_PATH];
  const DWORD n = GetEnvironmentVariableW(L"EVPOLL_TRACE", path, MAX_PATH);
  if (n == 0 || n >= MAX_PATH) return -1;
  HANDLE file =
      CreateFileW(path, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                  NULL, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
  if (file == INVALID_HANDLE_VALUE) return -1;
  const DWORD type = GetFileType(file);
  if (type == FILE_TYPE_DISK || type == FILE_TYPE_CHAR) return (evpoll_handle)(intptr_t)file;
  CloseHandle(file);
  return -1;
}

void evp_log_write(evpoll_handle h, const char *text, size_t n) {
  DWORD written;
  WriteFile(evp_windows_handle(h), text, (DWORD)n, &written, NULL);
}
