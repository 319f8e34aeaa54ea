/* What the subcommands of ringfence-fleet share. */
#ifndef ENFORCER_FLEET_CLI_FLEET_CLI_H
#define ENFORCER_FLEET_CLI_FLEET_CLI_H

#include "compiler/cli/cli.h"
#include "enforcer/fleet/bundle.h"

/* Reads the keys of --trust, in `arena`. Returns 0, or EXIT_PROBLEM after saying what is wrong; none is wrong, too. */
int trust_read(struct trust *trust, struct arena *arena, const struct arguments *arguments);

/* Says what a bundle is, as --format wants it: its manifest, and how large the whole is. `verb` begins the text. */
void bundle_print(const struct arguments *arguments, const struct bundle *bundle, size_t length, const char *verb);

/* Writes the files of a bundle below `directory`, which must not be there: all of them, or nothing. Returns NULL, or
 * what went wrong, in `arena`. */
const char *bundle_unpack(const struct bundle *bundle, struct arena *arena, const char *directory);

/* The bundle of these bytes, where a trusted key signed it. Returns 0, EXIT_NO where none did, or EXIT_PROBLEM, after
 * saying why; `name` is where the bytes are from. */
int bundle_verify(const struct arguments *arguments, struct arena *arena, struct bundle *bundle, const char *name,
		  const void *bytes, size_t length);

/* The same of the file that is the first word; `*bytes`, NULL before, is the caller's to free in any case. */
int bundle_load(const struct arguments *arguments, struct arena *arena, struct bundle *bundle, uint8_t **bytes,
		size_t *length);

int push_run(const struct arguments *arguments);
int pull_run(const struct arguments *arguments);
int rollout_run(const struct arguments *arguments);
int fleet_nodes_run(const struct arguments *arguments);
int enroll_run(const struct arguments *arguments);
int keygen_run(const struct arguments *arguments);
int sign_run(const struct arguments *arguments);
int bundle_run(const struct arguments *arguments);

#endif
