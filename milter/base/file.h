/*
 * NAME
 *	base/file - files, read whole and with a time limit
 */
#ifndef OOPS_BASE_FILE_H
#define OOPS_BASE_FILE_H

#include <sys/stat.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"

#define BASE_FILE_SECONDS 5 /* that anybody waits for a file */

/*
 * The whole file, NUL-terminated, in the arena. REFUSE when larger than max_bytes; BROKEN
 * when it is not there, no regular file, cannot be read or does not fit; RETRY when it does not
 * answer within BASE_FILE_SECONDS.
 */
enum base_result base_file_read(struct base_arena *arena, const char *path, size_t max_bytes,
    char **data_r, size_t *length_r, const char **why_r);
/* What stat(2) says of it. NONE when it is not there; RETRY as above; BROKEN: no memory. */
enum base_result base_file_look(const char *path, struct stat *stat_r, const char **why_r);
/* As base_file_read(), of what somebody types or a pipe brings: waits for its end. */
enum base_result base_input_read(struct base_arena *arena, int fd, const char *name,
    size_t max_bytes, char **data_r, size_t *length_r, const char **why_r);

/* A path that means the same in every working directory; the caller frees it. NULL: no memory. */
char *base_path_absolute(const char *path);

#endif
