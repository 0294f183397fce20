/* SPDX-License-Identifier: MIT */
/* The DLL's entry: not in the static library, whose program has none or its own. */
#include "os/windows/windows_os.h"

BOOL WINAPI DllMain(HINSTANCE library, DWORD reason, void *process_ends);

BOOL WINAPI DllMain(HINSTANCE library, DWORD reason, void *process_ends) {
  if (reason == DLL_PROCESS_ATTACH) DisableThreadLibraryCalls(library);
  if (reason == DLL_PROCESS_DETACH && !process_ends) evp_windows_forget();
  return TRUE;
}
