/* SPDX-License-Identifier: MIT */
/* What the AFD backend needs of the native system and no header of the Windows SDK declares: a few
 * calls of ntdll, and the interface of the AFD driver, which has not changed since Windows XP. */
#ifndef EVP_NT_H
#define EVP_NT_H

#include <winsock2.h>

#include <mswsock.h>
#include <windows.h>

/* ---- statuses ----------------------------------------------------------------------------- */

typedef LONG NTSTATUS;

#define EVP_STATUS(code)          ((NTSTATUS)(code))
#define EVP_STATUS_SUCCESS        EVP_STATUS(0x00000000)
#define EVP_STATUS_PENDING        EVP_STATUS(0x00000103)
#define EVP_STATUS_HANDLES_CLOSED EVP_STATUS(0x8000000Au) /* what Wine calls a cancelled poll */
#define EVP_STATUS_INVALID_HANDLE EVP_STATUS(0xC0000008u)
#define EVP_STATUS_END_OF_FILE    EVP_STATUS(0xC0000011u)
#define EVP_STATUS_TYPE_MISMATCH  EVP_STATUS(0xC0000024u) /* a handle, but not a socket's */
#define EVP_STATUS_IO_TIMEOUT     EVP_STATUS(0xC00000B5u)
#define EVP_STATUS_CANCELLED      EVP_STATUS(0xC0000120u)
#define EVP_STATUS_LOCAL_CLOSE    EVP_STATUS(0xC000013Bu) /* LOCAL_DISCONNECT */
#define EVP_STATUS_REMOTE_CLOSE   EVP_STATUS(0xC000013Cu) /* REMOTE_DISCONNECT */
#define EVP_STATUS_PIPE_BROKEN    EVP_STATUS(0xC000014Bu)
#define EVP_STATUS_CONN_RESET     EVP_STATUS(0xC000020Du)
#define EVP_STATUS_NOT_FOUND      EVP_STATUS(0xC0000225u)
#define EVP_STATUS_CONN_REFUSED   EVP_STATUS(0xC0000236u)
#define EVP_STATUS_NET_UNREACHED  EVP_STATUS(0xC000023Cu)
#define EVP_STATUS_HOST_UNREACHED EVP_STATUS(0xC000023Du)
#define EVP_STATUS_CONN_ABORTED   EVP_STATUS(0xC0000241u)

/* Severity 3: the call has failed, and no packet will come of it. */
#define EVP_NT_ERROR(status) (((ULONG)(status) >> 30) == 3)

/* ---- structures --------------------------------------------------------------------------- */

typedef struct {
  union {
    NTSTATUS Status;
    PVOID Pointer;
  };
  ULONG_PTR Information;
} IO_STATUS_BLOCK;

typedef struct {
  USHORT Length; /* bytes */
  USHORT MaximumLength;
  WCHAR *Buffer;
} UNICODE_STRING;

typedef struct {
  ULONG Length;
  HANDLE RootDirectory;
  UNICODE_STRING *ObjectName;
  ULONG Attributes;
  PVOID SecurityDescriptor;
  PVOID SecurityQualityOfService;
} OBJECT_ATTRIBUTES;

/* For NtQueryInformationFile(): what the handle may do, an ACCESS_MASK. */
enum { EVP_FILE_ACCESS_INFORMATION = 8 };

/* ... how the handle was opened. */
enum { EVP_FILE_MODE_INFORMATION = 16 };
typedef struct {
  ULONG Mode;
} FILE_MODE_INFORMATION;
enum {
  EVP_FILE_SYNCHRONOUS_NONALERT = 0x20,
  EVP_FILE_SYNCHRONOUS = 0x10 | EVP_FILE_SYNCHRONOUS_NONALERT, /* 0x10: FILE_SYNCHRONOUS_IO_ALERT */
};

/* ... whether a success at once sends no packet; NtSetInformationFile(): another port, or none. */
enum { EVP_FILE_IO_COMPLETION_NOTIFICATION = 41, EVP_FILE_REPLACE_COMPLETION = 61 };
typedef struct {
  HANDLE Port;
  PVOID Key;
} FILE_COMPLETION_INFORMATION;

