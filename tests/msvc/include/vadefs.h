/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdarg.h>

#define __crt_va_start(list, last) va_start(list, last)
#define __crt_va_end(list)         va_end(list)
