/* Processes: how they begin, what they are told of each other's ends, commands of the shell. */
#define _GNU_SOURCE
#include "cases.h"
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* By its number, what may not be run is not, and a script is read by it. */
static void executing_open_files(void) {
    static char child[] = "child", exits[] = "exit", number[] = "7";
    char *args[] = {self, child, exits, number, 0};
    copy_file(self, "/program");
    write_file("/script", "#!/scheme/initfs/bin/test-c child\n");
    for (int row = 0; row < 4; row++) {
        const char *path = row < 2 ? "/program" : "/script";
        SAME(chmod(path, row == 0 ? 0644 : 0755), 0);
        int fd = open(path, O_RDONLY | (row == 3 ? O_CLOEXEC : 0)), want = row == 0 ? EACCES : row == 3 ? ENOENT : 0;
        int status = row == 1 ? 7 : row == 2 ? 6 : want;
        pid_t pid = fork();
        if (pid == 0)
            fexecve(fd, args, environ), _exit(errno);
        SAME(status_of(pid), status);
        SAME(fspawn_np(&pid, fd, 0, 0, args, environ), want);
        if (!want)
            SAME(status_of(pid), status);
        close(fd);
    }
    SAME(unlink("/program"), 0); SAME(unlink("/script"), 0);
}

static void executing(void) {
    static char child[] = "child", exits[] = "exit", number[] = "7", variable[] = "env";
    char *args[] = {self, child, exits, number, 0}, *asked[] = {self, child, variable, 0}, *env[] = {"GIVEN=12345", "PATH=/scheme/initfs/bin", 0};
    for (int i = 0; i < 8; i++) {
        pid_t pid = i % 2 ? vfork() : fork();
        if (pid == 0) {
            switch (i) {
            case 0: execv(self, args); break;
            case 1: execve(self, args, env); break;
            case 2: execl(self, self, "child", "exit", "7", (char *)0); break;
            case 3: execle(self, self, "child", "exit", "7", (char *)0, env); break;
            case 4: setenv("PATH", "/nowhere:/scheme/initfs/bin", 1), execlp("test-c", "test-c", "child", "exit", "7", (char *)0); break;
            case 5: fexecve(open(self, O_RDONLY), args, env); break;
            case 6: environ = env, execvp("test-c", args); break;
            case 7: execvpe("test-c", args, env), execve(self, args, env); break;
            }
            _exit(99);
        }
        SAME(status_of(pid), 7);
    }
    pid_t pid = fork();
    if (pid == 0)
        execve(self, asked, env), _exit(99);
    SAME(status_of(pid), 5);
    SAME(execl("/none", "none", (char *)0), -1); SAME(errno, ENOENT);
    SAME(execv("/scheme/initfs/etc/passwd", args), -1); CHECK(errno == EACCES || errno == ENOEXEC);
}

/* The next program's arithmetic begins as every program's does. */
static void executing_forgets_rounding(void) {
    pid_t pid = fork();
    if (pid == 0) {
        fesetround(FE_UPWARD), feraiseexcept(FE_INEXACT);
        execl(self, self, "child", "rounding", (char *)0), _exit(99);
    }
    SAME(status_of(pid), 1);
}

/* What is pending and the alarm go on in the next program, and do not in a child. */
static int take_along(int row) {
    static const char *const verbs[] = {"pending", "pending", "alarm", "alarm", "pause"};
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1);
    /* What another case has left: an ignored signal is not kept. */
    signal(SIGUSR1, SIG_DFL);
    if (row < 2) {
        sigprocmask(SIG_BLOCK, &set, 0);
        row == 0 ? raise(SIGUSR1) : kill(getpid(), SIGUSR1);
    } else {
        alarm(row == 4 ? 1 : 1000);
        if (row == 3) {
            pid_t pid = fork();
            if (pid)
                _exit(status_in_time(pid));
        }
    }
    execl(self, self, "child", verbs[row], (char *)0);
    return 99;
}

static void executing_keeps_signals(void) {
    static const int ends[] = {1, 1, 1, 0, -SIGALRM};
    for (int row = 0; row < 5; row++) {
        fflush(0);
        pid_t pid = fork();
        if (pid == 0)
            _exit(take_along(row));
        SAME(100 * row + status_in_time(pid), 100 * row + ends[row]);
    }
}

