/* The lab itself: every protocol passes an open router, and exactly what a rule drops does not. Prints TAP. */
#include "tests/lab/lab.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT = 300 };

static int count, failed;

static void result(bool good, const char *text)
{
	count++;
	failed += !good;
	printf("%s %d - %s\n", good ? "ok" : "not ok", count, text);
}

static struct address address(const char *text)
{
	struct address parsed;
	if (address_parse(&parsed, text) != NULL)
		abort();
	return parsed;
}

static const char *const places[][2] = {{"10.0.0.1", "fd00::1"}, {"10.0.0.2", "fd00::2"}};
static const char *const outside[2] = {"198.51.100.7", "2001:db8::7"}, *const own[2] = {"192.0.2.1", "2001:db8:1::1"};

static void give_addresses(struct lab *lab)
{
	int error = 0;
	for (size_t family = 0; family < 2; family++) {
		struct address there = address(outside[family]), router = address(own[family]);
		for (size_t i = 0; i < 2; i++) {
			struct address here = address(places[i][family]);
			error |= lab_add_address(lab, i, &here);
		}
		error |= lab_add_address(lab, LAB_OUTSIDE, &there);
		error |= lab_add_address(lab, LAB_ROUTER, &router);
	}
	result(error == 0, "addresses");
}

/* Every protocol between every two ends, in both families. */
static size_t list_probes(struct lab_probe *probes)
{
	static const size_t hosts[] = {0, 1, LAB_OUTSIDE, LAB_ROUTER};
	static const uint16_t protocols[][2][2] = {{{IPPROTO_TCP, 80}, {IPPROTO_TCP, 80}},
						   {{IPPROTO_UDP, 53}, {IPPROTO_UDP, 53}},
						   {{IPPROTO_SCTP, 9000}, {IPPROTO_SCTP, 9000}},
						   {{IPPROTO_ICMP, 8 << 8}, {IPPROTO_ICMPV6, 128 << 8}}};
	size_t made = 0;
	for (size_t from = 0; from < 4; from++)
		for (size_t to = 0; to < 4; to++)
			for (size_t i = 0; from != to && i < 8; i++) {
				size_t family = i % 2;
				const char *const ends[] = {places[0][family], places[1][family], outside[family],
							    own[family]};
				probes[made++] = (struct lab_probe){.from = hosts[from],
								    .to = hosts[to],
								    .source = address(ends[from]),
								    .destination = address(ends[to]),
								    .protocol = protocols[i / 2][family][0],
								    .port = protocols[i / 2][family][1]};
			}
	return made;
}

static bool load(struct lab *lab, const char *rules)
{
	if (lab_enter_router(lab) != 0)
		return false;
	FILE *nft = popen("nft -f -", "we");
	bool good = nft != NULL && fputs("flush ruleset\n", nft) >= 0 && fputs(rules, nft) >= 0;
	good = nft != NULL && pclose(nft) == 0 && good;
	lab_leave(lab);
	return good;
}

static void expect(const struct lab_probe *probes, size_t probe_count, bool (*passes)(const struct lab_probe *),
		   const char *text)
{
	size_t wrong = 0;
	for (size_t i = 0; i < probe_count; i++) {
		const struct lab_probe *probe = &probes[i];
		bool want = passes(probe);
		if (probe->request_arrived == want && probe->answer_arrived == want)
			continue;
		char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];
		if (wrong++ < 8)
			printf("# %s -> %s protocol %u: request %d, answer %d\n", address_format(&probe->source, from),
			       address_format(&probe->destination, to), probe->protocol, probe->request_arrived,
			       probe->answer_arrived);
	}
	result(wrong == 0, text);
}

static bool always(const struct lab_probe *probe)
{
	(void)probe;
	return true;
}

static bool never(const struct lab_probe *probe)
{
	(void)probe;
	return false;
}

static void expect_answers_only(const struct lab_probe *probes, size_t probe_count, const char *text)
{
	size_t right = 0;
	for (size_t i = 0; i < probe_count; i++)
		right += !probes[i].request_arrived && probes[i].answer_arrived;
	result(right == probe_count, text);
}

static bool not_udp_to_1(const struct lab_probe *probe)
{
	return probe->protocol != IPPROTO_UDP || probe->to != 1;
}

static bool not_to_the_router(const struct lab_probe *probe)
{
	return probe->to != LAB_ROUTER;
}

static bool not_from_the_router(const struct lab_probe *probe)
{
	return probe->from != LAB_ROUTER;
}

static bool between_hosts(const struct lab_probe *probe)
{
	return probe->from != LAB_ROUTER && probe->to != LAB_ROUTER;
}

#define TABLE(hook, rule) "table inet t { chain c { type filter hook " hook " priority 0; " rule "; }; }\n"
#define TRACKED TABLE("forward", "ct state invalid drop")

int main(void)
{
	static struct lab_probe probes[256];
	if (geteuid() != 0) {
		puts("1..0 # SKIP needs root to make network namespaces");
		return 0;
	}
	struct lab *lab = lab_create(2);
	if (lab == NULL)
		return 1;
	for (int round = 0; round < 2; round++) {
		give_addresses(lab);
		size_t made = list_probes(probes);
		result(load(lab, ""), "no rules");
		lab_probe(lab, probes, made, WAIT);
		expect(probes, made, always, "without rules everything passes");
		result(load(lab, TRACKED), "connections are tracked");
		lab_probe(lab, probes, made, WAIT);
		expect(probes, made, always, "conntrack finds nothing wrong with a packet of ours");
		size_t kept = 0;
		for (size_t i = 0; i < made; i++)
			if (between_hosts(&probes[i]))
				probes[kept++] = probes[i];
		lab_probe_again(lab, probes, kept, WAIT);
		expect(probes, kept, always, "nor with the next of the same connection");
		load(lab, TABLE("forward", "ct direction original drop"));
		lab_probe_again(lab, probes, kept, WAIT);
		expect_answers_only(probes, kept, "a server speaks also when nothing comes from the client");
		load(lab, TABLE("forward", "drop"));
		lab_probe_again(lab, probes, kept, WAIT);
		expect(probes, kept, never, "a connection that is cut is so both ways");
		made = list_probes(probes);
		load(lab, TABLE("forward", "oifname \"v1\" udp dport 53 drop"));
		lab_probe(lab, probes, made, WAIT);
		/* The router's own datagrams meet no forward hook. */
		for (size_t i = 0; i < made; i++)
			if (probes[i].from == LAB_ROUTER && probes[i].request_arrived && probes[i].to == 1)
				probes[i].to = 0;
		expect(probes, made, not_udp_to_1, "one protocol to one host can be dropped");
		made = list_probes(probes);
		load(lab, TABLE("input", "ct state new drop"));
		lab_probe(lab, probes, made, WAIT);
		expect(probes, made, not_to_the_router, "what is for the router meets its input hook");
		load(lab, TABLE("output", "ct state new drop"));
		lab_probe(lab, probes, made, WAIT);
		expect(probes, made, not_from_the_router, "what the router begins meets its output hook");
		result(lab_reset(lab) == 0, "reset");
	}
	lab_destroy(lab);
	printf("1..%d\n", count);
	return failed > 0;
}
