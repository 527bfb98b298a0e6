/* The plain loops that a good programmer writes for two convolutions and a dense layer with softmax, for gcc -O3
   -march=native -ffast-math. LENGTH, CHANNELS, WIDTH, CLASSES and BATCH come from the command line. */
#include <math.h>
#include <string.h>

#define MIDDLE (LENGTH - WIDTH + 1)
#define LAST (MIDDLE - WIDTH + 1)
#define MAXIMUM(a, b) ((a) > (b) ? (a) : (b))

/* One sample: add its gradient. */
static void sample(const float x[LENGTH], const float t[CLASSES], const float k1[CHANNELS][WIDTH],
                   const float c1[CHANNELS], const float k2[CHANNELS][CHANNELS][WIDTH], const float c2[CHANNELS],
                   const float w[CLASSES][CHANNELS * LAST], const float b[CLASSES], float g_k1[CHANNELS][WIDTH],
                   float g_c1[CHANNELS], float g_k2[CHANNELS][CHANNELS][WIDTH], float g_c2[CHANNELS],
                   float g_w[CLASSES][CHANNELS * LAST], float g_b[CLASSES]) {
  float h1[CHANNELS][MIDDLE], h2[CHANNELS][LAST], d1[CHANNELS][MIDDLE], d2[CHANNELS][LAST], z[CLASSES];
  for (int o = 0; o < CHANNELS; o++) {
    for (int i = 0; i < MIDDLE; i++) h1[o][i] = c1[o];
    for (int u = 0; u < WIDTH; u++)
      for (int i = 0; i < MIDDLE; i++) h1[o][i] += k1[o][u] * x[i + u];
    for (int i = 0; i < MIDDLE; i++) h1[o][i] = MAXIMUM(h1[o][i], 0);
  }
  for (int o = 0; o < CHANNELS; o++) {
    for (int i = 0; i < LAST; i++) h2[o][i] = c2[o];
    for (int m = 0; m < CHANNELS; m++)
      for (int u = 0; u < WIDTH; u++)
        for (int i = 0; i < LAST; i++) h2[o][i] += k2[o][m][u] * h1[m][i + u];
    for (int i = 0; i < LAST; i++) h2[o][i] = MAXIMUM(h2[o][i], 0);
  }
  const float *flat = &h2[0][0];
  float top = -INFINITY, total = 0;
  for (int c = 0; c < CLASSES; c++) {
    float sum = b[c];
    for (int i = 0; i < CHANNELS * LAST; i++) sum += w[c][i] * flat[i];
    z[c] = sum;
    top = MAXIMUM(top, sum);
  }
  for (int c = 0; c < CLASSES; c++) total += z[c] = expf(z[c] - top);
  for (int c = 0; c < CLASSES; c++) z[c] = z[c] / total - t[c];

  float *d_flat = &d2[0][0];
  memset(d2, 0, sizeof d2);
  for (int c = 0; c < CLASSES; c++) {
    g_b[c] += z[c];
    for (int i = 0; i < CHANNELS * LAST; i++) {
      g_w[c][i] += z[c] * flat[i];
      d_flat[i] += z[c] * w[c][i];
    }
  }
  for (int i = 0; i < CHANNELS * LAST; i++) d_flat[i] = flat[i] > 0 ? d_flat[i] : 0;
  memset(d1, 0, sizeof d1);
  for (int o = 0; o < CHANNELS; o++) {
    for (int m = 0; m < CHANNELS; m++)
      for (int u = 0; u < WIDTH; u++) {
        float sum = 0;
        for (int i = 0; i < LAST; i++) {
          sum += d2[o][i] * h1[m][i + u];
          d1[m][i + u] += d2[o][i] * k2[o][m][u];
        }
        g_k2[o][m][u] += sum;
      }
    for (int i = 0; i < LAST; i++) g_c2[o] += d2[o][i];
  }
  for (int o = 0; o < CHANNELS; o++) {
    for (int i = 0; i < MIDDLE; i++) d1[o][i] = h1[o][i] > 0 ? d1[o][i] : 0;
    for (int u = 0; u < WIDTH; u++) {
      float sum = 0;
      for (int i = 0; i < MIDDLE; i++) sum += d1[o][i] * x[i + u];
      g_k1[o][u] += sum;
    }
    for (int i = 0; i < MIDDLE; i++) g_c1[o] += d1[o][i];
  }
}

#define DESCEND(w, g) \
  for (int i = 0; i < (int)(sizeof g / sizeof(float)); i++) ((float *)(w))[i] -= step * ((float *)(g))[i];

void train(int epochs, int samples, const float x[][LENGTH], const float t[][CLASSES], float rate,
           float k1[CHANNELS][WIDTH], float c1[CHANNELS], float k2[CHANNELS][CHANNELS][WIDTH], float c2[CHANNELS],
           float w[CLASSES][CHANNELS * LAST], float b[CLASSES]) {
  static float g_k1[CHANNELS][WIDTH], g_c1[CHANNELS], g_k2[CHANNELS][CHANNELS][WIDTH], g_c2[CHANNELS],
      g_w[CLASSES][CHANNELS * LAST], g_b[CLASSES];
  for (int epoch = 0; epoch < epochs; epoch++)
    for (int start = 0; start < samples; start += BATCH) {
      const int n = samples - start < BATCH ? samples - start : BATCH;
      memset(g_k1, 0, sizeof g_k1);
      memset(g_c1, 0, sizeof g_c1);
      memset(g_k2, 0, sizeof g_k2);
      memset(g_c2, 0, sizeof g_c2);
      memset(g_w, 0, sizeof g_w);
      memset(g_b, 0, sizeof g_b);
      for (int s = start; s < start + n; s++)
        sample(x[s], t[s], k1, c1, k2, c2, w, b, g_k1, g_c1, g_k2, g_c2, g_w, g_b);
      const float step = rate / n;
      DESCEND(k1, g_k1)
      DESCEND(c1, g_c1)
      DESCEND(k2, g_k2)
      DESCEND(c2, g_c2)
      DESCEND(w, g_w)
      DESCEND(b, g_b)
    }
}
