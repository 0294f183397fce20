/* SPDX-License-Identifier: MIT */
#pragma once
#include <vcruntime.h>

typedef unsigned long long jmp_buf[32];
