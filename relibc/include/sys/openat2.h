/* Opening with a say in how the path is resolved (Linux's openat2), and the calls that have no flags in
   POSIX with AT_RESOLVE_BENEATH. An escape is EPERM, a link that may not be followed ELOOP. */
#ifndef _SYS_OPENAT2_H
#define _SYS_OPENAT2_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct open_how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

#define OPEN_HOW_SIZE_VER0 24

#define RESOLVE_NO_XDEV 0x01
#define RESOLVE_NO_MAGICLINKS 0x02
#define RESOLVE_NO_SYMLINKS 0x04
#define RESOLVE_BENEATH 0x08
#define RESOLVE_IN_ROOT 0x10
/* Always EAGAIN: every open asks a scheme. */
#define RESOLVE_CACHED 0x20

int openat2(int dir, const char *path, const struct open_how *how, size_t size);
int mkdirat2(int dir, const char *path, mode_t mode, int flags);
int symlinkat2(const char *target, int dir, const char *path, int flags);
ssize_t readlinkat2(int dir, const char *path, char *buffer, size_t size, int flags);

#ifdef __cplusplus
}
#endif
#endif
