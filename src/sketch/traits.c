#include "sketch/traits.h"

#include <ctype.h>
#include <string.h>

#include "codec/digest.h"
#include "codec/text.h"

enum { UNSAID = -1, WORD_MAX = 16, HASHED_MAX = 1 << 17 };

/* What a row does when it does not set a trait. */
enum {
	ROW_COLOUR = TRAITS, /* its value is 0xRRGGBB, for the next thing */
	ROW_BREAK,           /* a colour still waiting is the figure's own */
	ROW_THING            /* only takes a colour */
};

struct row {
	const char *word; /* lower case; a final s is understood */
	int what;
	int value;
	enum slot slot; /* takes the colour said before it */
};

static const struct row rows[] = {
	{ "robot", TRAIT_KIND, KIND_ROBOT, SLOT_MAIN },
	{ "android", TRAIT_KIND, KIND_ROBOT, SLOT_MAIN },
	{ "cyborg", TRAIT_KIND, KIND_ROBOT, SLOT_MAIN },
	{ "mech", TRAIT_KIND, KIND_ROBOT, SLOT_MAIN },
	{ "droid", TRAIT_KIND, KIND_ROBOT, SLOT_MAIN },

	{ "girl", TRAIT_AGE, AGE_CHILD, SLOT_NONE },
	{ "girl", TRAIT_FORM, FORM_SOFT, SLOT_NONE },
	{ "boy", TRAIT_AGE, AGE_CHILD, SLOT_NONE },
	{ "boy", TRAIT_FORM, FORM_SQUARE, SLOT_NONE },
	{ "child", TRAIT_AGE, AGE_CHILD, SLOT_NONE },
	{ "kid", TRAIT_AGE, AGE_CHILD, SLOT_NONE },
	{ "woman", TRAIT_FORM, FORM_SOFT, SLOT_NONE },
	{ "lady", TRAIT_FORM, FORM_SOFT, SLOT_NONE },
	{ "female", TRAIT_FORM, FORM_SOFT, SLOT_NONE },
	{ "princess", TRAIT_FORM, FORM_SOFT, SLOT_NONE },
	{ "princess", TRAIT_OUTFIT, OUTFIT_DRESS, SLOT_MAIN },
	{ "princess", TRAIT_HEADGEAR, HEADGEAR_CROWN, SLOT_NONE },
	{ "queen", TRAIT_FORM, FORM_SOFT, SLOT_NONE },
	{ "queen", TRAIT_OUTFIT, OUTFIT_DRESS, SLOT_MAIN },
	{ "queen", TRAIT_HEADGEAR, HEADGEAR_CROWN, SLOT_NONE },
	{ "witch", TRAIT_FORM, FORM_SOFT, SLOT_NONE },
	{ "witch", TRAIT_OUTFIT, OUTFIT_DRESS, SLOT_MAIN },
	{ "witch", TRAIT_HEADGEAR, HEADGEAR_POINTED, SLOT_NONE },
	{ "man", TRAIT_FORM, FORM_SQUARE, SLOT_NONE },
	{ "male", TRAIT_FORM, FORM_SQUARE, SLOT_NONE },
	{ "king", TRAIT_FORM, FORM_SQUARE, SLOT_NONE },
	{ "king", TRAIT_HEADGEAR, HEADGEAR_CROWN, SLOT_NONE },
	{ "king", TRAIT_BACK, BACK_CAPE, SLOT_NONE },
	{ "prince", TRAIT_FORM, FORM_SQUARE, SLOT_NONE },
	{ "prince", TRAIT_HEADGEAR, HEADGEAR_CROWN, SLOT_NONE },
	{ "old", TRAIT_AGE, AGE_OLD, SLOT_NONE },
	{ "elderly", TRAIT_AGE, AGE_OLD, SLOT_NONE },
	{ "aged", TRAIT_AGE, AGE_OLD, SLOT_NONE },
	{ "slim", TRAIT_BUILD, BUILD_SLIM, SLOT_NONE },
	{ "slender", TRAIT_BUILD, BUILD_SLIM, SLOT_NONE },
	{ "strong", TRAIT_BUILD, BUILD_BROAD, SLOT_NONE },
	{ "burly", TRAIT_BUILD, BUILD_BROAD, SLOT_NONE },
	{ "muscular", TRAIT_BUILD, BUILD_BROAD, SLOT_NONE },

	{ "knight", TRAIT_OUTFIT, OUTFIT_ARMOUR, SLOT_MAIN },
	{ "knight", TRAIT_HEADGEAR, HEADGEAR_HELM, SLOT_NONE },
	{ "knight", TRAIT_HAND, HAND_SWORD, SLOT_NONE },
	{ "paladin", TRAIT_OUTFIT, OUTFIT_ARMOUR, SLOT_MAIN },
	{ "paladin", TRAIT_SHIELD, 1, SLOT_NONE },
	{ "warrior", TRAIT_OUTFIT, OUTFIT_ARMOUR, SLOT_MAIN },
	{ "warrior", TRAIT_HAND, HAND_SWORD, SLOT_NONE },
	{ "armour", TRAIT_OUTFIT, OUTFIT_ARMOUR, SLOT_MAIN },
	{ "armor", TRAIT_OUTFIT, OUTFIT_ARMOUR, SLOT_MAIN },
	{ "wizard", TRAIT_OUTFIT, OUTFIT_ROBE, SLOT_MAIN },
	{ "wizard", TRAIT_HEADGEAR, HEADGEAR_POINTED, SLOT_NONE },
	{ "wizard", TRAIT_HAND, HAND_STAFF, SLOT_NONE },
	{ "wizard", TRAIT_FORM, FORM_SQUARE, SLOT_NONE },
	{ "mage", TRAIT_OUTFIT, OUTFIT_ROBE, SLOT_MAIN },
	{ "mage", TRAIT_HAND, HAND_STAFF, SLOT_NONE },
	{ "monk", TRAIT_OUTFIT, OUTFIT_ROBE, SLOT_MAIN },
	{ "monk", TRAIT_HAIR, HAIR_BALD, SLOT_NONE },
	{ "astronaut", TRAIT_OUTFIT, OUTFIT_SPACE, SLOT_MAIN },
	{ "astronaut", TRAIT_HEADGEAR, HEADGEAR_BUBBLE, SLOT_NONE },
	{ "astronaut", TRAIT_BACK, BACK_PACK, SLOT_NONE },
	{ "spacesuit", TRAIT_OUTFIT, OUTFIT_SPACE, SLOT_MAIN },
	{ "cowboy", TRAIT_HEADGEAR, HEADGEAR_BRIM, SLOT_NONE },
	{ "detective", TRAIT_HEADGEAR, HEADGEAR_BRIM, SLOT_NONE },
	{ "detective", TRAIT_OUTFIT, OUTFIT_COAT, SLOT_NONE },
	{ "explorer", TRAIT_BACK, BACK_PACK, SLOT_NONE },
	{ "angel", TRAIT_BACK, BACK_WINGS, SLOT_NONE },
	{ "fairy", TRAIT_BACK, BACK_WINGS, SLOT_NONE },

	{ "robe", TRAIT_OUTFIT, OUTFIT_ROBE, SLOT_MAIN },
	{ "dress", TRAIT_OUTFIT, OUTFIT_DRESS, SLOT_MAIN },
	{ "gown", TRAIT_OUTFIT, OUTFIT_DRESS, SLOT_MAIN },
	{ "skirt", TRAIT_OUTFIT, OUTFIT_DRESS, SLOT_MAIN },
	{ "kimono", TRAIT_OUTFIT, OUTFIT_ROBE, SLOT_MAIN },
	{ "coat", TRAIT_OUTFIT, OUTFIT_COAT, SLOT_MAIN },
	{ "jacket", TRAIT_OUTFIT, OUTFIT_COAT, SLOT_MAIN },
	{ "tunic", TRAIT_OUTFIT, OUTFIT_TUNIC, SLOT_MAIN },
	{ "shirt", TRAIT_OUTFIT, OUTFIT_TUNIC, SLOT_MAIN },
	{ "suit", ROW_THING, 0, SLOT_MAIN },
	{ "uniform", ROW_THING, 0, SLOT_MAIN },
	{ "clothes", ROW_THING, 0, SLOT_MAIN },
	{ "outfit", ROW_THING, 0, SLOT_MAIN },
	{ "trouser", ROW_THING, 0, SLOT_LEGS },
	{ "jeans", ROW_THING, 0, SLOT_LEGS },
	{ "pants", ROW_THING, 0, SLOT_LEGS },
	{ "boot", ROW_THING, 0, SLOT_DARK },
	{ "belt", ROW_THING, 0, SLOT_ACCENT },

	{ "hat", TRAIT_HEADGEAR, HEADGEAR_BRIM, SLOT_HAT },
	{ "helmet", TRAIT_HEADGEAR, HEADGEAR_HELM, SLOT_HAT },
	{ "helm", TRAIT_HEADGEAR, HEADGEAR_HELM, SLOT_HAT },
	{ "crown", TRAIT_HEADGEAR, HEADGEAR_CROWN, SLOT_HAT },
	{ "antenna", TRAIT_HEADGEAR, HEADGEAR_ANTENNA, SLOT_HAT },
	{ "shield", TRAIT_SHIELD, 1, SLOT_SHIELD },
	{ "sword", TRAIT_HAND, HAND_SWORD, SLOT_HAND },
	{ "blade", TRAIT_HAND, HAND_SWORD, SLOT_HAND },
	{ "staff", TRAIT_HAND, HAND_STAFF, SLOT_HAND },
	{ "wand", TRAIT_HAND, HAND_STAFF, SLOT_HAND },
	{ "cape", TRAIT_BACK, BACK_CAPE, SLOT_BACK },
	{ "cloak", TRAIT_BACK, BACK_CAPE, SLOT_BACK },
	{ "backpack", TRAIT_BACK, BACK_PACK, SLOT_BACK },
	{ "wing", TRAIT_BACK, BACK_WINGS, SLOT_BACK },
	{ "winged", TRAIT_BACK, BACK_WINGS, SLOT_BACK },
	{ "scarf", TRAIT_SCARF, 1, SLOT_SCARF },
	{ "glasses", TRAIT_GLASSES, 1, SLOT_NONE },
	{ "spectacle", TRAIT_GLASSES, 1, SLOT_NONE },

	{ "hair", ROW_THING, 0, SLOT_HAIR },
	{ "haired", ROW_THING, 0, SLOT_HAIR },
	{ "eye", ROW_THING, 0, SLOT_EYES },
	{ "eyed", ROW_THING, 0, SLOT_EYES },
	{ "fur", ROW_THING, 0, SLOT_FUR },
	{ "bald", TRAIT_HAIR, HAIR_BALD, SLOT_NONE },
	{ "spiky", TRAIT_HAIR, HAIR_SPIKY, SLOT_NONE },
	{ "curly", TRAIT_HAIR, HAIR_CURLS, SLOT_NONE },
	{ "long", TRAIT_HAIR, HAIR_LONG, SLOT_NONE },
	{ "beard", TRAIT_BEARD, BEARD_LONG, SLOT_HAIR },
	{ "bearded", TRAIT_BEARD, BEARD_SHORT, SLOT_NONE },
	{ "cat", TRAIT_EARS, EARS_CAT, SLOT_FUR },
	{ "fox", TRAIT_EARS, EARS_FOX, SLOT_FUR },
	{ "wolf", TRAIT_EARS, EARS_FOX, SLOT_FUR },
	{ "dog", TRAIT_EARS, EARS_DOG, SLOT_FUR },
	{ "rabbit", TRAIT_EARS, EARS_RABBIT, SLOT_FUR },
	{ "bunny", TRAIT_EARS, EARS_RABBIT, SLOT_FUR },
	{ "stern", TRAIT_MOOD, MOOD_STERN, SLOT_NONE },
	{ "angry", TRAIT_MOOD, MOOD_STERN, SLOT_NONE },
	{ "serious", TRAIT_MOOD, MOOD_STERN, SLOT_NONE },
	{ "happy", TRAIT_MOOD, MOOD_SMILE, SLOT_NONE },
	{ "smiling", TRAIT_MOOD, MOOD_SMILE, SLOT_NONE },
	{ "cheerful", TRAIT_MOOD, MOOD_SMILE, SLOT_NONE },

	{ "metallic", TRAIT_SHINE, 1, SLOT_NONE },
	{ "metal", TRAIT_SHINE, 1, SLOT_NONE },
	{ "steel", TRAIT_SHINE, 1, SLOT_NONE },
	{ "chrome", TRAIT_SHINE, 1, SLOT_NONE },
	{ "shiny", TRAIT_SHINE, 1, SLOT_NONE },
	{ "red", ROW_COLOUR, 0xc8373d, SLOT_NONE },
	{ "crimson", ROW_COLOUR, 0xa4243b, SLOT_NONE },
	{ "orange", ROW_COLOUR, 0xe8833a, SLOT_NONE },
	{ "yellow", ROW_COLOUR, 0xf0c244, SLOT_NONE },
	{ "green", ROW_COLOUR, 0x4c9a5f, SLOT_NONE },
	{ "teal", ROW_COLOUR, 0x2a8c8c, SLOT_NONE },
	{ "blue", ROW_COLOUR, 0x3566b0, SLOT_NONE },
	{ "navy", ROW_COLOUR, 0x2a3d66, SLOT_NONE },
	{ "purple", ROW_COLOUR, 0x77519f, SLOT_NONE },
	{ "violet", ROW_COLOUR, 0x7a63b8, SLOT_NONE },
	{ "pink", ROW_COLOUR, 0xe48aa7, SLOT_NONE },
	{ "brown", ROW_COLOUR, 0x7d5639, SLOT_NONE },
	{ "black", ROW_COLOUR, 0x33343d, SLOT_NONE },
	{ "white", ROW_COLOUR, 0xf1efe9, SLOT_NONE },
	{ "grey", ROW_COLOUR, 0x8d939c, SLOT_NONE },
	{ "gray", ROW_COLOUR, 0x8d939c, SLOT_NONE },
	{ "silver", ROW_COLOUR, 0xb9c2cc, SLOT_NONE },
	{ "gold", ROW_COLOUR, 0xdda93a, SLOT_NONE },
	{ "golden", ROW_COLOUR, 0xdda93a, SLOT_NONE },
	{ "blond", ROW_COLOUR, 0xe3bd6f, SLOT_NONE },
	{ "blonde", ROW_COLOUR, 0xe3bd6f, SLOT_NONE },
	{ "bronze", ROW_COLOUR, 0xb07a43, SLOT_NONE },
	{ "copper", ROW_COLOUR, 0xc0703f, SLOT_NONE },

	{ "with", ROW_BREAK, 0, SLOT_NONE },
	{ "and", ROW_BREAK, 0, SLOT_NONE },
	{ "in", ROW_BREAK, 0, SLOT_NONE },
};

