#include "sketch/head.h"

#include <math.h>

/*
 * All of a head is drawn in units of its own: the face is 1 wide and 1 high
 * to each side of the middle, so that every head takes the same tables.
 */
static const struct place unit = { 0.0, 0.0, 1.0, 1.0 };
static const struct colour ink = { 0.16, 0.13, 0.16 };
static const struct colour white = { 1.0, 1.0, 1.0 };

static void
enter(cairo_t *cr, const struct pose *p)
{
	cairo_save(cr);
	cairo_translate(cr, p->head.x, p->head.y + p->head_ry);
	cairo_rotate(cr, p->tilt);
	cairo_translate(cr, 0.0, -p->head_ry);
	cairo_scale(cr, p->head_rx, p->head_ry);
}

static struct place
mirrored(int side)
{
	return (struct place){ 0.0, 0.0, pose_side(side), 1.0 };
}

static struct colour
face_colour(const struct traits *t)
{
	return t
	    ->colour[t->of[TRAIT_KIND] == KIND_BEAST ? SLOT_FUR : SLOT_SKIN];
}

/* Hair. */

static void
long_hair(cairo_t *cr, const struct traits *t)
{
	static const struct point half[] = { { 0.0, -1.1 }, { 0.8, -0.85 },
		{ 1.18, -0.1 }, { 1.2, 0.9 }, { 1.38, 1.9 }, { 1.0, 2.3 },
		{ 0.5, 2.1 } };

	BRUSH_HALF(cr, unit, half);
	brush_fill(cr,
	    colour_mix(
		t->colour[SLOT_HAIR], colour_shade(t->colour[SLOT_HAIR]), 0.45),
	    FINISH_CLOTH, 0.14);
}

static void
hair_bob_back(cairo_t *cr, const struct traits *t)
{
	static const struct point half[] = { { 0.0, -1.12 }, { 0.8, -0.9 },
		{ 1.2, -0.2 }, { 1.24, 0.6 }, { 1.1, 1.02 }, { 0.6, 1.0 } };

	BRUSH_HALF(cr, unit, half);
	brush_fill(cr,
	    colour_mix(
		t->colour[SLOT_HAIR], colour_shade(t->colour[SLOT_HAIR]), 0.45),
	    FINISH_CLOTH, 0.14);
}

static void
hair_bun_back(cairo_t *cr, const struct traits *t)
{
	brush_oval(cr, 0.05, -1.22, 0.46, 0.4);
	brush_fill(cr, t->colour[SLOT_HAIR], FINISH_CLOTH, 0.12);
}

static void
curls(cairo_t *cr, const struct traits *t)
{
	int i;

	for (i = -5; i <= 5; i++) {
		const double turn = i * 0.37;

		brush_oval(
		    cr, 1.0 * sin(turn), -0.18 - 0.86 * cos(turn), 0.36, 0.32);
		brush_fill(cr, t->colour[SLOT_HAIR], FINISH_CLOTH, 0.1);
	}
}

/* A cap of hair with a side parting; the fringe is the lower edge. */
static void
swept_fringe(cairo_t *cr, const struct traits *t)
{
	static const struct point outline[] = { { -1.06, 0.16 },
		{ -1.06, 0.16 }, { -1.14, -0.4 }, { -0.84, -0.98 },
		{ 0.0, -1.2 }, { 0.84, -0.98 }, { 1.14, -0.4 }, { 1.06, 0.16 },
		{ 1.06, 0.16 }, { 0.9, -0.22 }, { 0.66, -0.52 },
		{ 0.42, -0.72 }, { 0.42, -0.72 }, { -0.1, -0.42 },
		{ -0.7, -0.34 }, { -0.94, -0.16 } };
	static const struct point strand[] = { { 0.40, -0.76 }, { 0.40, -0.76 },
		{ -0.2, -0.78 }, { -0.8, -0.42 }, { -0.8, -0.42 },
		{ -0.2, -0.68 } };

	BRUSH_BLOB(cr, unit, outline);
	brush_fill(cr, t->colour[SLOT_HAIR], FINISH_CLOTH, 0.14);
	BRUSH_BLOB(cr, unit, strand);
	brush_flat(cr, colour_light(t->colour[SLOT_HAIR]), 0.35);
}

