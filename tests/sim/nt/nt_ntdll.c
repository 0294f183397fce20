/* SPDX-License-Identifier: MIT */
/* ntdll: the calls below Win32 that the library makes. Declared here by hand, not by the library's
 * header, so that the one checks the other. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

struct unicode_string {
  USHORT length, capacity; /* bytes */
  WCHAR *text;
};
struct object_attributes {
  ULONG size;
  HANDLE root;
  struct unicode_string *name;
  ULONG attributes;
  void *security, *quality;
};
_Static_assert(sizeof(struct object_attributes) == 48, "OBJECT_ATTRIBUTES");

enum { IOCTL_AFD_POLL = 0x12024, FILE_OPEN_IT = 1 };
enum { ACCESS_INFORMATION = 8 };
enum { MODE_INFORMATION = 16, NOTIFICATION_MODES = 41, REPLACE_COMPLETION = 61 };
struct completion_information {
  HANDLE port;
  void *key;
};
enum { SYNCHRONOUS_ALERT = 0x10, SYNCHRONOUS_NONALERT = 0x20 };

static bool is_afd(const struct unicode_string *name) {
  static const WCHAR device[] = L"\\Device\\Afd";
  const size_t length = sizeof device / sizeof device[0] - 1;
  const size_t given = name->length / sizeof(WCHAR);
  if (given < length || memcmp(name->text, device, length * sizeof(WCHAR)) != 0) return false;
  return given == length || name->text[length] == L'\\';
}

NTSTATUS NTAPI NtCreateFile(HANDLE *out, ULONG access, struct object_attributes *attributes,
                            struct nt_iosb *iosb, int64_t *size, ULONG file_attributes, ULONG share,
                            ULONG disposition, ULONG options, void *ea, ULONG ea_size) {
  (void)size, (void)file_attributes, (void)share, (void)options, (void)ea, (void)ea_size;
  nt_enter();
  NTSTATUS status = NT_SUCCESS_STATUS;
  if (nt_fault("NtCreateFile"))
    status = NT_RESOURCES;
  else if (attributes->size != sizeof *attributes || disposition != FILE_OPEN_IT)
    status = NT_INVALID_PARAMETER;
  else if (!is_afd(attributes->name))
    status = NT_NAME_NOT_FOUND;
  else if (!(access & SYNCHRONIZE))
    status = NT_ACCESS_DENIED;
  if (status == 0) {
    struct nt_object *afd = nt_afd_open();
    *out = nt_handle(afd);
    if (!*out) status = NT_RESOURCES;
    nt_unref(afd);
  }
  iosb->status = status;
  nt_leave();
  return status;
}

NTSTATUS NTAPI NtDeviceIoControlFile(HANDLE h, HANDLE event, void *routine, void *context,
                                     struct nt_iosb *iosb, ULONG code, void *in, ULONG in_size,
                                     void *out, ULONG out_size) {
  (void)routine;
  nt_enter();
  struct nt_object *o = nt_lookup(h);
  NTSTATUS status;
  if (nt_fault("NtDeviceIoControlFile"))
    status = NT_RESOURCES;
  else if (!o)
    status = NT_INVALID_HANDLE;
  else if (o->kind != NT_AFD || code != IOCTL_AFD_POLL)
    status = NT_INVALID_DEVICE;
  else
    status = nt_afd_poll(o, event, context, iosb, in, in_size, out, out_size);
  nt_leave();
  return status;
}

NTSTATUS NTAPI NtCancelIoFileEx(HANDLE h, struct nt_iosb *request, struct nt_iosb *iosb) {
  nt_enter();
  struct nt_object *o = nt_lookup(h);
  NTSTATUS status;
  if (!o)
    status = NT_INVALID_HANDLE;
  else
    status = nt_irp_cancel(o, request);
  iosb->status = status;
  iosb->information = 0;
  nt_leave();
  return status;
}

/* Whether a handle is synchronous, and what it leaves out. */
NTSTATUS NTAPI NtQueryInformationFile(HANDLE h, struct nt_iosb *iosb, void *out, ULONG size,
                                      ULONG what) {
  nt_enter();
  struct nt_object *o = nt_lookup(h);
  NTSTATUS status = NT_SUCCESS_STATUS;
  if (o) nt_serial_enter(o);
  if (nt_fault("NtQueryInformationFile"))
    status = NT_RESOURCES;
  else if (!o)
    status = NT_INVALID_HANDLE;
  else if (what == MODE_INFORMATION && size >= sizeof(ULONG))
    *(ULONG *)out = o->overlapped ? 0 : SYNCHRONOUS_NONALERT;
  else if (what == ACCESS_INFORMATION && o->kind == NT_DISK && size >= sizeof(ULONG))
    *(ULONG *)out = nt_disk_access(o);
  else if (what == NOTIFICATION_MODES && size >= sizeof(ULONG))
    *(ULONG *)out = o->modes;
  else
    status = NT_INVALID_PARAMETER;
  if (o) nt_serial_leave(o);
  iosb->status = status;
  nt_leave();
  return status;
}

