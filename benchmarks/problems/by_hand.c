/* Derivatives derived and written by hand: what a careful user would write in C. */
#include <math.h>
#include <stdlib.h>

/* Gaussian mixture: value and gradient. g_* must be zero. */
double gmm(long n, long d, long k, const double *alphas, const double *means,
           const double *icf, const double *x, double gamma, double *g_alphas,
           double *g_means, double *g_icf) {
    long length = d * (d + 1) / 2;
    double *room = malloc(sizeof(double) * (3 * k * d + 2 * k));
    double *centred = room, *q = room + k * d, *inner = q + k * d;
    double *sums = inner + k, *diagonal = sums + k, total = 0.0;
    for (long c = 0; c < k; c++) {
        sums[c] = 0.0;
        for (long i = 0; i < d; i++) {
            sums[c] += icf[c * length + i];
            diagonal[c * d + i] = exp(icf[c * length + i]);
        }
    }
    for (long p = 0; p < n; p++) {
        double top = -INFINITY, sum = 0.0;
        for (long c = 0; c < k; c++) {
            const double *l = icf + c * length + d;
            double *z = centred + c * d, *y = q + c * d, square = 0.0;
            for (long i = 0; i < d; i++) {
                z[i] = x[p * d + i] - means[c * d + i];
                y[i] = diagonal[c * d + i] * z[i];
            }
            for (long j = 0; j < d; j++)
                for (long i = j + 1; i < d; i++) y[i] += *l++ * z[j];
            for (long i = 0; i < d; i++) square += y[i] * y[i];
            inner[c] = alphas[c] + sums[c] - 0.5 * square;
            if (inner[c] > top) top = inner[c];
        }
        for (long c = 0; c < k; c++) sum += inner[c] = exp(inner[c] - top);
        total += log(sum) + top;
        for (long c = 0; c < k; c++) {
            double weight = inner[c] / sum, *z = centred + c * d, *y = q + c * d;
            double *g = g_icf + c * length, *gl = g + d, *gm = g_means + c * d;
            const double *l = icf + c * length + d;
            g_alphas[c] += weight;
            for (long i = 0; i < d; i++) {
                double e = weight * diagonal[c * d + i] * y[i];
                gm[i] += e;
                g[i] += weight - e * z[i];
            }
            for (long j = 0; j < d; j++) {
                double back = 0.0, zj = weight * z[j];
                for (long i = j + 1; i < d; i++) {
                    back += *l++ * y[i];
                    *gl++ -= y[i] * zj;
                }
                gm[j] += weight * back;
            }
        }
    }
    double top = -INFINITY, sum = 0.0, prior = 0.0;
    for (long c = 0; c < k; c++) top = alphas[c] > top ? alphas[c] : top;
    for (long c = 0; c < k; c++) sum += exp(alphas[c] - top);
    for (long c = 0; c < k; c++) {
        g_alphas[c] -= n * exp(alphas[c] - top) / sum;
        for (long i = 0; i < length; i++) {
            double v = i < d ? diagonal[c * d + i] : icf[c * length + i];
            prior += v * v;
            g_icf[c * length + i] += gamma * gamma * (i < d ? v * v : v);
        }
    }
    total -= n * (log(sum) + top);
    free(room);
    return total - n * d * 0.5 * log(2.0 * M_PI) + 0.5 * gamma * gamma * prior;
}

/* Bundle adjustment: camera's (2×11), point's (2×3) and weight's (2) Jacobians. */
void ba(long count, const double *cameras, const double *points, const double *w,
        const double *features, const long *cs, const long *ps, double *jc, double *jp,
        double *jw) {
    for (long o = 0; o < count; o++, jc += 22, jp += 6, jw += 2) {
        const double *c = cameras + 11 * cs[o], *point = points + 3 * ps[o];
        double angle = sqrt(c[0] * c[0] + c[1] * c[1] + c[2] * c[2]);
        double a[3] = {c[0] / angle, c[1] / angle, c[2] / angle};
        double co = cos(angle), si = sin(angle), d[3], x[3], rotation[3][3], turn[3][3];
        for (int i = 0; i < 3; i++) d[i] = point[i] - c[3 + i];
        double t[3] = {a[1] * d[2] - a[2] * d[1], a[2] * d[0] - a[0] * d[2],
                       a[0] * d[1] - a[1] * d[0]};
        double along = a[0] * d[0] + a[1] * d[1] + a[2] * d[2];
        double cross[3][3] = {{0, -a[2], a[1]}, {a[2], 0, -a[0]}, {-a[1], a[0], 0}};
        for (int i = 0; i < 3; i++) {
            x[i] = d[i] * co + t[i] * si + a[i] * along * (1 - co);
            for (int j = 0; j < 3; j++)
                rotation[i][j] = (i == j) * co + cross[i][j] * si + a[i] * a[j] * (1 - co);
        }
        for (int j = 0; j < 3; j++) { /* by the rotation vector */
            double da[3], dot = 0.0;
            for (int i = 0; i < 3; i++) {
                da[i] = ((i == j) - a[i] * a[j]) / angle;
                dot += da[i] * d[i];
            }
            double dt[3] = {da[1] * d[2] - da[2] * d[1], da[2] * d[0] - da[0] * d[2],
                            da[0] * d[1] - da[1] * d[0]};
            for (int i = 0; i < 3; i++)
                turn[i][j] = a[j] * (co * t[i] - si * d[i] + a[i] * along * si) +
                             si * dt[i] + (1 - co) * (da[i] * along + a[i] * dot);
        }
        double z = 1.0 / x[2], u = x[0] * z, v = x[1] * z, square = u * u + v * v;
        double bend = 1.0 + c[9] * square + c[10] * square * square, f = c[6];
        double slope = 2.0 * (c[9] + 2.0 * c[10] * square), p[2] = {u, v};
        for (int r = 0; r < 2; r++) {
            double *row = jc + 11 * r, by[2], by_x[3], weight = w[o];
            by[0] = f * ((r == 0) * bend + p[r] * slope * u);
            by[1] = f * ((r == 1) * bend + p[r] * slope * v);
            by_x[0] = by[0] * z, by_x[1] = by[1] * z;
            by_x[2] = -z * (by[0] * u + by[1] * v);
            for (int j = 0; j < 3; j++) {
                double first = 0.0, second = 0.0;
                for (int i = 0; i < 3; i++) {
                    first += by_x[i] * turn[i][j];
                    second += by_x[i] * rotation[i][j];
                }
                row[j] = weight * first;
                row[3 + j] = -weight * second;
                jp[3 * r + j] = weight * second;
            }
            row[6] = weight * p[r] * bend;
            row[7] = weight * (r == 0);
            row[8] = weight * (r == 1);
            row[9] = weight * f * p[r] * square;
            row[10] = weight * f * p[r] * square * square;
            jw[r] = p[r] * bend * f + c[7 + r] - features[2 * o + r];
        }
    }
}
