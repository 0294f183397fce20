/* SPDX-License-Identifier: MIT */
#ifndef SIM_SYS_DISK_H
#define SIM_SYS_DISK_H

#include <sys/ioctl.h>

#define DIOCGMEDIASIZE _IOR('d', 129, off_t)

#endif
