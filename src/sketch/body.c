#include "sketch/body.h"

#include <math.h>

static const struct place as_is = { 0.0, 0.0, 1.0, 1.0 };

static bool
is_robot(const struct traits *t)
{
	return t->of[TRAIT_KIND] == KIND_ROBOT;
}

static bool
is_plated(const struct traits *t)
{
	return is_robot(t) || t->of[TRAIT_OUTFIT] == OUTFIT_ARMOUR;
}

static enum finish
finish_of(const struct traits *t)
{
	return is_plated(t) || t->of[TRAIT_SHINE] != 0 ? FINISH_METAL
						       : FINISH_CLOTH;
}

static struct colour
skin_of(const struct traits *t)
{
	return t
	    ->colour[t->of[TRAIT_KIND] == KIND_BEAST ? SLOT_FUR : SLOT_SKIN];
}

static struct point
between(struct point a, struct point b, double part)
{
	return (
	    struct point){ a.x + (b.x - a.x) * part, a.y + (b.y - a.y) * part };
}

/* A drawing's x axis points outwards on either side. */
static struct place
on_side(struct point at, int side, double size)
{
	return (struct place){ at.x, at.y, pose_side(side) * size, size };
}

/* Legs. */

static void
boot(cairo_t *cr, const struct pose *p, int side, struct colour c,
    enum finish finish)
{
	static const struct point outline[] = { { -6.4, -15.0 },
		{ -6.4, -15.0 }, { 6.6, -15.0 }, { 6.6, -15.0 }, { 6.6, -4.0 },
		{ 10.5, 2.0 }, { 12.5, 8.0 }, { 11.5, 9.0 }, { 11.5, 9.0 },
		{ -7.5, 9.0 }, { -7.5, 9.0 }, { -8.4, 4.0 }, { -6.6, -4.0 } };
	const struct point at = p->ankle[side];
	const double size = fmax(p->limb, 0.9);

	BRUSH_BLOB(cr, on_side(at, side, size), outline);
	brush_fill(cr, c, finish, 3.0);
	brush_box(cr, at.x - 7.4 * size, at.y - 18.0 * size, 14.8 * size,
	    5.0 * size, 2.0);
	brush_fill(cr, colour_mix(c, colour_light(c), 0.35), finish, 2.0);
}

static void
greave(cairo_t *cr, const struct traits *t, const struct pose *p, int side)
{
	const struct point knee = p->knee[side];
	const struct point joint[3] = { between(knee, p->ankle[side], 0.12),
		between(knee, p->ankle[side], 0.45),
		between(knee, p->ankle[side], 0.85) };
	const double width[3] = { 15.0 * p->limb, 15.5 * p->limb,
		11.0 * p->limb };

	brush_limb(cr, joint, width);
	brush_fill(cr, t->colour[SLOT_MAIN], FINISH_METAL, 3.0);
	brush_oval(cr, knee.x, knee.y, 8.2 * p->limb, 8.6 * p->limb);
	brush_fill(cr,
	    is_robot(t) ? t->colour[SLOT_ACCENT] : t->colour[SLOT_MAIN],
	    is_robot(t) ? FINISH_CLOTH : FINISH_METAL, 2.5);
}

static void
leg_bands(cairo_t *cr, const struct traits *t, const struct pose *p, int side)
{
	const struct point at = between(p->knee[side], p->ankle[side], 0.15);

	brush_box(
	    cr, at.x - 10.5 * p->limb * 0.8, at.y, 17.0 * p->limb, 5.0, 2.5);
	brush_fill(cr, t->colour[SLOT_ACCENT], FINISH_CLOTH, 2.0);
}

static struct colour
leg_colour(const struct traits *t)
{
	if (t->of[TRAIT_OUTFIT] == OUTFIT_SPACE)
		return t->colour[SLOT_MAIN];
	if (is_plated(t))
		return colour_mix(
		    colour_hex(0x3d424d), t->colour[SLOT_MAIN], 0.18);
	return t->colour[SLOT_LEGS];
}

static struct colour
boot_colour(const struct traits *t)
{
	if (t->of[TRAIT_OUTFIT] == OUTFIT_SPACE)
		return colour_mix(
		    t->colour[SLOT_MAIN], colour_hex(0x4a4f5c), 0.6);
	return is_plated(t) ? t->colour[SLOT_MAIN] : t->colour[SLOT_DARK];
}

