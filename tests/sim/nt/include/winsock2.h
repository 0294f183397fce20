/* SPDX-License-Identifier: MIT */
/* Winsock, as much as the library uses: see windows.h. Functions that libc has too, with other
 * numbers, go by another symbol, so that both can live in one program. */
#ifndef NT_SIM_WINSOCK2_H
#define NT_SIM_WINSOCK2_H

#include <sys/types.h> /* its u_long is another: it must not meet the macro below */

#include "windows.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NT_SYMBOL(name) __asm__("nt_" #name)
#define WSAAPI

#define u_long  nt_u_long
#define u_short nt_u_short
#define u_char  nt_u_char
#define u_int   nt_u_int
typedef uint32_t u_long, u_int;
typedef uint16_t u_short;
typedef uint8_t u_char;
typedef uintptr_t SOCKET;
typedef int socklen_t_nt;

#define INVALID_SOCKET ((SOCKET)(~(SOCKET)0))
#define SOCKET_ERROR   (-1)

struct sockaddr {
  u_short sa_family;
  char sa_data[14];
};
typedef struct in_addr {
  union {
    struct {
      u_char s_b1, s_b2, s_b3, s_b4;
    } S_un_b;
    u_long S_addr;
  } S_un;
#define s_addr S_un.S_addr
} IN_ADDR;
struct sockaddr_in {
  SHORT sin_family;
  u_short sin_port;
  struct in_addr sin_addr;
  char sin_zero[8];
};
typedef struct sockaddr SOCKADDR;
typedef struct sockaddr_in SOCKADDR_IN;
typedef struct sockaddr_storage {
  SHORT ss_family;
  char pad1[6];
  int64_t align;
  char pad2[112];
} SOCKADDR_STORAGE;
struct linger {
  u_short l_onoff;
  u_short l_linger;
};

#define AF_UNSPEC 0
#define AF_UNIX   1
#define AF_INET   2
#define AF_INET6  23
#define PF_INET   AF_INET
#define PF_INET6  AF_INET6

#define SOCK_STREAM  1
#define SOCK_DGRAM   2
#define IPPROTO_IP   0
#define IPPROTO_TCP  6
#define IPPROTO_UDP  17
#define IPPROTO_IPV6 41
#define TCP_NODELAY  1
#define IPV6_V6ONLY  27

#define SOL_SOCKET                0xffff
#define SO_REUSEADDR              0x0004
#define SO_ACCEPTCONN             0x0002
#define SO_KEEPALIVE              0x0008
#define SO_LINGER                 0x0080
#define SO_OOBINLINE              0x0100
#define SO_DONTLINGER             (~SO_LINGER)
#define SO_EXCLUSIVEADDRUSE       (~SO_REUSEADDR)
#define SO_SNDBUF                 0x1001
#define SO_RCVBUF                 0x1002
#define SO_ERROR                  0x1007
#define SO_TYPE                   0x1008
#define SO_PROTOCOL_INFOW         0x2005
#define SO_UPDATE_CONNECT_CONTEXT 0x7010
#define SO_UPDATE_ACCEPT_CONTEXT  0x700b
#define SOMAXCONN                 0x7fffffff

#define MSG_OOB       1
#define MSG_PEEK      2
#define MSG_DONTROUTE 4
#define SD_RECEIVE    0
#define SD_SEND       1
#define SD_BOTH       2

#define FIONBIO                            0x8004667e
#define FIONREAD                           0x4004667f
#define IOC_VENDOR                         0x18000000
#define IOC_IN                             0x80000000
#define IOC_WS2                            0x08000000
#define IOC_OUT                            0x40000000
#define IOC_INOUT                          (IOC_IN | IOC_OUT)
#define _WSAIO(x, y)                       (0x20000000 | (x) | (y))
#define _WSAIOR(x, y)                      (IOC_OUT | (x) | (y))
#define _WSAIOW(x, y)                      (IOC_IN | (x) | (y))
#define _WSAIORW(x, y)                     (IOC_INOUT | (x) | (y))
#define SIO_BASE_HANDLE                    0x48000022
#define SIO_BSP_HANDLE                     0x4800001b
#define SIO_BSP_HANDLE_SELECT              0x4800001c
#define SIO_BSP_HANDLE_POLL                0x4800001d
#define SIO_GET_EXTENSION_FUNCTION_POINTER 0xc8000006
#define SIO_LOOPBACK_FAST_PATH             0x98000010

#define INADDR_ANY       0x00000000
#define INADDR_LOOPBACK  0x7f000001
#define INADDR_BROADCAST 0xffffffff
#define INADDR_NONE      0xffffffff

#define WSA_FLAG_OVERLAPPED        0x01
#define WSA_FLAG_NO_HANDLE_INHERIT 0x80
#define WSADESCRIPTION_LEN         256
#define WSASYS_STATUS_LEN          128

