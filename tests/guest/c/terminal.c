/* Pseudo-terminals, Unix sockets and shared memory as C programs use them. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

/* Reads once and ends what was read. */
static const char *text(int fd) {
    static char buffer[256];
    ssize_t len = read(fd, buffer, sizeof buffer - 1);
    if (len < 0)
        return strerror(errno);
    buffer[len] = 0;
    return buffer;
}

static int is(const char *got, const char *want) {
    if (strcmp(got, want) == 0)
        return 1;
    printf("  expected \"%s\", got \"%s\"\n", want, got);
    return 0;
}

static void pair(void) {
    int master, slave;
    char name[64], other[64];
    struct winsize size = {.ws_row = 10, .ws_col = 20};
    SAME(openpty(&master, &slave, name, NULL, &size), 0);
    CHECK(isatty(slave) && isatty(master) && !isatty(-1));
    SAME(errno, EBADF);
    SAME(ttyname_r(slave, other, sizeof other), 0);
    CHECK(strcmp(name, other) == 0 && strcmp(ttyname(slave), name) == 0);
    SAME(ptsname_r(master, other, sizeof other), 0);
    CHECK(strcmp(name, other) == 0 && strcmp(ptsname(master), name) == 0);
    SAME(ptsname_r(master, other, 3), ERANGE);
    SAME(grantpt(master), 0);
    SAME(unlockpt(master), 0);
    struct winsize got;
    SAME(ioctl(slave, TIOCGWINSZ, &got), 0);
    SAME(got.ws_row, 10);
    SAME(got.ws_col, 20);
    SAME(write(master, "one\rtwo\r", 8), 8);
    int waiting;
    SAME(ioctl(slave, FIONREAD, &waiting), 0);
    SAME(waiting, 8);
    CHECK(is(text(slave), "one\n"));
    CHECK(is(text(slave), "two\n"));
    CHECK(is(text(master), "one\r\ntwo\r\n"));
    /* By its number, and by the multiplexer's other name. */
    int again = open(name, O_RDWR | O_NOCTTY);
    CHECK(again >= 0);
    SAME(write(again, "x\n", 2), 2);
    CHECK(is(text(master), "x\r\n"));
    int number;
    SAME(ioctl(master, TIOCGPTN, &number), 0);
    snprintf(other, sizeof other, "/dev/pts/%d", number);
    int third = open(other, O_RDWR);
    CHECK(third >= 0);
    int multiplexer = open("/dev/ptmx", O_RDWR);
    CHECK(multiplexer >= 0 && ptsname(multiplexer) != NULL);
    SAME(posix_openpt(-1), -1);
    SAME(errno, EINVAL);
    int opened = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(opened >= 0);
    close(opened);
    close(multiplexer);
    close(third);
    close(again);
    close(slave);
    CHECK(is(text(master), ""));
    close(master);
}

static void settings(void) {
    int master, slave;
    SAME(openpty(&master, &slave, NULL, NULL, NULL), 0);
    struct termios old, new;
    SAME(tcgetattr(slave, &old), 0);
    CHECK((old.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG));
    new = old;
    cfmakeraw(&new);
    SAME(tcsetattr(slave, TCSAFLUSH, &new), 0);
    SAME(write(master, "\003\r", 2), 2);
    CHECK(is(text(slave), "\003\r"));
    SAME(write(slave, "a\n", 2), 2);
    CHECK(is(text(master), "a\n"));
    /* A read that waits for a time. */
    new.c_cc[VMIN] = 0;
    new.c_cc[VTIME] = 1;
    SAME(tcsetattr(slave, TCSANOW, &new), 0);
    SAME(read(slave, &(char){0}, 1), 0);
    SAME(tcsetattr(slave, TCSADRAIN, &old), 0);
    SAME(tcflow(slave, TCOOFF), 0);
    SAME(write(slave, "held", 4), 4);
    struct pollfd one = {.fd = master, .events = POLLIN};
    SAME(poll(&one, 1, 0), 0);
    SAME(tcflow(slave, TCOON), 0);
    SAME(poll(&one, 1, 1000), 1);
    CHECK(is(text(master), "held"));
    SAME(write(master, "typed\r", 6), 6);
    SAME(tcflush(slave, TCIFLUSH), 0);
    one.fd = slave;
    SAME(poll(&one, 1, 0), 0);
    SAME(tcsendbreak(slave, 0), 0);
    SAME(tcdrain(slave), 0);
    SAME(tcflush(slave, 9), -1);
    SAME(errno, EINVAL);
    SAME(tcgetpgrp(slave), -1);
    SAME(errno, ENOTTY);
    int pipe_ends[2];
    SAME(pipe(pipe_ends), 0);
    SAME(tcgetattr(pipe_ends[0], &old), -1);
    SAME(errno, ENOTTY);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    close(slave);
    close(master);
}

