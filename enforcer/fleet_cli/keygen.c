/* ringfence keygen: a pair of keys. */
#include "enforcer/fleet_cli/fleet_cli.h"

#include <ringfence/arena.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Returns NULL, or what went wrong; then there is no such file of ours. */
static const char *write_public(struct arena *arena, const char *path, const char *text)
{
	FILE *stream = fopen(path, "wxe");
	if (stream == NULL)
		return arena_printf(arena, "%s: %s", path,
				    errno == EEXIST ? "there is a file already; a key is never overwritten"
						    : strerror(errno));
	bool failed =
	    fchmod(fileno(stream), 0644) != 0 || fprintf(stream, "%s\n", text) < 0; /* whatever the umask is */
	if (fclose(stream) == 0 && !failed)
		return NULL;
	const char *wrong = arena_printf(arena, "%s: %s", path, strerror(errno));
	unlink(path);
	return wrong;
}

/* Both files, or none. */
static const char *write_pair(struct arena *arena, const struct private_key *key, const char *path,
			      const char *public_path, const char *text)
{
	const char *wrong = write_public(arena, public_path, text);
	if (wrong != NULL)
		return wrong;
	wrong = private_key_write(key, arena, path);
	if (wrong != NULL)
		unlink(public_path);
	return wrong;
}

static void print(const struct arguments *arguments, const struct public_key *key, const char *text, const char *path,
		  const char *public_path)
{
	if (!format_is(arguments, "json")) {
		printf("key %s: the private key is in ", key->id);
		escape_print(stdout, path, strlen(path));
		printf(", the public one in ");
		escape_print(stdout, public_path, strlen(public_path));
		printf(":\n%s\n", text);
		return;
	}
	json_t *answer = json_pack("{s:i, s:s, s:s, s:o, s:o}", "version", 1, "key", key->id, "public", text,
				   "private_file", text_json(path), "public_file", text_json(public_path));
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(answer);
}

int keygen_run(const struct arguments *arguments)
{
	if (arguments->word_count != 1)
		return problem("keygen takes one FILE, for the private key; the public one goes to FILE.pub");
	struct private_key *key;
	char text[PUBLIC_KEY_SIZE];
	struct arena *arena = arena_create();
	const char *path = arguments->words[0], *public_path = arena_printf(arena, "%s.pub", path);
	const char *wrong = private_key_create(&key);
	if (wrong == NULL) {
		public_key_print(&key->public_key, text);
		wrong = write_pair(arena, key, path, public_path, text);
	}
	int status = wrong != NULL ? problem("%s", wrong) : EXIT_YES;
	if (status == EXIT_YES)
		print(arguments, &key->public_key, text, path, public_path);
	private_key_destroy(key);
	arena_free(arena);
	return status;
}
