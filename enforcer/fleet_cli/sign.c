/* ringfence sign: a bundle of a policy that checks. */
#include "enforcer/fleet_cli/fleet_cli.h"

#include <ringfence/arena.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What is asked for. Returns 0, or EXIT_PROBLEM after saying what is missing. */
static int check_arguments(const struct arguments *arguments, uint64_t *revision)
{
	*revision = 0;
	if (arguments->output == NULL)
		return problem("name the bundle: -o FILE");
	if (arguments->key == NULL)
		return problem("name the private key to sign with: --key KEYFILE (`ringfence keygen` makes one)");
	if (arguments->revision != NULL && !revision_parse(revision, arguments->revision))
		return problem("--revision is a number from 1 to 18446744073709551615, and not `%s`",
			       arguments->revision);
	return 0;
}

/* The time as YYYYMMDDhhmmss in UTC. */
static uint64_t revision_of(int64_t at)
{
	struct tm tm;
	time_t seconds = (time_t)at;
	gmtime_r(&seconds, &tm);
	uint64_t date = (uint64_t)(tm.tm_year + 1900) * 10000 + (uint64_t)(tm.tm_mon + 1) * 100 + (uint64_t)tm.tm_mday;
	return date * 1000000 + (uint64_t)(tm.tm_hour * 10000 + tm.tm_min * 100 + tm.tm_sec);
}

/* The files as they were read, by their names below what was given. */
static struct policy_texts texts_of(const struct input *input)
{
	const struct diagnostics *diagnostics = &input->diagnostics;
	size_t count = diagnostics->source_count;
	struct policy_texts texts = {0, arena_alloc(input->arena, (count + 1) * sizeof *texts.files), count};
	for (size_t i = 0; i < count; i++) {
		texts.files[i] = *diagnostics->sources[i];
		texts.files[i].file = diagnostics->sources[i]->below;
	}
	return texts;
}

/* Reads the texts as a daemon will, which refuses more than a broken policy: one that says nothing. Returns 0, or
 * EXIT_PROBLEM after saying what it would. */
static int read_as_daemon(struct input *input, struct bundle *bundle)
{
	struct frontend *read = policy_texts_read(&bundle->texts);
	const struct diagnostics *diagnostics = read->diagnostics;
	int status = 0;
	for (size_t i = 0; i < diagnostics->count && status == 0; i++)
		if (diagnostics->items[i].severity == SEVERITY_ERROR)
			status = input_problem(input, "a daemon would refuse this policy: %s",
					       diagnostics->items[i].message);
	memcpy(bundle->policy, read->revision, sizeof bundle->policy);
	arena_free(read->arena);
	return status;
}

struct bytes {
	uint8_t *items;
	size_t length;
};

static void print_bytes(FILE *stream, const void *object)
{
	const struct bytes *bytes = object;
	fwrite(bytes->items, 1, bytes->length, stream);
}

/* Opens the file's bytes once more as a daemon does, so that what is written is told, and can be taken. */
static int finish(struct input *input, const struct bytes *bytes, const struct private_key *key)
{
	const struct arguments *arguments = input->arguments;
	const struct trust trust = {&key->public_key, 1};
	struct bundle bundle;
	const char *wrong = bundle_open(&bundle, input->arena, bytes->items, bytes->length, &trust);
	if (wrong == NULL)
		wrong = output_write(input->arena, arguments->output, print_bytes, bytes);
	if (wrong != NULL)
		return input_problem(input, "%s", wrong);
	bundle_print(arguments, &bundle, bytes->length, "signed");
	return EXIT_YES;
}

static int sign(struct input *input, struct bundle *bundle)
{
	struct private_key *key;
	struct bytes bytes = {0};
	const char *wrong = private_key_read(&key, input->arena, input->arguments->key);
	if (wrong == NULL)
		wrong = bundle_sign(bundle, key, input->arena, &bytes.items, &bytes.length);
	int status = wrong != NULL ? input_problem(input, "%s", wrong) : finish(input, &bytes, key);
	private_key_destroy(key);
	free(bytes.items);
	return status;
}

int sign_run(const struct arguments *arguments)
{
	struct input input = {.takes_git = true};
	uint64_t revision;
	if (check_arguments(arguments, &revision) != 0)
		return EXIT_PROBLEM;
	int status = input_read(&input, arguments, arguments->words, arguments->word_count);
	if (status == 0) {
		input_lint(&input);
		status = input_prove(&input, NULL);
	}
	if (status == 0) {
		struct bundle bundle = {.revision = revision != 0 ? revision : revision_of(input.world.at),
					.time = input.world.at,
					.commit = input.commit,
					.staged = arguments->staged,
					.texts = texts_of(&input)};
		status = read_as_daemon(&input, &bundle);
		if (status == 0)
			status = sign(&input, &bundle);
	}
	input_finish(&input);
	return status;
}
