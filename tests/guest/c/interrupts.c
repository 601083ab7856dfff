/* Calls that have no EINTR in POSIX, made while signals come without an end: none of them says it, nor fails. */
#define _GNU_SOURCE
#include "cases.h"
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER "/interrupts"

static volatile sig_atomic_t interruptions;
static void interrupt(int number) {
    (void)number;
    interruptions++;
}

static struct stat status;
static char text[256];
static int open_file, open_folder, ends[2], one_socket;
static const struct timespec times[2] = {{1, 0}, {2, 0}};

/* Waits for a child. The wait itself may be interrupted. */
static int reap(pid_t pid) {
    int word;
    while (waitpid(pid, &word, 0) != pid)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(word) && WEXITSTATUS(word) == 0 ? 0 : -1;
}

static int call_kill(void) { return kill(getpid(), 0); }
static int call_kill_parent(void) { return kill(getppid(), 0); }
static int call_raise(void) { return raise(SIGCHLD); }
static int call_setpgid(void) { return setpgid(0, 0); }
static int call_getpgid(void) { return getpgid(0) == getpid() ? 0 : -1; }
static int call_setsid(void) { return setsid() == -1 && errno == EPERM ? 0 : -1; }
static int call_getsid(void) { return getsid(0) == -1 ? -1 : 0; }
static int call_setuid(void) { return setuid(getuid()); }
static int call_setregid(void) { return setregid(-1, getegid()); }
static int call_getrusage(void) { struct rusage usage; return getrusage(RUSAGE_SELF, &usage); }
static int call_sigaction(void) { return sigaction(SIGUSR1, &(struct sigaction){.sa_handler = interrupt}, 0); }
static int call_sigprocmask(void) {
    sigset_t set, old;
    sigemptyset(&set), sigaddset(&set, SIGALRM);
    return sigprocmask(SIG_BLOCK, &set, &old) | sigprocmask(SIG_SETMASK, &old, 0);
}
static int call_stat(void) { return stat(FOLDER "/file", &status); }
static int call_stat_relative(void) { return stat("file", &status); }
static int call_lstat(void) { return lstat(FOLDER "/link", &status); }
static int call_fstat(void) { return fstat(open_file, &status); }
static int call_access(void) { return access("file", R_OK); }
static int call_readlink(void) { return readlink("link", text, sizeof text) == 4 ? 0 : -1; }
static int call_chmod(void) { return chmod("file", 0644); }
static int call_chown(void) { return chown("file", 0, 0); }
static int call_utimensat(void) { return utimensat(AT_FDCWD, "file", times, 0); }
static int call_statvfs(void) { struct statvfs figures; return statvfs("/", &figures); }
static int call_mkdir(void) { return mkdir("made", 0755) | rmdir("made"); }
static int call_mkfifo(void) { return mkfifo("made", 0644) | unlink("made"); }
static int call_link(void) { return link("file", "made") | unlink("made"); }
static int call_symlink(void) {
    return symlink("somewhere", "made") | (readlink("made", text, sizeof text) == 9 ? 0 : -1) | unlink("made");
}
static int call_rename(void) { return rename("file", "made") | rename(FOLDER "/made", FOLDER "/file"); }
static int call_chdir(void) { return chdir("/") | chdir(FOLDER); }
static int call_fchdir(void) { return fchdir(open_folder); }
static int call_getcwd(void) { return getcwd(text, sizeof text) ? 0 : -1; }
static int call_realpath(void) { return realpath("link", text) ? 0 : -1; }
static int call_readdir(void) {
    int found = 0;
    DIR *folder = opendir(FOLDER);
    if (!folder)
        return -1;
    for (struct dirent *entry; (errno = 0, entry = readdir(folder)); found++)
        ;
    int error = errno;
    return closedir(folder) | (error == 0 && found >= 2 ? 0 : -1);
}
static int call_lseek(void) { return lseek(open_file, 0, SEEK_END) == 5 ? 0 : -1; }
static int call_dup(void) { return close(dup(open_file)); }
static int call_dup2(void) { return dup2(open_file, ends[0]) == ends[0] ? 0 : -1; }
static int call_fcntl(void) { return fcntl(open_file, F_SETFL, O_APPEND) | fcntl(open_file, F_SETFD, FD_CLOEXEC); }
static int call_pipe(void) {
    int made[2];
    return pipe(made) ? -1 : close(made[0]) | close(made[1]);
}
static int call_mmap(void) {
    void *at = mmap(0, 4096, PROT_READ, MAP_PRIVATE, open_file, 0);
    return at == MAP_FAILED ? -1 : mprotect(at, 4096, PROT_READ | PROT_WRITE) | munmap(at, 4096);
}
static int call_getentropy(void) { return getentropy(text, 16); }
static int call_isatty(void) { return isatty(open_file) == 0 && errno == ENOTTY ? 0 : -1; }
static int call_socketpair(void) {
    int made[2];
    return socketpair(AF_UNIX, SOCK_STREAM, 0, made) ? -1 : close(made[0]) | close(made[1]);
}
static int call_getsockname(void) {
    socklen_t len = sizeof text;
    return getsockname(one_socket, (struct sockaddr *)text, &len);
}
static void *nothing(void *argument) { return argument; }
static int call_pthread_create(void) {
    pthread_t thread;
    errno = pthread_create(&thread, 0, nothing, 0);
    return errno || (errno = pthread_join(thread, 0)) ? -1 : 0;
}
static int call_fork(void) {
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid == -1 ? -1 : reap(pid);
}
static int call_posix_spawn(void) {
    pid_t pid;
    char *args[] = {self, "child", "exit", "0", 0};
    errno = posix_spawn(&pid, self, 0, 0, args, (char *[]){0});
    return errno ? -1 : reap(pid);
}

