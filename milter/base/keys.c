/* keys - random identifiers, tokens and the site's key, by libsodium; see random.h and key.h */
#include "milter/base/internal.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BYTES crypto_kdf_KEYBYTES
#define KEY_HEX_BYTES (2 * KEY_BYTES)
#define KEY_USES 8 /* slots, by enum base_key_use; 0 is not used */
#define KEY_CONTEXT_MAC "oops-mac"
#define KEY_CONTEXT_HASH "oops-hsh"
#define TOKEN_BYTES 16

/* Only keys derived for one use each; the site's key itself is not kept. */
struct base_key {
	unsigned char mac[KEY_USES][crypto_generichash_KEYBYTES];
	unsigned char hash[KEY_USES][crypto_shorthash_KEYBYTES];
	struct base_key *earlier; /* NULL: none */
	int64_t replaced;         /* 0: the current one */
	int64_t until;            /* valid before then, unless current; later ones longer */
};

enum base_result
base_crypto_start(const char **why_r)
{
	if (sodium_init() < 0) {
		*why_r = base_why("libsodium cannot start: no source of random bytes");
		return BASE_BROKEN;
	}
	return BASE_OK;
}

void
base_random(void *bytes, size_t length)
{
	randombytes_buf(bytes, length);
}

void
base_id_new(char id_r[BASE_ID_SIZE])
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char bytes[BASE_ID_LENGTH];
	size_t i;

	base_random(bytes, sizeof(bytes));
	for (i = 0; i < BASE_ID_LENGTH; i++)
		id_r[i] = alphabet[bytes[i] & 31];
	id_r[BASE_ID_LENGTH] = '\0';
}

void
base_token_new(char token_r[BASE_TOKEN_SIZE])
{
	unsigned char bytes[TOKEN_BYTES];

	base_random(bytes, sizeof(bytes));
	sodium_bin2base64(token_r, BASE_TOKEN_SIZE, bytes, sizeof(bytes),
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(bytes, sizeof(bytes));
}

enum base_result
base_token_hash(const char *token, unsigned char hash_r[BASE_HASH_SIZE])
{
	unsigned char bytes[TOKEN_BYTES];
	size_t length;

	if (strnlen(token, BASE_TOKEN_SIZE) != BASE_TOKEN_LENGTH ||
	    sodium_base642bin(bytes, sizeof(bytes), token, BASE_TOKEN_LENGTH, NULL, &length, NULL,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
	    length != TOKEN_BYTES)
		return BASE_REFUSE;
	crypto_generichash(
	    hash_r, BASE_HASH_SIZE, (const unsigned char *)token, BASE_TOKEN_LENGTH, NULL, 0);
	return BASE_OK;
}

void
base_sha256_text(const char *text, char text_r[BASE_SHA256_TEXT_SIZE])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
	sodium_bin2base64(
	    text_r, BASE_SHA256_TEXT_SIZE, hash, sizeof(hash), sodium_base64_VARIANT_ORIGINAL);
}

bool
base_write_whole(int fd, const char *data, size_t length)
{
	ssize_t put;

	while (length > 0) {
		put = write(fd, data, length);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		data += put;
		length -= (size_t)put;
	}
	return fsync(fd) == 0;
}

enum base_result
base_key_create(const char *path, const char **why_r)
{
	unsigned char bytes[KEY_BYTES];
	char text[KEY_HEX_BYTES + 2];
	bool is_written;
	int error, fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST) {
		*why_r = base_why("%s exists already", path);
		return BASE_REFUSE;
	}
	if (fd < 0) {
		*why_r = base_why("cannot make %s: %s", path, strerror(errno));
		return BASE_BROKEN;
	}
	base_random(bytes, sizeof(bytes));
	sodium_bin2hex(text, sizeof(text), bytes, sizeof(bytes));
	text[KEY_HEX_BYTES] = '\n';
	/* The umask may only have taken rights away; 0600 is what is promised. */
	is_written = fchmod(fd, 0600) == 0 && base_write_whole(fd, text, KEY_HEX_BYTES + 1);
	error = errno;
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(text, sizeof(text));
	if (close(fd) != 0 && is_written) {
		error = errno;
		is_written = false;
	}
	if (is_written)
		return BASE_OK;
	unlink(path);
	*why_r = base_why("cannot write %s: %s", path, strerror(error));
	return BASE_BROKEN;
}

/* Is the open file one that a key may be read from? */
static enum base_result
key_file_check(int fd, const char *path, const char **why_r)
{
	struct stat status;

	if (fstat(fd, &status) != 0) {
		*why_r = base_why("cannot look at %s: %s", path, strerror(errno));
		return BASE_BROKEN;
	}
	if (!S_ISREG(status.st_mode)) {
		*why_r = base_why("%s is not a file", path);
		return BASE_REFUSE;
	}
	if ((status.st_mode & 027) != 0) {
		*why_r = base_why("%s has mode %04o: others than its owner and group can use "
				  "it; change with: chmod 0640 %s",
		    path, (unsigned)(status.st_mode & 07777), path);
		return BASE_REFUSE;
	}
	return BASE_OK;
}

#define KEY_TAIL_BYTES 80 /* of a line behind the digits */
#define KEY_FILE_BYTES (BASE_KEY_MAX * (KEY_HEX_BYTES + KEY_TAIL_BYTES))

/* "replaced TIME until TIME", and nothing else. */
static bool
key_times_parse(const char *text, struct base_key *key)
{
	int end = 0;

	return sscanf(text, " replaced %15" SCNd64 " until %15" SCNd64 "%n", &key->replaced,
		   &key->until, &end) == 2 &&
	       text[end] == '\0' && key->replaced > 0 && key->until >= key->replaced;
}

