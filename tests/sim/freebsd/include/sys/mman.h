/* SPDX-License-Identifier: MIT */
/* The C library's; for a compiler that makes FreeBSD's code, with what FreeBSD has instead of
 * MADV_WIPEONFORK. */
#ifndef SIM_SYS_MMAN_H
#define SIM_SYS_MMAN_H

#include_next <sys/mman.h>

#if defined(__FreeBSD__)
#undef MADV_WIPEONFORK
#define INHERIT_ZERO 3
#ifdef __cplusplus
extern "C"
#endif
    int
    minherit(void *address, size_t size, int inherit);
#endif

#endif
