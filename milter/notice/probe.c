/* probe - do letters and links reach anybody? see notice.h */
#include <curl/curl.h>

#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/notice/notice.h"
#include "milter/notice/smtp.h"

#define PROBE_CONNECT_SECONDS 5L
#define PROBE_TOTAL_SECONDS 15L

/* --- an SMTP dialogue that ends before any message --------------------------------------- */

enum base_result
notice_probe_mailbox(const struct settings *settings, const char *address, const char **why_r)
{
	struct notice_smtp *smtp = NULL;
	enum base_result result =
	    notice_smtp_open(settings, PROBE_TOTAL_SECONDS * 1000, NULL, &smtp, why_r);

	if (result != BASE_OK) {
		*why_r = base_why("%.500s: %s", settings->notice.smtp, *why_r);
		return BASE_RETRY;
	}
	result = notice_smtp_envelope(smtp, "", address, 0, false, why_r);
	notice_smtp_close(&smtp);
	return result == BASE_BROKEN ? BASE_RETRY : result;
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
