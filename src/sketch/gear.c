#include "sketch/gear.h"

#include <math.h>

#include "sketch/body.h"

static const struct place as_is = { 0.0, 0.0, 1.0, 1.0 };

static void
cape(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double sx = p->shoulder_x, sy = p->shoulder_y;
	const double sway = t->pose % 2 == 0 ? 5.0 : -5.0;
	const struct colour c = t->colour[SLOT_BACK];
	const struct point outline[] = { { -10.0, p->neck_y + 4.0 },
		{ -sx - 1.0, sy + 2.0 }, { -sx - 12.0, p->waist_y },
		{ -sx - 20.0 + sway, p->hip_y * 0.45 },
		{ -sx - 22.0 + sway, -17.0 }, { -sx - 22.0 + sway, -17.0 },
		{ -sx * 0.7, -11.0 }, { 0.0, -14.0 }, { sx * 0.7, -11.0 },
		{ sx + 22.0 + sway, -17.0 }, { sx + 22.0 + sway, -17.0 },
		{ sx + 20.0 + sway, p->hip_y * 0.45 },
		{ sx + 12.0, p->waist_y }, { sx + 1.0, sy + 2.0 },
		{ 10.0, p->neck_y + 4.0 } };
	int i;

	BRUSH_BLOB(cr, as_is, outline);
	brush_fill(cr, c, FINISH_CLOTH, 6.0);
	for (i = -2; i <= 2; i++) {
		cairo_move_to(cr, i * sx * 0.45, sy + 20.0);
		cairo_curve_to(cr, i * sx * 0.5, p->hip_y, i * sx * 0.62,
		    p->hip_y * 0.5, i * sx * 0.68 + sway, -16.0);
	}
	brush_line(cr, colour_shade(c), 2.4, 0.5);
}

static void
wing(cairo_t *cr, const struct traits *t, const struct pose *p, int side)
{
	static const struct point feathers[] = { { 0.0, 0.0 }, { 0.3, -0.42 },
		{ 0.8, -0.78 }, { 1.2, -0.72 }, { 1.2, -0.72 }, { 1.16, -0.3 },
		{ 1.16, -0.3 }, { 1.02, 0.06 }, { 1.02, 0.06 }, { 0.84, 0.38 },
		{ 0.84, 0.38 }, { 0.6, 0.64 }, { 0.6, 0.64 }, { 0.3, 0.6 },
		{ 0.06, 0.3 } };
	const double s = pose_side(side) * 68.0;
	int i;

	for (i = 0; i < 2; i++) {
		BRUSH_BLOB(cr,
		    ((struct place){ pose_side(side) * 6.0,
			p->shoulder_y + 10.0 + 4.0 * i, s * (1.0 - 0.34 * i),
			68.0 * (1.0 - 0.30 * i) }),
		    feathers);
		brush_fill(cr,
		    colour_mix(
			t->colour[SLOT_BACK], colour_hex(0xffffff), 0.35 * i),
		    FINISH_CLOTH, 4.0);
	}
}

static void
pack(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const bool space = t->of[TRAIT_OUTFIT] == OUTFIT_SPACE;
	const struct colour c =
	    space ? colour_hex(0xd9dce0) : t->colour[SLOT_BACK];
	const double x = p->shoulder_x + (space ? 7.0 : 3.0);
	const double y = p->shoulder_y - 6.0;
	int side;

	brush_box(cr, -x, y, 2.0 * x, p->hip_y - y - 2.0, 10.0);
	brush_fill(cr, colour_mix(c, colour_shade(c), 0.25), FINISH_CLOTH, 5.0);
	for (side = 0; side < 2; side++) {
		brush_box(cr, pose_side(side) * (x + 1.0) - 4.5, y + 22.0, 9.0,
		    24.0, 4.0);
		brush_fill(cr, c, FINISH_CLOTH, 2.0);
	}
}

