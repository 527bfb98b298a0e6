/* The plain loops that a good programmer writes for a recurrent layer and softmax of its last state, for gcc -O3
   -march=native -ffast-math. TIMES, INPUTS, UNITS, CLASSES and BATCH come from the command line. */
#include <math.h>
#include <string.h>

#define MAXIMUM(a, b) ((a) > (b) ? (a) : (b))

/* One sample: add its gradient. The transposed matrices let every inner loop run over units. */
static void sample(const float x[TIMES][INPUTS], const float t[CLASSES], const float w1_t[INPUTS][UNITS],
                   const float b1[UNITS], const float w2[UNITS][UNITS], const float w2_t[UNITS][UNITS],
                   const float w3[CLASSES][UNITS], const float b2[CLASSES], float g_w1[UNITS][INPUTS],
                   float g_b1[UNITS], float g_w2[UNITS][UNITS], float g_w3[CLASSES][UNITS], float g_b2[CLASSES]) {
  float h[TIMES + 1][UNITS], y[CLASSES], back[UNITS];
  memset(h[0], 0, sizeof h[0]);
  for (int n = 0; n < TIMES; n++) {
    float z[UNITS];
    for (int i = 0; i < UNITS; i++) z[i] = b1[i];
    for (int j = 0; j < INPUTS; j++)
      for (int i = 0; i < UNITS; i++) z[i] += w1_t[j][i] * x[n][j];
    for (int j = 0; j < UNITS; j++)
      for (int i = 0; i < UNITS; i++) z[i] += w2_t[j][i] * h[n][j];
    for (int i = 0; i < UNITS; i++) h[n + 1][i] = tanhf(z[i]);
  }
  float top = -INFINITY, total = 0;
  for (int c = 0; c < CLASSES; c++) {
    y[c] = b2[c];
    for (int i = 0; i < UNITS; i++) y[c] += w3[c][i] * h[TIMES][i];
    top = MAXIMUM(top, y[c]);
  }
  for (int c = 0; c < CLASSES; c++) total += y[c] = expf(y[c] - top);
  memset(back, 0, sizeof back);
  for (int c = 0; c < CLASSES; c++) {
    const float delta = y[c] / total - t[c];
    g_b2[c] += delta;
    for (int i = 0; i < UNITS; i++) {
      g_w3[c][i] += delta * h[TIMES][i];
      back[i] += delta * w3[c][i];
    }
  }
  for (int n = TIMES - 1; n >= 0; n--) {
    float delta[UNITS];
    for (int i = 0; i < UNITS; i++) {
      delta[i] = back[i] * (1 - h[n + 1][i] * h[n + 1][i]);
      g_b1[i] += delta[i];
      back[i] = 0;
    }
    for (int i = 0; i < UNITS; i++) {
      for (int j = 0; j < INPUTS; j++) g_w1[i][j] += delta[i] * x[n][j];
      for (int j = 0; j < UNITS; j++) {
        g_w2[i][j] += delta[i] * h[n][j];
        back[j] += delta[i] * w2[i][j];
      }
    }
  }
}

#define DESCEND(w, g) \
  for (int i = 0; i < (int)(sizeof g / sizeof(float)); i++) ((float *)(w))[i] -= step * ((float *)(g))[i];

void train(int epochs, int samples, const float x[][TIMES][INPUTS], const float t[][CLASSES], float rate,
           float w1[UNITS][INPUTS], float b1[UNITS], float w2[UNITS][UNITS], float w3[CLASSES][UNITS],
           float b2[CLASSES]) {
  static float g_w1[UNITS][INPUTS], g_b1[UNITS], g_w2[UNITS][UNITS], g_w3[CLASSES][UNITS], g_b2[CLASSES];
  static float w1_t[INPUTS][UNITS], w2_t[UNITS][UNITS];
  for (int epoch = 0; epoch < epochs; epoch++)
    for (int start = 0; start < samples; start += BATCH) {
      const int n = samples - start < BATCH ? samples - start : BATCH;
      for (int i = 0; i < UNITS; i++) {
        for (int j = 0; j < INPUTS; j++) w1_t[j][i] = w1[i][j];
        for (int j = 0; j < UNITS; j++) w2_t[j][i] = w2[i][j];
      }
      memset(g_w1, 0, sizeof g_w1);
      memset(g_b1, 0, sizeof g_b1);
      memset(g_w2, 0, sizeof g_w2);
      memset(g_w3, 0, sizeof g_w3);
      memset(g_b2, 0, sizeof g_b2);
      for (int s = start; s < start + n; s++)
        sample(x[s], t[s], w1_t, b1, w2, w2_t, w3, b2, g_w1, g_b1, g_w2, g_w3, g_b2);
      const float step = rate / n;
      DESCEND(w1, g_w1)
      DESCEND(b1, g_b1)
      DESCEND(w2, g_w2)
      DESCEND(w3, g_w3)
      DESCEND(b2, g_b2)
    }
}
