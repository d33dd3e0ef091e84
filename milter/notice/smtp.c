/*
 * smtp - one message to an SMTP server; see smtp.h
 */
#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/notice/internal.h"
#include "milter/notice/smtp.h"

#define CONNECT_SECONDS 5L
#define POLL_SLICE_MS 200 /* how soon an order to stop is seen */
#define CHUNK 16384       /* bytes handed over at once */
#define BASE64_BYTES 57   /* of a line of 76 characters */

struct notice_smtp {
	CURL *curl;
	const atomic_bool *is_stopping;
	int64_t deadline; /* of base_tick_ms() */
	bool has_8bit, has_size, has_utf8;
	bool is_broken; /* nothing more can be said */
	bool is_line_start;
	size_t pending; /* bytes of chunk */
	char chunk[CHUNK];
	char reply[NOTICE_SMTP_MAX_REPLY];
};

/* --- waiting ------------------------------------------------------------------------- */

/* Are we to end? */
static bool
smtp_is_over(const struct notice_smtp *smtp)
{
	return base_tick_ms() >= smtp->deadline ||
	       (smtp->is_stopping != NULL && atomic_load(smtp->is_stopping));
}

/* Waits until the server has something to say, or takes something. */
static bool
smtp_wait(struct notice_smtp *smtp, short events)
{
	struct pollfd poll_for = { .fd = -1, .events = events };
	curl_socket_t fd;

	if (curl_easy_getinfo(smtp->curl, CURLINFO_ACTIVESOCKET, &fd) || fd == CURL_SOCKET_BAD)
		return false;
	poll_for.fd = fd;
	while (!smtp_is_over(smtp))
		if (poll(&poll_for, 1, POLL_SLICE_MS) == 1)
			return true;
	return false;
}

/* Says some bytes. */
static bool
smtp_say(struct notice_smtp *smtp, const char *data, size_t left)
{
	size_t sent = 0;

	while (left > 0 && !smtp->is_broken) {
		CURLcode code = curl_easy_send(smtp->curl, data, left, &sent);

		if (code == CURLE_OK) {
			data += sent;
			left -= sent;
		}
		smtp->is_broken = (code != CURLE_OK && code != CURLE_AGAIN) ||
				  (code == CURLE_AGAIN && !smtp_wait(smtp, POLLOUT)) ||
				  smtp_is_over(smtp);
	}
	return !smtp->is_broken;
}

/* Is the last line of a reply there, the one without a hyphen (RFC 5321 4.2.1)? */
static bool
smtp_is_whole(const char *reply, size_t length)
{
	const char *line = reply, *next;

	if (length == 0 || reply[length - 1] != '\n')
		return false;
	while ((next = strchr(line, '\n')) != NULL && next[1] != '\0')
		line = next + 1;
	return strlen(line) > 3 && line[3] != '-';
}

/* Reads one reply. */
static bool
smtp_reply_read(struct notice_smtp *smtp)
{
	size_t length = 0, got = 0;
	CURLcode code;

	smtp->reply[0] = '\0';
	while (length + 1 < sizeof(smtp->reply)) {
		code = curl_easy_recv(
		    smtp->curl, smtp->reply + length, sizeof(smtp->reply) - 1 - length, &got);
		if (code == CURLE_AGAIN && smtp_wait(smtp, POLLIN))
			continue;
		if (code != CURLE_OK || got == 0)
			break;
		length += got;
		smtp->reply[length] = '\0';
		if (smtp_is_whole(smtp->reply, length))
			return true;
	}
	smtp->is_broken = true;
	smtp->reply[0] = '\0';
	return false;
}

/* What the last reply means. */
static enum base_result
smtp_judge(struct notice_smtp *smtp, const char *after, const char **why_r)
{
	if (smtp->is_broken) {
		*why_r = base_why("the server went away after %.40s", after);
		return BASE_RETRY;
	}
	if (smtp->reply[0] == '2' || smtp->reply[0] == '3')
		return BASE_OK;
	*why_r = base_why("the server said: %.*s",
	    (int)strcspn(smtp->reply, "\r\n") > 200 ? 200 : (int)strcspn(smtp->reply, "\r\n"),
	    smtp->reply);
	return smtp->reply[0] == '4' ? BASE_NONE : BASE_REFUSE;
}

