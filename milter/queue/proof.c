/*
 * The tag header, as it is written, and what proves that one is ours: a keyed hash in two halves.
 * The first is of the hold id alone, so that a list of queue files can be proved without reading
 * the mails; the second is of the mailbox as well that the hold asks, so that a tag copied into
 * somebody else's mail never makes us write to him.
 */
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/queue/internal.h"

#define HALF (QUEUE_MAC_LENGTH / 2)

/* "id=HOLDID; action=ACTION; mac=MAC", or without its end. */
enum base_result
queue_tag_format(struct base_arena *arena, const char *hold_id, const char *action, const char *mac,
    const char **value_r)
{
	char *value;

	if (!base_is_id(hold_id) || action[0] == '\0' ||
	    action[strspn(action, QUEUE_TAG_ACTION)] != '\0' || (mac != NULL && !queue_is_mac(mac)))
		return BASE_REFUSE;
	value = base_arena_printf(arena, "id=%s; action=%s%s%s", hold_id, action,
	    mac == NULL ? "" : "; mac=", mac == NULL ? "" : mac);
	if (value == NULL)
		return BASE_BROKEN;
	*value_r = value;
	return BASE_OK;
}

/* One half, as text: of the hold id, and of the mailbox if there is one. False: no memory. */
static bool
half_make(const struct base_key *key, const char *hold_id, const char *mailbox, char half_r[HALF])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char mac[BASE_MAC_SIZE];
	struct base_buffer data;
	bool is_made;

	memset(half_r, '-', HALF);
	base_buffer_init(&data, BASE_ID_SIZE + 1 + (mailbox == NULL ? 0 : strlen(mailbox)));
	base_buffer_printf(&data, "%s ", hold_id);
	/* a file of logins and a From may write it in different ways */
	for (const char *c = mailbox; c != NULL && *c != '\0'; c++)
		base_buffer_append(
		    &data, &(char){ *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c }, 1);
	is_made = !data.failed;
	base_key_mac(key, mailbox == NULL ? BASE_KEY_TAG : BASE_KEY_TAG_MAILBOX,
	    base_buffer_text(&data), data.length, mac);
	base_buffer_free(&data);
	for (size_t i = 0; is_made && i < HALF; i++)
		half_r[i] = letters[mac[i] & 31];
	return is_made;
}

bool
queue_mac_make(const struct base_key *key, const char *hold_id, const char *mailbox,
    char mac_r[QUEUE_MAC_SIZE])
{
	mac_r[QUEUE_MAC_LENGTH] = '\0';
	return half_make(key, hold_id, NULL, mac_r) &&
	       half_make(key, hold_id, mailbox, mac_r + HALF);
}

/* Does any generation of the key make this half? A mail may be held while the key changes. */
static bool
half_is_ours(const struct base_key *key, const char *hold_id, const char *mailbox, const char *half)
{
	const struct base_key *valid[BASE_KEY_MAX];
	size_t count = base_key_valid(key, BASE_KEY_EVER, valid);
	bool is_ours = false;
	char made[HALF];

	for (size_t i = 0; i < count; i++) {
		is_ours |=
		    half_make(valid[i], hold_id, mailbox, made) && base_equal(made, half, HALF);
	}
	return is_ours;
}

bool
queue_mac_proves_id(const struct base_key *key, const char *hold_id, const char *mac)
{
	return queue_is_mac(mac) && half_is_ours(key, hold_id, NULL, mac);
}

bool
queue_mac_proves_mailbox(
    const struct base_key *key, const char *hold_id, const char *mailbox, const char *mac)
{
	return queue_mac_proves_id(key, hold_id, mac) &&
	       half_is_ours(key, hold_id, mailbox, mac + HALF);
}