static void
straight_fringe(cairo_t *cr, const struct traits *t)
{
	static const struct point half[] = { { 0.0, -1.2 }, { 0.82, -0.98 },
		{ 1.18, -0.3 }, { 1.18, 0.5 }, { 1.08, 0.86 }, { 1.08, 0.86 },
		{ 0.92, 0.4 }, { 0.86, -0.24 }, { 0.86, -0.24 }, { 0.4, -0.34 },
		{ 0.0, -0.36 } };
	static const struct point shine[] = { { -0.7, -0.78 }, { -0.4, -0.96 },
		{ 0.1, -1.0 }, { -0.3, -0.84 } };

	BRUSH_HALF(cr, unit, half);
	brush_fill(cr, t->colour[SLOT_HAIR], FINISH_CLOTH, 0.14);
	BRUSH_BLOB(cr, unit, shine);
	brush_flat(cr, colour_light(t->colour[SLOT_HAIR]), 0.45);
}

static void
spikes(cairo_t *cr, const struct traits *t)
{
	static const struct point outline[] = { { -1.06, 0.1 }, { -1.06, 0.1 },
		{ -1.3, -0.5 }, { -1.3, -0.5 }, { -1.02, -0.56 },
		{ -1.12, -1.12 }, { -1.12, -1.12 }, { -0.62, -0.98 },
		{ -0.42, -1.5 }, { -0.42, -1.5 }, { 0.02, -1.12 },
		{ 0.46, -1.52 }, { 0.46, -1.52 }, { 0.66, -1.0 },
		{ 1.18, -1.1 }, { 1.18, -1.1 }, { 1.04, -0.56 }, { 1.3, -0.46 },
		{ 1.3, -0.46 }, { 1.06, 0.1 }, { 1.06, 0.1 }, { 0.86, -0.3 },
		{ 0.5, -0.58 }, { 0.3, -0.3 }, { 0.3, -0.3 }, { 0.0, -0.6 },
		{ -0.3, -0.28 }, { -0.3, -0.28 }, { -0.56, -0.58 },
		{ -0.88, -0.26 } };

	BRUSH_BLOB(cr, unit, outline);
	brush_fill(cr, t->colour[SLOT_HAIR], FINISH_CLOTH, 0.13);
}

/* What age leaves: hair at the temples. */
static void
side_tufts(cairo_t *cr, const struct traits *t)
{
	int side;

	for (side = 0; side < 2; side++) {
		brush_oval(cr, pose_side(side) * 1.0, -0.02, 0.17, 0.36);
		brush_fill(cr, t->colour[SLOT_HAIR], FINISH_CLOTH, 0.08);
	}
}

static bool
hair_is_hidden(const struct traits *t)
{
	return t->of[TRAIT_KIND] != KIND_HUMAN ||
	       t->of[TRAIT_HEADGEAR] == HEADGEAR_HELM;
}

static void
hair_before(cairo_t *cr, const struct traits *t)
{
	if (hair_is_hidden(t))
		return;
	switch (t->of[TRAIT_HAIR]) {
	case HAIR_BOB:
	case HAIR_LONG:
		straight_fringe(cr, t);
		break;
	case HAIR_SPIKY:
		spikes(cr, t);
		break;
	case HAIR_CURLS:
		curls(cr, t);
		break;
	case HAIR_BALD:
		if (t->of[TRAIT_AGE] == AGE_OLD)
			side_tufts(cr, t);
		break;
	default:
		swept_fringe(cr, t);
		break;
	}
}

static void
hair_behind(cairo_t *cr, const struct traits *t)
{
	if (hair_is_hidden(t))
		return;
	if (t->of[TRAIT_HAIR] == HAIR_BOB)
		hair_bob_back(cr, t);
	if (t->of[TRAIT_HAIR] == HAIR_BUN)
		hair_bun_back(cr, t);
}