static const struct {
    const char *name;
    int (*call)(void);
    int rounds;
} rows[] = {
#define ROW(name) {#name, call_##name, 60}
    ROW(kill), ROW(kill_parent), ROW(raise), ROW(setpgid), ROW(getpgid), ROW(setsid), ROW(getsid), ROW(setuid),
    ROW(setregid), ROW(getrusage), ROW(sigaction), ROW(sigprocmask), ROW(stat), ROW(stat_relative), ROW(lstat),
    ROW(fstat), ROW(access), ROW(readlink), ROW(chmod), ROW(chown), ROW(utimensat), ROW(statvfs), ROW(mkdir),
    ROW(mkfifo), ROW(link), ROW(symlink), ROW(rename), ROW(chdir), ROW(fchdir), ROW(getcwd), ROW(realpath),
    ROW(readdir), ROW(lseek), ROW(dup), ROW(dup2), ROW(fcntl), ROW(pipe), ROW(mmap), ROW(getentropy), ROW(isatty),
    ROW(socketpair), ROW(getsockname),
#undef ROW
    {"pthread_create", call_pthread_create, 20},
    {"fork", call_fork, 10},
    {"posix_spawn", call_posix_spawn, 10},
};

/* Starts what goes on until it is killed. */
static pid_t start(void (*work)(pid_t)) {
    pid_t of = getpid(), pid = fork();
    if (pid == 0)
        for (;;)
            work(of);
    return pid;
}

static void send_alarm(pid_t to) {
    kill(to, SIGALRM);
    sched_yield();
}
/* A request that its daemon has not taken up yet is the one that a signal ends. */
static void keep_daemons_busy(pid_t of) {
    struct stat found;
    stat(FOLDER "/file", &found);
    getpgid(of);
}

static int bombarded(void) {
    int failures = 0;
    struct sigaction action = {.sa_handler = interrupt};
    signal(SIGCHLD, interrupt), siginterrupt(SIGCHLD, 1);
    if (sigaction(SIGALRM, &action, 0) || setpgid(0, 0) || chdir(FOLDER) || pipe(ends))
        return 100;
    open_file = open("file", O_RDWR), open_folder = open(".", O_RDONLY);
    one_socket = socket(AF_UNIX, SOCK_STREAM, 0);
    pid_t bomber = start(send_alarm), others = start(keep_daemons_busy);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int round = 0; round < rows[i].rounds; round++)
            if (rows[i].call()) {
                fprintf(stderr, "%s, round %d: %s\n", rows[i].name, round, strerror(errno));
                failures++;
                break;
            }
    fprintf(stderr, "%d interruptions\n", (int)interruptions);
    kill(bomber, SIGKILL), kill(others, SIGKILL);
    return failures ? failures : interruptions < 500 ? 101 : 0;
}

static void calls_under_signals(void) {
    SAME(mkdir(FOLDER, 0755), 0);
    write_file(FOLDER "/file", "12345");
    SAME(symlink("file", FOLDER "/link"), 0);
    SAME(in_child(bombarded), 0);
    SAME(unlink(FOLDER "/link"), 0); SAME(unlink(FOLDER "/file"), 0); SAME(rmdir(FOLDER), 0);
}

const struct test_case interrupt_cases[] = {{"calls_under_signals", calls_under_signals}};
const unsigned interrupt_case_count = sizeof interrupt_cases / sizeof *interrupt_cases;
