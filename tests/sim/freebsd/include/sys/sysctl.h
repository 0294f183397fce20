/* SPDX-License-Identifier: MIT */
/* sysctlbyname() is in probe_libc.h. */
