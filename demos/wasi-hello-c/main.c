/* The smallest honest C program: nothing in it knows of capOS. */
#include <stdio.h>

int main(void) {
    return puts("Hello from WASI on capOS") < 0;
}