static void
tail(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	static const struct point brush[] = { { 0.0, 0.0 }, { 0.5, -0.05 },
		{ 0.82, -0.5 }, { 0.80, -1.1 }, { 1.05, -1.6 }, { 1.05, -1.6 },
		{ 1.42, -1.0 }, { 1.34, -0.2 }, { 0.9, 0.32 }, { 0.3, 0.34 } };
	static const struct point tip[] = { { 0.80, -1.02 }, { 0.86, -1.3 },
		{ 1.05, -1.6 }, { 1.05, -1.6 }, { 1.3, -1.26 }, { 1.34, -0.94 },
		{ 1.1, -1.12 } };
	static const struct point thin[] = { { 0.0, -0.1 }, { 0.6, -0.12 },
		{ 0.98, -0.6 }, { 1.0, -1.2 }, { 1.1, -1.42 }, { 1.22, -1.2 },
		{ 1.18, -0.5 }, { 0.74, 0.1 }, { 0.0, 0.16 } };
	const struct place at = { 4.0, p->hip_y + 8.0, 36.0, 36.0 };
	const struct colour c = t->colour[SLOT_FUR];

	if (t->of[TRAIT_EARS] == EARS_FOX) {
		BRUSH_BLOB(cr, at, brush);
		brush_fill(cr, c, FINISH_CLOTH, 5.0);
		BRUSH_BLOB(cr, at, tip);
		brush_fill(cr, colour_hex(0xfaf2e6), FINISH_CLOTH, 2.0);
	} else if (t->of[TRAIT_EARS] == EARS_CAT ||
		   t->of[TRAIT_EARS] == EARS_DOG) {
		BRUSH_BLOB(cr, at, thin);
		brush_fill(cr, c, FINISH_CLOTH, 3.0);
	}
}

void
gear_behind(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	switch (t->of[TRAIT_BACK]) {
	case BACK_CAPE:
		cape(cr, t, p);
		break;
	case BACK_PACK:
		pack(cr, t, p);
		break;
	case BACK_WINGS:
		wing(cr, t, p, 0);
		wing(cr, t, p, 1);
		break;
	default:
		break;
	}
	tail(cr, t, p);
}

static void
sword(cairo_t *cr, const struct traits *t)
{
	static const struct point blade[] = { { 0.0, -70.0 }, { 0.0, -70.0 },
		{ 3.8, -62.0 }, { 3.8, -62.0 }, { 4.2, -8.0 }, { 4.2, -8.0 } };

	BRUSH_HALF(cr, as_is, blade);
	brush_fill(cr, colour_hex(0xc6ced8), FINISH_METAL, 1.6);
	cairo_move_to(cr, 0.0, -60.0);
	cairo_line_to(cr, 0.0, -12.0);
	brush_line(cr, colour_hex(0x8d97a5), 1.2, 0.8);
	brush_box(cr, -2.4, -6.0, 4.8, 20.0, 2.0);
	brush_fill(cr, t->colour[SLOT_HAND], FINISH_CLOTH, 1.2);
	brush_box(cr, -12.0, -9.5, 24.0, 5.4, 2.7);
	brush_fill(cr, colour_hex(0xdcae4b), FINISH_METAL, 1.4);
	brush_oval(cr, 0.0, 15.5, 3.8, 3.8);
	brush_fill(cr, colour_hex(0xdcae4b), FINISH_METAL, 1.2);
}

static void
staff(cairo_t *cr, const struct traits *t, double floor_y)
{
	const double top = -82.0;
	const struct colour wood = t->colour[SLOT_HAND];
	const struct colour gem = t->colour[SLOT_ACCENT];

	brush_box(cr, -2.6, top, 5.2, floor_y - top, 2.4);
	brush_fill(cr, wood, FINISH_CLOTH, 1.6);
	cairo_new_sub_path(cr);
	cairo_arc(cr, 0.0, top - 7.0, 10.0, 0.75 * M_PI, 2.25 * M_PI);
	brush_line(cr, wood, 4.4, 1.0);
	brush_glow(cr, (struct place){ 0.0, top - 8.0, 24.0, 24.0 },
	    colour_light(gem), 0.8);
	brush_oval(cr, 0.0, top - 8.0, 6.4, 7.4);
	brush_fill(cr, gem, FINISH_CLOTH, 2.0);
	brush_oval(cr, -2.0, top - 11.0, 1.7, 2.0);
	brush_flat(cr, colour_hex(0xffffff), 0.85);
}

void
gear_in_hand(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double x = p->wrist[0].x - 4.0, y = p->wrist[0].y + 3.0;

	if (t->of[TRAIT_HAND] == HAND_EMPTY)
		return;
	cairo_save(cr);
	cairo_translate(cr, x, y);
	if (t->of[TRAIT_HAND] == HAND_STAFF) {
		staff(cr, t, -y - 2.0);
	} else {
		cairo_rotate(cr, -0.22);
		sword(cr, t);
	}
	cairo_restore(cr);
}

