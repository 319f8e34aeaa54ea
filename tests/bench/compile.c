/* How long `ringfence compile` takes for one node of a fleet, and for all: `compile [--quick] [node|whole]
 * [SERVICES...]`, 100, 1,000 and 10,000 where they are left out, with ten allows and ten workloads each and a node for
 * each ten.
 *
 * The command as it is called, from its start to its end, the ruleset written to a file; the best of some runs.
 * Variants: node (compile --node), whole (without it: every workload is local). Metrics: seconds, peak_kb, growth (of
 * seconds, since the size before), output_bytes; not_done_s: it took longer than we wait. */
#include "tests/bench/arguments.h"
#include "tests/bench/fleet.h"
#include "tests/bench/record.h"
#include "tests/bench/workplace.h"
#include "tests/packets/clock.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNS = 5 };

/* One run of the command. */
struct result {
	bool done;
	double seconds, cpu;
	long peak; /* KiB */
	long long bytes;
};

struct fleet_files {
	char directory[PATH_MAX / 2];
	double limit; /* seconds for a run */
	double spend; /* seconds after which there is no other run */
};

static void become_compiler(const struct fleet_files *files, const char *output, bool one_node)
{
	char path[PATH_MAX];
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0) /* warnings of lints are not what is measured */
		_exit(126);
	workplace_program("ringfence", path);
	if (one_node)
		execl(path, "ringfence", "compile", "--node", FLEET_NODE, "-o", output, files->directory, (char *)NULL);
	else
		execl(path, "ringfence", "compile", "-o", output, files->directory, (char *)NULL);
	_exit(127);
}

/* Waits for a child, and kills it when it takes too long. Returns whether it ended well by itself. */
static bool await_child(pid_t pid, double limit, struct rusage *usage)
{
	int status = 0, fd = pidfd_open(pid, 0);
	struct pollfd ended = {.fd = fd, .events = POLLIN};
	if (fd < 0 || poll(&ended, 1, (int)(limit * 1000)) != 1)
		kill(pid, SIGKILL);
	if (fd >= 0)
		close(fd);
	return wait4(pid, &status, 0, usage) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static struct result run_once(const struct fleet_files *files, bool one_node)
{
	struct result result = {.done = false};
	struct rusage usage = {0};
	struct stat output;
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s.nft", files->directory);
	uint64_t start = now_ns();
	pid_t pid = fork();
	if (pid == 0)
		become_compiler(files, path, one_node);
	result.done = pid > 0 && await_child(pid, files->limit, &usage);
	result.seconds = (double)(now_ns() - start) / 1e9;
	result.cpu = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
	result.peak = usage.ru_maxrss;
	result.bytes = stat(path, &output) == 0 ? output.st_size : 0;
	unlink(path);
	return result;
}

/* The least of each of the runs; not done when the first was not. */
static struct result run_best(const struct fleet_files *files, bool one_node)
{
	struct result best = run_once(files, one_node);
	double spent = best.seconds;
	for (int run = 1; run < RUNS && best.done && spent < files->spend; run++) {
		struct result result = run_once(files, one_node);
		spent += result.seconds;
		if (!result.done)
			continue;
		best.seconds = result.seconds < best.seconds ? result.seconds : best.seconds;
		best.cpu = result.cpu < best.cpu ? result.cpu : best.cpu;
	}
	return best;
}

/* Measures one variant of one size. Returns whether it was done in time; `before` is of the size before, then of this.
 */
static bool measure(const struct fleet_files *files, const char *variant, unsigned services, struct result *before)
{
	struct result result = run_best(files, strcmp(variant, "node") == 0);
	if (!result.done) {
		fprintf(stderr, "compile: %s: %u services: not done, or refused, in %.1f seconds\n", variant, services,
			result.seconds);
		record("compile", variant, services, "not_done_s", result.seconds);
		return false;
	}
	record("compile", variant, services, "seconds", result.seconds);
	record("compile", variant, services, "cpu_seconds", result.cpu);
	record("compile", variant, services, "peak_kb", (double)result.peak);
	record("compile", variant, services, "output_bytes", (double)result.bytes);
	if (before->done)
		record("compile", variant, services, "growth", result.cpu / before->cpu);
	*before = result;
	return true;
}

static bool write_files(struct fleet_files *files, const char *directory, unsigned services)
{
	struct fleet fleet = fleet_of_nodes(services * 10);
	snprintf(files->directory, sizeof files->directory, "%s/fleet", directory);
	if (workplace_clear(directory) && mkdir(files->directory, 0700) == 0 &&
	    fleet_write_policy(&fleet, files->directory) && fleet_write_inventory(&fleet, files->directory))
		return true;
	perror(files->directory);
	return false;
}

static int bench(const char *directory, int count, char **words)
{
	static const unsigned sizes[] = {100, 1000, 10000, 0}, quick_sizes[] = {100, 1000, 0};
	struct arguments arguments;
	if (!arguments_read(&arguments, count, words, 100, sizes, quick_sizes))
		return 2;
	struct fleet_files files = {.limit = arguments.quick ? 10 : 60, .spend = arguments.quick ? 2 : 15};
	bool node = arguments_want(&arguments, "node"), whole = arguments_want(&arguments, "whole"), any = false;
	struct result last_node = {.done = false}, last_whole = {.done = false};
	for (size_t i = 0; i < arguments.size_count; i++) {
		if (!write_files(&files, directory, arguments.sizes[i]))
			return 2;
		node = node && measure(&files, "node", arguments.sizes[i], &last_node);
		whole = whole && measure(&files, "whole", arguments.sizes[i], &last_whole);
		any = any || node || whole;
	}
	return any ? 0 : 1;
}

int main(int count, char **words)
{
	return workplace_run(bench, count, words);
}
