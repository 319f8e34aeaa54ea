/* Runs conformance cases: what is expected of NetworkPolicies, asked of `ringfence explain` and of real packets.
 *
 *   conformance RINGFENCE CASES.json...
 *
 * README.md tells the format. For each case the manifests are written as a cluster would print them; `ringfence
 * compile` makes the ruleset of a router between one namespace for each pod. In a second round, where a case has one,
 * `ringfence apply` changes the ruleset under connections that run. Prints each disagreement and a last line of counts.
 */
#include "tests/lab/lab.h"

#include <jansson.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT = 40, PATIENT_WAIT = 1000, TRIES = 3, PODS_MAX = 40, SHOWN = 20 };

struct runner {
	const char *ringfence;
	struct lab *lab;
	size_t cases, probes, evaluator_right, evaluator_wrong, packets_right, packets_wrong, shown;
};

struct one_case {
	const char *id;
	json_t *pods, *probes;
	struct lab_probe *attempts;
	size_t probe_count;
};

/* In the working directory, which is a temporary one. */
#define MANIFESTS "manifests"
#define FLOWS "flows"
#define LOG "log" /* what ringfence said on stderr last */

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));
	return value != NULL ? value : "";
}

__attribute__((noreturn)) static void fail(const struct one_case *one, const char *what)
{
	char line[512];
	FILE *log = fopen(LOG, "re");
	fprintf(stderr, "conformance: %s: %s\n", one->id, what);
	while (log != NULL && fgets(line, sizeof line, log) != NULL)
		fputs(line, stderr);
	exit(2);
}

/* ---- manifests ---- */

static json_t *metadata(const char *name, const char *name_space, json_t *labels)
{
	json_t *object =
	    json_pack("{s:s, s:o}", "name", name, "labels", labels != NULL ? json_incref(labels) : json_object());
	if (name_space != NULL)
		json_object_set_new(object, "namespace", json_string(name_space));
	return object;
}

static json_t *ips_json(const json_t *ips)
{
	json_t *list = json_array(), *ip;
	size_t i;
	json_array_foreach((json_t *)ips, i, ip) json_array_append_new(list, json_pack("{s:O}", "ip", ip));
	return list;
}

static json_t *pod_json(const json_t *pod, const json_t *node)
{
	json_t *ports = json_object_get(pod, "ports"), *host_network = json_object_get(pod, "hostNetwork");
	const char *phase = text(pod, "phase");
	json_t *container = json_pack("{s:s}", "name", "c"), *spec = json_object();
	if (ports != NULL)
		json_object_set(container, "ports", ports);
	json_object_set_new(spec, "containers", json_pack("[o]", container));
	if (host_network != NULL)
		json_object_set(spec, "hostNetwork", host_network);
	json_t *status = json_pack("{s:s, s:o}", "phase", *phase != 0 ? phase : "Running", "podIPs",
				   ips_json(json_object_get(pod, "ips")));
	if (node != NULL) {
		json_object_set_new(spec, "nodeName", json_string("node"));
		json_object_set_new(status, "hostIPs", ips_json(json_object_get(node, "ips")));
	}
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "apiVersion", "v1", "kind", "Pod", "metadata",
			 metadata(text(pod, "name"), text(pod, "namespace"), json_object_get(pod, "labels")), "spec",
			 spec, "status", status);
}

/* Everything as one List, as `kubectl get -o json` prints it. */
static void write_manifests(const struct one_case *one, const json_t *inventory, const json_t *policies,
			    const json_t *native)
{
	json_t *items = json_array(), *labels, *pod, *policy;
	const char *name;
	size_t i;
	json_object_foreach(json_object_get(inventory, "namespaces"), name, labels)
	    json_array_append_new(items, json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind", "Namespace",
						   "metadata", metadata(name, NULL, labels)));
	json_array_foreach(json_object_get(inventory, "pods"), i, pod)
	    json_array_append_new(items, pod_json(pod, json_object_get(inventory, "node")));
	json_array_foreach((json_t *)policies, i, policy) json_array_append(items, policy);
	json_t *list = json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind", "List", "items", items);
	if (json_dump_file(list, MANIFESTS "/cluster.json", JSON_INDENT(1)) != 0)
		fail(one, "cannot write the manifests");
	json_decref(list);
	unlink(MANIFESTS "/native.json");
	if (native != NULL && json_dump_file(native, MANIFESTS "/native.json", JSON_INDENT(1)) != 0)
		fail(one, "cannot write the native document");
}

