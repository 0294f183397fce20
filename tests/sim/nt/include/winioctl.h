/* SPDX-License-Identifier: MIT */
#ifndef NT_SIM_WINIOCTL_H
#define NT_SIM_WINIOCTL_H
#include "windows.h"
#ifdef __cplusplus
extern "C" {
#endif
#define IOCTL_DISK_GET_LENGTH_INFO 0x0007405c
typedef struct _GET_LENGTH_INFORMATION {
  LARGE_INTEGER Length;
} GET_LENGTH_INFORMATION;
BOOL WINAPI DeviceIoControl(HANDLE device, DWORD code, LPVOID in, DWORD in_size, LPVOID out,
                            DWORD out_size, LPDWORD bytes, LPOVERLAPPED overlapped);
#ifdef __cplusplus
}
#endif
#endif
