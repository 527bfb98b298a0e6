/* The plain loops that a good programmer writes for a network of known sizes, for gcc -O3 -march=native -ffast-math.
   Sizes come from the command line: LAYERS, S0 … S3, BATCH, TANH or RELU, SIGMOID or SOFTMAX or LINEAR. */
#include <math.h>
#include <string.h>

#define MAXIMUM(a, b) ((a) > (b) ? (a) : (b))
#define ROWS MAXIMUM(BATCH, 1)
#if LAYERS == 2
#define OUT S2
#else
#define OUT S3
#endif

static float h1[ROWS][S1], d1[ROWS][S1], y[ROWS][OUT], d[ROWS][OUT];
#if LAYERS == 3
static float h2[ROWS][S2], d2[ROWS][S2];
#endif

/* One layer forward: h = f(W x + b), W stored inputs by outputs so that the inner loop runs over outputs. */
#define FORWARD(n, x, in, out, w, b, h)                                   \
  for (int s = 0; s < n; s++) {                                           \
    float z[out];                                                         \
    for (int j = 0; j < out; j++) z[j] = b[j];                            \
    for (int i = 0; i < in; i++)                                          \
      for (int j = 0; j < out; j++) z[j] += x[s][i] * w[i][j];            \
    for (int j = 0; j < out; j++) h[s][j] = ACTIVATION(z[j]);             \
  }

/* The derivatives for the inputs of a layer, times f'. */
#define BACKWARD(n, delta, in, out, w, h, result)                         \
  for (int s = 0; s < n; s++)                                             \
    for (int i = 0; i < in; i++) {                                        \
      float sum = 0;                                                      \
      for (int j = 0; j < out; j++) sum += delta[s][j] * w[i][j];         \
      result[s][i] = sum * SLOPE(h[s][i]);                                \
    }

#define UPDATE(n, x, delta, in, out, w, b, rate)                          \
  {                                                                       \
    static float gw[in][out], gb[out];                                    \
    memset(gw, 0, sizeof gw);                                             \
    memset(gb, 0, sizeof gb);                                             \
    for (int s = 0; s < n; s++) {                                         \
      for (int i = 0; i < in; i++)                                        \
        for (int j = 0; j < out; j++) gw[i][j] += x[s][i] * delta[s][j];  \
      for (int j = 0; j < out; j++) gb[j] += delta[s][j];                 \
    }                                                                     \
    for (int i = 0; i < in; i++)                                          \
      for (int j = 0; j < out; j++) w[i][j] -= rate * gw[i][j];           \
    for (int j = 0; j < out; j++) b[j] -= rate * gb[j];                   \
  }

#ifdef TANH
#define HIDDEN(z) tanhf(z)
#define HIDDEN_SLOPE(h) (1 - (h) * (h))
#else
#define HIDDEN(z) ((z) > 0 ? (z) : 0)
#define HIDDEN_SLOPE(h) ((h) > 0 ? 1.0f : 0.0f)
#endif

void train(int epochs, int samples, const float x[][S0], const float t[][OUT], float rate, float w1[S0][S1],
           float b1[S1], float w2[S1][S2], float b2[S2]
#if LAYERS == 3
           , float w3[S2][S3], float b3[S3]
#endif
) {
  for (int epoch = 0; epoch < epochs; epoch++)
    for (int start = 0; start < samples; start += BATCH) {
      const int n = samples - start < BATCH ? samples - start : BATCH;
      const float(*in)[S0] = x + start;
      const float(*goal)[OUT] = t + start;
#define ACTIVATION HIDDEN
#define SLOPE HIDDEN_SLOPE
      FORWARD(n, in, S0, S1, w1, b1, h1)
#if LAYERS == 3
      FORWARD(n, h1, S1, S2, w2, b2, h2)
#endif
#undef ACTIVATION
#define ACTIVATION(z) (z)
#if LAYERS == 3
      FORWARD(n, h2, S2, S3, w3, b3, y)
#else
      FORWARD(n, h1, S1, S2, w2, b2, y)
#endif
#undef ACTIVATION
      const float share = 1.0f / n;
      for (int s = 0; s < n; s++) {
#if defined(SOFTMAX)
        float top = y[s][0], total = 0;
        for (int j = 1; j < OUT; j++) top = MAXIMUM(top, y[s][j]);
        for (int j = 0; j < OUT; j++) total += y[s][j] = expf(y[s][j] - top);
        for (int j = 0; j < OUT; j++) y[s][j] /= total;
#elif defined(SIGMOID)
        for (int j = 0; j < OUT; j++) y[s][j] = 1 / (1 + expf(-y[s][j]));
#endif
        for (int j = 0; j < OUT; j++) d[s][j] = share * (y[s][j] - goal[s][j]);
      }
#if LAYERS == 3
      BACKWARD(n, d, S2, S3, w3, h2, d2)
      BACKWARD(n, d2, S1, S2, w2, h1, d1)
      UPDATE(n, h2, d, S2, S3, w3, b3, rate)
      UPDATE(n, h1, d2, S1, S2, w2, b2, rate)
#else
      BACKWARD(n, d, S1, S2, w2, h1, d1)
      UPDATE(n, h1, d, S1, S2, w2, b2, rate)
#endif
      UPDATE(n, in, d1, S0, S1, w1, b1, rate)
#undef SLOPE
    }
}
