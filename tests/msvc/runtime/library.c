/* SPDX-License-Identifier: MIT */
/* What runs before DllMain(). */
#include <windows.h>

#pragma comment(lib, "libvcruntime.lib")
#pragma comment(lib, "libucrt.lib")

BOOL WINAPI DllMain(HINSTANCE library, DWORD reason, void *context);
BOOL WINAPI _DllMainCRTStartup(HINSTANCE library, DWORD reason, void *context);

BOOL WINAPI _DllMainCRTStartup(HINSTANCE library, DWORD reason, void *context) {
  return DllMain(library, reason, context);
}
