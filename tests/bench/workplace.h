/* Where a bench works: a process and a directory of its own, which go when it ends, and the programs that it measures.
 */
#ifndef TESTS_WORKPLACE_H
#define TESTS_WORKPLACE_H

#include <limits.h>
#include <stdbool.h>

/* Runs `bench` in a process of its own with a new directory, in $TMPDIR or in memory where that can be. Whatever ends
 * it, or this process, the directory is removed. Returns the exit status of `bench`, 2 when it was killed. */
int workplace_run(int (*bench)(const char *directory, int count, char **words), int count, char **words);

/* Removes all that is in the directory. False with errno. */
bool workplace_clear(const char *directory);

/* The path of a program of the same build as the caller's, which is build/tests/bench/NAME. */
const char *workplace_program(const char *name, char path[PATH_MAX]);

#endif