enum { EVP_FILE_OPEN = 1 }; /* NtCreateFile(): the device is there */

/* ---- AFD ---------------------------------------------------------------------------------- */

enum { EVP_IOCTL_AFD_POLL = 0x00012024 };

/* What a poll asks for, and says. */
enum {
  AFD_POLL_RECEIVE = 0x001,
  AFD_POLL_RECEIVE_EXPEDITED = 0x002,
  AFD_POLL_SEND = 0x004,
  AFD_POLL_DISCONNECT = 0x008,
  AFD_POLL_ABORT = 0x010,
  AFD_POLL_LOCAL_CLOSE = 0x020,
  AFD_POLL_CONNECT = 0x040, /* stays set on a connected socket: never asked for */
  AFD_POLL_ACCEPT = 0x080,
  AFD_POLL_CONNECT_FAIL = 0x100,
};
enum {
  AFD_POLL_KNOWN = AFD_POLL_RECEIVE | AFD_POLL_RECEIVE_EXPEDITED | AFD_POLL_SEND |
                   AFD_POLL_DISCONNECT | AFD_POLL_ABORT | AFD_POLL_LOCAL_CLOSE | AFD_POLL_ACCEPT |
                   AFD_POLL_CONNECT_FAIL,
};

typedef struct {
  HANDLE Handle;
  ULONG Events;
  NTSTATUS Status;
} AFD_POLL_HANDLE_INFO;

/* With one handle, which is all that we ever ask about. */
typedef struct {
  LARGE_INTEGER Timeout;
  ULONG NumberOfHandles;
  ULONG Exclusive;
  AFD_POLL_HANDLE_INFO Handles[1];
} AFD_POLL_INFO;

_Static_assert(sizeof(AFD_POLL_INFO) == 32, "Windows of 64 bits, and the driver's layout");

/* ---- what an LSP may answer where it blocks SIO_BASE_HANDLE ---------------------------------- */

#ifndef SIO_BASE_HANDLE
#define SIO_BASE_HANDLE 0x48000022
#endif
#ifndef SIO_BSP_HANDLE
#define SIO_BSP_HANDLE 0x4800001B
#endif
#ifndef SIO_BSP_HANDLE_SELECT
#define SIO_BSP_HANDLE_SELECT 0x4800001C
#endif
#ifndef SIO_BSP_HANDLE_POLL
#define SIO_BSP_HANDLE_POLL 0x4800001D
#endif
#ifndef SIO_UDP_CONNRESET
#define SIO_UDP_CONNRESET 0x9800000C
#endif

/* ---- ntdll -------------------------------------------------------------------------------- */

typedef VOID(NTAPI *EVP_APC)(PVOID context, IO_STATUS_BLOCK *iosb, ULONG reserved);

NTSTATUS NTAPI NtCreateFile(HANDLE *file, ULONG access, OBJECT_ATTRIBUTES *attributes,
                            IO_STATUS_BLOCK *iosb, LARGE_INTEGER *allocation, ULONG file_attributes,
                            ULONG share, ULONG disposition, ULONG options, PVOID ea,
                            ULONG ea_length);
NTSTATUS NTAPI NtDeviceIoControlFile(HANDLE file, HANDLE event, EVP_APC apc, PVOID apc_context,
                                     IO_STATUS_BLOCK *iosb, ULONG code, PVOID input,
                                     ULONG input_length, PVOID output, ULONG output_length);
/* iosb NULL: everything that this process has in flight on the file. */
NTSTATUS NTAPI NtCancelIoFileEx(HANDLE file, IO_STATUS_BLOCK *request, IO_STATUS_BLOCK *iosb);
NTSTATUS NTAPI NtQueryInformationFile(HANDLE file, IO_STATUS_BLOCK *iosb, PVOID information,
                                      ULONG length, int information_class);
NTSTATUS NTAPI NtSetInformationFile(HANDLE file, IO_STATUS_BLOCK *iosb, PVOID information,
                                    ULONG length, int information_class);
ULONG NTAPI RtlNtStatusToDosError(NTSTATUS status);

#endif
