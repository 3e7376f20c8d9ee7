/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The timeline: a lane per core, a box per stretch of execution, coloured by vCPU; one SVG file, which
 * browsers show as it is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "sim/world.h"

#define WIDTH  1600.0
#define LANE   22
#define MARGIN 60

static void draw_span(FILE *f, const struct sim_span *s, ns_t from_ns, double px_per_ns)
{
	double x = MARGIN + (double)(s->from_ns - from_ns) * px_per_ns;
	double width = (double)(s->to_ns - s->from_ns) * px_per_ns;

	fprintf(f,
		"<rect x='%.2f' y='%d' width='%.2f' height='%d' fill='hsl(%u,60%%,%d%%)'%s>"
		"<title>vCPU %u, core %u%s: %.3f ms to %.3f ms</title></rect>\n",
		x, 30 + s->core * LANE, width < 0.3 ? 0.3 : width, LANE - 4, s->vcpu * 137U % 360U,
		s->is_exclusive ? 40 : 60, s->is_exclusive ? " stroke='#000'" : "", s->vcpu,
		s->core, s->is_exclusive ? " (exclusive)" : "", (double)s->from_ns / 1e6,
		(double)s->to_ns / 1e6);
}

int sim_timeline_write(const char *path, const struct sim_result *r, uint32_t cores,
		       struct errmsg *e)
{
	_cleanup_fclose_ FILE *f = fopen(path, "we");
	ns_t from_ns = r->n_spans ? r->spans[0].from_ns : 0;
	ns_t to_ns = from_ns + 1;

	if (!f) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	for (size_t i = 0; i < r->n_spans; i++) {
		to_ns = r->spans[i].to_ns > to_ns ? r->spans[i].to_ns : to_ns;
	}
	fprintf(f,
		"<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%u' font-size='12' "
		"font-family='sans-serif'>\n<text x='%d' y='18'>%.3f ms to %.3f ms; longest wait "
		"%.3f "
		"ms, mean %.3f ms</text>\n",
		(int)WIDTH + 2 * MARGIN, 50 + cores * LANE, MARGIN, (double)from_ns / 1e6,
		(double)to_ns / 1e6, (double)r->max_wait_ns / 1e6, (double)r->mean_wait_ns / 1e6);
	for (uint32_t i = 0; i < cores; i++) {
		fprintf(f, "<text x='4' y='%u'>core %u</text>\n", 44 + i * LANE, i);
	}
	for (size_t i = 0; i < r->n_spans; i++) {
		draw_span(f, &r->spans[i], from_ns, WIDTH / (double)(to_ns - from_ns));
	}
	fprintf(f, "</svg>\n");
	return ferror(f) ? errmsg_set(e, -EIO, "%s: cannot write", path) : 0;
}
