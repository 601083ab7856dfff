/* Directories. */
#ifndef _DIRENT_H
#define _DIRENT_H

#include <bits/restrict.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned long long ino_t;
typedef long long off_t;

typedef struct __DIR DIR;
struct dirent {
    ino_t d_ino;
    off_t d_off;
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[256];
};
#define DT_UNKNOWN 0
#define DT_FIFO 1
#define DT_CHR 2
#define DT_DIR 4
#define DT_BLK 6
#define DT_REG 8
#define DT_LNK 10
#define DT_SOCK 12

int alphasort(const struct dirent **a, const struct dirent **b);
int versionsort(const struct dirent **a, const struct dirent **b);
int closedir(DIR *directory);
int dirfd(DIR *directory);
DIR *fdopendir(int fd);
DIR *opendir(const char *path);
struct dirent *readdir(DIR *directory);
int readdir_r(DIR *__restrict_c directory, struct dirent *__restrict_c entry, struct dirent **__restrict_c result);
void rewinddir(DIR *directory);
int scandir(const char *path, struct dirent ***entries, int (*select)(const struct dirent *), int (*compare)(const struct dirent **, const struct dirent **));
void seekdir(DIR *directory, long position);
long telldir(DIR *directory);

#ifdef __cplusplus
}
#endif
#endif