/* Ears. */

static void
human_ears(cairo_t *cr, const struct traits *t)
{
	int side;

	for (side = 0; side < 2; side++) {
		brush_oval(cr, pose_side(side) * 0.99, 0.14, 0.16, 0.22);
		brush_fill(cr, face_colour(t), FINISH_SKIN, 0.06);
		brush_oval(cr, pose_side(side) * 1.0, 0.15, 0.08, 0.12);
		brush_flat(cr, colour_shade(face_colour(t)), 0.5);
	}
}

/* Outer ear, then what is inside it; pointed or hanging or long. */
static void
animal_ears(cairo_t *cr, const struct traits *t)
{
	static const struct point pointed[] = { { 0.26, -0.84 },
		{ 0.26, -0.84 }, { 0.62, -1.3 }, { 0.96, -1.72 },
		{ 0.96, -1.72 }, { 1.12, -1.1 }, { 1.02, -0.4 },
		{ 1.02, -0.4 } };
	static const struct point hanging[] = { { 0.5, -0.94 }, { 0.92, -0.96 },
		{ 1.3, -0.4 }, { 1.36, 0.3 }, { 1.12, 0.42 }, { 0.94, -0.1 } };
	static const struct point upright[] = { { 0.18, -0.8 }, { 0.12, -1.5 },
		{ 0.34, -2.2 }, { 0.62, -2.14 }, { 0.72, -1.4 },
		{ 0.68, -0.8 } };
	const struct colour c = t->colour[SLOT_FUR];
	const struct colour inner = colour_hex(0xf2c4b8);
	int side;

	for (side = 0; side < 2; side++) {
		struct place in = { pose_side(side) * 0.2, -0.28,
			pose_side(side) * 0.66, 0.7 };

		switch (t->of[TRAIT_EARS]) {
		case EARS_DOG:
			BRUSH_BLOB(cr, mirrored(side), hanging);
			brush_fill(cr, colour_shade(c), FINISH_CLOTH, 0.12);
			continue;
		case EARS_RABBIT:
			BRUSH_BLOB(cr, mirrored(side), upright);
			brush_fill(cr, c, FINISH_CLOTH, 0.12);
			BRUSH_BLOB(cr, in, upright);
			break;
		default:
			BRUSH_BLOB(cr, mirrored(side), pointed);
			brush_fill(cr, c, FINISH_CLOTH, 0.12);
			in.x = pose_side(side) * 0.24;
			BRUSH_BLOB(cr, in, pointed);
			break;
		}
		brush_fill(cr,
		    t->of[TRAIT_EARS] == EARS_FOX ? colour_hex(0xfaf1e6)
						  : inner,
		    FINISH_SKIN, 0.05);
	}
}

/* The face. */

static void
skull(cairo_t *cr, const struct traits *t)
{
	static const struct point soft[] = { { 0.0, -1.02 }, { 0.62, -0.86 },
		{ 0.98, -0.3 }, { 0.96, 0.24 }, { 0.70, 0.72 }, { 0.24, 1.0 } };
	static const struct point square[] = { { 0.0, -1.02 }, { 0.62, -0.88 },
		{ 0.97, -0.3 }, { 0.96, 0.28 }, { 0.80, 0.74 },
		{ 0.34, 1.02 } };

	if (t->of[TRAIT_FORM] == FORM_SQUARE)
		BRUSH_HALF(cr, unit, square);
	else
		BRUSH_HALF(cr, unit, soft);
	brush_fill(cr, face_colour(t), FINISH_SKIN, 0.16);
}

