/* What is the same for every subcommand, whichever program it is in. */
#include "compiler/cli/cli.h"

#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int problem(const char *format, ...)
{
	struct arena *arena = arena_create();
	va_list args;
	va_start(args, format);
	const char *text = arena_vprintf(arena, format, args);
	va_end(args);
	fputs("ringfence: ", stderr);
	escape_print(stderr, text, strlen(text));
	fputc('\n', stderr);
	arena_free(arena);
	return EXIT_PROBLEM;
}

/* What is freed goes to the next who asks: a command ends soon, and the kernel takes longer to give a page, cleared,
 * than we do to fill it. 32 MiB are the most that glibc takes for this threshold (mallopt(3)). */
static void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
}

int subcommand_run(const struct subcommand *subcommand, int (*run)(const struct arguments *arguments), int count,
		   char **words)
{
	static struct arguments arguments;
	signal(SIGPIPE, SIG_DFL);
	keep_memory();
	if (arguments_read(&arguments, subcommand, count, words) != 0)
		return EXIT_PROBLEM;
	int status = run(&arguments);
	if (fflush(stdout) != 0 || ferror(stdout))
		return problem("cannot write to standard output: %m");
	return status;
}