/* What the words said: a trait or colour that was not said is UNSAID. */
struct said {
	int of[TRAITS];
	int colour[SLOTS];
	int waiting; /* a colour that no thing has taken yet */
};

/* 32 throws out of one hash. */
struct dice {
	struct digest hash;
	size_t at;
};

static void
give_colour(struct said *s, enum slot slot)
{
	if (s->waiting == UNSAID || slot == SLOT_NONE)
		return;
	if (slot == SLOT_MAIN && s->colour[SLOT_MAIN] != UNSAID)
		slot = SLOT_ACCENT;
	s->colour[slot] = s->waiting;
	s->waiting = UNSAID;
}

static void
obey(struct said *s, const struct row *row)
{
	if (row->what == ROW_COLOUR) {
		give_colour(s, SLOT_MAIN);
		s->waiting = row->value;
	} else if (row->what == ROW_BREAK) {
		give_colour(s, SLOT_MAIN);
	} else {
		if (row->what < TRAITS)
			s->of[row->what] = row->value;
		give_colour(s, row->slot);
	}
}

static void
hear(struct said *s, const char *word)
{
	const size_t n = strlen(word);
	size_t i, len;

	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		len = strlen(rows[i].word);
		if (strncmp(word, rows[i].word, len) == 0 &&
		    (n == len || (n == len + 1 && word[len] == 's')))
			obey(s, &rows[i]);
	}
}

