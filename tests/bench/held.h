/* SPDX-License-Identifier: MIT */
/* Files of FUSE whose reads hang: those of the tests (backend/io/held_file.h), for C. */
#ifndef BENCH_HELD_H
#define BENCH_HELD_H

#ifdef __cplusplus
extern "C" {
#endif

enum { HELD_FILES = 8 };
/* What is needed for a moment is put into the folder. NULL, or why there are none. */
const char *held_open(const char *folder, int *fds);
/* From now on reads hang; returns when so many do. */
void held_hold(void);
void held_await(int n);
void held_release(void);
void held_close(void);

#ifdef __cplusplus
}
#endif

#endif