bool
notice_smtp_is_too_large(const struct notice_smtp *smtp)
{
	const char *reply = smtp->reply, *detail = reply + strcspn(reply, " -");

	if (smtp->is_broken || reply[0] != '5')
		return false;
	detail += *detail != '\0';
	if (strncmp(detail, "5.3.4", 5) == 0 || strncmp(detail, "5.2.3", 5) == 0)
		return true;
	/* 552 alone; with a detail it may be a mailbox that is full */
	return strncmp(reply, "552", 3) == 0 && strncmp(detail, "5.", 2) != 0;
}

/* One line, and what the server makes of it. */
static enum base_result
smtp_step(struct notice_smtp *smtp, const char *line, const char **why_r)
{
	char name[5];

	snprintf(name, sizeof(name), "%s", line);
	if (smtp_say(smtp, line, strlen(line)))
		smtp_reply_read(smtp);
	return smtp_judge(smtp, name, why_r);
}

/* --- opening -------------------------------------------------------------------------- */

/* Ends a connect when we are to stop. */
static int
smtp_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	(void)a, (void)b, (void)c, (void)d;
	return smtp_is_over(context) ? 1 : 0;
}

/* Nobody reads what is said while libcurl speaks. */
static size_t
smtp_ignore(char *data, size_t size, size_t count, void *context)
{
	(void)data, (void)context;
	return size * count;
}

/* The domain that our letters come from. */
const char *
notice_domain(const struct settings *settings)
{
	const char *at = strrchr(settings->notice.from, '@');

	return at != NULL && at[1] != '\0' ? at + 1 : "localhost";
}

/* The host in a URL is this one: its name, or an address of the loopback network. */
static bool
url_is_loopback(const char *url)
{
	const char *host = strstr(url, "://"), *at;
	size_t length;

	if (host == NULL)
		return false;
	host += 3;
	length = strcspn(host, "/?#");
	at = memrchr(host, '@', length);
	if (at != NULL) {
		length -= (size_t)(at + 1 - host);
		host = at + 1;
	}
	if (*host == '[')
		return strncasecmp(host, "[::1]", 5) == 0;
	length = strcspn(host, ":/?#");
	if (length == 9 && strncasecmp(host, "localhost", 9) == 0)
		return true;
	return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == length;
}

enum notice_tls
notice_smtp_tls(const char *url, enum settings_tls wanted)
{
	switch (wanted) {
	case SETTINGS_TLS_REQUIRED:
		return NOTICE_TLS_MUST;
	case SETTINGS_TLS_IF_OFFERED:
		return NOTICE_TLS_TRY;
	case SETTINGS_TLS_OFF:
		return NOTICE_TLS_OFF;
	case SETTINGS_TLS_AUTO:
		break;
	}
	return url_is_loopback(url) ? NOTICE_TLS_OFF : NOTICE_TLS_MUST;
}

/* How TLS is begun; smtps:// has it anyway. Certificates are verified. */
static bool
smtp_set_tls(struct notice_smtp *smtp, const struct settings *settings)
{
	static const long levels[] = {
		[NOTICE_TLS_OFF] = CURLUSESSL_NONE,
		[NOTICE_TLS_TRY] = CURLUSESSL_TRY,
		[NOTICE_TLS_MUST] = CURLUSESSL_ALL,
	};
	const char *ca_file = settings->notice.ca_file;

	return !curl_easy_setopt(smtp->curl, CURLOPT_USE_SSL,
		   levels[notice_smtp_tls(settings->notice.smtp, settings->notice.tls)]) &&
	       (ca_file == NULL || !curl_easy_setopt(smtp->curl, CURLOPT_CAINFO, ca_file));
}

/* Every option, or false. No proxy and no .netrc: only what our settings say. */
static bool
smtp_set_up(struct notice_smtp *smtp, const struct settings *settings)
{
	CURL *curl = smtp->curl;
	struct base_buffer url;
	bool is_set;

	base_buffer_init(&url, 4096);
	/* libcurl takes the path for the name to greet with; the host's own may mean nothing. */
	is_set =
	    base_buffer_printf(&url, "%s/%s", settings->notice.smtp, notice_domain(settings)) &&
	    !curl_easy_setopt(curl, CURLOPT_URL, base_buffer_text(&url)) &&
	    !curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps") &&
	    smtp_set_tls(smtp, settings) && !curl_easy_setopt(curl, CURLOPT_PROXY, "") &&
	    !curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) &&
	    !curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS) &&
	    !curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L) &&
	    !curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, smtp_ignore) &&
	    !curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, smtp_ignore) &&
	    !curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, smtp_progress) &&
	    !curl_easy_setopt(curl, CURLOPT_XFERINFODATA, smtp) &&
	    !curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	base_buffer_free(&url);
	return is_set;
}