typedef struct WSAData {
  WORD wVersion;
  WORD wHighVersion;
  unsigned short iMaxSockets;
  unsigned short iMaxUdpDg;
  char *lpVendorInfo;
  char szDescription[WSADESCRIPTION_LEN + 1];
  char szSystemStatus[WSASYS_STATUS_LEN + 1];
} WSADATA, *LPWSADATA;
typedef struct _WSABUF {
  ULONG len;
  CHAR *buf;
} WSABUF, *LPWSABUF;
typedef OVERLAPPED WSAOVERLAPPED, *LPWSAOVERLAPPED;
typedef void(CALLBACK *LPWSAOVERLAPPED_COMPLETION_ROUTINE)(DWORD, DWORD, LPWSAOVERLAPPED, DWORD);
typedef struct _WSAPROTOCOL_INFOW {
  DWORD dwServiceFlags1, dwServiceFlags2, dwServiceFlags3, dwServiceFlags4, dwProviderFlags;
  BYTE ProviderId[16];
  DWORD dwCatalogEntryId;
  int chain_length;
  DWORD chain[7];
  int iVersion, iAddressFamily, iMaxSockAddr, iMinSockAddr, iSocketType, iProtocol;
  int iProtocolMaxOffset, iNetworkByteOrder, iSecurityScheme;
  DWORD dwMessageSize, dwProviderReserved;
  WCHAR szProtocol[256];
} WSAPROTOCOL_INFOW, *LPWSAPROTOCOL_INFOW;

int WSAAPI WSAStartup(WORD version, LPWSADATA data);
int WSAAPI WSACleanup(void);
int WSAAPI WSAGetLastError(void);
void WSAAPI WSASetLastError(int code);
SOCKET WSAAPI WSASocketW(int family, int type, int protocol, LPWSAPROTOCOL_INFOW info, UINT group,
                         DWORD flags);
SOCKET WSAAPI socket(int family, int type, int protocol) NT_SYMBOL(socket);
int WSAAPI bind(SOCKET s, const struct sockaddr *name, int length) NT_SYMBOL(bind);
int WSAAPI listen(SOCKET s, int backlog) NT_SYMBOL(listen);
SOCKET WSAAPI accept(SOCKET s, struct sockaddr *name, int *length) NT_SYMBOL(accept);
int WSAAPI connect(SOCKET s, const struct sockaddr *name, int length) NT_SYMBOL(connect);
int WSAAPI send(SOCKET s, const char *data, int length, int flags) NT_SYMBOL(send);
int WSAAPI sendto(SOCKET s, const char *data, int length, int flags, const struct sockaddr *to,
                  int to_length) NT_SYMBOL(sendto);
int WSAAPI recv(SOCKET s, char *data, int length, int flags) NT_SYMBOL(recv);
int WSAAPI recvfrom(SOCKET s, char *data, int length, int flags, struct sockaddr *from,
                    int *from_length) NT_SYMBOL(recvfrom);
int WSAAPI WSASendTo(SOCKET s, LPWSABUF pieces, DWORD n, LPDWORD bytes, DWORD flags,
                     const struct sockaddr *to, int to_length, LPWSAOVERLAPPED overlapped,
                     LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
int WSAAPI WSARecvFrom(SOCKET s, LPWSABUF pieces, DWORD n, LPDWORD bytes, LPDWORD flags,
                       struct sockaddr *from, int *from_length, LPWSAOVERLAPPED overlapped,
                       LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
int WSAAPI shutdown(SOCKET s, int how) NT_SYMBOL(shutdown);
int WSAAPI closesocket(SOCKET s);
int WSAAPI getsockname(SOCKET s, struct sockaddr *name, int *length) NT_SYMBOL(getsockname);
int WSAAPI getpeername(SOCKET s, struct sockaddr *name, int *length) NT_SYMBOL(getpeername);
int WSAAPI getsockopt(SOCKET s, int level, int name, char *value, int *length)
    NT_SYMBOL(getsockopt);
int WSAAPI setsockopt(SOCKET s, int level, int name, const char *value, int length)
    NT_SYMBOL(setsockopt);
int WSAAPI ioctlsocket(SOCKET s, LONG command, u_long *argument);
int WSAAPI WSAIoctl(SOCKET s, DWORD code, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size,
                    LPDWORD bytes, LPWSAOVERLAPPED overlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);

static inline u_short nt_swap16(u_short x) { return __builtin_bswap16(x); }
static inline u_long nt_swap32(u_long x) { return __builtin_bswap32(x); }
#undef htons
#undef ntohs
#undef htonl
#undef ntohl
#define htons nt_swap16
#define ntohs nt_swap16
#define htonl nt_swap32
#define ntohl nt_swap32

#ifdef __cplusplus
}
#endif

#endif
