/* What is signed was checked by who signed it, and is checked here all the same: a key may be in wrong hands, and that
 * must cost no more than a wrong policy. */
#include "enforcer/fleet/bundle.h"

#include <ringfence/arena.h>
#include <ringfence/table.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "ringfence-bundle 1"
enum { COMMIT_MOST = 64 };

/* ---- paths ---- */

/* One name of a path: `length` bytes. */
static const char *check_name(const char *name, size_t length)
{
	if (length == 0)
		return "has an empty name in it, or is absolute";
	if (name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.')))
		return "leads elsewhere, by `.` or `..`";
	return NULL;
}

static const char *check_path(const char *path)
{
	unsigned depth = 0;
	if (strlen(path) > BUNDLE_PATH_MOST)
		return "is longer than 1023 bytes";
	for (const char *at = path; *at != 0; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return "has a control character in it";
	for (const char *at = path;; at++) {
		size_t length = strcspn(at, "/");
		const char *wrong = check_name(at, length);
		if (wrong != NULL)
			return wrong;
		if (++depth > BUNDLE_DEPTH_MOST)
			return "is nested deeper than 32";
		at += length;
		if (*at == 0)
			return NULL;
	}
}

/* The error escapes what the path has. */
static const char *path_error(struct arena *arena, const char *path, const char *wrong)
{
	json_t *text = json_stringn(path, strnlen(path, BUNDLE_PATH_MOST));
	char *shown = text != NULL ? json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
	const char *error = arena_printf(arena, "the path %s %s", shown != NULL ? shown : "of a file", wrong);
	free(shown);
	json_decref(text);
	return error;
}

/* Checks the paths of all files, and that there are not too many. */
static const char *check_files(struct arena *arena, const struct policy_texts *texts)
{
	struct table paths = {0};
	const char *error = NULL;
	if (texts->count == 0)
		return "it has no files";
	if (texts->count > BUNDLE_FILES_MOST)
		return "it has more than 10000 files";
	for (size_t i = 0; i < texts->count && error == NULL; i++) {
		const char *path = texts->files[i].file, *wrong = check_path(path);
		uint32_t hash = table_hash_text(0, path);
		for (struct table_slot *slot = table_first(&paths, hash); slot != NULL && wrong == NULL;
		     slot = table_next(&paths, slot))
			if (strcmp(((const struct source *)slot->item)->file, path) == 0)
				wrong = "stands for two files";
		table_add(&paths, hash, &texts->files[i], 0);
		error = wrong != NULL ? path_error(arena, path, wrong) : NULL;
	}
	table_finish(&paths);
	return error;
}

/* ---- signing ---- */

/* NULL: a path is no UTF-8. */
static json_t *manifest_json(const struct bundle *bundle)
{
	char time[32];
	json_t *files = json_array(), *file;
	for (size_t i = 0; i < bundle->texts.count; i++) {
		const struct source *source = &bundle->texts.files[i];
		file = json_pack("{s:s, s:I}", "path", source->file, "size", (json_int_t)source->length);
		if (file == NULL) {
			json_decref(files);
			return NULL;
		}
		json_array_append_new(files, file);
	}
	return json_pack("{s:o, s:s, s:s*, s:s, s:b, s:o}", "revision", json_sprintf("%" PRIu64, bundle->revision),
			 "time", time_print(bundle->time, time), "commit", bundle->commit, "policy", bundle->policy,
			 "staged", bundle->staged, "files", files);
}

const char *bundle_sign(const struct bundle *bundle, const struct private_key *key, struct arena *arena,
			uint8_t **bytes, size_t *length)
{
	char *body = NULL;
	size_t size = 0;
	*bytes = NULL;
	const char *error = check_files(arena, &bundle->texts);
	json_t *manifest = error == NULL ? manifest_json(bundle) : NULL;
	if (error == NULL && manifest == NULL)
		error = "the path of a file is no UTF-8";
	if (error != NULL)
		return error;
	FILE *stream = open_memstream(&body, &size);
	if (stream == NULL)
		abort();
	json_dumpf(manifest, stream, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(manifest);
	fputc('\n', stream);
	for (size_t i = 0; i < bundle->texts.count; i++)
		fwrite(bundle->texts.files[i].text, 1, bundle->texts.files[i].length, stream);
	if (fclose(stream) != 0)
		abort();
	*bytes = document_sign(HEAD, body, size, key, length);
	free(body);
	if (*length <= BUNDLE_BYTES_MOST)
		return NULL;
	free(*bytes);
	*bytes = NULL;
	return arena_printf(arena, "it would have %zu bytes; a bundle has at most 16 MiB", *length);
}

/* ---- opening ---- */

static bool is_hex(const char *text, size_t least, size_t most)
{
	size_t length = strlen(text);
	return length >= least && length <= most && strspn(text, "0123456789abcdef") == length;
}

/* Takes the paths and sizes; `bytes` are what stands behind the manifest, and no more than the files may have. */
static const char *take_files(struct bundle *bundle, struct arena *arena, json_t *files, const uint8_t *bytes,
			      size_t left)
{
	size_t count = json_array_size(files);
	if (count > BUNDLE_FILES_MOST)
		return "it has more than 10000 files";
	bundle->texts =
	    (struct policy_texts){.files = arena_alloc(arena, (count + 1) * sizeof(struct source)), .count = count};
	for (size_t i = 0; i < count; i++) {
		const char *path;
		json_int_t size;
		if (json_unpack(json_array_get(files, i), "{s:s, s:I !}", "path", &path, "size", &size) != 0 ||
		    size < 0 || (uint64_t)size > left)
			return "its manifest lists files otherwise than they are there";
		bundle->texts.files[i] = (struct source){
		    .file = arena_copy(arena, path, strlen(path)), .text = (const char *)bytes, .length = (size_t)size};
		bytes += size;
		left -= (size_t)size;
	}
	if (left > 0)
		return "it has bytes that belong to no file";
	return check_files(arena, &bundle->texts);
}

static const char *take_manifest(struct bundle *bundle, struct arena *arena, json_t *manifest, const uint8_t *bytes,
				 size_t left)
{
	const char *revision, *time, *commit = NULL, *policy;
	int staged;
	json_t *files;
	if (json_unpack(manifest, "{s:s, s:s, s?s, s:s, s:b, s:o !}", "revision", &revision, "time", &time, "commit",
			&commit, "policy", &policy, "staged", &staged, "files", &files) != 0 ||
	    !json_is_array(files))
		return "its manifest does not have the keys that it should";
	if (!revision_parse(&bundle->revision, revision) || time_parse(&bundle->time, time) != NULL ||
	    !is_hex(policy, sizeof bundle->policy - 1, sizeof bundle->policy - 1) ||
	    (commit != NULL && !is_hex(commit, 1, COMMIT_MOST)))
		return "its manifest has a value that is none";
	bundle->staged = staged != 0;
	bundle->commit = commit != NULL ? arena_copy(arena, commit, strlen(commit)) : NULL;
	memcpy(bundle->policy, policy, sizeof bundle->policy);
	return take_files(bundle, arena, files, bytes, left);
}

const char *bundle_open(struct bundle *bundle, struct arena *arena, const void *bytes, size_t length,
			const struct trust *trust)
{
	struct verified verified;
	*bundle = (struct bundle){0};
	if (length > BUNDLE_BYTES_MOST)
		return "larger than 16 MiB";
	const char *error = document_open(&verified, arena, HEAD, bytes, length, trust);
	if (error != NULL)
		return error;
	const uint8_t *end = memchr(verified.body, '\n', verified.length);
	size_t size = end != NULL ? (size_t)(end - verified.body) : verified.length;
	json_t *manifest = json_loadb((const char *)verified.body, size, JSON_REJECT_DUPLICATES, NULL);
	if (end == NULL || manifest == NULL)
		error = "its manifest is no JSON";
	else
		error = take_manifest(bundle, arena, manifest, end + 1, verified.length - size - 1);
	json_decref(manifest);
	memcpy(bundle->key, verified.key->id, sizeof bundle->key);
	memcpy(bundle->digest, verified.digest, sizeof bundle->digest);
	return error;
}