static void
one_eye(cairo_t *cr, const struct traits *t, int side)
{
	const double x = pose_side(side) * 0.40, y = 0.10;
	const double open = t->of[TRAIT_MOOD] == MOOD_STERN ? 0.13 : 0.18;

	brush_oval(cr, x, y, 0.19, open);
	brush_flat(cr, colour_hex(0xfdfbf8), 1.0);
	cairo_save(cr);
	brush_oval(cr, x, y, 0.19, open);
	cairo_clip(cr);
	brush_oval(cr, x, y + 0.01, 0.135, 0.155);
	brush_flat(cr, t->colour[SLOT_EYES], 1.0);
	brush_oval(cr, x, y + 0.02, 0.075, 0.09);
	brush_flat(cr, ink, 1.0);
	brush_oval(cr, x - 0.045, y - 0.05, 0.042, 0.045);
	brush_flat(cr, white, 0.95);
	cairo_restore(cr);
	cairo_move_to(cr, x - 0.21, y - open * 0.25);
	cairo_curve_to(cr, x - 0.12, y - open * 1.35, x + 0.12, y - open * 1.35,
	    x + 0.21, y - open * 0.25);
	brush_line(cr, ink, 0.05, 0.9);
}

static void
brow(cairo_t *cr, const struct traits *t, int side)
{
	const double s = pose_side(side);
	const bool stern = t->of[TRAIT_MOOD] == MOOD_STERN;
	const double inner = stern ? -0.14 : -0.27;
	const double outer = stern ? -0.30 : -0.24;

	cairo_move_to(cr, s * 0.2, inner);
	cairo_curve_to(
	    cr, s * 0.34, inner - 0.07, s * 0.5, outer - 0.06, s * 0.62, outer);
	brush_line(cr, colour_mix(t->colour[SLOT_HAIR], ink, 0.45),
	    t->of[TRAIT_FORM] == FORM_SQUARE ? 0.085 : 0.06, 1.0);
}

static void
mouth(cairo_t *cr, const struct traits *t)
{
	const struct colour lip =
	    colour_mix(colour_shade(face_colour(t)), colour_hex(0xa23b46), 0.5);

	if (t->of[TRAIT_MOOD] == MOOD_SMILE) {
		cairo_move_to(cr, -0.24, 0.56);
		cairo_curve_to(cr, -0.1, 0.60, 0.1, 0.60, 0.24, 0.56);
		cairo_curve_to(cr, 0.16, 0.76, -0.16, 0.76, -0.24, 0.56);
		brush_flat(cr, colour_hex(0x8a3640), 1.0);
		cairo_move_to(cr, -0.19, 0.585);
		cairo_curve_to(cr, -0.08, 0.61, 0.08, 0.61, 0.19, 0.585);
		brush_line(cr, white, 0.035, 0.95);
		return;
	}
	cairo_move_to(cr, -0.17, 0.61);
	if (t->of[TRAIT_MOOD] == MOOD_STERN)
		cairo_curve_to(cr, -0.06, 0.585, 0.06, 0.585, 0.17, 0.62);
	else
		cairo_curve_to(cr, -0.06, 0.66, 0.08, 0.66, 0.17, 0.60);
	brush_line(cr, lip, 0.055, 1.0);
}

static void
nose(cairo_t *cr, const struct traits *t)
{
	cairo_move_to(cr, 0.03, 0.12);
	cairo_curve_to(cr, 0.09, 0.26, 0.12, 0.36, 0.0, 0.385);
	brush_line(cr, colour_shade(face_colour(t)), 0.045, 0.75);
}

static void
muzzle(cairo_t *cr)
{
	static const struct point mask[] = { { 0.0, 0.16 }, { 0.3, 0.26 },
		{ 0.84, 0.40 }, { 0.62, 0.80 }, { 0.22, 1.0 } };
	static const struct point tip[] = { { 0.0, 0.28 }, { 0.14, 0.29 },
		{ 0.15, 0.36 }, { 0.0, 0.47 } };

	BRUSH_HALF(cr, unit, mask);
	brush_fill(cr, colour_hex(0xfaf2e6), FINISH_SKIN, 0.06);
	BRUSH_HALF(cr, unit, tip);
	brush_fill(cr, ink, FINISH_SKIN, 0.03);
	cairo_move_to(cr, 0.0, 0.46);
	cairo_line_to(cr, 0.0, 0.56);
	cairo_move_to(cr, -0.22, 0.58);
	cairo_curve_to(cr, -0.16, 0.68, -0.02, 0.68, 0.0, 0.56);
	cairo_curve_to(cr, 0.02, 0.68, 0.16, 0.68, 0.22, 0.58);
	brush_line(cr, ink, 0.05, 0.9);
}

