/* Walking file trees. */
#ifndef _FTW_H
#define _FTW_H

#ifdef __cplusplus
extern "C" {
#endif

struct stat;
struct FTW {
    int base;
    int level;
};
#define FTW_F 0
#define FTW_D 1
#define FTW_DNR 2
#define FTW_NS 3
#define FTW_SL 4
#define FTW_DP 5
#define FTW_SLN 6
#define FTW_PHYS 1
#define FTW_MOUNT 2
#define FTW_CHDIR 4
#define FTW_DEPTH 8

int ftw(const char *path, int (*visit)(const char *path, const struct stat *status, int type), int fds);
int nftw(const char *path, int (*visit)(const char *path, const struct stat *status, int type, struct FTW *place), int fds, int flags);

#ifdef __cplusplus
}
#endif
#endif
