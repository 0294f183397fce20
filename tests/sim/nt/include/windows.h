/* SPDX-License-Identifier: MIT */
/* The part of the Windows API that the library uses, for compiling its Windows sources on Linux
 * against the simulated kernel. Numbers and layouts are the real ones: numbers_test.py compares
 * them with mingw's headers. Wide strings are 16 bits: compile with -fshort-wchar. */
#ifndef NT_SIM_WINDOWS_H
#define NT_SIM_WINDOWS_H

#include <stddef.h>
#include <stdint.h>

#include "winerror.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WINAPI
#define NTAPI
#define CALLBACK
#define APIENTRY
#define VOID              void
#define CONST             const
#define DECLSPEC_ALIGN(n) __attribute__((aligned(n)))

typedef int32_t BOOL, LONG, NTSTATUS, INT;
typedef uint32_t DWORD, ULONG, UINT, ACCESS_MASK;
typedef uint16_t WORD, USHORT;
typedef uint8_t BYTE, UCHAR, BOOLEAN;
typedef int16_t SHORT;
typedef char CHAR;
typedef wchar_t WCHAR;
typedef int64_t LONGLONG, LONG64;
typedef uint64_t ULONGLONG, ULONG64, DWORD64;
typedef intptr_t LONG_PTR, INT_PTR;
typedef uintptr_t ULONG_PTR, UINT_PTR, DWORD_PTR;
typedef size_t SIZE_T;
typedef void *PVOID, *LPVOID, *HANDLE, *HMODULE, *HINSTANCE;
typedef const void *LPCVOID;
typedef HANDLE *PHANDLE, *LPHANDLE;
typedef BOOL *PBOOL, *LPBOOL;
typedef DWORD *PDWORD, *LPDWORD;
typedef ULONG *PULONG;
typedef LONG *PLONG;
typedef ULONG_PTR *PULONG_PTR;
typedef CHAR *LPSTR, *PSTR;
typedef const CHAR *LPCSTR, *PCSTR;
typedef WCHAR *LPWSTR, *PWSTR, *PWCHAR;
typedef const WCHAR *LPCWSTR, *PCWSTR;

