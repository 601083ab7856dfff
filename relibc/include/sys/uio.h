/* Vectors of buffers. */
#ifndef _SYS_UIO_H
#define _SYS_UIO_H

#include <bits/iovec.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef long ssize_t;
typedef long long off_t;

#define UIO_MAXIOV 1024

ssize_t readv(int fd, const struct iovec *buffers, int count);
ssize_t writev(int fd, const struct iovec *buffers, int count);
ssize_t preadv(int fd, const struct iovec *buffers, int count, off_t offset);
ssize_t pwritev(int fd, const struct iovec *buffers, int count, off_t offset);

#ifdef __cplusplus
}
#endif
#endif