void
body_legs(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double width[3] = { 19.0 * p->limb, 14.5 * p->limb,
		11.0 * p->limb };
	int side;

	for (side = 0; side < 2; side++) {
		const struct point joint[3] = { p->hip[side], p->knee[side],
			p->ankle[side] };

		brush_limb(cr, joint, width);
		brush_fill(cr, leg_colour(t), FINISH_CLOTH, 4.0);
		if (is_plated(t))
			greave(cr, t, p, side);
		if (t->of[TRAIT_OUTFIT] == OUTFIT_SPACE)
			leg_bands(cr, t, p, side);
		boot(cr, p, side, boot_colour(t),
		    is_plated(t) ? FINISH_METAL : FINISH_CLOTH);
	}
}

/* Clothes. */

static void
trunk(cairo_t *cr, const struct pose *p, double hem_y, double hem_x)
{
	const double sx = p->shoulder_x, sy = p->shoulder_y;
	const struct point half[] = { { 5.0, p->neck_y + 1.0 },
		{ 8.0, p->neck_y + 2.0 }, { sx * 0.74, sy - 2.6 },
		{ sx, sy + 5.0 }, { sx * 0.94, sy + 15.0 },
		{ p->waist_x, p->waist_y }, { p->hip_x, p->hip_y - 3.0 },
		{ hem_x, hem_y }, { hem_x, hem_y } };

	BRUSH_HALF(cr, as_is, half);
}

static void
belt(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double x = p->waist_x + 1.2, y = p->waist_y + 3.0;

	brush_box(cr, -x, y, 2.0 * x, 7.0, 2.5);
	brush_fill(cr, t->colour[SLOT_DARK], FINISH_CLOTH, 2.0);
	brush_box(cr, -4.6, y - 0.8, 9.2, 8.6, 2.2);
	brush_fill(cr, colour_hex(0xe0b24f), FINISH_METAL, 1.4);
	brush_box(cr, -2.2, y + 1.6, 4.4, 3.8, 1.0);
	brush_flat(cr, t->colour[SLOT_DARK], 1.0);
}

static void
star(cairo_t *cr, struct place at)
{
	int i;

	for (i = 0; i < 10; i++) {
		const double r = i % 2 == 0 ? 1.0 : 0.45;
		const double turn = M_PI * i / 5.0 - M_PI_2;

		cairo_line_to(cr, at.x + at.w * r * cos(turn),
		    at.y + at.h * r * sin(turn));
	}
	cairo_close_path(cr);
}

void
body_emblem(
    cairo_t *cr, const struct traits *t, struct place at, struct colour c)
{
	static const struct point drop[] = { { 0.02, -1.0 }, { 0.5, -0.2 },
		{ 0.62, 0.42 }, { 0.0, 0.95 } };
	static const struct point bolt[] = { { 0.35, -1.0 }, { 0.35, -1.0 },
		{ -0.6, 0.2 }, { -0.6, 0.2 }, { -0.05, 0.15 }, { -0.05, 0.15 },
		{ -0.35, 1.0 }, { -0.35, 1.0 }, { 0.6, -0.3 }, { 0.6, -0.3 },
		{ 0.05, -0.22 }, { 0.05, -0.22 } };

	switch (t->emblem % 4) {
	case 0:
		star(cr, at);
		break;
	case 1:
		BRUSH_HALF(cr, at, drop);
		break;
	case 2:
		BRUSH_BLOB(cr, at, bolt);
		break;
	default:
		brush_oval(cr, at.x, at.y, at.w * 0.8, at.h * 0.8);
		cairo_new_sub_path(cr);
		cairo_arc_negative(cr, at.x + at.w * 0.28, at.y - at.h * 0.1,
		    at.w * 0.58, 2.0 * M_PI, 0.0);
		break;
	}
	brush_fill(cr, c, FINISH_CLOTH, at.w * 0.15);
}