static void
cheeks(cairo_t *cr, const struct traits *t)
{
	const struct colour warm =
	    colour_mix(face_colour(t), colour_hex(0xe0565b), 0.55);
	int side;

	for (side = 0; side < 2; side++)
		brush_glow(cr,
		    (struct place){ pose_side(side) * 0.6, 0.42, 0.26, 0.2 },
		    warm, 0.55);
}

static void
wrinkles(cairo_t *cr, const struct traits *t)
{
	int side;

	for (side = 0; side < 2; side++) {
		const double s = pose_side(side);

		cairo_move_to(cr, s * 0.24, 0.32);
		cairo_curve_to(
		    cr, s * 0.34, 0.4, s * 0.38, 0.46, s * 0.38, 0.54);
	}
	brush_line(cr, colour_shade(face_colour(t)), 0.035, 0.6);
}

static void
beard(cairo_t *cr, const struct traits *t)
{
	static const struct point full[] = { { 0.2, 0.50 }, { 0.4, 0.56 },
		{ 0.82, 0.36 }, { 0.98, 0.1 }, { 0.98, 0.1 }, { 0.94, 0.76 },
		{ 0.7, 1.2 }, { 0.46, 1.7 }, { 0.12, 2.06 } };
	static const struct point trimmed[] = { { 0.2, 0.52 }, { 0.4, 0.56 },
		{ 0.84, 0.3 }, { 0.98, 0.0 }, { 0.98, 0.0 }, { 0.92, 0.62 },
		{ 0.66, 0.98 }, { 0.24, 1.12 } };
	static const struct point moustache[] = { { 0.0, 0.42 }, { 0.2, 0.42 },
		{ 0.44, 0.58 }, { 0.56, 0.64 }, { 0.56, 0.64 }, { 0.26, 0.64 },
		{ 0.0, 0.54 } };

	if (t->of[TRAIT_BEARD] == BEARD_NONE)
		return;
	if (t->of[TRAIT_BEARD] == BEARD_LONG)
		BRUSH_HALF(cr, unit, full);
	else
		BRUSH_HALF(cr, unit, trimmed);
	brush_fill(cr, t->colour[SLOT_HAIR], FINISH_CLOTH, 0.12);
	brush_oval(cr, 0.0, 0.66, 0.16, 0.06);
	brush_flat(cr, colour_hex(0x8a3f45), 0.9);
	BRUSH_HALF(cr, unit, moustache);
	brush_fill(cr, t->colour[SLOT_HAIR], FINISH_CLOTH, 0.05);
}

static void
glasses(cairo_t *cr, const struct traits *t)
{
	int side;

	if (t->of[TRAIT_GLASSES] == 0)
		return;
	for (side = 0; side < 2; side++) {
		brush_oval(cr, pose_side(side) * 0.41, 0.12, 0.3, 0.27);
		cairo_set_source_rgba(cr, 0.85, 0.94, 1.0, 0.22);
		cairo_fill_preserve(cr);
		brush_line(cr, ink, 0.055, 0.9);
		cairo_move_to(cr, pose_side(side) * 0.71, 0.08);
		cairo_line_to(cr, pose_side(side) * 0.98, 0.03);
	}
	cairo_move_to(cr, -0.12, 0.1);
	cairo_curve_to(cr, -0.05, 0.04, 0.05, 0.04, 0.12, 0.1);
	brush_line(cr, ink, 0.055, 0.9);
}

