/* Where a bench works. Two processes: one waits, and cleans up whatever ends the other, which measures. */
#include "tests/bench/workplace.h"

#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t measuring;

static void end_measuring(int number)
{
	(void)number;
	if (measuring > 0)
		kill(measuring, SIGKILL);
}

static bool remove_all(const char *directory)
{
	char command[PATH_MAX + 16];
	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	return system(command) == 0;
}

bool workplace_clear(const char *directory)
{
	return remove_all(directory) && mkdir(directory, 0700) == 0;
}

static pid_t start(const char *directory, int (*bench)(const char *directory, int count, char **words), int count,
		   char **words)
{
	pid_t parent = getpid(), pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	exit(getppid() == parent ? bench(directory, count, words) : 2);
}

int workplace_run(int (*bench)(const char *directory, int count, char **words), int count, char **words)
{
	char directory[PATH_MAX / 2];
	const char *place = getenv("TMPDIR");
	int status = 0;
	if (place == NULL)
		place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(directory, sizeof directory, "%s/ringfence-bench.XXXXXX", place);
	if (mkdtemp(directory) == NULL) {
		perror(directory);
		return 2;
	}
	sigaction(SIGINT, &(struct sigaction){.sa_handler = end_measuring}, NULL);
	sigaction(SIGTERM, &(struct sigaction){.sa_handler = end_measuring}, NULL);
	measuring = start(directory, bench, count, words);
	while (measuring > 0 && waitpid(measuring, &status, 0) < 0 && errno == EINTR)
		continue;
	remove_all(directory);
	return measuring > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

const char *workplace_program(const char *name, char path[PATH_MAX])
{
	char own[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", own, sizeof own - 1);
	own[size < 0 ? 0 : size] = '\0';
	snprintf(path, PATH_MAX, "%.*s/%s", PATH_MAX - 64, dirname(dirname(dirname(own))), name);
	return path;
}
