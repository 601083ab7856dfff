/* Children and files that cases need. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <sys/types.h>

/* The program itself, which does what its arguments say (`child` in main.c's words). */
extern char self[];

/* Waits for a child: its exit status, a signal's number below zero, or -1000. */
int status_of(pid_t pid);

/* The same, of a child that is killed when it takes longer than anything takes here. */
int status_in_time(pid_t pid);

/* Runs something in a child and answers its exit status. */
int in_child(int (*run)(void));

void write_file(const char *path, const char *text);
void copy_file(const char *from, const char *to);

#endif
