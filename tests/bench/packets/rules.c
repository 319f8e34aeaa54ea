/* A variant is a function that writes its text and the commands that load it. */
#include "tests/bench/packets/rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { SERVICES_MOST = 10, PEERS_LEAST = 5 };

struct load load_of(int family, uint32_t entries)
{
	struct load load = {.family = family, .services = entries / (2 * PEERS_LEAST)};
	load.services = load.services < 1 ? 1 : load.services > SERVICES_MOST ? SERVICES_MOST : load.services;
	load.peers = entries / (2 * load.services);
	return load;
}

/* An address without its port. */
struct text {
	char at[INET6_ADDRSTRLEN];
};

static struct text text_of(struct sockaddr_storage address)
{
	struct text text;
	const void *bytes = address.ss_family == AF_INET ? (void *)&((struct sockaddr_in *)&address)->sin_addr
							 : (void *)&((struct sockaddr_in6 *)&address)->sin6_addr;
	inet_ntop(address.ss_family, bytes, text.at, sizeof text.at);
	return text;
}

static struct text peer_text(const struct load *load, uint32_t number)
{
	return text_of(path_peer(load->family, number));
}

static struct text service_text(const struct load *load, uint32_t number)
{
	return text_of(path_service(load->family, number, 0));
}

static const char *const protocols[] = {"tcp", "udp"};

/* ---- the texts ---- */

/* What a router has that only keeps track of connections. */
static void write_conntrack(FILE *out, const struct load *load)
{
	(void)load;
	fputs("table inet bench {\nchain forward { type filter hook forward priority filter; policy accept;\n"
	      "ct state established,related accept\n}\n}\n",
	      out);
}

/* A rule for each allowed pair and port, as people write by hand. Like Ringfence it looks at each packet of a request;
 * replies pass by conntrack. */
static void write_naive(FILE *out, const struct load *load)
{
	const char *word = load->family == AF_INET ? "ip" : "ip6";
	fputs("table inet bench {\nchain forward { type filter hook forward priority filter; policy drop;\n"
	      "ct state established ct direction reply accept\n",
	      out);
	for (uint32_t i = 0; i < load->peers; i++)
		for (uint32_t j = 0; j < load->services; j++)
			for (size_t k = 0; k < 2; k++)
				fprintf(out, "%s saddr %s %s daddr %s %s dport %d accept\n", word,
					peer_text(load, i).at, word, service_text(load, j).at, protocols[k],
					SERVICE_PORT);
	fputs("}\n}\n", out);
}

/* For `ipset restore`. */
static void write_ipset(FILE *out, const struct load *load)
{
	uint32_t entries = 2 * load->peers * load->services;
	fprintf(out, "create allowed hash:ip,port,ip family inet hashsize %u maxelem %u\n",
		entries < 1024 ? 1024 : entries, entries);
	for (uint32_t i = 0; i < load->peers; i++)
		for (uint32_t j = 0; j < load->services; j++)
			for (size_t k = 0; k < 2; k++)
				fprintf(out, "add allowed %s,%s:%d,%s\n", peer_text(load, i).at, protocols[k],
					SERVICE_PORT, service_text(load, j).at);
}

/* For `iptables-restore`; `state` is what passes without a look at the set. */
static void write_iptables(FILE *out, const char *state)
{
	fprintf(out,
		"*filter\n:FORWARD DROP\n-A FORWARD -m conntrack %s -j ACCEPT\n"
		"-A FORWARD -m set --match-set allowed src,dst,dst -j ACCEPT\nCOMMIT\n",
		state);
}

/* Workloads behind their interfaces; `node` is where the peers run. */
static void write_policy(FILE *out, const struct load *load, const char *node, const char *more)
{
	fputs("ringfence: v1\nnamespace: bench\nservices:\n  peer: {workloads: {app: peer}}\n", out);
	for (uint32_t i = 0; i < load->services; i++)
		fprintf(out, "  s%u: {workloads: {app: s%u}, ports: {t: %d/tcp, u: %d/udp}}\n", i, i, SERVICE_PORT,
			SERVICE_PORT);
	fputs("allow:\n", out);
	for (uint32_t i = 0; i < load->services; i++)
		fprintf(out, "  - {from: peer, to: s%u}\n", i);
	fputs("---\nringfence: v1\nnodes:\n"
	      "  here: {addresses: [192.0.2.1, 192.0.2.5], workload_networks: [172.16.0.0/16, \"fd00:2::/32\"]}\n"
	      "workloads:\n",
	      out);
	for (uint32_t i = 0; i < load->services; i++)
		fprintf(out,
			"  - {name: s%u, namespace: bench, node: here, labels: {app: s%u}, addresses: [\"%s\"], "
			"interface: local}\n",
			i, i, service_text(load, i).at);
	for (uint32_t i = 0; i < load->peers; i++)
		fprintf(out,
			"  - {name: p%u, namespace: bench, node: %s, labels: {app: peer}, addresses: [\"%s\"]%s}\n", i,
			node, peer_text(load, i).at, more);
}

