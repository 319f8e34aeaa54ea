/* Configuration files: one YAML mapping each, read by the same tables and with the same errors as a policy. */
#ifndef COMPILER_FRONTEND_CONFIGURATION_H
#define COMPILER_FRONTEND_CONFIGURATION_H

#include "compiler/frontend/native.h"

enum { CONFIGURATION_BYTES_MAX = 1 << 20 };

/* Returns the one document of the file, in the arena of `frontend`; NULL after adding what is wrong. `path` must live
 * as long as that. */
const struct yaml_node *configuration_read(struct frontend *frontend, const char *path);

/* An absolute path; `*path` stays as it was after an error. */
void path_read(struct frontend *frontend, const struct yaml_node *node, const char **path);

#endif
