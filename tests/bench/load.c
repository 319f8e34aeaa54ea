/* How long it takes to load a set of many elements: `load [ENTRIES [RUNS]]`, 1,000,000 and 3 where they are left out.
 *
 *   nft-f      `nft -f` of the text that `ringfence compile` prints
 *   ringfence  from the ruleset in memory to the commit: the plan and its application
 *   apply      the application alone
 *   floor      the very bytes that `apply` sends, recorded before, in one call
 *
 * The variants take turns, each in a network namespace of its own, and the best run of each counts. A line of JSON
 * each. */
#include "compiler/ruleset/netlink.h"

#include <ringfence/arena.h>
#include <ringfence/plan.h>

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

enum { SETTLE_MICROSECONDS = 500000 }; /* for the kernel to free the namespace of the run before */

struct load {
	struct arena *arena;
	struct ruleset *ruleset;
	struct plan *plan;
	char text[32]; /* the file for nft */
	char *bytes;   /* of the batch */
	size_t size;
};

static struct load *recorded_for; /* not NULL: batches are kept there, and not sent */

/* Stands before the C library's: what the enforcer sends is what is recorded. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (recorded_for == NULL)
		return syscall(SYS_sendmsg, fd, message, flags);
	size_t size = 0;
	for (size_t i = 0; i < message->msg_iovlen; i++)
		size += message->msg_iov[i].iov_len;
	char *to = recorded_for->bytes = malloc(size);
	recorded_for->size = size;
	for (size_t i = 0; i < message->msg_iovlen && to != NULL; to += message->msg_iov[i++].iov_len)
		memcpy(to, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
	return (ssize_t)size;
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Workloads of a /8, with a few ports each. */
static void fill(struct load *load, size_t entries)
{
	static const uint16_t ports[] = {22, 53, 80, 443, 5432};
	struct set *set = arena_alloc(load->arena, sizeof *set);
	load->ruleset = arena_alloc(load->arena, sizeof *load->ruleset);
	load->ruleset->generation = 1;
	load->ruleset->at = time(NULL);
	*arena_push(load->arena, load->ruleset->sets, load->ruleset->set_count) = set;
	snprintf(set->name, sizeof set->name, "g1_in4_load");
	set->key = KEY_PORT4;
	set->size = (uint32_t)(entries + entries / 4);
	set->element_count = entries;
	set->elements = arena_alloc(load->arena, entries * sizeof *set->elements);
	for (size_t i = 0; i < entries; i++) {
		struct element *element = &set->elements[i];
		uint32_t address = htonl(0x0a000001 + (uint32_t)(i / 5));
		uint16_t port = htons(ports[i % 5]);
		memcpy(element->key, &address, sizeof address);
		element->key[4] = IPPROTO_TCP;
		memcpy(element->key + 8, &port, sizeof port);
		memcpy(element->end, element->key, sizeof element->end);
	}
	ruleset_sort(load->ruleset);
}

static int write_text(struct load *load)
{
	snprintf(load->text, sizeof load->text, "/tmp/ringfence-load.XXXXXX");
	int fd = mkstemp(load->text);
	FILE *stream = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (stream == NULL)
		return -errno;
	ruleset_print(stream, load->ruleset, load->ruleset->at);
	return fclose(stream) == 0 ? 0 : -errno;
}

static int prepare(struct load *load)
{
	struct kernel *kernel;
	int error = write_text(load);
	if (error == 0)
		error = kernel_open(&kernel);
	if (error != 0)
		return error;
	load->plan = plan_make(load->arena, NULL, load->ruleset);
	recorded_for = load;
	kernel_apply(kernel, load->plan, load->ruleset->at);
	recorded_for = NULL;
	kernel_close(kernel);
	return load->bytes != NULL ? 0 : -ENOMEM;
}

/* ---- the variants: each returns seconds, or a negative number ---- */

static double load_nft(struct load *load)
{
	double begin = seconds();
	pid_t child = fork();
	if (child == 0) {
		execlp("nft", "nft", "-f", load->text, (char *)NULL);
		_exit(127);
	}
	int status = 1;
	return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? seconds() - begin : -1;
}

static double apply(struct load *load, bool and_plan)
{
	struct kernel *kernel;
	double begin = seconds();
	if (kernel_open(&kernel) != 0)
		return -1;
	struct plan *plan = and_plan ? plan_make(load->arena, NULL, load->ruleset) : load->plan;
	struct answer answer = kernel_apply(kernel, plan, load->ruleset->at);
	if (answer.error != 0)
		fprintf(stderr, "refused: %s: %s\n", answer.object, strerror(-answer.error));
	return answer.error == 0 ? seconds() - begin : -1;
}

static double load_ringfence(struct load *load)
{
	return apply(load, true);
}

static double load_apply(struct load *load)
{
	return apply(load, false);
}

static double load_floor(struct load *load)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER), room = (int)(load->size / 2 + 4096);
	char error;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	double begin = seconds();
	if (sendto(fd, load->bytes, load->size, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
		return -1;
	double took = seconds() - begin;
	return recv(fd, &error, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN ? took : -1;
}

static const struct {
	const char *name;
	double (*run)(struct load *load);
} variants[] = {{"nft-f", load_nft}, {"ringfence", load_ringfence}, {"apply", load_apply}, {"floor", load_floor}};

enum { VARIANTS = sizeof variants / sizeof *variants };

/* Runs one in a process and a namespace of its own. */
static double run(struct load *load, size_t variant)
{
	int ends[2], status = 1;
	double took = -1;
	if (pipe(ends) != 0)
		return -1;
	pid_t child = fork();
	if (child == 0) {
		took = unshare(CLONE_NEWNET) == 0 ? variants[variant].run(load) : -1;
		_exit(write(ends[1], &took, sizeof took) != sizeof took);
	}
	close(ends[1]);
	if (read(ends[0], &took, sizeof took) != sizeof took)
		took = -1;
	close(ends[0]);
	if (child > 0)
		waitpid(child, &status, 0);
	usleep(SETTLE_MICROSECONDS);
	return status == 0 ? took : -1;
}

int main(int count, char **words)
{
	struct load load = {.arena = arena_create()};
	size_t entries = count > 1 ? strtoul(words[1], NULL, 10) : 1000000,
	       runs = count > 2 ? strtoul(words[2], NULL, 10) : 3;
	double best[VARIANTS];
	if (entries == 0 || entries > RULESET_ELEMENTS_MAX || runs == 0)
		return 1;
	fill(&load, entries);
	int error = prepare(&load);
	if (error != 0) {
		fprintf(stderr, "load: %s\n", strerror(-error));
		return 1;
	}
	for (size_t i = 0; i < runs; i++)
		for (size_t j = 0; j < VARIANTS; j++) {
			double took = run(&load, j);
			if (took < 0) {
				fprintf(stderr, "load: %s failed\n", variants[j].name);
				error = 1;
			}
			best[j] = i == 0 || took < best[j] ? took : best[j];
		}
	for (size_t j = 0; j < VARIANTS && error == 0; j++)
		printf(
		    "{\"bench\":\"load\",\"variant\":\"%s\",\"entries\":%zu,\"metric\":\"seconds\",\"value\":%.6f}\n",
		    variants[j].name, entries, best[j]);
	printf("{\"bench\":\"load\",\"variant\":\"ringfence\",\"entries\":%zu,\"metric\":\"bytes\",\"value\":%zu}\n",
	       entries, load.size);
	unlink(load.text);
	free(load.bytes);
	arena_free(load.arena);
	return error;
}
