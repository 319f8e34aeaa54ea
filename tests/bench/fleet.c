/* A made-up fleet as policy and inventory files.
 *
 *   service s is `s{s % 100}` of namespace `n{s / 100}`; its workloads are numbered one after the other
 *   a tenant has services, workloads and nodes that follow each other; who calls whom is the same in each
 *   workload i of a tenant is on its node i / together % nodes
 *   10.64.0.0 + node * block + place * FLEET_VERSIONS + version, where a node's block is a power of two */
#include "tests/bench/fleet.h"

#include "tests/packets/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PER_NAMESPACE = 100, TENANT = 1000 };

#define FIRST_ADDRESS UINT32_C(0x0a400000)

struct fleet fleet_on_one_node(unsigned workloads)
{
	return (struct fleet){
	    .services = 20, .allows = 10, .workloads = workloads, .nodes = 1, .tenants = 1, .together = 1};
}

struct fleet fleet_of_nodes(unsigned workloads)
{
	return (struct fleet){.services = workloads / 10,
			      .allows = 10,
			      .workloads = workloads,
			      .nodes = workloads / 100,
			      .tenants = 1,
			      .together = 1};
}

struct fleet fleet_of_pairs(unsigned workloads)
{
	struct fleet fleet = fleet_of_nodes(workloads);
	fleet.together = 2;
	return fleet;
}

struct fleet fleet_of_tenants(unsigned workloads)
{
	struct fleet fleet = fleet_of_nodes(workloads);
	fleet.tenants = workloads / TENANT;
	return fleet;
}

static unsigned per_service(const struct fleet *fleet)
{
	return fleet->workloads / fleet->services;
}

unsigned fleet_per_node(const struct fleet *fleet)
{
	return fleet->workloads / fleet->nodes;
}

/* ---- where a workload is ---- */

unsigned fleet_workload_at(const struct fleet *fleet, unsigned node, unsigned place)
{
	unsigned nodes = fleet->nodes / fleet->tenants, tenant = node / nodes;
	return tenant * (fleet->workloads / fleet->tenants) +
	       (place / fleet->together * nodes + node % nodes) * fleet->together + place % fleet->together;
}

unsigned fleet_node_of(const struct fleet *fleet, unsigned workload)
{
	unsigned nodes = fleet->nodes / fleet->tenants, workloads = fleet->workloads / fleet->tenants;
	return workload / workloads * nodes + workload % workloads / fleet->together % nodes;
}

unsigned fleet_place_of(const struct fleet *fleet, unsigned workload)
{
	unsigned nodes = fleet->nodes / fleet->tenants, workloads = fleet->workloads / fleet->tenants;
	return workload % workloads / (fleet->together * nodes) * fleet->together + workload % fleet->together;
}

/* The service that allow `number` of `service` is from. */
static unsigned caller(const struct fleet *fleet, unsigned service, unsigned number)
{
	unsigned services = fleet->services / fleet->tenants, step = services / (fleet->allows + 1);
	unsigned first = service - service % services;
	return first + (service - first + 1 + number * (step > 0 ? step : 1)) % services;
}

unsigned fleet_local(const struct fleet *fleet, unsigned i)
{
	return fleet_workload_at(fleet, 0, i % fleet_per_node(fleet));
}

/* In each round another caller of each local service, and another replica of it, so that none is met twice for some
 * rounds. What a service has on node 0 are its first replicas. */
unsigned fleet_remote(const struct fleet *fleet, unsigned i)
{
	unsigned service = fleet_local(fleet, i) / per_service(fleet), round = i / fleet_per_node(fleet);
	unsigned first = caller(fleet, service, round % fleet->allows) * per_service(fleet);
	return first + fleet->together + (round + round / fleet->allows) % (per_service(fleet) - fleet->together);
}

/* How many low bits of an address are free within a node. */
static unsigned block_bits(const struct fleet *fleet)
{
	unsigned bits = 0;
	while (1u << bits < fleet_per_node(fleet) * FLEET_VERSIONS)
		bits++;
	return bits;
}

static uint32_t offset_of(const struct fleet *fleet, const struct fleet_workload *workload)
{
	return fleet_place_of(fleet, workload->index) * FLEET_VERSIONS + workload->version % FLEET_VERSIONS;
}

uint32_t fleet_address(const struct fleet *fleet, const struct fleet_workload *workload)
{
	return FIRST_ADDRESS + (fleet_node_of(fleet, workload->index) << block_bits(fleet)) +
	       offset_of(fleet, workload);
}

bool fleet_owner(const struct fleet *fleet, uint32_t address, struct fleet_workload *owner)
{
	uint32_t number = address - FIRST_ADDRESS, node = number >> block_bits(fleet);
	uint32_t offset = number - (node << block_bits(fleet)), place = offset / FLEET_VERSIONS;
	if (address < FIRST_ADDRESS || node >= fleet->nodes || place >= fleet_per_node(fleet))
		return false;
	*owner =
	    (struct fleet_workload){.index = fleet_workload_at(fleet, node, place), .version = offset % FLEET_VERSIONS};
	return true;
}

