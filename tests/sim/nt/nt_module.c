/* SPDX-License-Identifier: MIT */
/* The library as a module that its threads hold: how often is counted, and nothing is unmapped. */
#include "kernel.h"

static uint32_t held;

BOOL WINAPI GetModuleHandleExW(DWORD flags, LPCWSTR name_or_address, HMODULE *out) {
  NT_CALL("GetModuleHandleExW", ERROR_MOD_NOT_FOUND, FALSE);
  if (flags != GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS || !name_or_address)
    NT_REFUSE(ERROR_INVALID_PARAMETER, FALSE);
  held++;
  *out = (HMODULE)&held;
  nt_leave();
  return TRUE;
}

BOOL WINAPI FreeLibrary(HMODULE module) {
  nt_enter();
  if (module != (HMODULE)&held || held == 0) nt_violation("a module was freed that nobody held");
  held--;
  nt_leave();
  return TRUE;
}

void WINAPI FreeLibraryAndExitThread(HMODULE module, DWORD code) {
  (void)code;
  FreeLibrary(module);
}
