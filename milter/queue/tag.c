/* The tag header, as the server reads it. What writes and proves it is in proof.c. */
#include <string.h>

#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/queue/internal.h"

#define MAC_LETTERS "abcdefghijklmnopqrstuvwxyz234567"

bool
queue_is_mac(const char *text)
{
	return strspn(text, MAC_LETTERS) == QUEUE_MAC_LENGTH && text[QUEUE_MAC_LENGTH] == '\0';
}

/* Steps over a word if the text begins with it. */
static bool
word_skip(const char **text, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(*text, word, length) != 0)
		return false;
	*text += length;
	return true;
}

/* The next `length` bytes as a string, if there are that many. */
static bool
bytes_take(const char **text, size_t length, char *bytes_r)
{
	if (strnlen(*text, length) != length)
		return false;
	memcpy(bytes_r, *text, length);
	bytes_r[length] = '\0';
	*text += length;
	return true;
}

/* What a value says, blanks around it allowed. */
enum base_result
queue_tag_parse(const char *value, struct queue_tag *tag_r)
{
	struct queue_tag tag;
	size_t action;

	value += strspn(value, " \t");
	if (!word_skip(&value, "id=") || !bytes_take(&value, BASE_ID_LENGTH, tag.hold_id) ||
	    !base_is_id(tag.hold_id) || !word_skip(&value, "; action="))
		return BASE_REFUSE;
	action = strspn(value, QUEUE_TAG_ACTION);
	value += action;
	if (action == 0 || !word_skip(&value, "; mac=") ||
	    !bytes_take(&value, QUEUE_MAC_LENGTH, tag.mac) || !queue_is_mac(tag.mac) ||
	    value[strspn(value, " \t\r")] != '\0')
		return BASE_REFUSE;
	*tag_r = tag;
	return BASE_OK;
}
