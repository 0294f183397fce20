/* SPDX-License-Identifier: MIT */
/* What files and pipes share: opening by name, reading and writing, and what kind a handle is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel.h"
#include "winioctl.h"

static bool starts(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

static bool is_verbatim(LPCWSTR name) {
  return name[0] == L'\\' && name[1] == L'\\' && name[2] == L'?' && name[3] == L'\\';
}

static size_t wide_length(LPCWSTR text) {
  size_t n = 0;
  while (text[n]) n++;
  return n;
}

/* \\?\ names what follows as it stands, and \\?\UNC\ a server; slashes are turned, as Win32 does
 * the other way round. A server's folders are those in the root. */
char *nt_utf8(LPCWSTR name) {
  const int size = WideCharToMultiByte(CP_UTF8, 0, name, -1, NULL, 0, NULL, NULL);
  char *text = malloc((size_t)size);
  if (!text) abort();
  WideCharToMultiByte(CP_UTF8, 0, name, -1, text, size, NULL, NULL);
  if (starts(text, "\\\\.\\pipe\\")) return text;
  if (starts(text, "\\\\?\\UNC\\")) memmove(text, text + 7, strlen(text) - 6);
  if (starts(text, "\\\\?\\") || starts(text, "//?/")) memmove(text, text + 4, strlen(text) - 3);
  for (char *c = text; *c; c++)
    if (*c == '\\') *c = '/';
  return text;
}

HANDLE WINAPI CreateFileW(LPCWSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES attributes,
                          DWORD disposition, DWORD flags, HANDLE template_file) {
  (void)attributes, (void)template_file;
  NT_CALL("CreateFileW", ERROR_NO_SYSTEM_RESOURCES, INVALID_HANDLE_VALUE);
  /* Counted with its folder, and its end (documented). Wine 8.0 knows no such limit. */
  if (!is_verbatim(name) && !nt_is_wine() && GetFullPathNameW(name, 0, NULL, NULL) > MAX_PATH)
    NT_REFUSE(ERROR_PATH_NOT_FOUND, INVALID_HANDLE_VALUE);
  char *text = nt_utf8(name);
  struct nt_object *o = starts(text, "\\\\.\\pipe\\")
                            ? nt_pipe_open(text, flags)
                            : nt_disk_open(text, access, share, disposition, flags);
  free(text);
  HANDLE h = o ? nt_handle(o) : NULL;
  if (o && !h) SetLastError(ERROR_NO_SYSTEM_RESOURCES);
  if (o) nt_unref(o);
  nt_leave();
  return h ? h : INVALID_HANDLE_VALUE;
}

HANDLE WINAPI CreateFileA(LPCSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES attributes,
                          DWORD disposition, DWORD flags, HANDLE template_file) {
  WCHAR wide[MAX_PATH];
  if (MultiByteToWideChar(CP_UTF8, 0, name, -1, wide, MAX_PATH) == 0) return INVALID_HANDLE_VALUE;
  return CreateFileW(wide, access, share, attributes, disposition, flags, template_file);
}

/* The kernel itself is asked to read the first and the last byte. */
bool nt_mapped(const void *memory, size_t size) {
  if (nt_deterministic() || size == 0) return true;
  char to[2];
  struct iovec here = {to, 2};
  struct iovec there[2] = {{(void *)(uintptr_t)memory, 1},
                           {(char *)(uintptr_t)memory + size - 1, 1}};
  return process_vm_readv(getpid(), &here, 1, there, 2, 0) == 2;
}

static BOOL move_data(HANDLE file, bool write, void *buffer, DWORD length, LPDWORD done,
                      LPOVERLAPPED overlapped) {
  NT_CALL(write ? "WriteFile" : "ReadFile", ERROR_NO_SYSTEM_RESOURCES, FALSE);
  struct nt_object *o = nt_lookup(file);
  if (!o) NT_REFUSE(ERROR_INVALID_HANDLE, FALSE);
  if (!nt_mapped(buffer, length))
    NT_REFUSE(write ? ERROR_INVALID_USER_BUFFER : ERROR_NOACCESS, FALSE);
  if (done) *done = 0;
  DWORD code = ERROR_INVALID_FUNCTION;
  nt_ref(o);
  if (o->kind == NT_DISK) code = nt_disk_io(o, write, buffer, length, done, overlapped);
  if (o->kind == NT_PIPE) code = nt_pipe_io(o, write, buffer, length, done, overlapped);
  nt_unref(o);
  if (code) NT_REFUSE(code, FALSE);
  nt_leave();
  return TRUE;
}

