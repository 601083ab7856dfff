/* What asks the system: processes, users, clocks, memory, sockets, logs. For what is the same on every
   system see conform/. */
#define _GNU_SOURCE
#include "cases.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <pty.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/openat2.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

extern char **environ;
extern int *__errno(void);

/* The program itself, which does what its arguments say (`child` in main.c's words). */
static char self[] = "/scheme/initfs/bin/test-c";

static int status_of(pid_t pid) {
    int status = -1;
    if (waitpid(pid, &status, 0) != pid)
        return -1000;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void write_file(const char *path, const char *text) {
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    CHECK(fd >= 0);
    SAME(write(fd, text, strlen(text)), (long)strlen(text));
    close(fd);
}

static void copy_file(const char *from, const char *to) {
    char b[4096];
    int in = open(from, O_RDONLY), out = open(to, O_CREAT | O_WRONLY | O_TRUNC, 0755);
    CHECK(in >= 0 && out >= 0);
    for (ssize_t n; (n = read(in, b, sizeof b)) > 0;)
        SAME(write(out, b, n), n);
    close(in), close(out);
}

/* Runs something in a child and answers its exit status. */
static int in_child(int (*run)(void)) {
    fflush(0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(run());
    return status_of(pid);
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

static int change_users(void) {
    /* As the superuser, which a test's process is. */
    uid_t r, e, s;
    gid_t rg, eg, sg;
    int wrong = 0;
    wrong |= setgroups(0, 0) != 0;
    wrong |= initgroups("root", getegid()) != 0;
    wrong |= setresgid(5, 6, 7) != 0 || getresgid(&rg, &eg, &sg) != 0 || rg != 5 || eg != 6 || sg != 7;
    wrong |= setregid(6, 5) != 0 || getgid() != 6 || getegid() != 5;
    wrong |= setegid(6) != 0 || getegid() != 6;
    wrong |= setgid(8) != 0 || getgid() != 8;
    wrong |= seteuid(0) != 0;
    wrong |= setresuid(10, 11, 12) != 0 || getresuid(&r, &e, &s) != 0 || r != 10 || e != 11 || s != 12;
    wrong |= setreuid(11, 10) != 0 || getuid() != 11 || geteuid() != 10;
    wrong |= seteuid(11) != 0 || geteuid() != 11;
    wrong |= setuid(0) != -1 || errno != EPERM;
    wrong |= setresuid(0, 0, 0) != -1;
    return wrong;
}

static int change_groups(void) {
    int wrong = setpgid(0, 0) != 0 || getpgrp() != getpid() || getpgid(0) != getpid();
    wrong |= setpgrp() != 0;
    wrong |= setpgid(0, -1) != -1 || errno != EINVAL;
    wrong |= setsid() != -1;
    return wrong;
}
static int new_session(void) { return setsid() != getpid() || getsid(0) != getpid() || getpgid(getpid()) != getpid(); }
static int slower(void) {
    errno = 0;
    int before = getpriority(PRIO_PROCESS, 0);
    return nice(3) != before + 3 || getpriority(PRIO_PROCESS, 0) != before + 3 || setpriority(PRIO_PROCESS, 0, 19) != 0 || getpriority(PRIO_PROCESS, 0) != 19 || setpriority(77, 0, 0) != -1 || errno != EINVAL;
}

static void identities(void) {
    SAME(getuid(), geteuid()); SAME(getgid(), getegid());
    CHECK(getppid() > 0 && getpid() > 0);
    SAME(getgroups(-1, 0), -1); SAME(errno, EINVAL);
    CHECK(getgroups(0, 0) >= 0);
    SAME(in_child(change_users), 0);
    SAME(in_child(change_groups), 0);
    SAME(in_child(new_session), 0);
    SAME(in_child(slower), 0);
    SAME(getsid(999999), -1); SAME(errno, ESRCH);
    SAME(chroot("/"), -1); SAME(errno, EPERM);
    char name[64] = "";
    SAME(setenv("LOGNAME", "somebody", 1), 0);
    CHECK(strcmp(getlogin(), "somebody") == 0);
    SAME(getlogin_r(name, sizeof name), 0); CHECK(strcmp(name, "somebody") == 0);
    SAME(getlogin_r(name, 3), ERANGE);
}

static void users_and_groups(void) {
    mkdir("/etc", 0755);
    write_file("/etc/passwd", "root;0;0;root;file:/root;file:/bin/sh\nuser;1000;1000;A User;/home/user;/bin/sh\n");
    write_file("/etc/group", "root;0;root\nuser;1000;user\nusers;100;user,root\n");
    struct passwd *p = getpwnam("user"), own, *found;
    CHECK(p && p->pw_uid == 1000 && strcmp(p->pw_dir, "/home/user") == 0);
    p = getpwuid(0);
    CHECK(p && strcmp(p->pw_name, "root") == 0);
    CHECK(!getpwnam("none") && !getpwuid(77));
    char b[256];
    SAME(getpwnam_r("user", &own, b, sizeof b, &found), 0); CHECK(found == &own && own.pw_gid == 1000);
    SAME(getpwnam_r("user", &own, b, 3, &found), ERANGE); CHECK(!found);
    SAME(getpwuid_r(55, &own, b, sizeof b, &found), 0); CHECK(!found);
    int count = 0;
    setpwent();
    while (getpwent())
        count++;
    endpwent();
    SAME(count, 2);
    struct group *g = getgrnam("users"), group, *found_group;
    CHECK(g && g->gr_gid == 100 && strcmp(g->gr_mem[0], "user") == 0 && strcmp(g->gr_mem[1], "root") == 0 && !g->gr_mem[2]);
    g = getgrgid(1000);
    CHECK(g && strcmp(g->gr_name, "user") == 0);
    SAME(getgrnam_r("users", &group, b, sizeof b, &found_group), 0); CHECK(found_group == &group);
    SAME(getgrgid_r(100, &group, b, 4, &found_group), ERANGE);
    count = 0;
    setgrent();
    while (getgrent())
        count++;
    endgrent();
    SAME(count, 3);
    gid_t list[4];
    int room = 4;
    SAME(getgrouplist("user", 1000, list, &room), 2); SAME(room, 2); SAME(list[0], 1000); SAME(list[1], 100);
    room = 1;
    SAME(getgrouplist("user", 1000, list, &room), -1); SAME(room, 2);
}

static void networks(void) {
    mkdir("/etc", 0755);
    write_file("/etc/services", "# name port\nhttp 80/tcp www\nhttp 80/udp\ndomain 53/udp\n");
    write_file("/etc/protocols", "ip 0 IP\ntcp 6 TCP\nudp 17 UDP\n");
    write_file("/etc/hosts", "127.0.0.1 localhost\n10.1.2.3 machine.example machine\n");
    struct servent *s = getservbyname("www", "tcp");
    CHECK(s && strcmp(s->s_name, "http") == 0 && s->s_port == htons(80) && strcmp(s->s_proto, "tcp") == 0 && strcmp(s->s_aliases[0], "www") == 0 && !s->s_aliases[1]);
    CHECK(!getservbyname("www", "udp") && !getservbyname("none", 0));
    s = getservbyport(htons(53), 0);
    CHECK(s && strcmp(s->s_name, "domain") == 0);
    struct protoent *p = getprotobyname("UDP");
    CHECK(p && p->p_proto == 17 && strcmp(p->p_name, "udp") == 0);
    p = getprotobynumber(6);
    CHECK(p && strcmp(p->p_name, "tcp") == 0 && strcmp(p->p_aliases[0], "TCP") == 0);
    CHECK(!getprotobynumber(200));
    struct hostent *h = gethostbyname("machine");
    CHECK(h && strcmp(h->h_name, "machine.example") == 0 && strcmp(h->h_aliases[0], "machine") == 0 && h->h_length == 4 && h->h_addrtype == AF_INET);
    CHECK(memcmp(h->h_addr, "\x0a\x01\x02\x03", 4) == 0 && !h->h_addr_list[1]);
    h = gethostbyaddr("\x0a\x01\x02\x03", 4, AF_INET);
    CHECK(h && strcmp(h->h_name, "machine.example") == 0);
    CHECK(!gethostbyname("no-such-machine")); SAME(h_errno, HOST_NOT_FOUND);
    CHECK(hstrerror(h_errno)[0]);
    herror("networks");
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    SAME(getaddrinfo("machine", "http", &hints, &list), 0);
    CHECK(((struct sockaddr_in *)list->ai_addr)->sin_port == htons(80) && !list->ai_next);
    freeaddrinfo(list);
    SAME(if_nametoindex("eth0"), 0); SAME(errno, ENODEV);
    char name[IF_NAMESIZE];
    CHECK(!if_indextoname(1, name)); SAME(errno, ENXIO);
    struct if_nameindex *all = if_nameindex();
    CHECK(all && all[0].if_index == 0);
    if_freenameindex(all);
}

static volatile int caught;
static void catch(int number) { caught = number; }
static volatile long value_caught;
static void catch_info(int number, siginfo_t *info, void *context) {
    (void)context;
    caught = number;
    value_caught = (long)info->si_value.sival_ptr;
}
static char *stack_used;
static void on_stack(int number) {
    char here;
    stack_used = &here;
    caught = number;
}
static int signal_group(void) {
    setpgid(0, 0);
    signal(SIGUSR1, catch);
    killpg(getpgrp(), SIGUSR1);
    return caught != SIGUSR1 || killpg(-3, 0) != -1 || errno != EINVAL;
}

static void more_signals(void) {
    sigset_t set, old;
    SAME(sigfillset(&set), 0); SAME(sigismember(&set, SIGUSR2), 1);
    SAME(sigdelset(&set, SIGUSR2), 0); SAME(sigismember(&set, SIGUSR2), 0);
    SAME(sigdelset(&set, 0), -1); SAME(errno, EINVAL);
    SAME(sigaddset(&set, 65), -1); SAME(errno, EINVAL);
    struct sigaction action = {.sa_handler = on_stack, .sa_flags = SA_ONSTACK};
    static char memory[1 << 16];
    stack_t stack = {memory, 0, sizeof memory}, before;
    stack_t small = {memory, 0, 16};
    SAME(sigaltstack(&small, 0), -1); SAME(errno, ENOMEM);
    SAME(sigaltstack(&stack, &before), 0); SAME(before.ss_flags, SS_DISABLE);
    SAME(sigaction(SIGUSR2, &action, 0), 0);
    SAME(raise(SIGUSR2), 0);
    CHECK(caught == SIGUSR2 && stack_used > memory && stack_used < memory + sizeof memory);
    SAME(sigaltstack(&before, 0), 0);
    /* With the value that was queued. */
    action = (struct sigaction){.sa_sigaction = catch_info, .sa_flags = SA_SIGINFO};
    SAME(sigaction(SIGRTMIN, &action, 0), 0);
    SAME(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_ptr = (void *)1234}), 0);
    SAME(caught, SIGRTMIN); SAME(value_caught, 1234);
    sigemptyset(&set), sigaddset(&set, SIGRTMIN + 1);
    SAME(sigprocmask(SIG_BLOCK, &set, &old), 0);
    SAME(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_ptr = (void *)77}), 0);
    siginfo_t info;
    SAME(sigwaitinfo(&set, &info), SIGRTMIN + 1);
    CHECK(info.si_value.sival_ptr == (void *)77 && info.si_pid == getpid());
    SAME(sigprocmask(SIG_SETMASK, &old, 0), 0);
    SAME(in_child(signal_group), 0);
    SAME(siginterrupt(SIGALRM, 1), 0);
    signal(SIGALRM, catch), siginterrupt(SIGALRM, 1);
    caught = 0;
    alarm(1);
    SAME(sigpause(SIGUSR2), -1); SAME(errno, EINTR); SAME(caught, SIGALRM);
    psignal(SIGTERM, "psignal");
    psiginfo(&info, "psiginfo");
}

