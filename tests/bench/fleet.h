/* A made-up fleet: services that call each other, and their workloads on nodes, as policy and inventory files. All of
 * it follows from four numbers, so that a bench need not remember what it wrote. */
#ifndef TESTS_FLEET_H
#define TESTS_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#define FLEET_NODE "node-a" /* the name of node 0 */

/* `workloads` is a multiple of `services` and of `nodes`, each of these of `tenants`. The replicas of a service are on
 * nodes that follow each other. */
struct fleet {
	unsigned services;
	unsigned allows; /* of each service, from as many others of its tenant */
	unsigned workloads;
	unsigned nodes;
	unsigned tenants;  /* who share no services and no nodes */
	unsigned together; /* replicas of a service that are on the same node */
};

/* All on one node: 20 services. And a hundred workloads on each node, a service for each ten: each of another service;
 * two of each service; of tenants of a thousand workloads, so that what a node knows is the same however large the
 * fleet. Ten allows a service. */
struct fleet fleet_on_one_node(unsigned workloads);
struct fleet fleet_of_nodes(unsigned workloads);
struct fleet fleet_of_pairs(unsigned workloads);
struct fleet fleet_of_tenants(unsigned workloads);

unsigned fleet_per_node(const struct fleet *fleet);

/* The workload at a place of a node, from 0 on, and the other way round. Node 0 is FLEET_NODE, node i FLEET_NODE i. */
unsigned fleet_workload_at(const struct fleet *fleet, unsigned node, unsigned place);
unsigned fleet_node_of(const struct fleet *fleet, unsigned workload);
unsigned fleet_place_of(const struct fleet *fleet, unsigned workload);

/* A workload as it is for now. Its addresses follow from `version` modulo FLEET_VERSIONS; relabelled it is one of the
 * next service of its namespace. */
struct fleet_workload {
	unsigned index, version;
	bool relabelled;
};

enum { FLEET_VERSIONS = 4 };

/* The `i`-th workload that runs on node 0, and the `i`-th one of another node that node 0 has to know, for it may call
 * a service there; both start again at the end, and the second needs two nodes. */
unsigned fleet_local(const struct fleet *fleet, unsigned i);
unsigned fleet_remote(const struct fleet *fleet, unsigned i);

/* The IPv4 address, in host order, of a workload; and whose address one is, if it is one of the fleet's. */
uint32_t fleet_address(const struct fleet *fleet, const struct fleet_workload *workload);
bool fleet_owner(const struct fleet *fleet, uint32_t address, struct fleet_workload *owner);

/* Write the nodes and a document for each hundred services; or the workloads, a file for each node. False with errno.
 */
bool fleet_write_policy(const struct fleet *fleet, const char *directory);
bool fleet_write_inventory(const struct fleet *fleet, const char *directory);

/* Writes another file of policy: an allow from the service of a workload on a port that follows from `version`. Returns
 * the time just before (now_ns), or 0 with errno. `directory` is above that of the policy. */
uint64_t fleet_write_change(const struct fleet *fleet, const char *directory, unsigned index, unsigned version);

/* Writes the file of one workload under another name, then renames it; or removes it. Returns the time just before
 * (now_ns), or 0 with errno. */
uint64_t fleet_write_workload(const struct fleet *fleet, const char *directory, const struct fleet_workload *workload);
uint64_t fleet_remove_workload(const char *directory, unsigned index);

/* A file for every workload. False with errno. */
bool fleet_write_workloads(const struct fleet *fleet, const char *directory);

#endif
