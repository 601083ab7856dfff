/* File-system status. */
#ifndef _SYS_STATVFS_H
#define _SYS_STATVFS_H

#include <bits/restrict.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned long fsblkcnt_t;
typedef unsigned long fsfilcnt_t;

#define ST_RDONLY 1
#define ST_NOSUID 2
struct statvfs {
    unsigned long f_bsize;
    unsigned long f_frsize;
    fsblkcnt_t f_blocks;
    fsblkcnt_t f_bfree;
    fsblkcnt_t f_bavail;
    fsfilcnt_t f_files;
    fsfilcnt_t f_ffree;
    fsfilcnt_t f_favail;
    unsigned long f_fsid;
    unsigned long f_flag;
    unsigned long f_namemax;
};

int statvfs(const char *__restrict_c path, struct statvfs *__restrict_c status);
int fstatvfs(int fd, struct statvfs *status);

#ifdef __cplusplus
}
#endif
#endif