/* ---- ends ---- */

static json_t *find_pod(const struct one_case *one, const char *name, size_t *index)
{
	json_t *pod;
	size_t i;
	json_array_foreach(one->pods, i, pod)
	{
		char full[256];
		snprintf(full, sizeof full, "%s/%s", text(pod, "namespace"), text(pod, "name"));
		*index = i;
		if (strcmp(full, name) == 0)
			return pod;
	}
	return NULL;
}

/* The host and the address that a probe's end means. */
static size_t end_of(const struct one_case *one, const json_t *probe, const char *key, struct address *address)
{
	const json_t *family_json = json_object_get(probe, "family");
	json_int_t family = family_json != NULL ? json_integer_value(family_json) : 4;
	const char *name = text(probe, key);
	size_t index = 0, i;
	json_t *pod = find_pod(one, name, &index), *ip;
	if (pod == NULL && address_parse(address, name) == NULL)
		return LAB_OUTSIDE;
	json_array_foreach(json_object_get(pod, "ips"), i,
			   ip) if (address_parse(address, json_string_value(ip)) == NULL &&
				   address->family == family) return json_is_true(json_object_get(pod, "hostNetwork"))
	    ? LAB_ROUTER
	    : index;
	fail(one, name);
}

static uint16_t protocol_of(const struct one_case *one, const json_t *probe)
{
	static const struct {
		const char *name;
		uint16_t number;
	} protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};
	for (size_t i = 0; i < 3; i++)
		if (strcmp(protocols[i].name, text(probe, "proto")) == 0)
			return protocols[i].number;
	fail(one, "unknown protocol");
}

static void prepare(struct one_case *one)
{
	json_t *probe;
	size_t i;
	json_array_foreach(one->probes, i, probe)
	{
		struct lab_probe *attempt = &one->attempts[i];
		attempt->from = end_of(one, probe, "from", &attempt->source);
		attempt->to = end_of(one, probe, "to", &attempt->destination);
		attempt->protocol = protocol_of(one, probe);
		attempt->port = (uint16_t)json_integer_value(json_object_get(probe, "port"));
	}
}

/* ---- the evaluator ---- */

static void ask_evaluator(struct runner *runner, const struct one_case *one, bool *allowed)
{
	char command[512], from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];
	FILE *questions = fopen(FLOWS, "we");
	if (questions == NULL)
		fail(one, "cannot write the questions");
	for (size_t i = 0; i < one->probe_count; i++)
		fprintf(questions, "%s %s %u/%s\n", address_format(&one->attempts[i].source, from),
			address_format(&one->attempts[i].destination, to), one->attempts[i].port,
			text(json_array_get(one->probes, i), "proto"));
	fclose(questions);
	snprintf(command, sizeof command, "'%s' explain " MANIFESTS " - <" FLOWS " 2>" LOG, runner->ringfence);
	FILE *answers = popen(command, "re");
	char *line = NULL;
	size_t room = 0, count = 0;
	while (answers != NULL && getline(&line, &room, answers) > 0 && count < one->probe_count) {
		json_t *answer = json_loads(line, 0, NULL);
		allowed[count++] = strcmp(text(answer, "verdict"), "allow") == 0;
		json_decref(answer);
	}
	free(line);
	if (answers == NULL || pclose(answers) != 0 || count != one->probe_count)
		fail(one, "explain did not answer every question");
}

/* ---- packets ---- */

/* Runs a subcommand on the manifests in the router's namespace. */
static void in_router(struct runner *runner, const struct one_case *one, const char *subcommand, const char *rest)
{
	char command[512];
	snprintf(command, sizeof command, "'%s' %s " MANIFESTS " 2>" LOG " %s", runner->ringfence, subcommand, rest);
	if (lab_enter_router(runner->lab) != 0)
		fail(one, "cannot enter the router");
	int status = system(command);
	lab_leave(runner->lab);
	if (status != 0)
		fail(one, command);
}

