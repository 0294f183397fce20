/* SPDX-License-Identifier: MIT */
#include <sys/aio.h>
