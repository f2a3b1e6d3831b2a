import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globalSetup: 'test/support/temporary.ts',
    include: ['test/**/*.test.ts'],
    // The CDK takes seconds to load: once for all files, one after the other, instead of once for each.
    isolate: false,
    fileParallelism: false,
    testTimeout: 60_000,
  },
});