static void
face(cairo_t *cr, const struct traits *t)
{
	int side;

	if (t->of[TRAIT_KIND] == KIND_HUMAN)
		human_ears(cr, t);
	skull(cr, t);
	if (t->of[TRAIT_KIND] == KIND_BEAST)
		muzzle(cr);
	else
		cheeks(cr, t);
	for (side = 0; side < 2; side++) {
		one_eye(cr, t, side);
		brow(cr, t, side);
	}
	if (t->of[TRAIT_KIND] == KIND_BEAST)
		return;
	nose(cr, t);
	mouth(cr, t);
	if (t->of[TRAIT_AGE] == AGE_OLD)
		wrinkles(cr, t);
	beard(cr, t);
}

/* A robot's head: a shell, a dark visor, two lights. */
static void
robot_face(cairo_t *cr, const struct traits *t)
{
	static const struct point shell[] = { { 0.0, -0.98 }, { 0.66, -0.92 },
		{ 0.98, -0.42 }, { 1.0, 0.3 }, { 0.78, 0.86 }, { 0.36, 1.0 },
		{ 0.36, 1.0 } };
	static const struct point visor[] = { { 0.0, -0.34 }, { 0.62, -0.3 },
		{ 0.84, -0.02 }, { 0.74, 0.34 }, { 0.0, 0.42 } };
	const struct colour glow = t->colour[SLOT_EYES];
	int side;

	for (side = 0; side < 2; side++) {
		brush_oval(cr, pose_side(side) * 1.0, 0.06, 0.2, 0.28);
		brush_fill(cr, t->colour[SLOT_ACCENT], FINISH_CLOTH, 0.08);
	}
	BRUSH_HALF(cr, unit, shell);
	brush_fill(cr, t->colour[SLOT_MAIN], FINISH_METAL, 0.16);
	BRUSH_HALF(cr, unit, visor);
	brush_fill(cr, colour_hex(0x222834), FINISH_CLOTH, 0.06);
	for (side = 0; side < 2; side++) {
		const double x = pose_side(side) * 0.36;

		brush_glow(
		    cr, (struct place){ x, 0.04, 0.34, 0.3 }, glow, 0.75);
		brush_oval(cr, x, 0.04, 0.15,
		    t->of[TRAIT_MOOD] == MOOD_STERN ? 0.07 : 0.13);
		brush_flat(cr, colour_mix(glow, white, 0.35), 1.0);
	}
	for (side = -1; side <= 1; side++) {
		cairo_move_to(cr, side * 0.14, 0.62);
		cairo_line_to(cr, side * 0.14, 0.76);
	}
	brush_line(cr, colour_shade(t->colour[SLOT_MAIN]), 0.055, 0.9);
	cairo_move_to(cr, 0.0, -0.92);
	cairo_line_to(cr, 0.0, -0.46);
	brush_line(cr, t->colour[SLOT_ACCENT], 0.16, 1.0);
}

/* Headgear. */

static void
pointed_hat(cairo_t *cr, const struct traits *t)
{
	static const struct point cone[] = { { -0.98, -0.56 }, { -0.98, -0.56 },
		{ -0.62, -1.3 }, { -0.1, -2.1 }, { 0.42, -2.72 },
		{ 0.62, -2.6 }, { 0.50, -2.1 }, { 0.74, -1.2 }, { 0.98, -0.56 },
		{ 0.98, -0.56 }, { 0.0, -0.44 } };
	static const struct point brim[] = { { -1.9, -0.40 }, { -0.96, -0.76 },
		{ 0.96, -0.76 }, { 1.9, -0.40 }, { 0.9, -0.38 }, { 0.0, -0.32 },
		{ -0.9, -0.38 } };
	static const struct point band[] = { { -0.99, -0.6 }, { -0.99, -0.6 },
		{ -0.88, -0.84 }, { -0.88, -0.84 }, { 0.0, -0.72 },
		{ 0.88, -0.84 }, { 0.88, -0.84 }, { 0.99, -0.6 },
		{ 0.99, -0.6 }, { 0.0, -0.48 } };
	const struct colour c = t->colour[SLOT_HAT];

	BRUSH_BLOB(cr, unit, brim);
	brush_fill(cr, colour_mix(c, colour_shade(c), 0.35), FINISH_CLOTH, 0.1);
	BRUSH_BLOB(cr, unit, cone);
	brush_fill(cr, c, FINISH_CLOTH, 0.2);
	BRUSH_BLOB(cr, unit, band);
	brush_fill(cr, t->colour[SLOT_ACCENT], FINISH_CLOTH, 0.08);
	brush_box(cr, -0.16, -0.82, 0.32, 0.28, 0.06);
	brush_fill(cr, colour_hex(0xe2b04a), FINISH_METAL, 0.05);
}