static void spawning(void) {
    static char child[] = "child", exits[] = "exit", number[] = "9", which[] = "fd", thirty[] = "30", where[] = "cwd", group[] = "group", mask[] = "mask";
    char *args[] = {self, child, exits, number, 0}, *fd_args[] = {self, child, which, thirty, 0}, *cwd_args[] = {self, child, where, 0};
    char *group_args[] = {self, child, group, 0}, *mask_args[] = {self, child, mask, 0};
    pid_t pid;
    SAME(posix_spawn(&pid, self, 0, 0, args, environ), 0);
    SAME(status_of(pid), 9);
    SAME(posix_spawn(&pid, "/none", 0, 0, args, environ), ENOENT);
    SAME(setenv("PATH", "/scheme/initfs/bin", 1), 0);
    SAME(posix_spawnp(&pid, "test-c", 0, 0, args, environ), 0);
    SAME(status_of(pid), 9);
    int program = open(self, O_RDONLY | O_CLOEXEC);
    SAME(fspawn_np(&pid, program, 0, 0, args, environ), 0);
    SAME(status_of(pid), 9);
    close(program);

    posix_spawn_file_actions_t actions;
    SAME(posix_spawn_file_actions_init(&actions), 0);
    SAME(posix_spawn_file_actions_addopen(&actions, 31, "/scheme/null", O_RDWR, 0), 0);
    SAME(posix_spawn_file_actions_adddup2(&actions, 31, 30), 0);
    SAME(posix_spawn_file_actions_addclose(&actions, 31), 0);
    SAME(posix_spawn(&pid, self, &actions, 0, fd_args, environ), 0);
    SAME(status_of(pid), 1);
    SAME(posix_spawn_file_actions_addclose(&actions, 30), 0);
    SAME(posix_spawn(&pid, self, &actions, 0, fd_args, environ), 0);
    SAME(status_of(pid), 0);
    SAME(posix_spawn_file_actions_addclose(&actions, -1), EBADF);
    SAME(posix_spawn_file_actions_adddup2(&actions, -1, 3), EBADF);
    SAME(posix_spawn_file_actions_destroy(&actions), 0);
    SAME(posix_spawn_file_actions_init(&actions), 0);
    SAME(posix_spawn_file_actions_addgrant_np(&actions, 1, 30, 0), 0);
    SAME(posix_spawn(&pid, self, &actions, 0, fd_args, environ), 0);
    SAME(status_of(pid), 1);
    SAME(posix_spawn_file_actions_destroy(&actions), 0);

    /* What `open` takes for the process's own is the child's, as the actions before have left it. */
    static const struct { const char *path; int flags, spawned, status; } own[] = {
        {"/dev/fd/31", O_RDWR, 0, 1}, {"/dev/fd/31", O_RDWR | O_CLOEXEC, 0, 0}, {"/dev/stdin", O_RDONLY, 0, 1}, {"/dev/stdout", O_WRONLY, 0, 1},
        {"/dev/stderr", O_WRONLY, 0, 1}, {"/dev/fd/32", O_RDONLY, EBADF, 0}, {"/dev/fd/99", O_RDONLY, EBADF, 0},
    };
    int not_childs = fcntl(open("/scheme/null", O_RDONLY), F_DUPFD, 32);
    SAME(not_childs, 32);
    for (unsigned i = 0; i < sizeof own / sizeof *own; i++) {
        SAME(posix_spawn_file_actions_init(&actions), 0);
        SAME(posix_spawn_file_actions_addopen(&actions, 31, "/scheme/null", O_RDWR, 0), 0);
        SAME(posix_spawn_file_actions_addclose(&actions, 32), 0);
        SAME(posix_spawn_file_actions_addopen(&actions, 30, own[i].path, own[i].flags, 0), 0);
        SAME(100 * i + posix_spawn(&pid, self, &actions, 0, fd_args, environ), 100 * i + own[i].spawned);
        if (!own[i].spawned)
            SAME(100 * i + status_of(pid), 100 * i + own[i].status);
        SAME(posix_spawn_file_actions_destroy(&actions), 0);
    }
    close(not_childs);

    mkdir("/spawned", 0755);
    int folder = open("/spawned", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 4; i++) {
        SAME(posix_spawn_file_actions_init(&actions), 0);
        SAME(i == 0   ? posix_spawn_file_actions_addchdir(&actions, "/spawned")
             : i == 1 ? posix_spawn_file_actions_addchdir_np(&actions, "/spawned")
             : i == 2 ? posix_spawn_file_actions_addfchdir(&actions, folder)
                      : posix_spawn_file_actions_addfchdir_np(&actions, folder), 0);
        SAME(posix_spawn(&pid, self, &actions, 0, cwd_args, environ), 0);
        SAME(status_of(pid), 8);
        SAME(posix_spawn_file_actions_destroy(&actions), 0);
    }

    posix_spawnattr_t a;
    short flags = 9;
    pid_t leader = 9;
    int policy = 9;
    struct sched_param priority = {9};
    sigset_t set, got;
    sigemptyset(&set), sigaddset(&set, SIGUSR1);
    SAME(posix_spawnattr_init(&a), 0);
    SAME(posix_spawnattr_getflags(&a, &flags), 0); SAME(flags, 0);
    SAME(posix_spawnattr_setflags(&a, POSIX_SPAWN_SETPGROUP), 0);
    SAME(posix_spawnattr_setflags(&a, 0x7000), EINVAL);
    SAME(posix_spawnattr_getflags(&a, &flags), 0); SAME(flags, POSIX_SPAWN_SETPGROUP);
    SAME(posix_spawnattr_setpgroup(&a, 0), 0); SAME(posix_spawnattr_getpgroup(&a, &leader), 0); SAME(leader, 0);
    SAME(posix_spawn(&pid, self, 0, &a, group_args, environ), 0);
    SAME(status_of(pid), 1);
    SAME(posix_spawnattr_setsigmask(&a, &set), 0); SAME(posix_spawnattr_getsigmask(&a, &got), 0); SAME(sigismember(&got, SIGUSR1), 1);
    SAME(posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSIGMASK), 0);
    SAME(posix_spawn(&pid, self, 0, &a, mask_args, environ), 0);
    SAME(status_of(pid), 1);
    SAME(posix_spawnattr_setsigdefault(&a, &set), 0); SAME(posix_spawnattr_getsigdefault(&a, &got), 0); SAME(sigismember(&got, SIGUSR1), 1);
    SAME(posix_spawnattr_getschedpolicy(&a, &policy), 0); SAME(policy, SCHED_OTHER); SAME(posix_spawnattr_setschedpolicy(&a, SCHED_OTHER), 0);
    SAME(posix_spawnattr_getschedparam(&a, &priority), 0); SAME(priority.sched_priority, 0); SAME(posix_spawnattr_setschedparam(&a, &priority), 0);
    SAME(posix_spawnattr_setdirectory_np(&a, folder), 0);
    SAME(posix_spawnattr_setflags(&a, POSIX_SPAWN_SETDIRECTORY_NP), 0);
    SAME(posix_spawn(&pid, self, 0, &a, cwd_args, environ), 0);
    SAME(status_of(pid), 8);
    /* Without a namespace it starts all the same, since its file is open by then; but it can name nothing. */
    static char opens[] = "open";
    char *open_args[] = {self, child, opens, 0};
    SAME(posix_spawn(&pid, self, 0, 0, open_args, environ), 0);
    SAME(status_of(pid), 1);
    SAME(posix_spawnattr_setnamespace_np(&a, -1), 0);
    SAME(posix_spawnattr_setflags(&a, POSIX_SPAWN_SETNAMESPACE_NP), 0);
    SAME(posix_spawn(&pid, self, 0, &a, open_args, environ), 0);
    SAME(status_of(pid), 0);
    SAME(posix_spawnattr_destroy(&a), 0);
    close(folder);
}