static void
listen_to(struct said *s, struct view prompt)
{
	char word[WORD_MAX + 1];
	size_t i, n = 0;

	memset(s->of, UNSAID, sizeof s->of);
	memset(s->colour, UNSAID, sizeof s->colour);
	s->waiting = UNSAID;
	for (i = 0; i <= prompt.n; i++) {
		const unsigned char c =
		    i < prompt.n ? (unsigned char)prompt.p[i] : ' ';

		if (isascii(c) && isalpha(c)) {
			if (n < WORD_MAX)
				word[n] = (char)tolower(c);
			n++;
			continue;
		}
		if (n > 0 && n <= WORD_MAX) {
			word[n] = '\0';
			hear(s, word);
		}
		n = 0;
	}
	give_colour(s, SLOT_MAIN);
}

static int
dice_open(struct dice *d, struct view prompt, uint32_t seed, int index,
    struct fault *f)
{
	struct buf text = BUF_INIT(HASHED_MAX);
	int rc = -1;

	buf_fmt(&text, "%lu %d ", (unsigned long)seed, index);
	buf_add(&text, prompt);
	if (buf_done(&text, f) == 0)
		rc = digest_sha256(&d->hash, buf_view(&text), f);
	d->at = 0;
	buf_fini(&text);
	return rc;
}

