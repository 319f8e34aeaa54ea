/* What a packet, a connection and a stream cost through a router with one ruleset or another:
 *
 *   packets [--seconds N] [--metric NAME] [--program RINGFENCE] --directory DIRECTORY VARIANT:ENTRIES...
 *
 * VARIANT is a name of rules.c, or a file for `nft -f` made for so many entries. All paths stand side by side, and each
 * round carries a little over every one, so that what the machine does meanwhile meets all alike. Prints a record a
 * line: the median of the rounds, and that of the ratios to `conntrack` within a round, with quartiles; and for each
 * variant of several sizes the ratios to the one of 1,000 entries. */
#include "tests/bench/packets/path.h"
#include "tests/bench/packets/rules.h"
#include "tests/bench/packets/traffic.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { COMPARED_SIZE = 1000, ROUNDS_LEAST = 5, ROUNDS_MOST = 2000 };

/* What is measured, and how much of it in a round. */
static const struct measure {
	const char *metric;
	int (*carry)(struct traffic *traffic, uint64_t much, struct amount *amount);
	uint64_t much;
	bool cost;    /* of one, else: how many for the time */
	double scale; /* from a nanosecond each, or from one a nanosecond */
} measures[] = {
    {"us_per_packet", traffic_packets, 2000, true, 1e-3},
    {"connections_per_second", traffic_connections, 160, false, 1e9},
    {"gbit_per_second", traffic_bulk, 32 << 20, false, 8},
};
enum { MEASURES = sizeof measures / sizeof *measures };

struct contender {
	const char *variant;
	uint32_t entries;
	struct load load;
	struct path path;
	struct traffic *traffic;
	double values[MEASURES][ROUNDS_MOST]; /* of each round */
};

/* The one that is asked for, or NULL for all. */
static const char *only_metric;

static bool is_wanted(size_t m)
{
	return only_metric == NULL || strcmp(measures[m].metric, only_metric) == 0;
}

static double measure(const struct measure *what, struct traffic *traffic)
{
	struct amount amount;
	if (what->carry(traffic, what->much, &amount) != 0)
		return -1;
	double each = what->cost ? (double)amount.nanoseconds / (double)amount.count
				 : (double)amount.count / (double)amount.nanoseconds;
	return each * what->scale;
}

static int run_round(struct contender *contenders, size_t count, size_t round)
{
	for (size_t m = 0; m < MEASURES; m++)
		for (size_t i = 0; i < count && is_wanted(m); i++) {
			/* Not always the same after the same. */
			struct contender *one = &contenders[(i * (round % 2 != 0 ? count - 1 : 1) + round) % count];
			if ((one->values[m][round] = measure(&measures[m], one->traffic)) < 0) {
				fprintf(stderr, "packets: with %s of %u entries\n", one->variant, one->entries);
				return -1;
			}
		}
	return 0;
}

/* ---- records ---- */

struct quartiles {
	double low, middle, high;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Sorts the values. */
static struct quartiles quartiles_of(double *values, size_t count)
{
	qsort(values, count, sizeof *values, compare);
	return (struct quartiles){values[count / 4], values[count / 2], values[count - 1 - count / 4]};
}

static struct quartiles ratios(const double *values, const double *base, size_t rounds)
{
	double *list = calloc(rounds, sizeof *list);
	if (list == NULL)
		abort();
	for (size_t i = 0; i < rounds; i++)
		list[i] = values[i] / base[i];
	struct quartiles result = quartiles_of(list, rounds);
	free(list);
	return result;
}

static const struct contender *find(const struct contender *contenders, size_t count, const char *variant,
				    uint32_t entries)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(contenders[i].variant, variant) == 0 && (entries == 0 || contenders[i].entries == entries))
			return &contenders[i];
	return NULL;
}

/* `conntrack` with the same peers and services, where it takes part, or with others. */
static const struct contender *base_of(const struct contender *contenders, size_t count, const struct contender *one)
{
	const char *variant = rules_of_ipv6(one->variant) ? "conntrack6" : "conntrack";
	const struct contender *same = find(contenders, count, variant, one->entries);
	return same != NULL ? same : find(contenders, count, variant, 0);
}

static void print_begin(const struct contender *one, size_t m)
{
	printf("{\"bench\":\"packets\",\"variant\":\"%s\",\"entries\":%u,\"metric\":\"%s", one->variant, one->entries,
	       measures[m].metric);
}

static void print_ratio(const struct quartiles *q)
{
	printf("\"ratio\":%.4f,\"ratio_low\":%.4f,\"ratio_high\":%.4f}\n", q->middle, q->low, q->high);
}