static void
brimmed_hat(cairo_t *cr, const struct traits *t)
{
	static const struct point crown[] = { { 0.0, -1.5 }, { 0.5, -1.62 },
		{ 0.82, -1.3 }, { 0.96, -0.62 }, { 0.96, -0.62 },
		{ 0.4, -0.5 } };
	static const struct point brim[] = { { 0.0, -0.74 }, { 0.9, -0.78 },
		{ 1.56, -0.78 }, { 1.62, -0.62 }, { 0.9, -0.44 },
		{ 0.0, -0.38 } };
	static const struct point band[] = { { 0.0, -0.84 }, { 0.5, -0.86 },
		{ 0.92, -0.94 }, { 0.92, -0.94 }, { 0.97, -0.64 },
		{ 0.97, -0.64 }, { 0.5, -0.54 } };
	const struct colour c = t->colour[SLOT_HAT];

	BRUSH_HALF(cr, unit, brim);
	brush_fill(cr, colour_mix(c, colour_shade(c), 0.3), FINISH_CLOTH, 0.08);
	BRUSH_HALF(cr, unit, crown);
	brush_fill(cr, c, FINISH_CLOTH, 0.18);
	BRUSH_HALF(cr, unit, band);
	brush_fill(cr, t->colour[SLOT_ACCENT], FINISH_CLOTH, 0.06);
}

static void
helm(cairo_t *cr, const struct traits *t)
{
	static const struct point plume[] = { { -0.05, -1.05 },
		{ -0.05, -1.05 }, { -0.3, -1.7 }, { 0.2, -2.1 }, { 0.9, -1.9 },
		{ 1.35, -1.2 }, { 1.35, -1.2 }, { 0.9, -1.42 }, { 0.4, -1.3 } };
	static const struct point bowl[] = { { 0.0, -1.24 }, { 0.72, -1.04 },
		{ 1.12, -0.4 }, { 1.12, 0.3 }, { 1.0, 0.86 }, { 1.0, 0.86 },
		{ 0.64, 1.02 }, { 0.64, 1.02 }, { 0.56, 0.5 }, { 0.62, -0.08 },
		{ 0.62, -0.08 }, { 0.16, -0.12 }, { 0.14, 0.36 },
		{ 0.14, 0.36 }, { 0.0, 0.42 } };
	const struct colour c = t->colour[SLOT_HAT];
	int side;

	BRUSH_BLOB(cr, unit, plume);
	brush_fill(cr, t->colour[SLOT_ACCENT], FINISH_CLOTH, 0.14);
	BRUSH_HALF(cr, unit, bowl);
	brush_fill(cr, c, FINISH_METAL, 0.14);
	cairo_move_to(cr, 0.0, -1.2);
	cairo_line_to(cr, 0.0, -0.14);
	brush_line(cr, colour_light(c), 0.12, 0.9);
	cairo_move_to(cr, -1.1, -0.3);
	cairo_curve_to(cr, -0.5, -0.18, 0.5, -0.18, 1.1, -0.3);
	brush_line(cr, colour_shade(c), 0.05, 0.7);
	for (side = 0; side < 2; side++) {
		brush_oval(cr, pose_side(side) * 0.96, -0.16, 0.08, 0.07);
		brush_fill(cr, colour_shade(c), FINISH_METAL, 0.03);
	}
}

