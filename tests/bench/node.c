/* A node to measure: ringfenced in a network namespace of its own.
 *
 * The daemon dies with the process that measures it, and the table with the last process in the namespace. */
#include "tests/bench/node.h"

#include "tests/bench/workplace.h"
#include "tests/packets/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static bool fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return false;
}

/* ---- files ---- */

static bool write_config(const struct node *node)
{
	char path[256];
	snprintf(path, sizeof path, "%s/ringfenced.yaml", node->directory);
	FILE *file = fopen(path, "we");
	if (file == NULL)
		return fail(path);
	fprintf(file,
		"node: %s\nuser: root\npolicy: {directory: %s/policy}\nworkloads:\n  - {source: files, directory: %s}\n"
		"drift: repair\ncontrol: {socket: %s/control.sock}\n",
		FLEET_NODE, node->directory, node->workloads, node->directory);
	return fclose(file) == 0 || fail(path);
}

bool node_create(struct node *node, const char *directory, const struct fleet *fleet)
{
	char policy[256];
	*node = (struct node){.daemon = 0};
	snprintf(node->directory, sizeof node->directory, "%s", directory);
	snprintf(node->workloads, sizeof node->workloads, "%s/workloads", node->directory);
	snprintf(policy, sizeof policy, "%s/policy", node->directory);
	if (unshare(CLONE_NEWNET) < 0)
		return fail("a network namespace");
	if (!workplace_clear(node->directory) || mkdir(policy, 0755) < 0 || mkdir(node->workloads, 0755) < 0)
		return fail(node->directory);
	if (!fleet_write_policy(fleet, policy) || !fleet_write_workloads(fleet, node->workloads))
		return fail(node->directory);
	return write_config(node);
}

/* ---- the daemon ---- */

static void become_daemon(const struct node *node)
{
	char path[PATH_MAX], config[256], log[256];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(config, sizeof config, "%s/ringfenced.yaml", node->directory);
	snprintf(log, sizeof log, "%s/log", node->directory);
	int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0)
		execl(workplace_program("ringfenced", path), "ringfenced", "--config", config, (char *)NULL);
	_exit(127);
}

static void print_log(const struct node *node)
{
	char path[256], text[4096];
	snprintf(path, sizeof path, "%s/log", node->directory);
	FILE *file = fopen(path, "re");
	size_t size = file == NULL ? 0 : fread(text, 1, sizeof text, file);
	fprintf(stderr, "ringfenced ended after:\n%.*s\n", (int)size, text);
	if (file != NULL)
		fclose(file);
}

static bool is_ready(const struct node *node, double limit)
{
	json_t *status = node_ask(node, "status", limit);
	bool ready = json_is_true(json_object_get(status, "ready"));
	json_decref(status);
	return ready;
}

double node_start(struct node *node, double limit)
{
	uint64_t start = now_ns(), deadline = start + (uint64_t)(limit * 1e9);
	node->daemon = fork();
	if (node->daemon == 0)
		become_daemon(node);
	while (!is_ready(node, limit)) {
		if (waitpid(node->daemon, NULL, WNOHANG) != 0) {
			node->daemon = 0;
			print_log(node);
			return -1;
		}
		if (now_ns() > deadline) {
			fprintf(stderr, "ringfenced is not ready after %.0f seconds\n", limit);
			return -1;
		}
		usleep(2000);
	}
	return (double)(now_ns() - start) / 1e9;
}

void node_stop(struct node *node)
{
	if (node->daemon <= 0)
		return;
	kill(node->daemon, SIGKILL);
	waitpid(node->daemon, NULL, 0);
	node->daemon = 0;
}

json_t *node_ask(const struct node *node, const char *command, double limit)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval wait = {.tv_sec = (time_t)limit + 1};
	json_t *answer = NULL;
	snprintf(address.sun_path, sizeof address.sun_path, "%.90s/control.sock", node->directory);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
	    dprintf(fd, "{\"command\":\"%s\"}\n", command) > 0)
		answer = json_loadfd(fd, 0, NULL);
	close(fd);
	return answer;
}

/* ---- what the kernel says of it ---- */

static FILE *open_of(pid_t pid, const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	return fopen(path, "re");
}

/* The process that the daemon has beside it; 0: none. */
static pid_t keeper_of(pid_t daemon)
{
	char name[64];
	int pid = 0;
	snprintf(name, sizeof name, "task/%d/children", daemon);
	FILE *file = open_of(daemon, name);
	if (file == NULL || fscanf(file, "%d", &pid) != 1)
		pid = 0;
	if (file != NULL)
		fclose(file);
	return pid;
}

static void add_cpu(struct node_cpu *cpu, pid_t pid)
{
	unsigned long user = 0, system = 0;
	uint64_t run = 0, wait = 0;
	FILE *file = open_of(pid, "schedstat");
	if (file == NULL || fscanf(file, "%" SCNu64 " %" SCNu64, &run, &wait) != 2)
		fail("schedstat");
	if (file != NULL)
		fclose(file);
	file = open_of(pid, "stat");
	if (file == NULL ||
	    fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		fail("stat");
	if (file != NULL)
		fclose(file);
	cpu->run_ns += run;
	cpu->wait_ns += wait;
	cpu->user += (double)user / (double)sysconf(_SC_CLK_TCK);
	cpu->system += (double)system / (double)sysconf(_SC_CLK_TCK);
}

struct node_cpu node_cpu(const struct node *node)
{
	struct node_cpu cpu = {0};
	pid_t keeper = keeper_of(node->daemon);
	add_cpu(&cpu, node->daemon);
	if (keeper > 0)
		add_cpu(&cpu, keeper);
	return cpu;
}

/* A number that a file of /proc names, in KiB; 0 where it does not. */
static unsigned long number_in(FILE *file, const char *name)
{
	char line[256];
	size_t size = strlen(name);
	rewind(file);
	while (fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, name, size) == 0 && line[size] == ':')
			return strtoul(line + size + 1, NULL, 10);
	return 0;
}

static void add_memory(struct node_memory *memory, pid_t pid)
{
	FILE *file = open_of(pid, "smaps_rollup");
	if (file != NULL) {
		memory->rss += number_in(file, "Rss");
		memory->pss += number_in(file, "Pss");
		memory->anonymous += number_in(file, "Anonymous");
		fclose(file);
	}
	file = open_of(pid, "status");
	if (file != NULL) {
		memory->peak += number_in(file, "VmHWM");
		fclose(file);
	}
}

struct node_memory node_memory(const struct node *node)
{
	struct node_memory memory = {0};
	pid_t keeper = keeper_of(node->daemon);
	add_memory(&memory, node->daemon);
	if (keeper > 0)
		add_memory(&memory, keeper);
	return memory;
}

unsigned long node_kernel_memory(void)
{
	unsigned long sum = 0;
	FILE *file = fopen("/proc/meminfo", "re");
	if (file == NULL)
		return 0;
	sum = number_in(file, "SUnreclaim") + number_in(file, "VmallocUsed") + number_in(file, "Percpu");
	fclose(file);
	return sum;
}