/* Another port, or none, from Windows 8.1 on (documented: FILE_COMPLETION_INFORMATION); while
 * something is in progress on the file it is refused (Go's DisassociateIOCP() relies on it). Wine
 * 8.0 has no such thing (measured). */
static NTSTATUS replace_port(struct nt_object *o, const struct completion_information *info) {
  struct nt_object *port = info->port ? nt_lookup_kind(info->port, NT_PORT) : NULL;
  if (info->port && !port) return NT_INVALID_HANDLE;
  if (!o->overlapped || o->irps) return NT_INVALID_PARAMETER;
  struct nt_object *was = o->port;
  o->port = port ? nt_ref(port) : NULL;
  o->key = (ULONG_PTR)info->key;
  if (was) nt_unref(was);
  return NT_SUCCESS_STATUS;
}

NTSTATUS NTAPI NtSetInformationFile(HANDLE h, struct nt_iosb *iosb, void *in, ULONG size,
                                    ULONG what) {
  nt_enter();
  struct nt_object *o = nt_lookup(h);
  NTSTATUS status;
  if (o) nt_serial_enter(o);
  if (nt_fault("NtSetInformationFile"))
    status = NT_RESOURCES;
  else if (!o)
    status = NT_INVALID_HANDLE;
  else if (nt_is_wine())
    status = NT_NOT_IMPLEMENTED;
  else if (what != REPLACE_COMPLETION || size < sizeof(struct completion_information))
    status = NT_INVALID_PARAMETER;
  else
    status = replace_port(o, in);
  if (o) nt_serial_leave(o);
  iosb->status = status;
  nt_leave();
  return status;
}

static const struct {
  NTSTATUS status;
  DWORD code;
} errors[] = {
    {NT_SUCCESS_STATUS, 0},
    {NT_PENDING, ERROR_IO_PENDING},
    {NT_TIMEOUT, ERROR_TIMEOUT},
    {NT_INVALID_HANDLE, ERROR_INVALID_HANDLE},
    {NT_INVALID_PARAMETER, ERROR_INVALID_PARAMETER},
    {NT_END_OF_FILE, ERROR_HANDLE_EOF},
    {NT_NO_MEMORY, ERROR_NOT_ENOUGH_MEMORY},
    {NT_ACCESS_DENIED, ERROR_ACCESS_DENIED},
    {NT_OBJECT_TYPE_MISMATCH, ERROR_INVALID_HANDLE},
    {NT_NAME_NOT_FOUND, ERROR_FILE_NOT_FOUND},
    {NT_RESOURCES, ERROR_NO_SYSTEM_RESOURCES},
    {NT_DISK_FULL, ERROR_DISK_FULL},
    {NT_INVALID_DEVICE, ERROR_INVALID_FUNCTION},
    {NT_NOT_IMPLEMENTED, ERROR_INVALID_FUNCTION},
    {NT_PIPE_DISCONNECTED, ERROR_PIPE_NOT_CONNECTED},
    {NT_PIPE_CLOSING, ERROR_NO_DATA},
    {NT_PIPE_BROKEN, ERROR_BROKEN_PIPE},
    {NT_NOT_SUPPORTED, ERROR_NOT_SUPPORTED},
    {NT_CANCELLED, ERROR_OPERATION_ABORTED},
    {NT_HANDLES_CLOSED, ERROR_INVALID_HANDLE},
    {NT_CONNECTION_RESET, ERROR_NETNAME_DELETED},
    {NT_CONNECTION_REFUSED, ERROR_CONNECTION_REFUSED},
    {NT_NOT_FOUND, ERROR_NOT_FOUND},
    {NT_IO_DEVICE_ERROR, ERROR_IO_DEVICE},
    {NT_QUOTA_EXCEEDED, ERROR_NOT_ENOUGH_QUOTA},
    {NT_INVALID_USER_BUFFER, ERROR_INVALID_USER_BUFFER},
};

DWORD nt_error_of(NTSTATUS status) {
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
    if (errors[i].status == status) return errors[i].code;
  return ERROR_MR_MID_NOT_FOUND;
}

ULONG NTAPI RtlNtStatusToDosError(NTSTATUS status) { return nt_error_of(status); }