/* One line: digits, and behind those of an earlier key its times; NULL: it is none. */
static struct base_key *
key_line_parse(const char *line, bool is_current)
{
	unsigned char bytes[KEY_BYTES];
	struct base_key *key = NULL;
	size_t length = 0;
	const char *end = line;
	bool is_good;

	if (sodium_hex2bin(
		bytes, KEY_BYTES, line, strnlen(line, KEY_HEX_BYTES), NULL, &length, &end) != 0 ||
	    length != KEY_BYTES || end != line + KEY_HEX_BYTES ||
	    base_key_from_bytes(bytes, &key) != BASE_OK)
		return NULL;
	sodium_memzero(bytes, sizeof(bytes));
	sodium_mprotect_readwrite(key);
	is_good = is_current ? *end == '\0' : key_times_parse(end, key);
	sodium_mprotect_readonly(key);
	if (!is_good)
		base_key_free(&key);
	return key;
}

/* Hangs an earlier key behind a later one. */
static void
key_join(struct base_key *later, struct base_key *earlier)
{
	sodium_mprotect_readwrite(later);
	later->earlier = earlier;
	sodium_mprotect_readonly(later);
}

/* All lines of a key file. */
static enum base_result
key_text_parse(char *text, const char *path, struct base_key **key_r, const char **why_r)
{
	struct base_key *first = NULL, *last = NULL;
	unsigned number = 0;
	char *save = NULL;

	for (char *line = text; line != NULL && (number == 0 || *line != '\0'); line = save) {
		struct base_key *key = NULL;

		save = strchr(line, '\n');
		if (save != NULL)
			*save++ = '\0';
		if (++number <= BASE_KEY_MAX)
			key = key_line_parse(line, number == 1);
		if (key != NULL && number > 2 && key->until > last->until)
			base_key_free(&key);
		if (key == NULL) {
			base_key_free(&first);
			*why_r = base_why("%s:%u: not a key as oopsctl init and oopsctl "
					  "rotate-key write it",
			    path, number);
			return BASE_REFUSE;
		}
		if (last == NULL)
			first = key;
		else
			key_join(last, key);
		last = key;
	}
	*key_r = first;
	return BASE_OK;
}

/* The keys of an open file. */
static enum base_result
key_file_parse(int fd, const char *path, struct base_key **key_r, const char **why_r)
{
	char text[KEY_FILE_BYTES + 1];
	enum base_result result;
	ssize_t got = read(fd, text, sizeof(text));

	if (got < 0) {
		*why_r = base_why("cannot read %s: %s", path, strerror(errno));
		return BASE_BROKEN;
	}
	if ((size_t)got == sizeof(text) || memchr(text, '\0', (size_t)got) != NULL) {
		*why_r = base_why("%s is not a file of keys", path);
		return BASE_REFUSE;
	}
	text[got] = '\0';
	result = key_text_parse(text, path, key_r, why_r);
	sodium_memzero(text, sizeof(text));
	return result;
}

enum base_result
base_key_load(const char *path, struct base_key **key_r, const char **why_r)
{
	enum base_result result;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		*why_r = base_why("cannot open %s: %s", path, strerror(errno));
		return BASE_BROKEN;
	}
	result = key_file_check(fd, path, why_r);
	if (result == BASE_OK)
		result = key_file_parse(fd, path, key_r, why_r);
	close(fd);
	return result;
}

enum base_result
base_key_from_bytes(const unsigned char bytes[32], struct base_key **key_r)
{
	struct base_key *key = sodium_malloc(sizeof(*key));
	unsigned use;

	if (key == NULL)
		return BASE_BROKEN;
	for (use = 0; use < KEY_USES; use++) {
		crypto_kdf_derive_from_key(
		    key->mac[use], sizeof(key->mac[use]), use, KEY_CONTEXT_MAC, bytes);
		crypto_kdf_derive_from_key(
		    key->hash[use], sizeof(key->hash[use]), use, KEY_CONTEXT_HASH, bytes);
	}
	key->earlier = NULL;
	key->replaced = key->until = 0;
	sodium_mprotect_readonly(key);
	*key_r = key;
	return BASE_OK;
}

void
base_key_free(struct base_key **key)
{
	struct base_key *next;

	if (key == NULL)
		return;
	for (; *key != NULL; *key = next) {
		next = (*key)->earlier;
		sodium_free(*key);
	}
}

size_t
base_key_valid(
    const struct base_key *key, int64_t now, const struct base_key *valid_r[BASE_KEY_MAX])
{
	size_t count = 0;

	for (const struct base_key *one = key; one != NULL; one = one->earlier)
		if (one == key || now < one->until)
			count++;
	for (size_t place = count; key != NULL; key = key->earlier)
		if (place == count || now < key->until)
			valid_r[--place] = key;
	return count;
}

int64_t
base_key_replaced(const struct base_key *key)
{
	return key->replaced;
}

void
base_key_mac(const struct base_key *key, enum base_key_use use, const void *data, size_t length,
    unsigned char mac_r[BASE_MAC_SIZE])
{
	crypto_generichash(
	    mac_r, BASE_MAC_SIZE, data, length, key->mac[use], sizeof(key->mac[use]));
}

uint64_t
base_key_hash64(const struct base_key *key, enum base_key_use use, const void *data, size_t length)
{
	unsigned char bytes[crypto_shorthash_BYTES];
	uint64_t hash = 0;
	size_t i;

	crypto_shorthash(bytes, data, length, key->hash[use]);
	/* Put together byte by byte: the same value on every machine. */
	for (i = 0; i < sizeof(bytes); i++)
		hash |= (uint64_t)bytes[i] << (8 * i);
	return hash;
}

bool
base_equal(const void *a, const void *b, size_t length)
{
	return sodium_memcmp(a, b, length) == 0;
}