/* Does a line of the EHLO reply name this extension? */
static bool
smtp_offers(const char *reply, const char *name)
{
	size_t length = strlen(name);
	const char *line;

	for (line = reply; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strlen(line) >= 4 + length && strncasecmp(line + 4, name, length) == 0 &&
		    strchr(" \r\n", line[4 + length]) != NULL)
			return true;
	}
	return false;
}

/* libcurl has greeted already, but keeps to itself what the server can. */
static enum base_result
smtp_greet(struct notice_smtp *smtp, const struct settings *settings, const char **why_r)
{
	enum base_result result;
	struct base_buffer line;

	base_buffer_init(&line, 400);
	base_buffer_printf(&line, "EHLO %s\r\n", notice_domain(settings));
	result = smtp_step(smtp, base_buffer_text(&line), why_r);
	base_buffer_free(&line);
	if (result == BASE_REFUSE) /* it knows HELO alone: no extensions */
		return BASE_OK;
	if (result != BASE_OK)
		return result;
	smtp->has_8bit = smtp_offers(smtp->reply, "8BITMIME");
	smtp->has_size = smtp_offers(smtp->reply, "SIZE");
	smtp->has_utf8 = smtp_offers(smtp->reply, "SMTPUTF8");
	return BASE_OK;
}

enum base_result
notice_smtp_open(const struct settings *settings, int64_t total_ms, const atomic_bool *is_stopping,
    struct notice_smtp **smtp_r, const char **why_r)
{
	struct notice_smtp *smtp = calloc(1, sizeof(*smtp));
	CURLcode code = CURLE_OUT_OF_MEMORY;
	enum base_result result = BASE_RETRY;

	if (smtp == NULL || (smtp->curl = curl_easy_init()) == NULL) {
		free(smtp);
		*why_r = base_why("no memory for a letter");
		return BASE_BROKEN;
	}
	smtp->is_stopping = is_stopping;
	smtp->deadline = base_tick_ms() + total_ms;
	smtp->is_broken = true; /* not connected yet */
	if (smtp_set_up(smtp, settings))
		code = curl_easy_perform(smtp->curl);
	if (code != CURLE_OK) {
		*why_r = base_why("%s", curl_easy_strerror(code));
	} else {
		smtp->is_broken = false;
		result = smtp_greet(smtp, settings, why_r);
	}
	if (result != BASE_OK)
		notice_smtp_close(&smtp);
	else
		*smtp_r = smtp;
	return result;
}

void
notice_smtp_close(struct notice_smtp **smtp)
{
	const char *ignored;

	if (*smtp == NULL)
		return;
	if (!(*smtp)->is_broken)
		(void)smtp_step(*smtp, "QUIT\r\n", &ignored);
	curl_easy_cleanup((*smtp)->curl);
	free(*smtp);
	*smtp = NULL;
}

/* --- the message ------------------------------------------------------------------------ */

bool
notice_smtp_has_8bit(const struct notice_smtp *smtp)
{
	return smtp->has_8bit;
}