static void write_ringfence(FILE *out, const struct load *load)
{
	write_policy(out, load, "there", "");
}

static void write_ringfence_both(FILE *out, const struct load *load)
{
	write_policy(out, load, "here", ", interface: peers");
}

static void write_iptables_usual(FILE *out, const struct load *load)
{
	(void)load;
	write_iptables(out, "--ctstate ESTABLISHED,RELATED");
}

static void write_iptables_each(FILE *out, const struct load *load)
{
	(void)load;
	write_iptables(out, "--ctstate ESTABLISHED --ctdir REPLY");
}

/* ---- the variants ---- */

enum loader { LOAD_NFT, LOAD_IPTABLES, LOAD_RINGFENCE };

static const struct variant {
	const char *name;
	enum loader loader;
	void (*write)(FILE *out, const struct load *load); /* NULL: no ruleset at all */
	bool ipv6;
} variants[] = {
    {"none", LOAD_NFT, NULL, false},
    {"none6", LOAD_NFT, NULL, true},
    {"conntrack", LOAD_NFT, write_conntrack, false},
    {"conntrack6", LOAD_NFT, write_conntrack, true},
    {"naive", LOAD_NFT, write_naive, false},
    {"ipset", LOAD_IPTABLES, write_iptables_usual, false},
    {"ipset-each", LOAD_IPTABLES, write_iptables_each, false},
    {"ringfence", LOAD_RINGFENCE, write_ringfence, false},
    {"ringfence6", LOAD_RINGFENCE, write_ringfence, true},
    {"ringfence-both", LOAD_RINGFENCE, write_ringfence_both, false},
};

static int write_file(char path[512], const char *directory, const char *name,
		      void (*write)(FILE *, const struct load *), const struct load *load)
{
	snprintf(path, 512, "%s/%s", directory, name);
	FILE *out = fopen(path, "we");
	if (out != NULL) {
		write(out, load);
		bool failed = ferror(out) != 0;
		if (fclose(out) == 0 && !failed)
			return 0;
	}
	fprintf(stderr, "packets: %s: %s\n", path, strerror(errno));
	return -1;
}

static int load_file(const struct path *path, enum loader loader, const char *file, const char *program)
{
	const char *const nft[] = {"nft", "-f", file, NULL};
	const char *const iptables[] = {"iptables-nft-restore", file, NULL};
	const char *const ringfence[] = {program, "apply", "--node", "here", file, NULL};
	const char *const *commands[] = {[LOAD_NFT] = nft, [LOAD_IPTABLES] = iptables, [LOAD_RINGFENCE] = ringfence};
	return path_run(path->router, commands[loader]);
}

static const struct variant *variant_named(const char *name)
{
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
		if (strcmp(variants[i].name, name) == 0)
			return &variants[i];
	return NULL;
}

bool rules_of_ipv6(const char *variant)
{
	const struct variant *one = variant_named(variant);
	return one != NULL && one->ipv6;
}

int rules_load(const struct path *path, const char *variant, const struct load *load, const char *directory,
	       const char *program)
{
	const struct variant *one = variant_named(variant);
	char file[512];
	if (one == NULL)
		return load_file(path, LOAD_NFT, variant, program);
	if (one->write == NULL)
		return 0;
	if (one->loader == LOAD_IPTABLES) {
		const char *const restore[] = {"ipset", "restore", "-file", file, NULL};
		if (write_file(file, directory, "ipset", write_ipset, load) != 0 ||
		    path_run(path->router, restore) != 0)
			return -1;
	}
	return write_file(file, directory, "rules", one->write, load) == 0 ? load_file(path, one->loader, file, program)
									   : -1;
}