BOOL WINAPI ReadFile(HANDLE file, LPVOID buffer, DWORD length, LPDWORD done, LPOVERLAPPED o) {
  return move_data(file, false, buffer, length, done, o);
}

BOOL WINAPI WriteFile(HANDLE file, LPCVOID buffer, DWORD length, LPDWORD done, LPOVERLAPPED o) {
  return move_data(file, true, (void *)(uintptr_t)buffer, length, done, o);
}

DWORD WINAPI GetFileType(HANDLE file) {
  nt_enter();
  struct nt_object *o = nt_lookup(file);
  SetLastError(o ? 0 : ERROR_INVALID_HANDLE);
  if (o) nt_serial_enter(o);
  DWORD type = FILE_TYPE_UNKNOWN;
  if (o && o->kind == NT_DISK) type = nt_disk_type(o);
  if (o && (o->kind == NT_PIPE || o->kind == NT_SOCKET || o->kind == NT_LAYER))
    type = FILE_TYPE_PIPE; /* sockets too: documented */
  if (o) nt_serial_leave(o);
  nt_leave();
  return type;
}

DWORD WINAPI GetFileAttributesW(LPCWSTR name) {
  char *text = nt_utf8(name);
  struct stat stat_;
  const int failed = stat(text, &stat_);
  const DWORD code = failed ? nt_error_of_errno(errno) : 0;
  free(text);
  SetLastError(code);
  if (failed) return INVALID_FILE_ATTRIBUTES;
  return S_ISDIR(stat_.st_mode) ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_NORMAL;
}

/* Backslashes, and the current folder before a relative name; dots stay. */
DWORD WINAPI GetFullPathNameW(LPCWSTR name, DWORD capacity, LPWSTR out, LPWSTR *file_part) {
  char folder[MAX_PATH * 4];
  WCHAR wide[MAX_PATH * 4];
  size_t before = 0;
  const bool relative = name[0] != L'/' && name[0] != L'\\';
  if (relative && getcwd(folder, sizeof folder - 1)) {
    strcat(folder, "/");
    before = (size_t)MultiByteToWideChar(CP_UTF8, 0, folder, -1, wide, MAX_PATH * 4) - 1;
  }
  const size_t n = wide_length(name), all = before + n;
  if (file_part) *file_part = NULL;
  if (all + 1 > capacity) return (DWORD)all + 1;
  memcpy(out, wide, before * sizeof *wide);
  memcpy(out + before, name, (n + 1) * sizeof *name);
  for (size_t i = 0; i < all; i++)
    if (out[i] == L'/') out[i] = L'\\';
  return (DWORD)all;
}

BOOL WINAPI DeleteFileW(LPCWSTR name) {
  char *text = nt_utf8(name);
  const int failed = unlink(text);
  if (failed) SetLastError(nt_error_of_errno(errno));
  free(text);
  return !failed;
}

BOOL WINAPI DeleteFileA(LPCSTR name) {
  if (unlink(name) == 0) return TRUE;
  SetLastError(nt_error_of_errno(errno));
  return FALSE;
}

BOOL WINAPI DeviceIoControl(HANDLE device, DWORD code, LPVOID in, DWORD in_size, LPVOID out,
                            DWORD out_size, LPDWORD bytes, LPOVERLAPPED overlapped) {
  (void)device, (void)code, (void)in, (void)in_size, (void)out, (void)out_size, (void)overlapped;
  *bytes = 0;
  SetLastError(ERROR_INVALID_FUNCTION);
  return FALSE;
}