static bool
is_all_ascii(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

/* MAIL with the parameters that the server knows. */
static bool
smtp_mail_line(const struct notice_smtp *smtp, const char *sender, const char *recipient,
    size_t size, bool is_8bit, struct base_buffer *line_r)
{
	bool is_ascii = is_all_ascii(sender) && is_all_ascii(recipient);

	base_buffer_puts(line_r, "MAIL FROM:<");
	if (sender[0] != '\0')
		notice_mime_address(line_r, sender);
	base_buffer_puts(line_r, ">");
	if (size > 0 && smtp->has_size)
		base_buffer_printf(line_r, " SIZE=%zu", size);
	if (is_8bit && smtp->has_8bit)
		base_buffer_puts(line_r, " BODY=8BITMIME");
	if (!is_ascii && smtp->has_utf8)
		base_buffer_puts(line_r, " SMTPUTF8");
	return base_buffer_puts(line_r, "\r\n");
}

enum base_result
notice_smtp_envelope(struct notice_smtp *smtp, const char *sender, const char *recipient,
    size_t size, bool is_8bit, const char **why_r)
{
	struct base_buffer mail, rcpt;
	enum base_result result = BASE_REFUSE;

	base_buffer_init(&mail, 1000);
	base_buffer_init(&rcpt, 1000);
	base_buffer_puts(&rcpt, "RCPT TO:<");
	if (!notice_mime_address(&rcpt, recipient) || !base_buffer_puts(&rcpt, ">\r\n")) {
		*why_r = base_why("%.200s is no address", recipient);
	} else if (!smtp_mail_line(smtp, sender, recipient, size, is_8bit, &mail)) {
		*why_r = base_why("no memory for a letter");
		result = BASE_BROKEN;
	} else {
		result = smtp_step(smtp, base_buffer_text(&mail), why_r);
		if (result == BASE_OK)
			result = smtp_step(smtp, base_buffer_text(&rcpt), why_r);
	}
	base_buffer_free(&rcpt);
	base_buffer_free(&mail);
	return result;
}

enum base_result
notice_smtp_data(struct notice_smtp *smtp, const char **why_r)
{
	enum base_result result = smtp_step(smtp, "DATA\r\n", why_r);

	smtp->is_line_start = true;
	smtp->pending = 0;
	return result;
}

/* Hands over what has gathered. */
static bool
smtp_flush(struct notice_smtp *smtp)
{
	bool is_said = smtp_say(smtp, smtp->chunk, smtp->pending);

	smtp->pending = 0;
	return is_said;
}

/* One byte; a dot at a line's start is doubled (RFC 5321 4.5.2). */
static inline bool
smtp_put(struct notice_smtp *smtp, char c)
{
	if (smtp->pending + 2 > sizeof(smtp->chunk) && !smtp_flush(smtp))
		return false;
	if (smtp->is_line_start && c == '.')
		smtp->chunk[smtp->pending++] = '.';
	smtp->chunk[smtp->pending++] = c;
	smtp->is_line_start = c == '\n';
	return true;
}

bool
notice_smtp_text(struct notice_smtp *smtp, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!smtp_put(smtp, data[i]))
			return false;
	return true;
}

bool
notice_smtp_lines(struct notice_smtp *smtp, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((data[i] == '\n' && !smtp_put(smtp, '\r')) || !smtp_put(smtp, data[i]))
			return false;
	return true;
}

/* Up to three bytes as four characters. */
static void
base64_group(const unsigned char *data, size_t length, char group_r[4])
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned long bits = (unsigned long)data[0] << 16;

	if (length > 1)
		bits |= (unsigned long)data[1] << 8;
	if (length > 2)
		bits |= data[2];
	group_r[0] = letters[bits >> 18];
	group_r[1] = letters[bits >> 12 & 63];
	group_r[2] = length > 1 ? letters[bits >> 6 & 63] : '=';
	group_r[3] = length > 2 ? letters[bits & 63] : '=';
}

bool
notice_smtp_base64(struct notice_smtp *smtp, const char *data, size_t length)
{
	char group[4];
	bool is_said = true;

	for (size_t i = 0; i < length && is_said; i += 3) {
		base64_group(
		    (const unsigned char *)data + i, length - i < 3 ? length - i : 3, group);
		is_said = notice_smtp_text(smtp, group, sizeof(group));
		if ((i + 3) % BASE64_BYTES == 0 || i + 3 >= length)
			is_said = is_said && notice_smtp_text(smtp, "\r\n", 2);
	}
	return is_said;
}

enum base_result
notice_smtp_end(struct notice_smtp *smtp, char answer_r[200], const char **why_r)
{
	enum base_result result;

	if (!smtp->is_line_start)
		notice_smtp_text(smtp, "\r\n", 2);
	smtp->is_line_start = false; /* this dot is the end */
	notice_smtp_text(smtp, ".\r\n", 3);
	smtp_flush(smtp);
	/* a server that went away while we spoke may have said why */
	smtp->is_broken = false;
	smtp_reply_read(smtp);
	result = smtp_judge(smtp, "the message", why_r);
	snprintf(answer_r, 200, "%.*s", (int)strcspn(smtp->reply, "\r\n"), smtp->reply);
	return result;
}
