#include "sketch/pose.h"

enum { POSES = 4 };

/* Elbow and wrist from the shoulder, outwards and down, in arm lengths. */
struct arm {
	struct point elbow, wrist;
};

#define HANGS                                                                  \
	{                                                                      \
		{ 0.16, 0.47 },                                                \
		{                                                              \
			0.24, 0.97                                             \
		}                                                              \
	}
#define OPEN                                                                   \
	{                                                                      \
		{ 0.30, 0.43 },                                                \
		{                                                              \
			0.56, 0.84                                             \
		}                                                              \
	}
#define ON_HIP                                                                 \
	{                                                                      \
		{ 0.50, 0.40 },                                                \
		{                                                              \
			0.16, 0.74                                             \
		}                                                              \
	}
#define WAVES                                                                  \
	{                                                                      \
		{ 0.46, 0.26 },                                                \
		{                                                              \
			0.60, -0.28                                            \
		}                                                              \
	}
static const struct arm holds[POSES] = {
	{ { 0.30, 0.44 }, { 0.52, 0.76 } },
	{ { 0.40, 0.38 }, { 0.66, 0.44 } },
	{ { 0.26, 0.46 }, { 0.44, 0.88 } },
	{ { 0.44, 0.32 }, { 0.78, 0.20 } },
};
static const struct arm guards[POSES] = {
	{ { 0.26, 0.45 }, { 0.30, 0.86 } },
	{ { 0.36, 0.42 }, { 0.34, 0.62 } },
	{ { 0.32, 0.42 }, { 0.58, 0.74 } },
	{ { 0.30, 0.44 }, { 0.16, 0.70 } },
};

/* Knee and ankle from the hip joint: outwards, of the leg's length. */
struct stance {
	struct arm arm[2];
	double knee[2], ankle[2];
	double tilt;
};

static const struct stance stances[POSES] = {
	{ { HANGS, OPEN }, { 0.03, 0.03 }, { 0.05, 0.05 }, 0.0 },
	{ { HANGS, ON_HIP }, { 0.02, 0.12 }, { 0.02, 0.17 }, 0.05 },
	{ { OPEN, WAVES }, { 0.07, 0.04 }, { 0.11, 0.06 }, -0.06 },
	{ { ON_HIP, ON_HIP }, { 0.10, 0.10 }, { 0.17, 0.17 }, 0.0 },
};

static void
measure_adult(struct pose *p, const struct traits *t)
{
	const bool soft = t->of[TRAIT_FORM] == FORM_SOFT;

	*p = (struct pose){ .head = { 0.0, -175.0 },
		.head_rx = 20.5,
		.head_ry = 24.0,
		.neck_y = -148.0,
		.shoulder_y = -141.0,
		.waist_y = -106.0,
		.hip_y = -88.0,
		.shoulder_x = soft ? 20.0 : 26.0,
		.waist_x = soft ? 13.5 : 18.0,
		.hip_x = soft ? 19.0 : 18.5,
		.limb = soft ? 0.88 : 1.05 };
}

static void
measure_child(struct pose *p)
{
	*p = (struct pose){ .head = { 0.0, -137.0 },
		.head_rx = 24.5,
		.head_ry = 26.0,
		.neck_y = -109.0,
		.shoulder_y = -103.0,
		.waist_y = -77.0,
		.hip_y = -62.0,
		.shoulder_x = 16.5,
		.waist_x = 13.0,
		.hip_x = 15.5,
		.limb = 0.82 };
}

static void
measure_build(struct pose *p, const struct traits *t)
{
	double wide = 1.0;

	if (t->of[TRAIT_BUILD] == BUILD_SLIM)
		wide = 0.93;
	if (t->of[TRAIT_BUILD] == BUILD_BROAD)
		wide = 1.14;
	if (t->of[TRAIT_OUTFIT] == OUTFIT_SPACE)
		wide *= 1.12;
	p->shoulder_x *= wide;
	p->waist_x *= wide;
	p->hip_x *= wide;
	p->limb *= t->of[TRAIT_OUTFIT] == OUTFIT_SPACE ? 1.35 : wide;
	if (t->of[TRAIT_KIND] == KIND_ROBOT) {
		p->shoulder_x = p->shoulder_x * 0.4 + 17.0;
		p->head_rx *= 1.04;
	}
}

static void
bend_arm(struct pose *p, int side, const struct arm *arm)
{
	const double length = (p->waist_y - p->shoulder_y) * 1.78;
	const struct point at = { pose_side(side) * (p->shoulder_x - 4.0),
		p->shoulder_y + 4.0 };

	p->shoulder[side] = at;
	p->elbow[side] =
	    (struct point){ at.x + pose_side(side) * arm->elbow.x * length,
		    at.y + arm->elbow.y * length };
	p->wrist[side] =
	    (struct point){ at.x + pose_side(side) * arm->wrist.x * length,
		    at.y + arm->wrist.y * length };
}

static void
bend_leg(struct pose *p, int side, double knee, double ankle)
{
	const double length = -p->hip_y;
	const double x = pose_side(side) * p->hip_x * 0.54;

	p->hip[side] = (struct point){ x, p->hip_y + 2.0 };
	p->knee[side] = (struct point){ x + pose_side(side) * knee * length,
		p->hip_y * 0.52 };
	p->ankle[side] =
	    (struct point){ x + pose_side(side) * ankle * length, -9.0 };
}

double
pose_side(int side)
{
	return side == 0 ? -1.0 : 1.0;
}

void
pose_strike(struct pose *p, const struct traits *t)
{
	const unsigned int which = t->pose % POSES;
	const struct stance *s = &stances[which];
	int side;

	if (t->of[TRAIT_AGE] == AGE_CHILD)
		measure_child(p);
	else
		measure_adult(p, t);
	measure_build(p, t);
	p->tilt = s->tilt;
	for (side = 0; side < 2; side++) {
		bend_arm(p, side, &s->arm[side]);
		bend_leg(p, side, s->knee[side], s->ankle[side]);
	}
	if (t->of[TRAIT_HAND] != HAND_EMPTY)
		bend_arm(p, 0, &holds[which]);
	if (t->of[TRAIT_SHIELD] != 0)
		bend_arm(p, 1, &guards[which]);
}
