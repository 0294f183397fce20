/* SPDX-License-Identifier: MIT */
/* The C library's; for a compiler that makes FreeBSD's code, or a relative's, with what they have
 * besides. */
#ifndef SIM_UNISTD_H
#define SIM_UNISTD_H

#include_next <unistd.h>

#if !defined(__linux__)
int issetugid(void);
#endif

#endif
