/* probe - do letters and links reach anybody? see notice.h */
#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter/notice/internal.h"
#include "milter/notice/notice.h"

#define PROBE_CONNECT_SECONDS 5L
#define PROBE_TOTAL_SECONDS 15L
#define PROBE_STEP_MS 15000
#define PROBE_MAX_REPLY 2000 /* bytes of one reply, all its lines */

/* --- an SMTP dialogue that ends before any message --------------------------------------- */

/* Waits until the server has something to say, or takes something. */
static bool
probe_wait(CURL *curl, short events)
{
	struct pollfd poll_for = { .fd = -1, .events = events };
	curl_socket_t fd;

	if (curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd) || fd == CURL_SOCKET_BAD)
		return false;
	poll_for.fd = fd;
	return poll(&poll_for, 1, PROBE_STEP_MS) == 1;
}

/* Is the last line of a reply there, the one without a hyphen (RFC 5321 4.2.1)? */
static bool
probe_is_whole(const char *reply, size_t length)
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
probe_hear(CURL *curl, char reply_r[PROBE_MAX_REPLY])
{
	size_t length = 0, got = 0;
	CURLcode code;

	for (;;) {
		code = curl_easy_recv(
		    curl, reply_r + length, PROBE_MAX_REPLY - 1 - length, &got);
		if (code == CURLE_AGAIN && probe_wait(curl, POLLIN))
			continue;
		if (code != CURLE_OK || got == 0)
			return false;
		length += got;
		reply_r[length] = '\0';
		if (probe_is_whole(reply_r, length))
			return true;
		if (length == PROBE_MAX_REPLY - 1)
			return false;
	}
}

/* Says one line. */
static bool
probe_say(CURL *curl, const char *line)
{
	size_t left = strlen(line), sent = 0;

	while (left > 0) {
		CURLcode code = curl_easy_send(curl, line, left, &sent);

		if (code == CURLE_AGAIN && probe_wait(curl, POLLOUT))
			continue;
		if (code != CURLE_OK)
			return false;
		line += sent;
		left -= sent;
	}
	return true;
}

/* Says one line and hears the answer: OK, REFUSE or NONE (the server's no), or RETRY. */
static enum base_result
probe_step(CURL *curl, const char *line, const char **why_r)
{
	char reply[PROBE_MAX_REPLY] = "";

	if (!probe_say(curl, line) || !probe_hear(curl, reply)) {
		*why_r = base_why("the server went away after %.40s", line);
		return BASE_RETRY;
	}
	if (reply[0] == '2')
		return BASE_OK;
	reply[strcspn(reply, "\r\n")] = '\0';
	*why_r = base_why("the server said: %.200s", reply);
	return reply[0] == '4' ? BASE_NONE : BASE_REFUSE;
}

/* Connects, greets, and logs in if the settings say so; nothing more. */
static bool
probe_connect(CURL *curl, const char *url, const char **why_r)
{
	CURLcode code = CURLE_OUT_OF_MEMORY;

	if (!curl_easy_setopt(curl, CURLOPT_URL, url) &&
	    !curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps") &&
	    !curl_easy_setopt(curl, CURLOPT_PROXY, "") &&
	    !curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) &&
	    !curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, PROBE_CONNECT_SECONDS) &&
	    !curl_easy_setopt(curl, CURLOPT_TIMEOUT, PROBE_TOTAL_SECONDS) &&
	    !curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L))
		code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		*why_r = base_why("%s: %s", url, curl_easy_strerror(code));
	return code == CURLE_OK;
}

/* The dialogue up to the recipient, then goodbye. */
static enum base_result
probe_mailbox(CURL *curl, const char *address, const char **why_r)
{
	enum base_result result = BASE_REFUSE;
	struct base_buffer line;
	const char *ignored;

	base_buffer_init(&line, 1000);
	base_buffer_puts(&line, "RCPT TO:<");
	if (!notice_mime_address(&line, address) || !base_buffer_puts(&line, ">\r\n")) {
		*why_r = base_why("%.200s is no address", address);
	} else {
		result = probe_step(curl, "MAIL FROM:<>\r\n", why_r);
		if (result == BASE_OK)
			result = probe_step(curl, base_buffer_text(&line), why_r);
		if (result != BASE_RETRY)
			(void)probe_step(curl, "QUIT\r\n", &ignored);
	}
	base_buffer_free(&line);
	return result;
}

enum base_result
notice_probe_mailbox(
    const struct settings *settings, const char *address, const char **why_r)
{
	enum base_result result = BASE_RETRY;
	const char *at = strrchr(settings->notice.from, '@');
	struct base_buffer url;
	CURL *curl = curl_easy_init();

	base_buffer_init(&url, 4096);
	*why_r = base_why("libcurl cannot start");
	/* libcurl takes the path for the name to greet with */
	if (curl &&
	    base_buffer_printf(
		&url, "%s/%s", settings->notice.smtp, at && at[1] ? at + 1 : "localhost") &&
	    probe_connect(curl, base_buffer_text(&url), why_r))
		result = probe_mailbox(curl, address, why_r);
	curl_easy_cleanup(curl);
	base_buffer_free(&url);
	return result;
}

/* --- a page ------------------------------------------------------------------------------ */

/* Keeps a piece; more than the buffer holds ends the transfer. */
static size_t
probe_keep(char *data, size_t size, size_t count, void *context)
{
	return base_buffer_append(context, data, size * count) ? size * count : 0;
}

/* Gets it, as a browser without memory would; certificates are verified. */
static CURLcode
probe_get(CURL *curl, const char *url, struct base_buffer *page_r, long *status_r)
{
	CURLcode code = CURLE_OUT_OF_MEMORY;

	if (!curl_easy_setopt(curl, CURLOPT_URL, url) &&
	    !curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") &&
	    !curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) &&
	    !curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, PROBE_CONNECT_SECONDS) &&
	    !curl_easy_setopt(curl, CURLOPT_TIMEOUT, PROBE_TOTAL_SECONDS) &&
	    !curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, probe_keep) &&
	    !curl_easy_setopt(curl, CURLOPT_WRITEDATA, page_r))
		code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		code = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status_r);
	return code;
}

enum base_result
notice_probe_page(const char *url, struct base_buffer *page_r, const char **why_r)
{
	CURL *curl = curl_easy_init();
	CURLcode code = CURLE_OUT_OF_MEMORY;
	long status = 0;

	if (curl)
		code = probe_get(curl, url, page_r, &status);
	curl_easy_cleanup(curl);
	if (code != CURLE_OK) {
		*why_r = base_why("%.500s: %s", url, curl_easy_strerror(code));
		return BASE_RETRY;
	}
	if (status != 200) {
		*why_r = base_why("%.500s: answers with status %ld", url, status);
		return BASE_REFUSE;
	}
	return BASE_OK;
}
