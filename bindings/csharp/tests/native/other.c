/* SPDX-License-Identifier: MIT */
/* A library of another ABI version, which the binding has to refuse. */
int evpoll_version(void);
int evpoll_version(void) { return 0x020304; }
