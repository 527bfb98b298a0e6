/* The machine's peak: independent fused multiply-adds, as many as the registers take; returns their number. */
double peak(long rounds, float *result) {
  enum { WIDTH = 16, CHAINS = 12 };
  float a[CHAINS][WIDTH], b = 0.999999f, c = 1e-6f;
  for (int i = 0; i < CHAINS; i++)
    for (int k = 0; k < WIDTH; k++) a[i][k] = (float)(i + k);
  for (long r = 0; r < rounds; r++)
    for (int i = 0; i < CHAINS; i++)
      for (int k = 0; k < WIDTH; k++) a[i][k] = a[i][k] * b + c;
  float sum = 0;
  for (int i = 0; i < CHAINS; i++)
    for (int k = 0; k < WIDTH; k++) sum += a[i][k];
  *result = sum;
  return (double)rounds * CHAINS * WIDTH;
}