static void waiting(void) {
    struct rusage usage;
    siginfo_t info;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    SAME(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
    SAME(info.si_pid, pid); SAME(info.si_code, CLD_EXITED); SAME(info.si_status, 3); SAME(info.si_signo, SIGCHLD);
    /* It will not stop any more. */
    SAME(waitid(P_PID, pid, &info, WSTOPPED | WNOHANG), -1); SAME(errno, ECHILD);
    SAME(waitid(P_ALL, 0, &info, WEXITED), 0);
    SAME(info.si_pid, pid);
    SAME(waitid(P_PID, pid, &info, WEXITED), -1); SAME(errno, ECHILD);
    SAME(waitid(P_ALL, 0, &info, 0), -1); SAME(errno, EINVAL);
    SAME(waitid((idtype_t)9, 0, &info, WEXITED), -1); SAME(errno, EINVAL);
    pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    SAME(waitid(P_PID, pid, &info, WEXITED | WNOHANG), 0); SAME(info.si_pid, 0);
    SAME(kill(pid, SIGSTOP), 0);
    SAME(waitid(P_PID, pid, &info, WSTOPPED), 0); SAME(info.si_code, CLD_STOPPED); SAME(info.si_status, SIGSTOP);
    SAME(kill(pid, SIGCONT), 0);
    SAME(waitid(P_PID, pid, &info, WCONTINUED), 0); SAME(info.si_code, CLD_CONTINUED);
    SAME(kill(pid, SIGTERM), 0);
    SAME(waitid(P_PID, pid, &info, WEXITED), 0); SAME(info.si_code, CLD_KILLED); SAME(info.si_status, SIGTERM);
    pid = fork();
    if (pid == 0)
        _exit(4);
    SAME(wait3(&status, 0, &usage), pid); SAME(WEXITSTATUS(status), 4);
    pid = fork();
    if (pid == 0)
        _exit(5);
    SAME(wait4(pid, &status, 0, &usage), pid); SAME(WEXITSTATUS(status), 5);
    SAME(wait(&status), -1); SAME(errno, ECHILD);
}

static void shell_commands(void) {
    char b[64] = "";
    SAME(mkdir("/bin", 0755), 0);
    /* No shell, none that may be run, and none that is a program. */
    for (int i = 0; i < 3; i++) {
        if (i == 1)
            write_file("/bin/sh", "\1\2\3\4");
        if (i == 2)
            SAME(chmod("/bin/sh", 0755), 0);
        int status = system("exit 5");
        CHECK(WIFEXITED(status)); SAME(WEXITSTATUS(status), 127);
    }
    SAME(unlink("/bin/sh"), 0);
    copy_file("/scheme/initfs/bin/sh0", "/bin/sh");
    SAME(setenv("PATH", "/scheme/initfs/bin", 1), 0);
    CHECK(system(0) != 0);
    int status = system("exit 5");
    CHECK(WIFEXITED(status)); SAME(WEXITSTATUS(status), 5);
    FILE *f = popen("test-c child say", "r");
    CHECK(f);
    CHECK(fgets(b, sizeof b, f));
    CHECK(strcmp(b, "said\n") == 0);
    SAME(pclose(f), 0);
    CHECK(!popen("true", "x")); SAME(errno, EINVAL);
    SAME(pclose(stdin), -1); SAME(errno, ECHILD);
}

/* A fork while other threads are in the library, holding its locks: the child is not to wait for them. */
static volatile int forks_done;
static FILE *shared_stream, *silent_stream;

static void at_end(void) {}

static int use_library(int is_alone) {
    static int keys;
    struct sigaction action = {.sa_handler = SIG_IGN};
    char place[64];
    time_t now = 86400;
    struct tm tm;
    pthread_key_t key;
    free(malloc(100));
    int right = fprintf(shared_stream, "%d\n", 1) > 0 && fflush(shared_stream) == 0;
    FILE *other = fopen("/dev/null", "w");
    right &= other && fclose(other) == 0;
    right &= setenv("FORKS", "1", 1) == 0;
    right &= chdir(".") == 0 && getcwd(place, sizeof place) != 0;
    right &= sigaction(SIGUSR2, &action, 0) == 0 && (!is_alone || localtime_r(&now, &tm) != 0);
    random();
    int queue = epoll_create1(0), copy = dup(queue);
    right &= queue >= 0 && close(copy) == 0 && close(queue) == 0;
    getpwuid(0);
    if (keys++ < 100)
        right &= pthread_key_create(&key, 0) == 0 && pthread_key_delete(key) == 0;
    return right;
}

static void *use_until_done(void *wrong) {
    while (!forks_done)
        /* What reads the environment may not run beside `setenv`. */
        if (!use_library(0))
            *(int *)wrong = 1;
    return 0;
}

static void *read_silence(void *unused) {
    fgetc(silent_stream);
    return unused;
}

static void forks_among_threads(void) {
    pthread_t users[3], reader;
    int wrong[3] = {0}, silence[2];
    SAME(pipe(silence), 0);
    CHECK((silent_stream = fdopen(silence[0], "r")) && (shared_stream = fopen("/forks", "w")));
    forks_done = 0;
    for (int i = 0; i < 3; i++)
        SAME(pthread_create(&users[i], 0, use_until_done, &wrong[i]), 0);
    SAME(pthread_create(&reader, 0, read_silence, 0), 0);
    usleep(10000);
    int failed = 0;
    for (int i = 0; i < 30 && !failed; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            /* Also the stream that a thread of the parent's waits with. */
            int right = use_library(1) && fclose(silent_stream) == 0 && atexit(at_end) == 0;
            exit(right ? 0 : 1);
        }
        failed = status_in_time(pid);
    }
    forks_done = 1;
    for (int i = 0; i < 3; i++)
        SAME(pthread_join(users[i], 0), 0);
    SAME(write(silence[1], "", 1), 1);
    SAME(pthread_join(reader, 0), 0);
    SAME(failed, 0);
    SAME(wrong[0] + wrong[1] + wrong[2], 0);
    fclose(silent_stream), fclose(shared_stream), close(silence[1]);
    SAME(unlink("/forks"), 0);
}