static void
neckline(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const struct point half[] = { { 0.0, p->neck_y - 2.0 },
		{ 8.6, p->neck_y }, { 8.6, p->neck_y },
		{ 5.2, p->shoulder_y + 4.0 }, { 0.0, p->shoulder_y + 11.0 },
		{ 0.0, p->shoulder_y + 11.0 } };

	BRUSH_HALF(cr, as_is, half);
	brush_fill(cr, colour_shade(skin_of(t)), FINISH_SKIN, 1.0);
	cairo_move_to(cr, -9.0, p->neck_y + 1.0);
	cairo_line_to(cr, 0.0, p->shoulder_y + 12.0);
	cairo_line_to(cr, 9.0, p->neck_y + 1.0);
	brush_line(cr, t->colour[SLOT_ACCENT], 3.4, 1.0);
}

static void
wear_tunic(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double hem = p->hip_y + 15.0;

	trunk(cr, p, hem, p->hip_x + 2.5);
	brush_fill(cr, t->colour[SLOT_MAIN], finish_of(t), 5.0);
	cairo_move_to(cr, -p->hip_x - 2.0, hem - 3.0);
	cairo_line_to(cr, p->hip_x + 2.0, hem - 3.0);
	brush_line(cr, t->colour[SLOT_ACCENT], 3.0, 1.0);
	neckline(cr, t, p);
	body_emblem(cr, t,
	    (struct place){ 0.0, p->shoulder_y + 21.0, 6.0, 6.0 },
	    t->colour[SLOT_ACCENT]);
	belt(cr, t, p);
}

static void
coat_front(cairo_t *cr, const struct traits *t, const struct pose *p, int side)
{
	const double sx = p->shoulder_x + 1.0, sy = p->shoulder_y;
	const double hem = p->hip_y * 0.56;
	const struct point front[] = { { 7.0, p->neck_y }, { 7.0, p->neck_y },
		{ sx * 0.76, sy - 3.0 }, { sx, sy + 5.0 },
		{ sx * 0.95, sy + 16.0 }, { p->waist_x + 2.0, p->waist_y },
		{ p->hip_x + 3.5, p->hip_y }, { p->hip_x + 8.0, hem },
		{ p->hip_x + 8.0, hem }, { 6.0, hem + 3.0 }, { 6.0, hem + 3.0 },
		{ 4.0, p->waist_y }, { 5.0, sy + 18.0 } };
	const struct point lapel[] = { { 6.6, p->neck_y - 1.0 },
		{ 6.6, p->neck_y - 1.0 }, { 13.0, sy }, { 13.0, sy },
		{ 11.0, sy + 8.0 }, { 11.0, sy + 8.0 }, { 5.0, sy + 24.0 },
		{ 5.0, sy + 24.0 }, { 3.6, sy + 8.0 } };
	const struct place at = on_side((struct point){ 0.0, 0.0 }, side, 1.0);

	BRUSH_BLOB(cr, at, front);
	brush_fill(cr, t->colour[SLOT_MAIN], finish_of(t), 4.0);
	BRUSH_BLOB(cr, at, lapel);
	brush_fill(cr,
	    colour_mix(t->colour[SLOT_MAIN], colour_hex(0x1d2030), 0.30),
	    FINISH_CLOTH, 1.6);
	cairo_move_to(cr, pose_side(side) * 10.0, p->hip_y - 2.0);
	cairo_line_to(cr, pose_side(side) * (p->hip_x - 1.0), p->hip_y - 4.0);
	brush_line(cr, colour_shade(t->colour[SLOT_MAIN]), 1.6, 0.9);
}

static void
wear_coat(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	int i;

	trunk(cr, p, p->hip_y + 8.0, p->hip_x);
	brush_fill(cr,
	    colour_mix(colour_hex(0xf3eee4), t->colour[SLOT_ACCENT], 0.22),
	    FINISH_CLOTH, 4.0);
	neckline(cr, t, p);
	belt(cr, t, p);
	coat_front(cr, t, p, 0);
	coat_front(cr, t, p, 1);
	for (i = 0; i < 3; i++) {
		brush_oval(cr, 8.6, p->waist_y - 8.0 + 8.0 * i, 1.5, 1.5);
		brush_flat(cr, colour_hex(0xe0b24f), 1.0);
	}
}