static void give_addresses(struct runner *runner, const struct one_case *one, const json_t *inventory)
{
	int error = 0;
	json_t *pod, *ip;
	size_t i, j;
	json_array_foreach(one->pods, i, pod)
	{
		const char *phase = text(pod, "phase");
		if (json_is_true(json_object_get(pod, "hostNetwork")) || strcmp(phase, "Succeeded") == 0 ||
		    strcmp(phase, "Failed") == 0)
			continue; /* its address is the node's, or free for another */
		json_array_foreach(json_object_get(pod, "ips"), j, ip)
		{
			struct address address;
			if (address_parse(&address, json_string_value(ip)) != NULL)
				fail(one, json_string_value(ip));
			error |= lab_add_address(runner->lab, i, &address);
		}
	}
	json_array_foreach(json_object_get(json_object_get(inventory, "node"), "ips"), j, ip)
	{
		struct address address;
		if (address_parse(&address, json_string_value(ip)) == NULL)
			error |= lab_add_address(runner->lab, LAB_ROUTER, &address);
	}
	for (i = 0; i < one->probe_count; i++) {
		const struct lab_probe *attempt = &one->attempts[i];
		if (attempt->from == LAB_OUTSIDE)
			error |= lab_add_address(runner->lab, LAB_OUTSIDE, &attempt->source);
		if (attempt->to == LAB_OUTSIDE)
			error |= lab_add_address(runner->lab, LAB_OUTSIDE, &attempt->destination);
	}
	if (error != 0)
		fail(one, "cannot give the pods their addresses");
}

static bool passed(const struct lab_probe *attempt)
{
	return attempt->request_arrived && attempt->answer_arrived;
}

static bool expects_allow(const struct one_case *one, size_t i, const char *key)
{
	return strcmp(text(json_array_get(one->probes, i), key), "allow") == 0;
}

typedef int probe_function(struct lab *lab, struct lab_probe *probes, size_t count, int milliseconds);

/* What should pass and did not may have been late: it is asked again. What passed and should not cannot be taken back.
 */
static void try_again(struct runner *runner, const struct one_case *one, const char *key, probe_function *probe)
{
	struct lab_probe *late = calloc(one->probe_count + 1, sizeof *late);
	size_t *of = calloc(one->probe_count + 1, sizeof *of), count = 1;
	if (late == NULL || of == NULL)
		abort();
	for (int try = 1; try < TRIES && count > 0; try++) {
		count = 0;
		for (size_t i = 0; i < one->probe_count; i++)
			if (expects_allow(one, i, key) && !passed(&one->attempts[i]))
				of[count++] = i;
		for (size_t i = 0; i < count; i++)
			late[i] = one->attempts[of[i]];
		if (count > 0)
			probe(runner->lab, late, count, PATIENT_WAIT);
		for (size_t i = 0; i < count; i++)
			one->attempts[of[i]] = late[i];
	}
	free(late);
	free(of);
}

static void report(struct runner *runner, const struct one_case *one, size_t i, const char *key, const char *who,
		   const char *got)
{
	const json_t *probe = json_array_get(one->probes, i);
	if (runner->shown++ < SHOWN)
		printf("%s: %s -> %s %lld/%s over IPv%d: %s is %s, and %s says %s\n", one->id, text(probe, "from"),
		       text(probe, "to"), (long long)json_integer_value(json_object_get(probe, "port")),
		       text(probe, "proto"), one->attempts[i].source.family, key, text(probe, key), who, got);
}

static void judge(struct runner *runner, const struct one_case *one, const char *key, const bool *by_evaluator)
{
	for (size_t i = 0; i < one->probe_count; i++) {
		if (*text(json_array_get(one->probes, i), key) == 0)
			continue;
		const struct lab_probe *attempt = &one->attempts[i];
		bool want = expects_allow(one, i, key);
		bool evaluator = by_evaluator[i] == want;
		bool packets = attempt->request_arrived == want && (attempt->answer_arrived == want);
		runner->probes++;
		*(evaluator ? &runner->evaluator_right : &runner->evaluator_wrong) += 1;
		*(packets ? &runner->packets_right : &runner->packets_wrong) += 1;
		if (!evaluator)
			report(runner, one, i, key, "the evaluator", by_evaluator[i] ? "allow" : "deny");
		if (!packets)
			report(runner, one, i, key, "the packet",
			       passed(attempt)		  ? "allow"
			       : attempt->request_arrived ? "that no answer came"
							  : "deny");
	}
}

