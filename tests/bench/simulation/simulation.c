/* A fleet without kernels: `simulation CONFIG DIRECTORY NODES WORKLOADS FULL FOLLOWING` (tests/bench/simulation.sh).
 *
 * Two worker processes with a part of the nodes each, one more with the FULL last of them; this one tells them what
 * happens. It reads commands from standard input, a line each, and answers each with lines `what key=value ...`, the
 * last of which ends with `short=N`: so many nodes were not there after half an hour.
 *
 *   start RATE          starts so many of the other nodes a minute, until each holds the policy
 *   follow RATE         has the FOLLOWING first of these follow all workloads, so many a minute
 *   full                starts the full ones, one after the other
 *   push POLICY SINCE   until each node holds the policy of this revision: ms since that time
 *   middle POLICY       until a tenth of them holds it
 *   change COUNT        changes single workloads, each until all who follow have heard of it
 *   churn RATE          changes, ends and begins so many workloads a second from now on; 0: no more
 *   exact [SINCE]       until all who follow know exactly what runs on the others
 *   requests            what was asked since the last time, by tenths of a second
 *   lost                what nodes lost or read anew since the last time
 *   cpu                 what the workers took so far, in seconds, and the time: monotonic nanoseconds
 *
 * `simulation --policy DIRECTORY NODES WORKLOADS` writes the policy. */
#include "tests/bench/simulation/controller.h"
#include "tests/bench/simulation/worker.h"
#include "tests/packets/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PER_SERVICE = 500, SERVICES_LEAST = 20, PER_TENANT = 10000, ALLOWS = 5 };

/* A service for each five hundred workloads, of tenants who have ten thousand. */
static struct fleet fleet_of(unsigned nodes, unsigned workloads)
{
	unsigned services = workloads / PER_SERVICE > SERVICES_LEAST ? workloads / PER_SERVICE : SERVICES_LEAST;
	unsigned tenants = workloads / PER_TENANT > 0 && workloads % PER_TENANT == 0 ? workloads / PER_TENANT : 1;
	if (nodes % tenants != 0)
		tenants = 1;
	return (struct fleet){.services = services,
			      .allows = ALLOWS,
			      .workloads = workloads,
			      .nodes = nodes,
			      .tenants = tenants,
			      .together = 1};
}

/* ---- processes ---- */

static bool start_worker(struct simulation *simulation, unsigned number, const char *config, const char *directory)
{
	int ends[2];
	pid_t parent = getpid();
	if (pipe(ends) < 0)
		return false;
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned i = 0; i < number; i++)
			close(simulation->workers[i].orders);
		close(ends[1]);
		exit(getppid() == parent ? worker_run(simulation->shared, ends[0], config, directory) : 2);
	}
	close(ends[0]);
	simulation->workers[number] = (struct process){pid, ends[1]};
	return pid > 0;
}

static int end_workers(struct simulation *simulation)
{
	int result = 0;
	for (unsigned i = 0; i <= WORKERS; i++) {
		int status = 0;
		order(simulation, i, &(struct order){.what = ORDER_END});
		if (waitpid(simulation->workers[i].pid, &status, 0) < 0 || status != 0)
			result = 1;
	}
	return result;
}

/* Reads commands, and lets the churn go on between them. */
static void listen_to_commands(struct simulation *simulation)
{
	char line[128];
	size_t length = 0;
	for (;;) {
		struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
		churn(simulation);
		if (poll(&input, 1, POLL_MS) <= 0)
			continue;
		if (read(STDIN_FILENO, &line[length], 1) != 1)
			return;
		if (line[length] != '\n' && length + 2 < sizeof line) {
			length++;
			continue;
		}
		line[length] = 0;
		length = 0;
		obey(simulation, line);
	}
}

static int run(const char *config, const char *directory, const struct fleet *fleet, unsigned full, unsigned following)
{
	struct simulation simulation = {.started = 0};
	size_t size = sizeof *simulation.shared + fleet->nodes * sizeof *simulation.shared->slots;
	simulation.shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (simulation.shared == MAP_FAILED)
		return 2;
	simulation.shared->fleet = *fleet;
	simulation.shared->full = full;
	simulation.shared->following = following;
	simulation.shared->requests_since = now_ns();
	for (unsigned i = 0; i <= WORKERS; i++)
		if (!start_worker(&simulation, i, config, directory))
			return 2;
	listen_to_commands(&simulation);
	return end_workers(&simulation);
}

int main(int count, char **words)
{
	bool policy = count == 5 && strcmp(words[1], "--policy") == 0;
	if (!policy && count != 7) {
		fprintf(stderr, "usage: simulation CONFIG DIRECTORY NODES WORKLOADS FULL FOLLOWING\n"
				"       simulation --policy DIRECTORY NODES WORKLOADS\n");
		return 2;
	}
	unsigned nodes = (unsigned)atoi(words[3]), workloads = (unsigned)atoi(words[4]);
	unsigned full = policy ? 0 : (unsigned)atoi(words[5]), following = policy ? 0 : (unsigned)atoi(words[6]);
	if (nodes == 0 || workloads == 0 || workloads % PER_SERVICE != 0 || workloads % nodes != 0 ||
	    workloads / nodes < 2 || full > nodes || following > nodes - full) {
		fprintf(
		    stderr,
		    "simulation: WORKLOADS is a multiple of %d and of NODES, of which FULL and FOLLOWING are some\n",
		    PER_SERVICE);
		return 2;
	}
	const struct fleet fleet = fleet_of(nodes, workloads);
	if (policy)
		return fleet_write_policy(&fleet, words[2]) ? 0 : 2;
	return run(words[1], words[2], &fleet, full, following);
}
