/*
 * traits - who is drawn: what the prompt's words say, and chance for what
 * they leave open.  Pure.
 *
 * One table gives each known word its trait.  A colour belongs to the next
 * thing that can have one ("red shield"), or else to the figure itself.
 * Chance is a hash of prompt and seed for what makes the character, and of
 * the index too for what may differ between pictures of the same one.
 */
#ifndef SKETCH_TRAITS_H
#define SKETCH_TRAITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "sketch/palette.h"

enum trait {
	TRAIT_KIND,
	TRAIT_AGE,
	TRAIT_FORM,
	TRAIT_BUILD,
	TRAIT_OUTFIT,
	TRAIT_HEADGEAR,
	TRAIT_HAIR,
	TRAIT_BEARD,
	TRAIT_EARS,
	TRAIT_HAND, /* in the right hand, at the viewer's left */
	TRAIT_SHIELD,
	TRAIT_BACK,
	TRAIT_SCARF,
	TRAIT_GLASSES,
	TRAIT_MOOD,
	TRAIT_SHINE, /* clothes of metal */
	TRAITS
};

/* The values of each trait; 0 is the plain one. */
enum { KIND_HUMAN, KIND_ROBOT, KIND_BEAST };
enum { AGE_ADULT, AGE_CHILD, AGE_OLD };
enum { FORM_SOFT, FORM_SQUARE };
enum { BUILD_EVEN, BUILD_SLIM, BUILD_BROAD };
enum {
	OUTFIT_TUNIC,
	OUTFIT_COAT,
	OUTFIT_DRESS,
	OUTFIT_ROBE,
	OUTFIT_ARMOUR,
	OUTFIT_SPACE
};
enum {
	HEADGEAR_NONE,
	HEADGEAR_POINTED,
	HEADGEAR_BRIM,
	HEADGEAR_HELM,
	HEADGEAR_CROWN,
	HEADGEAR_BUBBLE,
	HEADGEAR_ANTENNA
};
enum {
	HAIR_SHORT,
	HAIR_BOB,
	HAIR_LONG,
	HAIR_SPIKY,
	HAIR_BUN,
	HAIR_CURLS,
	HAIR_BALD
};
enum { BEARD_NONE, BEARD_SHORT, BEARD_LONG };
enum { EARS_NONE, EARS_CAT, EARS_FOX, EARS_DOG, EARS_RABBIT };
enum { HAND_EMPTY, HAND_SWORD, HAND_STAFF };
enum { BACK_BARE, BACK_CAPE, BACK_PACK, BACK_WINGS };
enum { MOOD_CALM, MOOD_SMILE, MOOD_STERN };

/* What has a colour. */
enum slot {
	SLOT_MAIN,
	SLOT_ACCENT,
	SLOT_HAIR,
	SLOT_EYES,
	SLOT_SKIN,
	SLOT_FUR,
	SLOT_SHIELD,
	SLOT_BACK,
	SLOT_HAT,
	SLOT_SCARF,
	SLOT_HAND,
	SLOT_LEGS,
	SLOT_DARK, /* belts and boots */
	SLOTS,
	SLOT_NONE = SLOTS
};

struct traits {
	int of[TRAITS];
	struct colour colour[SLOTS];
	unsigned int pose;   /* differs between any four indexes in a row */
	unsigned int wall;   /* for palette_wall */
	unsigned int emblem; /* the sign on chest and shield */
};

/* FAULT_MEMORY. */
int traits_read(struct traits *t, struct view prompt, uint32_t seed, int index,
    struct fault *f);

#endif
