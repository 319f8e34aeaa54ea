/* ringfence bundle: what was signed, and by whom. */
#include "enforcer/fleet_cli/fleet_cli.h"

#include <ringfence/arena.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int trust_read(struct trust *trust, struct arena *arena, const struct arguments *arguments)
{
	const struct key_words words = {(const char **)arguments->trusts, arguments->trust_count};
	if (words.count == 0)
		return problem("name a key that is trusted: --trust KEY, a public key or the file of one");
	const char *wrong = trust_load(trust, arena, &words);
	return wrong != NULL ? problem("%s", wrong) : 0;
}

/* ---- what it is ---- */

static void print_path(const char *path)
{
	escape_print(stdout, path, strlen(path));
}

static void print_text(const struct bundle *bundle, size_t length, const char *verb)
{
	char time[32];
	printf("%s revision %" PRIu64 "%s at %s with the key %s: policy %s", verb, bundle->revision,
	       bundle->staged ? ", staged," : "", time_print(bundle->time, time), bundle->key, bundle->policy);
	if (bundle->commit != NULL)
		printf(", commit %s", bundle->commit);
	printf(", %zu file%s, %zu bytes\n", bundle->texts.count, bundle->texts.count == 1 ? "" : "s", length);
}

static void print_json(const struct bundle *bundle, size_t length)
{
	char time[32], digest[2 * DIGEST_SIZE + 1];
	json_t *files = json_array();
	for (size_t i = 0; i < bundle->texts.count; i++)
		json_array_append_new(files, json_pack("{s:o, s:I}", "path", text_json(bundle->texts.files[i].file),
						       "size", (json_int_t)bundle->texts.files[i].length));
	sodium_bin2hex(digest, sizeof digest, bundle->digest, DIGEST_SIZE);
	json_t *answer = json_pack("{s:i, s:o, s:s, s:s?, s:s, s:b, s:s, s:s, s:I, s:o}", "version", 1, "revision",
				   json_sprintf("%" PRIu64, bundle->revision), "time", time_print(bundle->time, time),
				   "commit", bundle->commit, "policy", bundle->policy, "staged", bundle->staged, "key",
				   bundle->key, "sha256", digest, "bytes", (json_int_t)length, "files", files);
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(answer);
}

void bundle_print(const struct arguments *arguments, const struct bundle *bundle, size_t length, const char *verb)
{
	if (format_is(arguments, "json"))
		print_json(bundle, length);
	else
		print_text(bundle, length, verb);
}

/* ---- the command ---- */

static int show(const struct arguments *arguments, struct arena *arena, const struct bundle *bundle, size_t length)
{
	const char *wrong = arguments->output != NULL ? bundle_unpack(bundle, arena, arguments->output) : NULL;
	if (wrong != NULL)
		return problem("%s", wrong);
	bundle_print(arguments, bundle, length, "signed:");
	for (size_t i = 0; i < bundle->texts.count && !format_is(arguments, "json"); i++) {
		printf("%10zu  ", bundle->texts.files[i].length);
		print_path(bundle->texts.files[i].file);
		putchar('\n');
	}
	return EXIT_YES;
}

int bundle_verify(const struct arguments *arguments, struct arena *arena, struct bundle *bundle, const char *name,
		  const void *bytes, size_t length)
{
	struct trust trust;
	if (trust_read(&trust, arena, arguments) != 0)
		return EXIT_PROBLEM;
	const char *wrong = bundle_open(bundle, arena, bytes, length, &trust);
	if (wrong == NULL)
		return 0;
	problem("%s: %s", name, wrong);
	return EXIT_NO;
}

int bundle_load(const struct arguments *arguments, struct arena *arena, struct bundle *bundle, uint8_t **bytes,
		size_t *length)
{
	const char *name = arguments->words[0], *wrong = document_load(name, BUNDLE_BYTES_MOST, arena, bytes, length);
	if (wrong != NULL)
		return problem("%s: %s", name, wrong);
	return bundle_verify(arguments, arena, bundle, name, *bytes, *length);
}

int bundle_run(const struct arguments *arguments)
{
	if (arguments->word_count != 1)
		return problem("bundle takes one FILE");
	struct arena *arena = arena_create();
	struct bundle bundle;
	uint8_t *bytes = NULL;
	size_t length;
	int status = bundle_load(arguments, arena, &bundle, &bytes, &length);
	if (status == 0)
		status = show(arguments, arena, &bundle, length);
	free(bytes);
	arena_free(arena);
	return status;
}
