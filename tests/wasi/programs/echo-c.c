/* Prints its arguments and its environment, a line each, and exits with the number of arguments. */
#include <stdio.h>

extern char **environ;

int main(int count, char **arguments) {
    for (int index = 0; index < count; index++)
        printf("argument [%s]\n", arguments[index]);
    for (char **entry = environ; *entry != NULL; entry++)
        printf("environment [%s]\n", *entry);
    fputs("no line end", stderr);
    fputs("the last without a line end", stdout);
    return count;
}
