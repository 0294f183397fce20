/* SPDX-License-Identifier: MIT */
#ifndef NT_SIM_MSWSOCK_H
#define NT_SIM_MSWSOCK_H
#include "winsock2.h"
#undef SIO_UDP_CONNRESET
#define SIO_UDP_CONNRESET 0x9800000c
#endif