static void
wear_dress(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double hem = p->hip_y * 0.42, out = p->hip_x + 15.0;
	const double top = p->waist_y + 2.0;
	const struct point skirt[] = { { p->waist_x, top }, { p->waist_x, top },
		{ p->hip_x + 3.0, p->hip_y - 2.0 }, { out, hem }, { out, hem },
		{ out * 0.55, hem + 3.6 } };
	double x;

	BRUSH_HALF(cr, as_is, skirt);
	brush_fill(cr, t->colour[SLOT_MAIN], finish_of(t), 6.0);
	for (x = -0.5; x <= 0.5; x += 0.5) {
		cairo_move_to(cr, x * p->waist_x * 1.2, top + 12.0);
		cairo_line_to(cr, x * out * 1.1, hem - 4.0);
	}
	brush_line(cr, colour_shade(t->colour[SLOT_MAIN]), 1.4, 0.55);
	cairo_move_to(cr, -out + 2.0, hem - 3.5);
	cairo_curve_to(cr, -out * 0.5, hem + 0.4, out * 0.5, hem + 0.4,
	    out - 2.0, hem - 3.5);
	brush_line(cr, t->colour[SLOT_ACCENT], 3.2, 1.0);
	trunk(cr, p, p->waist_y + 5.0, p->waist_x);
	brush_fill(cr, t->colour[SLOT_MAIN], finish_of(t), 4.0);
	neckline(cr, t, p);
	brush_box(cr, -p->waist_x - 1.0, p->waist_y - 1.0,
	    2.0 * p->waist_x + 2.0, 8.0, 3.0);
	brush_fill(cr, t->colour[SLOT_ACCENT], FINISH_CLOTH, 2.0);
	brush_oval(cr, 0.0, p->waist_y + 3.0, 4.2, 4.2);
	brush_fill(cr, colour_light(t->colour[SLOT_ACCENT]), FINISH_CLOTH, 1.4);
}

static void
wear_robe(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double sx = p->shoulder_x, sy = p->shoulder_y,
		     out = p->hip_x + 13.0;
	const struct point robe[] = { { 6.0, p->neck_y }, { 8.0, p->neck_y },
		{ sx * 0.76, sy - 2.6 }, { sx + 0.5, sy + 6.0 },
		{ sx * 0.94, sy + 16.0 }, { p->waist_x + 2.0, p->waist_y },
		{ p->hip_x + 4.0, p->hip_y }, { out, -9.0 }, { out, -9.0 },
		{ out * 0.5, -5.0 } };
	double x;

	BRUSH_HALF(cr, as_is, robe);
	brush_fill(cr, t->colour[SLOT_MAIN], finish_of(t), 6.0);
	for (x = -1.0; x <= 1.0; x += 2.0) {
		cairo_move_to(cr, x * p->waist_x * 0.66, p->waist_y + 14.0);
		cairo_line_to(cr, x * out * 0.66, -14.0);
	}
	brush_line(cr, colour_shade(t->colour[SLOT_MAIN]), 1.8, 0.6);
	brush_box(
	    cr, -5.0, p->shoulder_y + 6.0, 10.0, -p->shoulder_y - 12.5, 2.0);
	brush_fill(cr, t->colour[SLOT_ACCENT], FINISH_CLOTH, 2.0);
	cairo_move_to(cr, -out + 2.2, -13.0);
	cairo_curve_to(cr, -out * 0.5, -8.6, out * 0.5, -8.6, out - 2.2, -13.0);
	brush_line(cr, t->colour[SLOT_ACCENT], 3.0, 1.0);
	neckline(cr, t, p);
	belt(cr, t, p);
}

/* The lower plates, side ones first so that the middle one overlaps. */
static void
tassets(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	static const struct point plate[] = { { -1.0, -1.0 }, { -1.0, -1.0 },
		{ 1.0, -1.0 }, { 1.0, -1.0 }, { 1.12, 0.55 }, { 0.0, 1.15 },
		{ -1.12, 0.55 } };
	static const double x[] = { -0.66, 0.66, 0.0 };
	size_t i;

	for (i = 0; i < sizeof x / sizeof x[0]; i++) {
		BRUSH_BLOB(cr,
		    ((struct place){ x[i] * p->hip_x, p->hip_y + 3.0,
			p->hip_x * 0.42, 12.0 }),
		    plate);
		brush_fill(cr, t->colour[SLOT_MAIN], FINISH_METAL, 3.0);
	}
}

