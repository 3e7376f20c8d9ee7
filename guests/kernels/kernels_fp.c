/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels of double-precision arithmetic. -ffp-contract=off: the results are the same everywhere. */
#include "kernels.h"

#include "guest.h"

static uint64_t bits_of(double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

/* ---- nbody ---- */

enum { BODIES = 5 };

struct body {
	double x, y, z, vx, vy, vz, mass;
};

static void bodies_step(struct body *b, double dt)
{
	for (int i = 0; i < BODIES; i++) {
		for (int j = i + 1; j < BODIES; j++) {
			double dx = b[i].x - b[j].x;
			double dy = b[i].y - b[j].y;
			double dz = b[i].z - b[j].z;
			double d2 = dx * dx + dy * dy + dz * dz;
			double mag = dt / (d2 * __builtin_sqrt(d2));

			b[i].vx -= dx * b[j].mass * mag;
			b[i].vy -= dy * b[j].mass * mag;
			b[i].vz -= dz * b[j].mass * mag;
			b[j].vx += dx * b[i].mass * mag;
			b[j].vy += dy * b[i].mass * mag;
			b[j].vz += dz * b[i].mass * mag;
		}
	}
	for (int i = 0; i < BODIES; i++) {
		b[i].x += dt * b[i].vx;
		b[i].y += dt * b[i].vy;
		b[i].z += dt * b[i].vz;
	}
}

uint64_t kernel_nbody(uint32_t n)
{
	struct body b[BODIES] = {
		{ 0, 0, 0, 0, 0, 0, 40 },
		{ 5, 1, -0.1, 0.6, 2.8, -0.02, 0.04 },
		{ 8, 4, -0.4, -1, 1.8, 0.008, 0.01 },
		{ 13, -15, -0.2, 1, 0.8, -0.01, 0.002 },
		{ 15, -26, 0.2, 0.9, 0.6, -0.03, 0.002 },
	};

	for (uint32_t i = 0; i < n * 1000; i++) {
		bodies_step(b, 0.001);
	}
	return bits_of(b[0].x) ^ bits_of(b[1].y) ^ bits_of(b[4].vz);
}

/* ---- matrices ---- */

uint64_t kernel_matrix(uint32_t n)
{
	enum { SIDE = 48 };
	double(*a)[SIDE] = (double(*)[SIDE])kernel_arena;
	double(*b)[SIDE] = a + SIDE;
	double(*c)[SIDE] = b + SIDE;

	for (int i = 0; i < SIDE * SIDE; i++) {
		a[i / SIDE][i % SIDE] = i % 7 * 0.25;
		b[i / SIDE][i % SIDE] = i % 11 * 0.125;
	}
	while (n-- > 0) {
		for (int i = 0; i < SIDE; i++) {
			for (int j = 0; j < SIDE; j++) {
				double dot = 0;

				for (int k = 0; k < SIDE; k++) {
					dot += a[i][k] * b[k][j];
				}
				c[i][j] = dot;
			}
		}
		a[n % SIDE][3] = c[5][n % SIDE] * 0.001;
	}
	return bits_of(c[1][2]) ^ bits_of(a[5][3]);
}

/* ---- Mandelbrot's set ---- */

static uint32_t mandel_depth(double cx, double cy)
{
	double x = 0;
	double y = 0;
	uint32_t depth = 0;

	while (depth < 100 && x * x + y * y < 4) {
		double t = x * x - y * y + cx;

		y = 2 * x * y + cy;
		x = t;
		depth++;
	}
	return depth;
}

uint64_t kernel_mandel(uint32_t n)
{
	enum { SIDE = 40 };
	uint64_t sum = 0;

	while (n-- > 0) {
		for (int i = 0; i < SIDE * SIDE; i++) {
			sum += mandel_depth(i % SIDE * (3.0 / SIDE) - 2.2,
					    i / SIDE * (2.6 / SIDE) - 1.3);
		}
	}
	return sum;
}
