/* Pseudo-terminals. */
#ifndef _PTY_H
#define _PTY_H

#include <termios.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int pid_t;

int openpty(int *master, int *slave, char *name, const struct termios *settings, const struct winsize *size);
pid_t forkpty(int *master, char *name, const struct termios *settings, const struct winsize *size);
int login_tty(int fd);

#ifdef __cplusplus
}
#endif
#endif