static void clocks(void) {
    struct timespec t, u;
    struct timeval v;
    SAME(clock_getres(CLOCK_MONOTONIC, &t), 0); CHECK(t.tv_sec == 0 && t.tv_nsec > 0);
    SAME(clock_getres(99, &t), -1); SAME(errno, EINVAL);
    SAME(timespec_get(&t, TIME_UTC), TIME_UTC); SAME(timespec_get(&t, 0), 0);
    SAME(gettimeofday(&v, 0), 0); CHECK(llabs(v.tv_sec - t.tv_sec) < 5);
    SAME(clock_settime(CLOCK_REALTIME, &t), -1); SAME(errno, EPERM);
    SAME(clock_settime(CLOCK_MONOTONIC, &t), -1); SAME(errno, EINVAL);
    SAME(settimeofday(&v, 0), -1); SAME(errno, EPERM);
    SAME(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    u = t, u.tv_nsec += 2000000;
    if (u.tv_nsec >= 1000000000)
        u.tv_sec++, u.tv_nsec -= 1000000000;
    SAME(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &u, 0), 0);
    SAME(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    CHECK(t.tv_sec > u.tv_sec || (t.tv_sec == u.tv_sec && t.tv_nsec >= u.tv_nsec));
    u.tv_nsec = -1;
    SAME(clock_nanosleep(CLOCK_MONOTONIC, 0, &u, 0), EINVAL);
    SAME(clock_nanosleep(99, 0, &t, 0), EINVAL);
    SAME(usleep(1000), 0); SAME(sleep(0), 0);
    struct itimerval interval = {{0, 0}, {0, 2000}}, now;
    signal(SIGALRM, catch);
    caught = 0;
    SAME(setitimer(ITIMER_REAL, &interval, 0), 0);
    while (!caught)
        usleep(500);
    SAME(getitimer(ITIMER_REAL, &now), 0); CHECK(now.it_value.tv_sec == 0 && now.it_value.tv_usec == 0);
    SAME(getitimer(99, &now), -1); SAME(errno, EINVAL);
    caught = 0;
    ualarm(2000, 0);
    while (!caught)
        usleep(500);
    SAME(alarm(100), 0); CHECK(alarm(0) > 90);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    SAME(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    SAME(timer_getoverrun(timer), 0);
    SAME(timer_delete(timer), 0);
    wchar_t text[32];
    struct tm tm = {.tm_year = 124, .tm_mon = 1, .tm_mday = 29};
    SAME(wcsftime(text, 32, L"%Y-%m-%d", &tm), 10); CHECK(wcscmp(text, L"2024-02-29") == 0);
}

static long long clock_now(clockid_t clock) {
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? t.tv_sec * 1000000000ll + t.tv_nsec : -1;
}

/* Keeps the processor for so many nanoseconds. */
static void keep_busy(long long amount) {
    long long end = clock_now(CLOCK_THREAD_CPUTIME_ID) + amount;
    while (clock_now(CLOCK_THREAD_CPUTIME_ID) < end)
        ;
}

static void *busy_thread(void *amount) {
    keep_busy((long)amount);
    return 0;
}

static const long long millisecond = 1000000;

static long long used(int who) {
    struct rusage usage;
    return getrusage(who, &usage) == 0 ? usage.ru_utime.tv_sec * 1000000000ll + usage.ru_utime.tv_usec * 1000ll : -1;
}

static long long before_fork;

/* 0 if its clock began with it, and its parent's children are not its own. */
static int works_and_has_a_child(void) {
    if (clock_now(CLOCK_PROCESS_CPUTIME_ID) >= before_fork || used(RUSAGE_CHILDREN) != 0)
        return 1;
    pid_t pid = fork();
    if (pid == 0)
        keep_busy(20 * millisecond), _exit(0);
    if (status_of(pid) != 0 || used(RUSAGE_CHILDREN) < 20 * millisecond)
        return 2;
    keep_busy(20 * millisecond);
    return 0;
}

static void processor_time(void) {
    long long process = clock_now(CLOCK_PROCESS_CPUTIME_ID), thread = clock_now(CLOCK_THREAD_CPUTIME_ID);
    clock_t ticks = clock();
    CHECK(process > 0 && thread > 0 && ticks > 0);
    CHECK(thread <= clock_now(CLOCK_PROCESS_CPUTIME_ID));
    keep_busy(30 * millisecond);
    CHECK(clock_now(CLOCK_PROCESS_CPUTIME_ID) - process >= 30 * millisecond);
    CHECK((clock() - ticks) * (1000000000ll / CLOCKS_PER_SEC) >= 29 * millisecond);
    CHECK(used(RUSAGE_SELF) >= 30 * millisecond && used(RUSAGE_THREAD) >= 30 * millisecond);
    struct tms first, now;
    CHECK(times(&first) != (clock_t)-1);
    CHECK(first.tms_utime + first.tms_stime >= 3);

    /* What does not run uses nothing. */
    long long real = clock_now(CLOCK_MONOTONIC);
    process = clock_now(CLOCK_PROCESS_CPUTIME_ID);
    usleep(20000);
    process = clock_now(CLOCK_PROCESS_CPUTIME_ID) - process;
    CHECK(process < clock_now(CLOCK_MONOTONIC) - real);

    /* Threads are counted, also when they have ended. */
    thread = clock_now(CLOCK_THREAD_CPUTIME_ID), process = clock_now(CLOCK_PROCESS_CPUTIME_ID);
    pthread_t t;
    SAME(pthread_create(&t, 0, busy_thread, (void *)(long)(20 * millisecond)), 0);
    SAME(pthread_join(t, 0), 0);
    thread = clock_now(CLOCK_THREAD_CPUTIME_ID) - thread;
    CHECK(clock_now(CLOCK_PROCESS_CPUTIME_ID) - process >= thread + 20 * millisecond);

    /* A child's time is there when it has been waited for. */
    keep_busy(100 * millisecond);
    fflush(0);
    long long children = used(RUSAGE_CHILDREN);
    before_fork = clock_now(CLOCK_PROCESS_CPUTIME_ID);
    pid_t pid = fork();
    if (pid == 0)
        _exit(works_and_has_a_child());
    siginfo_t info;
    SAME(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
    SAME(info.si_status, 0);
    SAME(used(RUSAGE_CHILDREN), children);
    CHECK(times(&now) != (clock_t)-1); SAME(now.tms_cutime, first.tms_cutime);
    int status;
    struct rusage usage;
    SAME(wait4(pid, &status, 0, &usage), pid); SAME(status, 0);
    long long told = usage.ru_utime.tv_sec * 1000000000ll + usage.ru_utime.tv_usec * 1000ll;
    CHECK(told >= 40 * millisecond);
    CHECK(used(RUSAGE_CHILDREN) >= children + told);
    CHECK(times(&now) != (clock_t)-1); CHECK(now.tms_cutime + now.tms_cstime >= first.tms_cutime + 4);

    /* A program that is executed goes on counting. */
    pid = fork();
    if (pid == 0)
        keep_busy(50 * millisecond), execl(self, self, "child", "used", "50", (char *)0), _exit(99);
    SAME(status_of(pid), 0);

    clockid_t clock;
    SAME(clock_getcpuclockid(0, &clock), 0); SAME(clock, CLOCK_PROCESS_CPUTIME_ID);
    SAME(clock_getcpuclockid(getpid(), &clock), 0); SAME(clock, CLOCK_PROCESS_CPUTIME_ID);
    SAME(clock_getcpuclockid(getppid(), &clock), EPERM);
    SAME(clock_getcpuclockid(999999, &clock), ESRCH);
}

static int ask_password(void) {
    write_file("/secret", "a word\nmore");
    if (dup2(open("/secret", O_RDONLY), 0) != 0)
        return 1;
    char *answer = getpass("");
    return !answer || strcmp(answer, "a word") != 0;
}

static void facts(void) {
    char b[300];
    SAME(getpagesize(), 4096); CHECK(getdtablesize() > 0);
    SAME(gethostname(b, sizeof b), 0); CHECK(b[0]);
    SAME(gethostname(b, 1), -1); SAME(errno, ENAMETOOLONG);
    SAME(sethostname("x", 1), -1); SAME(errno, EPERM);
    SAME(getdomainname(b, sizeof b), 0);
    CHECK(confstr(_CS_PATH, b, sizeof b) > 1 && strchr(b, '/'));
    SAME(confstr(9999, b, sizeof b), 0); SAME(errno, EINVAL);
    CHECK(sysconf(_SC_PHYS_PAGES) > sysconf(_SC_AVPHYS_PAGES) && sysconf(_SC_AVPHYS_PAGES) > 0);
    double averages[3];
    SAME(getloadavg(averages, 3), -1);
    struct rlimit limit;
    SAME(getrlimit(RLIMIT_NOFILE, &limit), 0); CHECK(limit.rlim_cur > 0);
    SAME(setrlimit(RLIMIT_NOFILE, &limit), 0);
    SAME(getrlimit(99, &limit), -1); SAME(errno, EINVAL);
    limit.rlim_cur = 5, limit.rlim_max = 4;
    SAME(setrlimit(RLIMIT_CORE, &limit), -1); SAME(errno, EINVAL);
    struct rusage usage;
    SAME(getrusage(RUSAGE_SELF, &usage), 0); SAME(getrusage(99, &usage), -1); SAME(errno, EINVAL);
    unsigned char noise[64] = {0}, more[64] = {0};
    SAME(getentropy(noise, 64), 0); SAME(getrandom(more, 64, 0), 64); CHECK(memcmp(noise, more, 64) != 0);
    SAME(getentropy(noise, 257), -1); CHECK(errno == EIO || errno == EINVAL);
    CHECK(__errno() == &errno);
    jmp_buf place;
    volatile int passes = 0;
    if (_setjmp(place) == 0)
        passes = 1, _longjmp(place, 2);
    SAME(passes, 1);
    assert(passes == 1);
    SAME(in_child(ask_password), 0);
}

static void mapped_memory(void) {
    char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    SAME(madvise(p, 8192, MADV_NORMAL), 0); SAME(posix_madvise(p, 8192, POSIX_MADV_NORMAL), 0);
    SAME(msync(p, 8192, MS_SYNC), 0); SAME(msync(p + 1, 8192, MS_SYNC), -1); SAME(errno, EINVAL);
    SAME(mlock(p, 4096), 0); SAME(munlock(p, 4096), 0);
    SAME(mlockall(MCL_CURRENT), 0); SAME(munlockall(), 0);
    SAME(munmap(p, 8192), 0);
}

static void terminals(void) {
    struct termios t;
    memset(&t, 0, sizeof t);
    SAME(cfsetispeed(&t, B9600), 0); SAME(cfsetospeed(&t, B38400), 0);
    SAME(cfgetispeed(&t), B9600); SAME(cfgetospeed(&t), B38400);
    SAME(cfsetspeed(&t, B115200), 0); SAME(cfgetispeed(&t), B115200);
    SAME(cfsetospeed(&t, 0x7fffffff), -1); SAME(errno, EINVAL);
    struct winsize size;
    int fd = open("/scheme/null", O_RDWR);
    SAME(tcgetwinsize(fd, &size), -1); SAME(errno, ENOTTY); SAME(tcsetwinsize(fd, &size), -1); SAME(errno, ENOTTY);
    SAME(login_tty(999), -1);
    close(fd);
}

static void at_functions(void) {
    SAME(mkdir("/at", 0755), 0);
    int dir = open("/at", O_RDONLY | O_DIRECTORY);
    write_file("/at/f", "text");
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH};
    int fd = openat2(dir, "f", &how, sizeof how);
    CHECK(fd >= 0);
    close(fd);
    SAME(openat2(dir, "../at/f", &how, sizeof how), -1); SAME(errno, EPERM);
    SAME(openat2(dir, "f", &how, 3), -1); SAME(errno, EINVAL);
    SAME(mkdirat(dir, "d", 0755), 0); SAME(mkdirat2(dir, "../x", 0755, AT_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
    SAME(symlinkat("f", dir, "l"), 0); SAME(symlinkat2("f", dir, "../l", AT_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
    char b[8] = "";
    SAME(readlinkat(dir, "l", b, sizeof b), 1); SAME(b[0], 'f');
    SAME(readlinkat2(dir, "../at/l", b, sizeof b, AT_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
    SAME(linkat(dir, "f", dir, "h", 0), 0); SAME(linkat(dir, "none", dir, "x", 0), -1); SAME(errno, ENOENT);
    SAME(faccessat(dir, "f", R_OK, 0), 0); SAME(faccessat(dir, "none", F_OK, 0), -1); SAME(errno, ENOENT);
    SAME(fchownat(dir, "f", -1, -1, 0), 0); SAME(fchownat(999, "f", -1, -1, 0), -1); SAME(errno, EBADF);
    struct timespec times[2] = {{10, 0}, {20, 0}};
    SAME(utimensat(dir, "f", times, 0), 0);
    struct stat s;
    SAME(stat("/at/f", &s), 0); SAME(s.st_mtime, 20); SAME(s.st_nlink, 2);
    SAME(lchmod("/at/f", 0600), 0);
    SAME(mkfifoat(dir, "p", 0600), 0); SAME(mkfifo("/at/p", 0600), -1); SAME(errno, EEXIST);
    SAME(truncate("/at/p", 0), -1); SAME(errno, EINVAL);
    SAME(mknod("/at/n", S_IFREG | 0600, 0), 0); SAME(mknodat(dir, "m", S_IFREG | 0600, 0), 0); SAME(mknodat(dir, "c", S_IFCHR | 0600, 1), -1); SAME(errno, EPERM);
    close(dir);
}

static volatile int broken, rang;
static void count(int number) { broken += number == SIGPIPE; rang += number == SIGALRM; }

static void fifos(void) {
    SAME(mkfifo("/fifo", 0600), 0);
    /* A signal ends the wait of an open, a read and a write. */
    struct sigaction action = {.sa_handler = count};
    SAME(sigaction(SIGALRM, &action, 0), 0);
    ualarm(20000, 0);
    SAME(open("/fifo", O_RDONLY), -1); SAME(errno, EINTR); SAME(rang, 1);
    ualarm(20000, 0);
    SAME(open("/fifo", O_WRONLY), -1); SAME(errno, EINTR); SAME(rang, 2);
    SAME(open("/fifo", O_WRONLY | O_NONBLOCK), -1); SAME(errno, ENXIO);
    int both = open("/fifo", O_RDWR);
    CHECK(both >= 0);
    char b[PIPE_BUF] = "";
    ualarm(20000, 0);
    SAME(read(both, b, sizeof b), -1); SAME(errno, EINTR); SAME(rang, 3);
    for (int i = 0; i < 16; i++) SAME(write(both, b, sizeof b), sizeof b);
    ualarm(20000, 0);
    SAME(write(both, b, 1), -1); SAME(errno, EINTR); SAME(rang, 4);
    SAME(read(both, b, 100), 100);
    static char big[1000];
    ualarm(20000, 0);
    /* What is whole waits for all of its room. */
    SAME(write(both, big, sizeof big), -1); SAME(errno, EINTR); SAME(rang, 5);
    SAME(write(both, big, 100), 100);
    signal(SIGALRM, SIG_DFL);
    int to = open("/fifo", O_WRONLY);
    close(both);
    signal(SIGPIPE, count);
    broken = 0;
    SAME(write(to, "x", 1), -1); SAME(errno, EPIPE); SAME(broken, 1);
    signal(SIGPIPE, SIG_DFL);
    SAME(lseek(to, 0, SEEK_SET), -1); SAME(errno, ESPIPE);
    SAME(fpathconf(to, _PC_PIPE_BUF), PIPE_BUF);
    close(to);
    SAME(unlink("/fifo"), 0);
}

static int confined_reads_link(void) {
    if (fcntl(AT_FDCWD, F_CAP_BENEATH) != 0)
        return 1;
    if (open("across/passwd", O_RDONLY) != -1 || errno != EPERM)
        return 2;
    if (open("across/none/of/it", O_RDONLY) != -1 || errno != EPERM)
        return 3;
    return 0;
}

/* Links from one scheme's files to another's. */
static void links_between_schemes(void) {
    struct stat direct, s;
    SAME(mkdir("/between", 0755), 0);
    SAME(symlink("/scheme/initfs/etc", "/between/across"), 0);
    SAME(symlink("across/passwd", "/between/twice"), 0);
    SAME(symlink("/scheme/initfs/etc/passwd", "/between/file"), 0);
    SAME(symlink("/scheme/nobody/x", "/between/nobody"), 0);
    SAME(symlink("../between", "/between/same"), 0);
    SAME(stat("/scheme/initfs/etc/passwd", &direct), 0);
    static const char *const paths[] = {"/between/file", "/between/twice", "/between/across/passwd", "/between/same/same/twice", "/between/across/../etc/passwd"};
    int dir = open("/between", O_RDONLY | O_DIRECTORY);
    CHECK(dir >= 0);
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        const char *relative = paths[i] + strlen("/between/");
        SAME(stat(paths[i], &s), 0); CHECK(s.st_dev == direct.st_dev && s.st_ino == direct.st_ino);
        SAME(fstatat(dir, relative, &s, 0), 0); CHECK(s.st_ino == direct.st_ino);
        int fd = openat(dir, relative, O_RDONLY);
        CHECK(fd >= 0); close(fd);
        SAME(access(paths[i], R_OK), 0);
        /* What may not leave does not. */
        SAME(openat(dir, relative, O_RDONLY | O_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
        SAME(fstatat(dir, relative, &s, AT_RESOLVE_BENEATH), -1); SAME(errno, EPERM);
    }
    SAME(lstat("/between/file", &s), 0); CHECK(S_ISLNK(s.st_mode));
    SAME(lstat("/between/across/passwd", &s), 0); CHECK(S_ISREG(s.st_mode));
    SAME(open("/between/file", O_RDONLY | O_NOFOLLOW), -1); SAME(errno, ELOOP);
    SAME(open("/between/nobody", O_RDONLY), -1); SAME(errno, ENODEV);
    SAME(open("/between/across/none", O_RDONLY), -1); SAME(errno, ENOENT);
    SAME(open("/between/across", O_RDONLY | O_CREAT | O_EXCL, 0600), -1); SAME(errno, EEXIST);
    char b[64];
    SAME(readlink("/between/file", b, sizeof b), (long)strlen("/scheme/initfs/etc/passwd"));
    SAME(readlink("/between/across/passwd", b, sizeof b), -1); SAME(errno, EINVAL);
    SAME(mkdir("/between/across/new", 0755), -1); CHECK(errno == EROFS || errno == EACCES || errno == EPERM);
    SAME(unlink("/between/across/none"), -1); CHECK(errno != EXDEV);
    DIR *list = opendir("/between/across");
    CHECK(list); CHECK(readdir(list)); closedir(list);
    SAME(rename("/between/across/passwd", "/between/taken"), -1); SAME(errno, EXDEV);
    SAME(chdir("/between"), 0);
    SAME(in_child(confined_reads_link), 0);
    SAME(chdir("across"), 0);
    int fd = open("passwd", O_RDONLY);
    CHECK(fd >= 0); close(fd);
    SAME(chdir("/"), 0);
    int limited = openat(dir, ".", O_RDONLY | O_DIRECTORY);
    CHECK(fcntl(limited, F_CAP_BENEATH) >= 0);
    SAME(openat(limited, "file", O_RDONLY), -1); SAME(errno, EPERM);
    close(limited), close(dir);
    SAME(symlink("/scheme/initfs/bin", "/between/programs"), 0);
    pid_t pid = fork();
    if (pid == 0)
        execl("/between/programs/test-c", self, "child", "exit", "6", (char *)0), _exit(99);
    SAME(status_of(pid), 6);
    SAME(unlink("/between/file"), 0); SAME(stat("/scheme/initfs/etc/passwd", &s), 0);
}

static void sockets(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/socket"}, other;
    socklen_t size = sizeof other;
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(server >= 0 && client >= 0);
    SAME(bind(server, (struct sockaddr *)&address, sizeof address), 0);
    SAME(listen(server, 4), 0);
    SAME(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    int end = accept(server, 0, 0);
    CHECK(end >= 0);
    SAME(getpeername(client, (struct sockaddr *)&other, &size), 0); CHECK(strcmp(other.sun_path, "/socket") == 0);
    SAME(sockatmark(client), -1); SAME(sockatmark(0), -1);
    SAME(accept(client, 0, 0), -1); SAME(errno, EINVAL);
    SAME(accept(999, 0, 0), -1); SAME(errno, EBADF);
    SAME(send(client, "x", 1, 0), 1);
    close(end);
    /* Nobody is at the other end: a signal, but not for those who do not want it. */
    signal(SIGPIPE, count);
    broken = 0;
    SAME(send(client, "x", 1, MSG_NOSIGNAL), -1); SAME(errno, EPIPE); SAME(broken, 0);
    SAME(send(client, "x", 1, 0), -1); SAME(errno, EPIPE); SAME(broken, 1);
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    SAME(sendmsg(client, &message, 0), -1); SAME(errno, EPIPE); SAME(broken, 2);
    SAME(write(client, "x", 1), -1); SAME(errno, EPIPE); SAME(broken, 3);
    signal(SIGPIPE, SIG_DFL);
    close(server), close(client), unlink("/socket");
}

static void waiting_with_masks(void) {
    int ends[2];
    SAME(pipe(ends), 0);
    sigset_t mask;
    sigemptyset(&mask);
    struct timespec soon = {0, 1000000};
    struct pollfd p = {ends[0], POLLIN, 0};
    SAME(ppoll(&p, 1, &soon, &mask), 0);
    fd_set set;
    FD_ZERO(&set), FD_SET(ends[1], &set);
    SAME(pselect(ends[1] + 1, 0, &set, 0, &soon, &mask), 1);
    int queue = epoll_create(1);
    CHECK(queue >= 0);
    SAME(epoll_create(0), -1); SAME(errno, EINVAL);
    struct epoll_event e = {.events = EPOLLOUT, .data.fd = 5}, got;
    SAME(epoll_ctl(queue, EPOLL_CTL_ADD, ends[1], &e), 0);
    SAME(epoll_pwait(queue, &got, 1, -1, &mask), 1); SAME(got.data.fd, 5);
    close(queue), close(ends[0]), close(ends[1]);
}

static void log_list(int priority, const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsyslog(priority, format, list);
    va_end(list);
}

static void logs(void) {
    openlog("test-c", LOG_PID | LOG_NDELAY, LOG_USER);
    SAME(setlogmask(LOG_UPTO(LOG_INFO)), 0xff);
    syslog(LOG_INFO, "number %d, error %m", 42);
    log_list(LOG_ERR, "by %s", "list");
    syslog(LOG_DEBUG, "not to be seen");
    char text[16384] = "", line[64];
    int fd = open("/scheme/log", O_RDONLY | O_NONBLOCK);
    CHECK(fd >= 0);
    for (ssize_t n, used = 0; used < (ssize_t)sizeof text - 1 && (n = read(fd, text + used, sizeof text - 1 - used)) > 0;)
        used += n;
    close(fd);
    snprintf(line, sizeof line, "test-c[%d]: info: number 42, error ", getpid());
    CHECK(strstr(text, line) && strstr(text, "]: error: by list\n"));
    CHECK(!strstr(text, "not to be seen"));
    SAME(setlogmask(0xff), LOG_UPTO(LOG_INFO));
    closelog();
}

static void list_out(int wide, const void *format, ...) {
    va_list list;
    va_start(list, format);
    if (wide)
        vwprintf(format, list);
    else
        vprintf(format, list);
    va_end(list);
}
static int list_in(int wide, const void *format, ...) {
    va_list list;
    va_start(list, format);
    int n = wide ? vwscanf(format, list) : vscanf(format, list);
    va_end(list);
    return n;
}
/* Standard input and output take a side for good, so each side has a process. */
static int narrow_streams(void) {
    int number = 0;
    if (!freopen("/narrow", "w+", stdout) || !freopen("/narrow", "r", stdin))
        return 1;
    list_out(0, "%d words\n", 12);
    fflush(stdout);
    return list_in(0, "%d", &number) != 1 || number != 12;
}
static int wide_streams(void) {
    int number = 0, other = 0;
    if (!freopen("/wide", "w+", stdout) || !freopen("/wide", "r", stdin))
        return 1;
    wprintf(L"%d ", 34);
    list_out(1, L"%d", 56);
    putwchar(L'!');
    fflush(stdout);
    if (wscanf(L"%d", &number) != 1 || list_in(1, L"%d", &other) != 1)
        return 2;
    return number != 34 || other != 56 || getwchar() != L'!' || getwchar() != WEOF;
}
static void standard_streams(void) {
    SAME(in_child(narrow_streams), 0);
    SAME(in_child(wide_streams), 0);
}

const struct test_case system_cases[] = {
    {"executing", executing},
    {"spawning", spawning},
    {"waiting", waiting},
    {"shell_commands", shell_commands},
    {"identities", identities},
    {"users_and_groups", users_and_groups},
    {"networks", networks},
    {"more_signals", more_signals},
    {"clocks", clocks},
    {"processor_time", processor_time},
    {"facts", facts},
    {"mapped_memory", mapped_memory},
    {"terminals", terminals},
    {"at_functions", at_functions},
    {"links_between_schemes", links_between_schemes},
    {"fifos", fifos},
    {"sockets", sockets},
    {"waiting_with_masks", waiting_with_masks},
    {"logs", logs},
    {"standard_streams", standard_streams},
};
const unsigned system_case_count = sizeof system_cases / sizeof *system_cases;