static void
crown(cairo_t *cr, const struct traits *t)
{
	static const struct point half[] = { { 0.0, -1.62 }, { 0.0, -1.62 },
		{ 0.24, -1.12 }, { 0.24, -1.12 }, { 0.52, -1.5 },
		{ 0.52, -1.5 }, { 0.66, -1.08 }, { 0.66, -1.08 },
		{ 0.98, -1.36 }, { 0.98, -1.36 }, { 0.86, -0.66 },
		{ 0.86, -0.66 }, { 0.4, -0.56 } };
	int i;

	BRUSH_HALF(cr, unit, half);
	brush_fill(cr, t->colour[SLOT_HAT], FINISH_METAL, 0.1);
	for (i = -1; i <= 1; i++) {
		brush_oval(cr, i * 0.48, i == 0 ? -0.8 : -0.85, 0.11, 0.11);
		brush_fill(cr, t->colour[i == 0 ? SLOT_ACCENT : SLOT_MAIN],
		    FINISH_CLOTH, 0.04);
	}
}

/* A ball of glass: the face shows through, the room is reflected. */
static void
bubble(cairo_t *cr, const struct traits *t)
{
	static const struct point gleam[] = { { -1.12, -0.2 }, { -0.96, -0.86 },
		{ -0.4, -1.22 }, { -0.4, -1.22 }, { -0.72, -0.76 },
		{ -0.9, -0.1 } };

	brush_oval(cr, 0.0, -0.06, 1.46, 1.36);
	cairo_set_source_rgba(cr, 0.80, 0.90, 0.97, 0.24);
	cairo_fill_preserve(cr);
	brush_line(
	    cr, colour_mix(t->colour[SLOT_MAIN], white, 0.75), 0.13, 1.0);
	brush_oval(cr, 0.0, -0.06, 1.39, 1.29);
	brush_line(cr, colour_hex(0x8fa6b8), 0.035, 0.8);
	BRUSH_BLOB(cr, unit, gleam);
	brush_flat(cr, white, 0.6);
	brush_oval(cr, 0.86, 0.62, 0.12, 0.1);
	brush_flat(cr, white, 0.45);
	brush_box(cr, -0.98, 1.04, 1.96, 0.34, 0.16);
	brush_fill(cr, colour_hex(0xb8c0c9), FINISH_METAL, 0.1);
}

static void
antenna(cairo_t *cr, const struct traits *t)
{
	cairo_move_to(cr, 0.62, -0.86);
	cairo_line_to(cr, 0.78, -1.46);
	brush_line(cr, colour_hex(0x6b7280), 0.09, 1.0);
	brush_glow(cr, (struct place){ 0.79, -1.52, 0.36, 0.32 },
	    t->colour[SLOT_ACCENT], 0.6);
	brush_oval(cr, 0.79, -1.52, 0.17, 0.15);
	brush_fill(cr, t->colour[SLOT_ACCENT], FINISH_CLOTH, 0.05);
}

static void
headgear(cairo_t *cr, const struct traits *t)
{
	static void (*const worn[])(cairo_t *, const struct traits *) = { NULL,
		pointed_hat, brimmed_hat, helm, crown, bubble, antenna };

	if (t->of[TRAIT_HEADGEAR] != HEADGEAR_NONE)
		worn[t->of[TRAIT_HEADGEAR]](cr, t);
}

void
head_behind(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	if (t->of[TRAIT_HAIR] != HAIR_LONG || hair_is_hidden(t))
		return;
	enter(cr, p);
	long_hair(cr, t);
	cairo_restore(cr);
}

void
head_before(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	enter(cr, p);
	hair_behind(cr, t);
	if (t->of[TRAIT_KIND] == KIND_ROBOT) {
		robot_face(cr, t);
	} else {
		if (t->of[TRAIT_EARS] != EARS_NONE &&
		    t->of[TRAIT_KIND] == KIND_BEAST)
			animal_ears(cr, t);
		face(cr, t);
		hair_before(cr, t);
		if (t->of[TRAIT_EARS] != EARS_NONE &&
		    t->of[TRAIT_KIND] == KIND_HUMAN)
			animal_ears(cr, t);
		glasses(cr, t);
	}
	headgear(cr, t);
	cairo_restore(cr);
}