typedef union _LARGE_INTEGER {
  struct {
    DWORD LowPart;
    LONG HighPart;
  };
  struct {
    DWORD LowPart;
    LONG HighPart;
  } u;
  LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef struct _OVERLAPPED {
  ULONG_PTR Internal;
  ULONG_PTR InternalHigh;
  union {
    struct {
      DWORD Offset;
      DWORD OffsetHigh;
    };
    PVOID Pointer;
  };
  HANDLE hEvent;
} OVERLAPPED, *LPOVERLAPPED;

typedef struct _OVERLAPPED_ENTRY {
  ULONG_PTR lpCompletionKey;
  LPOVERLAPPED lpOverlapped;
  ULONG_PTR Internal;
  DWORD dwNumberOfBytesTransferred;
} OVERLAPPED_ENTRY, *LPOVERLAPPED_ENTRY;

typedef struct _SECURITY_ATTRIBUTES {
  DWORD nLength;
  LPVOID lpSecurityDescriptor;
  BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;

typedef struct _FILETIME {
  DWORD dwLowDateTime;
  DWORD dwHighDateTime;
} FILETIME;

typedef struct _SRWLOCK {
  PVOID Ptr;
} SRWLOCK, *PSRWLOCK;
typedef struct _CONDITION_VARIABLE {
  PVOID Ptr;
} CONDITION_VARIABLE, *PCONDITION_VARIABLE;
typedef struct _INIT_ONCE {
  PVOID Ptr;
} INIT_ONCE, *PINIT_ONCE, *LPINIT_ONCE;
#define SRWLOCK_INIT                                                                               \
  { 0 }
#define CONDITION_VARIABLE_INIT                                                                    \
  { 0 }
#define INIT_ONCE_STATIC_INIT                                                                      \
  { 0 }

typedef DWORD(WINAPI *LPTHREAD_START_ROUTINE)(LPVOID);
typedef BOOL(CALLBACK *PINIT_ONCE_FN)(PINIT_ONCE, PVOID, PVOID *);

#define TRUE                 1
#define FALSE                0
#define INFINITE             0xffffffff
#define MAX_PATH             260
#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)
#define TLS_OUT_OF_INDEXES   0xffffffff
#define WAIT_OBJECT_0        0
#define WAIT_TIMEOUT         258
#define WAIT_FAILED          0xffffffff

#define GENERIC_READ          0x80000000
#define GENERIC_WRITE         0x40000000
#define SYNCHRONIZE           0x00100000
#define DELETE                0x00010000
#define FILE_READ_DATA        0x0001
#define FILE_WRITE_DATA       0x0002
#define FILE_APPEND_DATA      0x0004
#define FILE_READ_ATTRIBUTES  0x0080
#define FILE_WRITE_ATTRIBUTES 0x0100
#define FILE_GENERIC_WRITE    0x00120116
#define FILE_SHARE_READ       0x1
#define FILE_SHARE_WRITE      0x2
#define FILE_SHARE_DELETE     0x4
#define CREATE_NEW            1
#define CREATE_ALWAYS         2
#define OPEN_EXISTING         3
#define OPEN_ALWAYS           4
#define TRUNCATE_EXISTING     5

#define FILE_ATTRIBUTE_NORMAL      0x80
#define FILE_ATTRIBUTE_DIRECTORY   0x10
#define FILE_ATTRIBUTE_TEMPORARY   0x100
#define FILE_FLAG_WRITE_THROUGH    0x80000000
#define FILE_FLAG_OVERLAPPED       0x40000000
#define FILE_FLAG_NO_BUFFERING     0x20000000
#define FILE_FLAG_BACKUP_SEMANTICS 0x02000000
#define FILE_FLAG_DELETE_ON_CLOSE  0x04000000
#define SECURITY_SQOS_PRESENT      0x00100000
#define SECURITY_ANONYMOUS         0
#define SECURITY_IDENTIFICATION    0x00010000

#define FILE_TYPE_UNKNOWN 0
#define FILE_TYPE_DISK    1
#define FILE_TYPE_CHAR    2
#define FILE_TYPE_PIPE    3
#define FILE_BEGIN        0
#define FILE_CURRENT      1
#define FILE_END          2

#define INVALID_FILE_ATTRIBUTES 0xffffffff
typedef enum _FILE_INFO_BY_HANDLE_CLASS {
  FileStandardInfo = 1,
  FileEndOfFileInfo = 6,
} FILE_INFO_BY_HANDLE_CLASS;
typedef struct _FILE_STANDARD_INFO {
  LARGE_INTEGER AllocationSize;
  LARGE_INTEGER EndOfFile;
  DWORD NumberOfLinks;
  BOOLEAN DeletePending;
  BOOLEAN Directory;
} FILE_STANDARD_INFO;
typedef struct _FILE_END_OF_FILE_INFO {
  LARGE_INTEGER EndOfFile;
} FILE_END_OF_FILE_INFO;

#define FILE_SKIP_COMPLETION_PORT_ON_SUCCESS 1
#define FILE_SKIP_SET_EVENT_ON_HANDLE        2
#define DUPLICATE_SAME_ACCESS                2
#define DUPLICATE_CLOSE_SOURCE               1
#define HANDLE_FLAG_INHERIT                  1

#define PIPE_ACCESS_DUPLEX            3
#define PIPE_ACCESS_INBOUND           1
#define PIPE_ACCESS_OUTBOUND          2
#define PIPE_TYPE_BYTE                0
#define PIPE_TYPE_MESSAGE             4
#define PIPE_READMODE_BYTE            0
#define PIPE_WAIT                     0
#define PIPE_REJECT_REMOTE_CLIENTS    8
#define PIPE_UNLIMITED_INSTANCES      255
#define FILE_FLAG_FIRST_PIPE_INSTANCE 0x00080000
#define NMPWAIT_USE_DEFAULT_WAIT      0

#define CP_UTF8              65001
#define MB_ERR_INVALID_CHARS 8
#define WC_ERR_INVALID_CHARS 0x80

#define THREAD_PRIORITY_NORMAL            0
#define CREATE_SUSPENDED                  4
#define STACK_SIZE_PARAM_IS_A_RESERVATION 0x10000

#ifndef MAKEWORD
#define MAKEWORD(low, high) ((WORD)((BYTE)(low) | (WORD)(BYTE)(high) << 8))
#endif

/* ---- errors, memory, strings ---- */
DWORD WINAPI GetLastError(void);
void WINAPI SetLastError(DWORD code);
typedef intptr_t (*FARPROC)(void);
/* Only to find out whether this is Wine, and to get the clock. */
HMODULE WINAPI GetModuleHandleA(LPCSTR name);
#define GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS 4
BOOL WINAPI GetModuleHandleExW(DWORD flags, LPCWSTR name_or_address, HMODULE *out);
BOOL WINAPI FreeLibrary(HMODULE module);
void WINAPI FreeLibraryAndExitThread(HMODULE module, DWORD code); /* the thread returns next */
FARPROC WINAPI GetProcAddress(HMODULE module, LPCSTR name);
int WINAPI MultiByteToWideChar(UINT page, DWORD flags, LPCSTR text, int length, LPWSTR out,
                               int capacity);
int WINAPI WideCharToMultiByte(UINT page, DWORD flags, LPCWSTR text, int length, LPSTR out,
                               int capacity, LPCSTR fallback, LPBOOL used);
void *_aligned_malloc(size_t size, size_t alignment);
void _aligned_free(void *memory);

/* ---- locks, threads, time ---- */
void WINAPI InitializeSRWLock(PSRWLOCK lock);
void WINAPI AcquireSRWLockExclusive(PSRWLOCK lock);
BOOLEAN WINAPI TryAcquireSRWLockExclusive(PSRWLOCK lock);
void WINAPI ReleaseSRWLockExclusive(PSRWLOCK lock);
void WINAPI InitializeConditionVariable(PCONDITION_VARIABLE cv);
BOOL WINAPI SleepConditionVariableSRW(PCONDITION_VARIABLE cv, PSRWLOCK lock, DWORD ms, ULONG flags);
void WINAPI WakeConditionVariable(PCONDITION_VARIABLE cv);
void WINAPI WakeAllConditionVariable(PCONDITION_VARIABLE cv);
BOOL WINAPI InitOnceExecuteOnce(PINIT_ONCE once, PINIT_ONCE_FN fn, PVOID parameter,
                                LPVOID *context);
DWORD WINAPI TlsAlloc(void);
BOOL WINAPI TlsFree(DWORD index);
LPVOID WINAPI TlsGetValue(DWORD index);
BOOL WINAPI TlsSetValue(DWORD index, LPVOID value);
HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES attributes, SIZE_T stack,
                           LPTHREAD_START_ROUTINE start, LPVOID parameter, DWORD flags, LPDWORD id);
DWORD WINAPI WaitForSingleObject(HANDLE handle, DWORD ms);
HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES attributes, BOOL manual, BOOL set, LPCWSTR name);
BOOL WINAPI SetEvent(HANDLE event);
BOOL WINAPI ResetEvent(HANDLE event);
DWORD WINAPI GetCurrentThreadId(void);
DWORD WINAPI GetCurrentProcessId(void);
HANDLE WINAPI GetCurrentProcess(void);
HANDLE WINAPI GetCurrentThread(void);
void WINAPI Sleep(DWORD ms);
BOOL WINAPI SwitchToThread(void);
BOOL WINAPI QueryUnbiasedInterruptTime(ULONGLONG *out);
/* Not in Wine 8.0, and in no import library: by GetProcAddress() only. */
void WINAPI QueryUnbiasedInterruptTimePrecise(ULONGLONG *out);
ULONGLONG WINAPI GetTickCount64(void);

