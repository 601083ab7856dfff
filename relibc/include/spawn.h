/* Starting processes. */
#ifndef _SPAWN_H
#define _SPAWN_H

#include <bits/restrict.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef __SIZE_TYPE__ size_t;
typedef int pid_t;
typedef int mode_t;
typedef unsigned long long sigset_t;

typedef struct {
    unsigned long __opaque[8];
} posix_spawnattr_t;
typedef struct {
    void *__actions;
    size_t __count;
} posix_spawn_file_actions_t;
#define POSIX_SPAWN_RESETIDS 1
#define POSIX_SPAWN_SETPGROUP 2
#define POSIX_SPAWN_SETSIGDEF 4
#define POSIX_SPAWN_SETSIGMASK 8
#define POSIX_SPAWN_SETSCHEDPARAM 16
#define POSIX_SPAWN_SETSCHEDULER 32
#define POSIX_SPAWN_SETSID 128

int posix_spawn(pid_t *__restrict_c pid, const char *__restrict_c path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *__restrict_c attributes, char *const argv[], char *const environment[]);
int posix_spawnp(pid_t *__restrict_c pid, const char *__restrict_c file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *__restrict_c attributes, char *const argv[], char *const environment[]);
int posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions);
int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions);
int posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions, int fd);
int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int to);
int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *__restrict_c actions, int fd, const char *__restrict_c path, int flags, mode_t mode);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *__restrict_c actions, const char *__restrict_c path);
int posix_spawn_file_actions_addfchdir_np(posix_spawn_file_actions_t *actions, int fd);
int posix_spawnattr_init(posix_spawnattr_t *attributes);
int posix_spawnattr_destroy(posix_spawnattr_t *attributes);
int posix_spawnattr_getflags(const posix_spawnattr_t *__restrict_c attributes, short *__restrict_c flags);
int posix_spawnattr_setflags(posix_spawnattr_t *attributes, short flags);
int posix_spawnattr_getpgroup(const posix_spawnattr_t *__restrict_c attributes, pid_t *__restrict_c group);
int posix_spawnattr_setpgroup(posix_spawnattr_t *attributes, pid_t group);
int posix_spawnattr_getsigdefault(const posix_spawnattr_t *__restrict_c attributes, sigset_t *__restrict_c set);
int posix_spawnattr_setsigdefault(posix_spawnattr_t *__restrict_c attributes, const sigset_t *__restrict_c set);
int posix_spawnattr_getsigmask(const posix_spawnattr_t *__restrict_c attributes, sigset_t *__restrict_c set);
int posix_spawnattr_setsigmask(posix_spawnattr_t *__restrict_c attributes, const sigset_t *__restrict_c set);

#ifdef __cplusplus
}
#endif
#endif