static const char *dotted(uint32_t address, char text[16])
{
	snprintf(text, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
	return text;
}

/* ---- policy ---- */

static void print_node_name(FILE *file, unsigned node)
{
	if (node == 0)
		fputs(FLEET_NODE, file);
	else
		fprintf(file, FLEET_NODE "%u", node);
}

static void print_nodes(FILE *file, const struct fleet *fleet)
{
	fputs("ringfence: v1\nnodes:\n", file);
	for (unsigned i = 0; i < fleet->nodes; i++) {
		char own[16], pool[16];
		struct fleet_workload first = {.index = fleet_workload_at(fleet, i, 0)};
		fputs("  ", file);
		print_node_name(file, i);
		fprintf(file, ": {addresses: [%s], workload_networks: [%s/%u, \"fd00:%x::/64\"]}\n",
			dotted(0xac100001 + i, own), dotted(fleet_address(fleet, &first), pool), 32 - block_bits(fleet),
			1 + i);
	}
}

static void print_namespace(FILE *file, const struct fleet *fleet, unsigned first)
{
	unsigned end = first + PER_NAMESPACE < fleet->services ? first + PER_NAMESPACE : fleet->services;
	fprintf(file, "ringfence: v1\nnamespace: n%u\nservices:\n", first / PER_NAMESPACE);
	for (unsigned s = first; s < end; s++)
		fprintf(file, "  s%u: {workloads: {app: s%u}, ports: {http: 8080/tcp}}\n", s - first, s - first);
	fputs("allow:\n", file);
	for (unsigned s = first; s < end; s++)
		for (unsigned i = 0; i < fleet->allows; i++) {
			unsigned from = caller(fleet, s, i);
			fprintf(file, "  - {from: n%u/s%u, to: s%u, why: measured}\n", from / PER_NAMESPACE,
				from % PER_NAMESPACE, s - first);
		}
}

static FILE *create(const char *directory, const char *name, unsigned number)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s%u.yaml", directory, name, number);
	return fopen(path, "we");
}

bool fleet_write_policy(const struct fleet *fleet, const char *directory)
{
	FILE *file = create(directory, "nodes", 0);
	if (file == NULL)
		return false;
	print_nodes(file, fleet);
	bool ok = fclose(file) == 0;
	for (unsigned first = 0; ok && first < fleet->services; first += PER_NAMESPACE) {
		file = create(directory, "services", first / PER_NAMESPACE);
		if (file == NULL)
			return false;
		print_namespace(file, fleet, first);
		ok = fclose(file) == 0;
	}
	return ok;
}

uint64_t fleet_write_change(const struct fleet *fleet, const char *directory, unsigned index, unsigned version)
{
	char path[4096], fresh[4096];
	unsigned service = index / per_service(fleet), other = caller(fleet, service, 0);
	snprintf(path, sizeof path, "%s/policy/change.yaml", directory);
	snprintf(fresh, sizeof fresh, "%s/change.yaml", directory);
	FILE *file = fopen(fresh, "we");
	if (file == NULL)
		return 0;
	fprintf(file, "ringfence: v1\nallow: [{from: n%u/s%u, to: n%u/s%u, ports: [%u/tcp], why: measured}]\n",
		service / PER_NAMESPACE, service % PER_NAMESPACE, other / PER_NAMESPACE, other % PER_NAMESPACE,
		9000 + version % 1000);
	uint64_t now = now_ns();
	return fclose(file) == 0 && rename(fresh, path) == 0 ? now : 0;
}

/* ---- workloads ---- */

static void print_workload(FILE *file, const struct fleet *fleet, const struct fleet_workload *workload)
{
	unsigned service = workload->index / per_service(fleet), first = service - service % PER_NAMESPACE;
	unsigned end = first + PER_NAMESPACE < fleet->services ? first + PER_NAMESPACE : fleet->services;
	unsigned as = workload->relabelled ? first + (service - first + 1) % (end - first) : service;
	unsigned node = fleet_node_of(fleet, workload->index);
	uint32_t offset = offset_of(fleet, workload);
	char text[16];
	fprintf(file, "  - name: w%u\n    namespace: n%u\n    node: ", workload->index, first / PER_NAMESPACE);
	print_node_name(file, node);
	fprintf(file, "\n    labels: {app: s%u}\n    addresses: [%s, \"fd00:%x::%x:%x\"]\n", as - first,
		dotted(fleet_address(fleet, workload), text), 1 + node, offset >> 16, offset & 0xffff);
}

bool fleet_write_inventory(const struct fleet *fleet, const char *directory)
{
	bool ok = true;
	for (unsigned node = 0; ok && node < fleet->nodes; node++) {
		FILE *file = create(directory, "workloads", node);
		if (file == NULL)
			return false;
		fputs("ringfence: v1\nworkloads:\n", file);
		for (unsigned place = 0; place < fleet_per_node(fleet); place++)
			print_workload(file, fleet,
				       &(struct fleet_workload){.index = fleet_workload_at(fleet, node, place)});
		ok = fclose(file) == 0;
	}
	return ok;
}

uint64_t fleet_write_workload(const struct fleet *fleet, const char *directory, const struct fleet_workload *workload)
{
	char path[4096], fresh[4096];
	snprintf(path, sizeof path, "%s/w%u.yaml", directory, workload->index);
	snprintf(fresh, sizeof fresh, "%s/.w%u.yaml.new", directory, workload->index);
	FILE *file = fopen(fresh, "we");
	if (file == NULL)
		return 0;
	fputs("ringfence: v1\nworkloads:\n", file);
	print_workload(file, fleet, workload);
	if (fclose(file) != 0)
		return 0;
	uint64_t start = now_ns();
	return rename(fresh, path) < 0 ? 0 : start;
}

uint64_t fleet_remove_workload(const char *directory, unsigned index)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/w%u.yaml", directory, index);
	uint64_t start = now_ns();
	return unlink(path) < 0 ? 0 : start;
}

bool fleet_write_workloads(const struct fleet *fleet, const char *directory)
{
	for (unsigned i = 0; i < fleet->workloads; i++)
		if (fleet_write_workload(fleet, directory, &(struct fleet_workload){.index = i}) == 0)
			return false;
	return true;
}
