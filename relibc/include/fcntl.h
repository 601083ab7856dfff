/* Opening and controlling descriptors. */
#ifndef _FCNTL_H
#define _FCNTL_H

#ifdef __cplusplus
extern "C" {
#endif

typedef long long off_t;
typedef int pid_t;
typedef int mode_t;

#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#define F_GETLK 5
#define F_SETLK 6
#define F_SETLKW 7
#define AT_FDCWD (-100)
#define AT_SYMLINK_NOFOLLOW 0x200
#define AT_REMOVEDIR 0x200
#define AT_SYMLINK_FOLLOW 0x2000
#define AT_EMPTY_PATH 0x4000
#define AT_EACCESS 0x400
#define F_DUPFD 0
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4
#define F_DUPFD_CLOEXEC 1030
#define FD_CLOEXEC 0x01000000
#define O_RDONLY 0x00010000
#define O_WRONLY 0x00020000
#define O_RDWR 0x00030000
#define O_ACCMODE 0x00030000
#define O_NONBLOCK 0x00040000
#define O_NDELAY O_NONBLOCK
#define O_APPEND 0x00080000
#define O_SHLOCK 0x00100000
#define O_EXLOCK 0x00200000
#define O_ASYNC 0x00400000
#define O_FSYNC 0x00800000
#define O_SYNC O_FSYNC
#define O_CLOEXEC 0x01000000
#define O_CREAT 0x02000000
#define O_TRUNC 0x04000000
#define O_EXCL 0x08000000
#define O_DIRECTORY 0x10000000
#define O_PATH 0x20000000
#define O_SYMLINK 0x40000000
#define O_NOFOLLOW (-0x7fffffff - 1)
#define O_NOCTTY 0x00000200
/* Ours: never resolve to anything outside the directory. The commands are described in cap-abi. */
#define O_RESOLVE_BENEATH 0x00001000
#define AT_RESOLVE_BENEATH 0x8000
#define F_CAP_GET_RIGHTS 0x4000
#define F_CAP_LIMIT 0x4001
#define F_CAP_BENEATH 0x4002
#define F_CAP_LEASE 0x4003
#define F_CAP_REVOKE 0x4004
#define O_DSYNC O_SYNC
#define O_RSYNC O_SYNC
#define POSIX_FADV_NORMAL 0
#define POSIX_FADV_RANDOM 1
#define POSIX_FADV_SEQUENTIAL 2
#define POSIX_FADV_WILLNEED 3
#define POSIX_FADV_DONTNEED 4
#define POSIX_FADV_NOREUSE 5
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

struct flock {
    short l_type;
    short l_whence;
    off_t l_start;
    off_t l_len;
    pid_t l_pid;
};

int creat(const char *path, mode_t mode);
int fcntl(int fd, int command, ...);
int open(const char *path, int flags, ...);
int openat(int fd, const char *path, int flags, ...);
int posix_fadvise(int fd, off_t offset, off_t length, int advice);
int posix_fallocate(int fd, off_t offset, off_t length);

#ifdef __cplusplus
}
#endif
#endif