static void print_records(struct contender *contenders, size_t count, size_t rounds)
{
	for (size_t m = 0; m < MEASURES; m++) {
		for (size_t i = 0; i < count && is_wanted(m); i++) {
			struct contender *one = &contenders[i];
			const struct contender *base = base_of(contenders, count, one);
			const struct contender *small = find(contenders, count, one->variant, COMPARED_SIZE);
			double *copy = calloc(rounds, sizeof *copy);
			if (copy == NULL)
				abort();
			memcpy(copy, one->values[m], rounds * sizeof *copy);
			struct quartiles q = quartiles_of(copy, rounds);
			free(copy);
			print_begin(one, m);
			printf("\",\"value\":%.4g,\"low\":%.4g,\"high\":%.4g", q.middle, q.low, q.high);
			if (base != NULL) {
				q = ratios(one->values[m], base->values[m], rounds);
				printf(",\"against\":\"%s\",", base->variant);
				print_ratio(&q);
			} else {
				puts("}");
			}
			if (small != NULL && one->entries > COMPARED_SIZE) {
				q = ratios(one->values[m], small->values[m], rounds);
				print_begin(one, m);
				printf("\",\"against\":\"%d entries\",", COMPARED_SIZE);
				print_ratio(&q);
			}
		}
	}
}

/* ---- setting up ---- */

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int set_up(struct contender *one, const char *directory, const char *program)
{
	char own[400];
	snprintf(own, sizeof own, "%s/%s-%u", directory, strrchr(one->variant, '/') ? "file" : one->variant,
		 one->entries);
	if (mkdir(own, 0700) != 0 && errno != EEXIST) {
		fprintf(stderr, "packets: %s: %s\n", own, strerror(errno));
		return -1;
	}
	double begin = seconds_now();
	one->load = load_of(rules_of_ipv6(one->variant) ? AF_INET6 : AF_INET, one->entries);
	if (rules_load(&one->path, one->variant, &one->load, own, program) != 0 ||
	    (one->traffic = traffic_create(&one->path, &one->load)) == NULL) {
		fprintf(stderr, "packets: cannot set up %s of %u entries\n", one->variant, one->entries);
		return -1;
	}
	fprintf(stderr, "packets: %s of %u entries stands after %.1f s\n", one->variant, one->entries,
		seconds_now() - begin);
	return 0;
}

static int usage(void)
{
	fputs("usage: packets [--seconds N] [--metric NAME] [--program RINGFENCE] --directory DIRECTORY "
	      "VARIANT:ENTRIES...\n",
	      stderr);
	return 2;
}

/* One CPU: the sender's, on which its packets are carried as well. */
static void stay_here(void)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	sched_setaffinity(0, sizeof one, &one);
}

static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
	(void)number;
	is_over = 1;
}

/* As many rounds as there is time for, then their records; also those before one that failed or a SIGTERM. */
static int run(struct contender *contenders, size_t count, double seconds)
{
	size_t rounds = 0;
	int result = 0;
	stay_here();
	signal(SIGTERM, on_signal);
	for (double end = seconds_now() + seconds;
	     result == 0 && is_over == 0 && (rounds < ROUNDS_LEAST || (rounds < ROUNDS_MOST && seconds_now() < end));) {
		result = run_round(contenders, count, rounds);
		rounds += result == 0;
	}
	fprintf(stderr, "packets: %zu rounds\n", rounds);
	if (rounds > 0)
		print_records(contenders, count, rounds);
	return result;
}

int main(int count, char **arguments)
{
	static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
						{"metric", required_argument, NULL, 'm'},
						{"program", required_argument, NULL, 'p'},
						{"directory", required_argument, NULL, 'd'},
						{NULL, 0, NULL, 0}};
	double seconds = 20;
	const char *program = "build/ringfence", *directory = NULL;
	int option;
	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
		if (option == 's')
			seconds = strtod(optarg, NULL);
		else if (option == 'm')
			only_metric = optarg;
		else if (option == 'p')
			program = optarg;
		else if (option == 'd')
			directory = optarg;
		else
			return usage();
	}
	size_t contender_count = (size_t)(count - optind);
	if (contender_count == 0 || directory == NULL)
		return usage();
	const struct rlimit files = {1 << 17, 1 << 17};
	setrlimit(RLIMIT_NOFILE, &files);
	struct contender *contenders = calloc(contender_count, sizeof *contenders);
	if (contenders == NULL)
		abort();
	for (size_t i = 0; i < contender_count; i++) {
		char *argument = arguments[optind + (int)i], *colon = strrchr(argument, ':');
		if (colon == NULL || (contenders[i].entries = (uint32_t)strtoul(colon + 1, NULL, 10)) < 10)
			return usage();
		*colon = 0;
		contenders[i].variant = argument;
		/* All wires first: it takes the kernel a second to see that one is up. */
		if (path_make(&contenders[i].path) != 0)
			return 1;
	}
	size_t ready = 0;
	for (size_t i = 0; i < contender_count; i++)
		if (set_up(&contenders[i], directory, program) == 0)
			contenders[ready++] = contenders[i];
		else
			path_finish(&contenders[i].path);
	contender_count = ready;
	int result = contender_count > 0 ? run(contenders, contender_count, seconds) : -1;
	for (size_t i = 0; i < contender_count; i++) {
		traffic_destroy(contenders[i].traffic);
		path_finish(&contenders[i].path);
	}
	free(contenders);
	return result == 0 ? 0 : 1;
}