static void
scarf(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double y = p->neck_y + 3.0;
	const struct colour c = t->colour[SLOT_SCARF];
	const struct point end[] = { { 3.0, y + 2.0 }, { 12.0, y },
		{ 16.0, y + 18.0 }, { 16.5, y + 34.0 }, { 16.5, y + 34.0 },
		{ 6.5, y + 35.0 }, { 6.5, y + 35.0 }, { 6.0, y + 18.0 } };
	const struct point wrap[] = { { 0.0, y - 4.5 }, { 11.0, y - 6.0 },
		{ 16.5, y + 1.0 }, { 12.0, y + 8.5 }, { 0.0, y + 10.5 } };
	int i;

	BRUSH_BLOB(cr, as_is, end);
	brush_fill(cr, c, FINISH_CLOTH, 2.4);
	for (i = 0; i < 3; i++) {
		cairo_move_to(cr, 8.4 + 2.8 * i, y + 35.0);
		cairo_line_to(cr, 8.4 + 2.8 * i, y + 38.5);
	}
	brush_line(cr, colour_shade(c), 1.3, 0.9);
	BRUSH_HALF(cr, as_is, wrap);
	brush_fill(cr, c, FINISH_CLOTH, 3.0);
	cairo_move_to(cr, -12.0, y + 2.0);
	cairo_curve_to(cr, -4.0, y + 6.0, 5.0, y + 6.0, 12.0, y + 1.0);
	brush_line(cr, colour_shade(c), 1.2, 0.5);
}

/* The cape's collar and its clasp lie in front of the shoulders. */
static void
clasp(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double sx = p->shoulder_x, sy = p->shoulder_y;
	const struct point collar[] = { { 7.0, p->neck_y + 1.0 },
		{ 7.0, p->neck_y + 1.0 }, { sx * 0.72, sy - 4.0 },
		{ sx + 2.0, sy + 5.0 }, { sx * 0.8, sy + 12.0 },
		{ 5.0, sy + 7.0 }, { 0.0, sy + 8.0 } };

	BRUSH_HALF(cr, as_is, collar);
	brush_fill(cr, t->colour[SLOT_BACK], FINISH_CLOTH, 3.0);
	brush_oval(cr, 0.0, sy + 5.0, 4.4, 4.4);
	brush_fill(cr, colour_hex(0xe0b24f), FINISH_METAL, 1.4);
}

static void
straps(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double x = p->shoulder_x * 0.66;
	int side;

	for (side = 0; side < 2; side++) {
		const double s = pose_side(side);

		cairo_move_to(cr, s * x * 0.92, p->shoulder_y - 1.0);
		cairo_curve_to(cr, s * x, p->shoulder_y + 14.0, s * x * 1.1,
		    p->waist_y - 10.0, s * (p->waist_x - 1.0),
		    p->waist_y + 1.0);
		brush_line(cr,
		    t->of[TRAIT_OUTFIT] == OUTFIT_SPACE
			? colour_hex(0x59616e)
			: colour_shade(t->colour[SLOT_BACK]),
		    4.4, 1.0);
	}
}

void
gear_at_neck(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	if (t->of[TRAIT_BACK] == BACK_CAPE)
		clasp(cr, t, p);
	if (t->of[TRAIT_BACK] == BACK_PACK)
		straps(cr, t, p);
	if (t->of[TRAIT_SCARF] != 0)
		scarf(cr, t, p);
}

void
gear_shield(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	static const struct point heater[] = { { 0.0, -1.0 }, { 0.5, -1.02 },
		{ 0.86, -1.08 }, { 0.86, -1.08 }, { 0.90, -0.2 },
		{ 0.62, 0.62 }, { 0.0, 1.2 }, { 0.0, 1.2 } };
	const double x = p->wrist[1].x + 2.0, y = p->wrist[1].y + 2.0;
	const struct colour c = t->colour[SLOT_SHIELD];
	const struct colour rim =
	    colour_mix(colour_hex(0xc9ced6), t->colour[SLOT_MAIN], 0.25);

	if (t->of[TRAIT_SHIELD] == 0)
		return;
	BRUSH_HALF(cr, ((struct place){ x, y, 29.0, 29.0 }), heater);
	brush_fill(cr, rim, FINISH_METAL, 3.0);
	BRUSH_HALF(cr, ((struct place){ x, y, 24.6, 25.0 }), heater);
	brush_fill(cr, c, FINISH_CLOTH, 5.0);
	cairo_save(cr);
	BRUSH_HALF(cr, ((struct place){ x, y, 24.6, 25.0 }), heater);
	cairo_clip(cr);
	cairo_rectangle(cr, x - 30.0, y - 30.0, 30.0, 70.0);
	brush_flat(cr, colour_light(c), 0.22);
	cairo_restore(cr);
	body_emblem(cr, t, (struct place){ x, y - 1.0, 11.0, 11.0 }, rim);
}
