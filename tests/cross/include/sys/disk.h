/* SPDX-License-Identifier: MIT */
/* macOS' sys/disk.h, as far as the library asks: Zig's headers of macOS lack it. */
#ifndef EVP_TESTS_SYS_DISK_H
#define EVP_TESTS_SYS_DISK_H

#include <stdint.h>
#include <sys/ioctl.h>

#define DKIOCGETBLOCKSIZE  _IOR('d', 24, uint32_t)
#define DKIOCGETBLOCKCOUNT _IOR('d', 25, uint64_t)

#endif
