#include "sketch/palette.h"

#include <math.h>

static const int cloths[][2] = {
	{ 0x2a7f8e, 0xf2b84b }, /* teal, amber       */
	{ 0xc8553d, 0x2f4b6e }, /* terracotta, navy  */
	{ 0x4a6fa5, 0xe07a5f }, /* cornflower, coral */
	{ 0x6d597a, 0xe8b86d }, /* plum, sand        */
	{ 0x4f7f52, 0xe0c56e }, /* fern, straw       */
	{ 0x34506b, 0xd9654f }, /* denim, vermilion  */
	{ 0xd08c3f, 0x3d5a6c }, /* ochre, slate      */
	{ 0xb5536b, 0x3f7d7a }, /* rose, pine        */
	{ 0x5b6ea8, 0xf0a868 }, /* iris, apricot     */
	{ 0x7a8450, 0xb5563c }, /* olive, brick      */
};
static const int skins[] = { 0xf6d3b8, 0xeabf9f, 0xd9a47f, 0xbf8460, 0x9c6644,
	0x75492f, 0xf2c9ad };
static const int hairs[] = { 0x2b2320, 0x4a3228, 0x7a4b2c, 0xa8683a, 0xd9a75c,
	0x8c3b26, 0x3b3a4a };
static const int furs[] = { 0xd98a4b, 0x8a8f99, 0xc9a27c, 0x5a4a44, 0xe6d9c6 };
static const int irises[] = { 0x3f7cac, 0x4f8a5b, 0x7a5230, 0x5c5470,
	0x2f8f8a };
static const int walls[] = { 0xdfe5ea, 0xebe3d8, 0xdfe8e2, 0xe9e1e7 };

#define ONE_OF(table, n) (table)[(n) % (sizeof(table) / sizeof *(table))]

struct colour
colour_hex(int rgb)
{
	return (struct colour){ ((rgb >> 16) & 0xff) / 255.0,
		((rgb >> 8) & 0xff) / 255.0, (rgb & 0xff) / 255.0 };
}

struct colour
colour_mix(struct colour a, struct colour b, double part)
{
	return (struct colour){ a.r + (b.r - a.r) * part,
		a.g + (b.g - a.g) * part, a.b + (b.b - a.b) * part };
}

struct colour
colour_shade(struct colour c)
{
	const struct colour dusk = { 0.13, 0.14, 0.30 };
	const struct colour dim = { c.r * 0.74, c.g * 0.72, c.b * 0.78 };

	return colour_mix(dim, dusk, 0.14);
}

struct colour
colour_light(struct colour c)
{
	const struct colour sun = { 1.0, 0.98, 0.93 };

	return colour_mix(c, sun, 0.38);
}

double
colour_brightness(struct colour c)
{
	return 0.2126 * c.r + 0.7152 * c.g + 0.0722 * c.b;
}

/* A rotation about the grey axis: no detour through a colour model. */
struct colour
colour_turn(struct colour c, double degrees)
{
	const double turn = degrees * M_PI / 180.0;
	const double k = (1.0 - cos(turn)) / 3.0, s = sin(turn) / sqrt(3.0);
	const double keep = cos(turn) + k;
	const struct colour t = {
		keep * c.r + (k - s) * c.g + (k + s) * c.b,
		(k + s) * c.r + keep * c.g + (k - s) * c.b,
		(k - s) * c.r + (k + s) * c.g + keep * c.b,
	};

	return (struct colour){ fmin(fmax(t.r, 0.0), 1.0),
		fmin(fmax(t.g, 0.0), 1.0), fmin(fmax(t.b, 0.0), 1.0) };
}

struct colour
palette_main(unsigned int n)
{
	return colour_hex(ONE_OF(cloths, n)[0]);
}

struct colour
palette_accent(unsigned int n)
{
	return colour_hex(ONE_OF(cloths, n)[1]);
}

struct colour
palette_skin(unsigned int n)
{
	return colour_hex(ONE_OF(skins, n));
}

struct colour
palette_hair(unsigned int n)
{
	return colour_hex(ONE_OF(hairs, n));
}

struct colour
palette_fur(unsigned int n)
{
	return colour_hex(ONE_OF(furs, n));
}

struct colour
palette_iris(unsigned int n)
{
	return colour_hex(ONE_OF(irises, n));
}

struct colour
palette_wall(unsigned int n)
{
	return colour_hex(ONE_OF(walls, n));
}