/* What a child on a new terminal does. */
static int child_waits(void) {
    if (tcgetpgrp(0) != getpid() || tcgetsid(0) != getpid())
        return 3;
    int terminal = open("/dev/tty", O_RDWR);
    if (terminal < 0 || write(terminal, "ready\n", 6) != 6)
        return 4;
    for (;;)
        pause();
}

static void keys_end_the_foreground(void) {
    int master, status;
    pid_t child = forkpty(&master, NULL, NULL, NULL);
    CHECK(child >= 0);
    if (child == 0)
        _exit(child_waits());
    CHECK(is(text(master), "ready\r\n"));
    SAME(write(master, "\003", 1), 1);
    SAME(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    SAME(WTERMSIG(status), SIGINT);
    close(master);
    SAME(open("/dev/tty", O_RDWR) < 0 ? errno : 0, ENXIO);
}

/* Asks twice; what was to be read has been typed already. */
static int child_prompts(void) {
    char name[16];
    FILE *in = fdopen(0, "r"), *wide = fdopen(dup(0), "r");
    /* What the parent has not written yet is the parent's. */
    __fpurge(stdout);
    if (!in || !wide || setvbuf(in, NULL, _IOLBF, 0) || setvbuf(wide, NULL, _IOLBF, 0) || setvbuf(stdout, NULL, _IOLBF, 0))
        return 2;
    printf("name? ");
    if (__fpending(stdout) != 6 || fscanf(in, "%15s", name) != 1 || strcmp(name, "me"))
        return 3;
    if (__fpending(stdout) != 0)
        return 4;
    printf("again? ");
    if (__fpending(stdout) != 7 || fwscanf(wide, L"%15s", name) != 1 || strcmp(name, "you"))
        return 5;
    return __fpending(stdout) == 0 ? 7 : 6;
}

static void a_scan_shows_the_prompt(void) {
    int master, status;
    pid_t child = forkpty(&master, NULL, NULL, NULL);
    CHECK(child >= 0);
    if (child == 0)
        _exit(child_prompts());
    /* The end of input is there only so that nobody waits for ever. */
    SAME(write(master, "me\nyou\n\004", 8), 8);
    SAME(waitpid(child, &status, 0), child);
    close(master);
    CHECK(WIFEXITED(status));
    SAME(WEXITSTATUS(status), 7);
}

static void hanging_up_ends_a_session(void) {
    int master, status;
    pid_t child = forkpty(&master, NULL, NULL, NULL);
    CHECK(child >= 0);
    if (child == 0)
        _exit(child_waits());
    CHECK(is(text(master), "ready\r\n"));
    close(master);
    SAME(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    SAME(WTERMSIG(status), SIGHUP);
}

static volatile sig_atomic_t resized;
static void handle_resize(int number) { resized = number; }

static int child_is_resized(void) {
    signal(SIGWINCH, handle_resize);
    sigset_t mask, old;
    sigemptyset(&mask);
    sigaddset(&mask, SIGWINCH);
    sigprocmask(SIG_BLOCK, &mask, &old);
    write(1, "ready\n", 6);
    while (!resized)
        sigsuspend(&old);
    struct winsize size;
    return ioctl(0, TIOCGWINSZ, &size) == 0 ? size.ws_row : 100;
}

static void a_new_size_is_told(void) {
    int master, status;
    pid_t child = forkpty(&master, NULL, NULL, NULL);
    CHECK(child >= 0);
    if (child == 0)
        _exit(child_is_resized());
    CHECK(is(text(master), "ready\r\n"));
    struct winsize size = {.ws_row = 42};
    SAME(ioctl(master, TIOCSWINSZ, &size), 0);
    SAME(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    SAME(WEXITSTATUS(status), 42);
    close(master);
}

/* A shell of one command, which reads in the background, and then in the foreground. */
static int child_controls_jobs(void) {
    int status;
    signal(SIGTTOU, SIG_IGN);
    pid_t job = fork();
    if (job == 0) {
        setpgid(0, 0);
        signal(SIGTTOU, SIG_DFL);
        char byte;
        _exit(read(0, &byte, 1) == 1 && byte == 'x' ? 7 : 8);
    }
    setpgid(job, job);
    if (waitpid(job, &status, WUNTRACED) != job || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTTIN)
        return 3;
    if (tcsetpgrp(0, job) != 0 || tcgetpgrp(0) != job)
        return 4;
    if (kill(-job, SIGCONT) != 0)
        return 5;
    write(1, "go\n", 3);
    if (waitpid(job, &status, 0) != job || !WIFEXITED(status))
        return 6;
    return WEXITSTATUS(status);
}

static void the_background_waits(void) {
    int master, status;
    pid_t child = forkpty(&master, NULL, NULL, NULL);
    CHECK(child >= 0);
    if (child == 0)
        _exit(child_controls_jobs());
    CHECK(is(text(master), "go\r\n"));
    SAME(write(master, "x\r", 2), 2);
    SAME(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    SAME(WEXITSTATUS(status), 7);
    close(master);
}

static void a_session_gives_its_terminal_up(void) {
    int master, status;
    pid_t child = forkpty(&master, NULL, NULL, NULL);
    CHECK(child >= 0);
    if (child == 0) {
        signal(SIGHUP, SIG_IGN);
        if (ioctl(0, TIOCNOTTY) != 0)
            _exit(3);
        if (open("/dev/tty", O_RDWR) >= 0 || errno != ENXIO)
            _exit(4);
        _exit(read(0, &(char){0}, 1) == 0 ? 9 : 5);
    }
    SAME(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    SAME(WEXITSTATUS(status), 9);
    close(master);
}

/* A second one is refused, and nobody is hung up for it. */
static void a_session_keeps_its_terminal(void) {
    int master, status;
    pid_t child = forkpty(&master, NULL, NULL, NULL);
    CHECK(child >= 0);
    if (child == 0) {
        int other, line, own;
        if (ioctl(0, TIOCSCTTY, 0) != 0)
            _exit(3);
        if (openpty(&other, &line, NULL, NULL, NULL) != 0)
            _exit(4);
        if (ioctl(line, TIOCSCTTY, 0) != -1 || errno != EPERM)
            _exit(5);
        if (tcgetsid(0) != getpid() || tcgetsid(line) != -1 || errno != ENOTTY)
            _exit(6);
        own = open("/dev/tty", O_RDWR);
        if (own < 0 || write(own, "here", 4) != 4)
            _exit(7);
        /* So does a child that is started with it. */
        posix_spawn_file_actions_t actions;
        char program[] = "/scheme/initfs/bin/test-terminal", said[] = "said", *args[] = {program, said, 0};
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/tty", O_WRONLY, 0);
        _exit(posix_spawn(&other, program, &actions, 0, args, environ) == 0 && waitpid(other, &status, 0) == other && status == 0 ? 9 : 8);
    }
    char got[16] = "";
    for (ssize_t len = 0, more; len < 10 && (more = read(master, got + len, 10 - len)) > 0;)
        len += more;
    CHECK(is(got, "heresaid\r\n"));
    SAME(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    SAME(WEXITSTATUS(status), 9);
    close(master);
}

static void own_descriptors(void) {
    int ends[2];
    char path[32];
    SAME(pipe(ends), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[1]);
    int writer = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(writer >= 0);
    SAME(fcntl(writer, F_GETFD), FD_CLOEXEC);
    SAME(write(writer, "x", 1), 1);
    CHECK(is(text(ends[0]), "x"));
    close(writer);
    close(ends[0]);
    close(ends[1]);
    CHECK(open("/dev/fd/99", O_RDONLY) < 0);
    SAME(errno, EBADF);
    struct stat about;
    SAME(stat("/dev/stdout", &about), 0);
    CHECK(strcmp(ctermid(NULL), "/dev/tty") == 0);
}

static struct sockaddr_un named(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return address;
}

static void connections(void) {
    const char *path = "/tmp-socket";
    struct sockaddr_un address = named(path), got;
    socklen_t len = sizeof got;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(listener >= 0);
    SAME(fcntl(listener, F_GETFD), FD_CLOEXEC);
    SAME(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    SAME(bind(other, (struct sockaddr *)&address, sizeof address), -1);
    SAME(errno, EADDRINUSE);
    SAME(connect(other, (struct sockaddr *)&address, sizeof address), -1);
    SAME(errno, ECONNREFUSED);
    struct stat about;
    SAME(stat(path, &about), 0);
    CHECK(S_ISSOCK(about.st_mode));
    SAME(about.st_size, 0);
    SAME(open(path, O_RDWR), -1);
    SAME(errno, ENXIO);
    // Names of other things lead to no socket.
    const char *others[] = {"/", "/tmp-plain"};
    close(open(others[1], O_CREAT | O_WRONLY, 0600));
    for (int i = 0; i < 2; i++) {
        struct sockaddr_un wrong = named(others[i]);
        SAME(connect(other, (struct sockaddr *)&wrong, sizeof wrong), -1);
        SAME(errno, ECONNREFUSED);
    }
    SAME(unlink(others[1]), 0);
    SAME(listen(listener, 4), 0);
    SAME(getsockname(listener, (struct sockaddr *)&got, &len), 0);
    CHECK(strcmp(got.sun_path, path) == 0);
    SAME(connect(other, (struct sockaddr *)&address, sizeof address), 0);
    struct pollfd one = {.fd = listener, .events = POLLIN};
    SAME(poll(&one, 1, 1000), 1);
    int server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    CHECK(server >= 0);
    SAME(recv(server, &(char){0}, 1, 0), -1);
    SAME(errno, EAGAIN);
    SAME(send(other, "hello", 5, MSG_NOSIGNAL), 5);
    char buffer[16] = {0};
    SAME(recv(server, buffer, sizeof buffer, MSG_PEEK), 5);
    SAME(recv(server, buffer, sizeof buffer, 0), 5);
    CHECK(is(buffer, "hello"));
    struct ucred who;
    len = sizeof who;
    SAME(getsockopt(server, SOL_SOCKET, SO_PEERCRED, &who, &len), 0);
    SAME(who.pid, getpid());
    SAME(who.uid, getuid());
    int kind;
    len = sizeof kind;
    SAME(getsockopt(server, SOL_SOCKET, SO_TYPE, &kind, &len), 0);
    SAME(kind, SOCK_STREAM);
    SAME(shutdown(other, SHUT_WR), 0);
    SAME(recv(server, buffer, 1, 0), 0);
    SAME(send(other, "x", 1, MSG_NOSIGNAL), -1);
    SAME(errno, EPIPE);
    close(server);
    close(other);
    close(listener);
    SAME(unlink(path), 0);
    SAME(socket(AF_INET, SOCK_STREAM, 0), -1);
    SAME(errno, EAFNOSUPPORT);
    SAME(listen(1, 1), -1);
    SAME(errno, ENOTSOCK);
    SAME(listen(-1, 1), -1);
    SAME(errno, EBADF);
}

/* A socket that waits in a message at itself goes when nobody else has it, with what else is in the message: here the
 * end of a pipe. It goes as soon as another socket does. */
static void sockets_in_their_own_messages_go(void) {
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
        int pair[2], ends[2];
        SAME(socketpair(AF_UNIX, types[i], 0, pair), 0);
        SAME(pipe(ends), 0);
        int sent[] = {pair[0], ends[1]};
        union {
            char bytes[CMSG_SPACE(sizeof sent)];
            struct cmsghdr header;
        } control = {0};
        struct iovec part = {"x", 1};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof sent);
        memcpy(CMSG_DATA(header), sent, sizeof sent);
        SAME(sendmsg(pair[1], &message, 0), 1);
        SAME(close(ends[1]), 0);
        SAME(close(pair[1]), 0);
        struct pollfd reader = {.fd = ends[0], .events = POLLIN};
        SAME(poll(&reader, 1, 100), 0);
        SAME(close(pair[0]), 0);
        SAME(close(socket(AF_UNIX, types[i], 0)), 0);
        SAME(poll(&reader, 1, 10000), 1);
        SAME(read(ends[0], &control, 1), 0);
        close(ends[0]);
    }
}

static void descriptors_are_passed(void) {
    int pair[2], ends[2];
    SAME(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    SAME(pipe(ends), 0);
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr header;
    } control = {0};
    char byte = 'b';
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(2 * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(header), ends, sizeof ends);
    SAME(sendmsg(pair[0], &message, 0), 1);
    close(ends[0]);
    close(ends[1]);
    memset(&control, 0, sizeof control);
    byte = 0;
    message.msg_controllen = sizeof control;
    SAME(recvmsg(pair[1], &message, 0), 1);
    SAME(byte, 'b');
    header = CMSG_FIRSTHDR(&message);
    CHECK(header != NULL);
    SAME(header->cmsg_len, CMSG_LEN(2 * sizeof(int)));
    memcpy(ends, CMSG_DATA(header), sizeof ends);
    SAME(write(ends[1], "through", 7), 7);
    CHECK(is(text(ends[0]), "through"));
    close(ends[0]);
    close(ends[1]);
    SAME(close(pair[0]), 0);
    SAME(recvmsg(pair[1], &message, 0), 0);
    SAME(message.msg_controllen, 0);
    close(pair[1]);
}

static void passed_descriptors_can_be_marked(void) {
    int pair[2], ends[2], came;
    SAME(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    SAME(pipe(ends), 0);
    for (int marked = 0; marked < 2; marked++) {
        union {
            char bytes[CMSG_SPACE(sizeof(int))];
            struct cmsghdr header;
        } control = {0};
        char byte = 'b';
        struct iovec part = {&byte, 1};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), ends, sizeof(int));
        SAME(sendmsg(pair[0], &message, 0), 1);
        memset(&control, 0, sizeof control);
        message.msg_controllen = sizeof control;
        SAME(recvmsg(pair[1], &message, marked ? MSG_CMSG_CLOEXEC : 0), 1);
        header = CMSG_FIRSTHDR(&message);
        CHECK(header != NULL);
        memcpy(&came, CMSG_DATA(header), sizeof came);
        SAME(fcntl(came, F_GETFD), marked ? FD_CLOEXEC : 0);
        close(came);
    }
    close(ends[0]);
    close(ends[1]);
    close(pair[0]);
    close(pair[1]);
}

/* Reads `len` bytes 'a' and as many 'b', then the end. */
static int child_reads_all(int fd, size_t len) {
    static char text[4096];
    size_t at = 0;
    for (ssize_t n; (n = read(fd, text, sizeof text)) > 0;)
        for (ssize_t i = 0; i < n; i++, at++)
            if (text[i] != (at < len ? 'a' : 'b'))
                return 3;
    return at == 2 * len ? 7 : 4;
}

static void a_long_message_is_sent_whole(void) {
    static char one[150000], two[sizeof one];
    int pair[2], status;
    memset(one, 'a', sizeof one);
    memset(two, 'b', sizeof two);
    SAME(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(pair[0]);
        _exit(child_reads_all(pair[1], sizeof one));
    }
    close(pair[1]);
    struct iovec parts[] = {{one, sizeof one}, {two, sizeof two}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent = sendmsg(pair[0], &message, MSG_NOSIGNAL);
    close(pair[0]);
    SAME(waitpid(child, &status, 0), child);
    SAME(sent, 2 * sizeof one);
    CHECK(WIFEXITED(status));
    SAME(WEXITSTATUS(status), 7);
}

static void datagrams(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0abstract"}, from;
    socklen_t len = sizeof(sa_family_t) + 9, from_len = sizeof from;
    int receiver = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK(receiver >= 0 && sender >= 0);
    SAME(bind(receiver, (struct sockaddr *)&address, len), 0);
    SAME(sendto(sender, "abcdef", 6, 0, (struct sockaddr *)&address, len), 6);
    SAME(sendto(sender, "x", 1, 0, (struct sockaddr *)&address, len), 1);
    char buffer[4] = {0};
    SAME(recvfrom(receiver, buffer, 3, MSG_TRUNC, (struct sockaddr *)&from, &from_len), 6);
    CHECK(is(buffer, "abc"));
    SAME(from_len, sizeof(sa_family_t));
    SAME(recv(receiver, buffer, 3, 0), 1);
    SAME(recv(receiver, buffer, 3, MSG_DONTWAIT), -1);
    SAME(errno, EAGAIN);
    SAME(connect(sender, (struct sockaddr *)&address, len), 0);
    SAME(send(sender, "y", 1, 0), 1);
    close(receiver);
    SAME(send(sender, "y", 1, 0), -1);
    SAME(errno, ECONNREFUSED);
    close(sender);
    // A connected one hears nobody else, also when its other side has ended.
    int pair[2], stranger = socket(AF_UNIX, SOCK_DGRAM, 0);
    SAME(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    SAME(bind(pair[0], (struct sockaddr *)&address, len), 0);
    for (int ended = 0; ended < 2; ended++) {
        SAME(sendto(stranger, "x", 1, 0, (struct sockaddr *)&address, len), -1);
        SAME(errno, EPERM);
        SAME(connect(stranger, (struct sockaddr *)&address, len), -1);
        SAME(errno, EPERM);
        if (!ended)
            SAME(close(pair[1]), 0);
    }
    SAME(recv(pair[0], buffer, 3, MSG_DONTWAIT), -1);
    SAME(errno, EAGAIN);
    struct pollfd one = {.fd = pair[0], .events = POLLIN};
    SAME(poll(&one, 1, 0), 0);
    close(pair[0]);
    close(stranger);
}

static void packets(void) {
    struct sockaddr_un address = named("/tmp-packets");
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), client = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    CHECK(listener >= 0 && client >= 0);
    SAME(send(client, "x", 1, MSG_NOSIGNAL), -1);
    SAME(errno, ENOTCONN);
    SAME(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    SAME(listen(listener, 1), 0);
    SAME(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    int server = accept(listener, NULL, NULL), kind;
    socklen_t len = sizeof kind;
    SAME(getsockopt(server, SOL_SOCKET, SO_TYPE, &kind, &len), 0);
    SAME(kind, SOCK_SEQPACKET);
    SAME(send(client, "abcdef", 6, 0), 6);
    SAME(send(client, "gh", 2, 0), 2);
    char buffer[4] = {0};
    SAME(recv(server, buffer, 3, MSG_TRUNC), 6);
    CHECK(is(buffer, "abc"));
    SAME(recv(server, buffer, 4, 0), 2);
    struct iovec part = {buffer, 3};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    for (int whole = 0; whole < 2; whole++) {
        SAME(send(client, "abcdef", 6, 0), 6);
        SAME(recvmsg(server, &message, whole ? MSG_TRUNC : 0), whole ? 6 : 3);
        SAME(message.msg_flags, MSG_TRUNC);
    }
    SAME(recv(server, buffer, 4, MSG_DONTWAIT), -1);
    SAME(errno, EAGAIN);
    close(client);
    SAME(recv(server, buffer, 4, 0), 0);
    SAME(send(server, "x", 1, MSG_NOSIGNAL), -1);
    SAME(errno, EPIPE);
    close(server);
    close(listener);
    SAME(unlink("/tmp-packets"), 0);
    int pair[2];
    SAME(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    SAME(write(pair[0], "one", 3), 3);
    SAME(write(pair[0], "two", 3), 3);
    SAME(read(pair[1], buffer, 4), 3);
    CHECK(is(buffer, "one"));
    close(pair[0]);
    close(pair[1]);
}

static void a_receiver_waits_for_a_time(void) {
    int pair[2];
    SAME(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    // What pads the structure may be anything.
    struct timeval time, got;
    memset(&time, 0xff, sizeof time);
    time.tv_sec = 0;
    time.tv_usec = 20000;
    socklen_t len = sizeof got;
    SAME(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time), 0);
    SAME(getsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &got, &len), 0);
    SAME(got.tv_usec, 20000);
    SAME(read(pair[0], &(char){0}, 1), -1);
    SAME(errno, EAGAIN);
    time.tv_usec = 1000000;
    SAME(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time), -1);
    SAME(errno, EDOM);
    SAME(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time - 1), -1);
    SAME(errno, EINVAL);
    close(pair[0]);
    close(pair[1]);
}

static void memory_is_shared(void) {
    int status, fd = shm_open("/test", O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0);
    SAME(shm_open("/test", O_RDWR | O_CREAT | O_EXCL, 0600), -1);
    SAME(errno, EEXIST);
    SAME(ftruncate(fd, 8192), 0);
    volatile int *here = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(here != MAP_FAILED);
    here[1024] = 5;
    pid_t child = fork();
    if (child == 0) {
        int again = shm_open("/test", O_RDWR, 0);
        volatile int *there = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again, 4096);
        if (again < 0 || there == MAP_FAILED)
            _exit(1);
        there[1] = there[0] + 1;
        here[0] = 7;
        _exit(0);
    }
    SAME(waitpid(child, &status, 0), child);
    SAME(status, 0);
    SAME(here[1025], 6);
    SAME(here[0], 7);
    int word;
    SAME(pread(fd, &word, sizeof word, 4100), sizeof word);
    SAME(word, 6);
    struct stat about;
    SAME(fstat(fd, &about), 0);
    SAME(about.st_size, 8192);
    struct stat others;
    int other = shm_open("/test2", O_RDWR | O_CREAT | O_EXCL, 0600);
    SAME(fstat(other, &others), 0);
    CHECK(about.st_dev != 0 && about.st_dev == others.st_dev);
    CHECK(about.st_ino != 0 && about.st_ino != others.st_ino);
    SAME(shm_unlink("/test2"), 0);
    close(other);
    SAME(shm_unlink("/test"), 0);
    SAME(shm_open("/test", O_RDWR, 0), -1);
    SAME(errno, ENOENT);
    SAME(here[1025], 6);
    close(fd);
    SAME(munmap((void *)here, 8192), 0);
}

static void semaphores_have_names(void) {
    int status;
    CHECK(sem_open("/s", 0) == SEM_FAILED);
    SAME(errno, ENOENT);
    sem_t *one = sem_open("/s", O_CREAT | O_EXCL, 0600, 0);
    CHECK(one != SEM_FAILED);
    CHECK(sem_open("/s", O_CREAT, 0600, 9) == one);
    CHECK(sem_open("/s", O_CREAT | O_EXCL, 0600, 0) == SEM_FAILED);
    SAME(errno, EEXIST);
    pid_t child = fork();
    if (child == 0) {
        sem_t *there = sem_open("/s", 0);
        _exit(there == SEM_FAILED || sem_post(there) != 0);
    }
    SAME(sem_wait(one), 0);
    SAME(waitpid(child, &status, 0), child);
    SAME(status, 0);
    SAME(sem_trywait(one), -1);
    SAME(errno, EAGAIN);
    SAME(sem_unlink("/s"), 0);
    SAME(sem_unlink("/s"), -1);
    SAME(errno, ENOENT);
    SAME(sem_close(one), 0);
    SAME(sem_close(one), 0);
    SAME(sem_close(one), -1);
}

/* A name that has become another semaphore's opens that one, whoever has removed and made it. */
static void semaphores_change_names(void) {
    int status, value;
    sem_t *old = sem_open("/changed", O_CREAT | O_EXCL, 0600, 3);
    CHECK(old != SEM_FAILED);
    pid_t child = fork();
    if (child == 0)
        _exit(sem_unlink("/changed") != 0 || sem_open("/changed", O_CREAT | O_EXCL, 0600, 5) == SEM_FAILED);
    SAME(waitpid(child, &status, 0), child);
    SAME(status, 0);
    sem_t *new = sem_open("/changed", 0);
    CHECK(new != SEM_FAILED && new != old);
    SAME(sem_getvalue(new, &value), 0); SAME(value, 5);
    SAME(sem_getvalue(old, &value), 0); SAME(value, 3);
    CHECK(sem_open("/changed", 0) == new);
    SAME(sem_unlink("/changed"), 0);
    CHECK(sem_open("/changed", 0) == SEM_FAILED);
    SAME(errno, ENOENT);
    SAME(sem_close(new), 0); SAME(sem_close(new), 0); SAME(sem_close(old), 0);
}

static const struct test_case cases[] = {
    {"pair", pair},
    {"settings", settings},
    {"keys_end_the_foreground", keys_end_the_foreground},
    {"a_scan_shows_the_prompt", a_scan_shows_the_prompt},
    {"hanging_up_ends_a_session", hanging_up_ends_a_session},
    {"a_new_size_is_told", a_new_size_is_told},
    {"the_background_waits", the_background_waits},
    {"a_session_gives_its_terminal_up", a_session_gives_its_terminal_up},
    {"a_session_keeps_its_terminal", a_session_keeps_its_terminal},
    {"own_descriptors", own_descriptors},
    {"connections", connections},
    {"descriptors_are_passed", descriptors_are_passed},
    {"sockets_in_their_own_messages_go", sockets_in_their_own_messages_go},
    {"passed_descriptors_can_be_marked", passed_descriptors_can_be_marked},
    {"a_long_message_is_sent_whole", a_long_message_is_sent_whole},
    {"datagrams", datagrams},
    {"packets", packets},
    {"a_receiver_waits_for_a_time", a_receiver_waits_for_a_time},
    {"memory_is_shared", memory_is_shared},
    {"semaphores_have_names", semaphores_have_names},
    {"semaphores_change_names", semaphores_change_names},
};

/* Says where, on another descriptor than the one that may be broken: no case expects it. */
static void on_broken_pipe(int number) {
    static const char where[] = "SIGPIPE in case ";
    (void)!write(2, where, sizeof where - 1), (void)!write(2, test_running, strlen(test_running)), (void)!write(2, "\n", 1);
    signal(number, SIG_DFL);
    raise(number);
}

/* With an argument, a child that says it. */
int main(int argc, char **argv) {
    if (argc > 1)
        return puts(argv[1]) < 0;
    signal(SIGPIPE, on_broken_pipe);
    test_run_all("terminal", cases, sizeof cases / sizeof *cases);
    return test_failures != 0;
}
