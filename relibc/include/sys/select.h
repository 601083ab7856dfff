/* Waiting for descriptors. */
#ifndef _SYS_SELECT_H
#define _SYS_SELECT_H

#include <bits/restrict.h>
#include <bits/timespec.h>
#include <bits/timeval.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned long long sigset_t;
typedef __SIZE_TYPE__ size_t;

#define FD_SETSIZE 1024
typedef struct {
    unsigned long fds_bits[FD_SETSIZE / 64];
} fd_set;
#define FD_ZERO(set) __builtin_memset((set), 0, sizeof(fd_set))
#define FD_SET(fd, set) ((void)((set)->fds_bits[(unsigned)(fd) / 64] |= 1UL << ((unsigned)(fd) % 64)))
#define FD_CLR(fd, set) ((void)((set)->fds_bits[(unsigned)(fd) / 64] &= ~(1UL << ((unsigned)(fd) % 64))))
#define FD_ISSET(fd, set) (((set)->fds_bits[(unsigned)(fd) / 64] >> ((unsigned)(fd) % 64) & 1) != 0)

int select(int count, fd_set *__restrict_c readable, fd_set *__restrict_c writable, fd_set *__restrict_c exceptional, struct timeval *__restrict_c timeout);
int pselect(int count, fd_set *__restrict_c readable, fd_set *__restrict_c writable, fd_set *__restrict_c exceptional, const struct timespec *__restrict_c timeout, const sigset_t *__restrict_c mask);

#ifdef __cplusplus
}
#endif
#endif