static void
breastplate(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double sx = p->shoulder_x, sy = p->shoulder_y;
	const struct point half[] = { { 9.0, p->neck_y + 3.0 },
		{ 9.0, p->neck_y + 3.0 }, { sx * 0.82, sy + 1.0 },
		{ sx * 0.90, sy + 14.0 },
		{ p->waist_x + 1.0, p->waist_y - 2.0 },
		{ p->waist_x + 1.0, p->waist_y - 2.0 },
		{ 0.0, p->waist_y + 4.0 } };

	BRUSH_HALF(cr, as_is, half);
	brush_fill(cr, t->colour[SLOT_MAIN], FINISH_METAL, 5.0);
	cairo_move_to(cr, 0.0, sy + 2.0);
	cairo_line_to(cr, 0.0, p->waist_y + 3.0);
	brush_line(cr, colour_shade(t->colour[SLOT_MAIN]), 1.4, 0.6);
	cairo_move_to(cr, -sx * 0.62, sy + 12.0);
	cairo_curve_to(
	    cr, -sx * 0.4, sy + 24.0, -4.0, sy + 25.0, 0.0, sy + 20.0);
	cairo_curve_to(
	    cr, 4.0, sy + 25.0, sx * 0.4, sy + 24.0, sx * 0.62, sy + 12.0);
	brush_line(cr, colour_shade(t->colour[SLOT_MAIN]), 1.4, 0.55);
}

static void
wear_armour(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	trunk(cr, p, p->hip_y + 6.0, p->hip_x);
	brush_fill(cr, leg_colour(t), FINISH_CLOTH, 4.0);
	tassets(cr, t, p);
	breastplate(cr, t, p);
	body_emblem(cr, t,
	    (struct place){ 0.0, p->shoulder_y + 13.0, 5.6, 5.6 },
	    t->colour[SLOT_ACCENT]);
	belt(cr, t, p);
	brush_box(cr, -11.0, p->neck_y - 1.0, 22.0, 8.0, 4.0);
	brush_fill(cr, t->colour[SLOT_MAIN], FINISH_METAL, 2.4);
}

static void
wear_space(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double y = p->shoulder_y + 12.0;
	const struct colour pale = colour_hex(0xf0efea);
	int i;

	trunk(cr, p, p->hip_y + 9.0, p->hip_x);
	brush_fill(cr, t->colour[SLOT_MAIN], finish_of(t), 6.0);
	cairo_move_to(cr, 0.0, p->waist_y + 10.0);
	cairo_line_to(cr, 0.0, p->hip_y + 8.0);
	brush_line(cr, colour_shade(t->colour[SLOT_MAIN]), 1.4, 0.6);
	belt(cr, t, p);
	brush_box(cr, -12.5, y, 25.0, 17.0, 3.5);
	brush_fill(cr, pale, FINISH_CLOTH, 2.0);
	for (i = 0; i < 3; i++) {
		brush_oval(cr, -7.5 + 5.2 * i, y + 5.0, 1.8, 1.8);
		brush_flat(cr,
		    i == 1 ? colour_hex(0xe0574f)
			   : t->colour[i == 0 ? SLOT_ACCENT : SLOT_MAIN],
		    1.0);
	}
	brush_box(cr, -8.6, y + 9.6, 12.0, 3.6, 1.6);
	brush_flat(cr, colour_hex(0x36607a), 1.0);
	brush_oval(cr, 8.4, y + 10.8, 2.2, 2.2);
	brush_fill(cr, colour_hex(0x9aa2ad), FINISH_METAL, 0.8);
}

static void
robot_chest(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double sx = p->shoulder_x, sy = p->shoulder_y;
	const struct point chest[] = { { 8.0, p->neck_y + 3.0 },
		{ 10.0, p->neck_y + 3.0 }, { sx * 0.9, sy - 2.0 },
		{ sx * 1.0, sy + 6.0 }, { sx * 0.86, sy + 20.0 },
		{ p->waist_x * 0.95, p->waist_y - 3.0 },
		{ p->waist_x * 0.95, p->waist_y - 3.0 } };
	const struct point pelvis[] = { { p->waist_x * 0.8, p->waist_y + 8.0 },
		{ p->waist_x * 0.8, p->waist_y + 8.0 },
		{ p->hip_x, p->hip_y - 2.0 },
		{ p->hip_x * 0.7, p->hip_y + 7.0 }, { 4.0, p->hip_y + 12.0 } };

	BRUSH_HALF(cr, as_is, pelvis);
	brush_fill(cr, t->colour[SLOT_MAIN], FINISH_METAL, 4.0);
	BRUSH_HALF(cr, as_is, chest);
	brush_fill(cr, t->colour[SLOT_MAIN], FINISH_METAL, 5.0);
}

