/* Signals. */
#ifndef _SIGNAL_H
#define _SIGNAL_H

#include <bits/restrict.h>
#include <bits/timespec.h>
#include <bits/pthreadtypes.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef __SIZE_TYPE__ size_t;
typedef int pid_t;
typedef int uid_t;
typedef unsigned long long sigset_t;

#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGILL 4
#define SIGTRAP 5
#define SIGABRT 6
#define SIGBUS 7
#define SIGFPE 8
#define SIGKILL 9
#define SIGUSR1 10
#define SIGSEGV 11
#define SIGUSR2 12
#define SIGPIPE 13
#define SIGALRM 14
#define SIGTERM 15
#define SIGSTKFLT 16
#define SIGCHLD 17
#define SIGCONT 18
#define SIGSTOP 19
#define SIGTSTP 20
#define SIGTTIN 21
#define SIGTTOU 22
#define SIGURG 23
#define SIGXCPU 24
#define SIGXFSZ 25
#define SIGVTALRM 26
#define SIGPROF 27
#define SIGWINCH 28
#define SIGIO 29
#define SIGPWR 30
#define SIGSYS 31
#define NSIG 32
#define SA_NOCLDWAIT 0x00000002
#define SA_RESTORER 0x00000004
#define SA_SIGINFO 0x02000000
#define SA_ONSTACK 0x04000000
#define SA_RESTART 0x08000000
#define SA_NODEFER 0x10000000
#define SA_RESETHAND 0x20000000
#define SA_NOCLDSTOP 0x40000000
#define SS_ONSTACK 0x00000001
#define SS_DISABLE 0x00000002
#define SIGIOT SIGABRT
#define SIGPOLL SIGIO
#define SIGRTMIN 35
#define SIGRTMAX 64
#define SIG_DFL ((void (*)(int))0)
#define SIG_IGN ((void (*)(int))1)
#define SIG_ERR ((void (*)(int))-1)
#define MINSIGSTKSZ 2048
#define SIGSTKSZ 8192
#define SIGEV_SIGNAL 0
#define SIGEV_NONE 1
#define SIGEV_THREAD 2
#define SI_USER 0
#define SI_QUEUE (-1)
#define SI_TIMER (-2)
#define SI_MESGQ (-3)
#define SI_ASYNCIO (-4)
#define SI_KERNEL 128
#define ILL_ILLOPC 1
#define ILL_ILLOPN 2
#define ILL_ILLADR 3
#define ILL_ILLTRP 4
#define ILL_PRVOPC 5
#define ILL_PRVREG 6
#define ILL_COPROC 7
#define ILL_BADSTK 8
#define FPE_INTDIV 1
#define FPE_INTOVF 2
#define FPE_FLTDIV 3
#define FPE_FLTOVF 4
#define FPE_FLTUND 5
#define FPE_FLTRES 6
#define FPE_FLTINV 7
#define FPE_FLTSUB 8
#define SEGV_MAPERR 1
#define SEGV_ACCERR 2
#define BUS_ADRALN 1
#define BUS_ADRERR 2
#define BUS_OBJERR 3
#define TRAP_BRKPT 1
#define TRAP_TRACE 2
#define POLL_IN 1
#define POLL_OUT 2
#define POLL_MSG 3
#define POLL_ERR 4
#define POLL_PRI 5
#define POLL_HUP 6
#define CLD_EXITED 1
#define CLD_KILLED 2
#define CLD_DUMPED 3
#define CLD_TRAPPED 4
#define CLD_STOPPED 5
#define CLD_CONTINUED 6

typedef int sig_atomic_t;
union sigval {
    int sival_int;
    void *sival_ptr;
};
typedef struct siginfo {
    int si_signo;
    int si_errno;
    int si_code;
    pid_t si_pid;
    uid_t si_uid;
    void *si_addr;
    int si_status;
    union sigval si_value;
} siginfo_t;
struct sigaction {
    union {
        void (*sa_handler)(int);
        void (*sa_sigaction)(int, siginfo_t *, void *);
    } __handler;
    int sa_flags;
    void (*sa_restorer)(void);
    sigset_t sa_mask;
};
#define sa_handler __handler.sa_handler
#define sa_sigaction __handler.sa_sigaction
typedef struct sigaltstack {
    void *ss_sp;
    int ss_flags;
    size_t ss_size;
} stack_t;
struct sigevent {
    union sigval sigev_value;
    int sigev_signo;
    int sigev_notify;
    void (*sigev_notify_function)(union sigval);
    pthread_attr_t *sigev_notify_attributes;
};
typedef struct mcontext {
    unsigned long ymm_upper[16][2];
    unsigned long fxsave[29][2];
    unsigned long r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, rflags, rip, rsp;
} mcontext_t;
typedef struct ucontext {
    unsigned long __pad;
    struct ucontext *uc_link;
    stack_t uc_stack;
    sigset_t uc_sigmask;
    unsigned long __value;
    unsigned __code;
    unsigned __number;
    mcontext_t uc_mcontext;
} ucontext_t;

int kill(pid_t pid, int signal);
int killpg(pid_t group, int signal);
void psiginfo(const siginfo_t *information, const char *prefix);
void psignal(int signal, const char *prefix);
int pthread_kill(pthread_t thread, int signal);
int pthread_sigmask(int how, const sigset_t *__restrict_c set, sigset_t *__restrict_c old);
int raise(int signal);
int sigaction(int signal, const struct sigaction *__restrict_c action, struct sigaction *__restrict_c old);
int sigaddset(sigset_t *set, int signal);
int sigaltstack(const stack_t *__restrict_c stack, stack_t *__restrict_c old);
int sigdelset(sigset_t *set, int signal);
int sigemptyset(sigset_t *set);
int sigfillset(sigset_t *set);
int siginterrupt(int signal, int interrupt);
int sigismember(const sigset_t *set, int signal);
void (*signal(int signal, void (*handler)(int)))(int);
int sigpause(int signal);
int sigpending(sigset_t *set);
int sigprocmask(int how, const sigset_t *__restrict_c set, sigset_t *__restrict_c old);
int sigqueue(pid_t pid, int signal, const union sigval value);
int sigsuspend(const sigset_t *set);
int sigtimedwait(const sigset_t *__restrict_c set, siginfo_t *__restrict_c information, const struct timespec *__restrict_c time);
int sigwait(const sigset_t *__restrict_c set, int *__restrict_c signal);
int sigwaitinfo(const sigset_t *__restrict_c set, siginfo_t *__restrict_c information);

#ifdef __cplusplus
}
#endif
#endif
