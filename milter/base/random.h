/*
 * NAME
 *	base/random - random identifiers and tokens, and what is made of them
 *
 * THREADS
 *	Any.
 */
#ifndef OOPS_BASE_RANDOM_H
#define OOPS_BASE_RANDOM_H

#include "milter/base/result.h"

/* Must be called once by every program before anything random or keyed. */
enum base_result base_crypto_start(const char **why_r);

#define BASE_ID_LENGTH 16 /* base32 characters a-z2-7: 80 random bits */
#define BASE_ID_SIZE (BASE_ID_LENGTH + 1)
#define BASE_TOKEN_LENGTH 22 /* base64url characters: 128 random bits */
#define BASE_TOKEN_SIZE (BASE_TOKEN_LENGTH + 1)
#define BASE_HASH_SIZE 32

void base_random(void *bytes, size_t length);
void base_id_new(char id_r[BASE_ID_SIZE]);
bool base_is_id(const char *text);
void base_token_new(char token_r[BASE_TOKEN_SIZE]);
/* BLAKE2b-256 of the token's text: what a store keeps instead of it. REFUSE unless well formed. */
enum base_result base_token_hash(const char *token, unsigned char hash_r[BASE_HASH_SIZE]);

#define BASE_SHA256_TEXT_SIZE 45

/* SHA-256 of the text in base64, as a Content-Security-Policy names a style it allows. */
void base_sha256_text(const char *text, char text_r[BASE_SHA256_TEXT_SIZE]);

/* Comparison whose time does not depend on where the difference is. */
bool base_equal(const void *a, const void *b, size_t length);

#endif
