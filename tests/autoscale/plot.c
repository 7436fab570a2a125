#include "plot.h"

enum { COLUMNS = 2, ROWS = 11, WIDTH = 460, HEIGHT = 150, LEFT = 30, TOP = 34, PAD_X = 50, PAD_Y = 46 };

void plot_begin(struct plot *p, FILE *out)
{
    *p = (struct plot){.out = out};
    if (out == NULL)
        return;
    int w = COLUMNS * (WIDTH + PAD_X) + LEFT, h = ROWS * (HEIGHT + PAD_Y) + TOP;
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n"
                 "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n"
                 "<text x=\"%d\" y=\"14\"><tspan fill=\"#999\">grey: jobs waiting or running, in workers of %d slots</tspan>"
                 "<tspan fill=\"#c33\" dx=\"20\">red: ready workers, HPA</tspan>"
                 "<tspan fill=\"#06c\" dx=\"20\">blue: ready workers, manta auto</tspan></text>\n",
            w, h, w, h, LEFT, AS_SLOTS);
}

static double x_at(int i)
{
    return (double)WIDTH * i / AS_POINTS;
}

static double y_at(double workers, double most)
{
    return HEIGHT - HEIGHT * (workers > most ? most : workers) / most;
}

static void line(const struct plot *p, const float *values, double most, const char *colour)
{
    fprintf(p->out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"", colour);
    for (int i = 0; i < AS_POINTS; i++)
        fprintf(p->out, "%.1f,%.1f ", x_at(i), y_at((double)values[i], most));
    fprintf(p->out, "\"/>\n");
}

void plot_shape(struct plot *p, const struct shape *s, const struct outcome *mine, const struct outcome *hpa)
{
    double most = s->max + 1;
    int column = (int)(p->n % COLUMNS), row = (int)(p->n / COLUMNS);
    if (p->out == NULL)
        return;
    p->n++;
    fprintf(p->out, "<g transform=\"translate(%d,%d)\">\n<text x=\"0\" y=\"-5\">%s: %s</text>\n", LEFT + column * (WIDTH + PAD_X),
            TOP + 10 + row * (HEIGHT + PAD_Y), s->name, s->about);
    fprintf(p->out, "<polygon fill=\"#ddd\" points=\"0,%d ", HEIGHT);
    for (int i = 0; i < AS_POINTS; i++)
        fprintf(p->out, "%.1f,%.1f ", x_at(i), y_at((double)mine->load[i] / AS_SLOTS, most));
    fprintf(p->out, "%.1f,%d\"/>\n", x_at(AS_POINTS - 1), HEIGHT);
    line(p, hpa->workers, most, "#c33");
    line(p, mine->workers, most, "#06c");
    fprintf(p->out, "<path d=\"M0,0V%dH%d\" fill=\"none\" stroke=\"#333\"/>\n", HEIGHT, WIDTH);
    for (uint32_t n = 0; n <= s->max; n += 4)
        fprintf(p->out, "<text x=\"-6\" y=\"%.0f\" text-anchor=\"end\">%u</text>\n", y_at(n, most) + 4, n);
    fprintf(p->out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%u min</text>\n</g>\n", WIDTH, HEIGHT + 14, s->minutes);
}

void plot_end(struct plot *p)
{
    if (p->out != NULL)
        fprintf(p->out, "</svg>\n");
}
