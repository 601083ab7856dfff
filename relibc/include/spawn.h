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

struct sched_param;

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
/* Ours. The namespace and the current directory that the _np calls below name, -1 for none, and nothing but
   what file actions give. */
#define POSIX_SPAWN_SETNAMESPACE_NP 0x100
#define POSIX_SPAWN_SETDIRECTORY_NP 0x200
#define POSIX_SPAWN_CLOEXEC_DEFAULT_NP 0x400

int posix_spawn(pid_t *__restrict_c pid, const char *__restrict_c path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *__restrict_c attributes, char *const argv[], char *const environment[]);
int posix_spawnp(pid_t *__restrict_c pid, const char *__restrict_c file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *__restrict_c attributes, char *const argv[], char *const environment[]);
/* A program that is open for reading. */
int fspawn_np(pid_t *__restrict_c pid, int program, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *__restrict_c attributes, char *const argv[], char *const environment[]);
int posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions);
int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions);
int posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions, int fd);
int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int to);
int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *__restrict_c actions, int fd, const char *__restrict_c path, int flags, mode_t mode);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *__restrict_c actions, const char *__restrict_c path);
int posix_spawn_file_actions_addfchdir_np(posix_spawn_file_actions_t *actions, int fd);
int posix_spawn_file_actions_addchdir(posix_spawn_file_actions_t *__restrict_c actions, const char *__restrict_c path);
int posix_spawn_file_actions_addfchdir(posix_spawn_file_actions_t *actions, int fd);
/* A copy of `from` as `to`, with at most these rights (the bits are those of F_CAP_LIMIT). */
int posix_spawn_file_actions_addgrant_np(posix_spawn_file_actions_t *actions, int from, int to, unsigned int rights);
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
int posix_spawnattr_getschedpolicy(const posix_spawnattr_t *__restrict_c attributes, int *__restrict_c policy);
int posix_spawnattr_setschedpolicy(posix_spawnattr_t *attributes, int policy);
int posix_spawnattr_getschedparam(const posix_spawnattr_t *__restrict_c attributes, struct sched_param *__restrict_c parameter);
int posix_spawnattr_setschedparam(posix_spawnattr_t *__restrict_c attributes, const struct sched_param *__restrict_c parameter);
int posix_spawnattr_setnamespace_np(posix_spawnattr_t *attributes, int fd);
int posix_spawnattr_setdirectory_np(posix_spawnattr_t *attributes, int fd);

#ifdef __cplusplus
}
#endif
#endif
