/* A case and its trouble as a text that a person, or a test of its own, can begin with. */
#include "tests/agreement/report.h"
#include "tests/agreement/text.h"

#include <ringfence/explain.h>

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>

static void print_stage(FILE *out, const json_t *stage)
{
	const char *name;
	json_t *documents;
	json_t *rest = json_copy((json_t *)stage);
	json_object_del(rest, "files");
	char *shown = json_dumps(rest, 0);
	fprintf(out, "# ---- stage %s\n", shown);
	json_object_foreach(json_object_get(stage, "files"), name, documents)
	{
		char *text = documents_text(name, documents);
		fprintf(out, "# %s\n%s", name, text);
		free(text);
	}
	json_decref(rest);
	free(shown);
}

/* What the frontend said, if it was that. */
static void print_diagnostics(FILE *out, const json_t *stage)
{
	struct stage read;
	stage_read(&read, stage);
	diagnostics_print(&read.diagnostics, out, false);
	stage_finish(&read);
}

static void print_side(FILE *out, const char *name, const struct side *side)
{
	struct span span = {0};
	const char *text = side_text(side, &span);
	fprintf(out, "#   %s: %s, %s", name, side->allowed ? "allowed" : "denied", text);
	if (span.file != NULL)
		fprintf(out, " (%s:%u)", span.file, span.line);
	fputs("\n", out);
}

static void print_flow(FILE *out, const json_t *description, const struct outcome *outcome)
{
	const struct lab_probe *probe = &outcome->probe;
	const char *protocol = probe->protocol == IPPROTO_TCP	 ? "tcp"
			       : probe->protocol == IPPROTO_UDP	 ? "udp"
			       : probe->protocol == IPPROTO_SCTP ? "sctp"
								 : "icmp";
	struct stage stage;
	stage_read(&stage, description);
	struct expectation expect = stage_expect(&stage, probe, outcome->again);
	fprintf(out, "# flow: %s -> %s, port %u of %s\n", endpoint_name(stage.arena, &expect.flow.from),
		endpoint_name(stage.arena, &expect.flow.to), probe->port, protocol);
	if (expect.spoofed)
		fprintf(out, "# sent from the place of a workload that has another address: v%zu\n", probe->from);
	if (outcome->again)
		fputs("# sent on a connection that was made in the stage before\n", out);
	fprintf(out, "# the verdict, as far as %s judges: %s\n", stage.node != NULL ? stage.node : "every node",
		expect.request ? "allowed" : "denied");
	print_side(out, "egress", &expect.verdict.egress);
	print_side(out, "ingress", &expect.verdict.ingress);
	fprintf(out, "# the packet: the request %s, the answer %s\n",
		probe->request_arrived ? "arrived" : "did not arrive",
		probe->answer_arrived ? "arrived" : "did not arrive");
	stage_finish(&stage);
}

void report_print(FILE *out, const json_t *trial, uint64_t seed, const struct outcome *outcome)
{
	const json_t *stages = json_object_get(trial, "stages"), *stage;
	size_t index;
	json_array_foreach(stages, index, stage) print_stage(out, stage);
	stage = json_array_get(stages, outcome->stage);
	switch (outcome->trouble) {
	case TROUBLE_NONE:
		break;
	case TROUBLE_READ:
		print_diagnostics(out, stage);
		break;
	case TROUBLE_APPLY:
	case TROUBLE_LAB:
		fprintf(out, "# %s\n", outcome->message);
		break;
	case TROUBLE_LEAK:
	case TROUBLE_BLOCK:
		print_flow(out, stage, outcome);
		break;
	}
	fprintf(out, "# to see it again: agreement --seed %" PRIu64 " --policies 1\n", seed);
}