/* ---- handles and the port ---- */
BOOL WINAPI CloseHandle(HANDLE handle);
BOOL WINAPI DuplicateHandle(HANDLE from, HANDLE handle, HANDLE to, LPHANDLE out, DWORD access,
                            BOOL inherit, DWORD options);
BOOL WINAPI GetHandleInformation(HANDLE handle, LPDWORD flags);
BOOL WINAPI SetHandleInformation(HANDLE handle, DWORD mask, DWORD flags);
HANDLE WINAPI CreateIoCompletionPort(HANDLE file, HANDLE port, ULONG_PTR key, DWORD threads);
BOOL WINAPI GetQueuedCompletionStatus(HANDLE port, LPDWORD bytes, PULONG_PTR key,
                                      LPOVERLAPPED *overlapped, DWORD ms);
BOOL WINAPI GetQueuedCompletionStatusEx(HANDLE port, LPOVERLAPPED_ENTRY entries, ULONG n,
                                        PULONG removed, DWORD ms, BOOL alertable);
BOOL WINAPI PostQueuedCompletionStatus(HANDLE port, DWORD bytes, ULONG_PTR key,
                                       LPOVERLAPPED overlapped);
BOOL WINAPI SetFileCompletionNotificationModes(HANDLE file, UCHAR modes);
BOOL WINAPI CancelIoEx(HANDLE file, LPOVERLAPPED overlapped);
BOOL WINAPI CancelIo(HANDLE file);
BOOL WINAPI GetOverlappedResult(HANDLE file, LPOVERLAPPED overlapped, LPDWORD bytes, BOOL wait);

