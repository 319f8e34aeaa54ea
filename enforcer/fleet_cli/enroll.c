/* ringfence enroll: the word that a key is that of a node. */
#include "enforcer/fleet_cli/fleet_cli.h"

#include "enforcer/fleet/enrolment.h"

#include <ringfence/arena.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct document {
	uint8_t *bytes;
	size_t length;
};

static void print_document(FILE *stream, const void *object)
{
	const struct document *document = object;
	fwrite(document->bytes, 1, document->length, stream);
}

static void print(const struct arguments *arguments, const struct enrolment *enrolment)
{
	if (!format_is(arguments, "json")) {
		printf("enrolled: the key %s as the one of %s, with the key %s\n", enrolment->key.id, enrolment->node,
		       enrolment->by);
		return;
	}
	char time[32];
	json_t *answer = json_pack("{s:i, s:s, s:s, s:s, s:s}", "version", 1, "node", enrolment->node, "key",
				   enrolment->key.id, "by", enrolment->by, "time", time_print(enrolment->time, time));
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(answer);
}

/* What is asked for. Returns 0, or EXIT_PROBLEM after saying what is missing. */
static int check_arguments(const struct arguments *arguments)
{
	if (arguments->word_count != 1)
		return problem(
		    "enroll takes one public key, or the file of one: `ringfence keygen` makes a pair for a node");
	if (arguments->node == NULL)
		return problem("name the node: --node NAME, as its configuration does");
	if (arguments->node[0] == 0 || strlen(arguments->node) > 255 || strpbrk(arguments->node, "/:") != NULL)
		return problem("in a fleet a node's name has up to 255 bytes, no slash and no colon");
	if (arguments->output == NULL)
		return problem("name the file for the enrolment: -o FILE");
	if (arguments->key == NULL)
		return problem("name the private key to sign with: --key KEYFILE");
	return 0;
}

static const char *enroll(const struct arguments *arguments, struct arena *arena, const struct private_key *key)
{
	struct enrolment enrolment = {.time = (int64_t)time(NULL)};
	struct document document;
	const char *wrong = public_key_read(&enrolment.key, arena, arguments->words[0]);
	if (wrong != NULL)
		return wrong;
	memcpy(enrolment.node, arguments->node, strlen(arguments->node) + 1);
	memcpy(enrolment.by, key->public_key.id, sizeof enrolment.by);
	if (strcmp(enrolment.key.id, enrolment.by) == 0)
		return "a node's key is its own: this is the key that signs";
	document.bytes = enrolment_sign(&enrolment, key, &document.length);
	wrong = output_write(arena, arguments->output, print_document, &document);
	if (wrong == NULL)
		print(arguments, &enrolment);
	free(document.bytes);
	return wrong;
}

int enroll_run(const struct arguments *arguments)
{
	struct private_key *key = NULL;
	if (check_arguments(arguments) != 0)
		return EXIT_PROBLEM;
	struct arena *arena = arena_create();
	const char *wrong = private_key_read(&key, arena, arguments->key);
	if (wrong == NULL)
		wrong = enroll(arguments, arena, key);
	int status = wrong != NULL ? problem("%s", wrong) : EXIT_YES;
	private_key_destroy(key);
	arena_free(arena);
	return status;
}
