/* SPDX-License-Identifier: MIT */
/* What the UCRT's headers expect of the compiler's own, as far as evpoll needs it. */
#pragma once
#include <sal.h>
#include <vadefs.h>

#ifdef __cplusplus
#define _CRT_BEGIN_C_HEADER extern "C" {
#define _CRT_END_C_HEADER   }
#else
#define _CRT_BEGIN_C_HEADER
#define _CRT_END_C_HEADER
typedef unsigned short wchar_t;
typedef _Bool __crt_bool;
#endif
#define _VCRTIMP
#define __CRTDECL                 __cdecl
#define __crt_countof(array)      (sizeof(array) / sizeof(array)[0])
#define _CRT_STRINGIZE_(text)     #text
#define _CRT_STRINGIZE(text)      _CRT_STRINGIZE_(text)
#define _CRT_DEPRECATE_TEXT(text) __declspec(deprecated(text))
#ifdef _CRT_SECURE_NO_WARNINGS
#define _CRT_INSECURE_DEPRECATE(instead)
#else
#define _CRT_INSECURE_DEPRECATE(instead) _CRT_DEPRECATE_TEXT("use " #instead)
#endif
#define _CRT_INSECURE_DEPRECATE_MEMORY(instead)

typedef unsigned long long size_t;
typedef long long ptrdiff_t;
typedef long long intptr_t;
typedef unsigned long long uintptr_t;
