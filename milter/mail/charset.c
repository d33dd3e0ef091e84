/* charset - bytes of a charset as UTF-8; see internal.h */
#include "milter/base/buffer.h"
#include "milter/mail/internal.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>
#include <strings.h>
#include <unistr.h>

/*
 * The charsets that mail is found in, by the names iconv(3) has for them. Only these: every
 * other name would load a converter of the sender's choice. NULL: needs no conversion.
 */
static const struct {
	const char *label;
	const char *iconv_name;
} charsets[] = {
	{ "utf-8", NULL },
	{ "utf8", NULL },
	{ "us-ascii", NULL },
	{ "ascii", NULL },
	{ "iso-8859-1", "WINDOWS-1252" }, /* what it is in practice */
	{ "iso-8859-2", "ISO-8859-2" },
	{ "iso-8859-3", "ISO-8859-3" },
	{ "iso-8859-4", "ISO-8859-4" },
	{ "iso-8859-5", "ISO-8859-5" },
	{ "iso-8859-6", "ISO-8859-6" },
	{ "iso-8859-7", "ISO-8859-7" },
	{ "iso-8859-8", "ISO-8859-8" },
	{ "iso-8859-9", "ISO-8859-9" },
	{ "iso-8859-10", "ISO-8859-10" },
	{ "iso-8859-13", "ISO-8859-13" },
	{ "iso-8859-14", "ISO-8859-14" },
	{ "iso-8859-15", "ISO-8859-15" },
	{ "windows-1250", "WINDOWS-1250" },
	{ "windows-1251", "WINDOWS-1251" },
	{ "windows-1252", "WINDOWS-1252" },
	{ "windows-1253", "WINDOWS-1253" },
	{ "windows-1254", "WINDOWS-1254" },
	{ "windows-1255", "WINDOWS-1255" },
	{ "windows-1256", "WINDOWS-1256" },
	{ "windows-1257", "WINDOWS-1257" },
	{ "windows-1258", "WINDOWS-1258" },
	{ "koi8-r", "KOI8-R" },
	{ "koi8-u", "KOI8-U" },
	{ "iso-2022-jp", "ISO-2022-JP" },
	{ "shift_jis", "SHIFT_JIS" },
	{ "euc-jp", "EUC-JP" },
	{ "euc-kr", "EUC-KR" },
	{ "ks_c_5601-1987", "CP949" },
	{ "gb2312", "GB18030" },
	{ "gbk", "GB18030" },
	{ "gb18030", "GB18030" },
	{ "big5", "BIG5" },
	{ "x-utf-8", "UTF-8" }, /* UTF-8 that is to be made valid */
	{ "iso-8859-8-i", "ISO-8859-8" },
	{ "iso-8859-11", "TIS-620" },
	{ "tis-620", "TIS-620" },
	{ "windows-874", "TIS-620" },
	{ "latin1", "WINDOWS-1252" },
	{ "cp1252", "WINDOWS-1252" },
	{ "cp932", "CP932" },
	{ "macintosh", "MACINTOSH" },
	{ "utf-7", "UTF-7" },
	{ "utf-16le", "UTF-16LE" },
	{ "utf-16be", "UTF-16BE" },
	{ "utf-16", "UTF-16" },
	{ "utf-32le", "UTF-32LE" },
	{ "utf-32be", "UTF-32BE" },
	{ "utf-32", "UTF-32" },
	{ "unicode", "UTF-16" },
};

/* The converter for a label and these bytes; -1: there is none, *is_plain_r: none is needed. */
static iconv_t
converter_open(const char *label, const char *bytes, size_t length, bool *is_plain_r)
{
	const char *name = NULL;
	bool is_known = false, has_mark;

	for (size_t i = 0; i < sizeof(charsets) / sizeof(*charsets) && !is_known; i++) {
		is_known = strcasecmp(charsets[i].label, label) == 0;
		name = charsets[i].iconv_name;
	}
	*is_plain_r = is_known && name == NULL;
	if (!is_known || name == NULL)
		return (iconv_t)-1;
	has_mark =
	    length >= 2 && (memcmp(bytes, "\xFE\xFF", 2) == 0 || memcmp(bytes, "\xFF\xFE", 2) == 0);
	if (strcmp(name, "UTF-16") == 0 && !has_mark)
		name = "UTF-16BE"; /* RFC 2781 4.3 */
	return iconv_open("UTF-8", name);
}

/* Appends bytes as UTF-8; what is no character of the charset becomes U+FFFD. */
static void
convert(struct base_buffer *out, iconv_t converter, char *in, size_t in_left)
{
	char piece[256], *at;
	size_t left, done;

	for (;;) {
		at = piece;
		left = sizeof(piece);
		/* Without input left: the bytes that bring the converter to its first state. */
		done = iconv(
		    converter, in_left > 0 ? &in : NULL, in_left > 0 ? &in_left : NULL, &at, &left);
		base_buffer_append(out, piece, sizeof(piece) - left);
		if (done != (size_t)-1 && in_left == 0)
			return;
		if (done != (size_t)-1 || errno == E2BIG)
			continue;
		base_buffer_puts(out, "\xEF\xBF\xBD");
		if (errno != EILSEQ)
			return;
		in++;
		in_left--;
	}
}

/* What the system's converter lets pass as UTF-8 and is none: code points beyond the last one. */
static void
make_valid(struct base_buffer *out, size_t begin)
{
	uint8_t *bytes = (uint8_t *)out->data;
	const uint8_t *bad = NULL;

	while (
	    begin < out->length && (bad = u8_check(bytes + begin, out->length - begin)) != NULL) {
		begin = (size_t)(bad - bytes);
		bytes[begin++] = '?';
	}
}

/* Appends plain bytes; those that are no ASCII become U+FFFD. */
static void
convert_unknown(struct base_buffer *out, const char *in, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if ((in[i] & 0x80) != 0)
			base_buffer_puts(out, "\xEF\xBF\xBD");
		else
			base_buffer_append(out, in + i, 1);
	}
}

void
mail_charset_append(struct base_buffer *out, const char *label, const char *bytes, size_t length)
{
	static const char mark[] = "\xEF\xBB\xBF"; /* of the byte order, RFC 3629 6 */
	size_t begin = out->length;
	bool is_plain;
	iconv_t converter = converter_open(label, bytes, length, &is_plain);

	if (is_plain) {
		base_buffer_append(out, bytes, length);
	} else if (converter != (iconv_t)-1) {
		convert(out, converter, (char *)bytes, length);
		make_valid(out, begin);
		iconv_close(converter);
	} else {
		convert_unknown(out, bytes, length);
	}
	if (out->length - begin >= 3 && memcmp(out->data + begin, mark, 3) == 0) {
		memmove(out->data + begin, out->data + begin + 3,
		    out->length - begin - 2); /* the NUL, too */
		out->length -= 3;
	}
	for (size_t i = begin; i < out->length; i++)
		if (out->data[i] == '\0')
			out->data[i] = ' '; /* it would end the text early */
}