/* ---- cases ---- */

/* The connections that run meet another ruleset: those of them that the case speaks of send one packet more. */
static void run_second_round(struct runner *runner, struct one_case *one, const json_t *case_json, bool *by_evaluator)
{
	const json_t *then = json_object_get(case_json, "then");
	json_t *inventory = json_object_get(then, "inventory"), *policies = json_object_get(then, "policies");
	write_manifests(one, inventory != NULL ? inventory : json_object_get(case_json, "inventory"),
			policies != NULL ? policies : json_object_get(case_json, "policies"),
			json_object_get(case_json, "native"));
	ask_evaluator(runner, one, by_evaluator);
	in_router(runner, one, "apply", ">/dev/null");
	lab_probe_again(runner->lab, one->attempts, one->probe_count, WAIT);
	try_again(runner, one, "then", lab_probe_again);
	judge(runner, one, "then", by_evaluator);
}

static void run_case(struct runner *runner, const json_t *case_json)
{
	const json_t *inventory = json_object_get(case_json, "inventory");
	struct one_case one = {.id = text(case_json, "id"),
			       .pods = json_object_get(inventory, "pods"),
			       .probes = json_object_get(case_json, "probes")};
	one.probe_count = json_array_size(one.probes);
	if (json_array_size(one.pods) > PODS_MAX)
		fail(&one, "more pods than the lab has hosts");
	one.attempts = calloc(one.probe_count + 1, sizeof *one.attempts);
	bool *by_evaluator = calloc(one.probe_count + 1, sizeof *by_evaluator);
	if (one.attempts == NULL || by_evaluator == NULL)
		abort();
	prepare(&one);
	write_manifests(&one, inventory, json_object_get(case_json, "policies"), json_object_get(case_json, "native"));
	ask_evaluator(runner, &one, by_evaluator);
	give_addresses(runner, &one, inventory);
	in_router(runner, &one, "compile", "| nft -f -");
	lab_probe(runner->lab, one.attempts, one.probe_count, WAIT);
	try_again(runner, &one, "expect", lab_probe);
	judge(runner, &one, "expect", by_evaluator);
	if (json_object_get(case_json, "then") != NULL)
		run_second_round(runner, &one, case_json, by_evaluator);
	runner->cases++;
	free(one.attempts);
	free(by_evaluator);
	if (lab_reset(runner->lab) != 0)
		fail(&one, "cannot take the addresses away");
}

static void run_file(struct runner *runner, const char *path)
{
	json_error_t error;
	json_t *cases = json_load_file(path, 0, &error), *one;
	size_t i;
	if (!json_is_array(cases)) {
		fprintf(stderr, "conformance: %s:%d: %s\n", path, error.line, error.text);
		exit(2);
	}
	json_array_foreach(cases, i, one) run_case(runner, one);
	json_decref(cases);
}

int main(int count, char **words)
{
	struct runner runner = {0};
	char directory[] = "/tmp/ringfence-conformance.XXXXXX";
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (count < 3) {
		fprintf(stderr, "usage: conformance RINGFENCE CASES.json...\n");
		return 2;
	}
	for (int i = 1; i < count; i++)
		if ((words[i] = realpath(words[i], NULL)) == NULL) {
			perror("conformance");
			return 2;
		}
	runner.ringfence = words[1];
	if (mkdtemp(directory) == NULL || chdir(directory) != 0 || mkdir(MANIFESTS, 0700) != 0) {
		perror(directory);
		return 2;
	}
	if ((runner.lab = lab_create(PODS_MAX)) == NULL)
		return 2;
	for (int i = 2; i < count; i++)
		run_file(&runner, words[i]);
	lab_destroy(runner.lab);
	char command[256];
	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	bool clean = system(command) == 0;
	printf("%zu cases, %zu probes, evaluator %zu/%zu, packets %zu/%zu\n", runner.cases, runner.probes,
	       runner.evaluator_right, runner.evaluator_wrong, runner.packets_right, runner.packets_wrong);
	return runner.evaluator_wrong + runner.packets_wrong > 0 || !clean;
}
