/*
 * inject - the header that proves a message to be one of our own
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "milter/notice/internal.h"

#define INJECT_VERSION "v1"
#define INJECT_MAX_TEXT 2048 /* bytes that are put under the MAC */
#define INJECT_MAX_AHEAD 300 /* seconds that another host's clock may be fast */
#define INJECT_MAX_DIGITS 12 /* of the time */

/*
 * MAC over version, time, message id and recipient, each ended by a NUL, so that no two
 * different messages are the same bytes.
 */
static bool
inject_mac(const struct base_key *key, int64_t time, const char *message_id, const char *recipient,
    unsigned char mac_r[BASE_MAC_SIZE])
{
	struct base_buffer text;
	bool is_whole;

	base_buffer_init(&text, INJECT_MAX_TEXT);
	is_whole = base_buffer_append(&text, INJECT_VERSION, sizeof(INJECT_VERSION)) &&
		   base_buffer_printf(&text, "%" PRId64, time) &&
		   base_buffer_append(&text, "", 1) &&
		   base_buffer_append(&text, message_id, strlen(message_id) + 1) &&
		   base_buffer_append(&text, recipient, strlen(recipient) + 1);
	if (is_whole)
		base_key_mac(key, BASE_KEY_INJECT, text.data, text.length, mac_r);
	base_buffer_free(&text);
	return is_whole;
}

/* The header's value. */
enum base_result
notice_inject_make(struct base_arena *arena, const struct base_key *key, const char *message_id,
    const char *recipient, int64_t now, const char **value_r)
{
	unsigned char mac[BASE_MAC_SIZE];
	char hex[2 * BASE_MAC_SIZE + 1], *value;
	size_t i;

	if (!*message_id || !*recipient || !inject_mac(key, now, message_id, recipient, mac))
		return BASE_REFUSE;
	for (i = 0; i < sizeof(mac); i++) {
		hex[2 * i] = "0123456789abcdef"[mac[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[mac[i] & 15];
	}
	hex[2 * sizeof(mac)] = '\0';
	value = base_arena_printf(arena, INJECT_VERSION " %" PRId64 " %s", now, hex);
	if (!value)
		return BASE_BROKEN;
	*value_r = value;
	return BASE_OK;
}

/*
 * The address that a letter goes to, as our own milter will see it; REFUSE: it may not go there.
 * Whoever put it into the row: nobody outside is written to but the owners whom the settings name,
 * and no route, program or file.
 */
static enum base_result
letter_receiver(struct base_arena *arena, const struct settings *settings,
    const struct hold_view *view, const char **receiver_r, const char **why_r)
{
	const char *normal = "", *why;
	enum base_result result = mail_path_parse(arena, view->mailbox, &normal, &why);

	if (result == BASE_REFUSE ||
	    (result == BASE_OK &&
		(!mail_address_is_mailbox(normal) ||
		    (view->action != HOLD_BLOCK && !settings_is_local(settings, normal))))) {
		*why_r = base_why("%.100s is no mailbox of ours", view->mailbox);
		return BASE_REFUSE;
	}
	if (result == BASE_OK)
		*receiver_r = mail_address_strip_extension(
		    arena, normal, settings->identity.recipient_delimiter);
	if (result == BASE_OK && *receiver_r != NULL)
		return BASE_OK;
	*why_r = base_why("no memory for the address of a letter");
	return BASE_BROKEN;
}

enum base_result
notice_letter_stamp(struct base_arena *arena, const struct config *config,
    const struct hold_view *view, int64_t now, struct base_buffer *letter_r,
    const char **message_id_r, const char **why_r)
{
	const char *receiver = NULL, *message_id, *proof = "";
	enum base_result result = letter_receiver(arena, config->settings, view, &receiver, why_r);
	char id[BASE_ID_SIZE];

	if (result != BASE_OK)
		return result;
	base_id_new(id);
	message_id = base_arena_printf(arena, "%s@%s", id, notice_domain(config->settings));
	result = message_id == NULL
		     ? BASE_BROKEN
		     : notice_inject_make(arena, config->key, message_id, receiver, now, &proof);
	if (result != BASE_OK) {
		*why_r = base_why("the letter's proof cannot be made");
		return result;
	}
	base_buffer_printf(letter_r, NOTICE_INJECT_NAME ": %s\r\n", proof);
	*message_id_r = message_id;
	return BASE_OK;
}

/* The value of a hexadecimal digit, -1 for none: lower case, as we write it. */
static int
inject_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The MAC in hexadecimal, and nothing but white space after it. */
static bool
inject_parse_mac(const char *text, unsigned char mac_r[BASE_MAC_SIZE])
{
	size_t i;
	int high, low;

	for (i = 0; i < BASE_MAC_SIZE; i++) {
		high = inject_digit(text[2 * i]);
		low = high < 0 ? -1 : inject_digit(text[2 * i + 1]);
		if (low < 0)
			return false;
		mac_r[i] = (unsigned char)(high << 4 | low);
	}
	text += 2 * BASE_MAC_SIZE;
	return !text[strspn(text, " \t\r\n")];
}

/* "v1 TIME MAC"; white space around it is the header's, not ours. */
static bool
inject_parse(const char *value, int64_t *time_r, unsigned char mac_r[BASE_MAC_SIZE])
{
	size_t digits;

	value += strspn(value, " \t\r\n");
	if (strncmp(value, INJECT_VERSION " ", sizeof(INJECT_VERSION)))
		return false;
	value += sizeof(INJECT_VERSION);
	digits = strspn(value, "0123456789");
	if (!digits || digits > INJECT_MAX_DIGITS || value[digits] != ' ')
		return false;
	*time_r = strtoll(value, NULL, 10);
	return inject_parse_mac(value + digits + 1, mac_r);
}

/* Made with this key? One that is kept for the history signs nothing that is new. */
static bool
inject_is_of(const struct base_key *key, int64_t time, const char *message_id,
    const char *recipient, const unsigned char given[BASE_MAC_SIZE])
{
	unsigned char right[BASE_MAC_SIZE];
	int64_t replaced = base_key_replaced(key);

	return (!replaced || time <= replaced + INJECT_MAX_AHEAD) &&
	       inject_mac(key, time, message_id, recipient, right) &&
	       base_equal(given, right, sizeof(right));
}

/* Made by us, for this message and recipient, not long ago? */
bool
notice_inject_is_ours(const struct base_key *key, const char *value, const char *message_id,
    const char *recipient, int64_t now)
{
	const struct base_key *valid[BASE_KEY_MAX];
	unsigned char given[BASE_MAC_SIZE];
	int64_t time;

	if (!inject_parse(value, &time, given) || time > now + INJECT_MAX_AHEAD ||
	    time < now - NOTICE_INJECT_SECONDS)
		return false;
	for (size_t count = base_key_valid(key, now, valid); count > 0; count--)
		if (inject_is_of(valid[count - 1], time, message_id, recipient, given))
			return true;
	return false;
}
