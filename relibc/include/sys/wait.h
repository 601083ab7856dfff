/* Waiting for processes. */
#ifndef _SYS_WAIT_H
#define _SYS_WAIT_H

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int pid_t;
typedef unsigned id_t;

#define WNOHANG 1
#define WUNTRACED 2
#define WSTOPPED 2
#define WEXITED 4
#define WCONTINUED 8
#define WNOWAIT 0x01000000
#define __WNOTHREAD 0x20000000
#define __WALL 0x40000000
#define __WCLONE 0x80000000
#define WIFEXITED(status) (((status) & 0x7f) == 0)
#define WEXITSTATUS(status) ((status) >> 8 & 0xff)
#define WIFSIGNALED(status) ((signed char)(((status) & 0x7f) + 1) >= 2)
#define WTERMSIG(status) ((status) & 0x7f)
#define WIFSTOPPED(status) (((status) & 0xff) == 0x7f)
#define WSTOPSIG(status) ((status) >> 8 & 0xff)
#define WIFCONTINUED(status) ((status) == 0xffff)
#define WCOREDUMP(status) (((status) & 0x80) != 0)
typedef enum {
    P_ALL,
    P_PID,
    P_PGID
} idtype_t;
struct rusage;

pid_t wait(int *status);
pid_t waitpid(pid_t pid, int *status, int options);
pid_t wait3(int *status, int options, struct rusage *usage);
pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage);
int waitid(idtype_t type, id_t id, siginfo_t *information, int options);

#ifdef __cplusplus
}
#endif
#endif
