/*
 * NAME
 *	base/internal - what the files of this room share
 */
#ifndef OOPS_BASE_INTERNAL_H
#define OOPS_BASE_INTERNAL_H

#include "milter/base/base.h"

/* Writes all bytes and brings them to the disk; false: errno tells. */
bool base_write_whole(int fd, const char *data, size_t length);

#endif