/* Who waits for a file has a lock for longer than the processor can be given away a few times. */
static void *look_up(void *unused) {
    getpwuid(0);
    return unused;
}

static void *let_go(void *unused) {
    usleep(200000);
    close(open("/etc/passwd", O_WRONLY));
    return unused;
}

static void fork_while_another_reads(void) {
    pthread_t reader, writer;
    mkdir("/etc", 0755), unlink("/etc/passwd");
    SAME(mkfifo("/etc/passwd", 0600), 0);
    SAME(pthread_create(&reader, 0, look_up, 0), 0);
    usleep(10000);
    SAME(pthread_create(&writer, 0, let_go, 0), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(unlink("/etc/passwd") == 0 && !getpwuid(0) ? 0 : 1);
    int status = status_in_time(pid);
    SAME(pthread_join(writer, 0), 0);
    SAME(pthread_join(reader, 0), 0);
    unlink("/etc/passwd");
    SAME(status, 0);
}

/* A program in the place of another one is alone: what threads that had is not there any more. */
static volatile unsigned *counters;

static void *count(void *which) {
    for (;;)
        counters[(long)which]++;
    return 0;
}

static void *end_at_once(void *unused) { return unused; }

static void *execute(void *unused) {
    execl(self, self, "child", "wait", (char *)0);
    _exit(99);
    return unused;
}

static void execute_among_threads(int by_thread) {
    pthread_t t;
    for (long i = 0; i < 2; i++)
        pthread_create(&t, 0, count, (void *)i);
    /* It waits to be joined. */
    pthread_create(&t, 0, end_at_once, 0);
    while (!counters[0] || !counters[1])
        usleep(1000);
    if (by_thread && pthread_create(&t, 0, execute, 0) == 0)
        count((void *)2);
    execute(0);
}

static void executing_among_threads(void) {
    counters = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(counters != MAP_FAILED);
    for (int by_thread = 0; by_thread < 2; by_thread++) {
        int in[2], out[2];
        char c;
        memset((void *)counters, 0, 4096);
        SAME(pipe(in), 0); SAME(pipe(out), 0);
        pid_t pid = fork();
        if (pid == 0) {
            dup2(in[0], 0), dup2(out[1], 1), close(in[1]);
            execute_among_threads(by_thread);
        }
        close(in[0]), close(out[1]);
        SAME(read(out[0], &c, 1), 1);
        unsigned before[3], after[3];
        for (int i = 0; i < 3; i++)
            before[i] = counters[i];
        usleep(20000);
        for (int i = 0; i < 3; i++)
            after[i] = counters[i];
        close(in[1]), close(out[0]);
        SAME(status_in_time(pid), 0);
        for (int i = 0; i < 3; i++)
            SAME(after[i], before[i]);
        CHECK(after[0] && after[1]);
        SAME(after[2] != 0, by_thread);
    }
    munmap((void *)counters, 4096);
}

/* Whoever waits for room writes all that it is asked to, however the other end reads. */
enum { MUCH = 300001 };
static char much[MUCH];

static ssize_t send_all(int to, int how) {
    struct iovec parts[] = {{much, 7}, {much + 7, 200000}, {much + 200007, MUCH - 200007}};
    switch (how) {
    case 0: return write(to, much, MUCH);
    case 1: return writev(to, parts, 3);
    case 2: return send(to, much, MUCH, 0);
    default: return sendto(to, much, MUCH, 0, 0, 0);
    }
}

static void writes_are_whole(void) {
    char part[4099];
    for (int i = 0; i < MUCH; i++)
        much[i] = i * 31 + i / 251;
    for (int row = 0; row < 6; row++) {
        int ends[2], how = row < 4 ? row % 2 : row - 2, is_pipe = row < 2;
        SAME(is_pipe ? pipe(ends) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            close(ends[0]);
            _exit(send_all(ends[1], how) == MUCH ? 0 : 1);
        }
        close(ends[1]);
        /* What is read without waiting leaves odd room. */
        SAME(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
        struct pollfd ready = {.fd = ends[0], .events = POLLIN};
        int at = 0, same = 1;
        for (;;) {
            SAME(poll(&ready, 1, -1), 1);
            ssize_t count = read(ends[0], part, sizeof part - at % 5);
            if (count == 0)
                break;
            if (count < 0) {
                SAME(errno, EAGAIN);
                continue;
            }
            for (int i = 0; i < count; i++)
                same &= at + i < MUCH && part[i] == much[at + i];
            at += count;
        }
        SAME(at, MUCH);
        CHECK(same);
        int status = 1;
        SAME(waitpid(child, &status, 0), child);
        SAME(status, 0);
        close(ends[0]);
    }
    /* Without waiting it is what there is room for, and then an error. */
    int ends[2];
    SAME(pipe(ends), 0);
    SAME(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    ssize_t count = write(ends[1], much, MUCH);
    CHECK(count > 0 && count < MUCH);
    SAME(write(ends[1], much, MUCH), -1); SAME(errno, EAGAIN);
    close(ends[0]);
    SAME(signal(SIGPIPE, SIG_IGN) == SIG_ERR, 0);
    SAME(write(ends[1], much, MUCH), -1); SAME(errno, EPIPE);
    signal(SIGPIPE, SIG_DFL);
    close(ends[1]);
}

/* What one process has locked is not locked for the threads of another, which have the same numbers. */
struct between {
    pthread_mutex_t theirs, own;
};
static struct between *between;
static int lock_from_child(int kind) {
    struct timespec past = {1, 0};
    pthread_mutex_t *theirs = &between->theirs, *own = &between->own;
    if (pthread_mutex_trylock(theirs) != EBUSY || pthread_mutex_timedlock(theirs, &past) != ETIMEDOUT)
        return 1;
    if (pthread_mutex_unlock(theirs) != EPERM || pthread_mutex_trylock(theirs) != EBUSY)
        return 2;
    if (pthread_mutex_lock(own) || pthread_mutex_lock(own) != (kind == PTHREAD_MUTEX_RECURSIVE ? 0 : EDEADLK))
        return 3;
    if (pthread_mutex_unlock(own) || pthread_mutex_unlock(own) != (kind == PTHREAD_MUTEX_RECURSIVE ? 0 : EPERM))
        return 4;
    return pthread_mutex_unlock(own) != EPERM;
}

static void mutexes_between_processes(void) {
    static const int kinds[] = {PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK};
    between = mmap(0, sizeof *between, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(between != MAP_FAILED);
    pthread_mutexattr_t a;
    SAME(pthread_mutexattr_init(&a), 0);
    SAME(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED), 0);
    for (int i = 0; i < 2; i++) {
        SAME(pthread_mutexattr_settype(&a, kinds[i]), 0);
        SAME(pthread_mutex_init(&between->theirs, &a), 0);
        SAME(pthread_mutex_init(&between->own, &a), 0);
        SAME(pthread_mutex_lock(&between->theirs), 0);
        pid_t pid = fork();
        if (pid == 0)
            _exit(lock_from_child(kinds[i]));
        SAME(status_in_time(pid), 0);
        SAME(pthread_mutex_unlock(&between->theirs), 0); SAME(pthread_mutex_unlock(&between->theirs), EPERM);
        SAME(pthread_mutex_destroy(&between->theirs), 0); SAME(pthread_mutex_destroy(&between->own), 0);
    }
    SAME(munmap(between, sizeof *between), 0);
}

const struct test_case process_cases[] = {
    {"executing", executing},
    {"executing_forgets_rounding", executing_forgets_rounding},
    {"executing_open_files", executing_open_files},
    {"executing_keeps_signals", executing_keeps_signals},
    {"spawning", spawning},
    {"waiting", waiting},
    {"shell_commands", shell_commands},
    {"forks_among_threads", forks_among_threads},
    {"fork_while_another_reads", fork_while_another_reads},
    {"executing_among_threads", executing_among_threads},
    {"writes_are_whole", writes_are_whole},
    {"mutexes_between_processes", mutexes_between_processes},
};
const unsigned process_case_count = sizeof process_cases / sizeof *process_cases;