static unsigned int
hex_value(char c)
{
	return (unsigned int)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static unsigned int throw(struct dice * d, unsigned int sides)
{
	const char *hex = d->hash.hex + d->at;

	MUST(d->at + 2 < sizeof d->hash.hex);
	d->at += 2;
	return (hex_value(hex[0]) * 16 + hex_value(hex[1])) % sides;
}

/* Takes what was said, or one of the n choices; the dice move either way. */
static void
choose(struct traits *t, const struct said *s, struct dice *d, enum trait which,
    const int *choices, unsigned int n)
{
	const int chance = choices[throw(d, n)];

	t->of[which] = s->of[which] == UNSAID ? chance : s->of[which];
}

#define CHOOSE(t, s, d, which, ...)                                            \
	choose((t), (s), (d), (which), (const int[]){ __VA_ARGS__ },           \
	    sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

static int
kind_of(const struct said *s)
{
	if (s->of[TRAIT_KIND] != UNSAID)
		return s->of[TRAIT_KIND];
	/* "a fox in a coat" is a fox; "a fox-eared girl" is a girl */
	return s->of[TRAIT_EARS] != UNSAID && s->of[TRAIT_FORM] == UNSAID &&
		       s->of[TRAIT_AGE] != AGE_CHILD
		   ? KIND_BEAST
		   : KIND_HUMAN;
}

static void
choose_person(struct traits *t, const struct said *s, struct dice *d)
{
	t->of[TRAIT_KIND] = kind_of(s);
	CHOOSE(t, s, d, TRAIT_AGE, AGE_ADULT);
	CHOOSE(t, s, d, TRAIT_FORM, FORM_SOFT, FORM_SQUARE);
	if (t->of[TRAIT_FORM] == FORM_SOFT)
		CHOOSE(t, s, d, TRAIT_BUILD, BUILD_EVEN, BUILD_SLIM);
	else
		CHOOSE(t, s, d, TRAIT_BUILD, BUILD_EVEN, BUILD_BROAD);
	if (t->of[TRAIT_FORM] == FORM_SOFT)
		CHOOSE(t, s, d, TRAIT_HAIR, HAIR_BOB, HAIR_LONG, HAIR_BUN,
		    HAIR_CURLS);
	else
		CHOOSE(t, s, d, TRAIT_HAIR, HAIR_SHORT, HAIR_SPIKY, HAIR_CURLS,
		    HAIR_SHORT);
	if (t->of[TRAIT_FORM] == FORM_SQUARE && t->of[TRAIT_AGE] == AGE_OLD)
		CHOOSE(t, s, d, TRAIT_BEARD, BEARD_LONG);
	else if (t->of[TRAIT_FORM] == FORM_SQUARE &&
		 t->of[TRAIT_AGE] == AGE_ADULT)
		CHOOSE(
		    t, s, d, TRAIT_BEARD, BEARD_NONE, BEARD_NONE, BEARD_SHORT);
	else
		CHOOSE(t, s, d, TRAIT_BEARD, BEARD_NONE);
	CHOOSE(t, s, d, TRAIT_EARS, EARS_NONE);
	CHOOSE(t, s, d, TRAIT_MOOD, MOOD_CALM, MOOD_SMILE);
}

static void
choose_things(struct traits *t, const struct said *s, struct dice *d)
{
	const bool robot = t->of[TRAIT_KIND] == KIND_ROBOT;

	if (t->of[TRAIT_FORM] == FORM_SOFT)
		CHOOSE(t, s, d, TRAIT_OUTFIT, OUTFIT_TUNIC, OUTFIT_COAT,
		    OUTFIT_DRESS);
	else
		CHOOSE(t, s, d, TRAIT_OUTFIT, OUTFIT_TUNIC, OUTFIT_COAT);
	if (robot)
		CHOOSE(t, s, d, TRAIT_HEADGEAR, HEADGEAR_ANTENNA);
	else
		CHOOSE(t, s, d, TRAIT_HEADGEAR, HEADGEAR_NONE);
	CHOOSE(t, s, d, TRAIT_HAND, HAND_EMPTY);
	CHOOSE(t, s, d, TRAIT_SHIELD, 0);
	if (robot)
		CHOOSE(t, s, d, TRAIT_BACK, BACK_BARE);
	else
		CHOOSE(t, s, d, TRAIT_BACK, BACK_BARE, BACK_BARE, BACK_BARE,
		    BACK_PACK);
	if (robot || t->of[TRAIT_OUTFIT] >= OUTFIT_ROBE)
		CHOOSE(t, s, d, TRAIT_SCARF, 0);
	else
		CHOOSE(t, s, d, TRAIT_SCARF, 0, 0, 0, 1);
	CHOOSE(t, s, d, TRAIT_GLASSES, 0, 0, 0, 0, 0, 0, 1);
	CHOOSE(t, s, d, TRAIT_SHINE, 0);
	/* What goes with a robe, whatever the hat was called. */
	if (t->of[TRAIT_OUTFIT] == OUTFIT_ROBE &&
	    t->of[TRAIT_HEADGEAR] == HEADGEAR_BRIM)
		t->of[TRAIT_HEADGEAR] = HEADGEAR_POINTED;
}

static void
colour_slot(struct traits *t, const struct said *s, enum slot slot,
    struct colour otherwise)
{
	t->colour[slot] =
	    s->colour[slot] == UNSAID ? otherwise : colour_hex(s->colour[slot]);
}

static struct colour
plain_main(const struct traits *t, unsigned int cloth)
{
	if (t->of[TRAIT_OUTFIT] == OUTFIT_ARMOUR ||
	    t->of[TRAIT_KIND] == KIND_ROBOT || t->of[TRAIT_SHINE] != 0)
		return colour_hex(0xaab4c0);
	if (t->of[TRAIT_OUTFIT] == OUTFIT_SPACE)
		return colour_hex(0xe9e8e4);
	return palette_main(cloth);
}

static void
choose_colours(
    struct traits *t, const struct said *s, struct dice *d, double drift)
{
	const unsigned int cloth = throw(d, 60);
	const bool old = t->of[TRAIT_AGE] == AGE_OLD;
	const struct colour dark = colour_hex(0x3a3136);
	struct colour main_colour, accent;

	colour_slot(t, s, SLOT_MAIN, plain_main(t, cloth));
	main_colour = t->colour[SLOT_MAIN];
	colour_slot(
	    t, s, SLOT_ACCENT, colour_turn(palette_accent(cloth), drift));
	accent = t->colour[SLOT_ACCENT];
	colour_slot(t, s, SLOT_SKIN, palette_skin(throw(d, 70)));
	colour_slot(t, s, SLOT_HAIR,
	    old ? colour_hex(0xdcdad6) : palette_hair(throw(d, 70)));
	colour_slot(t, s, SLOT_FUR,
	    t->of[TRAIT_EARS] == EARS_FOX ? colour_hex(0xd9783a)
					  : palette_fur(throw(d, 60)));
	colour_slot(t, s, SLOT_EYES,
	    t->of[TRAIT_KIND] == KIND_ROBOT ? colour_hex(0x6fe3f2)
					    : palette_iris(throw(d, 60)));
	colour_slot(t, s, SLOT_BACK,
	    t->of[TRAIT_BACK] == BACK_WINGS ? colour_hex(0xf4f1ea) : accent);
	colour_slot(t, s, SLOT_SHIELD, accent);
	colour_slot(t, s, SLOT_SCARF, accent);
	colour_slot(t, s, SLOT_HAT,
	    t->of[TRAIT_HEADGEAR] == HEADGEAR_CROWN ? colour_hex(0xe2b04a)
						    : main_colour);
	colour_slot(t, s, SLOT_HAND, colour_hex(0x8a5f3c));
	colour_slot(t, s, SLOT_DARK, colour_mix(dark, accent, 0.12));
	colour_slot(t, s, SLOT_LEGS,
	    colour_mix(colour_hex(0x434a5c), main_colour, 0.18));
}

int
traits_read(struct traits *t, struct view prompt, uint32_t seed, int index,
    struct fault *f)
{
	struct dice same, own;
	struct said s;

	if (dice_open(&same, prompt, seed, -1, f) == -1 ||
	    dice_open(&own, prompt, seed, index, f) == -1)
		return -1;
	listen_to(&s, prompt);
	choose_person(t, &s, &same);
	choose_things(t, &s, &same);
	choose_colours(t, &s, &same, (double) throw(&own, 50) - 25.0);
	t->pose = throw(&same, 4) + (unsigned int)index;
	t->wall = throw(&same, 4) + (unsigned int)index;
	t->emblem = throw(&own, 64);
	return 0;
}
