/* Says what it was given (arguments, a variable, standard input, a file) and ends as it is asked to. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        printf("<%s>\n", argv[i]);
    const char *value = getenv("TALK");
    printf("TALK=%s\n", value ? value : "");
    fprintf(stderr, "a word to standard error\n");
    if (argc > 1 && strcmp(argv[1], "copy") == 0) {
        char buffer[4096];
        size_t len;
        while ((len = fread(buffer, 1, sizeof buffer, stdin)) > 0)
            fwrite(buffer, 1, len, stdout);
    }
    if (argc > 3 && strcmp(argv[1], "show") == 0) {
        char line[256];
        FILE *file = fopen(argv[3], "r");
        if (file == NULL || fgets(line, sizeof line, file) == NULL)
            return 1;
        fputs(line, stdout);
    }
    if (argc > 1 && strcmp(argv[1], "wait") == 0) {
        fflush(stdout);
        for (;;)
            pause();
    }
    if (argc > 1 && strcmp(argv[1], "flood") == 0)
        for (;;)
            puts("more than anybody reads");
    if (argc > 1 && strcmp(argv[1], "abort") == 0) {
        fflush(stdout);
        raise(SIGKILL);
    }
    return argc > 2 ? atoi(argv[2]) : 0;
}
