/* Sendmail's control file of one message (qf, or hf while it is on hold), as text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/queue/internal.h"

/* What a macro that Sendmail has not filled in begins with. */
#define OPEN_MACRO '\201'

/* One record: a line, and the lines that begin with a blank after it. Without its last LF. */
struct record {
	const char *data; /* its first byte says what it is */
	size_t length;
};

/* Cuts the next record off the front of `rest`; false at the end, or before half a line. */
static bool
record_next(struct record *rest, struct record *record_r)
{
	const char *end, *last = rest->data + rest->length;

	if (rest->length == 0)
		return false;
	end = rest->data;
	do {
		end = memchr(end, '\n', (size_t)(last - end));
		if (end == NULL)
			return false;
		end++;
	} while (end < last && (*end == ' ' || *end == '\t'));
	record_r->data = rest->data;
	record_r->length = (size_t)(end - rest->data) - 1;
	rest->length -= (size_t)(end - rest->data);
	rest->data = end;
	return true;
}

/* The field in an H record: what follows the conditions between two question marks. */
static struct record
record_field(struct record record)
{
	const char *end;

	record.data++;
	record.length--;
	if (record.length == 0 || record.data[0] != '?')
		return record;
	end = memchr(record.data + 1, '?', record.length - 1);
	if (end != NULL) {
		record.length -= (size_t)(end + 1 - record.data);
		record.data = end + 1;
	}
	return record;
}

/* The first tag header decides: what stands below it was there before us, or is forged. */
static void
tag_read(struct record field, struct queue_qf *qf)
{
	static const char name[] = QUEUE_TAG_NAME ":";
	char value[QUEUE_MAX_LINE];
	size_t length = field.length - (sizeof(name) - 1);

	if (qf->has_tag || field.length < sizeof(name) - 1 ||
	    strncasecmp(field.data, name, sizeof(name) - 1) != 0)
		return;
	qf->has_tag = true;
	if (length >= sizeof(value))
		return;
	memcpy(value, field.data + sizeof(name) - 1, length);
	value[length] = '\0';
	(void)queue_tag_parse(value, &qf->tag);
}

/* A decimal number that is a whole record. */
static bool
number_read(struct record record, int64_t *number_r)
{
	char text[20];
	size_t length = record.length - 1;

	if (length == 0 || length >= sizeof(text))
		return false;
	memcpy(text, record.data + 1, length);
	text[length] = '\0';
	if (strspn(text, "0123456789") != length)
		return false;
	*number_r = strtoll(text, NULL, 10);
	return true;
}

/* Takes in one record; false: no Sendmail that we know writes such a thing. */
static bool
record_read(struct record record, struct queue_qf *qf)
{
	int64_t version;

	if (qf->version == 0) {
		if (record.length < 2 || record.data[0] != 'V' || !number_read(record, &version) ||
		    version < 1 || version > QUEUE_QF_VERSION)
			return false;
		qf->version = (int)version;
		return true;
	}
	switch (record.data[0]) {
	case 'T':
		return number_read(record, &qf->created);
	case 'S':
		qf->has_sender = true;
		return true;
	case 'd':
		if (record.length > sizeof(qf->directory))
			return false;
		memcpy(qf->directory, record.data + 1, record.length - 1);
		qf->directory[record.length - 1] = '\0';
		return true;
	case 'H':
		tag_read(record_field(record), qf);
		return true;
	case '.':
		qf->is_complete = record.length == 1;
		return qf->is_complete;
	default:
		return true;
	}
}

enum base_result
queue_qf_parse(const char *data, size_t length, struct queue_qf *qf_r, const char **why_r)
{
	struct record rest = { data, length }, record;
	struct queue_qf qf = { .version = 0 };

	if (memchr(data, '\0', length) != NULL) {
		*why_r = "a queue file with a NUL in it";
		return BASE_REFUSE;
	}
	while (record_next(&rest, &record)) {
		if (qf.is_complete || record.length == 0 || !record_read(record, &qf)) {
			*why_r = "not a queue file of a Sendmail that is known here";
			return BASE_REFUSE;
		}
	}
	if (!qf.is_complete) {
		*why_r = "a queue file that is not whole yet";
		return BASE_RETRY;
	}
	if (rest.length > 0 || !qf.has_sender || qf.created == 0) {
		*why_r = "a queue file that lacks its sender or its time";
		return BASE_REFUSE;
	}
	*qf_r = qf;
	return BASE_OK;
}

/*
 * What Sendmail adds for one recipient only (H?P?Return-Path: <$g>) has a macro in it that is
 * filled in at delivery: it is no part of the message yet.
 */
void
queue_qf_header(const char *data, size_t length, struct base_buffer *header_r)
{
	struct record rest = { data, length }, record;

	while (record_next(&rest, &record)) {
		struct record field;

		if (record.length == 0 || record.data[0] != 'H')
			continue;
		field = record_field(record);
		if (memchr(field.data, OPEN_MACRO, field.length) != NULL)
			continue;
		base_buffer_append(header_r, field.data, field.length);
		base_buffer_puts(header_r, "\n");
	}
	base_buffer_puts(header_r, "\n");
}

/*
 * Flag 2 is RFC 2852's BY=...;R. Whoever runs the queue, be it at the same moment, returns
 * such a mail without an attempt to deliver it.
 */
static void
return_order(struct base_buffer *file_r)
{
	base_buffer_puts(file_r, "!\002 1\n");
}

void
queue_qf_rewrite(
    const char *data, size_t length, bool is_returned, int64_t now, struct base_buffer *file_r)
{
	struct record rest = { data, length }, record;
	int64_t created;

	while (record_next(&rest, &record)) {
		char letter = record.length == 0 ? '\n' : record.data[0];

		if (letter == 'q' || (letter == '!' && is_returned))
			continue;
		if (letter == 'S' && is_returned)
			return_order(file_r);
		/* the second that it may take must be over */
		if (letter == 'T' && is_returned && number_read(record, &created) &&
		    created > now - 2)
			base_buffer_printf(file_r, "T%lld\n", (long long)now - 2);
		else
			base_buffer_append(file_r, record.data, record.length + 1);
	}
}
