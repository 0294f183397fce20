/* SPDX-License-Identifier: MIT */
/* The rest of Win32: the last error, memory, text, thread-local slots. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

static _Thread_local DWORD last_error;
DWORD WINAPI GetLastError(void) { return last_error; }
void WINAPI SetLastError(DWORD code) { last_error = code; }

/* ---- slots -------------------------------------------------------------------------------- */

enum { SLOTS = 64 };
static _Thread_local LPVOID slots[SLOTS];
static bool slot_taken[SLOTS];

DWORD WINAPI TlsAlloc(void) {
  NT_CALL("TlsAlloc", ERROR_NOT_ENOUGH_MEMORY, TLS_OUT_OF_INDEXES);
  DWORD i = 0;
  while (i < SLOTS && slot_taken[i]) i++;
  if (i == SLOTS) NT_REFUSE(ERROR_NOT_ENOUGH_MEMORY, TLS_OUT_OF_INDEXES);
  slot_taken[i] = true;
  nt_leave();
  return i;
}

BOOL WINAPI TlsFree(DWORD i) {
  nt_enter();
  slot_taken[i] = false;
  nt_leave();
  return TRUE;
}

LPVOID WINAPI TlsGetValue(DWORD i) {
  SetLastError(i < SLOTS ? 0 : ERROR_INVALID_PARAMETER);
  return i < SLOTS ? slots[i] : NULL;
}
BOOL WINAPI TlsSetValue(DWORD i, LPVOID value) {
  if (i >= SLOTS) return SetLastError(ERROR_INVALID_PARAMETER), FALSE;
  slots[i] = value;
  return TRUE;
}

/* ---- memory ------------------------------------------------------------------- */

void *_aligned_malloc(size_t size, size_t alignment) {
  void *memory = NULL;
  const size_t least = alignment < sizeof(void *) ? sizeof(void *) : alignment;
  return posix_memalign(&memory, least, size) ? NULL : memory;
}
void _aligned_free(void *memory) { free(memory); }

/* ---- environment --------------------------------------------------------------------------- */

BOOL WINAPI SetEnvironmentVariableA(LPCSTR name, LPCSTR value) {
  return setenv(name, value, 1) == 0;
}

DWORD WINAPI GetEnvironmentVariableW(LPCWSTR name, LPWSTR value, DWORD room) {
  char *text = nt_utf8(name);
  const char *found = getenv(text);
  free(text);
  if (!found) return SetLastError(ERROR_ENVVAR_NOT_FOUND), 0;
  const int n = MultiByteToWideChar(CP_UTF8, 0, found, -1, NULL, 0);
  if ((DWORD)n > room) return (DWORD)n;
  MultiByteToWideChar(CP_UTF8, 0, found, -1, value, n);
  return (DWORD)n - 1;
}

HMODULE WINAPI GetModuleHandleA(LPCSTR name) { return name ? (HMODULE)&last_error : NULL; }

static intptr_t wine_version(void) { return 80; }

FARPROC WINAPI GetProcAddress(HMODULE module, LPCSTR name) {
  nt_enter();
  const bool wine = nt_is_wine();
  nt_leave();
  if (module && wine && strcmp(name, "wine_get_version") == 0) return wine_version;
  if (module && !wine && strcmp(name, "QueryUnbiasedInterruptTimePrecise") == 0)
    return (FARPROC)(void (*)(void))QueryUnbiasedInterruptTimePrecise;
  return NULL;
}

/* ---- text --------------------------------------------------------------------------------- */

/* One character of UTF-8, -1 if it is none; *at goes behind it. */
static int32_t next_utf8(const unsigned char **at, const unsigned char *end) {
  const unsigned char *s = *at;
  const int extra = s[0] < 0x80                   ? 0
                    : s[0] >= 0xc2 && s[0] < 0xe0 ? 1
                    : s[0] >= 0xe0 && s[0] < 0xf0 ? 2
                    : s[0] >= 0xf0 && s[0] < 0xf5 ? 3
                                                  : -1;
  *at = s + 1;
  if (extra < 0 || end - s <= extra) return -1;
  int32_t c = extra == 0 ? s[0] : s[0] & (0x3f >> extra);
  for (int i = 1; i <= extra; i++) {
    if ((s[i] & 0xc0) != 0x80) return -1;
    c = c << 6 | (s[i] & 0x3f);
  }
  static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
  if (c < least[extra] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return -1;
  *at = s + extra + 1;
  return c;
}

int WINAPI MultiByteToWideChar(UINT page, DWORD flags, LPCSTR text, int length, LPWSTR out,
                               int capacity) {
  (void)page;
  const size_t size = length < 0 ? strlen(text) + 1 : (size_t)length;
  const unsigned char *s = (const unsigned char *)text, *end = s + size;
  int n = 0;
  while (s < end) {
    int32_t c = next_utf8(&s, end);
    if (c < 0 && (flags & MB_ERR_INVALID_CHARS)) {
      SetLastError(ERROR_NO_UNICODE_TRANSLATION);
      return 0;
    }
    if (c < 0) c = 0xfffd;
    const int units = c > 0xffff ? 2 : 1;
    if (capacity && n + units > capacity) {
      SetLastError(ERROR_INSUFFICIENT_BUFFER);
      return 0;
    }
    if (capacity && units == 2) {
      out[n] = (WCHAR)(0xd800 + ((c - 0x10000) >> 10));
      out[n + 1] = (WCHAR)(0xdc00 + ((c - 0x10000) & 0x3ff));
    } else if (capacity) {
      out[n] = (WCHAR)c;
    }
    n += units;
  }
  return n;
}

static int put_utf8(uint32_t c, char *out) {
  if (c < 0x80) return out[0] = (char)c, 1;
  if (c < 0x800) return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 0x3f)), 2;
  const int n = c < 0x10000 ? 3 : 4;
  for (int i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
  out[0] = (char)((n == 3 ? 0xe0 : 0xf0) | c);
  return n;
}

int WINAPI WideCharToMultiByte(UINT page, DWORD flags, LPCWSTR text, int length, LPSTR out,
                               int capacity, LPCSTR fallback, LPBOOL used) {
  (void)page, (void)flags, (void)fallback, (void)used;
  int n = 0;
  for (int i = 0; length < 0 || i < length; i++) {
    uint32_t c = (uint16_t)text[i];
    if (c >= 0xd800 && c < 0xdc00)
      c = 0x10000 + ((c - 0xd800) << 10) + ((uint16_t)text[++i] - 0xdc00u);
    char bytes[4];
    const int size = put_utf8(c, bytes);
    if (capacity && n + size > capacity) return 0;
    if (capacity) memcpy(out + n, bytes, (size_t)size);
    n += size;
    if (length < 0 && c == 0) break;
  }
  return n;
}