static void
wear_nothing_but_steel(
    cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const struct colour dark = leg_colour(t), glow = t->colour[SLOT_EYES];
	const double y = p->shoulder_y + 15.0;
	int i;

	for (i = 0; i < 4; i++) {
		brush_box(cr, -p->waist_x * 0.7, p->waist_y - 6.0 + 5.0 * i,
		    p->waist_x * 1.4, 5.6, 2.6);
		brush_fill(cr, dark, FINISH_METAL, 2.0);
	}
	robot_chest(cr, t, p);
	brush_glow(cr, (struct place){ 0.0, y, 14.0, 14.0 }, glow, 0.6);
	brush_oval(cr, 0.0, y, 7.4, 7.4);
	brush_fill(cr, dark, FINISH_CLOTH, 1.4);
	brush_oval(cr, 0.0, y, 4.8, 4.8);
	brush_fill(cr, glow, FINISH_CLOTH, 1.0);
	brush_oval(cr, -1.3, y - 1.5, 1.5, 1.2);
	brush_flat(cr, colour_hex(0xffffff), 0.9);
	for (i = -1; i <= 1; i += 2) {
		cairo_move_to(cr, i * 12.0, y + 9.0);
		cairo_line_to(cr, i * 18.0, y + 4.0);
		brush_line(cr, t->colour[SLOT_ACCENT], 2.4, 1.0);
	}
}

static void
neck(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double top = p->head.y + p->head_ry * 0.5;

	brush_box(cr, -7.4, top, 14.8, p->shoulder_y + 3.0 - top, 4.0);
	brush_fill(cr, is_robot(t) ? leg_colour(t) : colour_shade(skin_of(t)),
	    is_robot(t) ? FINISH_METAL : FINISH_SKIN, 2.0);
}

void
body_torso(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	static void (*const wear[])(cairo_t *, const struct traits *,
	    const struct pose *) = { wear_tunic, wear_coat, wear_dress,
		wear_robe, wear_armour, wear_space };

	neck(cr, t, p);
	if (is_robot(t))
		wear_nothing_but_steel(cr, t, p);
	else
		wear[t->of[TRAIT_OUTFIT]](cr, t, p);
}

/* Arms. */

static void
hand(cairo_t *cr, const struct traits *t, const struct pose *p, int side)
{
	const struct point elbow = p->elbow[side], wrist = p->wrist[side];
	const double dx = wrist.x - elbow.x, dy = wrist.y - elbow.y;
	const double far = fmax(hypot(dx, dy), 1.0);
	/* A wide sleeve hangs over the wrist. */
	const double reach = t->of[TRAIT_OUTFIT] == OUTFIT_ROBE ? 10.0 : 5.5;
	const struct point palm = { wrist.x + dx / far * reach,
		wrist.y + dy / far * reach };
	const double r = 6.2 * fmin(fmax(p->limb, 0.85), 1.2);
	struct colour c = skin_of(t);

	if (is_plated(t))
		c = leg_colour(t);
	if (t->of[TRAIT_OUTFIT] == OUTFIT_SPACE)
		c = boot_colour(t);
	brush_oval(cr, palm.x - pose_side(side) * r * 0.7, palm.y - 1.0,
	    r * 0.42, r * 0.62);
	brush_fill(cr, c, FINISH_SKIN, 1.0);
	brush_oval(cr, palm.x, palm.y, r * 0.9, r);
	brush_fill(cr, c, FINISH_SKIN, 2.0);
}

static void
cuff(cairo_t *cr, const struct pose *p, int side, struct colour c)
{
	const struct point joint[3] = { between(p->elbow[side], p->wrist[side],
					    0.74),
		between(p->elbow[side], p->wrist[side], 0.87), p->wrist[side] };
	const double width[3] = { 11.0 * p->limb, 11.4 * p->limb,
		11.8 * p->limb };

	brush_limb(cr, joint, width);
	brush_fill(cr, c, FINISH_CLOTH, 2.0);
}