/* ---- files and pipes ---- */
HANDLE WINAPI CreateFileW(LPCWSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES attributes,
                          DWORD disposition, DWORD flags, HANDLE template_file);
HANDLE WINAPI CreateFileA(LPCSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES attributes,
                          DWORD disposition, DWORD flags, HANDLE template_file);
BOOL WINAPI ReadFile(HANDLE file, LPVOID buffer, DWORD length, LPDWORD done, LPOVERLAPPED o);
BOOL WINAPI WriteFile(HANDLE file, LPCVOID buffer, DWORD length, LPDWORD done, LPOVERLAPPED o);
BOOL WINAPI FlushFileBuffers(HANDLE file);
DWORD WINAPI GetFileType(HANDLE file);
DWORD WINAPI GetEnvironmentVariableW(LPCWSTR name, LPWSTR value, DWORD room);
BOOL WINAPI SetEnvironmentVariableA(LPCSTR name, LPCSTR value);
BOOL WINAPI GetFileSizeEx(HANDLE file, PLARGE_INTEGER size);
BOOL WINAPI GetFileInformationByHandleEx(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, LPVOID out,
                                         DWORD size);
BOOL WINAPI SetFileInformationByHandle(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, LPVOID in,
                                       DWORD size);
DWORD WINAPI GetFileAttributesW(LPCWSTR name);
DWORD WINAPI GetFullPathNameW(LPCWSTR name, DWORD capacity, LPWSTR out, LPWSTR *file_part);
BOOL WINAPI DeleteFileW(LPCWSTR name);
BOOL WINAPI DeleteFileA(LPCSTR name);
HANDLE WINAPI CreateNamedPipeW(LPCWSTR name, DWORD mode, DWORD pipe_mode, DWORD instances,
                               DWORD out_size, DWORD in_size, DWORD timeout,
                               LPSECURITY_ATTRIBUTES attributes);
HANDLE WINAPI CreateNamedPipeA(LPCSTR name, DWORD mode, DWORD pipe_mode, DWORD instances,
                               DWORD out_size, DWORD in_size, DWORD timeout,
                               LPSECURITY_ATTRIBUTES attributes);
BOOL WINAPI ConnectNamedPipe(HANDLE pipe, LPOVERLAPPED overlapped);
BOOL WINAPI GetNamedPipeInfo(HANDLE pipe, LPDWORD flags, LPDWORD out_size, LPDWORD in_size,
                             LPDWORD instances);
BOOL WINAPI CreatePipe(PHANDLE read, PHANDLE write, LPSECURITY_ATTRIBUTES attributes, DWORD size);

#ifdef __cplusplus
}
#endif

#endif
