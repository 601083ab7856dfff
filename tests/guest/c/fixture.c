/* Children and files that cases need. */
#include "fixture.h"
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char self[] = "/scheme/initfs/bin/test-c";

int status_of(pid_t pid) {
    int status = -1;
    if (waitpid(pid, &status, 0) != pid)
        return -1000;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void write_file(const char *path, const char *text) {
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    CHECK(fd >= 0);
    SAME(write(fd, text, strlen(text)), (long)strlen(text));
    close(fd);
}

void copy_file(const char *from, const char *to) {
    char b[4096];
    int in = open(from, O_RDONLY), out = open(to, O_CREAT | O_WRONLY | O_TRUNC, 0755);
    CHECK(in >= 0 && out >= 0);
    for (ssize_t n; (n = read(in, b, sizeof b)) > 0;)
        SAME(write(out, b, n), n);
    close(in), close(out);
}

int status_in_time(pid_t pid) {
    for (int waited = 0; waited < 30000; waited++) {
        siginfo_t info = {0};
        if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid)
            return status_of(pid);
        usleep(1000);
    }
    kill(pid, SIGKILL);
    return status_of(pid);
}

int in_child(int (*run)(void)) {
    fflush(0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(run());
    return status_of(pid);
}
