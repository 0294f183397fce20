/* SPDX-License-Identifier: MIT */
/* POSIX AIO as FreeBSD has it: numbers and layout, by our own hand. The functions have names of
 * their own for the linker, since the C library has them too. */
#ifndef SIM_SYS_AIO_H
#define SIM_SYS_AIO_H

#include <signal.h>
#include <sys/types.h>
#include <time.h>

#define AIO_CANCELED    1
#define AIO_NOTCANCELED 2
#define AIO_ALLDONE     3

#define LIO_NOP     0x0
#define LIO_WRITE   0x1
#define LIO_READ    0x2
#define LIO_WRITEV  0x5
#define LIO_READV   0x6
#define LIO_FOFFSET 0x40

#define LIO_NOWAIT 0
#define LIO_WAIT   1

#undef AIO_LISTIO_MAX
#define AIO_LISTIO_MAX 16

struct aiocb {
  int aio_fildes;
  off_t aio_offset;
  volatile void *aio_buf;
  size_t aio_nbytes;
  int _spare[2];
  void *_spare2;
  int aio_lio_opcode;
  int aio_reqprio;
  struct {
    long status, error;
    void *kernelinfo;
  } _aiocb_private;
  struct sigevent aio_sigevent;
};
#define aio_iov    aio_buf
#define aio_iovcnt aio_nbytes

#ifdef __cplusplus
extern "C" {
#endif
int aio_read(struct aiocb *) __asm__("sim_aio_read");
int aio_write(struct aiocb *) __asm__("sim_aio_write");
int aio_readv(struct aiocb *) __asm__("sim_aio_readv");
int aio_writev(struct aiocb *) __asm__("sim_aio_writev");
int aio_fsync(int, struct aiocb *) __asm__("sim_aio_fsync");
int aio_mlock(struct aiocb *) __asm__("sim_aio_mlock");
int aio_error(const struct aiocb *) __asm__("sim_aio_error");
ssize_t aio_return(struct aiocb *) __asm__("sim_aio_return");
int aio_cancel(int, struct aiocb *) __asm__("sim_aio_cancel");
ssize_t aio_waitcomplete(struct aiocb **, struct timespec *) __asm__("sim_aio_waitcomplete");
int lio_listio(int, struct aiocb *const[], int, struct sigevent *) __asm__("sim_lio_listio");
#ifdef __cplusplus
}
#endif

#endif
