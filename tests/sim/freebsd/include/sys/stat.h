/* SPDX-License-Identifier: MIT */
/* The C library's; a compiler that makes FreeBSD's code is not to take it for glibc. */
#ifndef SIM_SYS_STAT_H
#define SIM_SYS_STAT_H

#include_next <sys/stat.h>

#if defined(__FreeBSD__)
#undef __GLIBC__
#endif

#endif