static void
vambrace(cairo_t *cr, const struct traits *t, const struct pose *p, int side)
{
	const struct point joint[3] = { between(p->elbow[side], p->wrist[side],
					    0.22),
		between(p->elbow[side], p->wrist[side], 0.55),
		between(p->elbow[side], p->wrist[side], 0.94) };
	const double width[3] = { 12.0 * p->limb, 13.0 * p->limb,
		10.5 * p->limb };

	brush_limb(cr, joint, width);
	brush_fill(cr, t->colour[SLOT_MAIN], FINISH_METAL, 2.6);
	if (!is_robot(t))
		return;
	brush_oval(cr, p->elbow[side].x, p->elbow[side].y, 5.8 * p->limb,
	    5.8 * p->limb);
	brush_fill(cr, t->colour[SLOT_ACCENT], FINISH_CLOTH, 2.0);
}

static void
pauldron(cairo_t *cr, const struct traits *t, const struct pose *p, int side)
{
	static const struct point dome[] = { { -0.9, 0.1 }, { -0.55, -0.75 },
		{ 0.25, -0.95 }, { 0.95, -0.35 }, { 1.1, 0.75 }, { 1.1, 0.75 },
		{ 0.2, 0.45 }, { -0.85, 0.62 }, { -0.85, 0.62 } };
	const struct point at = p->shoulder[side];
	const double r = 12.5 * fmin(p->limb, 1.15);

	if (is_robot(t)) {
		brush_oval(cr, at.x, at.y, r * 0.86, r * 0.86);
		brush_fill(cr, t->colour[SLOT_MAIN], FINISH_METAL, 3.0);
		brush_oval(cr, at.x, at.y, r * 0.34, r * 0.34);
		brush_fill(cr, t->colour[SLOT_ACCENT], FINISH_CLOTH, 1.2);
		return;
	}
	BRUSH_BLOB(cr,
	    on_side((struct point){ at.x, at.y + 6.0 }, side, r * 1.05), dome);
	brush_fill(cr, t->colour[SLOT_MAIN], FINISH_METAL, 3.0);
	BRUSH_BLOB(cr, on_side(at, side, r), dome);
	brush_fill(cr, t->colour[SLOT_MAIN], FINISH_METAL, 3.0);
}

static void
puff_sleeve(cairo_t *cr, const struct traits *t, const struct pose *p, int side)
{
	const struct point at =
	    between(p->shoulder[side], p->elbow[side], 0.16);

	brush_oval(cr, at.x, at.y, 9.6 * p->limb, 10.4 * p->limb);
	brush_fill(cr, t->colour[SLOT_MAIN], finish_of(t), 3.0);
}

static void
wide_sleeve(cairo_t *cr, const struct traits *t, const struct pose *p, int side)
{
	const struct point joint[3] = { p->shoulder[side], p->elbow[side],
		p->wrist[side] };
	const double width[3] = { 15.0 * p->limb, 15.5 * p->limb,
		20.0 * p->limb };

	brush_limb(cr, joint, width);
	brush_fill(cr, t->colour[SLOT_MAIN], finish_of(t), 4.0);
}

static struct colour
sleeve_colour(const struct traits *t)
{
	if (is_plated(t))
		return leg_colour(t);
	return t->of[TRAIT_OUTFIT] == OUTFIT_DRESS ? skin_of(t)
						   : t->colour[SLOT_MAIN];
}

static void
dress_arm(cairo_t *cr, const struct traits *t, const struct pose *p, int side)
{
	if (is_plated(t)) {
		vambrace(cr, t, p, side);
		pauldron(cr, t, p, side);
		return;
	}
	if (t->of[TRAIT_OUTFIT] == OUTFIT_DRESS)
		puff_sleeve(cr, t, p, side);
	else
		cuff(cr, p, side, t->colour[SLOT_ACCENT]);
}

void
body_arms(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	const double width[3] = { 13.0 * p->limb, 11.0 * p->limb,
		9.0 * p->limb };
	int side;

	for (side = 0; side < 2; side++) {
		const struct point joint[3] = { p->shoulder[side],
			p->elbow[side], p->wrist[side] };

		hand(cr, t, p, side);
		if (t->of[TRAIT_OUTFIT] == OUTFIT_ROBE && !is_robot(t)) {
			wide_sleeve(cr, t, p, side);
			continue;
		}
		brush_limb(cr, joint, width);
		brush_fill(cr, sleeve_colour(t),
		    is_robot(t) ? FINISH_METAL : FINISH_CLOTH, 3.4);
		dress_arm(cr, t, p, side);
	}
}
